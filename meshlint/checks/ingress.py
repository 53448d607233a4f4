"""Ingresses: where they send requests, for which hosts, and with what protection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh import ingresses
from meshlint.mesh.ingresses import Backend
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.presence import SERVICE
from meshlint.mesh.world import World
from meshlint.model.ports import service_ports
from meshlint.model.resources import Resource
from meshlint.model.values import items, mappings, text
from meshlint.operations import Set

# ---------------------------------------------------------------------------------------- backends


def backend_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Backends that are no Service of the namespace, or no port of it."""
    told: set[tuple[str, object]] = set()
    for backend in ingresses.backends(subject):
        if backend.is_action or (backend.name, backend.port) in told:
            continue
        told.add((backend.name, backend.port))
        if not backend.name:
            yield Hit(backend.path, message="unnamed", on_key=True)
            continue
        found = world.index.named(SERVICE, subject.namespace, backend.name)
        if found:
            yield from _port_missing(backend, found)
            continue
        known = params["everywhere"] or world.presence.shows_services(subject)
        if known and not world.presence.may_exist(SERVICE, subject, backend.name):
            args = {"service": backend.name, "namespace": subject.namespace}
            yield Hit(backend.name_path, args)


def _port_missing(backend: Backend, definitions: Sequence[Resource]) -> Iterator[Hit]:
    by_definition = [list(service_ports(service)) for service in definitions]
    if not all(by_definition) or backend.port is None:
        return
    if any(backend.port in (port.number, port.name) for ports in by_definition for port in ports):
        return
    service, ports = definitions[-1], by_definition[-1]
    declared = [f"{port.number}" + (f" ({port.name})" if port.name else "") for port in ports]
    args = {"service": backend.name, "port": backend.port, "ports": declared}
    path = (*service.path, "spec", "ports")
    related = (Related(service.document, path, "the ports of the Service", on_key=True),)
    yield Hit(backend.port_path, args, related, message="port")


# ------------------------------------------------------------------------------------------ routes


def route_duplicate(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Routes that another Ingress before has too, with another backend."""
    if ingresses.is_canary(subject):
        return
    kind = ingresses.ingress_class(subject)
    for route in ingresses.routes(subject):
        key = (kind, route.host, route.path, route.path_type)
        for other, same in world.ingress_routes.get(key, ()):
            if other is subject:
                break
            if (other.namespace, other.name) == (subject.namespace, subject.name):
                continue
            # Rules for every host stand in many examples side by side.
            meet = world.presence.together if route.host else world.presence.surely_together
            if not params["everywhere"] and not meet(subject, other):
                continue
            if not params["identical"] and _same_backend(subject, route, other, same):
                continue
            related = (Related(other.document, same.at, "the other route", on_key=False),)
            args = {
                "host": route.host or "every host",
                "path": route.path,
                "other": f"{other.namespace}/{other.name}",
            }
            yield Hit((*route.at, "path"), args, related)
            break


def _same_backend(
    one: Resource, route: ingresses.Route, other: Resource, same: ingresses.Route
) -> bool:
    return one.namespace == other.namespace and route.block == same.block


# ------------------------------------------------------------------------------------- protection


def tls_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts that are served in plain text."""
    if not items(subject.spec, "tls"):
        if not ingresses.has_cloud_certificate(subject):
            yield Hit((*subject.path, "spec", "tls"), on_key=True)
        return
    covered = ingresses.tls_hosts(subject)
    if covered is None:
        return
    for number, rule in mappings(subject.spec, "rules"):
        host = text(rule, "host")
        if host and not any(ingresses.covers_host(pattern, host) for pattern in covered):
            path = (*subject.path, "spec", "rules", number, "host")
            yield Hit(path, {"host": host, "covered": sorted(covered)}, message="host")


_ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
_FRONTEND = "networking.gke.io/v1beta1.FrontendConfig"
_CLASSES_OF_GOOGLE = ("", "gce", "gce-internal")


def plaintext_answered(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts with TLS that answer over plain HTTP as well."""
    if not items(subject.spec, "tls") or subject.annotations.get(_FRONTEND) is not None:
        return
    if not params["every_class"] and ingresses.ingress_class(subject) not in _CLASSES_OF_GOOGLE:
        return
    written = scalar_text(subject.annotations.get(_ALLOW_HTTP))
    if written != "false":
        path = (*subject.path, "metadata", "annotations", _ALLOW_HTTP)
        yield Hit(path, on_key=written is None, fix=(Set(path, "false"),))


def host_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules for every host."""
    for number, rule in mappings(subject.spec, "rules"):
        if not text(rule, "host"):
            path = (*subject.path, "spec", "rules", number, "host")
            yield Hit(path, {"number": number + 1}, on_key=True)


def host_broad(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Routes for hosts that nobody has named."""
    default = ingresses.default_backend(subject)
    if default is not None:
        path = (*subject.path, "spec", default[0])
        yield Hit(path, message="backend", on_key=True)
    for number, rule in mappings(subject.spec, "rules"):
        host = text(rule, "host")
        path = (*subject.path, "spec", "rules", number, "host")
        if not host:
            yield Hit(path, message="missing", on_key=True)
        elif "*" in host:
            yield Hit(path, {"host": host})
