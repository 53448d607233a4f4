"""The load a team plans for, and the pods there are to carry it.

A Rollout and the Deployment that its workloadRef names are one workload: the Rollout speaks for
both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from meshlint.mesh.budgets import sure_pods
from meshlint.mesh.capacity import RPS_PER_POD, Capacity, gateway_capacity, workload_capacity
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.resources import Resource
from meshlint.model.values import mapping
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
