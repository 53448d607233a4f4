"""Records of releases of Istio's Helm charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from meshlint.mesh.installations import facts
from meshlint.mesh.installations.charts import (
    WRAPPERS,
    chart_values,
    container,
    render_gateway,
    render_istiod,
    render_node_agent,
    truth,
)
from meshlint.mesh.installations.detection import detect_version
from meshlint.mesh.installations.gateways import gateway_class
from meshlint.mesh.installations.helm import Release, version_text
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.planes import (
    Origin,
    control_plane,
    image_settings,
    is_remote,
    release_labels,
    revision_name,
)
from meshlint.mesh.installations.records import (
    BaseChart,
    ControlPlane,
    GatewayProxy,
    Image,
    NodeAgent,
)
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import FLAT_ISTIOD_VALUES
from meshlint.model.values import mapping, text


def release_origin(release: Release, settings: Settings) -> Origin:
    """Version of a release: of its chart, else of the image that its values ask for."""
    version, source = detect_version(
        settings,
        version_text(release.version),
        release.given.given("global", "tag"),
        release.given.given("tag"),
        release.given.given("pilot", "tag"),
    )
    return Origin(version, source, release.version)


def _given(release: Release) -> Layers:
    """What the input sets, with the content of the wrappers that only charts should use."""
    layers: list[Layer] = []
    for layer in release.given.layers:
        for wrapper in WRAPPERS:
            inner = None if layer.opaque else layer.step(wrapper)
            if inner is not None and isinstance(inner.value, dict):
                layers.append(inner)
        layers.append(layer)
    return Layers(tuple(layers), release.given.home)


def _profile(values: Layers) -> Sourced[str | None]:
    found = values.get("profile")
    if not truth(found):
        found = values.get("global", "profile")
    if found is None or not isinstance(found.value, str) or not found.value:
        return Sourced(None, site=values.site("profile"))
    return found


def istiod_release(release: Release, settings: Settings) -> ControlPlane:
    """The control plane of a release of the istiod chart."""
    origin = release_origin(release, settings)
    flat = origin.version in FLAT_ISTIOD_VALUES
    values = chart_values("istiod", origin.version, _given(release), flat=flat)
    remote = release.chart == "istiod-remote" or is_remote(values)
    return control_plane(
        "helm",
        release.home,
        release.resource,
        origin,
        values=values,
        rendered=None if remote else render_istiod(values, origin.version),
        namespace=release.namespace
        or text(values.value("global", "istioNamespace"))
        or "istio-system",
        revision=revision_name(values.value("revision")),
        profile=_profile(values),
        release=release.name,
    )


def gateway_release(release: Release, settings: Settings) -> GatewayProxy:
    """The gateway of a release of the gateway chart."""
    origin = release_origin(release, settings)
    values = chart_values("gateway", origin.version, _given(release), flat=False)
    rendered = render_gateway(values, origin.version)
    proxy = container("istio-proxy")
    name = text(values.value("name")) or release.name
    labels = _gateway_labels(values, name, release.name)
    env = facts.env_of(rendered.deployment, proxy)
    annotations = {
        key: value
        for key, value in mapping(values.value("podAnnotations")).items()
        if isinstance(value, str)
    }
    given = values.given("podAnnotations")
    kind = text(values.value("kind")) or "Deployment"
    count = values.given("replicaCount")
    return GatewayProxy(
        form="helm",
        name=name,
        namespace=release.namespace,
        gateway_class=gateway_class(None, name, labels, env, values.value("networkGateway")),
        kind=kind,
        home=release.home,
        resource=release.resource,
        version=origin.version,
        version_source=origin.source,
        chart_version=origin.chart,
        revision=revision_name(values.value("revision")),
        autoscaling=facts.autoscaling_of(rendered, name),
        replicas=facts.replicas_of(rendered.deployment),
        replica_count=facts.number(count),
        resources=facts.resources_of(rendered.deployment, proxy, rendered.resources_place),
        budget=facts.budget_of(rendered.budget, rendered.budget_by),
        scheduling=facts.scheduling_of(rendered.deployment, labels),
        annotations=annotations,
        annotations_place=given.place if given else values.site("podAnnotations"),
        env=env,
        values=values,
    )


def _gateway_labels(values: Layers, name: str, release: str) -> dict[str, str]:
    """Labels of the gateway's pods (`templates/_helpers.tpl` of the gateway chart)."""
    own = {key: str(value) for key, value in mapping(values.value("labels")).items()}
    labels = {**release_labels(name, release), **own, "sidecar.istio.io/inject": "true"}
    if name:
        labels["app"] = own.get("app") or name
        labels["istio"] = own.get("istio") or name.removeprefix("istio-")
    return labels


def agent_release(
    release: Release, settings: Settings, chart: Literal["cni", "ztunnel"]
) -> NodeAgent:
    """The node agent of a release of the cni or the ztunnel chart."""
    origin = release_origin(release, settings)
    values = chart_values(chart, origin.version, _given(release), flat=chart == "cni")
    agent, place = render_node_agent(values, chart)
    return NodeAgent(
        form="helm",
        agent="istio-cni" if chart == "cni" else "ztunnel",
        home=release.home,
        resource=release.resource,
        version=origin.version,
        version_source=origin.source,
        chart_version=origin.chart,
        resources=facts.resources_of(agent, ("agent",), place),
        values=values,
        namespace=release.namespace,
        images=(_agent_image(values, chart),),
    )


def _agent_image(values: Layers, chart: Literal["cni", "ztunnel"]) -> Image:
    if chart == "cni":
        return image_settings("cni", values, "cni")
    unset: Mapping[str, Sourced[Any]] = {
        field: Sourced(None, site=values.site(field)) for field in ("hub", "tag")
    }
    return Image("ztunnel", values.get("hub") or unset["hub"], values.get("tag") or unset["tag"])


def base_release(
    release: Release, settings: Settings, chart: Literal["base", "default"]
) -> BaseChart:
    """A release of the chart with the definitions, or of the one for the default revision tag."""
    origin = release_origin(release, settings)
    return BaseChart(
        home=release.home,
        resource=release.resource,
        chart=chart,
        version=origin.version,
        version_source=origin.source,
        chart_version=origin.chart,
        values=_given(release),
    )
