"""Control planes put together from the values of the istiod chart, for every form that has them."""

from __future__ import annotations

from typing import Any

from meshlint.dataclass import dataclass
from meshlint.mesh.installations import facts
from meshlint.mesh.installations.charts import (
    Rendered,
    container,
    mesh_config,
    put_resources,
    truth,
)
from meshlint.mesh.installations.layers import Layers
from meshlint.mesh.installations.objects import Object
from meshlint.mesh.installations.records import (
    NO_AUTOSCALING,
    ContainerResources,
    ControlPlane,
    Form,
    Image,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import Version
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping


@dataclass(frozen=True, slots=True)
class Origin:
    """The version of an installation and where it was read."""

    version: Version
    source: Sourced[str] | None = None
    chart: Sourced[Any] | None = None


def revision_name(value: Any) -> str:
    """Name of a revision, empty for the unnamed one; a number is the text it is written as."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return "" if value == "default" else str(value)


def is_remote(values: Layers) -> bool:
    """Whether the istiod chart installs no istiod, only the means to use one elsewhere."""
    return truth(values.get("istiodRemote", "enabled")) and not truth(
        values.get("istiodRemote", "enabledLocalInjectorIstiod")
    )


def control_plane(
    form: Form,
    home: Place,
    resource: Resource | None,
    origin: Origin,
    *,
    values: Layers,
    rendered: Rendered | None,
    namespace: str,
    revision: str,
    profile: Sourced[str | None],
    replica_count: Sourced[Any] | None = None,
    image: Image | None = None,
    release: str = "",
) -> ControlPlane:
    """The record of a control plane; `rendered` is None where no istiod is installed."""
    discovery = container("discovery")
    name = f"istiod-{revision}" if revision else "istiod"
    mesh = mesh_config(values, origin.version, namespace, revision)
    env = facts.env_of(rendered.deployment, discovery) if rendered else {}
    tags = frozenset(tag for tag in items(values.value("revisionTags")) if isinstance(tag, str))
    istiod = image or image_settings("istiod", values, "pilot")
    count = replica_count or values.given("pilot", "replicaCount")
    return ControlPlane(
        form=form,
        home=home,
        resource=resource,
        namespace=namespace,
        version=origin.version,
        version_source=origin.source,
        chart_version=origin.chart,
        profile=profile,
        revision=revision,
        tags=tags,
        istiod=rendered is not None,
        autoscaling=facts.autoscaling_of(rendered, name) if rendered else NO_AUTOSCALING,
        replicas=facts.replicas_of(rendered.deployment) if rendered else None,
        replica_count=facts.number(count) if rendered else None,
        resources=(
            facts.resources_of(rendered.deployment, discovery, rendered.resources_place)
            if rendered
            else None
        ),
        budget=facts.budget_of(rendered.budget, rendered.budget_by) if rendered else None,
        scheduling=(
            facts.scheduling_of(rendered.deployment, istiod_labels(values, revision, release))
            if rendered
            else None
        ),
        proxy_resources=proxy_resources(values) if rendered else None,
        mesh=mapping(mesh.value()),
        mesh_config=mesh,
        values=values,
        images=(istiod, image_settings("proxy", values)),
        trace_sampling=facts.sampling_of(env) if rendered else None,
        env=env,
    )


def release_labels(name: str, release: str = "") -> dict[str, str]:
    """Labels that every chart puts on its pods from 1.24 on (`istio.labels` in the templates).

    In older charts nothing selects pods by them, so they are given for every version.
    """
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "istio",
    }
    return {**labels, "app.kubernetes.io/instance": release} if release else labels


def istiod_labels(values: Layers, revision: str, release: str = "") -> dict[str, str]:
    """Labels of istiod's pods (`templates/deployment.yaml` of the istiod chart)."""
    own = mapping(values.value("pilot", "podLabels"))
    return {
        **release_labels("istiod", release),
        "app": "istiod",
        "istio.io/rev": revision or "default",
        "istio": "istiod" if revision else "pilot",
        "operator.istio.io/component": "Pilot",
        **{key: str(value) for key, value in own.items()},
    }


def proxy_resources(values: Layers) -> ContainerResources | None:
    """`global.proxy.resources`, key by key."""
    target = Object({})
    place = put_resources(target, ("proxy",), values.at("global", "proxy", "resources"))
    return facts.resources_of(target, ("proxy",), place)


def image_settings(component: str, values: Layers, *section: str) -> Image:
    """Hub and tag of a component, else the global ones."""

    def setting(field: str) -> Sourced[Any]:
        found = values.get(*section, field) if section else None
        if found is not None and truth(found):
            return found
        return values.get("global", field) or Sourced(None, site=values.site("global", field))

    return Image(component, setting("hub"), setting("tag"))
