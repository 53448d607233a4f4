"""The load a team plans for, and the pods there are to carry it.

A Rollout and the Deployment that its workloadRef names are one workload: the Rollout speaks for
both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.budgets import sure_pods
from meshlint.mesh.capacity import RPS_PER_POD, Capacity, gateway_capacity, workload_capacity
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.counts import is_zero, pod_count
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

GATEWAY_API_GATEWAY = "gateway.networking.k8s.io/Gateway"


def run_by_rollout(subject: Workload | GatewayProxy, world: World) -> bool:
    """Whether a Rollout of the input runs the pods, and so speaks for the subject."""
    return isinstance(subject, Workload) and world.autoscaling.rollout_of(subject) is not None


def planned(subject: Workload | GatewayProxy, world: World) -> Capacity:
    """Capacity annotations of a workload or gateway; a Rollout has those of its Deployment too."""
    prefix = world.settings.annotation_prefix
    if isinstance(subject, GatewayProxy):
        return gateway_capacity(subject, prefix)
    own = workload_capacity(subject, prefix)
    template = world.autoscaling.template_of(subject)
    if template is subject:
        return own
    return Capacity({**workload_capacity(template, prefix).declared, **own.declared})


def annotations_with_prefix(
    subject: Resource | GatewayProxy, world: World
) -> Iterator[tuple[str, Any, Place]]:
    """Key without the prefix, value and place of annotations that bear the capacity prefix.

    Of an object these are its own, those of its pod template, and those that a Gateway gives to
    its pods; of a gateway that values or an IstioOperator describe, its pod annotations.
    """
    prefix = world.settings.annotation_prefix
    for block, place in _annotations(subject, world):
        for key, value in block.items():
            if key.startswith(prefix):
                yield key.removeprefix(prefix), value, place.below(key)


def _annotations(
    subject: Resource | GatewayProxy, world: World
) -> Iterator[tuple[Mapping[str, Any], Place]]:
    if isinstance(subject, GatewayProxy):
        if subject.form not in ("rendered", "automatic") and subject.annotations_place is not None:
            yield subject.annotations, subject.annotations_place
        return
    own = subject.annotations
    if own:
        yield own, Place(subject.document, (*subject.path, "metadata", "annotations"))
    workload = world.index.workload_of(subject)
    if workload is not None and workload.template_path != subject.path and workload.annotations:
        yield workload.annotations, Place(subject.document, workload.annotations_path)
    if subject.group_kind == GATEWAY_API_GATEWAY:
        steps = ("spec", "infrastructure", "annotations")
        yield mapping(subject.value, *steps), Place(subject.document, (*subject.path, *steps))


@dataclass(frozen=True, slots=True)
class Pods:
    """Fewest and most pods, each with the place that decides on it."""

    minimum: Sourced[int]
    maximum: Sourced[int]
    scaled: bool
    """Whether an autoscaler chooses between the two; otherwise they are one fixed number."""


def pods_of(subject: Workload | GatewayProxy, world: World) -> Pods | None:
    """How many pods a workload or gateway runs.

    None where that is not known (a DaemonSet has one on each node, a kustomization may change the
    number) and where a fixed 0 switches it off.
    """
    if subject.kind == "DaemonSet":
        return None
    if isinstance(subject, GatewayProxy):
        return _gateway_pods(subject, world)
    found = sure_pods(subject, world)
    if found is None:
        return None
    document, scaler = subject.resource.document, found.autoscaler
    if scaler is not None:
        return Pods(
            Sourced(found.minimum, Place(scaler.document, scaler.minimum_path)),
            Sourced(found.maximum, Place(scaler.document, scaler.maximum_path)),
            scaled=True,
        )
    if found.maximum == 0:
        return None
    fixed = Sourced(found.maximum, Place(document, (*subject.resource.path, "spec", "replicas")))
    return Pods(fixed, fixed, scaled=False)


def _gateway_pods(gateway: GatewayProxy, world: World) -> Pods | None:
    low, high = gateway.minimum, gateway.maximum
    if low is None or high is None or low.value is None or high.value is None:
        return None
    scaled = gateway.autoscaling.enabled is not None and gateway.autoscaling.enabled.value
    if high.value == 0 and not scaled:
        return None
    workload = world.index.workload_of(gateway.resource) if gateway.resource is not None else None
    if workload is not None and sure_pods(workload, world) is None:
        return None
    fewest, most = low.value, high.value
    return Pods(low.map(lambda _: fewest), high.map(lambda _: most), scaled)


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned load beside what carries it, in requests per second."""

    load: Sourced[Decimal]
    per_pod: Decimal
    pods: Pods

    def needed(self, per_pod: Decimal | None = None) -> int:
        """The number of pods that the load takes."""
        return int((self.load.value / (per_pod or self.per_pod)).to_integral_value(ROUND_CEILING))


def plan(subject: Workload | GatewayProxy, world: World, key: str) -> Plan | None:
    """The plan for the load that the annotation `key` declares.

    None where a part of it is missing or not known, and for what a Rollout speaks for.
    """
    declared = planned(subject, world)
    load, per_pod = declared.number(key), declared.number(RPS_PER_POD)
    if load is None or per_pod is None or run_by_rollout(subject, world):
        return None
    pods = pods_of(subject, world)
    return Plan(load, per_pod.value, pods) if pods is not None else None


# ------------------------------------------------------------------ pods that are away for a while

_ROLLING_UPDATE: Path = ("spec", "strategy", "rollingUpdate")


def rollout_loss(deployment: Resource, pods: int) -> Sourced[int] | None:
    """How many of its pods a rollout of a Deployment may take away before new ones are ready.

    None for a strategy that the API server refuses, or that cannot be read. Source:
    ResolveFenceposts of the Deployment controller: without a surge at least one pod goes.
    """
    document, root = deployment.document, deployment.path
    kind = get(deployment.value, "spec", "strategy", "type")
    if kind == "Recreate":
        return Sourced(pods, Place(document, (*root, "spec", "strategy", "type")))
    if kind not in (None, "RollingUpdate"):
        return None
    written = {
        name: get(deployment.value, *_ROLLING_UPDATE, name)
        for name in ("maxUnavailable", "maxSurge")
    }
    if all(is_zero(value) for value in written.values()):
        return None
    lost, extra = (
        pod_count("25%" if value is None else value, pods, round_up=name == "maxSurge")
        for name, value in written.items()
    )
    if lost is None or extra is None:
        return None
    place = Place(document, (*root, *_ROLLING_UPDATE, "maxUnavailable"))
    return Sourced(min(pods, lost or (0 if extra else 1)), place)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a PodDisruptionBudget keeps running, and the field of it that says so."""

    pods: int
    field: str
    value: Sourced[Any]


def guarantees(subject: Workload | GatewayProxy, world: World, pods: int) -> Iterator[Guarantee]:
    """What each budget for these pods alone keeps of a number of them.

    Source: the disruption controller, which rounds percentages up.
    """
    for least, most in _budgets(subject, world):
        if least.value is not None:
            kept = pod_count(least.value, pods, round_up=True)
            if kept is not None:
                yield Guarantee(min(kept, pods), "minAvailable", least)
        elif most.value is not None:
            lost = pod_count(most.value, pods, round_up=True)
            if lost is not None:
                yield Guarantee(max(pods - lost, 0), "maxUnavailable", most)


def _budgets(
    subject: Workload | GatewayProxy, world: World
) -> Iterator[tuple[Sourced[Any], Sourced[Any]]]:
    """minAvailable and maxUnavailable of each budget."""
    if isinstance(subject, GatewayProxy):
        budget = subject.budget.value if subject.budget is not None else None
        if budget is not None:
            yield budget.min_available, budget.max_unavailable
        return
    template = world.autoscaling.template_of(subject)
    for resource in world.budgets.of(template):
        # Of a budget for several workloads none is sure of a share.
        if list(world.budgets.selected(resource)) == [template]:
            spec = Place(resource.document, (*resource.path, "spec"))
            least, most = (
                Sourced(resource.spec.get(name), spec.below(name))
                for name in ("minAvailable", "maxUnavailable")
            )
            yield least, most
