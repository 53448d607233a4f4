"""Modes of single ports in a PeerAuthentication."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault
from meshlint.findings import Hit
from meshlint.mesh.world import World
from meshlint.model.names import is_port
from meshlint.model.resources import Resource
from meshlint.model.values import mapping


def port_level_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Modes for ports that nobody can know, or that do not exist."""
    ports = subject.spec.get("portLevelMtls")
    path = (*subject.path, "spec", "portLevelMtls")
    if not isinstance(ports, dict):
        return
    if not ports:
        yield fault(path, "Block portLevelMtls is there and names no port", on_key=True)
    elif not mapping(subject.spec, "selector", "matchLabels"):
        problem = (
            "Modes for ports stand in a policy without selector, and ports are known of selected "
            "workloads only"
        )
        yield fault(path, problem, on_key=True)
    for port in ports:
        if not is_port(_number(port)):
            yield fault((*path, port), f"Key {port} is no port of 1 to 65535", on_key=True)


def _number(key: Any) -> Any:
    # Keys of JSON objects are texts, whatever the YAML looks like.
    if isinstance(key, str) and key.isascii() and key.isdigit():
        return int(key[:6])
    return key
