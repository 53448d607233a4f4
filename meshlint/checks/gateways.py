"""Gateways and waypoints: how they end, what they may do, where they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at, set_at
from meshlint.checks.hits import at, there
from meshlint.checks.installations import record_name
from meshlint.findings import Hit
from meshlint.mesh.installations.editing import place_for
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.shutdown import proxy_end, sleep_seconds
from meshlint.mesh.world import World
from meshlint.model.values import get, integer, items, text
from meshlint.model.workloads import PROXY_CONTAINER

_POD_SPEC = ("spec", "template", "spec")


def pdb_ineffective(
    subject: GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Values for a budget that the gateway chart does not render for a single pod."""
    if subject.form != "helm" or subject.budget is None or subject.budget.value is not None:
        return
    given = subject.values.given("podDisruptionBudget")
    if given is None or given.place is None or not given.value:
        return
    scaled = subject.values.value("autoscaling", "enabled") is not False
    field = "autoscaling.minReplicas" if scaled else "replicaCount"
    minimum = subject.values.given(*field.split("."))
    related = there(minimum.place, "the number of pods") if minimum is not None else ()
    args = {"name": record_name(subject), "field": field}
    place = minimum.place if minimum is not None else None
    home = place or place_for(subject, "minimum" if scaled else "replicas")
    yield at(given.place, args, related, on_key=True, fix=set_at(home, 2))


def drain_short(subject: GatewayProxy, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An ingress gateway that is gone before load balancers stop sending to it."""
    if subject.gateway_class != "ingress":
        return
    end = proxy_end(subject, world)
    if end is None or end.drain.exit_on_zero is None or end.drain.exit_on_zero.value:
        return
    if end.hook is not None and sleep_seconds(end.hook) is None:
        return
    duration = end.drain.duration
    if duration is None or duration.value + end.hook_seconds >= params["deregistration_seconds"]:
        return
    args = {
        "name": record_name(subject),
        "seconds": f"{duration.value + end.hook_seconds:f}",
        "needed": params["deregistration_seconds"],
        "origin": f" ({duration.default})" if duration.default and not end.hook_seconds else "",
    }
    place = duration.place or subject.annotations_place or subject.home
    yield at(place, args, on_key=duration.place is None)


# -------------------------------------------------------------------------------------- rights

_ALLOWED_CAPABILITIES = ("NET_BIND_SERVICE",)


def runs_as_root(subject: GatewayProxy, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways with rights that no port needs."""
    name = record_name(subject)
    for switch in _root_switches(subject):
        if switch is not None and switch.place is not None and switch.value is True:
            args = {"name": name, "what": "runAsRoot is true"}
            yield at(switch.place, args, fix=remove_at(switch.place))
    for context in _security_contexts(subject):
        if context.place is None:
            continue
        for steps, what in _excess(context.value):
            place = context.place.below(*steps)
            yield at(place, {"name": name, "what": what}, fix=remove_at(place))


def _root_switches(subject: GatewayProxy) -> Iterator[Sourced[Any] | None]:
    if subject.form == "istiooperator":
        section = "egress" if subject.gateway_class == "egress" else "ingress"
        yield subject.values.given("gateways", f"istio-{section}gateway", "runAsRoot")
    elif subject.form == "helm":
        yield subject.values.given("runAsRoot")


def _security_contexts(subject: GatewayProxy) -> Iterator[Sourced[Any]]:
    """Security contexts of the pod and of its proxy, as the input sets them."""
    found: list[Sourced[Any] | None] = []
    if subject.form == "istiooperator":
        found.append(subject.component.given("k8s", "securityContext"))
    elif subject.form == "helm":
        found.append(subject.values.given("securityContext"))
        found.append(subject.values.given("containerSecurityContext"))
    elif subject.form == "rendered" and subject.resource is not None:
        pod = subject.home.below(*_POD_SPEC)
        spec = get(subject.resource.value, *_POD_SPEC)
        found.append(Sourced(get(spec, "securityContext"), pod.below("securityContext")))
        for index, container in enumerate(items(spec, "containers")):
            if text(container, "name") == PROXY_CONTAINER:
                place = pod.below("containers", index, "securityContext")
                found.append(Sourced(get(container, "securityContext"), place))
    yield from (context for context in found if context is not None)


def _excess(context: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What a security context gives beyond need, and where it says so."""
    if integer(context, "runAsUser") == 0:
        yield ("runAsUser",), "runAsUser is 0"
    if get(context, "privileged") is True:
        yield ("privileged",), "privileged is true"
    for index, capability in enumerate(items(context, "capabilities", "add")):
        name = capability.upper().removeprefix("CAP_") if isinstance(capability, str) else ""
        if name and name not in _ALLOWED_CAPABILITIES:
            yield ("capabilities", "add", index), f"it adds capability {name}"


# ----------------------------------------------------------------------------------- namespace


def in_control_plane_namespace(
    subject: GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Gateways that stand beside istiod."""
    if subject.form == "automatic" or subject.gateway_class == "waypoint" or not subject.namespace:
        return
    plane = _neighbor(subject, world)
    if plane is None:
        return
    args = {"name": record_name(subject), "namespace": subject.namespace}
    related = there(plane.home, "istiod") if subject.form != "istiooperator" else ()
    yield at(_namespace_place(subject), args, related, on_key=True)


def _neighbor(subject: GatewayProxy, world: World) -> ControlPlane | None:
    """The istiod of the input that runs in the gateway's namespace."""
    for plane in world.installations.control_planes:
        if not plane.istiod or plane.namespace != subject.namespace:
            continue
        if subject.form != "istiooperator" or plane.resource is subject.resource:
            return plane
    return None


def _namespace_place(subject: GatewayProxy) -> Place:
    """Where the namespace of a gateway is set, else the gateway itself."""
    if subject.form == "istiooperator":
        found = subject.component.get("namespace")
        return found.place if found is not None and found.place is not None else subject.home
    resource = subject.resource
    if resource is not None:
        for steps in (
            ("spec", "destination", "namespace"),
            ("spec", "targetNamespace"),
            ("metadata", "namespace"),
        ):
            if get(resource.value, *steps) == subject.namespace:
                return Place(resource.document, (*resource.path, *steps))
    return subject.home
