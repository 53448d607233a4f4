"""Ambient mode: which namespaces are in it, which waypoint is for what, what needs a waypoint.

Sources: Istio documentation, ambient mode (waypoints, layer 7 features); istio/api, label registry.
ztunnel reads AuthorizationPolicies of layer 4 only, and none of the routes that Envoy applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.enrollment import enrollment
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.installations.automatic import WAYPOINT_CONTROLLERS, controller_of
from meshlint.mesh.provenance import Place
from meshlint.mesh.roles import GATEWAY_API_ROUTES
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.model.workloads import Workload

USE_WAYPOINT = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
WAYPOINT_FOR = "istio.io/waypoint-for"
WAYPOINT_TYPES = ("service", "workload", "all", "none")
TUNNEL_PORT = 15008
"""Port of the pods that ztunnel receives mTLS traffic on."""
PROBE_SOURCE = "169.254.7.127"
"""Source of the probes of the kubelet, unless HOST_PROBE_SNAT_IP of istio-cni says otherwise."""

GATEWAY = "gateway.networking.k8s.io/Gateway"


# ------------------------------------------------------------------------------------ waypoints


@dataclass(frozen=True, slots=True)
class WaypointReference:
    """What a label `istio.io/use-waypoint` names."""

    namespace: str
    name: str
    place: Place

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def waypoint_reference(
    labels: Mapping[str, Any], namespace: str, place: Place
) -> WaypointReference | None:
    """The waypoint that labels of an object name; None without one, and for `none`.

    `place` is where the labels stand.
    """
    known = scalar_map(labels)
    name = known.get(USE_WAYPOINT, "")
    if name in ("", "none"):
        return None
    where = known.get(USE_WAYPOINT_NAMESPACE) or namespace
    return WaypointReference(where, name, place.below(USE_WAYPOINT))


def reference_of(subject: Resource | Workload) -> WaypointReference | None:
    """The waypoint that a Namespace, a Service, a ServiceEntry or a pod template itself names."""
    if isinstance(subject, Workload):
        place = Place(subject.resource.document, subject.labels_path)
        return waypoint_reference(subject.labels, subject.namespace, place)
    namespace = subject.name if subject.kind == "Namespace" else subject.namespace
    place = Place(subject.document, (*subject.path, "metadata", "labels"))
    return waypoint_reference(subject.labels, namespace, place)


def is_waypoint(index: Index, gateway: Resource) -> bool | None:
    """Whether a Gateway is a waypoint; None where its class is not known."""
    controller = controller_of(index, gateway)
    return controller in WAYPOINT_CONTROLLERS if controller else None


def waypoint_type(index: Index, gateway: Resource) -> str:
    """What a waypoint takes traffic for, by its label or that of its class."""
    own = scalar_map(gateway.labels).get(WAYPOINT_FOR)
    if own is not None:
        return own
    name = text(gateway.spec, "gatewayClassName")
    declared = index.find("gateway.networking.k8s.io/GatewayClass", "", name)
    labels = scalar_map(declared.labels) if declared is not None else {}
    return labels.get(WAYPOINT_FOR, "service")


def admits(index: Index, waypoint: Resource, namespace: str) -> bool | None:
    """Whether a waypoint may be used from a namespace; None where that is not known."""
    if namespace == waypoint.namespace:
        return True
    found = index.namespace(namespace)
    unknown = False
    for _, listener in mappings(waypoint.spec, "listeners"):
        allowed = mapping(listener, "allowedRoutes", "namespaces")
        if allowed.get("from") == "All":
            return True
        if allowed.get("from") == "Selector":
            if found is None:
                unknown = True
                continue
            labels = {"kubernetes.io/metadata.name": namespace, **found.labels}
            if matches_selector(allowed.get("selector"), labels):
                return True
    return None if unknown else False


Enrolled = Literal["yes", "no", "unknown"]


def has_waypoint(index: Index, subject: Resource | Workload) -> Enrolled:
    """Whether a waypoint serves a Service or workload, by its own label or its Namespace's."""
    own = subject.labels.get(USE_WAYPOINT)
    if own is not None:
        return "no" if own == "none" else "yes"
    return namespace_has_waypoint(index, subject.namespace)


def namespace_has_waypoint(index: Index, name: str) -> Enrolled:
    """Whether the Namespace names a waypoint."""
    namespace = index.namespace(name)
    if namespace is None:
        return "unknown"
    return "yes" if reference_of(namespace) is not None else "no"


def is_ambient_namespace(index: Index, settings: Settings, name: str) -> bool:
    """Whether ztunnel captures the pods of a namespace unless they say otherwise."""
    found = enrollment(index, settings, name)
    return found is not None and found.means == "ambient"


# -------------------------------------------------------------------------------- layer 7


def layer7_part(policy: Resource) -> Path | None:
    """The first field of a policy, below its spec, that only Envoy applies; None for layer 4."""
    spec = policy.spec
    if policy.kind == "AuthorizationPolicy":
        return _layer7_of_authorization(spec)
    if policy.kind == "Telemetry":
        return _layer7_of_telemetry(spec)
    return () if policy.kind in ("RequestAuthentication", "WasmPlugin") else None


_SOURCE_FIELDS = ("requestPrincipals", "notRequestPrincipals")
_OPERATION_FIELDS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")


def _layer7_of_authorization(spec: Mapping[str, Any]) -> Path | None:
    if spec.get("action") == "CUSTOM":
        return ("action",)
    for number, rule in mappings(spec, "rules"):
        for part, inner, fields in (
            ("from", "source", _SOURCE_FIELDS),
            ("to", "operation", _OPERATION_FIELDS),
        ):
            for item, entry in mappings(rule, part):
                for field in fields:
                    if items(entry, inner, field):
                        return ("rules", number, part, item, inner, field)
        for item, condition in mappings(rule, "when"):
            if text(condition, "key").startswith("request."):
                return ("rules", number, "when", item, "key")
    return None


def _layer7_of_telemetry(spec: Mapping[str, Any]) -> Path | None:
    for field in ("tracing", "accessLogging"):
        if items(spec, field):
            return (field,)
    for number, metrics in mappings(spec, "metrics"):
        overrides = [override for _, override in mappings(metrics, "overrides")]
        if not overrides:
            return ("metrics", number)
        for override in overrides:
            if not text(override, "match", "metric").startswith("TCP_"):
                return ("metrics", number)
    return None


def layer7_route_part(route: Resource) -> Path | None:
    """The first field of a route, below its spec, that mesh traffic needs Envoy for.

    None for routes of gateways alone and for layer 4.
    """
    spec = route.spec
    if route.kind == "VirtualService":
        if "mesh" in items(spec, "gateways") or not items(spec, "gateways"):
            return next(((field,) for field in ("http", "tls") if items(spec, field)), None)
        return None
    if route.kind == "DestinationRule":
        return _layer7_of_destination(spec)
    if route.kind in ("HTTPRoute", "GRPCRoute") and any(service_parents(route)):
        return ("parentRefs",)
    return None


def _layer7_of_destination(spec: Mapping[str, Any]) -> Path | None:
    if items(spec, "subsets"):
        return ("subsets",)
    base = mapping(spec, "trafficPolicy")
    policies: list[tuple[Path, Mapping[str, Any]]] = [(("trafficPolicy",), base)]
    policies += [
        (("trafficPolicy", "portLevelSettings", number), policy)
        for number, policy in mappings(base, "portLevelSettings")
    ]
    for path, policy in policies:
        if mapping(policy, "connectionPool", "http"):
            return (*path, "connectionPool", "http")
        for field in ("httpHeaderName", "httpCookie", "httpQueryParameterName"):
            if get(policy, "loadBalancer", "consistentHash", field) is not None:
                return (*path, "loadBalancer", "consistentHash", field)
        for field in ("consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveErrors"):
            if get(policy, "outlierDetection", field) is not None:
                return (*path, "outlierDetection", field)
    return None


def service_parents(route: Resource) -> Iterator[tuple[str, str]]:
    """Namespace and name of each Service that a Gateway API route is attached to."""
    for _, parent in mappings(route.spec, "parentRefs"):
        if parent.get("kind") == "Service" and parent.get("group", "") in ("", "core"):
            yield text(parent, "namespace") or route.namespace, text(parent, "name")


def target_references(policy: Resource) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The objects that a policy is attached to, each with its path below the spec."""
    single = policy.spec.get("targetRef")
    if isinstance(single, dict):
        yield ("targetRef",), single
    for number, reference in mappings(policy.spec, "targetRefs"):
        yield ("targetRefs", number), reference


# ------------------------------------------------------------------------------ network policies


def restricts_ingress(policy: Resource) -> bool:
    """Whether a NetworkPolicy is about incoming traffic, which is so unless it says otherwise."""
    types = items(policy.spec, "policyTypes")
    return not types or "Ingress" in types


def covers_port(rule: Mapping[str, Any], port: int, name: str = "") -> bool:
    """Whether an ingress rule lets TCP traffic to a port pass; `name` is that of the container."""
    ports = rule.get("ports")
    if not ports:
        return True
    for _, entry in mappings(ports):
        if entry.get("protocol", "TCP") != "TCP":
            continue
        first, last = entry.get("port"), entry.get("endPort")
        if first is None or first == port or (name and first == name):
            return True
        if isinstance(first, int) and isinstance(last, int) and first <= port <= last:
            return True
    return False


# --------------------------------------------------------------------------------- one whole input


class Ambient:
    """What is asked about one input again and again; each answer is worked out once."""

    def __init__(self, index: Index, cluster_domain: str) -> None:
        self._index = index
        self._cluster_domain = cluster_domain
        self._policies: dict[Workload, Sequence[Resource]] = {}
        self._blockers: dict[Workload, Resource | None] = {}

    def ingress_policies(self, workload: Workload) -> Sequence[Resource]:
        """NetworkPolicies that restrict what reaches the pods of a workload."""
        known = self._policies.get(workload)
        if known is None:
            kind, namespace = "networking.k8s.io/NetworkPolicy", workload.namespace
            known = self._policies[workload] = [
                policy
                for policy in self._index.in_namespace(kind, namespace)
                if restricts_ingress(policy)
                and matches_selector(mapping(policy.spec, "podSelector"), workload.labels)
            ]
        return known

    def tunnel_blocker(self, workload: Workload) -> Resource | None:
        """The NetworkPolicy to mend where none admits the tunnel to the pods; None where one does.

        With nothing but "deny all" a workload without a Service is as it is meant to be.
        """
        if workload not in self._blockers:
            self._blockers[workload] = self._find_blocker(workload)
        return self._blockers[workload]

    def _find_blocker(self, workload: Workload) -> Resource | None:
        policies = self.ingress_policies(workload)
        if any(self._admits_tunnel(policy) for policy in policies):
            return None
        speaking = [policy for policy in policies if items(policy.spec, "ingress")]
        if not speaking and not self._index.services_of(workload):
            return None
        return next(iter(speaking or policies), None)

    def _admits_tunnel(self, policy: Resource) -> bool:
        return any(covers_port(rule, TUNNEL_PORT) for _, rule in mappings(policy.spec, "ingress"))

    @cached_property
    def behind_gateways(self) -> frozenset[tuple[str, str]]:
        """Services that gateways route to, by namespace and name."""
        return frozenset((*self._of_virtual_services(), *self._of_routes()))

    def _of_virtual_services(self) -> Iterator[tuple[str, str]]:
        for route in self._index.of_kind("networking.istio.io/VirtualService"):
            if not set(map(str, items(route.spec, "gateways"))) - {"mesh"}:
                continue
            for protocol in ("http", "tls", "tcp"):
                for _, entry in mappings(route.spec, protocol):
                    for _, destination in mappings(entry, "route"):
                        host = text(destination, "destination", "host")
                        found = service_parts(host, route.namespace, self._cluster_domain)
                        if found is not None:
                            yield found

    def _of_routes(self) -> Iterator[tuple[str, str]]:
        for route in self._index.of_kind(*GATEWAY_API_ROUTES):
            parents = mappings(route.spec, "parentRefs")
            if not any(parent.get("kind", "Gateway") == "Gateway" for _, parent in parents):
                continue
            for _, rule in mappings(route.spec, "rules"):
                for _, backend in mappings(rule, "backendRefs"):
                    yield text(backend, "namespace") or route.namespace, text(backend, "name")
