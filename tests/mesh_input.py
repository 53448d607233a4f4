"""A world from YAML in a test: objects by apiVersion and kind, everything else as Helm values."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from meshlint.documents import Document, parse
from meshlint.mesh.provenance import Place
from meshlint.mesh.settings import Settings
from meshlint.mesh.world import World
from meshlint.model.index import Index
from meshlint.model.resources import Resource, make_resource
from meshlint.model.workloads import Workload
from meshlint.text import SourceFile


def make_world(*texts: str, settings: Settings | None = None) -> World:
    """Every text is a file of its own: `0.yaml`, `1.yaml` and so on."""
    resources: list[Resource] = []
    values: list[Document] = []
    for number, text in enumerate(texts):
        parsed = parse(SourceFile(f"{number}.yaml", dedent(text)))
        assert not parsed.problems, parsed.problems
        for document in parsed.documents:
            value: Any = document.value
            if isinstance(value, dict) and {"apiVersion", "kind"} <= value.keys():
                resources.append(make_resource(document, (), value))
            else:
                values.append(document)
    return World(Index(resources, values_files=values), settings or Settings())


def only_workload(world: World) -> Workload:
    """The only workload of a world."""
    (workload,) = world.index.workloads
    return workload


def shown(place: Place | None) -> str:
    """`file:line: text` of the key a place is about."""
    assert place is not None
    document = place.document
    path, _ = document.nearest(place.path)
    span = document.key_span(path)
    assert span is not None
    line = document.file.position(span.start).line
    return f"{document.file.path}:{line}: {document.file.line(line).strip()}"
