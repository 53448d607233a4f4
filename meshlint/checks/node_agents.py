"""What an installation makes of ztunnel and istio-cni, beyond their resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at, set_at
from meshlint.checks.hits import at
from meshlint.checks.installations import record_name
from meshlint.findings import Hit
from meshlint.mesh.installations.records import NodeAgent
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.world import World
from meshlint.model.values import get, integer, mapping, text


def _setting(subject: NodeAgent, path: tuple[str, ...], rendered: tuple[str, ...]) -> Sourced[Any]:
    """A setting of the chart, or what the DaemonSet of the input has at `rendered`."""
    if subject.form == "rendered" and subject.resource is not None:
        place = subject.home.below(*rendered)
        found = get(subject.resource.value, *rendered)
        return Sourced(found, place) if found is not None else Sourced(None, site=place)
    return subject.values.get(*path) or Sourced(None, site=subject.values.site(*path))


def update_disruptive(subject: NodeAgent, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An update of ztunnel that ends the old pod of a node before the new one listens."""
    if subject.agent != "ztunnel":
        return
    strategy = _setting(subject, ("updateStrategy",), ("spec", "updateStrategy"))
    place = strategy.anchor or subject.home
    kind = text(strategy.value, "type") or "RollingUpdate"
    rolling = mapping(strategy.value, "rollingUpdate")
    steps = place.below("rollingUpdate")
    surge = (
        *set_at(steps.below("maxSurge"), 1, before="template"),
        *set_at(steps.below("maxUnavailable"), 0),
    )
    if kind == "OnDelete":
        typed = place.below("type")
        yield at(typed, {}, message="on-delete", fix=(*set_at(typed, "RollingUpdate"), *surge))
    elif not _is_zero(rolling.get("maxUnavailable", 1)):
        lost = rolling.get("maxUnavailable", 1)
        yield at(steps.below("maxUnavailable"), {"lost": lost}, fix=surge)
    elif _is_zero(rolling.get("maxSurge", 0)):
        yield at(steps.below("maxSurge"), {}, message="no-surge", fix=surge)


def _is_zero(value: Any) -> bool:
    return value is None or value in (0, "0", "0%")


def grace_period_short(
    subject: NodeAgent, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A ztunnel that ends before connections through it have."""
    if subject.agent != "ztunnel":
        return
    steps = ("spec", "template", "spec", "terminationGracePeriodSeconds")
    period = _setting(subject, ("terminationGracePeriodSeconds",), steps)
    seconds = 30 if period.value is None else integer(period.value)  # default of a pod
    if seconds is not None and seconds < params["min"]:
        args = {"seconds": seconds, "min": params["min"], "name": record_name(subject)}
        place = period.anchor or subject.home
        fix = set_at(period.anchor, params["min"], before="containers")
        yield at(place, args, on_key=period.place is None, fix=fix)


def repair_disabled(subject: NodeAgent, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An istio-cni that leaves pods broken which started before it."""
    if subject.agent != "istio-cni" or subject.form == "rendered":
        return
    enabled = subject.values.get("cni", "repair", "enabled")
    if enabled is not None and enabled.value is False:
        place = enabled.place
        yield at(enabled.anchor or subject.home, {}, fix=remove_at(place))
        return
    actions = [subject.values.get("cni", "repair", action) for action in _REPAIRS]
    given = [found for found in actions if found is not None and found.place is not None]
    if given and all(found is None or not found.value for found in actions):
        place = given[0].place
        assert place is not None
        fix = tuple(change for found in given for change in remove_at(found.place))
        yield at(place, {}, message="idle", fix=fix)


_REPAIRS = ("repairPods", "deletePods", "labelPods")
