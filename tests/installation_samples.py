"""Inputs for the tests of installations, built the way the loader builds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlint.documents import Document, parse
from meshlint.mesh.installations.read import read_installations
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy, Installations
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource, make_resource
from meshlint.text import SourceFile


def index_of(files: Mapping[str, str]) -> Index:
    """An index of files given by path; documents without apiVersion and kind hold values."""
    parsed = [parse(SourceFile(path, text)) for path, text in files.items()]
    resources: list[Resource] = []
    values: list[Document] = []
    for file in parsed:
        for document in file.documents:
            value = document.value
            if not isinstance(value, dict):
                continue
            if isinstance(value.get("apiVersion"), str) and isinstance(value.get("kind"), str):
                resources.append(make_resource(document, (), value))
            elif "dependencies" not in value and "releases" not in value:
                values.append(document)
    return Index(resources, values_files=values, files=parsed)


def installations(
    files: str | Mapping[str, str], settings: Settings | None = None
) -> Installations:
    """Installations of one manifest, or of files by path."""
    named = {"istio.yaml": files} if isinstance(files, str) else files
    return read_installations(index_of(named), settings or Settings())


def plane(files: str | Mapping[str, str], settings: Settings | None = None) -> ControlPlane:
    """The one control plane of an input."""
    found = installations(files, settings)
    (only,) = (*found.control_planes, *found.without_control_plane)
    return only


def gateway(
    files: str | Mapping[str, str], name: str = "", settings: Settings | None = None
) -> GatewayProxy:
    """The gateway of an input, by name where there are several."""
    found = installations(files, settings).gateways
    (only,) = [g for g in found if not name or g.name == name]
    return only


def value(found: Sourced[Any] | None) -> Any:
    """The value of something that must be known."""
    assert found is not None
    return found.value


def line(found: Sourced[Any] | None) -> int | None:
    """Line of the value in its file; None for a default."""
    assert found is not None
    if found.place is None:
        return None
    document = found.place.document
    nearest, _ = document.nearest(found.place.path)
    span = document.key_span(nearest) or document.span
    return document.file.position(span.start).line
