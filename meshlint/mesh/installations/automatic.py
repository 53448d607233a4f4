"""Gateways that istiod deploys for Gateways of the Gateway API.

Source: pilot/pkg/config/kube/gatewaycommon (deployment controller, classes) of istio/istio and the
templates `kube-gateway.yaml` and `waypoint.yaml` of the istiod chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.mesh.autoscaling import Autoscaling as Scaling
from meshlint.mesh.installations import facts
from meshlint.mesh.installations.charts import POD, chart_values, container, put_resources, truth
from meshlint.mesh.installations.detection import detect_version
from meshlint.mesh.installations.gateways import gateway_class
from meshlint.mesh.installations.helm import embedded_values
from meshlint.mesh.installations.layers import EMPTY, Layer, Layers
from meshlint.mesh.installations.neighbors import named, place_of, protected_by, scaled_by
from meshlint.mesh.installations.objects import Object
from meshlint.mesh.installations.planes import revision_name
from meshlint.mesh.installations.records import (
    NO_AUTOSCALING,
    Autoscaling,
    Budget,
    ControlPlane,
    GatewayClass,
    GatewayProxy,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import AUTOMATIC_GATEWAY_OVERLAYS, WAYPOINT_VALUES, Version
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, string_map, text

GATEWAY = "gateway.networking.k8s.io/Gateway"
CLASS_DEFAULTS = "gateway.istio.io/defaults-for-class"
NAME_OVERRIDE = "gateway.istio.io/name-override"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"

_GATEWAY_CONTROLLER = "istio.io/gateway-controller"
WAYPOINT_CONTROLLERS = frozenset(
    {"istio.io/mesh-controller", "istio.io/agentgateway-mesh-controller"}
)
_EAST_WEST_CONTROLLER = "istio.io/eastwest-controller"
_UNMANAGED_CONTROLLER = "istio.io/unmanaged-gateway"

_BUILT_IN = {
    "istio": _GATEWAY_CONTROLLER,
    "istio-remote": _UNMANAGED_CONTROLLER,
    "istio-waypoint": "istio.io/mesh-controller",
    "istio-east-west": _EAST_WEST_CONTROLLER,
    "istio-agentgateway": "istio.io/agentgateway-controller",
    "istio-agentgateway-waypoint": "istio.io/agentgateway-mesh-controller",
}


@dataclass(frozen=True, slots=True)
class _Overlays:
    """What the input lays over the objects of one gateway, lowest first, by kind of object."""

    layers: tuple[Layers, ...]
    known: bool
    """False where the ConfigMap that the Gateway names is not in the input."""
    site: Place

    def of(self, key: str) -> list[Sourced[Any]]:
        found = [layers.get(key) for layers in self.layers]
        return [item for item in found if item is not None and isinstance(item.value, dict)]


def controller_of(index: Index, gateway: Resource) -> str:
    """Controller of a Gateway's class; empty for a class that is neither known nor in the input."""
    name = text(gateway.spec, "gatewayClassName")
    declared = index.find("gateway.networking.k8s.io/GatewayClass", "", name)
    if declared is not None:
        return text(declared.spec, "controllerName")
    return _BUILT_IN.get(name, "")


def is_automatic(index: Index, gateway: Resource) -> bool:
    """Whether istiod makes the Deployment of a Gateway itself.

    It does not where the Gateway names the Service of one that exists, by an address that is no
    single IP address.
    """
    controller = controller_of(index, gateway)
    if not controller.startswith("istio.io/") or controller == _UNMANAGED_CONTROLLER:
        return False
    addresses = items(gateway.spec, "addresses")
    if not addresses:
        return True
    return len(addresses) == 1 and get(addresses[0], "type") in (None, "IPAddress")


def read_automatic(
    index: Index, settings: Settings, planes: Sequence[ControlPlane]
) -> Iterator[GatewayProxy]:
    """Every gateway and waypoint that istiod deploys by itself."""
    scaling = Scaling(index)
    automatic = [g for g in index.of_kind(GATEWAY) if is_automatic(index, g)]
    if not automatic:
        return
    defaults = [r for r in index.of_kind("core/ConfigMap") if CLASS_DEFAULTS in r.labels]
    for gateway in automatic:
        plane = _plane(gateway, planes)
        overlays = _overlays(index, gateway, plane, defaults)
        yield _gateway(index, settings, gateway, plane, overlays, scaling)


def _plane(gateway: Resource, planes: Sequence[ControlPlane]) -> ControlPlane | None:
    """The control plane that serves a Gateway: by its revision label, else the default one."""
    label = gateway.labels.get("istio.io/rev")
    wanted = revision_name(label)
    if isinstance(label, str) and wanted:
        return next((p for p in planes if wanted == p.revision or wanted in p.tags), None)
    default = [p for p in planes if not p.revision or "default" in p.tags]
    if default:
        return default[0]
    return planes[0] if len(planes) == 1 else None


def deployment_name(index: Index, gateway: Resource) -> str:
    """Name of the Deployment of an automatic gateway; waypoints have no suffix."""
    override = gateway.annotations.get(NAME_OVERRIDE)
    if isinstance(override, str) and override:
        return override
    controller = controller_of(index, gateway)
    if controller in WAYPOINT_CONTROLLERS or controller == _EAST_WEST_CONTROLLER:
        return gateway.name
    return f"{gateway.name}-{text(gateway.spec, 'gatewayClassName')}"


def _class(controller: str) -> GatewayClass | None:
    if controller in WAYPOINT_CONTROLLERS:
        return "waypoint"
    return "east-west" if controller == _EAST_WEST_CONTROLLER else None


def _gateway(
    index: Index,
    settings: Settings,
    gateway: Resource,
    plane: ControlPlane | None,
    overlays: _Overlays,
    scaling: Scaling,
) -> GatewayProxy:
    version, source = (plane.version, plane.version_source) if plane else detect_version(settings)
    if settings.istio_version is not None:
        version = settings.istio_version
    controller = controller_of(index, gateway)
    kind = _class(controller) or gateway_class(None, gateway.name, _labels(gateway), {})
    name = deployment_name(index, gateway)
    labels = _labels(gateway)
    proxy = container("istio-proxy")
    deployment, place = _deployment(plane, version, from_waypoint=_class(controller) is not None)
    for overlay in overlays.of("deployment"):
        deployment.merge((), overlay)
        block = get(overlay.value, "spec", "template", "spec", "containers")
        if isinstance(block, list) and overlay.place is not None:
            place = overlay.place
    fields = string_map(gateway.spec, "infrastructure", "annotations") or string_map(
        gateway.annotations
    )
    steps = ("spec", "infrastructure") if _has(gateway, "annotations") else ("metadata",)
    scheduling = facts.scheduling_of(deployment, labels) if overlays.known else None
    resources = facts.resources_of(deployment, proxy, place) if overlays.known else None
    return GatewayProxy(
        form="automatic",
        name=gateway.name,
        namespace=gateway.namespace,
        gateway_class=kind,
        kind="Deployment",
        home=place_of(gateway),
        resource=gateway,
        version=version,
        version_source=source,
        revision=plane.revision if plane else "",
        autoscaling=_autoscaling(overlays, version, scaling, gateway, name),
        replicas=facts.replicas_of(deployment) if overlays.known else None,
        replica_count=facts.replicas_of(deployment) if overlays.known else None,
        resources=resources,
        budget=_budget(overlays, version, index, gateway, labels),
        scheduling=scheduling,
        images=tuple(image for image in plane.images if image.component == "proxy")
        if plane
        else (),
        annotations=fields,
        annotations_place=place_of(gateway, *steps, "annotations"),
        env=facts.env_of(deployment, proxy),
        values=plane.values if plane else EMPTY,
        class_name=text(gateway.spec, "gatewayClassName"),
        workload_name=name,
    )


def _has(gateway: Resource, field: str) -> bool:
    return isinstance(get(gateway.spec, "infrastructure", field), dict)


def _labels(gateway: Resource) -> dict[str, str]:
    own = string_map(gateway.spec, "infrastructure", "labels")
    if not _has(gateway, "labels"):
        own = string_map(gateway.labels)
    return {
        "sidecar.istio.io/inject": "false",
        **own,
        GATEWAY_NAME: gateway.name,
        "gateway.networking.k8s.io/gateway-class-name": text(gateway.spec, "gatewayClassName"),
    }


def _deployment(
    plane: ControlPlane | None, version: Version, *, from_waypoint: bool
) -> tuple[Object, Place | None]:
    """The Deployment as the template makes it, and where its resources would be set.

    East-west gateways are made from the template of waypoints.
    """
    values = plane.values if plane else EMPTY
    if plane is None or (from_waypoint and version not in WAYPOINT_VALUES):
        values = chart_values("istiod", version, EMPTY, flat=False)
    deployment = Object({"spec": {"template": {"spec": {}}}})
    where = container("istio-proxy")
    section = "waypoint" if from_waypoint else "proxy"
    place = put_resources(deployment, where, values.at("global", section, "resources"))
    if from_waypoint:
        for block in ("affinity", "topologySpreadConstraints", "nodeSelector", "tolerations"):
            found = values.get("global", "waypoint", block)
            if found is not None and truth(found):
                deployment.put((*POD, block), found)
    return deployment, place


# ------------------------------------------------------------------------------------ overlays


def _overlays(
    index: Index,
    gateway: Resource,
    plane: ControlPlane | None,
    class_defaults: Sequence[Resource],
) -> _Overlays:
    layers: list[Layers] = []
    class_name = text(gateway.spec, "gatewayClassName")
    if plane is not None:
        defaults = plane.values.at("gatewayClasses", class_name)
        if defaults:
            layers.append(defaults)
    for resource in class_defaults:
        if resource.labels.get(CLASS_DEFAULTS) == class_name and (
            plane is None or resource.namespace == plane.namespace
        ):
            layers.append(_config_map(resource))
            break
    reference = mapping(gateway.spec, "infrastructure", "parametersRef")
    known = True
    if reference:
        found = None
        if text(reference, "kind") == "ConfigMap" and not reference.get("group"):
            name = text(reference, "name")
            found = named(index, "core/ConfigMap", gateway.namespace, name, gateway)
        known = found is not None
        if found is not None:
            layers.append(_config_map(found))
    site = place_of(gateway, "spec", "infrastructure", "parametersRef")
    return _Overlays(tuple(layers), known, site)


def _config_map(resource: Resource) -> Layers:
    layers = []
    for key, value in mapping(resource.value, "data").items():
        inner = embedded_values(value, place_of(resource, "data", key))
        if inner is not None and not inner.opaque:
            layers.append(Layer(inner.value, inner.place, mount=(key,)))
    return Layers(tuple(layers), place_of(resource, "data"))


def _autoscaling(
    overlays: _Overlays, version: Version, scaling: Scaling, gateway: Resource, name: str
) -> Autoscaling:
    found = overlays.of("horizontalPodAutoscaler")
    if found and version in AUTOMATIC_GATEWAY_OVERLAYS:
        # The template's maximum is 1; an overlay that does not raise it scales nothing.
        one = Sourced(1, None, f"template of automatic gateways, Istio {version}")
        autoscaler = Object({"spec": {"maxReplicas": one}})
        for overlay in found:
            autoscaler.merge((), overlay)
        return facts.autoscaler_facts(autoscaler, found[-1].map(lambda _: True))
    scalers = scaling.targeting(gateway.namespace, "Deployment", name)
    if not scalers and not overlays.known:
        return NO_AUTOSCALING
    return scaled_by(scalers, overlays.site)


def _budget(
    overlays: _Overlays,
    version: Version,
    index: Index,
    gateway: Resource,
    labels: dict[str, str],
) -> Sourced[Budget | None] | None:
    found = overlays.of("podDisruptionBudget")
    if found and version in AUTOMATIC_GATEWAY_OVERLAYS:
        budget = Object({"spec": {}})
        for overlay in found:
            budget.merge((), overlay)
        return facts.budget_of(budget, found[-1])
    protected = protected_by(index, gateway.namespace, labels, gateway)
    if protected.value is None and not overlays.known:
        return None
    if protected.value is None:
        return Sourced(None, site=overlays.site)
    return protected
