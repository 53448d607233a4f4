"""Requests and limits that the containers of a pod end up with, and what autoscalers count of them.

Sources in kubernetes/kubernetes: `pkg/apis/core/v1/defaults.go`, the LimitRanger plugin, and
`pkg/controller/podautoscaler/replica_calculator.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.mesh.proxy_resources import Part, Resources, admitted, key, written
from meshlint.model.index import Index
from meshlint.model.quantity import parse_quantity
from meshlint.model.values import get, mapping
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

POD_LEVEL_RESOURCES = "1.34"
"""Kubernetes minor from which `resources` of a pod spec count unless they are switched off."""

_NOTHING_SET = Resources()


@dataclass(frozen=True, slots=True)
class Counted:
    """A container with the requests and limits it ends up with, as written.

    `unknown` names what is not known: `cpu-request` and so on. `container` is None for an injected
    proxy.
    """

    name: str
    requests: Mapping[str, Any]
    limits: Mapping[str, Any]
    unknown: frozenset[str]
    container: Container | None

    def missing(self, part: Part, resource: str) -> bool:
        """Whether a value is known to be unset."""
        found = self.requests if part == "requests" else self.limits
        return resource not in found and key(part, resource) not in self.unknown


def container_resources(index: Index, workload: Workload, container: Container) -> Counted:
    """Requests and limits of a container of a template, with what the API server adds."""
    ranges = index.in_namespace("core/LimitRange", workload.namespace)
    if ranges:
        return _counted(container.name, admitted(written(workload, container), ranges), container)
    block = container.value.get("resources")
    limits = {name: value for name, value in mapping(block, "limits").items() if value is not None}
    requests = mapping(block, "requests")
    requests = limits | {name: value for name, value in requests.items() if value is not None}
    return Counted(container.name, requests, limits, frozenset(), container)


def _counted(name: str, resources: Resources, container: Container | None) -> Counted:
    return Counted(
        name,
        {resource: quantity.value for resource, quantity in resources.requests.items()},
        {resource: quantity.value for resource, quantity in resources.limits.items()},
        resources.unknown,
        container,
    )


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
        container_resources(world.index, template, own)
        for own in template.main_containers
        if container in (None, own.name)
    ]
    if container not in (None, PROXY_CONTAINER):
        return Measured(tuple(found), complete=True)
    proxy = world.proxy(template)
    if proxy is not None:
        found.append(_counted(PROXY_CONTAINER, proxy.resources, None))
        return Measured(tuple(found), complete=True)
    without_proxy = world.injection(template).mode in ("none", "ambient")
    return Measured(tuple(found), complete=without_proxy)


def known_amounts(counted: Sequence[Counted], part: Part, resource: str) -> list[Decimal] | None:
    """Cores or bytes of every container; None where one of them is unset or not known."""
    amounts = []
    for one in counted:
        amount = parse_quantity((one.requests if part == "requests" else one.limits).get(resource))
        if amount is None:
            return None
        amounts.append(amount)
    return amounts
