"""Objects of the Gateway API that refer to what is not there, or want what another one has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh import gateway_api as api
from meshlint.mesh.annotations import edit_distance
from meshlint.mesh.checkable import kind_known, namespaces_known, services_known
from meshlint.mesh.gateway_api import Reference
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.reference_grants import is_granted
from meshlint.mesh.world import World
from meshlint.model.names import is_dns_name
from meshlint.model.resources import Resource, is_placed
from meshlint.model.values import is_templated, items, mappings, text

# ---------------------------------------------------------------------------------------- Gateways


def gateway_conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Listeners that another Gateway on the same address has, too."""
    told = set()
    shared = [(kind, value) for kind, value, _ in api.addresses(subject)]
    if params["any_address"]:
        shared = [api.ANY_ADDRESS]
    for kind, value in shared:
        for socket, path in api.sockets(subject):
            key = api.socket_key(subject, (kind, value), socket)
            found = api.other(world.gateway_sharing.by_socket, key, subject)
            if found is None or path in told:
                continue
            told.add(path)
            rival, where = found
            port, _, hostname = socket
            args = {
                "other": str(rival.ref),
                "port": port,
                "host": hostname or "every host",
                "address": value,
            }
            related = (Related(rival.document, (*where, "port"), "the other listener"),)
            yield Hit((*path, "port"), args, related)


def address_conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Addresses that another Gateway asks for, too."""
    for kind, value, path in api.addresses(subject):
        if kind == "Hostname" and _is_service(world, value, subject.namespace):
            continue  # that of gateways which are deployed by hand
        found = api.other(world.gateway_sharing.by_address, (kind, value), subject)
        if found is not None:
            related = (Related(found[0].document, found[1], "the same address"),)
            yield Hit(path, {"address": value, "other": str(found[0].ref)}, related)


def _is_service(world: World, host: str, namespace: str) -> bool:
    if "." not in host or host.endswith((".svc", f".svc.{world.cluster_domain}")):
        return True
    parts = service_parts(host, namespace, world.cluster_domain)
    return parts is not None and world.hosts.service_of(host, namespace) is not None


ISTIO_CLASSES = (
    "istio",
    "istio-remote",
    "istio-waypoint",
    "istio-east-west",
    "istio-agentgateway",
    "istio-agentgateway-waypoint",
)
_CLOUD_CLASSES = ("gke-", "azure-", "amazon-", "aws-")
_CLOSE = 2


def class_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways of a class that nobody implements."""
    name = text(subject.spec, "gatewayClassName")
    if not is_dns_name(name) or name in ISTIO_CLASSES:
        return
    classes = world.index.of_kind(api.GATEWAY_CLASS)
    declared = [found.name for found in classes]
    if name in declared or not all(is_dns_name(other) for other in declared):
        return
    close = next((c for c in ISTIO_CLASSES if edit_distance(name, c, _CLOSE) <= _CLOSE), None)
    if close is None and (not classes or name.startswith(_CLOUD_CLASSES)):
        return
    path = (*subject.path, "spec", "gatewayClassName")
    yield Hit(path, {"name": name, "close": close}, message="close" if close else "default")


# ------------------------------------------------------------------------------------------ routes


def parent_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Routes that no listener takes."""
    if not items(subject.spec, "parentRefs"):
        where = (*subject.path, "spec", "parentRefs")
        yield Hit(where, {"route": str(subject.ref)}, message="none", on_key=True)
    for parent in api.parents(subject):
        if (parent.group, parent.kind) != (api.GROUP, "Gateway") or is_templated(parent.name):
            continue
        args: dict[str, object] = {
            "name": parent.name,
            "namespace": parent.namespace,
            "own": subject.namespace,
        }
        gateways = world.index.named(api.GATEWAY, parent.namespace, parent.name)
        if not gateways:
            if _is_no_gateway(world, subject, parent, everywhere=params["everywhere"]):
                yield Hit((*parent.path, "name"), args)
            continue
        refusals = [api.refusal(world, subject, parent, gateway) for gateway in gateways]
        why, gateway = refusals[0], gateways[0]
        if all(refusals):
            field = {"section": "sectionName", "port": "port"}.get(why, "name")
            args |= {"section": parent.section, "port": parent.port or "", "kind": subject.kind}
            where = (*gateway.path, "spec", "listeners")
            related = (Related(gateway.document, where, "its listeners", True),)
            yield Hit((*parent.path, field), args, related, message=why)


def _is_no_gateway(world: World, route: Resource, parent: Reference, *, everywhere: bool) -> bool:
    """Whether a Gateway would be in the input if it existed, and is not."""
    known = kind_known(world, api.GATEWAY, parent.namespace)
    if parent.namespace == route.namespace:
        known = world.presence.shows(api.GATEWAY, route, near=True)
    if not parent.name or not (known or everywhere):
        return False
    return not world.index.may_hold(api.GATEWAY, parent.namespace, parent.name)


def backend_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Routes to what is not there, or what they may not use."""
    for parent in api.parents(subject):
        if (parent.group, parent.kind) == ("", "Service") and _is_missing(world, subject, parent):
            args = {"name": parent.name, "namespace": parent.namespace}
            yield Hit((*parent.path, "name"), args, message="parent")
    for backend in api.backends(subject):
        if not backend.name or is_templated(backend.name):
            continue
        if (backend.group, backend.kind) == ("", "Service"):
            yield from _service_faults(subject, world, backend)
        elif _is_missing_host(subject, world, backend):
            yield Hit((*backend.path, "name"), {"name": backend.name}, message="host")


def _is_missing_host(subject: Resource, world: World, backend: Reference) -> bool:
    if (backend.group, backend.kind) != ("networking.istio.io", "Hostname"):
        return False
    return world.hosts.is_missing(backend.name, subject.namespace)


def _service_faults(subject: Resource, world: World, backend: Reference) -> Iterator[Hit]:
    args: dict[str, object] = {
        "name": backend.name,
        "namespace": backend.namespace,
        "own": subject.namespace,
        "kind": subject.kind,
    }
    if "." in backend.name:
        yield Hit((*backend.path, "name"), args, message="dot")
        return
    if _is_missing(world, subject, backend):
        message = "mirror" if "requestMirror" in backend.path else "default"
        yield Hit((*backend.path, "name"), args, message=message)
        return
    if not _may_use(subject, world, backend):
        yield Hit((*backend.path, "namespace"), args, message="grant")
        return
    services = world.index.named("core/Service", backend.namespace, backend.name)
    if not services or backend.port is None:
        return
    service = services[-1]
    ports = [port for found in services for port in api.backend_ports(found)]
    if ports and backend.port not in ports:
        args |= {"port": backend.port, "ports": ", ".join(map(str, ports[:5]))}
        where = (*service.path, "spec", "ports")
        related = (Related(service.document, where, "the ports it has", True),)
        yield Hit((*backend.path, "port"), args, related, message="port")


def _may_use(route: Resource, world: World, backend: Reference) -> bool:
    """Whether a route may use a Service; also where grants of that namespace are not known."""
    namespace = backend.namespace
    if namespace == route.namespace or not services_known(world, namespace):
        return True
    return is_granted(world, route, namespace, ("", "Service", backend.name))


def _is_missing(world: World, route: Resource, reference: Reference) -> bool:
    if not reference.name or is_templated(reference.name) or is_templated(reference.namespace):
        return False
    host = f"{reference.name}.{reference.namespace}.svc.{world.cluster_domain}"
    if not is_placed(route) and reference.namespace == route.namespace:
        return world.hosts.is_surely_missing(host, route)
    return world.hosts.is_missing(host, reference.namespace)


# ------------------------------------------------------------------------------------------ grants


def grant_namespace_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Grants to a namespace that is not there."""
    if not namespaces_known(world, subject.namespace):
        return
    for number, entry in mappings(subject.spec, "from"):
        name = text(entry, "namespace")
        if name and not is_templated(name) and name not in world.namespaces:
            path = (*subject.path, "spec", "from", number, "namespace")
            yield Hit(path, {"namespace": name, "grant": str(subject.ref)})
