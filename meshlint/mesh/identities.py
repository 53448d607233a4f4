"""Identities of the mesh: trust domains, and the accounts that pods run with.

Sources: SPIFFE identities of Istio, `<trust domain>/ns/<namespace>/sa/<account>`; Istio API,
AuthorizationPolicy (`principals`, `serviceAccounts`); MeshConfig, `trustDomain`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.mesh_config import mesh_configs
from meshlint.model.resources import Resource
from meshlint.model.values import get, is_templated, items, mapping, mappings, text
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

DEFAULT_TRUST_DOMAIN = "cluster.local"
_PRINCIPAL = regexp(r"(?P<domain>[^/]*)/ns/(?P<namespace>[^/*]+)/sa/(?P<name>[^/]+)")
_RELEASES = ("helm.toolkit.fluxcd.io/HelmRelease", "helm.cattle.io/HelmChart")


class Identities:
    """Who may call whom, as far as the input shows. Built once a run."""

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def trust_domains(self) -> frozenset[str] | None:
        """The trust domain of the mesh and its aliases; None where the input does not tell."""
        setting = self._world.settings.trust_domain
        configs = mesh_configs(self._world)
        if setting is None and (not configs or not all(found.known for found in configs)):
            return None
        found = {setting or DEFAULT_TRUST_DOMAIN, DEFAULT_TRUST_DOMAIN}
        for config in configs:
            found.add(text(config.config.value("trustDomain")))
            for alias in items(config.config.value("trustDomainAliases")):
                found.add(text(alias))
        return frozenset(found - {""})

    def exists(self, namespace: str, name: str) -> bool:
        """Whether pods may run with an account, which may end in a wildcard."""
        known = self._accounts.get(namespace, frozenset()) | self._accounts.get("", frozenset())
        if name in known or name == "default":
            return True
        if "*" in name:
            head, _, tail = name.partition("*")
            return tail != "" or any(one.startswith(head) for one in {*known, "default"})
        # Charts derive the account of a gateway from its name.
        return any(name.startswith(gateway) for gateway in self._gateways.get(namespace, ()))

    def is_checkable(self, namespace: str) -> bool:
        """Whether accounts of a namespace would be in the input."""
        index = self._world.index
        if not (
            index.workloads_in(namespace) or index.in_namespace("core/ServiceAccount", namespace)
        ):
            return False
        return namespace not in self._released

    @cached_property
    def _accounts(self) -> Mapping[str, frozenset[str]]:
        table: dict[str, set[str]] = defaultdict(set)
        index = self._world.index
        for account in index.of_kind("core/ServiceAccount"):
            table[account.namespace].add(account.name)
            # What names no namespace lands wherever somebody applies it.
            if not account.metadata.get("namespace"):
                table[""].add(account.name)
        for pod in index.workloads:
            for field in ("serviceAccountName", "serviceAccount"):
                table[pod.namespace].add(text(pod.pod_spec, field))
                if not pod.resource.metadata.get("namespace"):
                    table[""].add(text(pod.pod_spec, field))
        for entry in index.of_kind(
            "networking.istio.io/WorkloadEntry", "networking.istio.io/WorkloadGroup"
        ):
            for steps in (("serviceAccount",), ("template", "serviceAccount")):
                table[entry.namespace].add(text(entry.spec, *steps))
        return {namespace: frozenset(names - {""}) for namespace, names in table.items()}

    @cached_property
    def _gateways(self) -> Mapping[str, frozenset[str]]:
        table: dict[str, set[str]] = defaultdict(set)
        for gateway in self._world.installations.gateways:
            if gateway.form != "rendered" and gateway.name:
                table[gateway.namespace].add(gateway.name)
        return {namespace: frozenset(names) for namespace, names in table.items()}

    @cached_property
    def _released(self) -> frozenset[str]:
        """Namespaces in which charts make objects that the input does not show."""
        index = self._world.index
        found = set()
        for release in index.of_kind(*_RELEASES):
            target = text(release.spec, "targetNamespace")
            found.add(target or release.namespace)
        for application in index.of_kind("argoproj.io/Application"):
            found.add(text(application.spec, "destination", "namespace"))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity as policies name it."""

    trust_domain: str
    namespace: str
    name: str


def parse_principal(written: str) -> Principal | None:
    """The parts of a principal; None where it is no whole one."""
    found = _PRINCIPAL.fullmatch(written)
    if found is None:
        return None
    return Principal(found["domain"], found["namespace"], found["name"])


def parse_account(written: str, namespace: str) -> Principal | None:
    """A service account, `[namespace/]name`, as an identity of any trust domain."""
    home, slash, name = written.rpartition("/")
    if not name or "/" in home or "*" in written:
        return None
    return Principal("*", home if slash else namespace, name)


# ------------------------------------------------------------------------------ values in policies


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a condition of an AuthorizationPolicy."""

    field: str
    written: str
    path: Path


def source_values(
    policy: Resource, fields: tuple[str, ...], keys: tuple[str, ...]
) -> Iterator[Value]:
    """Values of fields of `from[].source`, their `not` forms, and of keys of `when`."""
    wanted = {*fields, *(f"not{field[0].upper()}{field[1:]}" for field in fields)}
    for number, rule in mappings(policy.spec, "rules"):
        path = (*policy.path, "spec", "rules", number)
        for at, entry in mappings(rule, "from"):
            source = mapping(entry, "source")
            for field in source:
                if field in wanted:
                    where = (*path, "from", at, "source", field)
                    yield from _texts(field, source[field], where)
        for at, condition in mappings(rule, "when"):
            if text(condition, "key") in keys:
                for field in ("values", "notValues"):
                    where = (*path, "when", at, field)
                    yield from _texts(text(condition, "key"), condition.get(field), where)


def operation_values(policy: Resource, fields: tuple[str, ...]) -> Iterator[Value]:
    """Values of fields of `to[].operation`."""
    for number, rule in mappings(policy.spec, "rules"):
        for at, entry in mappings(rule, "to"):
            for field in fields:
                path = (*policy.path, "spec", "rules", number, "to", at, "operation", field)
                yield from _texts(field, get(entry, "operation", field), path)


def _texts(field: str, values: Any, path: Path) -> Iterator[Value]:
    for at, value in enumerate(items(values)):
        if isinstance(value, str) and value and not is_templated(value):
            yield Value(field, value, (*path, at))


def identity_fields(policy: Resource) -> Iterator[Path]:
    """Paths of the conditions that only a caller with a certificate of the mesh can fulfil."""
    fields = ("principals", "namespaces", "serviceAccounts")
    wanted = {*fields, *(f"not{field[0].upper()}{field[1:]}" for field in fields)}
    keys = ("source.principal", "source.namespace", "source.serviceAccount", "connection.sni")
    for number, rule in mappings(policy.spec, "rules"):
        path = (*policy.path, "spec", "rules", number)
        for at, entry in mappings(rule, "from"):
            for field in mapping(entry, "source"):
                if field in wanted and items(entry, "source", field):
                    yield (*path, "from", at, "source", field)
        for at, condition in mappings(rule, "when"):
            if text(condition, "key") in keys:
                yield (*path, "when", at, "key")
