"""VirtualServices beside each other: by host, by gateway, and by the subsets they choose.

Sources: Istio API, VirtualService (`gateways`, `delegate`, `exportTo`); Istio `pilot/pkg/model`
(`resolveGatewayName`, `MergeVirtualServices`, `pickMatchingGatewayHosts`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh import routes
from meshlint.mesh.checkable import kind_known
from meshlint.mesh.host_names import HostTable
from meshlint.mesh.route_matches import covers_paths, is_same, takes_all
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

ISTIO_GATEWAY = "networking.istio.io/Gateway"
KUBERNETES_GATEWAY = "gateway.networking.k8s.io/Gateway"
GATEWAYS = (ISTIO_GATEWAY, KUBERNETES_GATEWAY)

EXPORTS_DEFAULT = "defaultVirtualServiceExportTo"
"""Field of MeshConfig with the `exportTo` of VirtualServices that have none."""

_GENERATED = "~"
"""Part of the names that istiod gives to gateways it makes of others."""


@dataclass(frozen=True, slots=True)
class GatewayName:
    """A gateway as a VirtualService names it."""

    namespace: str
    name: str

    @property
    def is_generated(self) -> bool:
        return _GENERATED in self.name


def gateway_name(written: str, namespace: str) -> GatewayName:
    """The gateway that a name in a VirtualService means.

    That is `namespace/name`, a name of the own namespace, or the old form of a full host name.
    """
    where, slash, name = written.partition("/")
    if slash:
        return GatewayName(namespace if where == "." else where, name)
    name, dot, rest = written.partition(".")
    return GatewayName(rest.partition(".")[0] if dot else namespace, name)


@dataclass(frozen=True, slots=True)
class Entry:
    """A match of a VirtualService, or a whole rule that has none."""

    service: Resource
    rule: routes.Rule
    match: routes.Match | None

    @property
    def path(self) -> Path:
        return self.match.path if self.match is not None else self.rule.path

    @property
    def takes_all(self) -> bool:
        return self.match is None or takes_all(self.match, gateways=_every(self.match))


def _every(match: routes.Match) -> list[str]:
    return [name for name in items(match.value, "gateways") if isinstance(name, str)]


@dataclass(frozen=True, slots=True)
class Clash:
    """Entries of two VirtualServices that want the same requests."""

    ours: Entry
    theirs: Entry
    takes_all: bool


class Routing:
    """The VirtualServices of the input. Built once a run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index
        self._clashes: dict[tuple[GatewayName, str], Mapping[Resource, Sequence[Clash]]] = {}
        self._served: dict[Resource, Mapping[str, HostTable[Resource]]] = {}

    @property
    def services(self) -> Sequence[Resource]:
        """Every VirtualService, in input order."""
        return self._index.of_kind(routes.VIRTUAL_SERVICE)

    def hosts(self, service: Resource) -> list[tuple[int, str]]:
        """Hosts of a VirtualService as full names, each once, with the place in the list."""
        found: dict[str, int] = {}
        for number, host in enumerate(items(service.spec, "hosts")):
            if isinstance(host, str) and host:
                found.setdefault(self._world.hosts.full_name(host, service.namespace), number)
        return [(number, host) for host, number in found.items()]

    # ------------------------------------------------------------------------------ delegates

    def delegate(self, root: Resource, block: dict[str, object]) -> tuple[str, str]:
        """Namespace and name of the VirtualService that a `delegate` block means."""
        return text(block, "namespace") or root.namespace, text(block, "name")

    @cached_property
    def _delegates(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            self.delegate(service, mapping(rule.value, "delegate"))
            for service in self.services
            for rule in routes.rules(service, "http")
            if rule.delegates
        )

    def is_delegate(self, service: Resource) -> bool:
        """Whether another VirtualService hands requests over to it."""
        return (service.namespace, service.name) in self._delegates

    # ------------------------------------------------------------------------------- by host

    @cached_property
    def _of_mesh(self) -> HostTable[Resource]:
        return HostTable(
            (host, service)
            for service in self.services
            if routes.is_bound_to_mesh(service) and not self.is_delegate(service)
            for _, host in self.hosts(service)
        )

    def of_mesh(self, host: str, *, overlapping: bool = False) -> Iterable[Resource]:
        """VirtualServices that sidecars use for exactly this host, a full name or wildcard.

        With `overlapping` also those whose wildcard covers it, or that it covers.
        """
        return self._of_mesh.overlapping(host) if overlapping else self._of_mesh.exact(host)

    def readers(self, service: Resource) -> tuple[str, ...]:
        """Namespaces that a VirtualService is exported to; empty for all."""
        return self._world.hosts.readers(service, EXPORTS_DEFAULT)

    def share_readers(self, one: Resource, other: Resource) -> bool:
        """Whether some namespace uses two VirtualServices."""
        ours, theirs = self.readers(one), self.readers(other)
        return not ours or not theirs or not set(ours).isdisjoint(theirs)

    @cached_property
    def _choosing(self) -> Mapping[str, Sequence[tuple[Resource, routes.Destination]]]:
        table: dict[str, list[tuple[Resource, routes.Destination]]] = defaultdict(list)
        for service in self.services:
            if not routes.is_bound_to_mesh(service):
                continue
            own = {host for _, host in self.hosts(service)}
            for rule in routes.rules(service):
                for found in routes.routed(rule):
                    name = self._world.hosts.full_name(found.host, service.namespace)
                    if found.subset and name in own:
                        table[name].append((service, found))
        return table

    def choosing_subsets(self, host: str) -> Sequence[tuple[Resource, routes.Destination]]:
        """Routes of the mesh that choose a subset for requests to this very host."""
        return self._choosing.get(host, ())

    # ------------------------------------------------------------------------------- subsets

    @cached_property
    def _subsets(self) -> Mapping[str, HostTable[tuple[Resource, routes.Destination]]]:
        pairs: dict[str, list[tuple[str, tuple[Resource, routes.Destination]]]]
        pairs = defaultdict(list)
        for service in self.services:
            for found in routes.destinations(service):
                if found.subset and found.host:
                    name = self._world.hosts.full_name(found.host, service.namespace)
                    pairs[found.subset].append((name, (service, found)))
        return {subset: HostTable(found) for subset, found in pairs.items()}

    def naming_subset(self, host: str, subset: str) -> tuple[Resource, routes.Destination] | None:
        """A destination that names a subset of a host, a full name or a wildcard over some."""
        table = self._subsets.get(subset)
        if table is None:
            return None
        found = table.below(host) if host.startswith("*") else iter(table.exact(host))
        return next(iter(found), None)

    @cached_property
    def _of_rollouts(self) -> frozenset[tuple[str, str, str]]:
        return frozenset(
            (rollout.namespace, text(block, "name"), text(block, field))
            for rollout in self._index.of_kind("argoproj.io/Rollout")
            for block in [
                mapping(
                    rollout.spec, "strategy", "canary", "trafficRouting", "istio", "destinationRule"
                )
            ]
            for field in ("canarySubsetName", "stableSubsetName")
        )

    def is_of_rollout(self, rule: Resource, subset: str) -> bool:
        """Whether a Rollout of Argo splits traffic by a subset of a DestinationRule."""
        return (rule.namespace, rule.name, subset) in self._of_rollouts

    # ------------------------------------------------------------------------------ gateways

    def gateways(self, found: GatewayName) -> Sequence[Resource]:
        """Gateways of Istio, else of the Gateway API, that a name means: several environments."""
        for kind in GATEWAYS:
            known = self._index.named(kind, found.namespace, found.name)
            if known:
                return known
        return ()

    def gateways_known(self, namespace: str) -> bool:
        """Whether Gateways of a namespace would be in the input."""
        return any(kind_known(self._world, kind, namespace) for kind in GATEWAYS)

    def serves(self, gateway: Resource, service: Resource) -> bool:
        """Whether a gateway has a server for some host of a VirtualService."""
        table = self._served.get(gateway)
        if table is None:
            table = self._served[gateway] = self._hosts_served(gateway)
        asked = [host.lower() for host in items(service.spec, "hosts") if isinstance(host, str)]
        asked += [host for _, host in self.hosts(service)]
        return any(
            any(True for _ in table[where].overlapping(host))
            for where in ("*", service.namespace)
            if where in table
            for host in asked
        )

    def _hosts_served(self, gateway: Resource) -> Mapping[str, HostTable[Resource]]:
        """Hosts of a gateway's servers by the namespace whose VirtualServices they take."""
        pairs: dict[str, list[tuple[str, Resource]]] = defaultdict(list)
        for where, host in served_hosts(gateway):
            pairs[where].append((host, gateway))
        return {where: HostTable(found) for where, found in pairs.items()}

    @cached_property
    def _at_gateways(self) -> Mapping[tuple[GatewayName, str], Sequence[Resource]]:
        table: dict[tuple[GatewayName, str], list[Resource]] = defaultdict(list)
        for service in self.services:
            if self.is_delegate(service):
                continue
            named = {
                gateway_name(name, service.namespace)
                for name in routes.gateways(service)
                if name != routes.MESH
            }
            for _, host in self.hosts(service):
                for name in named:
                    table[name, host].append(service)
        return table

    def shared_gateways(self, service: Resource) -> Iterator[tuple[GatewayName, str]]:
        """Gateways and hosts of a VirtualService that another one has as well."""
        for written in dict.fromkeys(routes.gateways(service)):
            name = gateway_name(written, service.namespace)
            for _, host in self.hosts(service):
                if len(self._at_gateways.get((name, host), ())) > 1:
                    yield name, host

    def at_gateway(self, name: GatewayName, host: str) -> Sequence[Resource]:
        """VirtualServices for exactly this host, a full name or wildcard, on a gateway."""
        return self._at_gateways.get((name, host), ())

    def clashes(self, name: GatewayName, host: str, service: Resource) -> Sequence[Clash]:
        """Entries of a VirtualService whose order beside those of others nobody knows.

        istiod joins the rules of one host on a gateway in the order of creation, and moves what
        takes every request to the end.
        """
        found = self._clashes.get((name, host))
        if found is None:
            entries = [
                entry for one in self.at_gateway(name, host) for entry in _entries_at(one, name)
            ]
            found = self._clashes[name, host] = _clashing(entries)
        return found.get(service, ())


def _entries_at(service: Resource, gateway: GatewayName) -> Iterator[Entry]:
    """What a VirtualService asks of HTTP requests at one of its gateways."""
    for rule in routes.rules(service, "http"):
        if not routes.has_match(rule):
            yield Entry(service, rule, None)
        for match in routes.matches(rule):
            bound = _every(match)
            if not bound or gateway in [gateway_name(one, service.namespace) for one in bound]:
                yield Entry(service, rule, match)


_FEW = 4
"""Clashes of one entry that are worth telling."""
_MANY = 64
"""Entries of one path that are compared, so that no gateway takes too long."""


def _clashing(entries: Sequence[Entry]) -> Mapping[Resource, Sequence[Clash]]:
    """Pairs of entries of different VirtualServices that take the same requests.

    Every entry looks up the prefixes of its own path, so that a thousand routes take a thousand
    look-ups.
    """
    found: dict[Resource, list[Clash]] = defaultdict(list)
    everything = [entry for entry in entries if entry.takes_all]
    for entry in everything:
        for other in _others(entry, everything):
            found[entry.service].append(Clash(entry, other, True))
    table: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    narrow = [entry for entry in entries if not entry.takes_all]
    for entry in narrow:
        table[_path_of(entry)].append(entry)
    for entry in narrow:
        kind, path = _path_of(entry)
        alike = table[kind, path]
        wider = (
            other
            for end in range(1, len(path) + 1)
            for other in table.get(("prefix", path[:end]), ())
        )
        same = (o for o in _others(entry, alike) if is_same(_match(entry), _match(o)))
        for other in islice(same, _FEW):
            found[entry.service].append(Clash(entry, other, False))
        over = (o for o in _others(entry, wider) if kind != "regex" and _is_wider(o, entry))
        for other in islice(over, _FEW):
            found[entry.service].append(Clash(entry, other, False))
            found[other.service].append(Clash(other, entry, False))
    return found


def _others(entry: Entry, entries: Iterable[Entry]) -> Iterator[Entry]:
    one = entry.service
    apart = (
        other
        for other in entries
        if (other.service.namespace, other.service.name) != (one.namespace, one.name)
    )
    return islice(apart, _MANY)


def _is_wider(one: Entry, other: Entry) -> bool:
    first, second = _match(one), _match(other)
    return covers_paths(first, second) and not is_same(first, second)


def _match(entry: Entry) -> routes.Match:
    assert entry.match is not None
    return entry.match


def _path_of(entry: Entry) -> tuple[str, str]:
    """Kind and text of the path that an entry asks for, without case where that does not count."""
    value = entry.match.value if entry.match is not None else {}
    found = routes.string_match(value.get("uri"))
    if found is None:
        return "", ""
    kind, path = found
    return (kind, path.lower()) if value.get("ignoreUriCase") is True else found


def served_hosts(gateway: Resource) -> Iterator[tuple[str, str]]:
    """Hosts of a gateway's servers, each with the namespace whose routes it takes, `*` for any."""
    if gateway.group_kind == KUBERNETES_GATEWAY:
        for _, listener in mappings(gateway.spec, "listeners"):
            yield "*", text(listener, "hostname").lower() or "*"
        return
    for _, server in mappings(gateway.spec, "servers"):
        for written in items(server, "hosts"):
            if isinstance(written, str):
                where, slash, host = written.partition("/")
                if not slash:
                    where, host = "*", written
                yield gateway.namespace if where == "." else where, host.lower()
