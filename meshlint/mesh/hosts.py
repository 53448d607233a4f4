"""The service registry: what a host means, seen from a namespace.

Sources: Istio API, VirtualService and DestinationRule (short names), ServiceEntry (`exportTo`,
wildcards); Istio `pilot/pkg/model` (`ResolveShortnameToFQDN`, look-up order of DestinationRules).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.mesh.checkable import services_known, workloads_known
from meshlint.mesh.host_names import HostTable, service_parts
from meshlint.mesh.installations.automatic import deployment_name
from meshlint.mesh.mesh_config import mesh_configs
from meshlint.mesh.policies import exports, is_exported, mesh_namespaces
from meshlint.mesh.protocols import protocol, service_protocol
from meshlint.model.names import is_ip
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource, is_placed
from meshlint.model.selectors import matches_labels
from meshlint.model.values import integer, is_templated, items, mapping, mappings, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World

SERVICE = "core/Service"
SERVICE_ENTRY = "networking.istio.io/ServiceEntry"
DESTINATION_RULE = "networking.istio.io/DestinationRule"
WORKLOAD_ENTRY = "networking.istio.io/WorkloadEntry"
WORKLOAD_GROUP = "networking.istio.io/WorkloadGroup"

_CLUSTER_SET = ".clusterset.local"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Service or ServiceEntry."""

    number: int
    name: str
    protocol: str
    """In capitals; empty where it is not declared."""

    @property
    def is_udp(self) -> bool:
        return self.protocol == "UDP"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a host stands for, seen from a namespace."""

    services: tuple[Resource, ...] = ()
    entries: tuple[Resource, ...] = ()
    """ServiceEntry objects."""
    assumed: bool = False
    """Something stands for it that is not in the input as an object: a gateway that an
    installation makes, the API server, a host of a cluster set."""

    def __bool__(self) -> bool:
        return self.assumed or bool(self.services or self.entries)

    @property
    def targets(self) -> tuple[Resource, ...]:
        """The objects, Services before ServiceEntries."""
        return (*self.services, *self.entries)


class Hosts:
    """Services, ServiceEntries and DestinationRules of the input by host. Built once a run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index
        self.cluster_domain = world.cluster_domain
        self._sees_entries: dict[str, bool] = {}
        self._default_exports: dict[str, tuple[str, ...]] = {}
        self._clients: dict[str, bool] = {}

    # ------------------------------------------------------------------------------- names

    def full_name(self, host: str, namespace: str) -> str:
        """A host in the one form that equal hosts share: a Service by its full name, lower case.

        `name.namespace` counts as a Service where that namespace is in the input or has no other
        meaning; all other hosts with dots stay as they are.
        """
        name = host.lower().removesuffix(".")
        parts = service_parts(name, namespace, self.cluster_domain)
        if parts is None:
            return name
        where, service = parts
        two_labels = name == f"{service}.{where}"
        if two_labels and where not in self.namespaces:
            return name
        return f"{service}.{where}.svc.{self.cluster_domain}"

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Namespaces that the input has a Namespace for, or something in."""
        found = {resource.namespace for resource in self._index.resources}
        return frozenset(found | {r.name for r in self._index.of_kind("core/Namespace")})

    def service_of(self, host: str, namespace: str) -> tuple[str, str] | None:
        """Namespace and name of the Service that a host names by its full name or a short one.

        None for all other hosts, and where `name.namespace` may as well be one outside.
        """
        name = self.full_name(host, namespace)
        if not name.endswith(f".svc.{self.cluster_domain}"):
            return None
        return service_parts(name, namespace, self.cluster_domain)

    # ----------------------------------------------------------------------------- meaning

    def meaning(self, host: str, namespace: str, readers: Iterable[str] = ()) -> Meaning:
        """What a host (a leftmost wildcard too) in an object of a namespace stands for.

        What is exported to none of `readers`, the namespaces whose proxies use the object, does
        not count; without any they are in the object's own namespace.
        """
        name = self.full_name(host, namespace)
        seen_from = tuple(readers) or (namespace,)
        if name.startswith("*"):
            services = self._services.below(name)
            entries = [*self._entries.below(name), *self._entries.covering(name)]
        else:
            services = iter(self._services.exact(name))
            entries = list(self._entries.covering(name))
        return Meaning(
            tuple(dict.fromkeys(s for s in services if self._is_seen(s, seen_from))),
            tuple(dict.fromkeys(e for e in entries if self._is_seen(e, seen_from))),
            self._assumed(name),
        )

    def _is_seen(self, target: Resource, namespaces: Iterable[str]) -> bool:
        return any(self.is_visible(target, namespace) for namespace in namespaces)

    def readers(self, resource: Resource, default_field: str) -> tuple[str, ...]:
        """Namespaces whose proxies use an object, by its exports or the default of the mesh.

        Empty for all of them, or none, where no namespace is more telling than its own.
        """
        listed = exports(resource) or self.default_exports(default_field)
        if "*" in listed:
            return ()
        named = (resource.namespace if name == "." else name for name in listed if name != "~")
        return tuple(dict.fromkeys(named))

    def anywhere(self, host: str, namespace: str) -> Meaning:
        """What a host stands for, exported to the namespace or not."""
        name = self.full_name(host, namespace)
        entries = self._entries.covering(name)
        return Meaning(tuple(self._services.exact(name)), tuple(dict.fromkeys(entries)))

    def is_visible(self, target: Resource, namespace: str) -> bool:
        """Whether proxies of a namespace are told of a Service or ServiceEntry."""
        return is_exported(target, namespace, self.default_exports("defaultServiceExportTo"))

    def default_exports(self, field: str) -> tuple[str, ...]:
        """`exportTo` of objects without one, by the field of MeshConfig that sets it."""
        known = self._default_exports.get(field)
        if known is None:
            known = self._default_exports[field] = self._find_default_exports(field)
        return known

    def _find_default_exports(self, field: str) -> tuple[str, ...]:
        for config in mesh_configs(self._world):
            listed = items(config.config.value(field))
            named = tuple(name for name in listed if isinstance(name, str) and name)
            if named:
                return named
        return ("*",)

    def is_missing(self, host: str, namespace: str, readers: Iterable[str] = ()) -> bool:
        """Whether a host surely stands for nothing: it would be in the input if it existed."""
        name = self.full_name(host, namespace)
        if not name or name.startswith("*") or is_ip(name) or is_templated(name):
            return False
        if self.meaning(host, namespace, readers):
            return False
        return self.is_checkable(host, namespace)

    def is_unknown(self, host: str, namespace: str) -> bool:
        """Whether nothing in the input stands for a host, wherever it would be."""
        name = self.full_name(host, namespace)
        if not name or name.startswith("*") or is_ip(name) or is_templated(host):
            return False
        return not self.meaning(host, namespace)

    def is_surely_missing(self, host: str, referrer: Resource, readers: Iterable[str] = ()) -> bool:
        """Whether what an object refers to by a host would stand beside it, and does not."""
        if not self.is_missing(host, referrer.namespace, readers):
            return False
        presence = self._world.presence
        service = self.service_of(host, referrer.namespace)
        if service is None:
            return presence.shows(SERVICE_ENTRY, referrer) or is_placed(referrer)
        if service[0] != referrer.namespace:
            return True
        return presence.shows_services(referrer) and not presence.may_exist(
            SERVICE, referrer, service[1]
        )

    def meaning_beside(self, host: str, referrer: Resource, readers: Iterable[str] = ()) -> Meaning:
        """What a host of an object stands for, of what meets it in a cluster."""
        found = self.meaning(host, referrer.namespace, readers)
        together = self._world.presence.together
        return Meaning(
            tuple(one for one in found.services if together(referrer, one)),
            tuple(one for one in found.entries if together(referrer, one)),
            found.assumed,
        )

    def is_checkable(self, host: str, namespace: str) -> bool:
        """Whether the input would hold what a host stands for."""
        name = self.full_name(host, namespace)
        parts = service_parts(name, namespace, self.cluster_domain)
        if parts is not None and (name != f"{parts[1]}.{parts[0]}"):
            if parts[1].startswith("istio") and not self._shows_istio(parts[0]):
                return False
            return services_known(self._world, parts[0]) and not self.may_be_made(*parts)
        known = self._sees_entries.get(namespace)
        if known is None:
            entries = self._index.of_kind(SERVICE_ENTRY)
            known = any(self.is_visible(entry, namespace) for entry in entries)
            self._sees_entries[namespace] = known
        return known

    def may_be_made(self, namespace: str, service: str) -> bool:
        """Whether a Service may come from what the input does not show as a manifest.

        That is an operator, a release of a chart, an installation of Istio, a kustomization that
        renames or moves it, or a manifest that names no namespace.
        """
        if self._index.named(SERVICE, namespace, service):
            return False  # it is in the input, whether or not it can be seen
        pods = self._world.pods
        if (
            pods.is_made_by_operator(namespace, service)
            or pods.is_made_by_installation(namespace, service)
            or pods.has_releases(namespace)
            or (namespace, service) in self._world.kustomizations.applied(SERVICE)
        ):
            return True
        return namespace != DEFAULT_NAMESPACE and any(
            not text(found.metadata, "namespace")
            for found in self._services_by_name.get(service, ())
            if found.namespace == DEFAULT_NAMESPACE
        )

    def _shows_istio(self, namespace: str) -> bool:
        """Whether Services of Istio itself would be in the input, as rendered manifests."""
        pods = self._index.workloads_in(namespace)
        return any(self._world.is_infrastructure(workload) for workload in pods)

    def _assumed(self, name: str) -> bool:
        return name.endswith(_CLUSTER_SET) or name in self._made

    @cached_property
    def _made(self) -> frozenset[str]:
        """Full names of Services that no manifest of the input writes out."""
        found = {("kubernetes", "default")}
        for gateway in self._world.installations.gateways:
            if gateway.form == "automatic" and gateway.resource is not None:
                name = deployment_name(self._index, gateway.resource)
                found.add((name, gateway.resource.namespace))
            elif gateway.form != "rendered":
                found.add((gateway.name, gateway.namespace))
        for plane in self._world.installations.control_planes:
            if plane.form != "rendered" and plane.istiod:
                suffix = f"-{plane.revision}" if plane.revision else ""
                found.add((f"istiod{suffix}", plane.namespace or "istio-system"))
        found.update(self._of_canaries())
        return frozenset(f"{name}.{where}.svc.{self.cluster_domain}" for name, where in found)

    def _of_canaries(self) -> Iterator[tuple[str, str]]:
        """Services that Flagger makes for Canary objects. Source: Flagger docs, how it works."""
        for canary in self._index.of_kind("flagger.app/Canary"):
            target = text(canary.spec, "targetRef", "name")
            service = text(canary.spec, "service", "name") or target
            for suffix in ("", "-canary", "-primary"):
                yield f"{service}{suffix}", canary.namespace

    def nearest(self, host: str, namespace: str) -> str | None:
        """The visible host that a wrong one was most likely meant to be, written alike."""
        from difflib import get_close_matches

        name = self.full_name(host, namespace)
        parts = service_parts(name, namespace, self.cluster_domain)
        if parts is not None and self._index.in_namespace(SERVICE, parts[0]):
            where, service = parts
            names = [s.name for s in self._index.in_namespace(SERVICE, where)]
            close = get_close_matches(service, names, 1, 0.7)
            if close:
                return host.lower().replace(service, close[0], 1)
            others = [s for s in self._services_by_name.get(service, ()) if s.namespace != where]
            if others:
                return f"{service}.{others[0].namespace}.svc.{self.cluster_domain}"
            return None
        hosts = [
            known
            for known in self._entries.hosts
            if any(self.is_visible(e, namespace) for e in self._entries.exact(known))
        ]
        close = get_close_matches(name, hosts, 1, 0.8)
        return close[0] if close else None

    @cached_property
    def _services_by_name(self) -> Mapping[str, list[Resource]]:
        table: dict[str, list[Resource]] = defaultdict(list)
        for service in self._index.of_kind(SERVICE):
            table[service.name].append(service)
        return table

    @cached_property
    def _services(self) -> HostTable[Resource]:
        domain = self.cluster_domain
        return HostTable(
            (f"{s.name}.{s.namespace}.svc.{domain}".lower(), s)
            for s in self._index.of_kind(SERVICE)
            if s.name
        )

    @cached_property
    def _entries(self) -> HostTable[Resource]:
        return HostTable(
            (self.full_name(host, entry.namespace), entry)
            for entry in self._index.of_kind(SERVICE_ENTRY)
            for host in items(entry.spec, "hosts")
            if isinstance(host, str) and host
        )

    def entry_ports(self, host: str, number: int) -> Sequence[tuple[Resource, int]]:
        """ServiceEntries for exactly this host and port, with the place in their ports."""
        return self._entry_ports.get((host, number), ())

    @cached_property
    def _entry_ports(self) -> Mapping[tuple[str, int], Sequence[tuple[Resource, int]]]:
        table: dict[tuple[str, int], list[tuple[Resource, int]]] = defaultdict(list)
        for entry in self._index.of_kind(SERVICE_ENTRY):
            hosts = {
                self.full_name(host, entry.namespace)
                for host in items(entry.spec, "hosts")
                if isinstance(host, str)
            }
            for at, port in mappings(entry.spec, "ports"):
                number = integer(port, "number")
                for host in hosts if number is not None else ():
                    table[host, number or 0].append((entry, at))
        return table

    # --------------------------------------------------------------------------- endpoints

    def ports(self, target: Resource) -> tuple[Port, ...]:
        """Ports of a Service or ServiceEntry that have a number."""
        return tuple(_ports(target))

    def ports_behind(self, meaning: Meaning) -> Sequence[Sequence[Port]]:
        """Ports of each object that a host stands for; empty where they are not known.

        A Service comes before a ServiceEntry of its name. Ports of ExternalName Services are left
        out: those of what they point to count.
        """
        if meaning.assumed:
            return ()
        targets = meaning.services or meaning.entries
        if any(text(target.spec, "type") == "ExternalName" for target in targets):
            return ()
        return [self.ports(target) for target in targets]

    def workloads(self, target: Resource) -> Sequence[Workload]:
        """Workloads of the input behind a Service or a ServiceEntry with a selector."""
        return self._index.workloads_with_labels(target.namespace, _selector(target))

    def endpoint_labels(self, target: Resource) -> Sequence[Mapping[str, Any]] | None:
        """Labels of everything behind a Service or ServiceEntry; None where that is not known."""
        selector = _selector(target)
        if target.kind == "ServiceEntry" and not selector:
            return [
                mapping(endpoint, "labels") for _, endpoint in mappings(target.spec, "endpoints")
            ]
        if not selector or not (
            workloads_known(self._world, target.namespace)
            or self._index.in_namespace(WORKLOAD_ENTRY, target.namespace)
        ):
            return None
        entries = (
            mapping(entry.spec, "labels") or entry.labels
            for entry in self._index.in_namespace(WORKLOAD_ENTRY, target.namespace)
        )
        groups = (
            mapping(group.spec, "metadata", "labels")
            for group in self._index.in_namespace(WORKLOAD_GROUP, target.namespace)
        )
        return [
            *(workload.labels for workload in self.workloads(target)),
            *(labels for labels in (*entries, *groups) if matches_labels(selector, labels)),
        ]

    # -------------------------------------------------------------------- destination rules

    def destination_rules(
        self, host: str, namespace: str, *, anywhere: bool = False
    ) -> Sequence[Resource]:
        """DestinationRules that may hold for calls from a namespace to a host, narrowest first.

        They count in the client's, the service's and the root namespace (with `anywhere` in all),
        where they are exported to the client.
        """
        name = self.full_name(host, namespace)
        default = self.default_exports("defaultDestinationRuleExportTo")
        homes = {namespace, self._world.root_namespace}
        homes |= {target.namespace for target in self.meaning(host, namespace).targets}
        parts = service_parts(name, namespace, self.cluster_domain)
        if parts is not None:
            homes.add(parts[0])
        return [
            rule
            for rule in self._rules.covering(name)
            if (anywhere or rule.namespace in homes) and is_exported(rule, namespace, default)
        ]

    def rules_on(self, name: str) -> Sequence[Resource]:
        """DestinationRules whose host is exactly this full name or wildcard."""
        return self._rules.exact(name)

    def rules_over(self, name: str) -> Iterator[Resource]:
        """DestinationRules whose host is or covers a full name or wildcard, narrowest first."""
        return self._rules.covering(name)

    @cached_property
    def _rules(self) -> HostTable[Resource]:
        return HostTable(
            (self.full_name(text(rule.spec, "host"), rule.namespace), rule)
            for rule in self._index.of_kind(DESTINATION_RULE)
            if text(rule.spec, "host")
        )

    def homes(self, host: str, namespace: str) -> frozenset[str]:
        """Namespaces that a host belongs to: of its Service, else of its ServiceEntries."""
        service = self.service_of(host, namespace)
        found = {target.namespace for target in self.anywhere(host, namespace).targets}
        if service is not None and not found:
            found.add(service[0])
        return frozenset(found)

    @cached_property
    def mesh_namespaces(self) -> frozenset[str]:
        """Namespaces with workloads of the mesh."""
        return frozenset(mesh_namespaces(self._world))

    def groups_like(self, group: Resource) -> Sequence[Resource]:
        """WorkloadGroups of the namespace whose machines get the same labels, itself included."""
        return self._groups.get(_group_key(group), ())

    @cached_property
    def _groups(self) -> Mapping[tuple[str, frozenset[str]], Sequence[Resource]]:
        table: dict[tuple[str, frozenset[str]], list[Resource]] = defaultdict(list)
        for group in self._index.of_kind(WORKLOAD_GROUP):
            table[_group_key(group)].append(group)
        return table

    def has_clients(self, namespace: str) -> bool:
        """Whether a namespace may have proxies that call others: of workloads or of gateways."""
        known = self._clients.get(namespace)
        if known is None:
            world = self._world
            known = self._clients[namespace] = any(
                world.is_infrastructure(workload)
                or world.injection(workload).answer != "no"
                or world.injection(workload).mode == "ambient"
                for workload in self._index.workloads_in(namespace)
            ) or any(gateway.namespace == namespace for gateway in world.installations.gateways)
        return known

    def has_several_endpoints(self, target: Resource) -> bool:
        """Whether there is surely more than one instance to choose from at some time."""
        if target.kind == "ServiceEntry" and not _selector(target):
            return len(items(target.spec, "endpoints")) > 1
        instances = 0
        for workload in self.workloads(target):
            if workload.kind == "DaemonSet":
                return True
            replicas = self._world.autoscaling.replica_range(workload)
            instances += (replicas.maximum or 0) if replicas is not None else 0
        return instances > 1


def _group_key(group: Resource) -> tuple[str, frozenset[str]]:
    labels = mapping(group.spec, "metadata", "labels")
    return group.namespace, frozenset(f"{key}={value}" for key, value in labels.items())


def _selector(target: Resource) -> dict[str, Any]:
    if target.kind == "ServiceEntry":
        return mapping(target.spec, "workloadSelector", "labels")
    return mapping(target.spec, "selector")


def _ports(target: Resource) -> Iterator[Port]:
    for _, port in mappings(target.spec, "ports"):
        if target.kind == "ServiceEntry":
            number = integer(port, "number")
            declared = protocol(port.get("protocol"))
        else:
            number = integer(port, "port")
            declared = service_protocol(port)
        if number is not None:
            yield Port(number, text(port, "name"), declared)
