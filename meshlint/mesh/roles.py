"""What rules are run on, beside plain kinds: the roles of the catalogue.

Each role is a function from the world to its subjects, in input order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from meshlint.model.values import items, mapping, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

SCALABLE_KINDS = frozenset(
    {"Deployment", "StatefulSet", "ReplicaSet", "Rollout", "DeploymentConfig"}
)
JOB_KINDS = frozenset({"Job", "CronJob"})

ISTIO_GROUPS = (
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
    "extensions.istio.io",
)
SELECTOR_POLICIES = (
    "security.istio.io/AuthorizationPolicy",
    "security.istio.io/PeerAuthentication",
    "security.istio.io/RequestAuthentication",
    "networking.istio.io/Sidecar",
    "telemetry.istio.io/Telemetry",
    "extensions.istio.io/WasmPlugin",
    "extensions.istio.io/TrafficExtension",
    "networking.istio.io/EnvoyFilter",
    "networking.istio.io/ProxyConfig",
)
GATEWAY_API_ROUTES = tuple(
    f"gateway.networking.k8s.io/{kind}"
    for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
)
RBAC_ROLES = ("rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/ClusterRole")
RBAC_BINDINGS = (
    "rbac.authorization.k8s.io/RoleBinding",
    "rbac.authorization.k8s.io/ClusterRoleBinding",
)


def is_istiod(workload: Workload) -> bool:
    """Whether the pods run istiod; names are never a ground (istio-discovery chart)."""
    return workload.labels.get("app") == "istiod" and any(
        container.name == "discovery" for container in workload.containers
    )


def is_gateway_proxy(workload: Workload) -> bool:
    """Whether the pods are a gateway or waypoint: by template annotation, argument or label."""
    templates = workload.annotations.get("inject.istio.io/templates")
    if isinstance(templates, str) and "gateway" in (t.strip() for t in templates.split(",")):
        return True
    if workload.labels.get("istio") in ("ingressgateway", "egressgateway"):
        return True
    return any(
        container.name == PROXY_CONTAINER
        and any(argument in ("router", "waypoint") for argument in items(container.value, "args"))
        for container in workload.containers
    )


def is_node_agent(workload: Workload) -> bool:
    """Whether the pods are ztunnel or the istio-cni agent."""
    if any(container.name == "install-cni" for container in workload.containers):
        return True
    return workload.kind == "DaemonSet" and workload.labels.get("app") == "ztunnel"


def is_mesh_infrastructure(workload: Workload) -> bool:
    """Whether the pods are a part of Istio itself."""
    return is_istiod(workload) or is_gateway_proxy(workload) or is_node_agent(workload)


def _workload(world: World) -> Sequence[Workload]:
    return world.index.workloads


def _mesh_infrastructure(world: World) -> Sequence[Workload]:
    return [w for w in world.index.workloads if world.is_infrastructure(w)]


def _application_workload(world: World) -> Sequence[Workload]:
    return [w for w in world.index.workloads if not world.is_infrastructure(w)]


def _long_running(world: World) -> Sequence[Workload]:
    return [w for w in world.subjects("application-workload") if is_long_running(w)]


def is_long_running(workload: Workload) -> bool:
    """Whether the pods are meant to run for ever."""
    if workload.kind in JOB_KINDS:
        return False
    return workload.kind != "Pod" or workload.pod_spec.get("restartPolicy", "Always") == "Always"


def _scalable(world: World) -> Sequence[Workload]:
    return [w for w in world.subjects("application-workload") if w.kind in SCALABLE_KINDS]


def _job(world: World) -> Sequence[Workload]:
    return [w for w in world.subjects("application-workload") if w.kind in JOB_KINDS]


def _serving(world: World) -> Sequence[Workload]:
    return [w for w in world.subjects("long-running-workload") if serves(world, w)]


def serves(world: World, workload: Workload) -> bool:
    """Whether other pods call this workload, as far as the input shows."""
    template = world.autoscaling.template_of(workload)
    if world.index.in_namespace("core/Service", workload.namespace):
        return bool(world.index.services_of(template))
    return any(
        "containerPort" in port
        for container in template.main_containers
        for _, port in mappings(container.value, "ports")
    )


def _with_template(world: World) -> Sequence[Workload]:
    # A Rollout may leave its template to a Deployment, which then is looked at.
    return [w for w in world.subjects("application-workload") if w.template]


def _injected(world: World) -> Sequence[Workload]:
    return [w for w in _with_template(world) if _gets_sidecar(world, w)]


def _gets_sidecar(world: World, workload: Workload) -> bool:
    return world.injection(workload).answer in ("yes", "intended")


def _ambient(world: World) -> Sequence[Workload]:
    return [w for w in _with_template(world) if world.injection(w).mode == "ambient"]


def _mesh_workload(world: World) -> Sequence[Workload]:
    return [
        w
        for w in _with_template(world)
        if _gets_sidecar(world, w) or world.injection(w).mode == "ambient"
    ]


def _of_kinds(*kinds: str) -> Callable[[World], Sequence[Any]]:
    return lambda world: world.index.of_kind(*kinds)


def _istio_config(world: World) -> Sequence[Any]:
    return [r for r in world.index.resources if r.group in ISTIO_GROUPS]


# Prefixes of the roles and bindings that Kubernetes, and GKE, bring along.
_SYSTEM_PREFIXES = ("system:", "gce:")


def _not_system(*kinds: str) -> Callable[[World], Sequence[Any]]:
    return lambda world: [
        r for r in world.index.of_kind(*kinds) if not r.name.startswith(_SYSTEM_PREFIXES)
    ]


def _injection_webhook(world: World) -> Sequence[Any]:
    kind = "admissionregistration.k8s.io/MutatingWebhookConfiguration"
    return [r for r in world.index.of_kind(kind) if _injects(r.value)]


_INJECTION_LABELS = {"istio.io/rev", "istio-injection", "sidecar.istio.io/inject"}


def _injects(configuration: Any) -> bool:
    for _, webhook in mappings(configuration, "webhooks"):
        if text(webhook, "name").endswith("istio.io"):
            return True
        for selector in ("namespaceSelector", "objectSelector"):
            keys = set(mapping(webhook, selector, "matchLabels"))
            keys |= {text(e, "key") for _, e in mappings(webhook, selector, "matchExpressions")}
            if keys & _INJECTION_LABELS:
                return True
    return False


def _mesh_config(world: World) -> Sequence[Any]:
    from meshlint.mesh.mesh_config import mesh_configs

    return mesh_configs(world)


def _mesh_networks(world: World) -> Sequence[Any]:
    from meshlint.mesh.mesh_networks import mesh_networks

    return mesh_networks(world)


ROLES: dict[str, Callable[[World], Sequence[Any]]] = {
    "any-file": lambda world: world.index.files,
    "any-resource": lambda world: world.index.resources,
    "workload": _workload,
    "mesh-infrastructure": _mesh_infrastructure,
    "application-workload": _application_workload,
    "long-running-workload": _long_running,
    "scalable-workload": _scalable,
    "job-workload": _job,
    "serving-workload": _serving,
    "injected-workload": _injected,
    "ambient-workload": _ambient,
    "mesh-workload": _mesh_workload,
    "istio-installation": lambda world: world.installations.control_planes,
    "control-plane": lambda world: [p for p in world.installations.control_planes if p.istiod],
    "gateway-proxy": lambda world: world.installations.gateways,
    "node-agent": lambda world: world.installations.node_agents,
    "base-chart": lambda world: world.installations.base_charts,
    "injection-webhook": _injection_webhook,
    "istio-config": _istio_config,
    "selector-policy": _of_kinds(*SELECTOR_POLICIES),
    "gatewayapi-route": _of_kinds(*GATEWAY_API_ROUTES),
    "autoscaler": lambda world: world.autoscaling.autoscalers,
    "alert": lambda world: world.monitoring.alerts,
    "dashboard": lambda world: world.monitoring.dashboards,
    "mesh-config": _mesh_config,
    "mesh-networks": _mesh_networks,
    "rbac-role": _not_system(*RBAC_ROLES),
    "rbac-binding": _not_system(*RBAC_BINDINGS),
}
"""Roles of `subjects:` in a rule declaration."""
