"""How routes, listeners and backends of the Gateway API find one another.

Sources: Gateway API, `ParentReference`, `AllowedRoutes`, `ReferenceGrant`; istiod,
`pilot/pkg/config/kube/gateway` (which backends a route may have).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

GROUP = "gateway.networking.k8s.io"
GATEWAY = f"{GROUP}/Gateway"
GATEWAY_CLASS = f"{GROUP}/GatewayClass"
REFERENCE_GRANT = f"{GROUP}/ReferenceGrant"

PROTOCOL_CLASSES: Mapping[str, str] = {
    "HTTP": "HTTP",
    "HTTPS": "TLS",
    "TLS": "TLS",
    "TCP": "TCP",
    "UDP": "UDP",
}
"""Listeners of one class on one port share a socket and are told apart by their hostname."""

_ROUTES: Mapping[str, frozenset[str]] = {
    "HTTP": frozenset({"HTTPRoute", "GRPCRoute"}),
    "HTTPS": frozenset({"HTTPRoute", "GRPCRoute"}),
    "TLS": frozenset({"TLSRoute", "TCPRoute"}),
    "TCP": frozenset({"TCPRoute"}),
    "UDP": frozenset({"UDPRoute"}),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference of a route to a parent or a backend; `path` leads to the block."""

    group: str
    kind: str
    namespace: str
    name: str
    port: int | None
    section: str
    path: Path


def parents(route: Resource) -> Iterator[Reference]:
    """What a route asks to be attached to."""
    for number, block in mappings(route.spec, "parentRefs"):
        path = (*route.path, "spec", "parentRefs", number)
        yield _reference(route, block, path, (GROUP, "Gateway"))


def backends(route: Resource) -> Iterator[Reference]:
    """Where a route sends or mirrors requests."""
    for number, rule in mappings(route.spec, "rules"):
        path = (*route.path, "spec", "rules", number)
        for at, block in mappings(rule, "backendRefs"):
            where = (*path, "backendRefs", at)
            yield _reference(route, block, where, ("", "Service"))
            yield from _mirrors(route, block, where)
        yield from _mirrors(route, rule, path)


def _mirrors(route: Resource, holder: Mapping[str, Any], path: Path) -> Iterator[Reference]:
    for at, entry in mappings(holder, "filters"):
        block = get(entry, "requestMirror", "backendRef")
        if isinstance(block, dict):
            where = (*path, "filters", at, "requestMirror", "backendRef")
            yield _reference(route, block, where, ("", "Service"))


def _reference(
    route: Resource, block: Mapping[str, Any], path: Path, default: tuple[str, str]
) -> Reference:
    group, kind = block.get("group", default[0]), block.get("kind", default[1])
    return Reference(
        text(group),
        text(kind),
        text(block, "namespace") or route.namespace,
        text(block, "name"),
        integer(block, "port"),
        text(block, "sectionName"),
        path,
    )


# -------------------------------------------------------------------------------------- attachment

Refusal = Literal["", "section", "port", "namespace", "kind"]


def refusal(world: World, route: Resource, parent: Reference, gateway: Resource) -> Refusal:
    """Why no listener of a Gateway takes a route; empty where one does, or may."""
    if get(gateway.spec, "allowedListeners") is not None:
        return ""
    listeners = [listener for _, listener in mappings(gateway.spec, "listeners")]
    if any(is_templated(text(listener, "name")) for listener in listeners):
        return ""
    named = [one for one in listeners if parent.section in ("", one.get("name"))]
    if not named:
        return "section"
    if parent.port is not None:
        named = [one for one in named if integer(one, "port") in (parent.port, None)]
    if not named:
        return "port"
    admitted = [one for one in named if _admits_namespace(world, one, gateway, route.namespace)]
    if not admitted:
        return "namespace"
    return "" if any(_admits_kind(one, route.kind) for one in admitted) else "kind"


def _admits_namespace(
    world: World, listener: Mapping[str, Any], gateway: Resource, namespace: str
) -> bool:
    allowed = mapping(listener, "allowedRoutes", "namespaces")
    source = allowed.get("from", "Same")
    if source == "Same":
        return namespace == gateway.namespace
    if source == "Selector":
        found = world.index.namespace(namespace)
        if found is None:
            return True
        labels = {"kubernetes.io/metadata.name": namespace, **found.labels}
        return matches_selector(allowed.get("selector"), labels)
    return bool(source != "None")


def _admits_kind(listener: Mapping[str, Any], kind: str) -> bool:
    kinds = [entry for _, entry in mappings(listener, "allowedRoutes", "kinds")]
    if kinds:
        return any(entry.get("kind") == kind for entry in kinds)
    known = _ROUTES.get(text(listener, "protocol"))
    return known is None or kind in known


# --------------------------------------------------------------------------------------- addresses


def addresses(gateway: Resource) -> Iterator[tuple[str, str, Path]]:
    """Type, value and path of each address that a Gateway asks for."""
    for number, entry in mappings(gateway.spec, "addresses"):
        value = text(entry, "value")
        if value and not is_templated(value):
            path = (*gateway.path, "spec", "addresses", number, "value")
            yield text(entry, "type") or "IPAddress", value.lower(), path


def sockets(gateway: Resource) -> Iterator[tuple[tuple[int, str, str], Path]]:
    """Port, protocol class and hostname of each listener, with its path."""
    for number, listener in mappings(gateway.spec, "listeners"):
        port = integer(listener, "port")
        protocol = PROTOCOL_CLASSES.get(text(listener, "protocol"))
        if port is not None and protocol is not None:
            hostname = text(listener, "hostname").lower() if protocol in ("HTTP", "TLS") else ""
            path = (*gateway.path, "spec", "listeners", number)
            yield (port, protocol, hostname), path


ANY_ADDRESS = ("", "the address of their class")
"""Stands for the addresses that Gateways get without asking for any."""


class Sharing:
    """Gateways by the addresses they ask for, and by what their listeners open on them."""

    def __init__(self, world: World) -> None:
        self.by_address: dict[tuple[str, str], list[tuple[Resource, Path]]] = {}
        self.by_socket: dict[object, list[tuple[Resource, Path]]] = {}
        for gateway in world.index.of_kind(GATEWAY):
            for socket, where in sockets(gateway):
                _add(self.by_socket, socket_key(gateway, ANY_ADDRESS, socket), gateway, where)
            for kind, value, path in addresses(gateway):
                _add(self.by_address, (kind, value), gateway, path)
                for socket, where in sockets(gateway):
                    _add(self.by_socket, socket_key(gateway, (kind, value), socket), gateway, where)


def socket_key(
    gateway: Resource, address: tuple[str, str], socket: tuple[int, str, str]
) -> tuple[object, ...]:
    """What only one of the Gateways of a class in a namespace may open on an address."""
    return text(gateway.spec, "gatewayClassName"), gateway.namespace, address, socket


def _add(
    table: dict[Any, list[tuple[Resource, Path]]], key: Any, one: Resource, path: Path
) -> None:
    found = table.setdefault(key, [])
    # Two Gateways are enough to find one that is another than the one asked about.
    if not found or (len(found) == 1 and found[0][0].ref != one.ref):
        found.append((one, path))


def other(
    table: Mapping[Any, list[tuple[Resource, Path]]], key: Any, gateway: Resource
) -> tuple[Resource, Path] | None:
    """The first Gateway of the table under a key that is not the given one."""
    return next((found for found in table.get(key, ()) if found[0].ref != gateway.ref), None)


def backend_ports(service: Resource) -> list[int]:
    """Ports of a Service by number."""
    found = (integer(port, "port") for port in items(service.spec, "ports"))
    return [number for number in found if number is not None]
