"""Whether the input is complete for what closed-world rules find absent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshlint.findings import Assumption
from meshlint.model.values import get

if TYPE_CHECKING:
    from meshlint.mesh.world import World

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


_MONITORING_KINDS = {
    "alerts": (
        "monitoring.coreos.com/PrometheusRule",
        "operator.victoriametrics.com/VMRule",
        "datadoghq.com/DatadogMonitor",
        "datadoghq.com/DatadogGenericResource",
    ),
    "dashboards": (
        "grafana.integreatly.org/GrafanaDashboard",
        "integreatly.org/GrafanaDashboard",
        "core/ConfigMap",
        "datadoghq.com/DatadogDashboard",
        "datadoghq.com/DatadogGenericResource",
    ),
}

_MESH_METRIC = re.compile(
    r"\b(?:istio|pilot|galley|citadel|sidecar_injection|istiod)_[a-z]|\bistio\.[a-z]"
    r"|\btrace\.envoy\.proxy\."
)


def _monitoring(world: World, concern: str, installation: str) -> str:
    wanted_type = "monitor" if concern == "alerts" else "dashboard"
    first = ""
    for resource in world.index.of_kind(*_MONITORING_KINDS[concern]):
        if resource.kind == "ConfigMap" and "grafana_dashboard" not in resource.labels:
            continue
        if (
            resource.kind == "DatadogGenericResource"
            and get(resource.value, "spec", "type") != wanted_type
        ):
            continue
        first = first or str(resource.ref)
        if _MESH_METRIC.search(str(resource.value)):
            return f"{resource.ref}, which names a mesh metric"
    return f"{first} beside {installation}" if first and installation else ""


def _first(resources: Sequence[object]) -> str:
    return str(resources[0].ref) if resources else ""  # type: ignore[attr-defined]
