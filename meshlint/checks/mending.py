"""Fixes at places of the mesh layer, renamed keys, and objects that are added to a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshlint.documents import Document
from meshlint.findings import Change, In, NewDocument, Path
from meshlint.mesh.annotations import edit_distance
from meshlint.mesh.client_mtls import uses_auto_mtls
from meshlint.mesh.provenance import Place
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping
from meshlint.operations import Operation, Remove, Rename, Set


def put(place: Place | None, value: Any) -> tuple[Change, ...]:
    """Sets a value at a place; nothing where that is not known, or inside of a text."""
    return change(place, Set(place.path, value)) if place is not None else ()


def taken(place: Place | None) -> tuple[Change, ...]:
    """Takes away what stands at a place; nothing where that is not known, or inside of a text."""
    return change(place, Remove(place.path)) if place is not None else ()


def change(place: Place, *operations: Operation) -> tuple[Change, ...]:
    """Operations on the document of a place; nothing where the place is inside of a text.

    Neither is the document as a whole a place for one.
    """
    if place.embedded or not place.path:
        return ()
    return (In(place.document, operations),)


def renamed(document: Document, path: Path, name: str) -> tuple[Change, ...]:
    """Gives a key another name, unless a key of that name stands beside it."""
    if not name or name in mapping(document.value, *path[:-1]):
        return ()
    return (In(document, (Rename(path, name),)),)


def added(document: Document, value: Mapping[str, Any]) -> tuple[Change, ...]:
    """An object at the end of a file of objects; nothing in a file of another kind."""
    written = document.value
    if not isinstance(get(written, "kind"), str) or not isinstance(get(written, "apiVersion"), str):
        return ()
    return (NewDocument(value),)


def only_near(name: str, known: Iterable[str]) -> str:
    """The only name within two letters of another one; empty where there is none, or several."""
    near = [other for other in known if edit_distance(name, other, 2) <= 2]
    return near[0] if len(near) == 1 else ""


def without_tls(world: World, rule: Resource, path: Path) -> tuple[Change, ...]:
    """A DestinationRule without a `tls` block; nothing where clients need one to send mTLS."""
    if not uses_auto_mtls(world):
        return ()
    entry = get(rule.document.value, *path[:-1])
    # What is left of an entry for a port takes the settings of all ports away from it.
    idle = "portLevelSettings" in path and set(mapping(entry)) == {"port", "tls"}
    return (Remove(path[:-1] if idle else path),)
