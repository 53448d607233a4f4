"""MeshConfig: what istiod refuses in it, and what of it lets rules be evaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at
from meshlint.checks.hits import at
from meshlint.checks.telemetry_settings import percentage
from meshlint.documents import parse
from meshlint.findings import Hit
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_config import ACCESS_LOG_TYPES, AUTHORIZATION_TYPES, MeshConfig, Provider
from meshlint.mesh.provenance import Place
from meshlint.mesh.world import World
from meshlint.model.names import (
    is_dns_label,
    is_fqdn,
    is_ip,
    is_label_key,
    is_label_value,
    is_port,
    is_wildcard_host,
)
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.text import SourceFile

Found = tuple[Place, str]


def invalid(
    subject: MeshConfig | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """MeshConfigs that istiod refuses, in whole or in part, or cannot read."""
    if isinstance(subject, Resource):
        if subject.name == "istio" or subject.name.startswith("istio-"):
            yield from _unreadable(subject)
        return
    for parts, message in (
        (_names, "default"),
        (_ports, "default"),
        (_percentages, "value"),
        (_selectors, "value"),
        (_providers, "provider"),
    ):
        for place, problem in parts(subject):
            yield at(place, {"problem": problem}, message=message)


def _given(config: MeshConfig, *path: str) -> tuple[Any, Place | None]:
    """A value that the input itself sets, and where."""
    found = config.config.given(*path)
    return (found.value, found.place) if found is not None else (None, None)


def _names(config: MeshConfig) -> Iterator[Found]:
    domain, place = _given(config, "trustDomain")
    if place is not None and isinstance(domain, str) and not _is_trust_domain(domain):
        yield place, f"Trust domain {domain or '(empty)'} is no DNS name in lower case"
    aliases, place = _given(config, "trustDomainAliases")
    for step, alias in enumerate(items(aliases)):
        if place is not None and isinstance(alias, str) and not _is_trust_domain(alias):
            yield place.below(step), f"Alias {alias or '(empty)'} is no name of a trust domain"
    settings, place = _given(config, "serviceSettings")
    for step, entry in mappings(settings):
        for number, host in enumerate(items(entry, "hosts")):
            if place is not None and isinstance(host, str) and not is_wildcard_host(host):
                where = place.below(step, "hosts", number)
                yield where, f"Host {host or '(empty)'} of serviceSettings is no host"
    curves, place = _given(config, "meshMTLS", "ecdhCurves")
    if place is not None and curves:
        yield place, "Block meshMTLS sets ecdhCurves, which only tlsDefaults can"


_TEMPLATE_MARKS = ("$(", "${", "{{")


def _is_trust_domain(domain: str) -> bool:
    if any(mark in domain for mark in _TEMPLATE_MARKS):
        return True
    return bool(domain) and all(is_dns_label(part) for part in domain.removesuffix(".").split("."))


_PORTS = (
    ("proxyListenPort",),
    ("proxyInboundListenPort",),
    ("defaultConfig", "proxyAdminPort"),
    ("defaultConfig", "statusPort"),
)


def _ports(config: MeshConfig) -> Iterator[Found]:
    for path in _PORTS:
        value, place = _given(config, *path)
        number = integer(value)
        if place is not None and number is not None and not is_port(number):
            yield place, f"Port {number} in {path[-1]} is outside 1 to 65535"
    value, place = _given(config, "defaultConfig", "concurrency")
    number = integer(value)
    if place is not None and number is not None and number < 0:
        yield place, f"A concurrency of {number} is below 0"


def _percentages(config: MeshConfig) -> Iterator[Found]:
    value, place = _given(config, "defaultConfig", "tracing", "sampling")
    share = percentage(value)
    if place is not None and share is not None and not 0 <= share <= 100:
        yield place, f"A sampling of {share} is outside 0 to 100"


# ------------------------------------------------------------------------------------- selectors

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def _selectors(config: MeshConfig) -> Iterator[Found]:
    listed, place = _given(config, "discoverySelectors")
    if place is None:
        return
    for step, selector in mappings(listed):
        where = place.below(step)
        for key, value in mapping(selector, "matchLabels").items():
            if not is_label_key(key) or (isinstance(value, str) and not is_label_value(value)):
                told = f"Pair {key}: {value} of a discovery selector can be no label"
                yield where.below("matchLabels", key), told
        for number, expression in mappings(selector, "matchExpressions"):
            problem = _expression_problem(expression)
            if problem:
                told = f"An expression of a discovery selector {problem}"
                yield where.below("matchExpressions", number), told


def _expression_problem(expression: dict[str, Any]) -> str:
    operator = expression.get("operator")
    if not is_label_key(expression.get("key")):
        return f"has key {text(expression, 'key') or '(none)'}, which can be no label"
    if operator not in _OPERATORS:
        return f"has operator {operator}, which is none of {', '.join(_OPERATORS)}"
    values = items(expression, "values")
    if operator in ("In", "NotIn") and not values:
        return f"has operator {operator} and no values"
    if operator in ("Exists", "DoesNotExist") and values:
        return f"has operator {operator}, which takes no values"
    return ""


# ------------------------------------------------------------------------------------- providers

_WITH_SERVICE = frozenset(
    {
        *AUTHORIZATION_TYPES,
        *(kind for kind in ACCESS_LOG_TYPES if kind != "envoyFileAccessLog"),
        *("zipkin", "lightstep", "datadog", "opencensus", "skywalking", "opentelemetry"),
    }
)


def _providers(config: MeshConfig) -> Iterator[Found]:
    names: set[str] = set()
    for provider in config.providers:
        if provider.place is None:
            continue
        if not provider.name:
            yield provider.place.below("name"), "An extension provider has no name"
        elif provider.name in names:
            yield provider.place.below("name"), f"Extension provider {provider.name} is there twice"
        names.add(provider.name)
        if provider.type in _WITH_SERVICE:
            yield from _service(provider, provider.place.below(provider.type))


def _service(provider: Provider, place: Place) -> Iterator[Found]:
    name = provider.name or "without a name"
    service = provider.settings.get("service")
    if service in (None, ""):
        yield place.below("service"), f"Extension provider {name} names no service"
    elif isinstance(service, str) and not _is_service(service):
        told = f"Service {service} of extension provider {name} is no host or address"
        yield place.below("service"), told
    port = provider.settings.get("port")
    if port is None:
        yield place.below("port"), f"Extension provider {name} names no port"
    elif integer(port) is not None and not is_port(integer(port)):
        yield place.below("port"), f"Port {port} of extension provider {name} is outside 1 to 65535"
    prefix = provider.settings.get("pathPrefix")
    if isinstance(prefix, str) and prefix and not prefix.startswith("/"):
        told = f"Path {prefix} of extension provider {name} does not begin with /"
        yield place.below("pathPrefix"), told
    if isinstance(provider.settings.get("grpc"), dict) and isinstance(
        provider.settings.get("http"), dict
    ):
        yield place.below("http"), f"Extension provider {name} has both grpc and http"


def _is_service(service: str) -> bool:
    namespace, slash, host = service.partition("/")
    if any(mark in service for mark in _TEMPLATE_MARKS):
        return True
    if not slash:
        return is_fqdn(service) or is_ip(service)
    return (namespace in ("*", ".", "~") or is_dns_label(namespace)) and is_wildcard_host(host)


# ------------------------------------------------------------------------------------- ConfigMap


def _unreadable(subject: Resource) -> Iterator[Hit]:
    written = get(subject.value, "data", "mesh")
    if not isinstance(written, str) or not written.strip():
        return
    parsed = parse(SourceFile(subject.document.file.path, written))
    values = [document.value for document in parsed.documents]
    if parsed.problems or len(values) != 1 or not isinstance(values[0], dict):
        yield Hit((*subject.path, "data", "mesh"), message="unreadable", on_key=True)


# -------------------------------------------------------------------------------------- security


def normalization_disabled(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Paths that are judged as they were sent."""
    value, place = _given(subject, "pathNormalization", "normalization")
    if place is not None and value == "NONE":
        yield at(place, {}, fix=remove_at(place))


def proxy_privileged(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Sidecars that may do whatever the node can."""
    found = subject.values.given("global", "proxy", "privileged")
    if found is not None and found.place is not None and found.value is True:
        yield at(found.place, {}, fix=remove_at(found.place))
