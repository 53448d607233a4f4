"""Autoscalers of the input and the replica ranges that follow from them.

Sources: Kubernetes documentation, horizontal pod autoscaling; `pkg/controller/podautoscaler` of
kubernetes/kubernetes; KEDA ScaledObject specification; Datadog operator, DatadogPodAutoscaler.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path
from meshlint.model.index import Index
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload

HPA = "autoscaling/HorizontalPodAutoscaler"
SCALED_OBJECT = "keda.sh/ScaledObject"
DATADOG = "datadoghq.com/DatadogPodAutoscaler"
AUTOSCALER_KINDS = (HPA, SCALED_OBJECT, DATADOG)

DEFAULT_CPU_TARGET = 80
"""Percent; what a HorizontalPodAutoscaler without metrics scales on."""

CONTAINER_METRICS = {"stable": "1.30", "beta": "1.27"}
"""Kubernetes minors from which metrics of type ContainerResource are served."""

API_VERSIONS: Mapping[str, str] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "Rollout": "argoproj.io/v1alpha1",
    "DeploymentConfig": "apps.openshift.io/v1",
}
"""The one apiVersion of each kind of workload that can be scaled."""

_KNOWN_GROUPS = frozenset(
    {"", "extensions", *(v.rpartition("/")[0] for v in API_VERSIONS.values())}
)
# Annotation by which autoscaling/v1 carries the metrics that it has no field for.
_METRICS_ANNOTATION = "autoscaling.alpha.kubernetes.io/metrics"


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
    active: bool = True
    """False for one that only recommends: a DatadogPodAutoscaler in the mode Preview."""

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
        """The target as messages name it."""
        return f"{self.target_kind} {self.target_name}".strip() or "the target"

    @property
    def foreign_group(self) -> str | None:
        """API group of the target where it is none of those that known workloads live in.

        A custom resource may bear the kind of a built-in one (Kruise has a StatefulSet too). Known
        groups say no more than the kind does: where they contradict it, the reference is wrong.
        """
        return None if self.target_group in _KNOWN_GROUPS else self.target_group


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
    root = resource.path
    return Autoscaler(
        resource=resource,
        target_kind=text(reference, "kind") or shape.default_kind,
        target_name=text(reference, "name"),
        target_group=_group(reference.get("apiVersion")),
        target_path=(*root, *shape.reference),
        minimum=_count(resource.value, shape.minimum, shape.default_minimum),
        maximum=_count(resource.value, shape.maximum, shape.default_maximum),
        minimum_path=(*root, *shape.minimum),
        maximum_path=(*root, *shape.maximum),
        metrics=tuple(_metrics(resource)),
        active=text(resource.spec, "applyPolicy", "mode") != "Preview",
    )


def _group(api_version: Any) -> str | None:
    if not isinstance(api_version, str) or not api_version:
        return None
    return api_version.rpartition("/")[0]


def _count(value: Any, path: Path, default: int | None) -> int | None:
    return default if get(value, *path) is None else integer(value, *path)


def _metrics(resource: Resource) -> list[Metric]:
    if resource.group_kind == SCALED_OBJECT:
        return _triggers(resource)
    if resource.group_kind == DATADOG:
        return _objectives(resource)
    root = (*resource.path, "spec")
    spec = resource.spec
    found = [
        _pod_metric(entry, (*root, "metrics", index), ("Resource", "ContainerResource"), _target)
        for index, entry in mappings(spec, "metrics")
    ]
    if "targetCPUUtilizationPercentage" in spec:
        value = parse_quantity(spec["targetCPUUtilizationPercentage"])
        path = (*root, "targetCPUUtilizationPercentage")
        found.append(Metric("Resource", "cpu", None, "Utilization", value, path))
    elif _METRICS_ANNOTATION in resource.annotations:
        path = (*resource.path, "metadata", "annotations", _METRICS_ANNOTATION)
        found.append(Metric("?", "", None, "other", None, path))
    elif not items(spec, "metrics"):
        default = Decimal(DEFAULT_CPU_TARGET)
        found.append(Metric("Resource", "cpu", None, "Utilization", default, root))
    return found


_TargetKind = Literal["Utilization", "AverageValue", "other"]
_Target = tuple[_TargetKind, Decimal | None, Path]


def _pod_metric(
    entry: Mapping[str, Any],
    path: Path,
    types: tuple[str, str],
    target: Callable[[Mapping[str, Any]], _Target],
) -> Metric:
    """A metric as written; `types` are those of a pod's and of a container's resource."""
    source = text(entry, "type")
    block_name = source[:1].lower() + source[1:]
    block = mapping(entry, block_name)
    path = (*path, block_name)
    if source not in types:
        return Metric(source or "?", "", None, "other", None, path)
    container = text(block, "container") if source == types[1] else None
    kind, value, steps = target(block)
    shown = "Resource" if container is None else "ContainerResource"
    return Metric(shown, text(block, "name"), container, kind, value, (*path, *steps))


def _target(block: Mapping[str, Any]) -> _Target:
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


def _objectives(resource: Resource) -> list[Metric]:
    """Objectives of a DatadogPodAutoscaler, which v1alpha1 calls targets."""
    field = "objectives" if "objectives" in resource.spec else "targets"
    root = (*resource.path, "spec", field)
    return [
        _pod_metric(entry, (*root, index), ("PodResource", "ContainerResource"), _objective)
        for index, entry in mappings(resource.spec, field)
    ]


def _objective(block: Mapping[str, Any]) -> _Target:
    value = mapping(block, "value")
    if text(value, "type") == "Utilization":
        percent = parse_quantity(value.get("utilization"))
        return "Utilization", percent, ("value", "utilization")
    return "other", None, ("value",)


def _triggers(resource: Resource) -> list[Metric]:
    found = []
    for index, trigger in mappings(resource.spec, "triggers"):
        source = text(trigger, "type")
        path = (*resource.path, "spec", "triggers", index)
        if source not in ("cpu", "memory"):
            found.append(Metric(source or "?", "", None, "other", None, path))
            continue
        container = text(trigger, "metadata", "containerName") or None
        kind: _TargetKind = "other"
        value = None
        # metadata.type is the field of old releases.
        match text(trigger, "metricType") or text(trigger, "metadata", "type"):
            case "Utilization" | "AverageValue" as kind:
                value = parse_quantity(get(trigger, "metadata", "value"))
        shown = "Resource" if container is None else "ContainerResource"
        found.append(Metric(shown, source, container, kind, value, (*path, "metadata", "value")))
    return found


@dataclass(frozen=True, slots=True)
class ReplicaRange:
    """Fewest and most pods of a workload; `autoscaler` is None where the number is fixed."""

    minimum: int
    maximum: int
    autoscaler: Autoscaler | None


# Namespace, kind, name.
_Identity = tuple[str, str, str]


class Autoscaling:
    """Which autoscaler scales what.

    An input may define one workload several times, as in the rendered manifests of several
    environments; an autoscaler then scales the definition that lies nearest to its own file.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    @cached_property
    def autoscalers(self) -> tuple[Autoscaler, ...]:
        """Every autoscaler, in input order."""
        if not any(kind in AUTOSCALER_KINDS for kind in self._index.kinds):
            return ()
        return tuple(
            make_autoscaler(resource)
            for resource in self._index.resources
            if resource.group_kind in AUTOSCALER_KINDS
        )

    @cached_property
    def _by_resource(self) -> Mapping[Resource, Autoscaler]:
        return {scaler.resource: scaler for scaler in self.autoscalers}

    def autoscaler(self, resource: Resource) -> Autoscaler:
        """The autoscaler that an object of the input is; it must be of an autoscaler's kind."""
        return self._by_resource[resource]

    @cached_property
    def _by_target(self) -> Mapping[_Identity, list[Autoscaler]]:
        table: dict[_Identity, list[Autoscaler]] = defaultdict(list)
        for scaler in self.autoscalers:
            table[scaler.namespace, scaler.target_kind, scaler.target_name].append(scaler)
        return table

    def targeting(self, namespace: str, kind: str, name: str) -> Sequence[Autoscaler]:
        """Autoscalers that name this kind and name, whatever the API group; in input order."""
        return self._by_target.get((namespace, kind, name), ())

    @cached_property
    def _workloads(self) -> Mapping[_Identity, list[Workload]]:
        table: dict[_Identity, list[Workload]] = defaultdict(list)
        for workload in self._index.workloads:
            table[workload.namespace, workload.kind, workload.name].append(workload)
        return table

    @cached_property
    def _rollouts(self) -> Mapping[_Identity, list[Workload]]:
        """Rollouts by what their workloadRef names."""
        table: dict[_Identity, list[Workload]] = defaultdict(list)
        for resource in self._index.of_kind("argoproj.io/Rollout"):
            reference = mapping(resource.spec, "workloadRef")
            workload = self._index.workload_of(resource) if reference else None
            if workload is not None:
                key = (resource.namespace, text(reference, "kind"), text(reference, "name"))
                table[key].append(workload)
        return table

    def rollout_of(self, workload: Workload) -> Workload | None:
        """The Rollout that manages a Deployment through its workloadRef."""
        rollouts = self._rollouts
        if not rollouts:
            return None
        key = (workload.namespace, workload.kind, workload.name)
        return _nearest(rollouts.get(key, ()), workload.resource)

    def replacing(self, scaler: Autoscaler) -> Workload | None:
        """The Rollout whose workloadRef names the target of an autoscaler."""
        key = (scaler.namespace, scaler.target_kind, scaler.target_name)
        return _nearest(self._rollouts.get(key, ()), scaler.resource)

    def of(self, workload: Workload) -> Sequence[Autoscaler]:
        """Autoscalers of a workload (term autoscaler-of), the nearest one first.

        A Deployment that a Rollout refers to is scaled by what scales the Rollout.
        """
        rollout = self.rollout_of(workload)
        return [*(self._naming(rollout) if rollout else ()), *self._naming(workload)]

    def _naming(self, workload: Workload) -> Sequence[Autoscaler]:
        found = [
            scaler
            for scaler in self.targeting(workload.namespace, workload.kind, workload.name)
            if scaler.foreign_group in (None, workload.resource.group)
        ]
        if len(found) > 1:
            found.sort(key=lambda scaler: -_kinship(scaler.resource, workload.resource))
        return found

    def target_of(self, scaler: Autoscaler) -> Workload | None:
        """The workload an autoscaler scales, if it is in the input.

        For a Rollout with workloadRef that is the Rollout itself.
        """
        named = self._workloads.get((scaler.namespace, scaler.target_kind, scaler.target_name), ())
        group = scaler.foreign_group
        return _nearest(
            [w for w in named if group in (None, w.resource.group)] if group else named,
            scaler.resource,
        )

    def template_of(self, workload: Workload) -> Workload:
        """The workload with the template of the pods: a Rollout may refer to a Deployment."""
        reference = mapping(workload.resource.spec, "workloadRef")
        if not reference:
            return workload
        key = (workload.namespace, text(reference, "kind"), text(reference, "name"))
        return _nearest(self._workloads.get(key, ()), workload.resource) or workload

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


def _nearest(workloads: Sequence[Workload], resource: Resource) -> Workload | None:
    """The workload whose file shares the most directories with an object's; of equals the last."""
    if len(workloads) < 2:
        return workloads[0] if workloads else None
    return max(
        enumerate(workloads), key=lambda pair: (_kinship(pair[1].resource, resource), pair[0])
    )[1]


def _kinship(one: Resource, other: Resource) -> int:
    """How many leading steps the paths of two objects' files have in common."""
    shared = 0
    for left, right in zip(
        one.document.file.path.split("/"), other.document.file.path.split("/"), strict=False
    ):
        if left != right:
            break
        shared += 1
    return shared
