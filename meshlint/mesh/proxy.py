"""The proxy that pods end up with: resources, workers, start and stop, with origins.

Sources in istio/istio: `files/injection-template.yaml`, `files/gateway-injection-template.yaml` of
the istiod chart; `pkg/kube/inject/webhook.go` (reapplyOverwrittenContainers, DetectNativeSidecar);
`pkg/kube/inject/inject.go` of 1.13 (estimateConcurrency); `pilot/pkg/model/proxy_config.go`;
`pilot/cmd/pilot-agent/config/config.go`; `pkg/envoy/agent.go`. In kubernetes/kubernetes:
`pkg/apis/core/v1/defaults.go` and the LimitRanger plugin, which runs again after webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, TypeVar

from meshlint.documents import parse
from meshlint.findings import Path
from meshlint.mesh.injection import (
    BUILT_IN_TEMPLATES,
    Injection,
    Injector,
    injected_status,
    plane_value,
    plane_version,
    scalar_map,
    scalar_text,
)
from meshlint.mesh.installations.records import ControlPlane, Installations
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version, parse_version
from meshlint.model.index import Index
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import MESH_INIT_CONTAINERS, PROXY_CONTAINER, Container, Workload
from meshlint.text import SourceFile

T = TypeVar("T")

Step = Literal["global", "annotation", "container", "limit-copied", "limitrange"]
Part = Literal["requests", "limits"]

CONFIG_ANNOTATION = "proxy.istio.io/config"
NATIVE_ANNOTATION = "sidecar.istio.io/nativeSidecar"
INTERCEPTION_ANNOTATION = "sidecar.istio.io/interceptionMode"
RESOURCE_ANNOTATIONS: Mapping[str, tuple[Part, str]] = {
    "sidecar.istio.io/proxyCPU": ("requests", "cpu"),
    "sidecar.istio.io/proxyMemory": ("requests", "memory"),
    "sidecar.istio.io/proxyCPULimit": ("limits", "cpu"),
    "sidecar.istio.io/proxyMemoryLimit": ("limits", "memory"),
}
"""Annotations that set one value each, and together switch global.proxy.resources off."""

_DEFAULTS: Mapping[Part, Mapping[str, str]] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
}
_SUFFIX: Mapping[Part, str] = {"requests": "request", "limits": "limit"}
_PARTS: tuple[Part, Part] = ("requests", "limits")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A request or limit, with the step that decided it and where that step has it from."""

    value: Any
    """As written."""
    step: Step
    origin: Sourced[Any]

    @property
    def amount(self) -> Decimal | None:
        """Cores or bytes; None where what is written is no quantity."""
        return parse_quantity(self.value)


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits of one container. A key that is missing is unset, or not known.

    `unknown` names what is not known: `cpu-request`, `memory-limit` and so on.
    """

    requests: Mapping[str, Quantity] = field(default_factory=dict)
    limits: Mapping[str, Quantity] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    def part(self, part: Part) -> Mapping[str, Quantity]:
        """Requests or limits."""
        return self.requests if part == "requests" else self.limits


ALL_UNKNOWN = frozenset({"cpu-request", "memory-request", "cpu-limit", "memory-limit"})


@dataclass(frozen=True, slots=True)
class Drain:
    """How the proxy ends: times in seconds, None where what is written cannot be read."""

    duration: Sourced[Decimal] | None
    """terminationDrainDuration."""
    exit_on_zero: Sourced[bool] | None
    """EXIT_ON_ZERO_ACTIVE_CONNECTIONS; terminationDrainDuration is ignored with it."""
    minimum: Sourced[Decimal] | None
    """MINIMUM_DRAIN_DURATION."""


@dataclass(frozen=True, slots=True)
class EffectiveProxy:
    """istio-proxy as it runs. A field that is None is not known, unless it says otherwise."""

    resources: Resources
    concurrency: Sourced[int | None] | None
    """`concurrency` where it is set; a value of None: set nowhere."""
    workers: Sourced[int | None] | None
    """Envoy's worker threads; a value of None: as many as the node has cores."""
    native: Sourced[bool] | None
    hold_application: Sourced[bool] | None
    """The container has the hook that keeps the application from starting before the proxy."""
    pre_stop: Sourced[Any]
    """The preStop hook as it would stand in the container; a value of None: there is none."""
    init: Resources | None
    """Resources of istio-init or istio-validation; None where there is no such container."""
    init_name: str
    termination_grace_period: Sourced[int]
    """Seconds, for the pod."""
    drain: Drain
    annotations: Mapping[str, str]
    """Those of the four resource annotations that the template has."""
    lost: Mapping[str, Sourced[Any]]
    """Mesh defaults (`cpu-request`, ...) that the annotations discard and nothing replaces."""
    cause: Place | None
    """What decides on values that are unset: an annotation, else the installation's block."""
    container: Container | None
    """The template's own container istio-proxy, which is merged over the injected one."""
    plane: ControlPlane | None
    """The control plane whose values hold; None without one, or where several may."""
    version: Version

    @property
    def requests(self) -> Mapping[str, Quantity]:
        return self.resources.requests

    @property
    def limits(self) -> Mapping[str, Quantity]:
        return self.resources.limits

    @property
    def unknown(self) -> frozenset[str]:
        return self.resources.unknown

    def missing(self, name: str) -> bool:
        """Whether a value (`cpu-request`, ...) is known to be unset."""
        resource, _, suffix = name.rpartition("-")
        part = self.requests if suffix == "request" else self.limits
        return resource not in part and name not in self.unknown

    def why_unset(self, part: Part, resource: str) -> Place | None:
        """What took a value away; None where it is set or not known, and where nothing did."""
        return self.cause if self.missing(_key(part, resource)) else None


# ------------------------------------------------------------------------------------ resources

_Block = dict[Part, dict[str, Quantity]]


def _empty() -> _Block:
    return {"requests": {}, "limits": {}}


def _key(part: Part, resource: str) -> str:
    return f"{resource}-{_SUFFIX[part]}"


def _keys(block: _Block) -> set[str]:
    return {_key(part, resource) for part in _PARTS for resource in block[part]}


def _default_block(version: Version) -> _Block:
    name = f"default of the istiod chart, Istio {version}"
    return {
        part: {
            resource: Quantity(value, "global", Sourced(value, default=name))
            for resource, value in values.items()
        }
        for part, values in _DEFAULTS.items()
    }


def _mesh_block(plane: ControlPlane) -> _Block | None:
    """global.proxy.resources; None where it is not known."""
    found = plane.proxy_resources
    if found is None:
        return None
    parts: tuple[tuple[Part, Mapping[str, Sourced[Any]]], ...] = (
        ("requests", found.requests),
        ("limits", found.limits),
    )
    return {
        part: {
            resource: Quantity(sourced.value, "global", sourced)
            for resource, sourced in values.items()
            if sourced.value is not None
        }
        for part, values in parts
    }


def _container_block(workload: Workload, container: Container) -> _Block:
    """What a container of the template itself sets; null sets nothing."""
    block = _empty()
    for part in _PARTS:
        for resource, value in mapping(container.value, "resources", part).items():
            if value is None:
                continue
            path = (*container.path, "resources", part, resource)
            place = Place(workload.resource.document, path)
            block[part][resource] = Quantity(value, "container", Sourced(value, place))
    return block


def _overlay(base: _Block, over: _Block) -> _Block:
    return {part: {**base[part], **over[part]} for part in _PARTS}


def _admitted(
    block: _Block, unknown: frozenset[str], ranges: Sequence[Resource]
) -> tuple[_Block, frozenset[str]]:
    """What the API server adds to a container: requests from limits, defaults of LimitRanges."""
    requests, limits = dict(block["requests"]), dict(block["limits"])
    open_keys = set(unknown)
    for resource, limit in limits.items():
        if resource not in requests and _key("requests", resource) not in open_keys:
            requests[resource] = replace(limit, step="limit-copied")
    for name in unknown:
        resource = name.removesuffix("-limit")
        if resource != name and resource not in requests:
            open_keys.add(_key("requests", resource))
    filled: _Block = {"requests": requests, "limits": limits}
    for part in _PARTS:
        offered: dict[str, list[Quantity]] = {}
        for limit_range in ranges:
            for resource, quantity in _range_defaults(limit_range, part).items():
                offered.setdefault(resource, []).append(quantity)
        for resource, quantities in offered.items():
            name = _key(part, resource)
            if resource in filled[part] or name in open_keys:
                continue
            if len({quantity.amount for quantity in quantities}) == 1:
                filled[part][resource] = quantities[0]
            else:
                # Which of several LimitRanges comes first is up to the cluster.
                open_keys.add(name)
    return filled, frozenset(open_keys - _keys(filled))


def _range_defaults(limit_range: Resource, part: Part) -> dict[str, Quantity]:
    """Defaults of a LimitRange for containers, after the API server has filled in the object.

    Its `max` becomes the default limit, that the default request, and after it `min`.
    """
    found: dict[str, Quantity] = {}
    sources = ["default", "max"]
    if part == "requests":
        sources = ["defaultRequest", *sources, "min"]
    for number, item in mappings(limit_range.spec, "limits"):
        if item.get("type") != "Container":
            continue
        for source in sources:
            for resource, value in mapping(item, source).items():
                if value is None or resource in found:
                    continue
                path = (*limit_range.path, "spec", "limits", number, source, resource)
                place = Place(limit_range.document, path)
                found[resource] = Quantity(value, "limitrange", Sourced(value, place))
    return found


# --------------------------------------------------------------------------------- proxy config

_UNKNOWN: Sourced[Any] = Sourced(None, default="unknown")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of ProxyConfig fields; `values` is None where the source is not known."""

    values: Mapping[str, Any] | None
    place: Callable[[Path], Place | None]


def annotation_config(workload: Workload) -> Sourced[Mapping[str, Any]] | None:
    """ProxyConfig fields of the annotation proxy.istio.io/config.

    None without the annotation and where it holds no mapping; injection fails then.
    """
    content = scalar_text(workload.annotations.get(CONFIG_ANNOTATION))
    if content is None:
        return None
    documents = parse(SourceFile(CONFIG_ANNOTATION, content)).documents
    if not documents or not isinstance(documents[0].value, dict):
        return None
    place = Place(workload.resource.document, (*workload.annotations_path, CONFIG_ANNOTATION))
    return Sourced(documents[0].value, place)


def _is_zero(value: Any) -> bool:
    return not value or (isinstance(value, str) and _seconds(value) == 0)


def _config_field(layers: Sequence[_Layer], version: Version, *path: str) -> Sourced[Any] | None:
    """A ProxyConfig field over layers, highest first; None where no layer sets it.

    From 1.13 layers are merged as protobuf messages, which cannot override with a zero value;
    `concurrency` and map entries are the exceptions.
    """
    zero: Sourced[Any] | None = None
    keeps_zero = path[0] in ("concurrency", "proxyMetadata") or version.before("1.13")
    for layer in layers:
        if layer.values is None:
            return _UNKNOWN
        value = get(layer.values, *path)
        if value is None:
            continue
        sourced = Sourced(value, layer.place(path))
        if keeps_zero or not _is_zero(value):
            return sourced
        zero = zero or sourced
    return zero


_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def _seconds(value: Any) -> Decimal | None:
    """Seconds of a duration such as `30s` or `1m30s`; None when it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    if not re.fullmatch(f"(?:{_DURATION.pattern})+", value):
        return None
    parts = ((Decimal(number), _UNITS[unit]) for number, unit in _DURATION.findall(value))
    return sum((number * unit for number, unit in parts), Decimal(0))


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return integer(value)


def _cores(quantity: Any) -> int | None:
    amount = parse_quantity(quantity)
    return None if amount is None else int(amount.to_integral_value(ROUND_CEILING))


def _parsed(sourced: Sourced[Any], read: Callable[[Any], T | None]) -> Sourced[T] | None:
    value = read(sourced.value)
    return None if value is None else sourced.map(lambda _: value)


# -------------------------------------------------------------------------------- the whole proxy


class Proxies:
    """Effective proxies of one input; each is worked out once."""

    def __init__(
        self, index: Index, installations: Installations, injector: Injector, settings: Settings
    ) -> None:
        self._index = index
        self._injector = injector
        self._settings = settings
        self._known: dict[Workload, EffectiveProxy | None] = {}
        self._has_cni_agent = any(a.agent == "istio-cni" for a in installations.node_agents)

    def of(self, workload: Workload) -> EffectiveProxy | None:
        """The proxy of a workload's pods, also where injection is only intended.

        None where there is no proxy, and where the input does not tell whether there is.
        """
        if workload not in self._known:
            self._known[workload] = self._work_out(workload)
        return self._known[workload]

    def config_object(self, workload: Workload) -> Resource | None:
        """The ProxyConfig object whose selector matches a workload; None for several or none."""
        found = self._selecting(workload)
        return found[0] if len(found) == 1 else None

    def _work_out(self, workload: Workload) -> EffectiveProxy | None:
        injection = self._injector.of(workload)
        if injection.manual:
            return self._as_written(workload)
        if injection.mode == "grpc" and "grpc-agent" not in injection.templates:
            return None
        if injection.mode not in ("sidecar", "gateway", "grpc"):
            return None
        planes: Sequence[ControlPlane | None] = injection.planes or (None,)
        found = [_Making(self, workload, injection, plane).proxy() for plane in planes]
        return found[0] if len(found) == 1 else _agreed(found)

    # ------------------------------------------------------------------------ what is shared

    @property
    def index(self) -> Index:
        return self._index

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def injector(self) -> Injector:
        return self._injector

    def limit_ranges(self, workload: Workload) -> Sequence[Resource]:
        """LimitRanges of the workload's namespace."""
        return self._index.in_namespace("core/LimitRange", workload.namespace)

    def with_cni(self, plane: ControlPlane | None) -> bool:
        """Whether the node agent sets up redirection, so that there is no istio-init."""
        if self._settings.istio_cni is not None:
            return self._settings.istio_cni
        for path in (("pilot", "cni", "enabled"), ("istio_cni", "enabled")):
            found = plane_value(plane, *path)
            if found is not None and found.value is True:
                return True
        return self._has_cni_agent

    def root_namespace(self, plane: ControlPlane | None) -> str:
        """Namespace whose selector-less ProxyConfig is mesh-wide."""
        if self._settings.root_namespace is not None:
            return self._settings.root_namespace
        named = text(plane.mesh, "rootNamespace") if plane is not None else ""
        return named or (plane.namespace if plane is not None else "") or "istio-system"

    def _config_objects(self, namespace: str) -> Sequence[Resource]:
        return self._index.in_namespace("networking.istio.io/ProxyConfig", namespace)

    def _selecting(self, workload: Workload) -> list[Resource]:
        labels = scalar_map(workload.labels)
        return [
            resource
            for resource in self._config_objects(workload.namespace)
            if matches_labels(get(resource.spec, "selector", "matchLabels"), labels)
        ]

    def config_layers(
        self, workload: Workload, injection: Injection, plane: ControlPlane | None
    ) -> list[_Layer]:
        """Sources of ProxyConfig fields, highest first."""
        version = plane_version(plane, self._settings)
        layers: list[_Layer] = []
        with_objects = version.at_least("1.13")
        if with_objects:
            layers += _object_layers(self._selecting(workload))
        annotated = annotation_config(workload)
        if annotated is not None:
            place = annotated.place
            layers.append(_Layer(annotated.value, lambda _: place))
        if with_objects:
            root = self.root_namespace(plane)
            for namespace in dict.fromkeys((workload.namespace, root)):
                scoped = [
                    resource
                    for resource in self._config_objects(namespace)
                    if resource.spec.get("selector") is None
                ]
                layers += _object_layers(scoped)
        layers.append(self._mesh_layer(injection, plane))
        return layers

    def _mesh_layer(self, injection: Injection, plane: ControlPlane | None) -> _Layer:
        if plane is not None:
            home = plane.home
            places = plane.mesh_places
            return _Layer(
                mapping(plane.mesh.get("defaultConfig")),
                lambda path: places.get(("defaultConfig", *path), home),
            )
        if injection.installed:
            return _Layer(None, lambda _: None)
        document = self._index.mesh_config
        if document is None:
            return _Layer({}, lambda _: None)
        return _Layer(
            mapping(document.value, "defaultConfig"),
            lambda path: Place(document, ("defaultConfig", *path)),
        )

    # ------------------------------------------------------------------------ already injected

    def _as_written(self, workload: Workload) -> EffectiveProxy | None:
        container = workload.proxy_container
        if container is None:
            return None
        document = workload.resource.document
        ranges = self.limit_ranges(workload)
        block, unknown = _admitted(_container_block(workload, container), frozenset(), ranges)
        version = plane_version(None, self._settings)
        home = Place(document, container.path)
        init = next((c for c in workload.containers if c.name in MESH_INIT_CONTAINERS), None)
        init_resources = None
        if init is not None:
            init_resources = _frozen(
                *_admitted(_container_block(workload, init), frozenset(), ranges)
            )
        environment = _environment(workload, container)
        concurrency = _written_concurrency(container, home, environment)
        layer = _Layer(
            {"proxyMetadata": {name: item.value for name, item in environment.items()}},
            lambda path: environment[path[-1]].place if path[-1] in environment else home,
        )
        written = mapping(container.value, "lifecycle")
        return EffectiveProxy(
            resources=_frozen(block, unknown),
            concurrency=concurrency,
            workers=_workers(concurrency, _frozen(block, unknown), home),
            native=Sourced(container.role == "sidecar", home),
            hold_application=Sourced(_waits(written.get("postStart")), home),
            pre_stop=Sourced(written.get("preStop"), home),
            init=init_resources,
            init_name=init.name if init is not None else "",
            termination_grace_period=_grace_period(workload),
            drain=_drain([layer], version, {}),
            annotations={},
            lost={},
            cause=home,
            container=container,
            plane=None,
            version=version,
        )


def _object_layers(resources: Sequence[Resource]) -> list[_Layer]:
    if not resources:
        return []
    contents = [_object_config(resource) for resource in resources]
    if any(content != contents[0] for content in contents):
        # The oldest object counts, and manifests do not tell which one that is.
        return [_Layer(None, lambda _: None)]
    first = resources[0]

    def place(path: Path) -> Place:
        steps = ("environmentVariables", *path[1:]) if path[0] == "proxyMetadata" else path
        return Place(first.document, (*first.path, "spec", *steps))

    return [_Layer(contents[0], place)]


def _object_config(resource: Resource) -> dict[str, Any]:
    """A ProxyConfig object in the terms of MeshConfig."""
    spec = resource.spec
    return {
        "concurrency": spec.get("concurrency"),
        "proxyMetadata": mapping(spec, "environmentVariables"),
    }


def _frozen(block: _Block, unknown: frozenset[str]) -> Resources:
    return Resources(block["requests"], block["limits"], unknown)


def _environment(workload: Workload, container: Container | None) -> dict[str, Sourced[str]]:
    """Plain environment variables of a container."""
    found: dict[str, Sourced[str]] = {}
    if container is None:
        return found
    for number, variable in mappings(container.value, "env"):
        value = scalar_text(variable.get("value"))
        name = text(variable, "name")
        if name and value is not None:
            path = (*container.path, "env", number, "value")
            found[name] = Sourced(value, Place(workload.resource.document, path))
    return found


def _written_concurrency(
    container: Container, home: Place, environment: Mapping[str, Sourced[str]]
) -> Sourced[int | None]:
    arguments = [item for item in items(container.value, "args") if isinstance(item, str)]
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, _, value = argument.partition("=")
        if name == "--concurrency":
            return Sourced(_count(value or following), home)
    config = environment.get("PROXY_CONFIG")
    if config is not None:
        documents = parse(SourceFile("PROXY_CONFIG", config.value)).documents
        if documents:
            return Sourced(_count(get(documents[0].value, "concurrency")), config.place)
    return Sourced(None, home)


def _grace_period(workload: Workload) -> Sourced[int]:
    seconds = integer(workload.pod_spec, "terminationGracePeriodSeconds")
    if seconds is None:
        return Sourced(30, default="default of Kubernetes")
    path = (*workload.pod_spec_path, "terminationGracePeriodSeconds")
    return Sourced(seconds, Place(workload.resource.document, path))


def _drain(
    layers: Sequence[_Layer], version: Version, environment: Mapping[str, Sourced[str]]
) -> Drain:
    default = f"default of Istio {version}"

    def variable(name: str) -> Sourced[Any] | None:
        return environment.get(name) or _config_field(layers, version, "proxyMetadata", name)

    duration = _config_field(layers, version, "terminationDrainDuration")
    if duration is None or (duration is not _UNKNOWN and _seconds(duration.value) == 0):
        duration = Sourced("5s", default=default)
    minimum = variable("MINIMUM_DRAIN_DURATION") or Sourced("5s", default=default)
    exits = variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS")
    if exits is None or version.before("1.12"):
        exits = Sourced("false", default=default)
    return Drain(
        duration=_parsed(duration, _seconds),
        exit_on_zero=None if exits is _UNKNOWN else _parsed(exits, _truth),
        minimum=_parsed(minimum, _seconds),
    )


def _truth(value: Any) -> bool:
    # An environment variable that is no boolean keeps its default, which is false.
    return scalar_text(value) in _TRUE


def _waits(post_start: Any) -> bool:
    command = items(post_start, "exec", "command")
    return len(command) >= 2 and text(command, 0).endswith("pilot-agent") and command[1] == "wait"


def _workers(
    concurrency: Sourced[int | None] | None, resources: Resources, home: Place | None
) -> Sourced[int | None] | None:
    """Worker threads from 1.18 on."""
    if concurrency is None:
        return None
    if concurrency.value is not None:
        return Sourced(concurrency.value or None, concurrency.place, concurrency.default)
    limit = resources.limits.get("cpu")
    if limit is None:
        if "cpu-limit" in resources.unknown:
            return None
        return Sourced(None, home, "" if home is not None else "no CPU limit: all cores")
    cores = _cores(limit.value)
    if cores is None:
        return None
    return Sourced(cores or None, limit.origin.place, limit.origin.default)


class _Making:
    """One workload's proxy as one control plane makes it."""

    def __init__(
        self,
        proxies: Proxies,
        workload: Workload,
        injection: Injection,
        plane: ControlPlane | None,
    ) -> None:
        self.proxies = proxies
        self.workload = workload
        self.injection = injection
        self.plane = plane
        self.version = plane_version(plane, proxies.settings)
        self.annotations = scalar_map(workload.annotations)
        self.container = workload.proxy_container
        self.layers = proxies.config_layers(workload, injection, plane)
        self.default = f"default of Istio {self.version}"

    def proxy(self) -> EffectiveProxy:
        workload = self.workload
        ranges = self.proxies.limit_ranges(workload)
        mesh, unknown = self._mesh_resources()
        injected, open_keys = self._annotated(mesh, unknown)
        merged, merged_open = self._with_container(injected, open_keys, self.container)
        resources = _frozen(*_admitted(merged, merged_open, ranges))
        concurrency = self._concurrency()
        native = self._native()
        post_start, pre_stop = self._hooks(native)
        init_name, init = self._init(injected, open_keys, ranges)
        used = {name: self.annotations[name] for name in self._resource_annotations()}
        return EffectiveProxy(
            resources=resources,
            concurrency=concurrency,
            workers=self._workers(concurrency, resources, mesh),
            native=native,
            hold_application=post_start,
            pre_stop=pre_stop,
            init=init,
            init_name=init_name,
            termination_grace_period=_grace_period(workload),
            drain=_drain(self.layers, self.version, _environment(workload, self.container)),
            annotations=used,
            lost=self._lost(mesh, resources) if used else {},
            cause=self._cause(used),
            container=self.container,
            plane=self.plane,
            version=self.version,
        )

    # ------------------------------------------------------------------------------ resources

    def _mesh_resources(self) -> tuple[_Block, frozenset[str]]:
        if self.injection.mode == "gateway":
            return _empty(), frozenset()
        if self.plane is not None:
            block = _mesh_block(self.plane)
            return (_empty(), ALL_UNKNOWN) if block is None else (block, frozenset())
        if self.injection.installed:
            return _empty(), ALL_UNKNOWN
        return _default_block(self.version), frozenset()

    def _resource_annotations(self) -> list[str]:
        if self.injection.mode == "gateway":
            return []
        return [name for name in RESOURCE_ANNOTATIONS if name in self.annotations]

    def _annotated(self, mesh: _Block, unknown: frozenset[str]) -> tuple[_Block, frozenset[str]]:
        """The block of the injected containers: of the annotations alone, else the mesh's."""
        names = self._resource_annotations()
        if not names:
            return mesh, unknown | self._own_template_keys()
        block = _empty()
        for name in names:
            part, resource = RESOURCE_ANNOTATIONS[name]
            value = self.annotations[name]
            place = Place(self.workload.resource.document, (*self.workload.annotations_path, name))
            block[part][resource] = Quantity(value, "annotation", Sourced(value, place))
        return block, self._own_template_keys()

    def _own_template_keys(self) -> frozenset[str]:
        """All keys, where a template of the installation itself may set resources of the proxy."""
        templates = self.proxies.injector.policy(self.plane).own_templates
        for name in self.injection.templates:
            own = templates.get(name)
            if own is None:
                continue
            if name in BUILT_IN_TEMPLATES or (
                PROXY_CONTAINER in own.value and "resources" in own.value
            ):
                return ALL_UNKNOWN
        return frozenset()

    def _with_container(
        self, injected: _Block, unknown: frozenset[str], container: Container | None
    ) -> tuple[_Block, frozenset[str]]:
        if container is None:
            return injected, unknown
        written = _container_block(self.workload, container)
        if self._is_earlier_injection(container):
            return _overlay(written, injected), unknown
        return _overlay(injected, written), unknown - _keys(written)

    def _is_earlier_injection(self, container: Container) -> bool:
        """Whether a container is what an earlier injection left; a new one is merged over it."""
        status = injected_status(self.annotations)
        return container.name in (*items(status, "containers"), *items(status, "initContainers"))

    def _init(
        self, injected: _Block, unknown: frozenset[str], ranges: Sequence[Resource]
    ) -> tuple[str, Resources | None]:
        if self.injection.mode != "sidecar":
            return "", None
        mode: Any = self.annotations.get(INTERCEPTION_ANNOTATION)
        if mode is None:
            configured = _config_field(self.layers, self.version, "interceptionMode")
            mode = configured.value if configured is not None else None
        if mode == "NONE":
            return "", None
        name = "istio-validation" if self.proxies.with_cni(self.plane) else "istio-init"
        own = next((c for c in self.workload.containers if c.name == name), None)
        block, open_keys = self._with_container(injected, unknown, own)
        return name, _frozen(*_admitted(block, open_keys, ranges))

    def _cause(self, used: Mapping[str, str]) -> Place | None:
        document = self.workload.resource.document
        for name in used:
            return Place(document, (*self.workload.annotations_path, name))
        if self.injection.mode == "gateway":
            container = self.container
            return Place(document, container.path if container else self.workload.pod_spec_path)
        if self.plane is None or self.plane.proxy_resources is None:
            return None
        return self.plane.proxy_resources.place or self.plane.home

    def _lost(self, mesh: _Block, resources: Resources) -> dict[str, Sourced[Any]]:
        return {
            _key(part, resource): quantity.origin
            for part in _PARTS
            for resource, quantity in mesh[part].items()
            if resource not in resources.part(part)
            and _key(part, resource) not in resources.unknown
        }

    # -------------------------------------------------------------------------------- workers

    def _concurrency(self) -> Sourced[int | None] | None:
        found = _config_field(self.layers, self.version, "concurrency")
        if found is None:
            return Sourced(None, default=self.default)
        if found is _UNKNOWN:
            return None
        count = _count(found.value)
        return None if count is None or count < 0 else Sourced(count, found.place, found.default)

    def _workers(
        self, concurrency: Sourced[int | None] | None, resources: Resources, mesh: _Block
    ) -> Sourced[int | None] | None:
        if self.version.at_least("1.18") or concurrency is None:
            return _workers(concurrency, resources, None)
        if concurrency.value or self.injection.mode == "gateway":
            return Sourced(concurrency.value or None, concurrency.place, concurrency.default)
        if concurrency.value == 0:
            estimate = self._estimated(mesh)
            if estimate is not None:
                return estimate
        return Sourced(2, default=self.default)

    def _estimated(self, mesh: _Block) -> Sourced[int | None] | None:
        """Workers up to 1.17 with concurrency 0: by the first CPU value there is."""
        for name in ("sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyCPU"):
            if name in self.annotations:
                cores = _cores(self.annotations[name])
                place = Place(
                    self.workload.resource.document, (*self.workload.annotations_path, name)
                )
                return None if cores is None else Sourced(cores, place)
        for quantities in (mesh["limits"], mesh["requests"]):
            quantity = quantities.get("cpu")
            cores = _cores(quantity.value) if quantity is not None else None
            if quantity is not None and cores is not None:
                return Sourced(cores, quantity.origin.place, quantity.origin.default)
        return None

    # -------------------------------------------------------------------------- start and stop

    def _native(self) -> Sourced[bool] | None:
        if self.injection.mode != "sidecar":
            return Sourced(False, default=f"the {self.injection.mode} template")
        version = self.version
        annotated = self.annotations.get(NATIVE_ANNOTATION)
        if annotated and version.at_least("1.24"):
            place = Place(
                self.workload.resource.document,
                (*self.workload.annotations_path, NATIVE_ANNOTATION),
            )
            # The template asks for anything but "false".
            return Sourced(annotated != "false", place)
        if version.before("1.19"):
            return Sourced(False, default=f"Istio {version} has no native sidecars")
        variable = pilot_variable(self.plane, "ENABLE_NATIVE_SIDECARS")
        if variable is not None:
            value = scalar_text(variable.value) or ""
            if version.before("1.27"):
                if value in _TRUE or value in _FALSE:
                    return Sourced(value in _TRUE, variable.place, variable.default)
            elif value != "auto":
                return Sourced(value == "true", variable.place, variable.default)
        settings = self.proxies.settings
        if settings.native_sidecars is not None:
            return Sourced(settings.native_sidecars, default="setting native-sidecars")
        if self.plane is None and self.injection.installed:
            return None
        kubernetes = settings.kubernetes_version
        if version.before("1.27"):
            return Sourced(False, default=self.default)
        compatible = _compatibility(self.plane)
        if compatible is not None and compatible.value.before("1.27"):
            return Sourced(False, compatible.place, compatible.default)
        return Sourced(
            kubernetes.at_least("1.33"),
            default=f"{self.default} on nodes of Kubernetes {kubernetes}",
        )

    def _hooks(self, native: Sourced[bool] | None) -> tuple[Sourced[bool] | None, Sourced[Any]]:
        """Whether the container waits for the proxy after its start, and its preStop hook."""
        post_start: Sourced[bool] | None = Sourced(False, default=self.default)
        pre_stop: Sourced[Any] = Sourced(None, default=self.default)
        lifecycle = plane_value(self.plane, "global", "proxy", "lifecycle")
        if lifecycle is not None and mapping(lifecycle.value):
            post_start = Sourced(_waits(get(lifecycle.value, "postStart")), lifecycle.place)
            pre_stop = Sourced(get(lifecycle.value, "preStop"), lifecycle.place)
        elif self.injection.mode != "gateway":
            post_start = self._hold(native)
            if native is not None and native.value:
                pre_stop = Sourced(_NATIVE_PRE_STOP, native.place, native.default)
        if self.container is not None and not self._is_earlier_injection(self.container):
            own = mapping(self.container.value, "lifecycle")
            document = self.workload.resource.document
            path = (*self.container.path, "lifecycle")
            if own.get("postStart") is not None:
                place = Place(document, (*path, "postStart"))
                post_start = Sourced(_waits(own["postStart"]), place)
            if own.get("preStop") is not None:
                pre_stop = Sourced(own["preStop"], Place(document, (*path, "preStop")))
        return post_start, pre_stop

    def _hold(self, native: Sourced[bool] | None) -> Sourced[bool] | None:
        held = _config_field(self.layers, self.version, "holdApplicationUntilProxyStarts")
        if held is None or (held is not _UNKNOWN and held.value is not True):
            legacy = plane_value(self.plane, "global", "proxy", "holdApplicationUntilProxyStarts")
            if legacy is not None and legacy.value:
                held = Sourced(True, legacy.place, legacy.default)
        if held is not None and held is not _UNKNOWN and held.value is not True:
            return Sourced(False, held.place, held.default)
        if held is None:
            return Sourced(False, default=self.default)
        if native is not None and native.value:
            return Sourced(False, native.place, native.default)
        if held is _UNKNOWN or native is None:
            return None
        return Sourced(True, held.place, held.default)


_NATIVE_PRE_STOP = {
    "exec": {"command": ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]}
}


def pilot_variable(plane: ControlPlane | None, name: str) -> Sourced[Any] | None:
    """An environment variable of istiod; None where the installation does not set it."""
    if plane is None:
        return None
    resource = plane.resource
    if resource is not None and plane.form == "istiooperator":
        path: Path = ("spec", "components", "pilot", "k8s", "env")
        for number, variable in mappings(resource.value, *path):
            if variable.get("name") == name and "value" in variable:
                place = Place(resource.document, (*resource.path, *path, number, "value"))
                return Sourced(variable["value"], place)
    if resource is not None and plane.form == "rendered":
        path = ("spec", "template", "spec", "containers")
        for position, container in mappings(resource.value, *path):
            for number, variable in mappings(container, "env"):
                if variable.get("name") == name and "value" in variable:
                    steps = (*resource.path, *path, position, "env", number, "value")
                    return Sourced(variable["value"], Place(resource.document, steps))
    found = plane_value(plane, "pilot", "env", name)
    return found if found is not None and found.value is not None else None


def _compatibility(plane: ControlPlane | None) -> Sourced[Version] | None:
    """The release whose behavior an installation asks for."""
    found = plane_value(plane, "compatibilityVersion")
    if (found is None or found.value is None) and plane is not None:
        resource = plane.resource
        value = resource.spec.get("compatibilityVersion") if resource is not None else None
        if resource is None or value is None:
            return None
        path = (*resource.path, "spec", "compatibilityVersion")
        found = Sourced(value, Place(resource.document, path))
    if found is None:
        return None
    return _parsed(found, lambda value: parse_version(scalar_text(value) or ""))


# ------------------------------------------------------------------------- several control planes


def _agreed(proxies: Sequence[EffectiveProxy]) -> EffectiveProxy:
    """What several possible control planes have in common; the rest is not known."""
    first = proxies[0]
    inits = [proxy.init for proxy in proxies]
    lost = {
        name: origin
        for name, origin in first.lost.items()
        if all(name in p.lost and p.lost[name].value == origin.value for p in proxies)
    }
    return replace(
        first,
        resources=_common([proxy.resources for proxy in proxies]),
        concurrency=_same(proxy.concurrency for proxy in proxies),
        workers=_same(proxy.workers for proxy in proxies),
        native=_same(proxy.native for proxy in proxies),
        hold_application=_same(proxy.hold_application for proxy in proxies),
        init=None if None in inits else _common([init for init in inits if init is not None]),
        drain=Drain(
            duration=_same(proxy.drain.duration for proxy in proxies),
            exit_on_zero=_same(proxy.drain.exit_on_zero for proxy in proxies),
            minimum=_same(proxy.drain.minimum for proxy in proxies),
        ),
        lost=lost,
        cause=first.cause if first.annotations else None,
        plane=None,
    )


def _same(values: Iterable[Sourced[T] | None]) -> Sourced[T] | None:
    found = list(values)
    first = found[0]
    if first is None or any(other is None or other.value != first.value for other in found):
        return None
    return first


def _common(resources: Sequence[Resources]) -> Resources:
    block = _empty()
    unknown = set().union(*(one.unknown for one in resources))
    for part in _PARTS:
        names = dict.fromkeys(name for one in resources for name in one.part(part))
        for name in names:
            quantities = [one.part(part).get(name) for one in resources]
            first = quantities[0]
            key = _key(part, name)
            if (
                first is None
                or key in unknown
                or any(q is None or q.amount != first.amount for q in quantities)
            ):
                unknown.add(key)
            else:
                block[part][name] = first
    return _frozen(block, frozenset(unknown))
