"""ResourceQuotas, and what the workloads of a namespace take when all are at their maximum.

Source: Kubernetes documentation, resource quotas. Amounts are lower bounds: of what is not known
(pods of a DaemonSet, a proxy whose size the input does not tell) nothing is counted, and neither
are Jobs, which need not run at the same time.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from meshlint.dataclass import dataclass
from meshlint.mesh.budgets import kinship
from meshlint.mesh.pod_resources import Counted, measured
from meshlint.mesh.replica_plan import pods_of, run_by_rollout
from meshlint.mesh.roles import JOB_KINDS
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, text
from meshlint.model.workloads import PROXY_CONTAINER, Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

QUOTA = "core/ResourceQuota"
CAPPED: Mapping[str, tuple[str, ...]] = {
    "requests.cpu": ("requests.cpu", "cpu"),
    "requests.memory": ("requests.memory", "memory"),
    "limits.cpu": ("limits.cpu",),
    "limits.memory": ("limits.memory",),
    "pods": ("pods", "count/pods"),
}
"""What a quota caps, with the keys of `hard` that do."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a workload takes at its maximum, by resource as `CAPPED` names them."""

    workload: Workload
    pods: int
    amounts: Mapping[str, Decimal]
    with_proxy: bool


@dataclass(frozen=True, slots=True)
class Excess:
    """A resource of which more is needed than a quota allows."""

    resource: str
    key: str
    """The key of `hard`."""
    allowed: Any
    """As written."""
    needed: Decimal


@dataclass(frozen=True, slots=True)
class Overrun:
    """A quota that workloads exceed together."""

    quota: Resource
    excesses: tuple[Excess, ...]
    shares: tuple[Share, ...]


_known: WeakKeyDictionary[World, dict[str, tuple[Overrun, ...]]] = WeakKeyDictionary()


def overruns(world: World, namespace: str) -> Sequence[Overrun]:
    """Quotas without scopes that the workloads of a namespace exceed; worked out once."""
    quotas = world.index.in_namespace(QUOTA, namespace)
    if not quotas:
        return ()
    of_world = _known.setdefault(world, {})
    if namespace not in of_world:
        shares = [_share(workload, world) for workload in world.index.workloads_in(namespace)]
        counted = [share for share in shares if share is not None]
        found = (_overrun(quota, counted) for quota in quotas if not _is_scoped(quota))
        of_world[namespace] = tuple(one for one in found if one is not None)
    return of_world[namespace]


def _is_scoped(quota: Resource) -> bool:
    return bool(items(quota.spec, "scopes") or mapping(quota.spec, "scopeSelector"))


def _share(workload: Workload, world: World) -> Share | None:
    """What a workload takes; None for Jobs, and for what another object of the input stands for."""
    if workload.kind in JOB_KINDS or run_by_rollout(workload, world):
        return None
    if items(workload.resource.metadata, "ownerReferences"):
        return None
    pods = pods_of(workload, world)
    if pods is None:
        return None
    containers = measured(world, world.autoscaling.template_of(workload)).containers
    count = pods.maximum.value
    amounts = {"pods": Decimal(count)}
    for resource in ("cpu", "memory"):
        amounts[f"requests.{resource}"] = count * _sum(containers, resource, of_limits=False)
        amounts[f"limits.{resource}"] = count * _sum(containers, resource, of_limits=True)
    with_proxy = any(counted.name == PROXY_CONTAINER for counted in containers)
    return Share(workload, count, amounts, with_proxy)


def _sum(containers: Sequence[Counted], resource: str, *, of_limits: bool) -> Decimal:
    total = Decimal(0)
    for counted in containers:
        block = counted.limits if of_limits else counted.requests
        total += parse_quantity(block.get(resource)) or 0
    return total


def _overrun(quota: Resource, shares: Sequence[Share]) -> Overrun | None:
    counted = _nearest(quota, [share for share in shares if _together(quota, share.workload)])
    hard = mapping(quota.spec, "hard")
    excesses = []
    for resource, keys in CAPPED.items():
        needed = sum((share.amounts[resource] for share in counted), Decimal(0))
        for key in keys:
            allowed = parse_quantity(hard.get(key))
            if allowed is not None and needed > allowed:
                excesses.append(Excess(resource, key, hard[key], needed))
                break
    return Overrun(quota, tuple(excesses), counted) if excesses else None


def _together(quota: Resource, workload: Workload) -> bool:
    """Whether both are sure to land in one namespace: both name it, or they share a folder."""
    name = text(quota.metadata, "namespace")
    if name and name == text(workload.resource.metadata, "namespace"):
        return True
    return posixpath.dirname(quota.document.file.path) == posixpath.dirname(
        workload.resource.document.file.path
    )


def _nearest(quota: Resource, shares: Sequence[Share]) -> tuple[Share, ...]:
    """One share for each workload: the definition that lies nearest to the quota."""
    best: dict[tuple[str, str], Share] = {}
    for share in shares:
        identity = (share.workload.kind, share.workload.name)
        known = best.get(identity)
        if known is None or kinship(quota, share.workload) >= kinship(quota, known.workload):
            best[identity] = share
    return tuple(best.values())
