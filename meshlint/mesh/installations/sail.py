"""Resources of the Sail operator.

Source: api/v1, pkg/istiovalues and resources/<version>/profiles of istio-ecosystem/sail-operator.
The operator merges the profile `default`, the chosen profile and `spec.values`, then sets the
revision and the namespace itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from meshlint.mesh.installations import facts
from meshlint.mesh.installations.charts import chart_values, render_istiod, render_node_agent
from meshlint.mesh.installations.detection import detect_version
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.neighbors import place_of
from meshlint.mesh.installations.planes import Origin, control_plane, image_settings, is_remote
from meshlint.mesh.installations.records import ControlPlane, Image, NodeAgent
from meshlint.mesh.installations.tables import SAIL_PROFILES
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, text

ISTIO = "sailoperator.io/Istio"
TAG = "sailoperator.io/IstioRevisionTag"
DEFAULT_NAMESPACES = {"cni": "istio-cni", "ztunnel": "ztunnel"}
_NAMESPACE = ("global", "istioNamespace")

# Fields of the charts that the operator's API does not have; it drops them.
_NOT_IN_API = (("pilot", "pdb"), ("gateways",))


def read_istios(index: Index, settings: Settings) -> Iterator[ControlPlane]:
    """The control plane of every Istio resource."""
    for resource in index.of_kind(ISTIO):
        if resource.name:  # one without a name is a profile of the operator, not an object
            yield _istio(resource, settings)


def _origin(resource: Resource, settings: Settings) -> Origin:
    place = place_of(resource, "spec", "version")
    found: Sourced[Any] = (
        Sourced(resource.spec["version"], place)
        if "version" in resource.spec
        else Sourced(None, site=place)
    )
    version, source = detect_version(settings, found)
    return Origin(version, source, found)


def _values(resource: Resource, profile: str) -> Layers:
    place = place_of(resource, "spec", "values")
    known = SAIL_PROFILES.get(profile)
    layers = [Layer(known, None, f"profile {profile} of the operator", opaque=known is None)]
    given = resource.spec.get("values")
    if isinstance(given, dict):
        layers.append(Layer(_in_api(given), place))
    return Layers(tuple(layers), place)


def _in_api(values: dict[str, Any]) -> dict[str, Any]:
    for path in _NOT_IN_API:
        if get(values, *path) is not None:
            values = _without(values, path)
    return values


def _without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if len(path) == 1:
        return {key: item for key, item in values.items() if key != path[0]}
    return {**values, path[0]: _without(mapping(values, path[0]), path[1:])}


def _profile(resource: Resource) -> Sourced[str | None]:
    place = place_of(resource, "spec", "profile")
    name = text(resource.spec, "profile")
    return (
        Sourced(name, place) if name else Sourced("default", None, "default of the operator", place)
    )


def revision_of(resource: Resource) -> str:
    """Revision of an Istio resource: its name, with the version when updates are side by side."""
    name = resource.name
    if get(resource.spec, "updateStrategy", "type") == "RevisionBased":
        version = text(resource.spec, "version")
        return f"{name}-{version.replace('.', '-')}" if version else name
    return "" if name == "default" else name


def _istio(resource: Resource, settings: Settings) -> ControlPlane:
    origin = _origin(resource, settings)
    profile = _profile(resource)
    revision = revision_of(resource)
    namespace = text(resource.spec, "namespace") or "istio-system"
    given = _values(resource, str(profile.value)).over(
        Layer(revision, place_of(resource, "metadata", "name"), mount=("revision",)),
        Layer(namespace, place_of(resource, "spec", "namespace"), mount=_NAMESPACE),
    )
    values = chart_values("istiod", origin.version, given, flat=False)
    return control_plane(
        "sail",
        place_of(resource),
        resource,
        origin,
        values=values,
        rendered=None if is_remote(values) else render_istiod(values, origin.version),
        namespace=namespace,
        revision=revision,
        profile=profile,
    )


def read_agents(index: Index, settings: Settings) -> Iterator[NodeAgent]:
    """Node agents of IstioCNI and ZTunnel resources."""
    for resource in index.of_kind("sailoperator.io/IstioCNI"):
        yield _agent(resource, settings, "cni")
    for resource in index.of_kind("sailoperator.io/ZTunnel"):
        yield _agent(resource, settings, "ztunnel")


def _agent(resource: Resource, settings: Settings, chart: Literal["cni", "ztunnel"]) -> NodeAgent:
    origin = _origin(resource, settings)
    profile = _profile(resource)
    given = _values(resource, str(profile.value))
    if chart == "ztunnel":
        given = Layers(given.at("ztunnel").layers, given.site("ztunnel"))
    name = str(SAIL_PROFILES.get(str(profile.value), {}).get("profile", ""))
    values = chart_values(chart, origin.version, given, flat=False, profile=name or None)
    agent, place = render_node_agent(values, chart)
    section = (chart,) if chart == "cni" else ()
    image = image_settings(chart, values, *section)
    if chart == "ztunnel":
        unset = Sourced(None, site=values.site("tag"))
        image = Image(chart, values.get("hub") or unset, values.get("tag") or unset)
    return NodeAgent(
        form="sail",
        agent="istio-cni" if chart == "cni" else "ztunnel",
        home=place_of(resource),
        resource=resource,
        version=origin.version,
        version_source=origin.source,
        chart_version=origin.chart,
        resources=facts.resources_of(agent, ("agent",), place),
        values=values,
        namespace=text(resource.spec, "namespace") or DEFAULT_NAMESPACES[chart],
        images=(image,),
    )


def revision_tags(index: Index) -> Iterator[tuple[str, str]]:
    """Tags of IstioRevisionTag resources with the revision that each leads to.

    `targetRef` names an Istio resource, whose active revision counts, or an IstioRevision.
    """
    istios = {resource.name: resource for resource in index.of_kind(ISTIO)}
    for resource in index.of_kind(TAG):
        target = mapping(resource.spec, "targetRef")
        name = text(target, "name")
        if target.get("kind") == "Istio" and name in istios:
            name = revision_of(istios[name])
        if resource.name:
            yield resource.name, "" if name == "default" else name
