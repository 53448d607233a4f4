"""Gateways of Istio and what they need beside them: pods, Services, routes, ports of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh import exposure
from meshlint.mesh import gateway_bindings as bindings
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text


def workload_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways whose selector finds no pods."""
    selector = mapping(subject.spec, "selector")
    if not selector or not bindings.gateways_known(world):
        return
    if bindings.may_be_served(world, subject):
        return
    labels = ", ".join(f"{key}={value}" for key, value in selector.items())
    scope = f"in namespace {subject.namespace}" if bindings.is_scoped(world) else "of the input"
    yield Hit((*subject.path, "spec", "selector"), {"labels": labels, "scope": scope}, on_key=True)


def port_unexposed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers on ports that no Service in front of the gateway has."""
    services = bindings.services_of(world, subject)
    if not services:
        return
    made = [
        found.ports
        for proxy in exposure.serving_proxies(world, subject)
        for found in exposure.chart_services(proxy)
    ]
    if None in made:
        return
    opened = bindings.opened_ports(services).union(*(ports for ports in made if ports))
    names = " and ".join(dict.fromkeys(str(service.ref) for service in services[:2]))
    related = tuple(
        Related(service.document, (*service.path, "spec", "ports"), "the ports it has", True)
        for service in services[:3]
    )
    for number, server in mappings(subject.spec, "servers"):
        port = integer(server, "port", "number")
        if port is None or port in opened or text(server, "bind").startswith("unix://"):
            continue
        path = (*subject.path, "spec", "servers", number, "port", "number")
        yield Hit(path, {"port": port, "services": names}, related)


def conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers for a host that another Gateway serves on the same port."""
    told = set()
    for key, claim in bindings.host_claims(subject):
        server = claim.path[: len(subject.path) + 3]
        other = world.gateway_claims.rival(key, claim)
        if other is None or server in told:
            continue
        told.add(server)
        related = (Related(other.gateway.document, other.path, "the other server"),)
        args = {
            "host": get(subject.document.value, *claim.path),
            "port": get(subject.document.value, *server, "port", "number"),
            "other": str(other.gateway.ref),
        }
        yield Hit(claim.path, args, related)


def certificate_shared(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers whose certificate a server of another Gateway presents, too."""
    for key, claim in bindings.certificate_claims(subject):
        other = world.gateway_claims.rival(key, claim, wider=True)
        if other is None:
            continue
        related = (Related(other.gateway.document, other.path, "the same certificate"),)
        args = {
            "certificate": get(subject.document.value, *claim.path),
            "other": str(other.gateway.ref),
        }
        yield Hit(claim.path, args, related)


def unrouted(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways that no VirtualService names."""
    servers = [server for _, server in mappings(subject.spec, "servers")]
    if all(bindings.is_served_without_routes(server) for server in servers):
        return
    if (subject.namespace, subject.name) in world.routed_gateways:
        return
    if not bindings.is_routed_by_controller(subject, world.index):
        yield Hit((*subject.path, "metadata", "name"), {"gateway": str(subject.ref)})
