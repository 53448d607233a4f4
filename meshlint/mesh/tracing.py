"""What Telemetry objects and MeshConfig make of traces, metrics and access logs.

Source: `pilot/pkg/model/telemetry.go` and `pilot/pkg/networking/core/tracing.go` in istio/istio.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_config import TRACING_TYPES, MeshConfig, Provider, is_known
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

TELEMETRY = "telemetry.istio.io/Telemetry"
USES = ("tracing", "metrics", "accessLogging")
"""Sections of a Telemetry that refer to providers."""
LEGACY_TRACERS = ("zipkin", "datadog", "lightstep", "stackdriver", "openCensusAgent")
"""Backends that `tracing` of a ProxyConfig can name."""
DEFAULT_SAMPLING = Decimal(1)
"""Percent; PILOT_TRACE_SAMPLING of istiod where nothing sets it."""


def is_namespace_wide(telemetry: Resource) -> bool:
    """Whether a Telemetry selects no workloads or gateways of its namespace."""
    return not (
        mapping(telemetry.spec, "selector", "matchLabels")
        or items(telemetry.spec, "targetRefs")
        or mapping(telemetry.spec, "targetRef")
    )


def entries(telemetry: Resource, use: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Items of `tracing`, `metrics` or `accessLogging` with their paths."""
    for at, entry in mappings(telemetry.spec, use):
        yield (*telemetry.path, "spec", use, at), entry


def references(telemetry: Resource, use: str) -> Iterator[tuple[Path, str]]:
    """Names of providers that a Telemetry refers to for a use, with their paths."""
    for path, entry in entries(telemetry, use):
        for at, provider in mappings(entry, "providers"):
            if text(provider, "name"):
                yield (*path, "providers", at, "name"), provider["name"]


class Telemetries:
    """The Telemetry objects of the input together."""

    def __init__(self, index: Index, root_namespace: str) -> None:
        self._all = index.of_kind(TELEMETRY)
        self._root = root_namespace

    def is_mesh_wide(self, telemetry: Resource) -> bool:
        """Whether a Telemetry holds for the whole mesh."""
        return telemetry.namespace == self._root and is_namespace_wide(telemetry)

    @cached_property
    def mesh_wide(self) -> tuple[Resource, ...]:
        """Those that hold for the whole mesh; of several the oldest counts."""
        return tuple(found for found in self._all if self.is_mesh_wide(found))

    @cached_property
    def _referred(self) -> Mapping[str, frozenset[str]]:
        return {
            use: frozenset(name for found in self._all for _, name in references(found, use))
            for use in USES
        }

    def referred(self, use: str) -> frozenset[str]:
        """Names of providers that any of them refers to for one of `USES`."""
        return self._referred[use]

    @cached_property
    def sampled(self) -> bool:
        """Whether any of them sets a sampling."""
        return any(True for found in self._all for _ in telemetry_sampling(found))

    @cached_property
    def _log_writers(self) -> Mapping[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for telemetry in self._all:
            if is_namespace_wide(telemetry) and any(references(telemetry, "accessLogging")):
                found.setdefault(telemetry.namespace, []).append(telemetry)
        return found

    def inherits_log_provider(self, telemetry: Resource) -> bool:
        """Whether a wider Telemetry gives one the providers of access logs that it leaves out."""
        return any(
            writer is not telemetry
            for namespace in (self._root, telemetry.namespace)
            for writer in self._log_writers.get(namespace, ())[:2]
        )

    @property
    def log_entries(self) -> Iterator[tuple[Resource, Path, dict[str, Any]]]:
        """Items of `accessLogging` that hold for the whole mesh."""
        for telemetry in self.mesh_wide:
            for path, entry in entries(telemetry, "accessLogging"):
                yield telemetry, path, entry


# -------------------------------------------------------------------------------------- backend


@dataclass(frozen=True, slots=True)
class Tracer:
    """A tracer of a ProxyConfig; `place` is None where a chart brings it by itself."""

    name: str
    settings: Mapping[str, Any]
    place: Place | None
    default: str = ""

    @property
    def address(self) -> str:
        return text(self.settings, "address")


def legacy_tracer(plane: ControlPlane) -> Tracer | None:
    """The tracer in `defaultConfig.tracing` of an installation, or that a chart puts there."""
    for name in LEGACY_TRACERS:
        found = plane.mesh_config.get("defaultConfig", "tracing", name)
        if found is None or not isinstance(found.value, dict):
            continue
        place = found.place
        # Charts up to 1.21 wrote their own default into the ConfigMap that stands here.
        written = plane.form == "rendered" and plane.version.before("1.22")
        if written and text(found.value, "address") == _default_zipkin(plane):
            place = None
        return Tracer(name, found.value, place, found.default)
    return None


def _default_zipkin(plane: ControlPlane) -> str:
    return f"zipkin.{text(plane.mesh, 'rootNamespace') or plane.namespace}:9411"


def traces(plane: ControlPlane, world: World) -> bool | None:
    """Whether an installation sends spans anywhere; None where that is not known.

    Providers of Telemetry and MeshConfig come before the legacy tracer and need no
    `enableTracing`. A default tracer of a chart counts where its Service is in the input. Proxies
    of a remote cluster do what the MeshConfig of the primary says.
    """
    if not plane.istiod or not is_known(plane.mesh_config):
        return None
    config = MeshConfig(plane.mesh_config, plane.home, plane.resource, plane)
    names = [
        name
        for telemetry in world.telemetries.mesh_wide
        for _, name in references(telemetry, "tracing")
    ]
    for name in (*names, *config.defaults("tracing")):
        provider = config.provider(name)
        if provider is None:
            return None
        if provider.type in TRACING_TYPES:
            return True
    tracer = legacy_tracer(plane)
    if tracer is None or plane.mesh_config.value("enableTracing") is False:
        return False
    return tracer.place is not None or _has_zipkin(world.index)


def _has_zipkin(index: Index) -> bool:
    return any(service.name == "zipkin" for service in index.of_kind("core/Service"))


def span_reporting_off(world: World) -> Place | None:
    """Where a mesh-wide Telemetry switches the reporting of spans off, for clients and servers."""
    for telemetry in world.telemetries.mesh_wide:
        for path, entry in entries(telemetry, "tracing"):
            both = text(entry, "match", "mode") in ("", "CLIENT_AND_SERVER")
            if entry.get("disableSpanReporting") is True and both:
                return Place(telemetry.document, (*path, "disableSpanReporting"))
    return None


# ------------------------------------------------------------------------------------- sampling


def percent(value: Any) -> Decimal | None:
    """A percentage as written; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def telemetry_sampling(telemetry: Resource) -> Iterator[Sourced[Decimal]]:
    """Values of `randomSamplingPercentage` in a Telemetry."""
    for path, entry in entries(telemetry, "tracing"):
        number = percent(entry.get("randomSamplingPercentage"))
        if number is not None:
            place = Place(telemetry.document, (*path, "randomSamplingPercentage"))
            yield Sourced(number, place)


def given_sampling(plane: ControlPlane) -> Iterator[tuple[str, Sourced[Decimal]]]:
    """Sampling that an installation itself sets, by field, the stronger field first."""
    fields = (
        ("tracing.sampling", plane.mesh_config.given("defaultConfig", "tracing", "sampling")),
        ("traceSampling", plane.values.given("pilot", "traceSampling")),
    )
    for field, found in fields:
        number = percent(found.value) if found is not None else None
        if found is not None and number is not None:
            yield field, Sourced(number, found.place)


def installed_sampling(plane: ControlPlane) -> Sourced[Decimal] | None:
    """Sampling of an installation without any Telemetry; None where it is not known.

    Zero counts as unset in `defaultConfig`, and the chart hands no zero to istiod.
    """
    if not is_known(plane.mesh_config) or plane.trace_sampling is None:
        return None
    found = plane.mesh_config.get("defaultConfig", "tracing", "sampling")
    number = percent(found.value) if found is not None else None
    if found is not None and number:
        return Sourced(number, found.place, found.default, found.site)
    number = percent(plane.trace_sampling.value)
    if number is not None:
        return plane.trace_sampling.map(lambda _: number)
    return Sourced(DEFAULT_SAMPLING, None, "default of istiod")


def sampling(world: World) -> Sourced[Decimal] | None:
    """The percentage of requests that the mesh traces; None where it is not known.

    A sampler of the provider decides by itself, so with one nothing is known here.
    """
    wide = world.telemetries.mesh_wide
    planes = world.installations.control_planes
    names = {name for telemetry in wide for _, name in references(telemetry, "tracing")}
    for plane in planes:
        config = MeshConfig(plane.mesh_config, plane.home, plane.resource, plane)
        for name in {*names, *config.defaults("tracing")}:
            provider = config.provider(name)
            if provider is not None and _has_sampler(provider):
                return None
    found = [value for telemetry in wide for value in telemetry_sampling(telemetry)]
    if found:
        return found[0] if len({value.value for value in found}) == 1 else None
    installed = [installed_sampling(plane) for plane in planes]
    known = [value for value in installed if value is not None]
    if not known or len(known) < len(installed) or len({value.value for value in known}) > 1:
        return None
    return known[0]


def _has_sampler(provider: Provider) -> bool:
    return provider.type == "opentelemetry" and "dynatraceSampler" in provider.settings


# ------------------------------------------------------------------------------------- backends


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service or ServiceEntry that a provider sends to, with its port numbers."""

    resource: Resource
    ports: frozenset[int]


def backends(world: World, service: str) -> Sequence[Backend] | None:
    """What `service` of a provider (`host` or `namespace/host`) stands for in the input.

    A Service whose manifest names no namespace may be applied to any. None where the input does not
    show it: the namespace of a Service has neither Services nor
    workloads here, or the host is external and there is no ServiceEntry.
    """
    namespace, _, host = service.rpartition("/")
    index = world.index
    found = [
        Backend(entry, _numbers(entry.spec))
        for entry in index.of_kind("networking.istio.io/ServiceEntry")
        if (not namespace or entry.namespace == namespace)
        and any(_covers(pattern, host) for pattern in items(entry.spec, "hosts"))
    ]
    if found:
        return found
    name, _, rest = host.partition(".")
    where, _, suffix = rest.partition(".")
    internal = suffix in ("svc", f"svc.{world.cluster_domain}") or (
        bool(where) and not suffix and _is_shown(index, where)
    )
    if internal:
        where = namespace or where
        if not _is_shown(index, where):
            return None
        return [
            Backend(service, _numbers(service.spec))
            for service in index.of_kind("core/Service")
            if service.name == name and (service.namespace == where or not service.ref.namespace)
        ]
    external = "." in host and not host.endswith(world.cluster_domain)
    return [] if external and index.of_kind("networking.istio.io/ServiceEntry") else None


def _is_shown(index: Index, namespace: str) -> bool:
    return bool(index.in_namespace("core/Service", namespace) or index.workloads_in(namespace))


def _covers(pattern: Any, host: str) -> bool:
    if not isinstance(pattern, str):
        return False
    return pattern == host or (pattern.startswith("*") and host.endswith(pattern[1:]))


def _numbers(spec: Mapping[str, Any]) -> frozenset[int]:
    ports = (port.get("port", port.get("number")) for _, port in mappings(spec, "ports"))
    return frozenset(port for port in ports if isinstance(port, int))


# ------------------------------------------------------------------------------- Datadog agent


@dataclass(frozen=True, slots=True)
class DatadogAgent:
    """A Datadog agent of the input; `path` leads to where its ports are set.

    Source: DatadogAgent API of the Datadog operator, `features.apm`.
    """

    resource: Resource
    path: Path
    host_ports: frozenset[int]
    host_network: bool


def datadog_agents(world: World) -> Iterator[DatadogAgent]:
    """Agents that take traces: DaemonSets with a container `trace-agent`, and DatadogAgents."""
    for workload in world.index.workloads:
        container = next((c for c in workload.containers if c.name == "trace-agent"), None)
        if workload.kind == "DaemonSet" and container is not None:
            given = [
                integer(port, "hostPort")
                for found in workload.containers
                for _, port in mappings(found.value, "ports")
            ]
            network = workload.pod_spec.get("hostNetwork") is True
            path = (*container.path, "ports")
            yield DatadogAgent(workload.resource, path, _numbered(given), network)
    for resource in world.index.of_kind("datadoghq.com/DatadogAgent"):
        spec = resource.spec
        path = (*resource.path, "spec", "features", "apm", "hostPortConfig")
        port: int | None = None
        if get(spec, "features", "apm", "hostPortConfig", "enabled") is True:
            port = integer(spec, "features", "apm", "hostPortConfig", "hostPort") or _AGENT_PORT
        if resource.version == "v1alpha1":
            path = (*resource.path, "spec", "agent", "apm", "hostPort")
            port = integer(spec, "agent", "apm", "hostPort")
        network = True in (
            get(spec, "override", "nodeAgent", "hostNetwork"),
            get(spec, "agent", "hostNetwork"),
        )
        yield DatadogAgent(resource, path, _numbered([port]), network)


def _numbered(ports: Sequence[int | None]) -> frozenset[int]:
    return frozenset(port for port in ports if port is not None)


_AGENT_PORT = 8126
