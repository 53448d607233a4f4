"""Which schema judges an object, and how the object violates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from meshlint.schemas.kubernetes import bundle, nearest_minor

if TYPE_CHECKING:
    from meshlint.mesh.versions import Version
    from meshlint.model.index import Index
    from meshlint.model.resources import Resource
    from meshlint.schemas.violations import Schema, Violation

Origin = Literal["kubernetes", "custom"]


class Schemas:
    """The schemas of one run: those of Kubernetes, and those of custom resources."""

    def __init__(self, kubernetes: Version) -> None:
        self._bundle = bundle(nearest_minor(kubernetes.minor))
        self._found: dict[str, tuple[Schema, Origin] | None] = {}
        self._violations: dict[Resource, Sequence[Violation]] = {}

    def of(self, resource: Resource) -> tuple[Schema, Origin] | None:
        """The schema of an object's kind and version, and whose it is; None without one."""
        kind = f"{resource.api_version}/{resource.kind}"
        if kind not in self._found:
            self._found[kind] = self._find(kind)
        return self._found[kind]

    def _find(self, kind: str) -> tuple[Schema, Origin] | None:
        schema = self._bundle.schema(kind)
        return (schema, "kubernetes") if schema is not None else None

    def violations(self, resource: Resource) -> Sequence[Violation]:
        """How an object violates its schema; nothing where it has none."""
        known = self._violations.get(resource)
        if known is None:
            found = self.of(resource)
            known = tuple(found[0].violations(resource.value)) if found is not None else ()
            self._violations[resource] = known
        return known
