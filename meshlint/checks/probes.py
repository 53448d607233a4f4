"""Probes of containers: are they there, do they reach a port, do they tell apart what they ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.roles import serves
from meshlint.mesh.serving import called_containers
from meshlint.mesh.world import World
from meshlint.model.values import get, integer, mapping, mappings
from meshlint.model.workloads import Container, Workload

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")
_HOOKS = (("lifecycle", "postStart"), ("lifecycle", "preStop"))


def readiness_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Serving pods that count as ready before they can answer.

    With `every_container` every main container of every workload has to have the probe, with
    `any_probe` another one does as well.
    """
    if not subject.main_containers:
        return
    enough = _enough("readinessProbe", params)
    if params["every_container"]:
        for container in subject.main_containers:
            if not _has(container, enough):
                yield _missing(container, "readinessProbe", "every")
        return
    if not serves(world, subject):
        return
    called = called_containers(world.index, subject)
    if not any(_has(container, enough) for container in called):
        yield _missing(called[0], "readinessProbe", "default")


def liveness_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers that the kubelet never restarts for hanging.

    With `one_container` one container of the pod with the probe is enough, with `any_probe`
    another probe does as well.
    """
    enough = _enough("livenessProbe", params)
    if params["one_container"] and any(_has(c, enough) for c in subject.main_containers):
        return
    for container in subject.main_containers:
        if not _has(container, enough):
            yield _missing(container, "livenessProbe", "default")


def _enough(probe: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    return PROBES if params["any_probe"] else (probe,)


def _has(container: Container, probes: tuple[str, ...]) -> bool:
    return any(mapping(container.value, probe) for probe in probes)


def _missing(container: Container, probe: str, message: str) -> Hit:
    args = {"container": container.name or "unnamed"}
    return Hit((*container.path, probe), args, message=message, on_key=True)


# ------------------------------------------------------------------------------------- comparing

_DEFAULTS = {"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}


def identical(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Liveness probes that ask what readiness probes ask, as often and as patiently."""
    for container in subject.main_containers:
        liveness = _completed(container.value.get("livenessProbe"))
        if liveness is not None and liveness == _completed(container.value.get("readinessProbe")):
            readiness = (*container.path, "readinessProbe")
            yield Hit(
                (*container.path, "livenessProbe"),
                {"container": container.name or "unnamed"},
                (Related(subject.resource.document, readiness, "the same probe", on_key=True),),
                on_key=True,
            )


def _completed(probe: Any) -> dict[str, Any] | None:
    """What decides about a probe, the defaults of the API included; None without a handler."""
    handler = next((name for name in _HANDLERS if mapping(probe, name)), None)
    if handler is None:
        return None
    block = dict(mapping(probe, handler))
    if handler == "httpGet":
        block = {"path": "/", "scheme": "HTTP", **block}
    elif handler == "grpc":
        block = {"service": "", **block}
    numbers = {
        name: default if probe.get(name) is None else probe[name]
        for name, default in _DEFAULTS.items()
    }
    return {"handler": handler, **block, **numbers}


# ----------------------------------------------------------------------------------------- ports


def port_name_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Probes and hooks that name a port which their container does not have."""
    for container in subject.containers:
        declared = [port.get("name") for _, port in mappings(container.value, "ports")]
        for steps, port in _ports(container, (*((probe,) for probe in PROBES), *_HOOKS)):
            if not isinstance(port, str) or port.isdigit() or port in declared:
                continue
            names = [name for name in declared if isinstance(name, str)]
            yield Hit(
                (*container.path, *steps),
                {
                    "user": steps[-3],
                    "container": container.name or "unnamed",
                    "port": port,
                    "declared": f"only {', '.join(names)}" if names else "no named port",
                },
            )


def port_undeclared(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Probes of port numbers that their container does not declare."""
    for container in subject.main_containers:
        declared = {
            integer(port, "containerPort")
            for _, port in mappings(container.value, "ports")
            if port.get("protocol") in (None, "TCP")
        }
        for steps, port in _ports(container, [(probe,) for probe in PROBES]):
            number = integer(port)
            if number is not None and number not in declared:
                yield Hit(
                    (*container.path, *steps),
                    {
                        "probe": steps[0],
                        "container": container.name or "unnamed",
                        "port": number,
                    },
                )


def _ports(container: Container, owners: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Ports that probes and hooks ask, each with the way to it from the container."""
    for owner in owners:
        for handler in ("httpGet", "tcpSocket", "grpc"):
            port = get(container.value, *owner, handler, "port")
            if port is not None:
                yield (*owner, handler, "port"), port
