"""Objects of the Kubernetes Gateway API: listeners that collide, routes without an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path, Related
from meshlint.mesh.gateway_api import PROTOCOL_CLASSES
from meshlint.mesh.world import World
from meshlint.model.durations import seconds
from meshlint.model.resources import Resource
from meshlint.model.values import integer, items, mappings, text
from meshlint.operations import Set

# Protocol classes whose listeners have a hostname.
_WITH_HOSTNAME = ("HTTP", "TLS")


def listener_conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Listeners that nothing tells apart."""
    seen: dict[tuple[int, str, str], tuple[Path, str]] = {}
    for number, listener in mappings(subject.spec, "listeners"):
        port = integer(listener, "port")
        protocol = PROTOCOL_CLASSES.get(text(listener, "protocol"))
        written = listener.get("hostname")
        if port is None or protocol is None or not isinstance(written, str | None):
            continue
        hostname = (written or "").lower() if protocol in _WITH_HOSTNAME else ""
        path = (*subject.path, "spec", "listeners", number)
        name = text(listener, "name") or f"number {number + 1}"
        other = seen.setdefault((port, protocol, hostname), (path, name))
        if other[0] == path:
            continue
        related = (Related(subject.document, (*other[0], "name"), "the other listener"),)
        args = {
            "name": name,
            "other": other[1],
            "port": port,
            "protocol": text(listener, "protocol"),
            "host": hostname or "every host",
        }
        yield Hit((*path, "hostname" if hostname else "port"), args, related)


def timeout_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules of a route whose requests may take forever."""
    for number, rule in mappings(subject.spec, "rules"):
        if not items(rule, "backendRefs"):
            continue
        limits = {
            field: text(rule, "timeouts", field)
            for field in ("request", "backendRequest")
            if text(rule, "timeouts", field)
        }
        if any(seconds(limit) != 0 for limit in limits.values()):
            continue
        path = (*subject.path, "spec", "rules", number)
        backends = dict.fromkeys(text(ref, "name") for _, ref in mappings(rule, "backendRefs"))
        value = params["value"]
        named = ", ".join(name for name in backends if name) or "the backends"
        args = {"backends": named, "value": value}
        fix = (Set((*path, "timeouts", "request"), value),) if value else ()
        if limits:
            field, written = next(iter(limits.items()))
            args |= {"field": field, "written": written}
            yield Hit((*path, "timeouts", field), args, message="zero", fix=fix)
        else:
            yield Hit((*path, "backendRefs"), args, on_key=True, fix=fix)
