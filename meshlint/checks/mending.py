"""Parts of fixes: renamed keys, DestinationRules without TLS, and objects that are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlint.documents import Document
from meshlint.findings import Change, In, NewDocument, Path
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping
from meshlint.operations import Remove, Rename


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


def added_to_mesh(
    world: World, subject: ControlPlane | Resource, value: Mapping[str, Any]
) -> tuple[Change, ...]:
    """An object for the whole mesh, beside an installation or what else is for the whole mesh."""
    if isinstance(subject, Resource) and subject.namespace != world.root_namespace:
        return ()
    return added(subject.document, value)


def without_tls(world: World, rule: Resource, path: Path) -> tuple[Change, ...]:
    """A DestinationRule without a `tls` block; nothing where clients need one to send mTLS."""
    from meshlint.mesh.client_mtls import uses_auto_mtls

    if not uses_auto_mtls(world):
        return ()
    entry = get(rule.document.value, *path[:-1])
    # What is left of an entry for a port takes the settings of all ports away from it.
    idle = "portLevelSettings" in path and set(mapping(entry)) == {"port", "tls"}
    return (Remove(path[:-1] if idle else path),)
