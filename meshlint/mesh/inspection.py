"""What `meshlint inspect` tells about installations: the facts, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshlint.mesh.installations.objects import Unknown
from meshlint.mesh.installations.records import (
    Autoscaling,
    Budget,
    ContainerResources,
    ControlPlane,
    Form,
    GatewayProxy,
    Image,
    Installations,
    NodeAgent,
    Scheduling,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import ISTIOD_OWN_TOLERATION

FORM_NAMES: Mapping[Form, str] = {
    "istiooperator": "IstioOperator",
    "helm": "HelmValues",
    "sail": "SailIstio",
    "rendered": "Rendered",
    "automatic": "GatewayAPI",
}


def inspect_installations(installations: Installations, settings: Settings) -> list[dict[str, Any]]:
    """One entry for each installation: a control plane with its gateways, or what stands alone.

    `origins` maps the path of a value to `file:line`, or to the name of a default; the empty path
    is the installation itself. A value that is not known is left out; null means unset.
    """
    gateways = list(installations.gateways)
    agents = list(installations.node_agents)
    entries: list[dict[str, Any]] = []
    planes = (*installations.control_planes, *installations.without_control_plane)
    taken: set[int] = set()
    for plane in planes:
        own = [g for g in gateways if id(g) not in taken and _belongs(g, plane, planes)]
        attached = [a for a in agents if id(a) not in taken and _attached(a, plane)]
        taken |= {id(part) for part in (*own, *attached)}
        entries.append(_plane_entry(plane, own, attached))
    rendered = [g for g in gateways if id(g) not in taken and g.form == "rendered"]
    if rendered:
        taken |= {id(g) for g in rendered}
        entries.append(_gateway_entry(rendered))
    entries += [_gateway_entry([g]) for g in gateways if id(g) not in taken]
    entries += [_agent_entry(a) for a in agents if id(a) not in taken]
    for entry in entries:
        if settings.istio_version is not None:
            entry["origins"]["version"] = "setting istio-version"
        entry["origins"].setdefault("version", "newest version that meshlint knows")
    return entries


def _belongs(gateway: GatewayProxy, plane: ControlPlane, planes: Sequence[ControlPlane]) -> bool:
    if gateway.form != plane.form:
        return False
    if gateway.form == "istiooperator":
        return gateway.resource is plane.resource
    if gateway.form != "rendered":
        return False
    alike = [p for p in planes if p.form == "rendered"]
    matching = [p for p in alike if p.revision == gateway.revision]
    return plane is (matching or alike)[0]


def _attached(agent: NodeAgent, plane: ControlPlane) -> bool:
    return agent.form == plane.form == "istiooperator" and agent.resource is plane.resource


# ------------------------------------------------------------------------------------- entries


class _Facts:
    """Facts of one entry with their origins."""

    def __init__(self, home: Place) -> None:
        self.origins: dict[str, str] = {"": where(home)}

    def put(self, target: dict[str, Any], key: str, path: str, found: Sourced[Any] | None) -> None:
        """Puts a value that is known; an unknown one is left out."""
        if found is None or isinstance(found.value, Unknown):
            return
        target[key] = found.value
        self.note(f"{path}.{key}" if path else key, found)

    def note(self, path: str, found: Sourced[Any]) -> None:
        origin = origin_of(found)
        if origin:
            self.origins[path] = origin


def origin_of(found: Sourced[Any]) -> str:
    """`file:line` of a value, or the name of the default it comes from."""
    return where(found.place) if found.place is not None else found.default


def where(place: Place) -> str:
    """`file:line` of a place; of the nearest thing that exists where there is nothing."""
    document = place.document
    nearest, _ = document.nearest(place.path)
    span = document.key_span(nearest) or document.span_of(nearest) or document.span
    return f"{document.file.path}:{document.file.position(span.start).line}"


def _plane_entry(
    plane: ControlPlane, gateways: Sequence[GatewayProxy], agents: Sequence[NodeAgent]
) -> dict[str, Any]:
    facts = _Facts(plane.home)
    entry: dict[str, Any] = {
        "form": FORM_NAMES[plane.form],
        "resource": _resource(plane),
        "version": str(plane.version),
        "revision": plane.revision or "default",
    }
    if plane.version_source is not None:
        facts.note("version", plane.version_source)
    facts.put(entry, "profile", "", plane.profile)
    if plane.tags:
        entry["tags"] = sorted(plane.tags)
    entry["namespace"] = plane.namespace
    entry["istiod"] = _istiod(plane, facts)
    entry["gateways"] = [
        _gateway(gateway, facts, f"gateways.{number}") for number, gateway in enumerate(gateways)
    ]
    if agents:
        entry["nodeAgents"] = [
            _agent(agent, facts, f"nodeAgents.{number}") for number, agent in enumerate(agents)
        ]
    if plane.proxy_resources is not None:
        entry["proxyDefaults"] = _resources(plane.proxy_resources, facts, "proxyDefaults")
    if plane.mesh_config:
        entry["meshConfig"] = dict(plane.mesh)
        _mesh_origins(plane, facts)
    entry["origins"] = facts.origins
    return entry


def _mesh_origins(plane: ControlPlane, facts: _Facts) -> None:
    for key in plane.mesh:
        if key == "defaultConfig":
            for inner in plane.mesh_config.at(key).keys():  # noqa: SIM118
                found = plane.mesh_config.get(key, inner)
                if found is not None:
                    facts.note(f"meshConfig.{key}.{inner}", found)
            continue
        found = plane.mesh_config.get(key)
        if found is not None:
            facts.note(f"meshConfig.{key}", found)


def _gateway_entry(gateways: Sequence[GatewayProxy]) -> dict[str, Any]:
    first = gateways[0]
    facts = _Facts(first.home)
    entry: dict[str, Any] = {
        "form": FORM_NAMES[first.form],
        "resource": _resource(first),
        "version": str(first.version),
        "revision": first.revision or "default",
        "istiod": None,
        "gateways": [
            _gateway(gateway, facts, f"gateways.{number}")
            for number, gateway in enumerate(gateways)
        ],
    }
    if first.version_source is not None:
        facts.note("version", first.version_source)
    entry["origins"] = facts.origins
    return entry


def _agent_entry(agent: NodeAgent) -> dict[str, Any]:
    facts = _Facts(agent.home)
    entry: dict[str, Any] = {
        "form": FORM_NAMES[agent.form],
        "resource": _resource(agent),
        "version": str(agent.version),
        "istiod": None,
        "gateways": [],
        "nodeAgents": [_agent(agent, facts, "nodeAgents.0")],
    }
    if agent.version_source is not None:
        facts.note("version", agent.version_source)
    entry["origins"] = facts.origins
    return entry


def _resource(record: ControlPlane | GatewayProxy | NodeAgent) -> dict[str, str] | None:
    if record.resource is None:
        return None
    ref = record.resource.ref
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }


# --------------------------------------------------------------------------------------- parts


def _istiod(plane: ControlPlane, facts: _Facts) -> dict[str, Any]:
    istiod: dict[str, Any] = {"enabled": plane.istiod}
    if not plane.istiod:
        return istiod
    istiod["autoscaling"] = _autoscaling(plane.autoscaling, facts, "istiod.autoscaling")
    facts.put(istiod, "replicas", "istiod", plane.replicas)
    if plane.resources is not None:
        istiod["resources"] = _resources(plane.resources, facts, "istiod.resources")
    _budget(istiod, plane.budget, facts, "istiod")
    if plane.scheduling is not None:
        istiod["scheduling"] = _scheduling(plane.scheduling, facts, "istiod.scheduling")
        if plane.form != "rendered" and plane.version in ISTIOD_OWN_TOLERATION:
            istiod["scheduling"]["tolerations"] = True
    facts.put(istiod, "traceSampling", "istiod", plane.trace_sampling)
    istiod["images"] = _images(plane.images)
    return istiod


def _gateway(gateway: GatewayProxy, facts: _Facts, path: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": gateway.name,
        "namespace": gateway.namespace or None,
        "kind": gateway.gateway_class,
        "workload": gateway.kind,
        "autoscaling": _autoscaling(gateway.autoscaling, facts, f"{path}.autoscaling"),
    }
    facts.origins[path] = where(gateway.home)
    facts.put(entry, "replicas", path, gateway.replicas)
    if gateway.resources is not None:
        entry["resources"] = _resources(gateway.resources, facts, f"{path}.resources")
    _budget(entry, gateway.budget, facts, path)
    if gateway.scheduling is not None:
        entry["scheduling"] = _scheduling(gateway.scheduling, facts, f"{path}.scheduling")
    return entry


def _agent(agent: NodeAgent, facts: _Facts, path: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "agent": agent.agent,
        "namespace": agent.namespace or None,
    }
    facts.origins[path] = where(agent.home)
    if agent.resources is not None:
        entry["resources"] = _resources(agent.resources, facts, f"{path}.resources")
    return entry


def _autoscaling(autoscaling: Autoscaling, facts: _Facts, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    facts.put(found, "enabled", path, autoscaling.enabled)
    if autoscaling.target is not None:
        facts.put(found, "target", path, autoscaling.target)
    elif found.get("enabled") is False:
        return found
    for key, value in (
        ("min", autoscaling.minimum),
        ("max", autoscaling.maximum),
        ("cpuTarget", autoscaling.cpu_target),
        ("memoryTarget", autoscaling.memory_target),
    ):
        facts.put(found, key, path, value)
    return found


def _resources(resources: ContainerResources, facts: _Facts, path: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {"requests": {}, "limits": {}}
    for section, held in (("requests", resources.requests), ("limits", resources.limits)):
        found[section] = {"cpu": None, "memory": None}
        for resource, value in held.items():
            facts.put(found[section], resource, f"{path}.{section}", value)
    return found


def _budget(
    entry: dict[str, Any], budget: Sourced[Budget | None] | None, facts: _Facts, path: str
) -> None:
    if budget is None:
        return
    facts.note(f"{path}.pdb", budget)
    if budget.value is None:
        entry["pdb"] = None
        return
    entry["pdb"] = {
        "minAvailable": budget.value.min_available.value,
        "maxUnavailable": budget.value.max_unavailable.value,
    }


def _scheduling(scheduling: Scheduling, facts: _Facts, path: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for key, block in (
        ("nodeSelector", scheduling.node_selector),
        ("affinity", scheduling.affinity),
        ("tolerations", scheduling.tolerations),
        ("topologySpread", scheduling.topology_spread),
    ):
        found[key] = _filled(block.value)
        if found[key]:
            facts.note(f"{path}.{key}", block)
    return found


def _filled(block: Any) -> bool:
    # Charts write `nodeAffinity` with nothing but empty parts in it.
    if isinstance(block, dict):
        return any(map(_filled, block.values()))
    return bool(block)


def _images(images: Sequence[Image]) -> dict[str, dict[str, Any]]:
    return {image.component: {"hub": image.hub.value, "tag": image.tag.value} for image in images}
