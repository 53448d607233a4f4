"""What an installation makes of istiod, the gateways and the node agents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import (
    added_pairs,
    exceeds,
    new_autoscaler,
    new_budget,
    next_to,
    pairs,
    remove_at,
    set_at,
    spread_constraint,
)
from meshlint.checks.hits import at, there
from meshlint.dataclass import replace
from meshlint.findings import Change, Hit, In, Related
from meshlint.mesh.autoscaling import API_VERSIONS
from meshlint.mesh.installations.editing import editable, place_for
from meshlint.mesh.installations.neighbors import protected_by, scaled_by
from meshlint.mesh.installations.records import Budget, ControlPlane, GatewayProxy, NodeAgent
from meshlint.mesh.pod_resources import set_by_namespace
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy_resources import Part
from meshlint.mesh.scheduling import node_pinned, preferred_pin, spread
from meshlint.mesh.world import World
from meshlint.model.counts import pod_count
from meshlint.model.quantity import parse_quantity
from meshlint.model.workloads import PROXY_CONTAINER, Workload
from meshlint.operations import Append, Remove, Rename, Set

Record = ControlPlane | GatewayProxy | NodeAgent
Scaled = ControlPlane | GatewayProxy


# -------------------------------------------------------------------------------------- places


def deciding_place(subject: Record, value: Sourced[Any]) -> Place:
    """Where a value was decided, else where it would be set, else the installation itself."""
    if value.place is not None:
        return value.place
    if isinstance(subject, ControlPlane) and value.default.startswith("profile "):
        if subject.profile.place is not None:
            return subject.profile.place
    elif isinstance(subject, GatewayProxy) and subject.form == "istiooperator":
        return subject.home  # `values.gateways` is shared by all gateways of the kind
    return value.site or subject.home


def pod_field_place(subject: Scaled, field: str) -> Place:
    """Where a field of the pod spec is set."""
    if subject.form == "rendered":
        return subject.home.below("spec", "template", "spec", field)
    if isinstance(subject, ControlPlane):
        return subject.values.site("pilot", field) or subject.home
    if subject.form == "helm":
        return subject.values.site(field) or subject.home
    return subject.home


def _decided(
    subject: Record,
    value: Sourced[Any],
    args: Mapping[str, object],
    related: tuple[Related, ...] = (),
    *,
    message: str = "default",
    fix: tuple[Change, ...] = (),
) -> Hit:
    place = deciding_place(subject, value)
    said = {"origin": _origin(value), **args}
    return at(place, said, related, message=message, on_key=value.place is None, fix=fix)


def _origin(value: Sourced[Any]) -> str:
    """Words to follow a value that nobody has written down."""
    return f" ({value.default})" if value.place is None and value.default else ""


def record_name(subject: Record) -> str:
    """How messages call what a record describes."""
    if isinstance(subject, GatewayProxy):
        if subject.gateway_class == "waypoint":
            return f"Waypoint {subject.namespace}/{subject.name}"
        return f"Gateway {subject.name}" if subject.name else "The gateway"
    if isinstance(subject, ControlPlane):
        return f"Control plane {subject.deployment_name}"
    return f"Node agent {subject.agent}"


def counted(number: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _chosen(subject: Scaled, params: Mapping[str, Any]) -> bool:
    """Whether a rule about replicas is for this record: a DaemonSet has no number of them."""
    if isinstance(subject, ControlPlane):
        return True
    if subject.kind == "DaemonSet":
        return False
    return subject.gateway_class in params.get("classes", (subject.gateway_class,))


# ------------------------------------------------------------------------------------- scaling


def with_own_autoscaler(subject: Scaled, world: World) -> Scaled:
    """The record with an autoscaler of the input, where the installation brings none itself."""
    enabled = subject.autoscaling.enabled
    if subject.form in ("rendered", "automatic") or enabled is None or enabled.value:
        return subject
    name = subject.deployment_name if isinstance(subject, ControlPlane) else subject.name
    if not name or not subject.namespace:
        return subject
    scalers = world.autoscaling.targeting(subject.namespace, "Deployment", name)
    if not scalers:
        return subject
    return replace(subject, autoscaling=scaled_by(scalers, subject.home))


def _protected(subject: Scaled, world: World) -> bool:
    """Whether a budget of the input is for pods that an installation makes."""
    if subject.form == "rendered" or subject.resource is None or subject.scheduling is None:
        return False
    labels = dict(subject.scheduling.pod_labels)
    found = protected_by(world.index, subject.namespace, labels, subject.resource)
    return found.value is not None


def autoscaling_disabled(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """istiod or a gateway without an autoscaler."""
    subject = with_own_autoscaler(subject, world)
    enabled = subject.autoscaling.enabled
    if enabled is None or enabled.value or not _chosen(subject, params):
        return
    place = enabled.place
    key = str(place.path[-1]) if place is not None and not place.embedded else ""
    message = {"autoscaleMin": "zero", "autoscaleMax": "zero"}.get(key, "default")
    if place is not None and "scaleTargetRef" in place.path:
        message = "target"
    args = {"name": record_name(subject), "key": key}
    fix = _autoscaled(subject, enabled, world)
    yield _decided(subject, enabled, args, message=message, fix=fix)


def _autoscaled(subject: Scaled, enabled: Sourced[bool], world: World) -> tuple[Change, ...]:
    """Switches the autoscaler on, or makes one for objects that are rendered already."""
    if subject.form == "rendered":
        workload = _workload(subject, world)
        if workload is None or workload.kind not in API_VERSIONS:
            return ()
        container = "discovery" if isinstance(subject, ControlPlane) else PROXY_CONTAINER
        low = max(2, workload.replicas or 0)
        scaler = new_autoscaler(world, workload, container, (low, max(5, 2 * low)))
        changes = _given_resources(subject, "requests", _without_request(subject))
        if workload.resource.spec.get("replicas") is not None:
            changes = (*changes, Remove((*workload.resource.path, "spec", "replicas")))
        return (*changes, scaler)
    return switched_on(subject, enabled)


def switched_on(subject: Scaled, enabled: Sourced[bool]) -> tuple[Change, ...]:
    """Lets an installation render its autoscaler."""
    place = enabled.place
    if place is None:
        return set_at(place_for(subject, "autoscaling"), True)
    key = place.path[-1]
    if key in _NO_BOUNDS:
        return set_at(place, _NO_BOUNDS[str(key)])
    return set_at(place, True) if key in _SWITCHES else ()


_NO_BOUNDS = {"autoscaleMin": 2, "autoscaleMax": 5}
"""Settings that switch the autoscaler off when they are 0, and what a pair of istiods needs."""


def _without_request(subject: Scaled) -> list[str]:
    """CPU, where an autoscaler would have no request to divide by."""
    found = subject.resources
    return ["cpu"] if found and not {*found.requests, *found.limits} & {"cpu"} else []


# Names of the switch in values of istiod and of gateways.
_SWITCHES = ("autoscaleEnabled", "enabled")


def _workload(subject: Scaled, world: World) -> Workload | None:
    resource = subject.workload if isinstance(subject, ControlPlane) else subject.resource
    return world.index.workload_of(resource) if resource is not None else None


def min_replicas_low(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """istiod or a gateway that may run on fewer pods than `min`."""
    own, subject = subject, with_own_autoscaler(subject, world)
    minimum, enabled = subject.minimum, subject.autoscaling.enabled
    if minimum is None or minimum.value is None or enabled is None:
        return
    if minimum.value < params["min"] and _chosen(subject, params):
        args = {
            "pods": counted(minimum.value, "pod"),
            "min": params["min"],
            "name": record_name(subject),
            "loss": _LOSS[isinstance(subject, ControlPlane) and subject.gateways_only],
        }
        message = "default" if enabled.value else "fixed"
        waits = not enabled.value and world.reports(_AUTOSCALING[type(own)], own)
        fix = () if waits else _at_least(subject, params["min"])
        yield _decided(subject, minimum, args, message=message, fix=fix)


# Rules whose fixes make an autoscaler, for which a fixed number would be in the way.
_AUTOSCALING = {
    ControlPlane: "istiod-autoscaling-disabled",
    GatewayProxy: "gateway-proxy-autoscaling-disabled",
}


def _at_least(subject: Scaled, pods: int) -> tuple[Change, ...]:
    """Raises the minimum of the autoscaler, or the fixed number without one."""
    minimum, maximum, enabled = subject.minimum, subject.maximum, subject.autoscaling.enabled
    if minimum is None or enabled is None:
        return ()
    if not enabled.value:
        return set_at(minimum.place or place_for(subject, "replicas"), pods, before="selector")
    if maximum is None or (maximum.value or 0) < pods:
        return ()
    place = minimum.place
    if place is None and subject.form == "rendered":
        place = minimum.site
    place = place or place_for(subject, "minimum")
    before = next_to(place, ("autoscaleEnabled", "enabled"), ("autoscaleMax", "maxReplicas"))
    return set_at(place, pods, before=before)


# What is lost with the last istiod, by whether it serves gateways only.
_LOSS = {
    False: "injection fails closed and no pod with a sidecar can start",
    True: "gateways learn of no new route and no new endpoint",
}


def range_fixed(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An autoscaler of an installation whose minimum reaches its maximum.

    Rendered autoscalers are objects of their own, and judged as such.
    """
    scaling = subject.autoscaling
    low, high = scaling.minimum, scaling.maximum
    if subject.form == "rendered" or scaling.enabled is None or not scaling.enabled.value:
        return
    if low is None or high is None or low.value is None or high.value is None:
        return
    if low.value >= high.value:
        decided, other = (high, low) if high.place is not None else (low, high)
        args = {
            "minimum": low.value,
            "maximum": high.value,
            "low": " (default)" if low.is_default else "",
            "high": " (default)" if high.is_default else "",
            "name": record_name(subject),
        }
        related: tuple[Related, ...] = ()
        if other.place != decided.place:
            related = there(other.place, "the other end of the range")
        yield _decided(subject, decided, args, related)


def cpu_target_high(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An autoscaler of an installation that acts late, or, for istiod, not on CPU at all."""
    subject = with_own_autoscaler(subject, world)
    scaling = subject.autoscaling
    target = scaling.cpu_target
    if scaling.enabled is None or not scaling.enabled.value or target is None:
        return
    args = {"max": params["max"], "name": record_name(subject)}
    if target.value is not None:
        if target.value > params["max"]:
            fix = set_at(target.place or place_for(subject, "cpu-target"), params["max"])
            yield _decided(subject, target, {**args, "target": target.value}, fix=fix)
    elif isinstance(subject, ControlPlane):
        place = target.anchor or scaling.enabled.anchor or subject.home
        fix = _cpu_metric(subject, target, params["max"])
        yield at(place, args, message="missing", on_key=True, fix=fix)


def _cpu_metric(
    subject: ControlPlane, target: Sourced[int | None], percent: int
) -> tuple[Change, ...]:
    """A CPU target beside the metrics there are, else the one of the chart."""
    listed = subject.spec.given("components", "pilot", "k8s", "hpaSpec", "metrics")
    home = listed.place if listed is not None else target.site
    if home is None or home.path[-1] != "metrics":
        return set_at(place_for(subject, "cpu-target"), percent)
    if editable(home) is None:
        return ()
    block = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}
    return (In(home.document, (Append(home.path, {"type": "Resource", "resource": block}),)),)


def memory_target_missing(
    subject: Scaled, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An autoscaler of istiod that has no memory metric, from the version that knows one."""
    subject = with_own_autoscaler(subject, world)
    scaling = subject.autoscaling
    target = scaling.memory_target
    if scaling.enabled is None or not scaling.enabled.value or target is None:
        return
    if target.value is None and subject.version.at_least(params["since"]):
        place = target.anchor or subject.values.site("pilot", "memory") or subject.home
        yield at(place, {}, on_key=True)


def replica_count_ignored(
    subject: Scaled, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A number of replicas beside an autoscaler.

    istioctl writes it beside the autoscaler from 1.24 on, charts leave it out.
    """
    enabled, count = subject.autoscaling.enabled, subject.replica_count
    if subject.form in ("rendered", "automatic") or enabled is None or not enabled.value:
        return
    if count is None or count.place is None or count.value is None:
        return
    written = subject.replicas is not None and subject.replicas.value is not None
    if not written and count.value <= 1:
        return
    args = {"count": count.value, "name": record_name(subject)}
    minimum = subject.autoscaling.minimum
    related = there(minimum.place, "the autoscaler's minimum") if minimum else ()
    message = "default" if written else "ignored"
    fix = _count_as_minimum(subject, count.place, count.value)
    yield at(count.place, args, related, message=message, fix=fix)


def _count_as_minimum(subject: Scaled, place: Place, count: int) -> tuple[Change, ...]:
    """Takes a number of replicas away; the minimum of the autoscaler rises to it."""
    minimum, maximum = subject.autoscaling.minimum, subject.autoscaling.maximum
    gone = remove_at(place)
    if minimum is None or (minimum.value or 1) >= count:
        return gone
    if maximum is None or (maximum.value or 0) < count:
        return ()
    raised = _at_least(subject, count)
    return (*gone, *raised) if gone and raised else ()


# ----------------------------------------------------------------------------------- resources


def request_missing(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods of an installation without a CPU or memory request."""
    yield from _missing(subject, world, "requests", ("cpu", "memory"), params)


def limit_missing(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods of an installation without a limit on one of `resources`, or, with `cpu`, on CPU."""
    wanted = [*(["cpu"] if params.get("cpu") else []), *params["resources"]]
    yield from _missing(subject, world, "limits", wanted, params)


def _missing(
    subject: Record, world: World, section: Part, wanted: Iterable[str], params: Mapping[str, Any]
) -> Iterator[Hit]:
    if isinstance(subject, NodeAgent) and subject.agent != params["agent"]:
        return
    resources = subject.resources
    if resources is None:
        return
    values = resources.requests if section == "requests" else resources.limits
    lost = [name for name in wanted if name not in values]
    if section == "requests":
        # A limit without a request becomes the request once the pod is admitted.
        lost = [name for name in lost if name not in resources.limits]
    if subject.namespace:
        index = world.index
        lost = [n for n in lost if not set_by_namespace(index, subject.namespace, section, n)]
    if lost:
        place = _removed_block(subject) or resources.anchor(section, lost[0]) or subject.home
        args = {
            "lost": " or ".join(_NAMES.get(n, n) for n in lost),
            "name": record_name(subject),
        }
        yield at(place, args, on_key=True, fix=_given_resources(subject, section, lost))


_DEFAULTS: Mapping[tuple[bool, Part], Mapping[str, str]] = {
    (True, "requests"): {"cpu": "500m", "memory": "2Gi"},
    (False, "requests"): {"cpu": "100m", "memory": "128Mi"},
    (False, "limits"): {"cpu": "2", "memory": "1Gi"},
}
"""What the charts give istiod (true) and gateways."""
_OF_AGENTS: Mapping[str, Mapping[str, str]] = {
    "ztunnel": {"cpu": "200m", "memory": "512Mi"},
    "istio-cni": {"cpu": "100m", "memory": "100Mi"},
}


def _given_resources(subject: Record, section: Part, lost: Sequence[str]) -> tuple[Change, ...]:
    """The values of the charts, as far as what is set beside them allows."""
    if subject.resources is None:
        return ()
    defaults = _DEFAULTS.get((isinstance(subject, ControlPlane), section), {})
    if isinstance(subject, NodeAgent):
        defaults = _OF_AGENTS[subject.agent] if section == "requests" else {}
    place = place_for(subject, "resources")
    removed = _removed_block(subject)
    changes: list[Change] = []
    asked: list[Change] = []
    for name in lost:
        value: Any = defaults.get(name)
        if section == "limits" and name in subject.resources.requests:
            request = subject.resources.requests[name].value
            value = request if exceeds(request, value) else value
        if value is not None:
            changes += set_at(removed or place, value, section, name)
            if section == "limits" and name not in subject.resources.requests:
                # Without a request the limit would become one.
                least = _DEFAULTS[False, "requests"][name]
                asked += set_at(removed or place, least, "requests", name, before="limits")
    if removed is not None and section == "requests":
        return set_at(removed, {section: dict(defaults)})
    return (*asked, *changes) if len(changes) == len(lost) else ()


_NAMES = {"cpu": "CPU"}


def _removed_block(subject: Record) -> Place | None:
    """Where the values of a chart set the whole block of resources to null."""
    if isinstance(subject, GatewayProxy) and subject.form == "automatic":
        return None  # its values are those of istiod
    section: tuple[str, ...] = ()
    if isinstance(subject, ControlPlane):
        section = ("pilot",)
    elif isinstance(subject, NodeAgent) and subject.agent == "istio-cni":
        section = ("cni",)
    block = subject.values.given(*section, "resources")
    return block.place if block is not None and block.value is None else None


def request_undersized(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Requests of an installation below `min_cpu` or `min_memory`."""
    if subject.resources is None:
        return
    for resource in ("cpu", "memory"):
        request = subject.resources.requests.get(resource)
        least = parse_quantity(params[f"min_{resource}"])
        amount = parse_quantity(request.value) if request is not None else None
        if request is None or amount is None or least is None or amount >= least:
            continue
        yield _decided(
            subject,
            request,
            {
                "name": record_name(subject),
                "resource": _NAMES.get(resource, resource),
                "request": request.value,
                "min": params[f"min_{resource}"],
            },
        )


# ------------------------------------------------------------------------------------- budgets


def budget_missing(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """istiod or a gateway of several pods that no budget keeps from being evicted at once."""
    subject = with_own_autoscaler(subject, world)
    minimum, budget = subject.minimum, subject.budget
    if minimum is None or budget is None or budget.value is not None:
        return
    if (minimum.value or 0) < 2 or not _chosen(subject, params) or _protected(subject, world):
        return
    place = budget.place
    off = place is not None and not place.embedded and place.path[-1] == "enabled"
    unseen = not off and subject.form == "istiooperator"
    args = {"name": record_name(subject), "pods": minimum.value, "version": str(subject.version)}
    related = there(minimum.place, f"at least {minimum.value} pods")
    message = "disabled" if off else "unseen" if unseen else "default"
    fix = _budgeted(subject, place if off else None, minimum.value or 0, world)
    if unseen and minimum.place is not None:
        yield at(minimum.place, args, message=message, fix=fix)
    else:
        yield _decided(subject, budget, args, related, message=message, fix=fix)


def _budgeted(subject: Scaled, switch: Place | None, pods: int, world: World) -> tuple[Change, ...]:
    """A budget in the way that the form has for it; `switch` is what says that there be none."""
    if switch is not None:
        return remove_at(switch)
    if subject.form == "rendered":
        workload = _workload(subject, world)
        return new_budget(world, workload, workload) if workload is not None else ()
    if subject.form == "istiooperator":
        return set_at(_seen_minimum(subject), pods)
    if isinstance(subject, GatewayProxy):
        return set_at(place_for(subject, "max-unavailable"), 1)
    return ()


def _seen_minimum(subject: Scaled) -> Place | None:
    """Where an IstioOperator sets the minimum that the chart sees."""
    if isinstance(subject, ControlPlane):
        return place_for(subject, "minimum")
    place = place_for(subject, "minimum")
    return place if place is not None and place.path[-1] == "autoscaleMin" else None


def budget_blocks_drain(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A budget of an installation that lets no pod go while there are as few as allowed."""
    minimum, budget = subject.minimum, subject.budget
    if subject.form == "rendered" or minimum is None or budget is None or budget.value is None:
        return
    if minimum.value is None or minimum.value < 1:
        return
    least, most = budget.value.min_available, budget.value.max_unavailable
    if not _all_kept(minimum.value, least.value, most.value):
        return
    by_most = least.value is None
    rule = "maxUnavailable" if by_most else "minAvailable"
    field = most if by_most else least
    args = {
        "name": record_name(subject),
        "pods": counted(minimum.value, "pod"),
        "budget": f"{rule} {field.value}",
    }
    decided = field if field.place is not None or by_most else minimum
    related = there(minimum.place, f"as few as {args['pods']}") if decided is field else ()
    fix = _one_at_a_time(subject, field, by_most=by_most, given=budget.value)
    yield _decided(subject, decided, {"origin": _origin(field), **args}, related, fix=fix)


def _one_at_a_time(
    subject: Scaled, field: Sourced[Any], *, by_most: bool, given: Budget
) -> tuple[Change, ...]:
    """Lets the budget give one pod free, by the budget if the input sets it, else by more pods."""
    place = editable(field.place)
    if field.place is None:
        return _at_least(subject, 2)
    if place is None or by_most or given.max_unavailable.place is not None:
        return set_at(place, 1) if by_most else ()
    path = (*place.path[:-1], "maxUnavailable")
    return (In(place.document, (Rename(place.path, "maxUnavailable"), Set(path, 1))),)


def _all_kept(count: int, least: Any, most: Any) -> bool:
    """Whether a budget lets none of so many pods go; both its fields are rounded up."""
    if least is not None:
        kept = pod_count(least, count, round_up=True)
        return kept is not None and kept >= count
    return most is not None and pod_count(most, count, round_up=True) == 0


# ---------------------------------------------------------------------------------- scheduling


def not_spread(subject: Scaled, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """istiod or a gateway of several pods that may all run on one node."""
    subject = with_own_autoscaler(subject, world)
    scheduling, maximum = subject.scheduling, subject.maximum
    if scheduling is None or maximum is None or (maximum.value or 0) < 2:
        return
    if isinstance(subject, GatewayProxy) and subject.kind == "DaemonSet":
        return
    if spread(scheduling.pod_spec(), scheduling.pod_labels):
        return
    given = scheduling.topology_spread.place or scheduling.affinity.place or _dropped(subject)
    place = given or pod_field_place(subject, "topologySpreadConstraints")
    args = {"name": record_name(subject), "pods": maximum.value}
    related = there(maximum.place, f"up to {maximum.value} pods")
    message = "other" if given else "default"
    yield at(place, args, related, message=message, on_key=True, fix=_spread_out(subject))


def _spread_out(subject: Scaled) -> tuple[Change, ...]:
    """A constraint over nodes, or the same as anti-affinity where the form has no constraints."""
    assert subject.scheduling is not None
    labels = _short_labels(subject.scheduling.pod_labels)
    constraints = editable(subject.scheduling.topology_spread.place) or place_for(
        subject, "topologySpreadConstraints"
    )
    if not labels:
        return ()
    if constraints is not None:
        return (In(constraints.document, (Append(constraints.path, spread_constraint(labels)),)),)
    affinity = place_for(subject, "affinity")
    if affinity is None:
        return ()
    preferred = ("podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution")
    term = {
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": labels},
        },
    }
    return (In(affinity.document, (Append((*affinity.path, *preferred), term),)),)


def _short_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that tell the pods of a part of Istio from others, without those of a release."""
    chosen = {key: labels[key] for key in ("app", "istio") if key in labels}
    if chosen.get("app") == "istiod":
        return {"app": "istiod"}
    return chosen or dict(labels)


def _dropped(subject: Scaled) -> Place | None:
    """Where the input sets constraints that the chart of its version does not read."""
    if not isinstance(subject, ControlPlane) or subject.form == "rendered":
        return None
    found = subject.values.given("pilot", "topologySpreadConstraints")
    return found.place if found is not None and found.value else None


def node_affinity_missing(
    subject: Scaled, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod or a gateway whose pods are not pinned to a group of nodes."""
    scheduling, keys = subject.scheduling, params["keys"]
    if scheduling is None or node_pinned(scheduling.pod_spec(), keys):
        return
    if isinstance(subject, GatewayProxy) and subject.kind == "DaemonSet":
        return
    given = scheduling.node_selector.place or scheduling.affinity.place
    place = given or pod_field_place(subject, "nodeSelector")
    preferred = preferred_pin(scheduling.pod_spec(), keys) is not None
    wanted = params["node_selector"] or {}
    args = {"name": record_name(subject), "added": pairs(wanted)}
    message = "preferred" if preferred else "default"
    home = place_for(subject, "nodeSelector")
    fix: tuple[Change, ...] = ()
    if home is not None:
        added = added_pairs(scheduling.node_selector.value, home.path, wanted)
        fix = (In(home.document, added),) if added else ()
    yield at(place, args, message=message, on_key=True, fix=fix)
