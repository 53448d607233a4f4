"""Whether the input is complete for what closed-world rules find absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshlint.findings import Assumption

if TYPE_CHECKING:
    from meshlint.mesh.world import World
    from meshlint.model.resources import Resource

CONCERNS = (
    "autoscalers",
    "disruption-budgets",
    "network-policies",
    "mesh-policies",
    "mesh-routing",
    "telemetry",
    "installation",
    "alerts",
    "dashboards",
    "scraping",
    "secrets",
)

_MESH_POLICY_KINDS = (
    "security.istio.io/PeerAuthentication",
    "security.istio.io/AuthorizationPolicy",
    "security.istio.io/RequestAuthentication",
)
_TELEMETRY_KINDS = ("telemetry.istio.io/Telemetry",)
_NETWORK_POLICY_KINDS = (
    "networking.k8s.io/NetworkPolicy",
    "cilium.io/CiliumNetworkPolicy",
    "cilium.io/CiliumClusterwideNetworkPolicy",
    "projectcalico.org/NetworkPolicy",
    "projectcalico.org/GlobalNetworkPolicy",
    "crd.projectcalico.org/NetworkPolicy",
    "crd.projectcalico.org/GlobalNetworkPolicy",
)
_SCRAPING_KINDS = ("monitoring.coreos.com/ServiceMonitor", "monitoring.coreos.com/PodMonitor")


def completeness(world: World, concern: str) -> Assumption:
    """Whether the input counts as complete for a concern, and why.

    A list of globs in the setting `complete` is answered per place by `complete_at`.
    """
    configured = world.settings.complete.get(concern)
    if configured is True or configured is False:
        return Assumption(concern, configured, "the configuration says so")
    if configured:
        return Assumption(concern, True, f"the configuration says so for {', '.join(configured)}")
    if concern in ("autoscalers", "disruption-budgets"):
        return Assumption(concern, True, "assumed; the configuration can say otherwise")
    if concern == "secrets":
        return Assumption(concern, False, "the configuration does not say so")
    evidence = _evidence(world, concern)
    if evidence:
        return Assumption(concern, True, f"inferred from {evidence}")
    return Assumption(concern, False, f"the input has {_LACKING[concern]}")


_LACKING = {
    "network-policies": "no network policy",
    "mesh-policies": "no Istio installation and no mesh policy in the root namespace",
    "mesh-routing": "no Istio installation",
    "telemetry": "no Istio installation and no Telemetry in the root namespace",
    "installation": "no Istio installation",
    "alerts": "no alert on a mesh metric, and none beside an Istio installation",
    "dashboards": "no dashboard of a mesh metric, and none beside an Istio installation",
    "scraping": "no ServiceMonitor or PodMonitor beside an Istio installation",
}


def _evidence(world: World, concern: str) -> str:
    planes = world.installations.control_planes
    installation = str(planes[0].ref) if planes else ""
    index = world.index
    if concern == "network-policies":
        return _first(index.of_kind(*_NETWORK_POLICY_KINDS))
    if concern == "scraping":
        found = _first(index.of_kind(*_SCRAPING_KINDS))
        return f"{found} beside {installation}" if found and installation else ""
    if concern in ("alerts", "dashboards"):
        return _monitoring(world, concern, installation)
    if installation:
        return installation
    if concern in ("mesh-policies", "telemetry"):
        kinds = _MESH_POLICY_KINDS if concern == "mesh-policies" else _TELEMETRY_KINDS
        root = world.root_namespace
        return _first([r for r in index.of_kind(*kinds) if r.namespace == root])
    return ""


def _monitoring(world: World, concern: str, installation: str) -> str:
    from meshlint.mesh.monitoring import MESH_METRIC

    texts: dict[Resource, list[str]] = {}
    if concern == "alerts":
        for alert in world.monitoring.alerts:
            texts.setdefault(alert.resource, []).append(alert.text)
    else:
        for dashboard in world.monitoring.dashboards:
            texts[dashboard.resource] = [part.content for part in dashboard.texts]
    for resource, contents in texts.items():
        if any(MESH_METRIC.search(content) for content in contents):
            return f"{resource.ref}, which names a mesh metric"
    return f"{_first(list(texts))} beside {installation}" if texts and installation else ""


def _first(resources: Sequence[object]) -> str:
    return str(resources[0].ref) if resources else ""  # type: ignore[attr-defined]
