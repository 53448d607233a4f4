"""Declared capacity: is there a plan, can it be read, and do the pods carry the planned load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from meshlint.checks.fixing import set_at
from meshlint.checks.hits import at, listed, there
from meshlint.dataclass import replace
from meshlint.findings import Change, Hit, In, Related
from meshlint.mesh.annotations import edit_distance
from meshlint.mesh.capacity import (
    LOAD_TESTED,
    LOAD_TESTED_ISTIO,
    OUTBOUND_CALLS,
    RPS_NORMAL,
    RPS_PEAK,
    RPS_PER_POD,
    parse_number,
)
from meshlint.mesh.installations.editing import place_for
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.quotas import Overrun, Share, overruns
from meshlint.mesh.replica_plan import (
    GATEWAY_API_GATEWAY,
    Plan,
    Pods,
    annotations_with_prefix,
    guarantees,
    plan,
    planned,
    rollout_loss,
    run_by_rollout,
)
from meshlint.mesh.roles import is_long_running, serves
from meshlint.mesh.world import World
from meshlint.model.counts import is_zero
from meshlint.model.quantity import format_cpu, format_memory
from meshlint.model.resources import Resource
from meshlint.model.values import get
from meshlint.model.workloads import Workload
from meshlint.operations import Rename, Set

_SHOWN = 40
_KEYS = (RPS_PER_POD, RPS_NORMAL, RPS_PEAK, OUTBOUND_CALLS, LOAD_TESTED, LOAD_TESTED_ISTIO)
_LOAD_TEST_KEYS = (LOAD_TESTED, LOAD_TESTED_ISTIO)


def named(subject: Workload | GatewayProxy) -> str:
    """The workload or gateway as messages call it."""
    if isinstance(subject, GatewayProxy):
        kind = "Waypoint" if subject.gateway_class == "waypoint" else "Gateway"
        return f"{kind} {subject.name}" if subject.name else "The gateway"
    return str(subject.resource.ref)


def quoted(value: str) -> str:
    """An annotation's value in quotes, cut when it is long."""
    return f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}..."'


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _origin(value: Sourced[Any]) -> str:
    return f", {value.default}" if value.is_default and value.default else ""


def is_text(place: Place | None) -> bool:
    """Whether a string stands at a place; annotations of other types are refused as such."""
    return place is not None and isinstance(get(place.document.value, *place.path), str)


def _annotation_place(subject: Workload | GatewayProxy, key: str) -> Place:
    """Where an annotation that is missing would stand."""
    if isinstance(subject, GatewayProxy):
        block = subject.annotations_place
        return block.below(key) if block is not None else subject.home
    resource = subject.resource
    return Place(resource.document, (*resource.path, "metadata", "annotations", key))


# -------------------------------------------------------------------------------- declarations


def throughput_undeclared(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads of the mesh, and gateways, that do not say what one pod carries."""
    if subject.kind not in params["kinds"] or run_by_rollout(subject, world):
        return
    if RPS_PER_POD in planned(subject, world).declared or _outside_mesh(subject, world):
        return
    key = world.settings.annotation_prefix + RPS_PER_POD
    yield at(
        _annotation_place(subject, key), {"name": named(subject), "annotation": key}, on_key=True
    )


def _outside_mesh(subject: Workload | GatewayProxy, world: World) -> bool:
    if isinstance(subject, GatewayProxy):
        return False
    injection = world.injection(world.autoscaling.template_of(subject))
    return injection.answer == "no" and injection.ambient == "no"


def number_malformed(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Annotations out of `keys` that are no number, or 0 where that makes no sense.

    What is no string is left to the rule about the type of annotations.
    """
    declared = planned(subject, world)
    for key in params["keys"]:
        found = declared.declared.get(key)
        if found is None or found.place is None or not is_text(found.place):
            continue
        number = parse_number(found.value)
        if number is None or (number == 0 and key != OUTBOUND_CALLS):
            yield at(
                found.place,
                {
                    "key": key,
                    "found": quoted(found.value),
                    "range": "of 0 or more" if key == OUTBOUND_CALLS else "above 0",
                    "example": "2.5" if key == OUTBOUND_CALLS else "250",
                },
            )


def replica_plan_malformed(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Planned loads that are no number, and peaks below the normal load."""
    yield from number_malformed(subject, world, {"keys": (RPS_NORMAL, RPS_PEAK)})
    declared = planned(subject, world)
    normal, peak = declared.number(RPS_NORMAL), declared.number(RPS_PEAK)
    if normal is None or peak is None or peak.place is None or peak.value >= normal.value:
        return
    yield at(
        peak.place,
        {"peak": _plain(peak.value), "normal": _plain(normal.value)},
        there(normal.place, "the normal load"),
        message="inverted",
    )


def replica_plan_undeclared(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Plans that say what one pod carries, and not what all of them have to."""
    if run_by_rollout(subject, world):
        return
    declared = planned(subject, world).declared
    rate = declared.get(RPS_PER_POD)
    missing = [key for key in (RPS_NORMAL, RPS_PEAK) if key not in declared]
    if rate is None or rate.place is None or not missing:
        return
    loads = {RPS_NORMAL: "normal", RPS_PEAK: "peak"}
    yield at(
        rate.place,
        {
            "name": named(subject),
            "missing": " or ".join(missing),
            "load": listed([loads[key] for key in missing]),
        },
        on_key=True,
    )


# ------------------------------------------------------------------------------ the annotations


def annotation_unknown(
    subject: Resource | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Annotations under the prefix that mean nothing."""
    for key, _, place in annotations_with_prefix(subject, world):
        if key not in _KEYS:
            import difflib

            near = difflib.get_close_matches(key, _KEYS, n=1)
            args = {
                "annotation": world.settings.annotation_prefix + key,
                "hint": f"Did you mean {near[0]}" if near else f"There are {listed(_KEYS)}",
                "mark": "?" if near else ".",
            }
            yield at(place, args, on_key=True, fix=_corrected(key, place, world))


def _corrected(key: str, place: Place, world: World) -> tuple[Change, ...]:
    """The key that was meant, where only one is as near as two letters."""
    close = [known for known in _KEYS if edit_distance(key, known, 2) <= 2]
    around = get(place.document.value, *place.path[:-1])
    if len(close) != 1 or place.embedded or not isinstance(around, dict):
        return ()
    name = world.settings.annotation_prefix + close[0]
    if name in around:
        return ()
    return (In(place.document, (Rename(place.path, name),)),)


def annotation_misplaced(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Capacity annotations on objects where nothing looks for them."""
    found = [
        (key, place)
        for key, _, place in annotations_with_prefix(subject, world)
        if key in _KEYS and not (key in _LOAD_TEST_KEYS and _records_load_tests(subject, world))
    ]
    if not found or _declares_capacity(subject, world):
        return
    is_gateway = subject.group_kind == "networking.istio.io/Gateway"
    for key, place in found:
        message = "load-test" if key in _LOAD_TEST_KEYS else "default"
        yield at(
            place,
            {"key": key, "object": str(subject.ref)},
            message="gateway" if is_gateway else message,
            on_key=True,
        )


def _declares_capacity(subject: Resource, world: World) -> bool:
    """Whether an object is a workload, a Pod somebody owns included, or brings a gateway."""
    if world.index.workload_of(subject) is not None or subject.group_kind == "core/Pod":
        return True
    if subject.group_kind == GATEWAY_API_GATEWAY:
        return True
    return any(gateway.resource is subject for gateway in world.installations.gateways)


def _records_load_tests(subject: Resource, world: World) -> bool:
    installations = world.installations
    return subject.group_kind == "core/Namespace" or any(
        plane.resource is subject
        for plane in (*installations.control_planes, *installations.without_control_plane)
    )


# ------------------------------------------------------------------------- the load and the pods


def _overload(
    found: Plan, carried: Decimal, args: Mapping[str, object], related: tuple[Related, ...]
) -> Hit:
    """A hit on the annotation with a load, of which the pods carry less."""
    assert found.load.place is not None, "a load is never a default"
    numbers = {
        "load": _plain(found.load.value),
        "rate": _plain(found.per_pod),
        "capacity": _plain(carried),
    }
    return at(found.load.place, {**numbers, **args}, related)


def _bound(count: Sourced[int], pods: Pods, word: str) -> tuple[Related, ...]:
    """The place that decides on the fewest or most pods."""
    text = f"{word} {_pods(count.value)}" if pods.scaled else _pods(count.value)
    return there(count.anchor, text + _origin(count))


def peak_above_capacity(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Peaks that the largest number of pods does not carry."""
    found = plan(subject, world, RPS_PEAK)
    if found is None:
        return
    headroom = Decimal(str(params["headroom"]))
    usable = found.per_pod * (1 - headroom)
    most = found.pods.maximum
    if usable > 0 and found.load.value > most.value * usable:
        count = _pods(most.value)
        args = {
            "name": named(subject),
            "has": f"scales to {count} at most" if found.pods.scaled else f"runs {count}",
            "needed": _pods(found.needed(usable)),
            "headroom": f" with {_plain(headroom * 100)}% of each kept free" if headroom else "",
        }
        related = _bound(most, found.pods, "at most")
        hit = _overload(found, most.value * usable, args, related)
        fix = _more_pods(subject, most, found.needed(usable), scaled=found.pods.scaled)
        yield replace(hit, fix=fix)


def _more_pods(
    subject: Workload | GatewayProxy, bound: Sourced[int], pods: int, *, scaled: bool
) -> tuple[Change, ...]:
    """Another number of pods where the present one is set, or would be."""
    place = bound.place
    if isinstance(subject, GatewayProxy) and place is None:
        place = bound.site if subject.form == "rendered" else None
        place = place or place_for(subject, "maximum" if scaled else "replicas")
    before = {"minReplicas": "maxReplicas", "autoscaleMin": "autoscaleMax", "replicas": "selector"}
    return set_at(place, pods, before=before.get(str(place.path[-1]), "") if place else "")


def normal_above_minimum(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Normal loads that the smallest number of pods does not carry."""
    found = plan(subject, world, RPS_NORMAL)
    if found is None:
        return
    fewest = found.pods.minimum
    carried = fewest.value * found.per_pod
    if found.load.value > carried:
        count = _pods(fewest.value)
        args = {
            "name": named(subject),
            "has": f"may shrink to {count}" if found.pods.scaled else f"runs {count}",
            "needed": _pods(found.needed()),
        }
        hit = _overload(found, carried, args, _bound(fewest, found.pods, "at least"))
        yield replace(hit, fix=_higher_minimum(subject, found))


def _higher_minimum(subject: Workload | GatewayProxy, found: Plan) -> tuple[Change, ...]:
    """A minimum that carries the load, where the maximum leaves room for it."""
    needed, pods = found.needed(), found.pods
    if not pods.scaled:
        return _more_pods(subject, pods.minimum, needed, scaled=False)
    if pods.maximum.value < needed:
        return ()
    if isinstance(subject, GatewayProxy) and pods.minimum.place is None:
        return set_at(place_for(subject, "minimum"), needed)
    return _more_pods(subject, pods.minimum, needed, scaled=True)


def peak_above_zone_loss_capacity(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Peaks that all pods carry, but not those that are left when one zone is lost."""
    zones = params["zones"]
    found = plan(subject, world, RPS_PEAK)
    if found is None or zones < 2:
        return
    most = found.pods.maximum
    left = most.value * (zones - 1) // zones
    carried = left * found.per_pod
    if not carried < found.load.value <= most.value * found.per_pod:
        return
    if world.reports("peak-load-above-capacity", subject):
        return
    args = {
        "name": named(subject),
        "zones": zones,
        "left": left,
        "most": _pods(most.value),
        "needed": -(-found.needed() * zones // (zones - 1)),
    }
    yield _overload(found, carried, args, _bound(most, found.pods, "at most"))


def rollout_below_normal(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Rollouts that leave less than the normal load takes, of pods that carried it before."""
    found = plan(subject, world, RPS_NORMAL)
    if found is None or subject.resource.group_kind != "apps/Deployment":
        return
    fewest = found.pods.minimum
    lost = rollout_loss(subject.resource, fewest.value)
    if lost is None or lost.place is None:
        return
    left = fewest.value - lost.value
    if not left * found.per_pod < found.load.value <= fewest.value * found.per_pod:
        return
    written = get(subject.resource.document.value, *lost.place.path)
    yield at(
        lost.place,
        {
            "lost": lost.value,
            "pods": _pods(fewest.value),
            "all": "the only pod" if fewest.value == 1 else f"all {fewest.value} pods",
            "unavailable": "25%, the default" if written is None else written,
            "left": left,
            "capacity": _plain(left * found.per_pod),
            "load": _plain(found.load.value),
        },
        (
            *there(found.load.place, "the normal load"),
            *(_bound(fewest, found.pods, "at least") if found.pods.scaled else ()),
        ),
        message="recreate" if written == "Recreate" else "default",
        fix=() if written == "Recreate" else _none_unavailable(subject),
    )


def _none_unavailable(deployment: Workload) -> tuple[Change, ...]:
    """New pods first; where none may be added, some have to be."""
    root = (*deployment.resource.path, "spec", "strategy", "rollingUpdate")
    surge = get(deployment.resource.document.value, *root, "maxSurge")
    more = (Set((*root, "maxSurge"), "25%"),) if surge is not None and is_zero(surge) else ()
    return (Set((*root, "maxUnavailable"), 0), *more)


def budget_below_normal(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Budgets that let a node drain take more pods than the normal load can spare."""
    found = plan(subject, world, RPS_NORMAL)
    if found is None:
        return
    fewest = found.pods.minimum
    if found.load.value > fewest.value * found.per_pod:
        return
    for kept in guarantees(subject, world, fewest.value):
        carried = kept.pods * found.per_pod
        if carried < found.load.value:
            args = {
                "name": named(subject),
                "left": kept.pods,
                "pods": _pods(fewest.value),
                "field": kept.field,
                "value": kept.value.value,
                "origin": _origin(kept.value),
            }
            budget = there(kept.value.anchor, f"{kept.field} of the budget: {kept.value.value}")
            yield _overload(
                found, carried, args, (*budget, *_bound(fewest, found.pods, "at least"))
            )
            return


# -------------------------------------------------------------------------------------- quotas

_MOST_RELATED = 10
_MEBIBYTE = Decimal(1024**2)


def quota_below_peak(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Quotas below what all workloads of a namespace take, where the subject takes the most."""
    if not world.complete("autoscalers").complete:
        return
    for overrun in overruns(world, subject.namespace):
        resource = overrun.excesses[0].resource
        shares = sorted(overrun.shares, key=lambda share: -share.amounts[resource])
        if _largest(shares, world) is not subject:
            continue
        own = next(share for share in shares if share.workload is subject)
        needs = [
            f"{excess.key} {_amount(excess.resource, excess.needed)} of {excess.allowed}"
            for excess in overrun.excesses
        ]
        yield Hit(
            subject.resource.path,
            {
                "namespace": subject.namespace,
                "quota": overrun.quota.name,
                "needs": listed(needs),
                "proxies": ", proxies included" if any(s.with_proxy for s in shares) else "",
                "name": named(subject),
                "share": _amount(resource, own.amounts[resource]),
                "pods": _pods(own.pods),
            },
            _quota_places(overrun, [share for share in shares if share is not own]),
            on_key=True,
        )


def _largest(shares: Sequence[Share], world: World) -> Workload | None:
    """The workload with the largest share of those that serve requests."""
    for share in shares:
        workload = share.workload
        if world.is_infrastructure(workload) or not is_long_running(workload):
            continue
        if serves(world, workload):
            return workload
    return None


def _quota_places(overrun: Overrun, others: Sequence[Share]) -> tuple[Related, ...]:
    quota = overrun.quota
    resource = overrun.excesses[0].resource
    return (
        *(
            Related(quota.document, (*quota.path, "spec", "hard", excess.key), "the quota")
            for excess in overrun.excesses
        ),
        *(
            Related(
                share.workload.resource.document,
                share.workload.resource.path,
                f"{_amount(resource, share.amounts[resource])} with {_pods(share.pods)}",
            )
            for share in others[:_MOST_RELATED]
            if share.amounts[resource]
        ),
    )


def _amount(resource: str, amount: Decimal) -> str:
    if resource.endswith("cpu"):
        return format_cpu(amount)
    if resource.endswith("memory"):
        return format_memory((amount / _MEBIBYTE).to_integral_value(ROUND_CEILING) * _MEBIBYTE)
    return _plain(amount)
