"""Requests and limits that the containers of a pod end up with, and what autoscalers count of them.

Sources in kubernetes/kubernetes: `pkg/apis/core/v1/defaults.go`, the LimitRanger plugin, and
`pkg/controller/podautoscaler/replica_calculator.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from meshlint.mesh.proxy_resources import Part, Resources, admitted, written
from meshlint.model.index import Index
from meshlint.model.values import get
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

POD_LEVEL_RESOURCES = "1.34"
"""Kubernetes minor from which `resources` of a pod spec count unless they are switched off."""

_NOTHING_SET = Resources()


def container_resources(index: Index, workload: Workload, container: Container) -> Resources:
    """Requests and limits of a container of a template, with what the API server adds."""
    ranges = index.in_namespace("core/LimitRange", workload.namespace)
    return admitted(written(workload, container), ranges)


def set_by_namespace(index: Index, namespace: str, part: Part, resource: str) -> bool:
    """Whether LimitRanges of a namespace give every container a request or limit."""
    ranges = index.in_namespace("core/LimitRange", namespace)
    return bool(ranges) and not admitted(_NOTHING_SET, ranges).missing(part, resource)


def set_for_pod(world: World, workload: Workload, part: Part, resource: str) -> bool:
    """Whether the pod as a whole has a request or limit, so that its containers need none."""
    block = workload.pod_spec.get("resources")
    if block is None or world.kubernetes_version.before(POD_LEVEL_RESOURCES):
        return False
    parts = ("requests", "limits") if part == "requests" else ("limits",)
    return any(get(block, one, resource) is not None for one in parts)


@dataclass(frozen=True, slots=True)
class Counted:
    """A container that a metric counts; `container` is None for an injected proxy."""

    name: str
    resources: Resources
    container: Container | None


@dataclass(frozen=True, slots=True)
class Measured:
    """The containers that a resource metric of an autoscaler counts."""

    containers: tuple[Counted, ...]
    complete: bool
    """False where there may be a proxy besides, of which nothing is known."""

    @property
    def proxy(self) -> Counted | None:
        """istio-proxy, where it is counted."""
        return next((c for c in self.containers if c.name == PROXY_CONTAINER), None)


def measured(world: World, template: Workload, container: str | None = None) -> Measured:
    """What a metric on the pods of a template counts; with `container` on that container only.

    Nothing where the pod has resources as a whole, as the API server then counts those.
    """
    if container is None and any(
        set_for_pod(world, template, "requests", resource) for resource in ("cpu", "memory")
    ):
        return Measured((), complete=False)
    found = [
        Counted(own.name, container_resources(world.index, template, own), own)
        for own in template.main_containers
        if container in (None, own.name)
    ]
    if container not in (None, PROXY_CONTAINER):
        return Measured(tuple(found), complete=True)
    proxy = world.proxy(template)
    if proxy is not None:
        found.append(Counted(PROXY_CONTAINER, proxy.resources, None))
        return Measured(tuple(found), complete=True)
    without_proxy = world.injection(template).mode in ("none", "ambient")
    return Measured(tuple(found), complete=without_proxy)


def known_amounts(counted: Sequence[Counted], part: Part, resource: str) -> list[Decimal] | None:
    """Cores or bytes of every container; None where one of them is unset or not known."""
    amounts = []
    for one in counted:
        quantity = one.resources.part(part).get(resource)
        amount = quantity.amount if quantity is not None else None
        if amount is None:
            return None
        amounts.append(amount)
    return amounts
