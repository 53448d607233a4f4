"""Autoscalers of the input and the replica ranges that follow from them.

Sources: Kubernetes documentation, horizontal pod autoscaling; KEDA ScaledObject specification;
Datadog operator, DatadogPodAutoscaler.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from meshlint.documents import Document
from meshlint.findings import Path
from meshlint.model.index import Index
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text
from meshlint.model.workloads import Workload

HPA = "autoscaling/HorizontalPodAutoscaler"
SCALED_OBJECT = "keda.sh/ScaledObject"
DATADOG = "datadoghq.com/DatadogPodAutoscaler"
AUTOSCALER_KINDS = (HPA, SCALED_OBJECT, DATADOG)

DEFAULT_CPU_TARGET = 80
"""Percent; what a HorizontalPodAutoscaler without metrics scales on."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of an autoscaler. `target` is percent for Utilization, else cores or bytes a pod.

    `container` is set for ContainerResource only. `path` leads from the root of the document to
    the target value, or for a default to the object's spec.
    """

    source: str
    """`Resource`, `ContainerResource`, or the name of any other source of metrics."""
    resource: str
    container: str | None
    kind: Literal["Utilization", "AverageValue", "other"]
    target: Decimal | None
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Autoscaler:
    """HorizontalPodAutoscaler, ScaledObject or DatadogPodAutoscaler in one shape."""

    resource: Resource
    target_kind: str
    target_name: str
    target_group: str | None
    """None where the reference has no apiVersion."""
    target_path: Path
    minimum: int | None
    """None when it is no number; the kind's default when it is absent."""
    maximum: int | None
    minimum_path: Path
    maximum_path: Path
    metrics: tuple[Metric, ...]

    @property
    def document(self) -> Document:
        return self.resource.document

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def namespace(self) -> str:
        return self.resource.namespace

    @property
    def target(self) -> str:
        return f"{self.target_kind} {self.target_name}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where a kind keeps the reference and the range, and what absent numbers mean."""

    reference: Path
    minimum: Path
    maximum: Path
    default_kind: str
    default_minimum: int
    default_maximum: int | None


_SHAPES = {
    HPA: _Shape(
        ("spec", "scaleTargetRef"), ("spec", "minReplicas"), ("spec", "maxReplicas"), "", 1, None
    ),
    SCALED_OBJECT: _Shape(
        ("spec", "scaleTargetRef"),
        ("spec", "minReplicaCount"),
        ("spec", "maxReplicaCount"),
        "Deployment",
        0,
        100,
    ),
    DATADOG: _Shape(
        ("spec", "targetRef"),
        ("spec", "constraints", "minReplicas"),
        ("spec", "constraints", "maxReplicas"),
        "",
        1,
        None,
    ),
}


def make_autoscaler(resource: Resource) -> Autoscaler:
    """The common shape of an autoscaler; the object must be of one of `AUTOSCALER_KINDS`."""
    shape = _SHAPES[resource.group_kind]
    reference = mapping(resource.value, *shape.reference)
    api_version = reference.get("apiVersion")
    root = resource.path
    return Autoscaler(
        resource=resource,
        target_kind=text(reference, "kind") or shape.default_kind,
        target_name=text(reference, "name"),
        target_group=api_version.rpartition("/")[0] if isinstance(api_version, str) else None,
        target_path=(*root, *shape.reference),
        minimum=_count(resource.value, shape.minimum, shape.default_minimum),
        maximum=_count(resource.value, shape.maximum, shape.default_maximum),
        minimum_path=(*root, *shape.minimum),
        maximum_path=(*root, *shape.maximum),
        metrics=tuple(_metrics(resource)),
    )


def _count(value: Any, path: Path, default: int | None) -> int | None:
    return default if get(value, *path) is None else integer(value, *path)


def _metrics(resource: Resource) -> list[Metric]:
    if resource.group_kind == SCALED_OBJECT:
        return _triggers(resource)
    if resource.group_kind == DATADOG:
        return []
    root = (*resource.path, "spec")
    spec = resource.spec
    found = []
    for index, entry in mappings(spec, "metrics"):
        source = text(entry, "type")
        block_name = source[:1].lower() + source[1:]
        block = mapping(entry, block_name)
        path: Path = (*root, "metrics", index, block_name)
        if source not in ("Resource", "ContainerResource"):
            found.append(Metric(source or "?", "", None, "other", None, path))
            continue
        container = text(block, "container") if source == "ContainerResource" else None
        kind, target, steps = _target(block)
        found.append(
            Metric(source, text(block, "name"), container, kind, target, (*path, *steps))
        )
    if "targetCPUUtilizationPercentage" in spec:
        value = parse_quantity(spec["targetCPUUtilizationPercentage"])
        path = (*root, "targetCPUUtilizationPercentage")
        found.append(Metric("Resource", "cpu", None, "Utilization", value, path))
    if not found:
        found.append(
            Metric("Resource", "cpu", None, "Utilization", Decimal(DEFAULT_CPU_TARGET), root)
        )
    return found


def _target(
    block: Mapping[str, Any],
) -> tuple[Literal["Utilization", "AverageValue", "other"], Decimal | None, Path]:
    if "targetAverageUtilization" in block:  # autoscaling/v2beta1
        percent = parse_quantity(block["targetAverageUtilization"])
        return "Utilization", percent, ("targetAverageUtilization",)
    if "targetAverageValue" in block:
        return "AverageValue", parse_quantity(block["targetAverageValue"]), ("targetAverageValue",)
    target = mapping(block, "target")
    kind = text(target, "type")
    if kind == "Utilization":
        percent = parse_quantity(target.get("averageUtilization"))
        return "Utilization", percent, ("target", "averageUtilization")
    if kind == "AverageValue":
        amount = parse_quantity(target.get("averageValue"))
        return "AverageValue", amount, ("target", "averageValue")
    return "other", None, ("target",)


def _triggers(resource: Resource) -> list[Metric]:
    found = []
    for index, trigger in mappings(resource.spec, "triggers"):
        kind = text(trigger, "type")
        path = (*resource.path, "spec", "triggers", index)
        if kind not in ("cpu", "memory"):
            found.append(Metric(kind or "?", "", None, "other", None, path))
            continue
        metric_type = text(trigger, "metricType") or text(trigger, "metadata", "type")
        container = text(trigger, "metadata", "containerName") or None
        target = parse_quantity(get(trigger, "metadata", "value"))
        source = "ContainerResource" if container else "Resource"
        target_path = (*path, "metadata", "value")
        if metric_type == "Utilization":
            found.append(Metric(source, kind, container, "Utilization", target, target_path))
        elif metric_type == "AverageValue":
            found.append(Metric(source, kind, container, "AverageValue", target, target_path))
        else:
            found.append(Metric(source, kind, container, "other", None, target_path))
    return found


@dataclass(frozen=True, slots=True)
class ReplicaRange:
    """Fewest and most pods of a workload; `autoscaler` is None where the number is fixed."""

    minimum: int
    maximum: int
    autoscaler: Autoscaler | None


class Autoscaling:
    """Which autoscaler scales what."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @cached_property
    def autoscalers(self) -> tuple[Autoscaler, ...]:
        """Every autoscaler of the input."""
        return tuple(map(make_autoscaler, self._index.of_kind(*AUTOSCALER_KINDS)))

    @cached_property
    def _by_target(self) -> Mapping[tuple[str, str, str], list[Autoscaler]]:
        table: dict[tuple[str, str, str], list[Autoscaler]] = defaultdict(list)
        for scaler in self.autoscalers:
            table[scaler.namespace, scaler.target_kind, scaler.target_name].append(scaler)
        return table

    def targeting(self, namespace: str, kind: str, name: str) -> Sequence[Autoscaler]:
        """Autoscalers that name this kind and name as their target, whatever the API group."""
        return self._by_target.get((namespace, kind, name), ())

    @cached_property
    def _rollout_of(self) -> Mapping[tuple[str, str, str], Workload]:
        """(namespace, kind, name) -> the Rollout whose workloadRef names it."""
        table = {}
        for workload in self._index.workloads:
            if workload.resource.group_kind == "argoproj.io/Rollout":
                reference = mapping(workload.resource.spec, "workloadRef")
                if reference:
                    key = (workload.namespace, text(reference, "kind"), text(reference, "name"))
                    table[key] = workload
        return table

    def rollout_of(self, workload: Workload) -> Workload | None:
        """The Rollout that manages a Deployment through its workloadRef."""
        return self._rollout_of.get((workload.namespace, workload.kind, workload.name))

    def of(self, workload: Workload) -> Sequence[Autoscaler]:
        """Autoscalers of a workload (term autoscaler-of)."""
        rollout = self.rollout_of(workload)
        found = list(self._naming(workload))
        if rollout is not None:
            found += self._naming(rollout)
        return found

    def _naming(self, workload: Workload) -> Sequence[Autoscaler]:
        return [
            scaler
            for scaler in self.targeting(workload.namespace, workload.kind, workload.name)
            if scaler.target_group in (None, workload.resource.group)
        ]

    def target_of(self, scaler: Autoscaler) -> Workload | None:
        """The workload an autoscaler scales, if it is in the input.

        For a Rollout with workloadRef that is the Rollout itself.
        """
        for workload in self._index.workloads_in(scaler.namespace):
            if (
                workload.kind == scaler.target_kind
                and workload.name == scaler.target_name
                and scaler.target_group in (None, workload.resource.group)
            ):
                return workload
        return None

    def template_of(self, workload: Workload) -> Workload:
        """The workload whose template the pods are made from: a Rollout may refer to a Deployment."""
        reference = mapping(workload.resource.spec, "workloadRef")
        if not reference:
            return workload
        for other in self._index.workloads_in(workload.namespace):
            if other.kind == reference.get("kind") and other.name == reference.get("name"):
                return other
        return workload

    def replica_range(self, workload: Workload) -> ReplicaRange | None:
        """Replica range of a workload; None where a number of it is not known."""
        scalers = self.of(workload)
        if scalers:
            scaler = scalers[0]
            if scaler.minimum is None or scaler.maximum is None:
                return None
            return ReplicaRange(scaler.minimum, scaler.maximum, scaler)
        counted = self.rollout_of(workload) or workload
        written = get(counted.resource.value, "spec", "replicas")
        replicas = 1 if written is None else integer(written)
        return None if replicas is None else ReplicaRange(replicas, replicas, None)
