"""Definitions of ports that the API server refuses, and ports without a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.world import World
from meshlint.model.names import is_dns_label, is_port
from meshlint.model.ports import ContainerPort, container_ports, is_pod_port_name, service_ports
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, text
from meshlint.model.workloads import Workload


def definition_invalid(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Ports of a pod or a Service that break the rules of the API."""
    if isinstance(subject, Workload):
        yield from _of_containers(subject)
    else:
        yield from _of_service(subject)


def container_port_unnamed(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Ports of containers without a name."""
    containers = subject.main_containers
    for port in container_ports(subject):
        if not port.name and port.container in containers:
            args = {"port": port.value.get("containerPort"), "container": port.container.name}
            yield Hit((*port.path, "name"), args)


# ---------------------------------------------------------------------------------------- pods


def _of_containers(workload: Workload) -> Iterator[Hit]:
    document = workload.resource.document
    lasting: dict[str, ContainerPort] = {}
    own: dict[tuple[str, str], ContainerPort] = {}
    for port in container_ports(workload):
        written = port.value.get("containerPort")
        args = {"container": port.container.name, "name": port.name, "value": written}
        if written is None:
            yield Hit((*port.path, "containerPort"), args, message="number_missing")
        elif not is_port(written):
            yield Hit((*port.path, "containerPort"), args, message="number")
        if port.value.get("name") is None:
            continue
        if not is_pod_port_name(port.value["name"]):
            args["name"] = port.value["name"]
            yield Hit((*port.path, "name"), args, message="name")
            continue
        # Names are unique in a container; in the whole pod they have to mean one and the same.
        first = own.setdefault((port.container.name, port.name), port)
        other = first
        if port.container.role != "init" and first is port:
            other = lasting.setdefault(port.name, port)
            if (other.number, other.protocol) == (port.number, port.protocol):
                continue
        if other is not port:
            related = (Related(document, (*other.path, "name"), "the same name"),)
            args["other"] = other.container.name
            message = "name_repeated" if other is first else "name_ambiguous"
            yield Hit((*port.path, "name"), args, related, message=message)


# ------------------------------------------------------------------------------------ Services


def _of_service(service: Resource) -> Iterator[Hit]:
    if not service.spec:
        return
    ports = list(service_ports(service))
    if not items(service.spec, "ports"):
        if service.spec.get("clusterIP") != "None" and _type(service) != "ExternalName":
            yield Hit((*service.path, "spec", "ports"), message="ports_missing", on_key=True)
        return
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for port in ports:
        args: dict[str, object] = {"name": port.name, "value": port.value.get("port")}
        if port.value.get("port") is None:
            yield Hit((*port.path, "port"), args, message="port_missing")
        elif not is_port(port.value["port"]):
            yield Hit((*port.path, "port"), args, message="port")
        elif port.number is not None:
            args["protocol"] = port.protocol
            if (port.number, port.protocol) in numbers:
                yield Hit((*port.path, "port"), args, message="port_repeated")
            numbers.add((port.number, port.protocol))
        yield from _name_of(port.value, (*port.path, "name"), names, several=len(ports) > 1)
        target = port.value.get("targetPort")
        if target in (None, 0) or is_port(target) or is_pod_port_name(target):
            continue
        args["value"] = target
        yield Hit((*port.path, "targetPort"), args, message="target")


def _type(service: Resource) -> str:
    return text(service.spec, "type")


def _name_of(
    port: dict[str, Any], path: tuple[str | int, ...], names: set[str], *, several: bool
) -> Iterator[Hit]:
    name = get(port, "name")
    if name is None or name == "":
        if several:
            args = {"port": port.get("port")}
            yield Hit(path, args, message="service_name_missing")
    elif not is_dns_label(name):
        yield Hit(path, {"name": name}, message="service_name")
    elif name in names:
        yield Hit(path, {"name": name}, message="service_name_repeated")
    else:
        names.add(name)
