"""The protocol of a Service's port, as far as routes to it tell.

Sources: Istio API, VirtualService (`http` rules are for HTTP); Gateway API, HTTPRoute, GRPCRoute.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from meshlint.mesh import routes
from meshlint.model.resources import Resource
from meshlint.model.values import integer, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

_PROTOCOLS = {
    "gateway.networking.k8s.io/HTTPRoute": "http",
    "gateway.networking.k8s.io/GRPCRoute": "grpc",
}
_Port = tuple[str, int | None]
"""Host in full, and number; None where a route names no port."""


class RoutedProtocols:
    """What routes of the input take the ports of Services for."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, service: Resource, port: int | None) -> str:
        """`http` or `grpc`, where every route to a port says so; else empty."""
        host = f"{service.name}.{service.namespace}.svc.{self._world.cluster_domain}"
        found = set(self._table.get((host, port), ())) if port is not None else set()
        if len(list(mappings(service.spec, "ports"))) == 1:
            found |= self._table.get((host, None), frozenset())
        return found.pop() if len(found) == 1 else ""

    @cached_property
    def _table(self) -> Mapping[_Port, frozenset[str]]:
        table: dict[_Port, set[str]] = defaultdict(set)
        for port, protocol in self._named():
            table[port].add(protocol)
        return {port: frozenset(protocols) for port, protocols in table.items()}

    def _named(self) -> Iterator[tuple[_Port, str]]:
        index = self._world.index
        for service in index.of_kind(routes.VIRTUAL_SERVICE):
            for rule in routes.rules(service):
                for destination in routes.routed(rule):
                    host = self._world.hosts.full_name(destination.host, service.namespace)
                    yield (host, destination.port), rule.protocol
        for kind, protocol in _PROTOCOLS.items():
            for route in index.of_kind(kind):
                for _, entry in mappings(route.spec, "rules"):
                    for _, backend in mappings(entry, "backendRefs"):
                        if backend.get("kind", "Service") != "Service":
                            continue
                        namespace = text(backend, "namespace") or route.namespace
                        name = f"{text(backend, 'name')}.{namespace}.svc"
                        host = f"{name}.{self._world.cluster_domain}"
                        yield (host, integer(backend, "port")), protocol
