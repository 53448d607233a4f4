"""Who can reach a gateway: which proxies serve it, and behind what kind of Service.

Sources: Istio API, Gateway (`selector`); Kubernetes API, Service; the charts of the gateways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.installations.automatic import controller_of
from meshlint.mesh.installations.gateways import gateway_class
from meshlint.mesh.installations.records import GatewayClass, GatewayProxy
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, integer, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

ISTIO_GATEWAY = "networking.istio.io/Gateway"
SERVICE_TYPE = "networking.istio.io/service-type"


@dataclass(frozen=True, slots=True)
class Exposure:
    """A Service in front of a gateway."""

    type: str
    annotations: Mapping[str, str]
    ports: frozenset[int] | None = None
    """Numbers that its ports have outside or in the pods; None where they are not known."""

    @property
    def is_internal(self) -> bool:
        """Whether a cloud gives it a load balancer with a private address only."""
        return any(_says_internal(key, value) for key, value in self.annotations.items())


def _says_internal(key: str, value: str) -> bool:
    if "load-balancer" not in key and "loadbalancer" not in key:
        return False
    said = value.strip().lower()
    return said in ("internal", "private", "intranet") or (
        "internal" in key and said not in ("false", "")
    )


def is_reachable(
    world: World, gateway: Resource, port: int | None, *, internal_exempt: bool
) -> bool:
    """Whether clients from outside may reach a port of a gateway, as far as the input tells.

    Where it tells neither the class of the gateway nor its Service, they may.
    """
    if "ingress" not in gateway_classes(world, gateway):
        return False
    served = serving_proxies(world, gateway)
    exposures = list(_exposures(world, gateway, served))
    return not exposures or any(
        found.type != "ClusterIP"
        and not (internal_exempt and found.is_internal)
        and (found.ports is None or port is None or port in found.ports)
        for found in exposures
    )


def gateway_classes(world: World, gateway: Resource) -> frozenset[GatewayClass]:
    """What a Gateway is for: classes of the proxies that serve it, else what its name says."""
    served = serving_proxies(world, gateway)
    return frozenset(proxy.gateway_class for proxy in served) or frozenset(
        {_class_by_name(gateway)}
    )


def is_served_by_istio(world: World, gateway: Resource) -> bool:
    """Whether a Gateway of the Gateway API is of a class of Istio."""
    return controller_of(world.index, gateway).startswith("istio.io/")


def serving_proxies(world: World, gateway: Resource) -> Sequence[GatewayProxy]:
    """Gateway proxies of the input that serve a Gateway."""
    if gateway.group_kind != ISTIO_GATEWAY:
        return [proxy for proxy in world.installations.gateways if proxy.resource is gateway]
    selector = mapping(gateway.spec, "selector")
    return [
        proxy
        for proxy in world.installations.gateways
        if matches_labels(selector, pod_labels(world, proxy))
    ]


def pod_labels(world: World, proxy: GatewayProxy) -> Mapping[str, Any]:
    """Labels of the pods of a gateway, as far as the input tells them."""
    if proxy.form == "rendered" and proxy.resource is not None:
        workload = world.index.workload_of(proxy.resource)
        return workload.labels if workload is not None else {}
    return proxy.scheduling.pod_labels if proxy.scheduling is not None else {}


def _class_by_name(gateway: Resource) -> GatewayClass:
    if gateway.group_kind == ISTIO_GATEWAY:
        return gateway_class(None, gateway.name, mapping(gateway.spec, "selector"), {})
    return gateway_class(None, gateway.name, gateway.labels, {})


def _exposures(
    world: World, gateway: Resource, served: Sequence[GatewayProxy]
) -> Iterator[Exposure]:
    if gateway.group_kind != ISTIO_GATEWAY:
        own = scalar_map(gateway.annotations)
        annotations = {**own, **scalar_map(get(gateway.spec, "infrastructure", "annotations"))}
        yield Exposure(own.get(SERVICE_TYPE, "LoadBalancer"), annotations)
        return
    for service in world.index.of_kind("core/Service"):
        if _is_in_front(world, service, gateway, served):
            kind = text(service.spec, "type") or "ClusterIP"
            yield Exposure(kind, scalar_map(service.annotations), _ports(service.spec))
    for proxy in served:
        yield from chart_services(proxy)


def _ports(service: Mapping[str, Any]) -> frozenset[int] | None:
    # istiod takes the port of a server for that of the Service, else for that of the pods.
    numbers: set[int] = set()
    for _, port in mappings(service, "ports"):
        if isinstance(port.get("targetPort"), str):
            return None
        found = (integer(port, "port"), integer(port, "targetPort"))
        numbers |= {number for number in found if number is not None}
    return frozenset(numbers) or None


def _is_in_front(
    world: World, service: Resource, gateway: Resource, served: Sequence[GatewayProxy]
) -> bool:
    selector = mapping(service.spec, "selector")
    if not served:
        return matches_labels(mapping(gateway.spec, "selector"), selector)
    return any(
        proxy.namespace in ("", service.namespace)
        and matches_labels(selector, pod_labels(world, proxy))
        for proxy in served
    )


def chart_services(proxy: GatewayProxy) -> Iterator[Exposure]:
    """The Service that an installation makes for a gateway."""
    if proxy.form == "helm":
        service = mapping(proxy.values.value("service"))
        annotations = scalar_map(service.get("annotations"))
        yield Exposure(text(service, "type") or "LoadBalancer", annotations, _ports(service))
    elif proxy.form == "istiooperator":
        section = f"istio-{proxy.gateway_class}gateway"
        k8s, values = proxy.component.at("k8s"), proxy.values.at("gateways", section)
        kind = k8s.value("service", "type") or values.value("type")
        annotations = {
            **scalar_map(values.value("serviceAnnotations")),
            **scalar_map(k8s.value("serviceAnnotations")),
        }
        ports = k8s.value("service", "ports") or values.value("ports") or _OPERATOR_PORTS
        yield Exposure(text(kind) or "LoadBalancer", annotations, _ports({"ports": ports}))


# Source: values.yaml of the istio-ingress chart, which IstioOperator files are rendered with.
_OPERATOR_PORTS = [
    {"port": 15021, "targetPort": 15021},
    {"port": 80, "targetPort": 8080},
    {"port": 443, "targetPort": 8443},
]


def attached_routes(
    world: World, gateway: Resource, listener: Mapping[str, Any]
) -> Iterator[Resource]:
    """HTTPRoutes of the input that ask to be attached to a listener."""
    for route in world.index.of_kind("gateway.networking.k8s.io/HTTPRoute"):
        if any(
            reference.get("kind", "Gateway") == "Gateway"
            and text(reference, "name") == gateway.name
            and (text(reference, "namespace") or route.namespace) == gateway.namespace
            and reference.get("sectionName") in (None, listener.get("name"))
            and integer(reference, "port") in (None, integer(listener, "port"))
            for _, reference in mappings(route.spec, "parentRefs")
        ):
            yield route
