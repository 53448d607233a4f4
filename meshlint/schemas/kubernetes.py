"""Schemas of the kinds that Kubernetes itself serves, by minor version.

The bundles in `data` are made by tools/kubernetes_schemas.py, which describes their format.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from meshlint.patterns import regexp
from meshlint.schemas.violations import Schema

_REFERENCE = regexp(r'"\$ref":"#/\$defs/([^"]+)"')

OLDEST_MINOR = 25
NEWEST_MINOR = 37
"""The minors of Kubernetes 1 that are bundled, and all between them."""


def nearest_minor(minor: int) -> int:
    """The bundled minor that a wanted one is judged by."""
    return min(max(minor, OLDEST_MINOR), NEWEST_MINOR)


class Bundle:
    """The kinds of one minor of Kubernetes."""

    def __init__(self, text: str) -> None:
        import json

        head, *lines = text.splitlines()
        self.kinds: Mapping[str, str] = json.loads(head)
        """Served kinds (`apps/v1/Deployment`), and the definition of each."""
        self._definitions = dict(line.split("\t", 1) for line in lines)
        self._schemas: dict[str, Schema] = {}

    def schema(self, kind: str) -> Schema | None:
        """The schema of a kind (`apps/v1/Deployment`); None for one that is not served."""
        name = self.kinds.get(kind)
        if name is None:
            return None
        found = self._schemas.get(kind)
        if found is None:
            found = self._schemas[kind] = Schema(self.definition(name))
        return found

    def definition(self, name: str) -> dict[str, Any]:
        """The schema of a definition (`meta.v1.ObjectMeta`) with all that it refers to."""
        import json

        reached: set[str] = set()
        wanted = [name]
        while wanted:
            current = wanted.pop()
            if current not in reached:
                reached.add(current)
                wanted += _REFERENCE.findall(self._definitions[current])
        definitions = {key: json.loads(self._definitions[key]) for key in sorted(reached)}
        return {"$ref": f"#/$defs/{name}", "$defs": definitions}


@cache
def bundle(minor: int) -> Bundle:
    """The kinds of a bundled minor of Kubernetes 1."""
    import zlib

    data = Path(__file__).parent / "data" / f"kubernetes-1.{minor}.gz"
    return Bundle(zlib.decompress(data.read_bytes(), wbits=31).decode())
