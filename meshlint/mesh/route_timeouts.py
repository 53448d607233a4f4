"""Timeouts that routes of the input give to requests, by the Service they lead to.

Sources: Istio API, VirtualService (`http[].timeout`); Gateway API, HTTPRoute (`rules[].timeouts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.provenance import Place
from meshlint.model.durations import seconds
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import mappings, text

VIRTUAL_SERVICE = "networking.istio.io/VirtualService"
HTTP_ROUTE = "gateway.networking.k8s.io/HTTPRoute"


@dataclass(frozen=True, slots=True)
class RouteTimeout:
    """The timeout of one route."""

    seconds: Decimal
    route: Resource
    place: Place


def longest_timeouts(index: Index, cluster_domain: str) -> Mapping[tuple[str, str], RouteTimeout]:
    """The longest timeout of any route to each Service, by its namespace and name."""
    longest: dict[tuple[str, str], RouteTimeout] = {}
    for service, found in (*_of_virtual_services(index, cluster_domain), *_of_routes(index)):
        if service not in longest or found.seconds > longest[service].seconds:
            longest[service] = found
    return longest


def _timeout(route: Resource, value: Any, *path: str | int) -> RouteTimeout | None:
    length = seconds(value)
    if length is None:
        return None
    return RouteTimeout(length, route, Place(route.document, (*route.path, "spec", *path)))


def _of_virtual_services(
    index: Index, cluster_domain: str
) -> Iterator[tuple[tuple[str, str], RouteTimeout]]:
    for resource in index.of_kind(VIRTUAL_SERVICE):
        for number, route in mappings(resource.spec, "http"):
            found = _timeout(resource, route.get("timeout"), "http", number, "timeout")
            if found is None:
                continue
            for _, destination in mappings(route, "route"):
                host = text(destination, "destination", "host")
                service = service_parts(host, resource.namespace, cluster_domain)
                if service is not None:
                    yield service, found


def _of_routes(index: Index) -> Iterator[tuple[tuple[str, str], RouteTimeout]]:
    for resource in index.of_kind(HTTP_ROUTE):
        for number, rule in mappings(resource.spec, "rules"):
            path = ("rules", number, "timeouts", "request")
            found = _timeout(resource, text(rule, "timeouts", "request"), *path)
            if found is None:
                continue
            for _, backend in mappings(rule, "backendRefs"):
                if backend.get("kind", "Service") == "Service" and not backend.get("group"):
                    namespace = text(backend, "namespace") or resource.namespace
                    yield (namespace, text(backend, "name")), found
