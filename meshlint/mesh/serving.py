"""Which containers of a workload other pods call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text
from meshlint.model.workloads import Container, Workload

INGRESS_KINDS = ("networking.k8s.io/Ingress", "extensions/Ingress")


def called_containers(index: Index, workload: Workload) -> Sequence[Container]:
    """Main containers that declare a port which a selecting Service uses; all where none does."""
    targets = {
        target for service in index.services_of(workload) for target in _target_ports(service)
    }
    called = [
        container
        for container in workload.main_containers
        if any(
            text(port, "name") in targets or integer(port, "containerPort") in targets
            for _, port in mappings(container.value, "ports")
        )
    ]
    return called or workload.main_containers


def _target_ports(service: Resource) -> Iterator[str | int]:
    """Ports of the pods, by number or name."""
    for _, port in mappings(service.spec, "ports"):
        target = port.get("targetPort")
        number = integer(port, "port") if target is None else integer(target)
        if number is not None:
            yield number
        elif isinstance(target, str):
            yield target


def services_behind_ingress(index: Index, workload: Workload) -> Sequence[Resource]:
    """Services of a workload that an Ingress of the namespace sends requests to."""
    named = {
        name
        for kind in INGRESS_KINDS
        for ingress in index.in_namespace(kind, workload.namespace)
        for name in _backends(ingress)
    }
    return [service for service in index.services_of(workload) if service.name in named]


def _backends(ingress: Resource) -> Iterator[str]:
    backends = [mapping(ingress.spec, "defaultBackend"), mapping(ingress.spec, "backend")]
    for _, rule in mappings(ingress.spec, "rules"):
        backends += [mapping(path, "backend") for _, path in mappings(rule, "http", "paths")]
    for backend in backends:
        yield text(backend, "service", "name") or text(get(backend, "serviceName"))
