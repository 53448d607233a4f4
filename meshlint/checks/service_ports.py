"""Ports of Services: where they lead, and which protocol proxies take them for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Related
from meshlint.mesh.enrollment import enrollment
from meshlint.mesh.injection import IGNORED_NAMESPACES
from meshlint.mesh.protocols import service_protocol
from meshlint.mesh.world import World
from meshlint.model.ports import (
    ServicePort,
    container_ports,
    is_pod_port_name,
    service_ports,
)
from meshlint.model.resources import Resource
from meshlint.model.values import get, text
from meshlint.model.workloads import Workload
from meshlint.operations import Set

_PROXY_PORTS = frozenset({15020, 15021, 15090})
_PROXY_PORT_NAMES = frozenset({"http-envoy-prom"})
# istiod takes these for TCP where nothing else is said: servers of their protocols speak first.
_WELL_KNOWN_PORTS = frozenset({25, 53, 3306, 27017})

# ------------------------------------------------------------------------------------ target ports


def target_name_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Names of ports that no selected pod has."""
    selected = _selected(subject, world)
    names = {port.name for pod in selected for port in container_ports(pod)}
    elsewhere = _PROXY_PORT_NAMES | world.kustomizations.patched_ports
    for port in service_ports(subject):
        if not selected or not isinstance(port.target, str) or port.target in names:
            continue
        if port.target in elsewhere:
            continue
        if is_pod_port_name(port.target):
            declared = sorted(name for name in names if name)
            args = {"target": port.target, "workload": _name(selected[0]), "names": declared}
            yield Hit(
                (*port.path, "targetPort"),
                args,
                _there(selected[0]),
                message="default" if declared else "unnamed",
            )


def target_undeclared(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Numbers of ports that no selected pod declares, though all declare some."""
    selected = _selected(subject, world)
    declared = [{port.number for port in container_ports(pod)} - {None} for pod in selected]
    if not selected or not all(declared) or world.pods.is_before_infrastructure(subject):
        return
    known = set().union(*declared) | _PROXY_PORTS
    for port in service_ports(subject):
        if not isinstance(port.target, int) or port.target in known:
            continue
        if port.target in world.kustomizations.patched_ports:
            continue
        numbers = sorted(number for number in known - _PROXY_PORTS if number is not None)
        args = {
            "target": port.target,
            "workload": _name(selected[0]),
            "ports": listed([str(number) for number in numbers]),
        }
        field = "port" if get(port.value, "targetPort") in (None, 0, "") else "targetPort"
        yield Hit((*port.path, field), args, _there(selected[0]))


def _selected(service: Resource, world: World) -> Sequence[Workload]:
    """Workloads behind a Service; none where the containers of one of them are not known."""
    found = [
        pod
        for pod in world.pods.of_service(service)
        if world.presence.together(service, pod.resource)
    ]
    if not all(pod.containers for pod in found):
        return ()
    return () if world.pods.gateway_of_service(service) is not None else found


def _name(workload: Workload) -> str:
    return f"{workload.kind} {workload.name}"


def _there(workload: Workload) -> tuple[Related, ...]:
    for container in workload.main_containers:
        path = (*container.path, "ports")
        return (Related(workload.resource.document, path, "the ports of the pods", on_key=True),)
    return ()


# --------------------------------------------------------------------------------------- protocols


def protocol_unknown(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """TCP ports whose protocol proxies have to guess."""
    if text(subject.spec, "type") == "ExternalName" or subject.namespace in IGNORED_NAMESPACES:
        return
    if world.pods.is_before_infrastructure(subject):
        return
    if not params["everywhere"] and not _is_in_mesh(subject, world):
        return
    for port in service_ports(subject):
        if port.protocol != "TCP" or service_protocol(port.value):
            continue
        declared = port.value.get("appProtocol")
        args = {"port": port.number, "name": port.name, "protocol": declared}
        if isinstance(declared, str) and declared:
            yield Hit((*port.path, "appProtocol"), args, message="app_protocol")
        elif port.number not in _WELL_KNOWN_PORTS:
            message = "default" if port.name else "unnamed"
            routed = args["routed"] = world.routed_protocols.of(subject, port.number)
            spoken = routed if routed in ("http", "grpc") else ""
            fix = (Set((*port.path, "appProtocol"), spoken),) if spoken else ()
            yield Hit((*port.path, "name"), args, message=message, on_key=not port.name, fix=fix)


def _is_in_mesh(service: Resource, world: World) -> bool:
    selected = world.pods.of_service(service)
    if selected:
        return any(_is_mesh_workload(pod, world) for pod in selected)
    return enrollment(world.index, world.settings, service.namespace) is not None


def _is_mesh_workload(workload: Workload, world: World) -> bool:
    injection = world.injection(workload)
    return injection.answer in ("yes", "intended") or injection.mode == "ambient"


def externalname_tcp(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ports of aliases that proxies take for plain TCP."""
    if text(subject.spec, "type") != "ExternalName":
        return
    for port in service_ports(subject):
        if port.protocol == "UDP":
            continue
        known = service_protocol(port.value) or port.number in _WELL_KNOWN_PORTS
        if port.name != "tcp" and known:
            continue
        args = {"port": port.number, "name": port.name}
        message = "default" if port.name else "unnamed"
        yield Hit((*port.path, "name"), args, message=message, on_key=not port.name)


# ----------------------------------------------------------------------- several Services for one


def protocol_clash(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """One port number of several Services of a workload, with different protocols."""
    by_number: dict[int, list[tuple[Resource, ServicePort]]] = defaultdict(list)
    for service, port in _ports_before(subject, world):
        if port.number is not None:
            by_number[port.number].append((service, port))
    for number, found in sorted(by_number.items()):
        first = found[0]
        for service, port in found[1:]:
            if service.name != first[0].name and port.protocol != first[1].protocol:
                args = {
                    "port": number,
                    "service": first[0].name,
                    "protocol": first[1].protocol,
                    "other": service.name,
                    "other_protocol": port.protocol,
                }
                related = tuple(
                    Related(one.document, at.path, f"{at.protocol} here")
                    for one, at in (first, (service, port))
                )
                yield Hit(subject.labels_path, args, related, on_key=True)
                break


def target_port_clash(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """One port of the pods that Services offer under different numbers."""
    by_target: dict[str, list[tuple[Resource, ServicePort]]] = defaultdict(list)
    for service, port in _ports_before(subject, world):
        if port.target is not None and port.number is not None and port.protocol != "UDP":
            by_target[str(port.target)].append((service, port))
    for target, found in sorted(by_target.items()):
        first = found[0]
        for service, port in found[1:]:
            if port.number == first[1].number:
                continue
            if params["same_protocol_exempt"] and _same_protocol(port, first[1]):
                continue
            args = {
                "target": target,
                "port": first[1].number,
                "service": first[0].name,
                "other_port": port.number,
                "other": service.name,
            }
            related = tuple(
                Related(one.document, at.path, f"port {at.number}")
                for one, at in (first, (service, port))
            )
            message = "default" if service.name != first[0].name else "one"
            yield Hit(subject.labels_path, args, related, message=message, on_key=True)
            break


def _same_protocol(one: ServicePort, other: ServicePort) -> bool:
    protocol = service_protocol(one.value)
    return bool(protocol) and protocol == service_protocol(other.value)


def _ports_before(workload: Workload, world: World) -> Iterator[tuple[Resource, ServicePort]]:
    """Ports of the Services that select a workload; of several definitions the first counts."""
    seen: set[str] = set()
    for service in world.index.services_of(workload):
        if not world.presence.together(service, workload.resource):
            continue
        if service.name not in seen and text(service.spec, "type") != "ExternalName":
            seen.add(service.name)
            for port in service_ports(service):
                yield service, port
