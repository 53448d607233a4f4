"""What the service registry is told of: ServiceEntries, exports, Sidecars, virtual machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path, Related
from meshlint.mesh.checkable import kind_known, namespaces_known, services_known
from meshlint.mesh.hosts import SERVICE_ENTRY
from meshlint.mesh.mesh_config import mesh_configs
from meshlint.mesh.policies import EXPORT_TO, exports
from meshlint.mesh.selection import selector
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import integer, is_templated, items, mapping, mappings, text

_SERVICE_DEFAULT = "defaultServiceExportTo"
_DEFAULTS = {
    "VirtualService": "defaultVirtualServiceExportTo",
    "DestinationRule": "defaultDestinationRuleExportTo",
    "ServiceEntry": _SERVICE_DEFAULT,
}

# ---------------------------------------------------------------------------------- ServiceEntries


def port_repeated(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ports of hosts that another ServiceEntry declares too, with the same protocol or another."""
    if selector(subject) is not None:
        return
    hosts = [host for host in items(subject.spec, "hosts") if isinstance(host, str) and host]
    for at, port in mappings(subject.spec, "ports"):
        number = integer(port, "number")
        for host in hosts if number is not None else ():
            name = world.hosts.full_name(host, subject.namespace)
            found = _other_entry(subject, at, world.hosts.entry_ports(name, number or 0), world)
            if found is None or (found[2] == _protocol(port)) != params["same"]:
                continue
            other, place, protocol = found
            args = {
                "host": host,
                "port": number,
                "protocol": _protocol(port),
                "theirs": protocol,
                "other": f"{other.namespace}/{other.name}",
            }
            steps: Path = ("spec", "ports", place, "protocol")
            there = Related(other.document, (*other.path, *steps), "declared here too")
            field = "number" if params["same"] else "protocol"
            yield Hit((*subject.path, "spec", "ports", at, field), args, (there,))
            break


def _protocol(port: dict[str, Any]) -> str:
    return text(port, "protocol").upper()


def _other_entry(
    subject: Resource, at: int, declared: Any, world: World
) -> tuple[Resource, int, str] | None:
    """Another ServiceEntry that some namespace sees beside this one; one that differs first."""
    own = _protocol(items(subject.spec, "ports")[at])
    ours = world.hosts.readers(subject, _SERVICE_DEFAULT)
    alike = None
    for other, place in declared:
        if (other.namespace, other.name) == (subject.namespace, subject.name):
            continue
        if selector(other) is not None or not world.presence.surely_together(subject, other):
            continue
        theirs = world.hosts.readers(other, _SERVICE_DEFAULT)
        if ours and theirs and set(ours).isdisjoint(theirs):
            continue
        protocol = _protocol(items(other.spec, "ports")[place])
        if protocol != own:
            return other, place, protocol
        alike = alike or (other, place, protocol)
    return alike


# ----------------------------------------------------------------------------------------- exports


def export_namespace_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Exports to namespaces that do not exist."""
    if not namespaces_known(world, subject.namespace):
        return
    always = {".", "*", "~", "default", "kube-system", world.root_namespace}
    for number, name in enumerate(exports(subject) or ()):
        if name in always or name in world.hosts.namespaces or is_templated(name):
            continue
        path: Path = (*subject.path, "spec", "exportTo", _place(subject, number))
        if subject.kind == "Service":
            path = (*subject.path, "metadata", "annotations", EXPORT_TO)
        yield Hit(path, {"namespace": name})


def _place(subject: Resource, number: int) -> int:
    """Where in `exportTo` the export stands: what is no name is not counted."""
    listed = items(subject.spec, "exportTo")
    named = [at for at, name in enumerate(listed) if isinstance(name, str) and name]
    return named[number] if number < len(named) else 0


def export_unrestricted(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Objects that every proxy of a large mesh is told of."""
    field = _DEFAULTS[subject.kind]
    if "*" not in (exports(subject) or ("*",)) or world.hosts.default_exports(field) != ("*",):
        return
    if any(not config.known for config in mesh_configs(world)):
        return
    count = len(world.hosts.mesh_namespaces)
    if count >= params["min_namespaces"]:
        args = {"count": count, "field": field}
        yield Hit((*subject.path, "spec", "exportTo"), args, on_key=True)


# ---------------------------------------------------------------------------------------- Sidecars


def sidecar_host_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Hosts of a Sidecar that nothing in their namespace has."""
    for number, listener in mappings(subject.spec, "egress"):
        for at, written in enumerate(items(listener, "hosts")):
            if not isinstance(written, str) or is_templated(written):
                continue
            where, slash, host = written.partition("/")
            if not slash or not host or "*" in host or where == "~":
                continue
            namespace = subject.namespace if where == "." else where
            if _is_absent(host, namespace, subject, world):
                path = (*subject.path, "spec", "egress", number, "hosts", at)
                message = "anywhere" if namespace == "*" else "default"
                yield Hit(path, {"host": host, "namespace": namespace}, message=message)


def _is_absent(host: str, namespace: str, subject: Resource, world: World) -> bool:
    hosts = world.hosts
    if namespace == "*":
        return hosts.is_missing(host, subject.namespace)
    found = hosts.meaning(host, namespace, (subject.namespace,))
    if found.assumed or any(target.namespace == namespace for target in found.targets):
        return False
    service = hosts.service_of(host, namespace)
    if service is None:
        return kind_known(world, SERVICE_ENTRY, namespace)
    if service[0] == namespace:
        return hosts.is_missing(host, namespace, (subject.namespace,))
    return services_known(world, namespace) and not hosts.may_be_made(*service)


# -------------------------------------------------------------------------------- virtual machines


def group_duplicate(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """WorkloadGroups whose machines cannot be told apart."""
    if not mapping(subject.spec, "metadata", "labels"):
        return
    for other in world.hosts.groups_like(subject):
        if other.name != subject.name and world.presence.surely_together(subject, other):
            steps = ("spec", "metadata", "labels")
            there = Related(other.document, (*other.path, *steps), "the same labels", True)
            yield Hit((*subject.path, *steps), {"other": other.name}, (there,), on_key=True)
            return


def group_account_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """WorkloadGroups with a ServiceAccount that does not exist."""
    name = text(subject.spec, "template", "serviceAccount")
    kind, namespace, index = "core/ServiceAccount", subject.namespace, world.index
    if not name or name == "default" or is_templated(name):
        return
    if not world.presence.shows(kind, subject) or index.named(kind, namespace, name):
        return
    if world.presence.may_exist(kind, subject, name):
        return
    pods = index.workloads_in(namespace)
    if not any(text(pod.pod_spec, "serviceAccountName") == name for pod in pods):
        path = (*subject.path, "spec", "template", "serviceAccount")
        yield Hit(path, {"account": name, "namespace": namespace})
