"""How objects of Istio name the workloads they are for: selectors and target references.

Sources: istio/api `type/v1beta1/selector.proto`, `networking/v1alpha3/sidecar.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping

_OLD_FORM = frozenset({"Sidecar", "EnvoyFilter", "ServiceEntry"})
"""Kinds of networking.istio.io whose selector holds `labels` in place of `matchLabels`."""

_WORKLOAD_SELECTOR = _OLD_FORM | {"DestinationRule"}


@dataclass(frozen=True, slots=True)
class Selector:
    """A workload selector as it stands in an object."""

    field: str
    """`selector` or `workloadSelector`."""
    labels_field: str
    """`matchLabels` or `labels`."""
    path: Path
    block: dict[str, Any]

    @property
    def labels(self) -> dict[str, Any]:
        return mapping(self.block, self.labels_field)

    @property
    def labels_path(self) -> Path:
        return (*self.path, self.labels_field)


def selector(resource: Resource) -> Selector | None:
    """The selector of an object; None where it has no such block."""
    field = "workloadSelector" if resource.kind in _WORKLOAD_SELECTOR else "selector"
    labels_field = "labels" if resource.kind in _OLD_FORM else "matchLabels"
    block = resource.spec.get(field)
    if not isinstance(block, dict):
        return None
    return Selector(field, labels_field, (*resource.path, "spec", field), block)


def target_references(resource: Resource) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Blocks of `targetRef` and `targetRefs`, with their paths."""
    spec = (*resource.path, "spec")
    single = resource.spec.get("targetRef")
    if isinstance(single, dict):
        yield (*spec, "targetRef"), single
    for number, target in enumerate(items(resource.spec, "targetRefs")):
        if isinstance(target, dict):
            yield (*spec, "targetRefs", number), target
