"""The proxy that pods end up with: resources, workers, start and stop, with origins.

Sources in istio/istio: `files/injection-template.yaml`, `files/gateway-injection-template.yaml` and
`files/grpc-agent.yaml` of the istiod chart; `pkg/kube/inject/webhook.go`
(reapplyOverwrittenContainers, DetectNativeSidecar); `pkg/kube/inject/inject.go` of 1.13
(estimateConcurrency); `pilot/pkg/features/pilot.go`; `pilot/cmd/pilot-agent/config/config.go`;
`pkg/envoy/agent.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from typing import Any, TypeVar

from meshlint.dataclass import dataclass, replace
from meshlint.mesh.injection import (
    BUILT_IN_TEMPLATES,
    STATUS,
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
from meshlint.mesh.proxy_config import (
    CONFIG_ANNOTATION,
    UNKNOWN,
    Layer,
    ProxyConfigs,
    config_field,
    count,
    parsed_mapping,
)
from meshlint.mesh.proxy_resources import (
    ALL_KEYS,
    PARTS,
    Part,
    Quantity,
    Resources,
    admitted,
    chart_defaults,
    common,
    installed,
    key,
    overlay,
    written,
)
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version
from meshlint.model.durations import seconds
from meshlint.model.index import Index
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import MESH_INIT_CONTAINERS, PROXY_CONTAINER, Container, Workload

T = TypeVar("T")

NATIVE_ANNOTATION = "sidecar.istio.io/nativeSidecar"
INTERCEPTION_ANNOTATION = "sidecar.istio.io/interceptionMode"
RESOURCE_ANNOTATIONS: Mapping[str, tuple[Part, str]] = {
    "sidecar.istio.io/proxyCPU": ("requests", "cpu"),
    "sidecar.istio.io/proxyMemory": ("requests", "memory"),
    "sidecar.istio.io/proxyCPULimit": ("limits", "cpu"),
    "sidecar.istio.io/proxyMemoryLimit": ("limits", "memory"),
}
"""Annotations that set one value each, and any of which switches global.proxy.resources off."""

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NATIVE_PRE_STOP = {
    "exec": {"command": ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]}
}


@dataclass(frozen=True, slots=True)
class Drain:
    """How the proxy ends: times in seconds, None where they are not known or cannot be read."""

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
    """The preStop hook as it stands in the container; a value of None: there is none."""
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

    @property
    def follows_limit(self) -> bool:
        """Whether the CPU limit decides on the number of workers, as nothing else does."""
        explicit = self.concurrency is None or self.concurrency.value is not None
        return not explicit and self.version.at_least("1.18")

    def why_unset(self, part: Part, resource: str) -> Place | None:
        """What took a value away; None where it is set or not known, and where nothing did."""
        return self.cause if self.resources.missing(part, resource) else None


class Proxies:
    """Effective proxies of one input; each is worked out once."""

    def __init__(
        self, index: Index, installations: Installations, injector: Injector, settings: Settings
    ) -> None:
        self._index = index
        self._injector = injector
        self._settings = settings
        self._configs = ProxyConfigs(index, settings)
        self._known: dict[Workload, EffectiveProxy | None] = {}
        self._alike: dict[tuple[object, ...], EffectiveProxy] = {}
        self._facts: dict[tuple[ControlPlane | None, bool], _PlaneFacts] = {}
        self._has_cni_agent = any(a.agent == "istio-cni" for a in installations.node_agents)

    def of(self, workload: Workload) -> EffectiveProxy | None:
        """The proxy of a workload's pods, also where injection is only intended.

        None where there is no proxy, and where the input does not tell whether there is.
        """
        if workload not in self._known:
            self._known[workload] = self._work_out(workload)
        return self._known[workload]

    def config_objects(self, workload: Workload) -> Sequence[Resource]:
        """ProxyConfig objects whose selector matches the pods of a workload."""
        return self._configs.selecting(workload)

    def _work_out(self, workload: Workload) -> EffectiveProxy | None:
        injection = self._injector.of(workload)
        if injection.manual:
            return self._already_injected(workload)
        if injection.mode == "grpc" and "grpc-agent" not in injection.templates:
            return None
        if injection.mode not in ("sidecar", "gateway", "grpc"):
            return None
        if injection.mode == "gateway" or _has_settings(workload):
            return self._make(workload, injection)
        return self._shared(workload, injection)

    def _shared(self, workload: Workload, injection: Injection) -> EffectiveProxy:
        """The proxy of workloads that say nothing about it themselves: one for all alike."""
        key = (
            workload.namespace,
            injection.planes,
            injection.mode,
            injection.templates,
            *self._configs.selecting(workload),
        )
        alike = self._alike.get(key)
        if alike is None:
            alike = self._alike[key] = self._make(workload, injection)
        grace = grace_period(workload)
        if grace.value == alike.termination_grace_period.value:
            return alike
        return replace(alike, termination_grace_period=grace)

    def _make(self, workload: Workload, injection: Injection) -> EffectiveProxy:
        planes: Sequence[ControlPlane | None] = injection.planes or (None,)
        distinct: dict[str, _PlaneFacts] = {}
        for plane in planes:
            facts = self._plane_facts(plane, injection)
            distinct.setdefault(facts.fingerprint, facts)
        found = [self._made_by(facts, workload, injection) for facts in distinct.values()]
        if len(found) > 1:
            return _agreed(found)
        return found[0] if len(planes) == 1 else replace(found[0], plane=None)

    def _made_by(
        self, facts: _PlaneFacts, workload: Workload, injection: Injection
    ) -> EffectiveProxy:
        return _Making(
            workload=workload,
            injection=injection,
            facts=facts,
            settings=self._settings,
            limit_ranges=self._limit_ranges(workload),
            layers=self._configs.layers(
                workload, facts.plane, facts.version, installed=injection.installed
            ),
        ).proxy()

    def _plane_facts(self, plane: ControlPlane | None, injection: Injection) -> _PlaneFacts:
        known = self._facts.get((plane, injection.installed))
        if known is None:
            known = self._read_facts(plane, is_known=plane is not None or not injection.installed)
            self._facts[plane, injection.installed] = known
        return known

    def _read_facts(self, plane: ControlPlane | None, *, is_known: bool) -> _PlaneFacts:
        version = plane_version(plane, self._settings)
        if plane is not None:
            resources = installed(plane.proxy_resources)
        else:
            resources = chart_defaults(version) if is_known else installed(None)
        return _PlaneFacts(
            plane=plane,
            is_known=is_known,
            version=version,
            resources=resources,
            lifecycle=plane_value(plane, "global", "proxy", "lifecycle"),
            hold=plane_value(plane, "global", "proxy", "holdApplicationUntilProxyStarts"),
            native=plane.env.get("ENABLE_NATIVE_SIDECARS") if plane is not None else None,
            with_cni=self._with_cni(plane),
            own_templates=self._injector.policy(plane).own_templates,
        )

    def _limit_ranges(self, workload: Workload) -> Sequence[Resource]:
        return self._index.in_namespace("core/LimitRange", workload.namespace)

    def _with_cni(self, plane: ControlPlane | None) -> bool:
        """Whether the node agent sets up redirection, so that there is no istio-init."""
        if self._settings.istio_cni is not None:
            return self._settings.istio_cni
        for path in (("pilot", "cni", "enabled"), ("istio_cni", "enabled")):
            found = plane_value(plane, *path)
            if found is not None and found.value is True:
                return True
        return self._has_cni_agent

    def _already_injected(self, workload: Workload) -> EffectiveProxy | None:
        """A proxy that stands in the template as an earlier injection left it."""
        container = workload.proxy_container
        if container is None:
            return None
        ranges = self._limit_ranges(workload)
        resources = admitted(written(workload, container), ranges)
        version = plane_version(None, self._settings)
        home = Place(workload.resource.document, container.path)
        init = next((c for c in workload.containers if c.name in MESH_INIT_CONTAINERS), None)
        environment = _environment(workload, container)
        concurrency = _written_concurrency(container, home, environment)
        lifecycle = mapping(container.value, "lifecycle")
        return EffectiveProxy(
            resources=resources,
            concurrency=concurrency,
            workers=_workers(concurrency, resources, Sourced(None, home)),
            native=Sourced(container.role == "sidecar", home),
            hold_application=Sourced(_waits(lifecycle.get("postStart")), home),
            pre_stop=Sourced(lifecycle.get("preStop"), home),
            init=None if init is None else admitted(written(workload, init), ranges),
            init_name="" if init is None else init.name,
            termination_grace_period=grace_period(workload),
            drain=drain([], version, environment),
            annotations={},
            lost={},
            cause=home,
            container=container,
            plane=None,
            version=version,
        )


@dataclass(frozen=True)
class _PlaneFacts:
    """What an installation says about proxies, beside MeshConfig."""

    plane: ControlPlane | None
    is_known: bool
    """False for a control plane that is not in the input although others are."""
    version: Version
    resources: Resources
    lifecycle: Sourced[Any] | None
    hold: Sourced[Any] | None
    native: Sourced[Any] | None
    with_cni: bool
    own_templates: Mapping[str, Sourced[str]]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for installations that make the same proxies."""
        plane = self.plane
        return repr(
            (
                self.version,
                [{k: q.value for k, q in self.resources.part(part).items()} for part in PARTS],
                self.resources.unknown,
                self.lifecycle and self.lifecycle.value,
                self.hold and self.hold.value,
                self.native and self.native.value,
                self.with_cni,
                {name: own.value for name, own in self.own_templates.items()},
                plane and (plane.mesh.get("defaultConfig"), plane.mesh.get("rootNamespace")),
                plane and plane.namespace,
            )
        )


@dataclass(frozen=True, slots=True)
class _Making:
    """One workload's proxy as one control plane makes it."""

    workload: Workload
    injection: Injection
    facts: _PlaneFacts
    settings: Settings
    limit_ranges: Sequence[Resource]
    layers: Sequence[Layer]

    @property
    def version(self) -> Version:
        return self.facts.version

    def proxy(self) -> EffectiveProxy:
        workload = self.workload
        annotations = scalar_map(workload.annotations)
        used = {name: annotations[name] for name in self._resource_annotations(annotations)}
        mesh = self._mesh_resources()
        injected = self._injected(mesh, used)
        container = workload.proxy_container
        resources = admitted(self._merged(injected, container, annotations), self.limit_ranges)
        concurrency = self._concurrency()
        native = self._native(annotations)
        hold, pre_stop = self._hooks(native, annotations)
        init_name, init = self._init(injected, annotations)
        return EffectiveProxy(
            resources=resources,
            concurrency=concurrency,
            workers=self._workers(concurrency, resources, mesh, used),
            native=native,
            hold_application=hold,
            pre_stop=pre_stop,
            init=init,
            init_name=init_name,
            termination_grace_period=grace_period(workload),
            drain=drain(self.layers, self.version, _environment(workload, container)),
            annotations=used,
            lost=_lost(mesh, resources) if used else {},
            cause=self._cause(used),
            container=container,
            plane=self.facts.plane,
            version=self.version,
        )

    @property
    def _default(self) -> str:
        return f"default of Istio {self.version}"

    def _annotation_place(self, name: str) -> Place:
        return Place(self.workload.resource.document, (*self.workload.annotations_path, name))

    # ------------------------------------------------------------------------------ resources

    def _mesh_resources(self) -> Resources:
        """global.proxy.resources, which the gateway template does not use."""
        return Resources() if self.injection.mode == "gateway" else self.facts.resources

    def _resource_annotations(self, annotations: Mapping[str, str]) -> list[str]:
        if self.injection.mode == "gateway":
            return []
        return [name for name in RESOURCE_ANNOTATIONS if name in annotations]

    def _injected(self, mesh: Resources, used: Mapping[str, str]) -> Resources:
        """The block of the injected containers: of the annotations alone, else the mesh's."""
        found: dict[Part, dict[str, Quantity]] = {"requests": {}, "limits": {}}
        for name, value in used.items():
            part, resource = RESOURCE_ANNOTATIONS[name]
            origin = Sourced(value, self._annotation_place(name))
            found[part][resource] = Quantity(value, "annotation", origin)
        block = Resources(found["requests"], found["limits"]) if used else mesh
        if self._own_template_decides():
            return Resources(unknown=ALL_KEYS)
        return block

    def _own_template_decides(self) -> bool:
        """Whether a template of the installation itself may set resources of the proxy."""
        return any(
            name in BUILT_IN_TEMPLATES
            or (PROXY_CONTAINER in own.value and "resources" in own.value)
            for name in self.injection.templates
            if (own := self.facts.own_templates.get(name)) is not None
        )

    def _merged(
        self, injected: Resources, container: Container | None, annotations: Mapping[str, str]
    ) -> Resources:
        """The injected container with the template's own one of the same name."""
        if container is None:
            return injected
        own = written(self.workload, container)
        if _was_injected(container, annotations):
            return overlay(own, injected)
        return overlay(injected, own)

    def _init(
        self, injected: Resources, annotations: Mapping[str, str]
    ) -> tuple[str, Resources | None]:
        if self.injection.mode != "sidecar":
            return "", None
        mode: Any = annotations.get(INTERCEPTION_ANNOTATION)
        if mode is None:
            configured = config_field(self.layers, self.version, "interceptionMode")
            mode = configured.value if configured is not None else None
        if mode == "NONE":
            return "", None
        name = "istio-validation" if self.facts.with_cni else "istio-init"
        own = next((c for c in self.workload.containers if c.name == name), None)
        return name, admitted(self._merged(injected, own, annotations), self.limit_ranges)

    def _cause(self, used: Mapping[str, str]) -> Place | None:
        for name in used:
            return self._annotation_place(name)
        if self.injection.mode == "gateway":
            container = self.workload.proxy_container
            path = container.path if container is not None else self.workload.pod_spec_path
            return Place(self.workload.resource.document, path)
        plane = self.facts.plane
        if plane is None or plane.proxy_resources is None:
            return None
        return plane.proxy_resources.place or plane.home

    # -------------------------------------------------------------------------------- workers

    def _concurrency(self) -> Sourced[int | None] | None:
        found = config_field(self.layers, self.version, "concurrency")
        if found is None:
            return Sourced(None, default=self._default)
        return None if found is UNKNOWN else _parsed(found, count)

    def _workers(
        self,
        concurrency: Sourced[int | None] | None,
        resources: Resources,
        mesh: Resources,
        used: Mapping[str, str],
    ) -> Sourced[int | None] | None:
        if self.version.at_least("1.18"):
            no_limit = Sourced(None, default="no CPU limit, so the cores of the node")
            return _workers(concurrency, resources, no_limit)
        if concurrency is None:
            return None
        if concurrency.value or self.injection.mode == "gateway":
            return concurrency.map(lambda number: number or None)
        estimate = self._estimated(mesh, used) if concurrency.value == 0 else None
        return estimate or Sourced(2, default=self._default)

    def _estimated(self, mesh: Resources, used: Mapping[str, str]) -> Sourced[int | None] | None:
        """Workers up to 1.17 with concurrency 0: by the first CPU value there is."""
        for name in ("sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyCPU"):
            if name in used:
                return _parsed(Sourced(used[name], self._annotation_place(name)), _cores)
        for quantities in (mesh.limits, mesh.requests):
            quantity = quantities.get("cpu")
            estimate = _parsed(quantity.origin, _cores) if quantity is not None else None
            if estimate is not None:
                return estimate
        return None

    # -------------------------------------------------------------------------- start and stop

    def _native(self, annotations: Mapping[str, str]) -> Sourced[bool] | None:
        version = self.version
        if self.injection.mode != "sidecar":
            return Sourced(False, default=f"the {self.injection.mode} template")
        annotated = annotations.get(NATIVE_ANNOTATION)
        if annotated and version.at_least("1.24"):
            # The template asks for anything but "false".
            return Sourced(annotated != "false", self._annotation_place(NATIVE_ANNOTATION))
        if not self.facts.is_known and self.settings.native_sidecars is None:
            return None if version.at_least("1.19") else _no_native_sidecars(version)
        return native_by_default(version, self.facts.native, self.settings)

    def _hooks(
        self, native: Sourced[bool] | None, annotations: Mapping[str, str]
    ) -> tuple[Sourced[bool] | None, Sourced[Any]]:
        """Whether the container waits for the proxy after its start, and its preStop hook."""
        hold: Sourced[bool] | None = Sourced(False, default=self._default)
        pre_stop: Sourced[Any] = Sourced(None, default=self._default)
        lifecycle = self.facts.lifecycle
        if lifecycle is not None and mapping(lifecycle.value):
            hold = lifecycle.map(lambda value: _waits(get(value, "postStart")))
            pre_stop = lifecycle.map(lambda value: get(value, "preStop"))
        elif self.injection.mode != "gateway":
            hold = self._hold(native)
            if native is not None and native.value:
                pre_stop = native.map(lambda _: _NATIVE_PRE_STOP)
        container = self.workload.proxy_container
        if container is not None and not _was_injected(container, annotations):
            own = mapping(container.value, "lifecycle")
            home = Place(self.workload.resource.document, (*container.path, "lifecycle"))
            if own.get("postStart") is not None:
                hold = Sourced(_waits(own["postStart"]), home.below("postStart"))
            if own.get("preStop") is not None:
                pre_stop = Sourced(own["preStop"], home.below("preStop"))
        return hold, pre_stop

    def _hold(self, native: Sourced[bool] | None) -> Sourced[bool] | None:
        held = config_field(self.layers, self.version, "holdApplicationUntilProxyStarts")
        if held is None or (held is not UNKNOWN and held.value is not True):
            of_chart = self.facts.hold
            if of_chart is not None and of_chart.value:
                held = of_chart.map(lambda _: True)
        if held is None:
            return Sourced(False, default=self._default)
        if held is not UNKNOWN and held.value is not True:
            return held.map(lambda _: False)
        if native is not None and native.value:
            return native.map(lambda _: False)
        return None if held is UNKNOWN or native is None else held


# ------------------------------------------------------------------------------------- the parts


def native_by_default(
    version: Version, variable: Sourced[Any] | None, settings: Settings
) -> Sourced[bool]:
    """Whether sidecars are native where the pod does not choose.

    `variable` is ENABLE_NATIVE_SIDECARS of istiod, None where that is not set.
    """
    if version.before("1.19"):
        return _no_native_sidecars(version)
    value = scalar_text(variable.value) if variable is not None else None
    if variable is not None and value is not None:
        if version.at_least("1.27") and value != "auto":
            return variable.map(lambda _: value == "true")
        if version.before("1.27") and value in _TRUE | _FALSE:
            return variable.map(lambda _: value in _TRUE)
    if settings.native_sidecars is not None:
        return Sourced(settings.native_sidecars, default="setting native-sidecars")
    if version.before("1.27"):
        return Sourced(False, default=f"default of Istio {version}")
    kubernetes = settings.kubernetes_version
    name = f"default of Istio {version} on nodes of Kubernetes {kubernetes}"
    return Sourced(kubernetes.at_least("1.33"), default=name)


def _no_native_sidecars(version: Version) -> Sourced[bool]:
    return Sourced(False, default=f"Istio {version} has no native sidecars")


def native_of(plane: ControlPlane, settings: Settings) -> Sourced[bool]:
    """Whether sidecars of a control plane are native where the pod does not choose."""
    variable = plane.env.get("ENABLE_NATIVE_SIDECARS")
    return native_by_default(plane_version(plane, settings), variable, settings)


_SETTINGS = frozenset({*RESOURCE_ANNOTATIONS, NATIVE_ANNOTATION, INTERCEPTION_ANNOTATION})
_SETTINGS |= {CONFIG_ANNOTATION, STATUS}


def _has_settings(workload: Workload) -> bool:
    """Whether a template says anything itself about the containers that are injected."""
    if not _SETTINGS.isdisjoint(workload.annotations):
        return True
    return any(
        container.name == PROXY_CONTAINER or container.name in MESH_INIT_CONTAINERS
        for container in workload.containers
    )


def _parsed(sourced: Sourced[Any], read: Callable[[Any], T | None]) -> Sourced[T] | None:
    value = read(sourced.value)
    return None if value is None else sourced.map(lambda _: value)


def _cores(quantity: Any) -> int | None:
    amount = parse_quantity(quantity)
    return None if amount is None else int(amount.to_integral_value(ROUND_CEILING))


def _was_injected(container: Container, annotations: Mapping[str, str]) -> bool:
    """Whether a container is what an earlier injection left; a new one is merged over it."""
    status = injected_status(annotations)
    return container.name in (*items(status, "containers"), *items(status, "initContainers"))


def _lost(mesh: Resources, resources: Resources) -> dict[str, Sourced[Any]]:
    return {
        key(part, resource): quantity.origin
        for part in PARTS
        for resource, quantity in mesh.part(part).items()
        if resources.missing(part, resource)
    }


def _workers(
    concurrency: Sourced[int | None] | None,
    resources: Resources,
    no_limit: Sourced[int | None],
) -> Sourced[int | None] | None:
    """Worker threads from 1.18 on."""
    if concurrency is None:
        return None
    if concurrency.value is not None:
        return concurrency.map(lambda number: number or None)
    limit = resources.limits.get("cpu")
    if limit is None:
        return None if "cpu-limit" in resources.unknown else no_limit
    cores = _cores(limit.value)
    # A limit of zero is no limit.
    return None if cores is None else limit.origin.map(lambda _: cores or None)


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
    for number, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--concurrency":
            following = arguments[number + 1] if number + 1 < len(arguments) else ""
            return Sourced(count(value or following), home)
    config = environment.get("PROXY_CONFIG")
    if config is not None:
        values = parsed_mapping(config.value, "PROXY_CONFIG") or {}
        return config.map(lambda _: count(values.get("concurrency")))
    return Sourced(None, home)


def grace_period(workload: Workload) -> Sourced[int]:
    """Seconds that pods get to end, hooks included."""
    name = "terminationGracePeriodSeconds"
    given = integer(workload.pod_spec, name)
    if given is None:
        return Sourced(30, default="default of Kubernetes")
    return Sourced(given, Place(workload.resource.document, (*workload.pod_spec_path, name)))


def drain(
    layers: Sequence[Layer], version: Version, environment: Mapping[str, Sourced[str]]
) -> Drain:
    """How a proxy ends, from sources of ProxyConfig (highest first) and its environment."""
    default = Sourced("5s", default=f"default of Istio {version}")

    def variable(name: str) -> Sourced[Any] | None:
        return environment.get(name) or config_field(layers, version, "proxyMetadata", name)

    duration = config_field(layers, version, "terminationDrainDuration")
    if duration is None or seconds(duration.value) == 0:
        # As a zero value it does not override the default either.
        duration = default
    exits = variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS")
    if exits is None or version.before("1.12"):
        exits = default
    return Drain(
        duration=_parsed(duration, seconds),
        exit_on_zero=None if exits is UNKNOWN else exits.map(_is_true),
        minimum=_parsed(variable("MINIMUM_DRAIN_DURATION") or default, seconds),
    )


def _is_true(value: Any) -> bool:
    # An environment variable that is no boolean keeps its default, which is false.
    return scalar_text(value) in _TRUE


def _waits(post_start: Any) -> bool:
    command = items(post_start, "exec", "command")
    return len(command) >= 2 and text(command, 0).endswith("pilot-agent") and command[1] == "wait"


# ------------------------------------------------------------------------ several control planes


def _agreed(proxies: Sequence[EffectiveProxy]) -> EffectiveProxy:
    """What several possible control planes have in common; the rest is not known."""
    first = proxies[0]
    inits = [proxy.init for proxy in proxies if proxy.init is not None]
    lost = {
        name: origin
        for name, origin in first.lost.items()
        if all(name in p.lost and p.lost[name].value == origin.value for p in proxies)
    }
    return replace(
        first,
        resources=common([proxy.resources for proxy in proxies]),
        concurrency=_same(proxy.concurrency for proxy in proxies),
        workers=_same(proxy.workers for proxy in proxies),
        native=_same(proxy.native for proxy in proxies),
        hold_application=_same(proxy.hold_application for proxy in proxies),
        init=common(inits) if len(inits) == len(proxies) else None,
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
