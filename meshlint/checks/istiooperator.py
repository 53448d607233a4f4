"""Settings of an IstioOperator that do nothing, replace more than they seem to, or are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at, set_at
from meshlint.checks.hits import at, listed, there
from meshlint.checks.installations import switched_on
from meshlint.dataclass import dataclass
from meshlint.findings import Change, Hit
from meshlint.mesh.installations.editing import place_for
from meshlint.mesh.installations.layers import Layers
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy, NodeAgent
from meshlint.mesh.installations.tables import OPERATOR_PROFILES
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mappings, text
from meshlint.operations import Set


@dataclass(frozen=True, slots=True)
class _Component:
    """An installed component with its `k8s` settings."""

    record: ControlPlane | GatewayProxy | NodeAgent
    k8s: Layers

    @property
    def title(self) -> str:
        """How messages call it."""
        if isinstance(self.record, GatewayProxy):
            return f"gateway {self.record.name}"
        if isinstance(self.record, ControlPlane):
            return self.record.deployment_name
        return self.record.agent


def plane_of(world: World, operator: Resource) -> ControlPlane | None:
    """What an IstioOperator describes; several that are applied together are told by the first."""
    found = world.installations
    for plane in (*found.control_planes, *found.without_control_plane):
        if plane.form == "istiooperator" and plane.resource is operator:
            return plane
    return None


def _components(world: World, operator: Resource) -> Iterator[_Component]:
    """istiod and the gateways of an IstioOperator, as far as they are installed."""
    plane = plane_of(world, operator)
    if plane is None:
        return
    if plane.istiod:
        yield _Component(plane, plane.spec.at("components", "pilot", "k8s"))
    for gateway in world.installations.gateways:
        if gateway.form == "istiooperator" and gateway.resource is operator:
            yield _Component(gateway, gateway.component.at("k8s"))


def _agents(world: World, operator: Resource) -> Iterator[_Component]:
    plane = plane_of(world, operator)
    for agent in world.installations.node_agents:
        if plane is not None and agent.form == "istiooperator" and agent.resource is operator:
            name = "cni" if agent.agent == "istio-cni" else "ztunnel"
            yield _Component(agent, plane.spec.at("components", name, "k8s"))


def _cause(found: Sourced[Any]) -> str:
    """Words for what decided a value, where no place shows it."""
    return f" ({found.default})" if found.place is None and found.default else ""


def hpa_spec_ineffective(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Settings for an autoscaler that the chart does not render."""
    for component in _components(world, subject):
        record = component.record
        assert not isinstance(record, NodeAgent)
        given, enabled = component.k8s.given("hpaSpec"), record.autoscaling.enabled
        if given is None or given.place is None or given.value is None or enabled is None:
            continue
        by = enabled.place
        elsewhere = by is not None and by.path[: len(given.place.path)] == given.place.path
        if not enabled.value and not elsewhere:
            args = {"name": component.title, "cause": _cause(enabled)}
            related = there(enabled.place, "turns the autoscaler off")
            fix = switched_on(record, enabled)
            yield at(given.place, args, related, on_key=True, fix=fix)


def pdb_ineffective(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Settings for a disruption budget that the chart does not render."""
    for component in _components(world, subject):
        record = component.record
        assert not isinstance(record, NodeAgent)
        given, budget = component.k8s.given("podDisruptionBudget"), record.budget
        if given is None or given.place is None or given.value is None or budget is None:
            continue
        if budget.value is not None:
            continue
        off = budget.place is not None and budget.place.path[-1] == "enabled"
        args = {"name": component.title, "version": str(record.version), "field": _minimum(record)}
        related = there(budget.place, "turns budgets off" if off else "the number the chart sees")
        message = "disabled" if off else "default"
        fix = remove_at(budget.place) if off else _two_seen(record)
        yield at(given.place, args, related, message=message, on_key=True, fix=fix)


def _two_seen(record: ControlPlane | GatewayProxy) -> tuple[Change, ...]:
    """A number of pods of which the chart sees that it is more than one."""
    enabled = record.autoscaling.enabled
    if enabled is None or not enabled.value:
        return set_at(place_for(record, "replicas"), 2)
    place = place_for(record, "minimum")
    return set_at(place, 2) if place is not None and place.path[-1] == "autoscaleMin" else ()


def _minimum(record: ControlPlane | GatewayProxy) -> str:
    scaled = record.autoscaling.enabled is not None and record.autoscaling.enabled.value
    field = "autoscaleMin" if scaled else "replicaCount"
    if isinstance(record, ControlPlane):
        return f"values.pilot.{field}"
    kind = "egress" if record.gateway_class == "egress" else "ingress"
    return f"values.gateways.istio-{kind}gateway.{field}"


# ------------------------------------------------------------------------------------ overlays


def overlay_unmatched(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Overlays on objects that the component does not render."""
    for component in (*_components(world, subject), *_agents(world, subject)):
        rendered = _rendered(component.record)
        overlays = component.k8s.at("overlays")
        for index, overlay in mappings(overlays.value()):
            kind, name = text(overlay, "kind"), text(overlay, "name")
            found = overlays.get(index)
            names = rendered.get(kind)
            if names is None or name in names or found is None or found.place is None:
                continue
            args = {
                "component": component.title,
                "kind": kind,
                "name": name,
                "known": listed(names),
            }
            message = "named" if names else "absent"
            yield at(found.place.below("name"), args, message=message)


def _rendered(record: ControlPlane | GatewayProxy | NodeAgent) -> Mapping[str, tuple[str, ...]]:
    """Names of the objects that a component renders, for the kinds where all are known."""
    if isinstance(record, NodeAgent):
        name = "istio-cni-node" if record.agent == "istio-cni" else "ztunnel"
        return {"DaemonSet": (name,), "Deployment": (), **_no_scaling()}
    name = record.deployment_name if isinstance(record, ControlPlane) else record.name
    own = (name,)
    scaled = record.autoscaling.enabled
    kinds: dict[str, tuple[str, ...]] = {"Deployment": own, "DaemonSet": (), "Service": own}
    if scaled is not None:
        kinds["HorizontalPodAutoscaler"] = own if scaled.value else ()
    if record.budget is not None:
        kinds["PodDisruptionBudget"] = own if record.budget.value is not None else ()
    if isinstance(record, ControlPlane):
        suffix = f"-{record.revision}" if record.revision else ""
        kinds["ConfigMap"] = tuple(f"{known}{suffix}" for known in _CONFIG_MAPS)
    return kinds


_CONFIG_MAPS = ("istio", "istio-sidecar-injector", "values", "pilot-jwks-extra-cacerts")


def _no_scaling() -> dict[str, tuple[str, ...]]:
    return {"HorizontalPodAutoscaler": (), "PodDisruptionBudget": ()}


# -------------------------------------------------------------------------------------- lists


def gateway_list_replaced(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A list of gateways that leaves out the one of the profile."""
    plane = plane_of(world, subject)
    if plane is None or plane.profile.value not in OPERATOR_PROFILES:
        return
    for kind in ("ingress", "egress"):
        given = plane.spec.get("components", f"{kind}Gateways")
        if given is None or given.place is None:
            continue
        own = f"istio-{kind}gateway"
        profile = Layers(tuple(layer for layer in plane.spec.layers if layer.place is None))
        installed = [
            text(item, "name")
            for _, item in mappings(profile.value("components", f"{kind}Gateways"))
            if item.get("enabled") is True
        ]
        names = [text(item, "name") or own for _, item in mappings(given.value)]
        if own in installed and own not in names and isinstance(given.value, list):
            args = {"field": f"{kind}Gateways", "profile": plane.profile.value, "name": own}
            yield at(given.place, args, on_key=True)


def namespace_ambiguous(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Two namespaces for one control plane, or one that only half of Istio is told."""
    spec = subject.spec
    told = get(spec, "values", "global", "istioNamespace")
    root = (*subject.path, "spec")
    paths: list[tuple[str, ...]] = [("namespace",)]
    if subject.kind == "IstioOperator":
        paths.append(("components", "pilot", "namespace"))
    for path in paths:
        namespace = get(spec, *path)
        if not isinstance(namespace, str) or not namespace:
            continue
        args = {"namespace": namespace, "told": told, "field": ".".join(("spec", *path))}
        if isinstance(told, str) and told:
            if told != namespace:
                place = Place(subject.document, (*root, "values", "global", "istioNamespace"))
                fix = (Set(place.path, namespace),)
                yield Hit((*root, *path), args, there(place, f"says {told}"), fix=fix)
        elif subject.kind == "IstioOperator" and namespace != "istio-system":
            told_path = (*root, "values", "global", "istioNamespace")
            yield Hit((*root, *path), args, message="untold", fix=(Set(told_path, namespace),))


# ------------------------------------------------------------------------------- service ports


def gateway_privileged_port(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Ports below 1024 that a gateway without root binds; istioctl refuses the file."""
    plane = plane_of(world, subject)
    if plane is None:
        return
    for kind in ("ingress", "egress"):
        section = f"istio-{kind}gateway"
        if plane.values.value("gateways", section, "runAsRoot") is True:
            continue
        given = plane.spec.get("components", f"{kind}Gateways")
        for index, item in mappings(given.value if given else None):
            if given is None or given.place is None:
                continue
            place = given.place.below(index, "k8s", "service", "ports")
            name = text(item, "name") or section
            yield from _privileged(items(item, "k8s", "service", "ports"), place, name, section)
    section = "istio-ingressgateway"
    values = plane.spec.given("values", "gateways", section, "ingressPorts")
    if values is None or values.place is None:
        return
    if plane.values.value("gateways", section, "runAsRoot") is not True:
        yield from _privileged(items(values.value), values.place, section, section)


def _privileged(ports: list[Any], place: Place, name: str, section: str) -> Iterator[Hit]:
    for index, entry in mappings(ports):
        port, target = integer(entry, "port"), entry.get("targetPort")
        if isinstance(target, str):
            continue
        bound = integer(target) or 0
        args = {"name": name, "port": port, "target": bound, "section": section}
        if bound and bound < 1024:
            at_target = place.below(index, "targetPort")
            yield at(at_target, args, fix=_listening(at_target, bound))
        elif not bound and port is not None and port <= 1024:
            fix = _listening(place.below(index, "targetPort"), port)
            yield at(place.below(index, "port"), args, message="same", fix=fix)


_UNPRIVILEGED = {80: 8080, 443: 8443}
"""Ports that the gateways of the profiles listen on for the well-known ones."""


def _listening(place: Place, port: int) -> tuple[Change, ...]:
    return set_at(place, _UNPRIVILEGED[port]) if port in _UNPRIVILEGED else ()
