"""Labels, annotations and selectors of an object, wherever it has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from meshlint.findings import Path
from meshlint.model.resources import Resource
from meshlint.model.values import get, mappings
from meshlint.model.workloads import make_workload

MapKind = Literal["label", "annotation", "selector", "node-selector", "data"]

_SELECTS_BY_MAP = frozenset({"core/Service", "core/ReplicationController"})


def string_maps(resource: Resource) -> Iterator[tuple[MapKind, Path, dict[str, Any]]]:
    """Mappings of an object whose values have to be strings, each with what it is and its path."""
    for kind, path in _places(resource):
        found = get(resource.value, *path)
        if isinstance(found, dict):
            yield kind, (*resource.path, *path), found


def _places(resource: Resource) -> Iterator[tuple[MapKind, Path]]:
    value = resource.value
    yield from _metadata(())
    if resource.group_kind == "core/ConfigMap":
        yield "data", ("data",)
    if resource.group_kind in _SELECTS_BY_MAP:
        yield "selector", ("spec", "selector")
    else:
        yield "selector", ("spec", "selector", "matchLabels")
    if resource.group_kind == "networking.k8s.io/NetworkPolicy":
        yield "selector", ("spec", "podSelector", "matchLabels")
        for side, peers in (("ingress", "from"), ("egress", "to")):
            for number, rule in mappings(value, "spec", side):
                for index, _ in mappings(rule, peers):
                    peer = ("spec", side, number, peers, index)
                    yield "selector", (*peer, "podSelector", "matchLabels")
                    yield "selector", (*peer, "namespaceSelector", "matchLabels")
    if resource.kind == "CronJob":
        yield from _metadata(("spec", "jobTemplate"))
    for index, _ in mappings(value, "spec", "volumeClaimTemplates"):
        yield from _metadata(("spec", "volumeClaimTemplates", index))
    workload = make_workload(resource)
    if workload is None:
        return
    root = len(resource.path)
    template = workload.template_path[root:]
    if template:
        yield from _metadata(template)
    pod = workload.pod_spec_path[root:]
    yield "node-selector", (*pod, "nodeSelector")
    for index, _ in mappings(workload.pod_spec, "topologySpreadConstraints"):
        yield "selector", (*pod, "topologySpreadConstraints", index, "labelSelector", "matchLabels")
    for affinity in ("podAffinity", "podAntiAffinity"):
        terms = ("affinity", affinity, "requiredDuringSchedulingIgnoredDuringExecution")
        for index, _ in mappings(workload.pod_spec, *terms):
            yield "selector", (*pod, *terms, index, "labelSelector", "matchLabels")
        terms = ("affinity", affinity, "preferredDuringSchedulingIgnoredDuringExecution")
        for index, _ in mappings(workload.pod_spec, *terms):
            term = (*pod, *terms, index, "podAffinityTerm")
            yield "selector", (*term, "labelSelector", "matchLabels")


def _metadata(root: Path) -> Iterator[tuple[MapKind, Path]]:
    yield "label", (*root, "metadata", "labels")
    yield "annotation", (*root, "metadata", "annotations")
