"""Parts of Istio that stand in the input as Kubernetes objects.

istiod is told by the label `app=istiod` and a container `discovery`, a gateway by its injection
template, by an argument of its proxy, or by its label; names are never a ground, except that of the
ConfigMaps, which istiod itself looks for by name (istiod chart, `templates`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from meshlint.mesh.autoscaling import Autoscaling
from meshlint.mesh.installations import facts
from meshlint.mesh.installations.detection import detect_version
from meshlint.mesh.installations.gateways import gateway_class
from meshlint.mesh.installations.helm import embedded_values
from meshlint.mesh.installations.layers import EMPTY, Layer, Layers
from meshlint.mesh.installations.neighbors import (
    named,
    place_of,
    protected_by,
    scaled_by,
    whole_object,
)
from meshlint.mesh.installations.objects import Object, Step, written
from meshlint.mesh.installations.records import (
    ContainerResources,
    ControlPlane,
    GatewayClass,
    GatewayProxy,
    Image,
    NodeAgent,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.roles import is_gateway_proxy, is_istiod, is_node_agent
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload


def _container(workload: Workload, name: str) -> tuple[Container | None, tuple[Step, ...]]:
    found = next((c for c in workload.containers if c.name == name), None)
    listed = "containers" if found is None else str(found.path[-2])
    return found, ("spec", "template", "spec", listed, ("name", name))


def _resources(workload: Workload, found: Container | None) -> ContainerResources | None:
    if found is None:
        return None
    place = Place(workload.resource.document, found.path)
    return facts.resources_of(written(found.value, place), (), place.below("resources"))


def _image(component: str, workload: Workload, found: Container | None) -> tuple[Image, ...]:
    if found is None:
        return ()
    reference = found.value.get("image")
    place = Place(workload.resource.document, (*found.path, "image"))
    if component != "istiod" and reference == "auto":
        return ()
    image = facts.image_of(component, Sourced(reference, place))
    return (image,) if image else ()


def _version_labels(workload: Workload) -> Iterator[Sourced[Any]]:
    """Version labels that the charts put on what they render, from 1.24 on."""
    resource = workload.resource
    for labels, steps in (
        (resource.labels, (*resource.path, "metadata", "labels")),
        (workload.labels, workload.labels_path),
    ):
        chart = labels.get("helm.sh/chart")
        if isinstance(chart, str):
            place = Place(resource.document, (*steps, "helm.sh/chart"))
            yield Sourced(chart.partition("-")[2], place)
        if "app.kubernetes.io/version" in labels:
            place = Place(resource.document, (*steps, "app.kubernetes.io/version"))
            yield Sourced(labels["app.kubernetes.io/version"], place)


# --------------------------------------------------------------------------------------- istiod


def read_istiods(index: Index, settings: Settings) -> Iterator[ControlPlane]:
    """Every istiod of the input."""
    scaling = Autoscaling(index)
    for workload in index.workloads:
        if is_istiod(workload):
            yield _istiod(index, settings, workload, scaling)


def _istiod(
    index: Index, settings: Settings, workload: Workload, scaling: Autoscaling
) -> ControlPlane:
    resource = workload.resource
    discovery, _ = _container(workload, "discovery")
    images = _image("istiod", workload, discovery)
    version, source = detect_version(
        settings, *(image.tag for image in images), *_version_labels(workload)
    )
    revision = _revision(workload, discovery)
    suffix = f"-{revision}" if revision else ""
    values, injector = _injector_values(index, resource, suffix)
    mesh = _mesh_config(index, resource, suffix)
    target = whole_object(resource)
    env = (
        facts.env_of(written(discovery.value, Place(resource.document, discovery.path)), ())
        if discovery
        else {}
    )
    spec = target.get("spec", "replicas")
    unknown = mesh is None
    return ControlPlane(
        form="rendered",
        home=place_of(resource),
        resource=resource,
        namespace=workload.namespace,
        version=version,
        version_source=source,
        profile=Sourced(None),
        revision=revision,
        tags=frozenset(),
        istiod=True,
        autoscaling=scaled_by(scaling.of(workload), place_of(resource)),
        replicas=facts.replicas_of(target),
        replica_count=facts.number(spec),
        resources=_resources(workload, discovery),
        budget=protected_by(index, workload.namespace, workload.labels, resource),
        scheduling=facts.scheduling_of(target, _string_labels(workload)),
        proxy_resources=_proxy_resources(values) if injector else None,
        mesh={} if unknown else mapping(mesh.value() if mesh else None),
        mesh_config=mesh or EMPTY,
        values=values,
        images=(*images, *_proxy_image(values)),
        trace_sampling=facts.sampling_of(env),
        env=env,
        workload=resource,
    )


def _string_labels(workload: Workload) -> dict[str, str]:
    return {key: value for key, value in workload.labels.items() if isinstance(value, str)}


def _revision(workload: Workload, discovery: Container | None) -> str:
    for label in (
        workload.labels.get("istio.io/rev"),
        workload.resource.labels.get("istio.io/rev"),
    ):
        if isinstance(label, str) and label:
            return "" if label == "default" else label
    for _, variable in mappings(discovery.value if discovery else None, "env"):
        if variable.get("name") == "REVISION":
            name = text(variable, "value")
            return "" if name == "default" else name
    return ""


def _injector_values(index: Index, istiod: Resource, suffix: str) -> tuple[Layers, bool]:
    """Values that istiod was installed with, and whether those of the injector are among them.

    The injector's ConfigMap holds what really counts; `merged-values` of the ConfigMap `values`
    (from 1.26 on) has the rest of the settings for people to read.
    """
    layers: list[Layer] = []
    merged = _embedded(index, istiod, f"values{suffix}", "merged-values")
    if merged is not None:
        layers.append(_with_pilot(merged))
    own = _embedded(index, istiod, f"istio-sidecar-injector{suffix}", "values")
    if own is not None:
        layers.append(own)
    home = layers[-1].place if layers else None
    return Layers(tuple(layers), home), own is not None


def _with_pilot(merged: Layer) -> Layer:
    # The chart merges `pilot` into the top level before it writes the values down.
    value = mapping(merged.value)
    flat = {key: item for key, item in value.items() if key != "pilot"}
    return Layer({**value, "pilot": {**flat, **mapping(value, "pilot")}}, merged.place)


def _embedded(index: Index, istiod: Resource, name: str, key: str) -> Layer | None:
    resource = named(index, "core/ConfigMap", istiod.namespace, name, istiod)
    if resource is None:
        return None
    layer = embedded_values(get(resource.value, "data", key), place_of(resource, "data", key))
    return None if layer is None or layer.opaque else layer


def _mesh_config(index: Index, istiod: Resource, suffix: str) -> Layers | None:
    layer = _embedded(index, istiod, f"istio{suffix}", "mesh")
    return Layers((layer,), layer.place) if layer is not None else None


def _proxy_resources(values: Layers) -> ContainerResources | None:
    place = values.site("global", "proxy", "resources")
    found = values.get("global", "proxy", "resources")
    if found is None:
        return ContainerResources({}, {}, place)
    return facts.resources_of(Object({"resources": found}), (), found.place)


def _proxy_image(values: Layers) -> tuple[Image, ...]:
    hub, tag = values.get("global", "hub"), values.get("global", "tag")
    return (Image("proxy", hub, tag),) if hub is not None and tag is not None else ()


# ------------------------------------------------------------------------------------- gateways


def read_gateways(index: Index, settings: Settings) -> Iterator[GatewayProxy]:
    """Every gateway and waypoint that stands in the input as a workload."""
    scaling = Autoscaling(index)
    for workload in index.workloads:
        if workload.kind in ("Deployment", "DaemonSet") and is_gateway_proxy(workload):
            yield _gateway(index, settings, workload, scaling)


def _gateway(
    index: Index, settings: Settings, workload: Workload, scaling: Autoscaling
) -> GatewayProxy:
    resource = workload.resource
    proxy, _ = _container(workload, PROXY_CONTAINER)
    images = _image("proxy", workload, proxy)
    version, source = detect_version(
        settings, *(image.tag for image in images), *_version_labels(workload)
    )
    target = whole_object(resource)
    env = (
        facts.env_of(written(proxy.value, Place(resource.document, proxy.path)), ())
        if proxy
        else {}
    )
    resources = _resources(workload, proxy)
    if proxy is None:
        # The injected container has no resources of its own (gateway injection template).
        resources = ContainerResources({}, {}, place_of(resource, "spec", "template", "spec"))
    network = workload.labels.get("topology.istio.io/network")
    revision = workload.labels.get("istio.io/rev")
    return GatewayProxy(
        form="rendered",
        name=workload.name,
        namespace=workload.namespace,
        gateway_class=gateway_class(
            _declared_class(workload, proxy), workload.name, workload.labels, env, network
        ),
        kind=workload.kind,
        home=place_of(resource),
        resource=resource,
        version=version,
        version_source=source,
        revision=revision if isinstance(revision, str) and revision != "default" else "",
        autoscaling=scaled_by(scaling.of(workload), place_of(resource)),
        replicas=facts.replicas_of(target),
        replica_count=facts.replicas_of(target),
        resources=resources,
        budget=protected_by(index, workload.namespace, workload.labels, resource),
        scheduling=facts.scheduling_of(target, _string_labels(workload)),
        images=images,
        annotations={k: v for k, v in workload.annotations.items() if isinstance(v, str)},
        annotations_place=Place(resource.document, workload.annotations_path),
        env=env,
    )


def _declared_class(workload: Workload, proxy: Container | None) -> GatewayClass | None:
    if proxy is not None and "waypoint" in items(proxy.value, "args"):
        return "waypoint"
    label = workload.labels.get("istio")
    return {"ingressgateway": "ingress", "egressgateway": "egress"}.get(str(label))  # type: ignore[return-value]


# ---------------------------------------------------------------------------------- node agents

_AGENTS: Sequence[tuple[str, Literal["istio-cni", "ztunnel"]]] = (
    ("install-cni", "istio-cni"),
    ("istio-proxy", "ztunnel"),
)


def read_agents(index: Index, settings: Settings) -> Iterator[NodeAgent]:
    """Every istio-cni and ztunnel DaemonSet of the input."""
    for workload in index.workloads:
        if not is_node_agent(workload):
            continue
        for name, agent in _AGENTS:
            found, _ = _container(workload, name)
            if found is None:
                continue
            images = _image(agent, workload, found)
            version, source = detect_version(
                settings, *(image.tag for image in images), *_version_labels(workload)
            )
            yield NodeAgent(
                form="rendered",
                agent=agent,
                home=place_of(workload.resource),
                resource=workload.resource,
                version=version,
                version_source=source,
                resources=_resources(workload, found),
                values=EMPTY,
                namespace=workload.namespace,
                images=images,
            )
            break
