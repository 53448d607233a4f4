"""What the charts of Istio render from their values, as far as meshlint looks at it.

Sources: templates of manifests/charts in istio/istio (`istio-control/istio-discovery`, `gateway`,
`gateways/istio-ingress`, `istio-cni`, `ztunnel`); tables.py has the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.objects import UNKNOWN, Object
from meshlint.mesh.installations.tables import (
    CHART_PROFILES,
    PLATFORMS,
    chart_defaults,
    compatibility_settings,
    rows_for,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import (
    BUDGET_FROM_VALUES,
    BUDGET_NEEDS_REPLICAS,
    CHART_PROFILES_IN_VALUES,
    FLAT_ISTIOD_VALUES,
    GATEWAY_BUDGET,
    ISTIOD_AFFINITY,
    ISTIOD_MEMORY_TARGET,
    ISTIOD_TOPOLOGY_SPREAD,
    Version,
    parse_version,
)
from meshlint.model.values import items, mapping, text

ChartName = Literal["istiod", "gateway", "gateways", "cni", "ztunnel"]

# The key below which values of a chart may stand as well as at top level.
_SECTION = {"istiod": "pilot", "cni": "cni"}

WRAPPERS = ("_internal_defaults_do_not_set", "defaults")
"""Keys that hold the defaults in the charts' own values files; users set the fields beside them."""


# ------------------------------------------------------------------------------- merged values


def chart_values(
    chart: ChartName,
    version: Version,
    given: Layers,
    *,
    flat: bool,
    profile: str | None = None,
    platform: str | None = None,
) -> Layers:
    """Values of a chart after merging: defaults, then profile, then what the input gives.

    With `flat` the input sets fields of `pilot` (chart cni: `cni`) at top level; from 1.24 on the
    charts take both, and the prefixed form wins, also where a profile uses it
    (`templates/zzz_profile.yaml`, `templates/zzy_descope_legacy.yaml`).
    """
    name = f"default of the {CHART_TITLES[chart]} chart, Istio {version}"
    layers = [Layer(chart_defaults(chart, version), None, name)]
    chosen = _profile_layers(chart, version, given, profile, platform)
    section = _SECTION.get(chart, "")
    upper = Layers((*chosen, *given.layers))
    if section and version in FLAT_ISTIOD_VALUES:
        layers += upper.mounted(section)
    layers += upper.layers
    return Layers(tuple(layers), given.home, section if flat else "")


CHART_TITLES: Mapping[str, str] = {
    "istiod": "istiod",
    "gateway": "gateway",
    "gateways": "ingress and egress gateway",
    "cni": "cni",
    "ztunnel": "ztunnel",
}


def _profile_layers(
    chart: ChartName, version: Version, given: Layers, profile: str | None, platform: str | None
) -> list[Layer]:
    if version not in CHART_PROFILES_IN_VALUES:
        return []
    name = profile or text(given.value("profile")) or text(given.value("global", "profile"))
    title = f"profile {name}, Istio {version}"
    rows = rows_for(CHART_PROFILES.get(name, ()), version)
    found = [Layer(settings, None, title) for settings in rows]
    target = parse_version(str(given.value("compatibilityVersion") or ""))
    if target is not None:
        settings = compatibility_settings(target, version)
        found.append(Layer(settings, None, f"compatibility version {target}"))
    place = platform or text(given.value("platform")) or text(given.value("global", "platform"))
    if place in PLATFORMS and version in FLAT_ISTIOD_VALUES:
        found.append(Layer(PLATFORMS[place], None, f"platform {place}, Istio {version}"))
    if chart in ("gateway", "ztunnel", "cni"):
        return [_for_chart(chart, layer) for layer in found]
    return found


def _for_chart(chart: ChartName, layer: Layer) -> Layer:
    # A profile file is the same for every chart; only the cni chart looks below its own name, the
    # copy for the ztunnel chart has its section at top level.
    if chart == "cni":
        return layer
    section = mapping(layer.value, chart)
    return Layer(section, layer.place, layer.default)


# ------------------------------------------------------------------------------ template logic


def truth(found: Sourced[Any] | None) -> bool:
    """Whether a Go template takes a value as true: not null, false, 0 or empty."""
    return found is not None and bool(found.value)


def whole(value: Any) -> int | None:
    """A number of replicas or percent as the charts take it: quoted digits count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) else None


UNSET: Sourced[None] = Sourced(None)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of one Deployment that a chart renders; None: not rendered.

    `autoscaler_by` and `budget_by` are the settings that decided whether the autoscaler and the
    budget are rendered; None: not known.
    """

    deployment: Object
    autoscaler: Object | None
    budget: Object | None
    autoscaler_by: Sourced[Any] | None
    budget_by: Sourced[Any] | None
    autoscaler_settings: Object
    """The autoscaler as it would be, if it were rendered."""
    resources_place: Place | None
    """Where the resources of the container stand in the input or would stand."""


def container(name: str) -> tuple[Any, ...]:
    """Way to a container of a Deployment."""
    return ("spec", "template", "spec", "containers", ("name", name))


POD = ("spec", "template", "spec")


def _put_replicas(
    deployment: Object, enabled: Sourced[Any] | None, replicas: Sourced[Any] | None
) -> None:
    if enabled is None:
        deployment.put(("spec", "replicas"), UNKNOWN)
    elif not truth(enabled):
        _put(deployment, ("spec", "replicas"), replicas or UNSET)


def _metric(resource: str, target: Sourced[Any]) -> dict[str, Any]:
    return {
        "type": Sourced("Resource"),
        "resource": {
            "name": Sourced(resource),
            "target": {"type": Sourced("Utilization"), "averageUtilization": target},
        },
    }


def _autoscaler(
    minimum: Sourced[Any] | None,
    maximum: Sourced[Any] | None,
    cpu: Sourced[Any] | None,
    memory: Sourced[Any] | None,
) -> Object:
    """An autoscaler with a metric for each target that is not empty."""
    spec: dict[str, Any] = {}
    spec["minReplicas"] = minimum or UNKNOWN
    spec["maxReplicas"] = maximum or UNKNOWN
    spec["metrics"] = [
        _metric(resource, target)
        for resource, target in (("cpu", cpu), ("memory", memory))
        if target is not None and (truth(target) or target is UNKNOWN)
    ]
    return Object({"spec": spec})


def _switch(*conditions: Sourced[Any] | None) -> Sourced[Any] | None:
    """The first condition that is not true, else the first one; None when one is unknown."""
    for condition in conditions:
        if condition is None:
            return None
        if not truth(condition):
            return condition
    return conditions[0]


def _put(target: Object, path: tuple[Any, ...], found: Sourced[Any] | None) -> None:
    """Puts what a template writes `with`: nothing for an empty value."""
    if found is None:
        target.put(path, UNKNOWN)
    elif truth(found):
        target.put(path, found)


def put_resources(target: Object, where: tuple[Any, ...], block: Layers) -> Place | None:
    """Puts every request and limit by itself, as each may come from another layer.

    Returns where the block stands or would stand.
    """
    found = block.get()
    if found is None or not isinstance(found.value, dict):
        target.put((*where, "resources"), found or UNKNOWN)
        return found.place if found and found.place else block.home
    for section in ("requests", "limits"):
        whole_section = block.get(section)
        if whole_section is None:
            continue
        if not isinstance(whole_section.value, dict):
            target.put((*where, "resources", section), whole_section)
        for resource in mapping(whole_section.value):
            item = block.get(section, resource)
            if item is not None:
                target.put((*where, "resources", section, resource), item)
    return found.place or block.home


# -------------------------------------------------------------------------------------- istiod


def render_istiod(values: Layers, version: Version) -> Rendered:
    """Deployment, HorizontalPodAutoscaler and PodDisruptionBudget of istiod."""

    def pilot(*path: str) -> Sourced[Any] | None:
        return values.get("pilot", *path)

    enabled, replicas = pilot("autoscaleEnabled"), pilot("replicaCount")
    deployment = Object({"spec": {"template": {"spec": {}}}})
    _put_replicas(deployment, enabled, replicas)
    discovery = container("discovery")
    block = values.at("pilot", "resources")
    if not truth(block.get()):
        block = values.at("global", "defaultResources")
    resources_place = put_resources(deployment, discovery, block)
    _put(deployment, (*POD, "nodeSelector"), pilot("nodeSelector"))
    if version in ISTIOD_AFFINITY:
        _put(deployment, (*POD, "affinity"), pilot("affinity"))
        _put(deployment, (*POD, "tolerations"), pilot("tolerations"))
    if version in ISTIOD_TOPOLOGY_SPREAD:
        spread = pilot("topologySpreadConstraints")
        _put(deployment, (*POD, "topologySpreadConstraints"), spread)
    for name in values.at("pilot", "env").keys():  # noqa: SIM118
        found = pilot("env", name)
        if found is not None:
            deployment.put((*discovery, "env", ("name", name), "value"), found)
    sampling = pilot("traceSampling")
    _put(deployment, (*discovery, "env", ("name", TRACE_SAMPLING), "value"), sampling)

    minimum, maximum = pilot("autoscaleMin"), pilot("autoscaleMax")
    memory = pilot("memory", "targetAverageUtilization")
    settings = _autoscaler(
        minimum,
        maximum,
        pilot("cpu", "targetAverageUtilization") or UNKNOWN,
        memory or UNKNOWN if version in ISTIOD_MEMORY_TARGET else None,
    )
    scaled = _switch(enabled, minimum, maximum)
    budget_by = _budget_switch(values, version, enabled, minimum, replicas)
    budget = None
    if truth(budget_by):
        budget = Object({"spec": _istiod_budget(values, version)})
    return Rendered(
        deployment,
        settings if truth(scaled) else None,
        budget,
        scaled,
        budget_by,
        settings,
        resources_place,
    )


TRACE_SAMPLING = "PILOT_TRACE_SAMPLING"


def _budget_switch(
    values: Layers,
    version: Version,
    enabled: Sourced[Any] | None,
    minimum: Sourced[Any] | None,
    replicas: Sourced[Any] | None,
) -> Sourced[Any] | None:
    switch = values.get("global", "defaultPodDisruptionBudget", "enabled")
    if switch is None or not truth(switch) or version not in BUDGET_NEEDS_REPLICAS:
        return switch
    return several(enabled, minimum, replicas)


def several(
    enabled: Sourced[Any] | None, minimum: Sourced[Any] | None, replicas: Sourced[Any] | None
) -> Sourced[Any] | None:
    """The chart's condition for a budget: two or more replicas, scaled or not."""
    if enabled is None:
        return None
    count = minimum if truth(enabled) else replicas
    if count is None:
        return None
    number = whole(count.value) or 0
    return count.map(lambda _: number > 1)


def _istiod_budget(values: Layers, version: Version) -> dict[str, Any]:
    if version not in BUDGET_FROM_VALUES:
        return {"minAvailable": Sourced(1, default=f"default of the istiod chart, Istio {version}")}
    least, most = (
        values.get("pilot", "pdb", "minAvailable"),
        values.get("pilot", "pdb", "maxUnavailable"),
    )
    if truth(least) and most is None:
        return {"minAvailable": least}
    return {"maxUnavailable": most} if truth(most) else {}


def mesh_config(values: Layers, version: Version, namespace: str, revision: str) -> Layers:
    """MeshConfig of the ConfigMap `istio`: what the chart adds, below `meshConfig` of the values.

    Source: `templates/configmap.yaml` of the istiod chart.
    """
    given = values.at("meshConfig")
    default = f"default of the istiod chart, Istio {version}"

    def derived(value: Any, origin: Sourced[Any] | None, *mount: str) -> Layer:
        place = origin.place if origin else None
        return Layer(value, place, (origin.default if origin else "") or default, mount)

    def add(origin: Sourced[Any] | None, *mount: str) -> None:
        if truth(origin) and origin is not None:
            layers.append(derived(origin.value, origin, *mount))

    layers = [Layer("cluster.local", None, default, ("trustDomain",))]
    add(values.get("global", "istioNamespace"), "rootNamespace")
    if not truth(given.get("defaultProviders")) and all(
        truth(values.get("telemetry", *path))
        for path in (("enabled",), ("v2", "enabled"), ("v2", "prometheus", "enabled"))
    ):
        layers.append(Layer(["prometheus"], None, default, ("defaultProviders", "metrics")))
    add(values.get("global", "meshID"), "defaultConfig", "meshId")
    variant = values.get("global", "proxy", "variant")
    if not truth(variant):
        variant = values.get("global", "variant")
    add(variant, "defaultConfig", "image", "imageType")
    layers += _tracing(values, derived)
    suffix = (
        f"-{revision}" if revision and not truth(values.get("global", "remotePilotAddress")) else ""
    )
    address = f"istiod{suffix}.{namespace or 'istio-system'}.svc:15012"
    layers.append(Layer(address, None, default, ("defaultConfig", "discoveryAddress")))
    return Layers((*layers, *given.layers), given.home)


_TRACER_ADDRESS = {"zipkin": "zipkin.{namespace}:9411", "datadog": "$(HOST_IP):8126"}


def _tracing(values: Layers, derived: Any) -> list[Layer]:
    tracer = values.get("global", "proxy", "tracer")
    name = text(tracer.value) if tracer is not None else ""
    mount = ("defaultConfig", "tracing", name)
    if name in _TRACER_ADDRESS:
        given = values.get("global", "tracer", name, "address")
        if truth(given) and given is not None:
            return [derived(given.value, given, *mount, "address")]
        namespace = values.value("global", "istioNamespace") or "istio-system"
        address = _TRACER_ADDRESS[name].format(namespace=namespace)
        return [derived(address, tracer, *mount, "address")]
    if name in ("lightstep", "stackdriver"):
        return [derived({}, tracer, *mount), *values.at("global", "tracer", name).mounted(*mount)]
    return []


# ------------------------------------------------------------------------------- gateway chart


def render_gateway(values: Layers, version: Version) -> Rendered:
    """Deployment or DaemonSet, autoscaler and budget of the chart `gateway`."""
    deployment = Object({"kind": values.get("kind") or UNSET, "spec": {"template": {"spec": {}}}})
    enabled, replicas = values.get("autoscaling", "enabled"), values.get("replicaCount")
    # Zero is written too, and the default is no value at all.
    if not truth(enabled) and replicas is not None and replicas.value is not None:
        deployment.put(("spec", "replicas"), replicas)
    elif enabled is None:
        deployment.put(("spec", "replicas"), UNKNOWN)
    proxy = container("istio-proxy")
    resources_place = put_resources(deployment, proxy, values.at("resources"))
    for block in ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints"):
        _put(deployment, (*POD, block), values.get(block))
    for name in values.at("env").keys():  # noqa: SIM118
        found = values.get("env", name)
        if found is not None:
            deployment.put((*proxy, "env", ("name", name), "value"), found)

    minimum = values.get("autoscaling", "minReplicas")
    cpu = values.get("autoscaling", "targetCPUUtilizationPercentage")
    settings = _autoscaler(
        minimum,
        values.get("autoscaling", "maxReplicas"),
        cpu or UNKNOWN,
        values.get("autoscaling", "targetMemoryUtilizationPercentage") or UNKNOWN,
    )
    kind = values.get("kind")
    scaled = enabled
    if truth(enabled) and kind is not None and kind.value != "Deployment":
        scaled = kind.map(lambda _: False)
    budget_given = values.get("podDisruptionBudget")
    if version not in GATEWAY_BUDGET:
        budget_given = UNSET
    budget_by = budget_given
    if truth(budget_given) and version in BUDGET_NEEDS_REPLICAS:
        budget_by = several(enabled, minimum, replicas or UNSET)
    budget = None
    if truth(budget_by) and budget_given is not None:
        fields = values.at("podDisruptionBudget")
        spec = {key: fields.get(key) for key in fields.keys()}  # noqa: SIM118
        budget = Object({"spec": {key: item for key, item in spec.items() if item is not None}})
    return Rendered(
        deployment,
        settings if truth(scaled) else None,
        budget,
        scaled,
        budget_by,
        settings,
        resources_place,
    )


# ---------------------------------------------------------------- gateway charts of istioctl


def render_operator_gateway(values: Layers, version: Version, section: str) -> Rendered:
    """Deployment, autoscaler and budget of the charts that istioctl uses for its gateways.

    `section` is where values hold the settings of all gateways of the kind:
    `istio-ingressgateway` or `istio-egressgateway`, below `gateways`.
    """
    own = values.at("gateways", section)
    deployment = Object({"spec": {"template": {"spec": {}}}})
    enabled, replicas = own.get("autoscaleEnabled"), own.get("replicaCount")
    _put_replicas(deployment, enabled, replicas)
    proxy = container("istio-proxy")
    block = own.at("resources")
    if not truth(block.get()):
        block = values.at("global", "defaultResources")
    resources_place = put_resources(deployment, proxy, block)
    affinity = _operator_affinity(own, values)
    _put(deployment, (*POD, "affinity"), affinity)
    tolerations = own.get("tolerations")
    if not truth(tolerations):
        tolerations = values.get("global", "defaultTolerations")
    _put(deployment, (*POD, "tolerations"), tolerations)
    for name in own.at("env").keys():  # noqa: SIM118
        item = own.get("env", name)
        if item is not None:
            deployment.put((*proxy, "env", ("name", name), "value"), item)

    minimum, maximum = own.get("autoscaleMin"), own.get("autoscaleMax")
    cpu = own.get("cpu", "targetAverageUtilization")
    settings = _autoscaler(minimum, maximum, cpu or UNKNOWN, None)
    scaled = _switch(enabled, minimum, maximum)
    budget_by = _budget_switch(values, version, enabled, minimum, replicas)
    budget = None
    if truth(budget_by):
        least = Sourced(1, default=f"default of the gateway charts, Istio {version}")
        budget = Object({"spec": {"minAvailable": least}})
    return Rendered(
        deployment,
        settings if truth(scaled) else None,
        budget,
        scaled,
        budget_by,
        settings,
        resources_place,
    )


def _operator_affinity(own: Layers, values: Layers) -> Sourced[Any]:
    """Affinity as `templates/_affinity.tpl` writes it, from node selectors and label selectors."""
    selector = own.get("nodeSelector")
    if not truth(selector):
        selector = values.get("global", "defaultNodeSelector")
    required = own.get("podAntiAffinityLabelSelector")
    preferred = own.get("podAntiAffinityTermLabelSelector")
    affinity: dict[str, Any] = {}
    if truth(selector) and selector is not None:
        expressions = [
            {"key": key, "operator": "In", "values": [str(value)]}
            for key, value in mapping(selector.value).items()
        ]
        terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    anti: dict[str, Any] = {}
    if truth(required) and required is not None:
        anti["requiredDuringSchedulingIgnoredDuringExecution"] = _anti_terms(required.value)
    if truth(preferred) and preferred is not None:
        anti["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": 100, "podAffinityTerm": term} for term in _anti_terms(preferred.value)
        ]
    if anti:
        affinity["podAntiAffinity"] = anti
    for origin in (required, preferred, selector):
        if affinity and origin is not None and truth(origin):
            return origin.map(lambda _: affinity)
    return UNSET


def _anti_terms(value: Any) -> list[dict[str, Any]]:
    terms = []
    for item in items(value):
        found = mapping(item)
        expression: dict[str, Any] = {"key": found.get("key"), "operator": found.get("operator")}
        if found.get("values"):
            expression["values"] = str(found["values"]).split(",")
        terms.append(
            {
                "labelSelector": {"matchExpressions": [expression]},
                "topologyKey": found.get("topologyKey"),
            }
        )
    return terms


# --------------------------------------------------------------------------------- node agents


def render_node_agent(
    values: Layers, chart: Literal["cni", "ztunnel"]
) -> tuple[Object, Place | None]:
    """The container of the agent, below `agent`, and where its resources stand or would stand."""
    block = values.at("cni", "resources") if chart == "cni" else values.at("resources")
    if chart == "cni" and not truth(block.get()):
        block = values.at("global", "defaultResources")
    agent = Object({})
    return agent, put_resources(agent, ("agent",), block)
