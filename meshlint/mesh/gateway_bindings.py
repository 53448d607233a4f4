"""Which pods open the ports of a Gateway of Istio, which Services lead there, which it shares.

Sources: Istio API, Gateway (`selector`, `servers`); `pilot/pkg/model/gateway.go` (ports of the
Service are translated, others are opened as they are).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.exposure import ISTIO_GATEWAY, serving_proxies
from meshlint.mesh.roles import is_gateway_proxy
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

_SCOPE = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE"
_LONGEST_SELECTOR = 6
_MOST_NESTED = 50

Labels = frozenset[tuple[str, str]]


def is_scoped(world: World) -> bool:
    """Whether istiod lets a Gateway find pods of its own namespace only."""
    return any(
        found is not None and str(found.value).lower() in ("1", "t", "true")
        for found in (plane.env.get(_SCOPE) for plane in world.installations.control_planes)
    )


def serving_pods(world: World, gateway: Resource) -> Sequence[Workload]:
    """Workloads of the input whose pods open the ports of a Gateway."""
    selector = mapping(gateway.spec, "selector")
    if is_scoped(world):
        return world.index.workloads_with_labels(gateway.namespace, selector)
    return world.index.workloads_anywhere(selector)


def gateways_known(world: World) -> bool:
    """Whether the input shows where gateways run, other than those istiod makes by itself."""
    return any(proxy.form != "automatic" for proxy in world.installations.gateways) or any(
        is_gateway_proxy(workload) for workload in world.subjects("mesh-infrastructure")
    )


def may_be_served(world: World, gateway: Resource) -> bool:
    """Whether pods may open the ports of a Gateway: of the input, or of an installation in it."""
    if serving_pods(world, gateway) or serving_proxies(world, gateway):
        return True
    return any(
        proxy.form != "rendered" and (proxy.scheduling is None or not proxy.name)
        for proxy in world.installations.gateways
    )


def namespaces_of(world: World, gateway: Resource) -> tuple[str, ...]:
    """Namespaces of the pods of a Gateway, as far as the input shows them."""
    pods = (pod.namespace for pod in serving_pods(world, gateway))
    made = (proxy.namespace for proxy in serving_proxies(world, gateway))
    return tuple(dict.fromkeys(name for name in (*pods, *made) if name))


def services_of(world: World, gateway: Resource) -> Sequence[Resource]:
    """Services of the input that lead to the pods of a Gateway."""
    found = (
        service for pod in serving_pods(world, gateway) for service in world.index.services_of(pod)
    )
    return tuple(dict.fromkeys(found))


def opened_ports(services: Sequence[Resource]) -> frozenset[int]:
    """Ports that a Gateway may name to be reached through Services.

    istiod takes a port for that of the Service; one that the Service does not have, for a port of
    the pods.
    """
    numbers: set[int] = set()
    for service in services:
        for _, port in mappings(service.spec, "ports"):
            if port.get("protocol") in (None, "TCP"):
                found = (integer(port, "port"), integer(port, "targetPort"))
                numbers |= {number for number in found if number is not None}
    return frozenset(numbers)


# ------------------------------------------------------------------------------------- two Gateways


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that only one Gateway of a proxy may have; `path` leads to where it says so."""

    gateway: Resource
    path: Path
    selector: Labels


class Claims:
    """Servers of all Gateways of Istio by what they claim. Built once a run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._scoped = is_scoped(world)
        self._nested: dict[object, Mapping[Labels, list[tuple[Labels, bool]]]] = {}

    def rival(self, key: object, claim: Claim, *, wider: bool = False) -> Claim | None:
        """The first claim of another Gateway to the same thing on the same proxies.

        Proxies are the same where the selectors are equal, or where one holds the other and a pod
        of the input has all of the labels. With `wider` one selector holding the other is enough,
        and only claims with all labels of this one count.
        """
        key = self._key(key, claim)
        table = self._table.get(key, {})
        for found in table.get(claim.selector, ()):
            if _differ(found, claim):
                return found
        for labels, narrower in self._nested_of(key).get(claim.selector, ()):
            for found in table[labels]:
                if not _differ(found, claim) or (wider and not narrower):
                    continue
                if wider or self._world.index.workloads_anywhere(
                    dict(labels if narrower else claim.selector)
                ):
                    return found
        return None

    def _key(self, key: object, claim: Claim) -> object:
        return (key, claim.gateway.namespace) if self._scoped else key

    @cached_property
    def _table(self) -> Mapping[object, Mapping[Labels, list[Claim]]]:
        table: dict[object, dict[Labels, list[Claim]]] = defaultdict(lambda: defaultdict(list))
        for gateway in self._world.index.of_kind(ISTIO_GATEWAY):
            for key, claim in (*host_claims(gateway), *certificate_claims(gateway)):
                found = table[self._key(key, claim)][claim.selector]
                # Two Gateways are enough to find one that is another than the one asked about.
                if not found or (len(found) == 1 and _differ(found[0], claim)):
                    found.append(claim)
        return table

    def _nested_of(self, key: object) -> Mapping[Labels, list[tuple[Labels, bool]]]:
        """Selectors that hold one another, by what is claimed; True for the one with more."""
        known = self._nested.get(key)
        if known is None:
            known = self._nested[key] = _nested(list(self._table.get(key, {})))
        return known


def _differ(one: Claim, other: Claim) -> bool:
    first, second = one.gateway, other.gateway
    return (first.namespace, first.name) != (second.namespace, second.name)


def _nested(selectors: list[Labels]) -> Mapping[Labels, list[tuple[Labels, bool]]]:
    known = set(selectors)
    found: dict[Labels, list[tuple[Labels, bool]]] = defaultdict(list)
    if len(known) < 2:
        return found
    for labels in selectors:
        if not 1 < len(labels) <= _LONGEST_SELECTOR:
            continue
        for size in range(1, len(labels)):
            for part in combinations(sorted(labels), size):
                fewer = frozenset(part)
                if fewer in known:
                    found[labels].append((fewer, False))
                    if len(found[fewer]) < _MOST_NESTED:
                        found[fewer].append((labels, True))
    return found


def _selector(gateway: Resource) -> Labels:
    return frozenset(
        (key, value)
        for key, value in mapping(gateway.spec, "selector").items()
        if isinstance(value, str)
    )


def host_claims(gateway: Resource) -> Iterator[tuple[object, Claim]]:
    """Every host of a Gateway, by port, address and name; hosts of two namespaces differ."""
    selector = _selector(gateway)
    if not selector:
        return
    for number, server in mappings(gateway.spec, "servers"):
        port = integer(server, "port", "number")
        if port is None:
            continue
        bind = text(server, "bind")
        for at, host in enumerate(items(server, "hosts")):
            if isinstance(host, str) and host:
                path = (*gateway.path, "spec", "servers", number, "hosts", at)
                key = ("host", port, bind, _full_host(host, gateway.namespace))
                yield key, Claim(gateway, path, selector)


def _full_host(host: str, namespace: str) -> str:
    scope, slash, name = host.lower().partition("/")
    if not slash:
        scope, name = "*", host.lower()
    return f"{namespace if scope == '.' else scope}/{name}"


def certificate_claims(gateway: Resource) -> Iterator[tuple[object, Claim]]:
    """The certificate of every server of a Gateway: name of the Secret, or files."""
    selector = _selector(gateway)
    for number, server in mappings(gateway.spec, "servers"):
        tls = mapping(server, "tls")
        name, files = text(tls, "credentialName"), (text(tls, "serverCertificate"),)
        path = (*gateway.path, "spec", "servers", number, "tls")
        if name:
            yield ("secret", name), Claim(gateway, (*path, "credentialName"), selector)
        elif files[0] and text(tls, "privateKey"):
            key = ("files", *files, text(tls, "privateKey"))
            yield key, Claim(gateway, (*path, "serverCertificate"), selector)


# ------------------------------------------------------------------------------------------- routes


_KNATIVE = "networking.knative.dev/ingress-provider"


def is_routed_by_controller(gateway: Resource, index: Index) -> bool:
    """Whether a controller makes the VirtualServices of a Gateway, as that of Knative does.

    Controllers are told of the Gateway in a ConfigMap.
    """
    if _KNATIVE in gateway.labels:
        return True
    names = (f"{gateway.namespace}/{gateway.name}", f"{gateway.name}.{gateway.namespace}")
    for resource in index.of_kind("core/ConfigMap"):
        for value in mapping(resource.value, "data").values():
            if isinstance(value, str) and any(name in value for name in names):
                return True
    return False


def is_served_without_routes(server: Mapping[str, Any]) -> bool:
    """Whether a server needs no VirtualService: it redirects, or passes on by SNI alone."""
    tls = mapping(server, "tls")
    return get(tls, "httpsRedirect") is True or get(tls, "mode") == "AUTO_PASSTHROUGH"
