"""Ports of Services and containers.

Source: Kubernetes API, ServicePort and ContainerPort; `IsValidPortName` of apimachinery.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.resources import Resource
from meshlint.model.values import integer, mappings, text
from meshlint.model.workloads import Container, Workload
from meshlint.patterns import regexp

LONGEST_PORT_NAME = 15

_PORT_NAME = regexp(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")


def is_pod_port_name(value: Any) -> bool:
    """Whether a name may stand for a port of a container: RFC 6335, at most 15 characters."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_PORT_NAME
        and bool(_PORT_NAME.fullmatch(value))
    )


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service; fields that are no text or number count as absent."""

    value: dict[str, Any]
    path: Path
    name: str
    number: int | None
    protocol: str
    """In capitals; TCP where none is written."""
    target: int | str | None
    """Port of the pods by number or name: that of the Service where none is written."""


def service_ports(service: Resource) -> Iterator[ServicePort]:
    """Ports of a Service, in order."""
    for index, value in mappings(service.spec, "ports"):
        number = integer(value, "port")
        written = value.get("targetPort")
        target = written if isinstance(written, str) and written else integer(written)
        yield ServicePort(
            value=value,
            path=(*service.path, "spec", "ports", index),
            name=text(value, "name"),
            number=number,
            protocol=(text(value, "protocol") or "TCP").upper(),
            target=target or number,
        )


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a container declares."""

    container: Container
    value: dict[str, Any]
    path: Path
    name: str
    number: int | None
    protocol: str
    """In capitals; TCP where none is written."""


def container_ports(workload: Workload) -> Iterator[ContainerPort]:
    """Ports that the containers of a workload declare, the proxy's included."""
    for container in workload.containers:
        for index, value in mappings(container.value, "ports"):
            yield ContainerPort(
                container=container,
                value=value,
                path=(*container.path, "ports", index),
                name=text(value, "name"),
                number=integer(value, "containerPort"),
                protocol=(text(value, "protocol") or "TCP").upper(),
            )
