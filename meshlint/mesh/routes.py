"""What VirtualServices route: their rules, matches and destinations, each with its place.

Source: Istio API, VirtualService.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.host_names import service_parts
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mappings, text

VIRTUAL_SERVICE = "networking.istio.io/VirtualService"
CANARY = "flagger.app/Canary"
MESH = "mesh"
"""The reserved gateway name that stands for all sidecars."""
PROTOCOLS = ("http", "tls", "tcp")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `http`, `tls` or `tcp`; `path` leads from the root of the document."""

    protocol: str
    number: int
    value: dict[str, Any]
    path: Path

    @property
    def label(self) -> str:
        """How a person finds it: `HTTP rule 2`, counted from 1, or `HTTP rule "checkout"`."""
        name = text(self.value, "name")
        which = f'"{name}"' if name else self.number + 1
        return f"{self.protocol.upper()} rule {which}"

    @property
    def delegates(self) -> bool:
        """Whether another VirtualService holds the routes."""
        return self.protocol == "http" and self.value.get("delegate") is not None


@dataclass(frozen=True, slots=True)
class Match:
    """One entry of `match`."""

    rule: Rule
    number: int
    value: dict[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a rule sends or mirrors requests.

    `path` leads to the block with `host`; `value` is empty where that block is missing. `entry` is
    the member of `route` or `mirrors` around it, and empty for `mirror`.
    """

    rule: Rule
    path: Path
    value: dict[str, Any]
    entry: dict[str, Any]
    entry_path: Path
    mirrored: bool

    @property
    def host(self) -> str:
        return text(self.value, "host")

    @property
    def subset(self) -> str:
        return text(self.value, "subset")

    @property
    def port(self) -> int | None:
        return integer(self.value, "port", "number")

    @property
    def weight(self) -> int | None:
        return integer(self.entry, "weight")


def gateways(service: Resource) -> list[str]:
    """Names in `spec.gateways`; without any the VirtualService is for the mesh."""
    return [name for name in items(service.spec, "gateways") if isinstance(name, str)]


def is_bound_to_mesh(service: Resource) -> bool:
    """Whether sidecars use the VirtualService."""
    return not items(service.spec, "gateways") or MESH in gateways(service)


def is_bound_to_gateway(service: Resource) -> bool:
    """Whether a gateway uses the VirtualService."""
    return any(name != MESH for name in gateways(service))


def is_rootless(service: Resource) -> bool:
    """Whether it names no hosts, so that it works only as the delegate of another one."""
    return not service.spec.get("hosts")


def rules(service: Resource, *protocols: str) -> Iterator[Rule]:
    """Rules of the given protocols, or of all, in the order of `PROTOCOLS`."""
    for protocol in protocols or PROTOCOLS:
        for number, value in mappings(service.spec, protocol):
            path = (*service.path, "spec", protocol, number)
            yield Rule(protocol, number, value, path)


def matches(rule: Rule) -> Iterator[Match]:
    """Matches of a rule, of which one has to hold; none means every request."""
    for number, value in mappings(rule.value, "match"):
        yield Match(rule, number, value, (*rule.path, "match", number))


def has_match(rule: Rule) -> bool:
    """Whether a rule asks anything of a request."""
    return bool(rule.value.get("match"))


def routed(rule: Rule) -> Iterator[Destination]:
    """Destinations that a rule sends its requests to."""
    for number, entry in mappings(rule.value, "route"):
        path = (*rule.path, "route", number)
        yield _destination(rule, entry, path, "destination", mirrored=False)


def mirrored(rule: Rule) -> Iterator[Destination]:
    """Destinations that get a copy of a rule's requests."""
    if rule.protocol != "http":
        return
    if isinstance(rule.value.get("mirror"), dict):
        path = (*rule.path, "mirror")
        yield Destination(rule, path, rule.value["mirror"], {}, path, True)
    for number, entry in mappings(rule.value, "mirrors"):
        path = (*rule.path, "mirrors", number)
        yield _destination(rule, entry, path, "destination", mirrored=True)


def _destination(
    rule: Rule, entry: dict[str, Any], path: Path, key: str, *, mirrored: bool
) -> Destination:
    found = entry.get(key)
    value = found if isinstance(found, dict) else {}
    return Destination(rule, (*path, key), value, entry, path, mirrored)


def destinations(service: Resource) -> Iterator[Destination]:
    """Everything a VirtualService sends or mirrors requests to."""
    for rule in rules(service):
        yield from routed(rule)
        yield from mirrored(rule)


def named_gateways(service: Resource) -> Iterator[tuple[Path, str]]:
    """Gateway names in `spec.gateways` and in matches, with their places; `mesh` included."""
    for number, name in enumerate(items(service.spec, "gateways")):
        if isinstance(name, str):
            yield (*service.path, "spec", "gateways", number), name
    for rule in rules(service):
        for match in matches(rule):
            for number, name in enumerate(items(match.value, "gateways")):
                if isinstance(name, str):
                    yield (*match.path, "gateways", number), name


def string_match(value: Any) -> tuple[str, str] | None:
    """Kind (`exact`, `prefix`, `regex`) and value of a StringMatch; None where it has none."""
    for kind in ("exact", "prefix", "regex"):
        found = get(value, kind)
        if isinstance(found, str):
            return kind, found
    return None


def is_generated_host(service: Resource, host: str) -> bool:
    """Whether a host is a name that istiod makes for TLS between networks: `outbound_.80_._.a.b`.

    Only a VirtualService for gateways alone that routes by server name may use one.
    """
    if is_bound_to_mesh(service) or not host.startswith("outbound_"):
        return False
    if not any(
        items(match.value, "sniHosts") for rule in rules(service, "tls") for match in matches(rule)
    ):
        return False
    parts = host.split(".", 3)
    return len(parts) == 4 and parts[1].removesuffix("_").isdigit() and bool(parts[3])


def delegates(index: Index) -> frozenset[tuple[str, str]]:
    """Namespaces and names of the VirtualServices that others delegate to."""
    return frozenset(
        (
            text(rule.value, "delegate", "namespace") or service.namespace,
            text(rule.value, "delegate", "name"),
        )
        for service in index.of_kind(VIRTUAL_SERVICE)
        for rule in rules(service, "http")
        if rule.delegates
    )


def routed_gateways(index: Index, cluster_domain: str) -> frozenset[tuple[str, str]]:
    """Namespaces and names of the Gateways that VirtualServices name, in rules or at the top.

    Beside `namespace/name` istiod takes the old form of a host, `name.namespace`.
    """
    found: set[tuple[str, str]] = set()
    for service in index.of_kind(VIRTUAL_SERVICE, CANARY):
        # Flagger makes the VirtualService of a Canary.
        block = service.spec if service.kind == "VirtualService" else service.spec.get("service")
        named = [name for name in items(block, "gateways") if isinstance(name, str)]
        for rule in rules(service):
            for _, match in mappings(rule.value, "match"):
                named += [name for name in items(match, "gateways") if isinstance(name, str)]
        for name in named:
            namespace, slash, short = name.partition("/")
            if slash:
                found.add((namespace if namespace != "." else service.namespace, short))
            elif (parts := service_parts(name, service.namespace, cluster_domain)) is not None:
                found.add(parts)
    return frozenset(found)
