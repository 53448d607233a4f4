"""Distributed tracing: do spans go anywhere, and how many of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.checks.fixing import remove_at
from meshlint.checks.hits import at, listed, there
from meshlint.checks.mending import added
from meshlint.documents import Document
from meshlint.findings import Change, Hit, In, Related
from meshlint.mesh import tracing
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_config import (
    ACCESS_LOG_TYPES,
    AUTHORIZATION_TYPES,
    BUILT_IN,
    TRACING_TYPES,
    MeshConfig,
    Provider,
    is_reported,
)
from meshlint.mesh.monitoring import Alert, Dashboard, Text, placed_once
from meshlint.mesh.proxy_config import annotation_config
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, text
from meshlint.model.workloads import Workload
from meshlint.operations import Reword, Set
from meshlint.patterns import regexp

# -------------------------------------------------------------------------------- backend


def not_configured(subject: ControlPlane, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh whose spans go nowhere."""
    if subject is not placed_once(world, "istio-installation"):
        return
    off = tracing.span_reporting_off(world)
    if off is not None:
        yield at(off, {}, message="reporting")
        return
    if tracing.traces(subject, world) is not False:
        return
    enabled = subject.mesh_config.get("enableTracing")
    tracer = tracing.legacy_tracer(subject)
    if enabled is not None and enabled.value is False and enabled.place is not None:
        yield at(enabled.place, {}, message="disabled")
    elif tracer is not None:
        args = {"address": tracer.address, "origin": tracer.default or "default of the chart"}
        yield Hit(subject.path, args, message="chart", on_key=True)
    else:
        yield Hit(subject.path, {"root": world.root_namespace}, on_key=True)


def provider_unreferenced(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Tracing providers that nothing refers to."""
    if not subject.known:
        return
    used = {*subject.defaults("tracing"), *world.telemetries.referred("tracing")}
    providers = [p for p in subject.providers if p.type in TRACING_TYPES]
    if any(provider.name in used for provider in providers):
        return
    for provider in providers:
        if provider.place is not None:
            settings = {"providers": [{"name": provider.name}]}
            fix = _mesh_wide(world, subject.document, settings) if len(providers) == 1 else ()
            yield at(provider.place.below("name"), {"provider": provider.name}, fix=fix)


def _mesh_wide(world: World, document: Document, settings: Mapping[str, Any]) -> tuple[Change, ...]:
    """Settings of tracing in the Telemetry for the mesh, which is made where there is none."""
    found = world.telemetries.mesh_wide
    for telemetry in found:
        path = (*telemetry.path, "spec", "tracing")
        entries = items(telemetry.spec, "tracing")
        if not entries:
            return (In(telemetry.document, (Set(path, [dict(settings)]),)),)
        if isinstance(entries[0], dict) and not settings.keys() & entries[0].keys():
            done = tuple(Set((*path, 0, key), value) for key, value in settings.items())
            return (In(telemetry.document, done),)
    if found:
        return ()
    version = "v1" if world.istio_version.at_least("1.22") else "v1alpha1"
    return added(
        document,
        {
            "apiVersion": f"telemetry.istio.io/{version}",
            "kind": "Telemetry",
            "metadata": {"name": "mesh-default", "namespace": world.root_namespace},
            "spec": {"tracing": [dict(settings)]},
        },
    )


def provider_missing(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Names of providers that no MeshConfig of the input defines."""
    configs = [subject] if isinstance(subject, MeshConfig) else world.subjects("mesh-config")
    if not configs or not all(config.known for config in configs):
        return
    known = {provider.name for config in configs for provider in config.providers} | BUILT_IN.keys()
    defining = configs[0].config.get("extensionProviders")
    place = defining.place if defining is not None else None
    defined = listed(sorted(known))
    for use in tracing.USES:
        if isinstance(subject, Resource):
            for path, name in tracing.references(subject, use):
                if name not in known:
                    args = {"provider": name, "use": use, "defined": defined}
                    yield Hit(path, args, there(place, "providers are defined here", on_key=True))
            continue
        default = subject.config.get("defaultProviders", use)
        for name in subject.defaults(use):
            if name not in known and default is not None and default.place is not None:
                args = {"provider": name, "use": use, "defined": defined}
                yield at(default.place, args, message="default", on_key=True)


def provider_service_missing(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Providers whose Service, or whose port, is not there."""
    for provider in subject.providers:
        service, port = text(provider.settings, "service"), integer(provider.settings, "port")
        if provider.place is None or not service or provider.type not in _WITH_SERVICE:
            continue
        found = tracing.backends(world, service)
        if found is None:
            continue
        args = {"provider": provider.name, "service": service, "port": port}
        place = provider.place.below(provider.type)
        if not found:
            yield at(place.below("service"), args)
        elif port is not None and not any(port in backend.ports for backend in found):
            ports = sorted({number for backend in found for number in backend.ports})
            where = found[0].resource
            related = Related(where.document, (*where.path, "spec", "ports"), "its ports", True)
            args["ports"] = ", ".join(map(str, ports)) or "none"
            yield at(place.below("port"), args, (related,), message="port")


_WITH_SERVICE = frozenset(
    {
        *(kind for kind in TRACING_TYPES if kind != "stackdriver"),
        *(kind for kind in ACCESS_LOG_TYPES if kind != "envoyFileAccessLog"),
        *AUTHORIZATION_TYPES,
    }
)


# ---------------------------------------------------------------------------- deprecations


def provider_deprecated(
    subject: MeshConfig | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Tracing through backends that Istio is about to drop."""
    if isinstance(subject, Resource):
        yield from _refers_to_deprecated(subject, world)
        return
    used = {*subject.defaults("tracing"), *world.telemetries.referred("tracing")}
    for provider in subject.providers:
        if _is_deprecated(provider) and provider.name in used and provider.place is not None:
            args = {"provider": provider.name, "type": provider.type}
            yield at(provider.place.below(provider.type), args, on_key=True)
    tracer = tracing.legacy_tracer(subject.plane) if subject.plane is not None else None
    if tracer is not None and tracer.name in _LEGACY_DEPRECATED and tracer.place is not None:
        yield at(tracer.place, {"type": tracer.name}, message="legacy", on_key=True)


_LEGACY_DEPRECATED = frozenset({"lightstep", "openCensusAgent", "stackdriver"})


def _is_deprecated(provider: Provider) -> bool:
    return provider.type in ("lightstep", "opencensus")


def _refers_to_deprecated(subject: Resource, world: World) -> Iterator[Hit]:
    # The definition is where the finding belongs, unless that is only read.
    configs = world.subjects("mesh-config")
    if any(is_reported(world, config) for config in configs):
        return
    for path, name in tracing.references(subject, "tracing"):
        for config in configs:
            provider = config.provider(name)
            if provider is not None and _is_deprecated(provider):
                related = there(provider.place, "defined here")
                yield Hit(path, {"provider": name, "type": provider.type}, related)
                break


def legacy_tracer(subject: ControlPlane, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Tracing that is set up in ProxyConfig instead of Telemetry."""
    config = MeshConfig(subject.mesh_config, subject.home, subject.resource, subject)
    if world.telemetries.referred("tracing") or config.defaults("tracing") or not config.known:
        return
    tracer = tracing.legacy_tracer(subject)
    if tracer is not None and tracer.place is not None:
        yield at(tracer.place, {"tracer": tracer.name}, on_key=True)
    if subject is not placed_once(world, "istio-installation"):
        return
    for workload in world.index.workloads:
        annotated = annotation_config(workload) if workload.resource.reported else None
        for name in tracing.LEGACY_TRACERS if annotated is not None else ():
            if annotated is not None and mapping(annotated.value, "tracing", name):
                assert annotated.place is not None, "an annotation stands somewhere"
                yield at(annotated.place, {"tracer": name}, on_key=True)


# -------------------------------------------------------------------------------- sampling


def sampling_zero(
    subject: ControlPlane | Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A sampling of zero where zero counts as unset."""
    if not world.telemetries.sampled:
        yield from _zeros(subject, world)


def _zeros(subject: ControlPlane | Workload, world: World) -> Iterator[Hit]:
    if isinstance(subject, Workload):
        annotated = annotation_config(subject)
        if annotated is not None and annotated.place is not None:
            number = tracing.percent(get(annotated.value, "tracing", "sampling"))
            if number == 0:
                yield at(annotated.place, {"field": "tracing.sampling"}, on_key=True)
        return
    for field, found in tracing.given_sampling(subject):
        env = subject.trace_sampling
        if field == "traceSampling" and (env is None or env.value is not None):
            continue  # the environment of istiod says it, where zero is zero
        if found.value == 0 and found.place is not None:
            there = _mesh_wide(world, found.place.document, {"randomSamplingPercentage": 0})
            gone = remove_at(found.place)
            fix = (*gone, *there) if gone and there else ()
            yield at(found.place, {"field": field}, fix=fix)


def sampling_fraction(
    subject: ControlPlane | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Sampling that looks like a share of one, although the unit is percent."""
    for field, found in _own_sampling(subject):
        if 0 < found.value < 1 and found.place is not None:
            args = {
                "field": field,
                "value": _plain(found.value),
                "one_in": _plain(round(100 / found.value)),
                "meant": _plain(found.value * 100),
            }
            yield at(found.place, args)


def sampling_full(
    subject: ControlPlane | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh that traces most of its requests."""
    if not world.monitoring.counts_spans:
        yield from _high(subject, world, Decimal(str(params["max"])))


def _high(subject: ControlPlane | Resource, world: World, most: Decimal) -> Iterator[Hit]:
    if isinstance(subject, Resource):
        if world.telemetries.is_mesh_wide(subject):
            for found in tracing.telemetry_sampling(subject):
                if found.value > most and found.place is not None:
                    yield at(found.place, {"value": _plain(found.value), "max": _plain(most)})
        return
    if any(True for telemetry in world.telemetries.mesh_wide for _ in _own_sampling(telemetry)):
        return
    installed = tracing.installed_sampling(subject)
    if installed is None or installed.value <= most:
        return
    args = {"value": _plain(installed.value), "max": _plain(most)}
    place = installed.place or subject.profile.place
    if place is not None:
        yield at(place, args)
    else:
        yield Hit(subject.path, args, on_key=True)


def _own_sampling(subject: ControlPlane | Resource) -> Iterator[tuple[str, Any]]:
    if isinstance(subject, ControlPlane):
        yield from tracing.given_sampling(subject)
    else:
        for found in tracing.telemetry_sampling(subject):
            yield "randomSamplingPercentage", found


def _plain(number: Decimal | int) -> str:
    return f"{Decimal(number).normalize():f}"


def error_rate_sampled(
    subject: Alert | Dashboard, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Rates of Datadog from spans, of which the mesh makes only a sample."""
    if isinstance(subject, Alert):
        parts = [subject.query] if _RATE.search(subject.text) else []
    else:
        parts = [part for part in subject.texts if _RATE.search(part.content)]
    sampled = world.sampling if parts else None
    if sampled is None or sampled.value >= 100:
        return
    for part in parts:
        origin = f" ({sampled.default})" if sampled.place is None and sampled.default else ""
        yield Hit(
            part.path,
            {"value": _plain(sampled.value), "origin": origin},
            there(sampled.place, "the sampling"),
            on_key=isinstance(subject, Dashboard) or "\n" in part.content,
            fix=_counted_requests(part),
        )


def _counted_requests(part: Text) -> tuple[Change, ...]:
    """The counter of the Istio integration, which has other tags: for unfiltered queries alone."""
    if len(_RATE.findall(part.content)) != len(_UNFILTERED.findall(part.content)):
        return ()
    words = {"hits{*}": "{*}", "errors{*}": "{response_code:5*}"}
    return tuple(
        Reword(part.path, f"trace.envoy.proxy.{word}", f"istio.mesh.request.count{tags}")
        for word, tags in words.items()
        if f"trace.envoy.proxy.{word}" in part.content
    )


_UNFILTERED = regexp(r"trace\.envoy\.proxy\.(?:errors|hits)\{\*\}(?!\s*by\b)")


_RATE = regexp(r"trace\.envoy\.proxy\.(?:errors|hits)")


# --------------------------------------------------------------------------------- Datadog

_HOST_ADDRESS = regexp(r"\$?[({]*\$?HOST_IP[)}]*:(\d{1,5})\Z")


def agent_port_closed(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A tracer that sends to the node, where the Datadog agent listens on no port of it."""
    tracer = tracing.legacy_tracer(subject)
    if tracer is None or tracer.name != "datadog":
        return
    found = _HOST_ADDRESS.match(tracer.address.strip())
    agents = list(tracing.datadog_agents(world))
    if found is None or not agents:
        return
    port = int(found[1])
    if any(agent.host_network or port in agent.host_ports for agent in agents):
        return
    agent = agents[0]
    args = {"address": tracer.address, "port": port, "agent": str(agent.resource.ref)}
    related = (Related(agent.resource.document, agent.path, "the agent's port", on_key=True),)
    written = subject.mesh_config.get("defaultConfig", "tracing", tracer.name, "address")
    if written is not None and written.place is not None:
        yield at(written.place, args, related)
    else:
        yield Hit(subject.path, args, related, on_key=True)
