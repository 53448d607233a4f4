"""Which schema judges an object, and how the object violates it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from meshlint.findings import KindWithoutSchema
from meshlint.model.resources import CRD
from meshlint.schemas.kubernetes import bundle, nearest_minor

if TYPE_CHECKING:
    from meshlint.mesh.versions import Version
    from meshlint.model.index import Index
    from meshlint.model.resources import Resource
    from meshlint.schemas.violations import Schema, Violation

Origin = Literal["kubernetes", "custom"]

_ISTIO = "istio.io"
_GATEWAY_API = "gateway.networking.k8s.io"


class Schemas:
    """The schemas of one run: those of Kubernetes, of the Gateway API and of the definitions read.

    Kinds of Istio have rules of their own and none here.
    """

    def __init__(self, index: Index, kubernetes: Version) -> None:
        self._index = index
        self._kubernetes = kubernetes
        self._bundle = bundle(nearest_minor(kubernetes.minor))
        self._found: dict[str, tuple[Schema, Origin] | None] = {}
        self._violations: dict[Resource, Sequence[Violation]] = {}

    def of(self, resource: Resource) -> tuple[Schema, Origin] | None:
        """The schema of an object's kind and version, and whose it is; None without one."""
        kind = f"{resource.api_version}/{resource.kind}"
        if kind not in self._found:
            self._found[kind] = self._find(resource.group, kind)
        return self._found[kind]

    def _find(self, group: str, kind: str) -> tuple[Schema, Origin] | None:
        built_in = self._bundle.schema(kind)
        if built_in is not None:
            return built_in, "kubernetes"
        if group == _ISTIO or group.endswith(f".{_ISTIO}"):
            return None
        found = None
        if group == _GATEWAY_API:
            from meshlint.schemas.gateway_api import gateway_api_schema

            found = gateway_api_schema(kind, self._metadata)
        elif kind in self._defined:
            from meshlint.schemas.custom import custom_schema

            schema, keeps = self._defined[kind]
            found = custom_schema(schema, keeps, self._metadata)
        return (found, "custom") if found is not None else None

    @cached_property
    def _defined(self) -> Mapping[str, tuple[Mapping[str, Any], bool]]:
        from meshlint.schemas.custom import definitions

        return {
            kind: (schema, keeps)
            for resource in self._index.of_kind(CRD)
            for kind, schema, keeps in definitions(resource.value)
        }

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        return self._bundle.definition("meta.v1.ObjectMeta")

    def knows_group(self, group: str) -> bool:
        """Whether the kinds of a group are known: those of Kubernetes, Istio, the Gateway API."""
        if group in ("", "extensions", _ISTIO, _GATEWAY_API) or group.endswith(f".{_ISTIO}"):
            return True
        return group in self._groups

    @cached_property
    def _groups(self) -> frozenset[str]:
        return frozenset(kind.split("/")[0] for kind in self._bundle.kinds if kind.count("/") == 2)

    @cached_property
    def missing(self) -> tuple[KindWithoutSchema, ...]:
        """The kinds of the objects reported on that no schema is known of."""
        counts: Counter[tuple[str, str]] = Counter()
        for kind in self._index.kinds:
            group = kind.partition("/")[0]
            if self.knows_group("" if group == "core" else group):
                continue
            for resource in self._index.of_kind(kind):
                if resource.reported and self.of(resource) is None:
                    counts[resource.api_version, resource.kind] += 1
        return tuple(KindWithoutSchema(*key, count) for key, count in sorted(counts.items()))

    @property
    def notices(self) -> tuple[str, ...]:
        """What has to be said about the schemas that were used."""
        nearest = nearest_minor(self._kubernetes.minor)
        if nearest == self._kubernetes.minor:
            return ()
        said = f"The schemas of Kubernetes {self._kubernetes} are not known"
        return (f"{said}: objects are judged by those of 1.{nearest}.",)

    def violations(self, resource: Resource) -> Sequence[Violation]:
        """How an object violates its schema; nothing where it has none."""
        known = self._violations.get(resource)
        if known is None:
            found = self.of(resource)
            known = tuple(found[0].violations(resource.value)) if found is not None else ()
            self._violations[resource] = known
        return known
