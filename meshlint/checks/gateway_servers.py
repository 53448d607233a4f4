"""Servers of a Gateway of Istio: hosts, ports, and which proxies open them.

Source: Istio `pkg/config/validation`, ValidateGateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path, Related
from meshlint.mesh.exposure import gateway_classes
from meshlint.mesh.protocols import protocol
from meshlint.mesh.world import World
from meshlint.model.names import is_any_case_label, is_ip, is_port, is_wildcard_host
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text

UNIX = "unix://"
"""What addresses of sockets begin with."""


def server_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers that istiod refuses, and with them the whole Gateway."""
    servers = (*subject.path, "spec", "servers")
    if subject.spec.get("servers") in (None, []):
        yield Hit(servers, message="none", on_key=True)
    first: dict[str, Path] = {}
    for number, server in mappings(subject.spec, "servers"):
        path = (*servers, number)
        yield from _host_faults(path, server, number)
        yield from _port_faults(path, server, number)
        yield from _bind_faults(path, server)
        name = text(server, "port", "name")
        where = (*path, "port", "name")
        if name and name in first:
            related = (Related(subject.document, first[name], "the other port"),)
            yield Hit(where, {"name": name}, related, message="port-name-twice")
        first.setdefault(name, where)


def _host_faults(path: Path, server: Mapping[str, Any], number: int) -> Iterator[Hit]:
    if server.get("hosts") in (None, []):
        yield Hit((*path, "hosts"), {"number": number + 1}, message="hosts", on_key=True)
    for at, host in enumerate(items(server, "hosts")):
        if isinstance(host, str) and not is_templated(host):
            fault = host_fault(host)
            if fault:
                yield Hit((*path, "hosts", at), {"host": host}, message=fault)


def host_fault(host: str) -> str:
    """Why a host of a Gateway is refused, by name of the message; empty where it is not."""
    namespace, slash, name = host.partition("/")
    if not slash:
        namespace, name = "*", host
    if namespace not in ("*", ".") and not is_any_case_label(namespace):
        return "namespace"
    if name == "*":
        return ""
    if "*" in name and not name.startswith("*."):
        return "partial"
    if not is_wildcard_host(name) and not is_ip(name):
        return "host"
    return "" if "." in name else "short"


def _port_faults(path: Path, server: Mapping[str, Any], number: int) -> Iterator[Hit]:
    port = server.get("port")
    if port is None:
        yield Hit((*path, "port"), {"number": number + 1}, message="port", on_key=True)
    if not isinstance(port, dict):
        return
    where = (*path, "port")
    opened = integer(port, "number")
    on_socket = text(server, "bind").startswith(UNIX)
    if port.get("number") is None or opened == 0:
        if not on_socket:
            yield Hit((*where, "number"), message="number", on_key=True)
    elif on_socket and opened is not None:
        yield Hit((*where, "number"), {"port": opened}, message="number-socket")
    elif opened is not None and not is_port(opened):
        yield Hit((*where, "number"), {"port": opened}, message="number-range")
    if port.get("name") in (None, ""):
        yield Hit((*where, "name"), message="port-name", on_key=True)
    spoken = port.get("protocol")
    if spoken in (None, ""):
        yield Hit((*where, "protocol"), message="protocol", on_key=True)
    elif isinstance(spoken, str) and not protocol(spoken) and not is_templated(spoken):
        yield Hit((*where, "protocol"), {"protocol": spoken}, message="protocol-unknown")
    if (integer(port, "targetPort") or 0) > 0:
        yield Hit((*where, "targetPort"), message="target-port", on_key=True)


def _bind_faults(path: Path, server: Mapping[str, Any]) -> Iterator[Hit]:
    bind = text(server, "bind")
    socket = bind.removeprefix(UNIX)
    sound = is_socket(socket) if socket != bind else is_ip(bind)
    if bind and not sound and not is_templated(bind):
        yield Hit((*path, "bind"), {"bind": bind}, message="bind")


def is_socket(path: str) -> bool:
    """Whether a path of a Unix domain socket is absolute, or abstract (`@name`)."""
    return path.startswith("@") or (path.startswith("/") and not path.endswith("/"))


def selector_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways that no proxy in particular opens."""
    if subject.spec.get("selector") in (None, {}) and items(subject.spec, "servers"):
        ports = [get(server, "port", "number") for _, server in mappings(subject.spec, "servers")]
        numbers = dict.fromkeys(str(port) for port in ports if port is not None)
        args = {"ports": ", ".join(numbers) or "none"}
        yield Hit((*subject.path, "spec", "selector"), args, on_key=True)


_PASSED_ON = ("PASSTHROUGH", "AUTO_PASSTHROUGH")


def host_wildcard(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers on which anybody may claim any host."""
    if gateway_classes(world, subject) <= {"egress"}:
        return
    for number, server in mappings(subject.spec, "servers"):
        tls = mapping(server, "tls")
        if tls.get("httpsRedirect") is True or tls.get("mode") in _PASSED_ON:
            continue  # nothing of a route is served here
        if tls and tls.get("mode") is None:
            continue  # PASSTHROUGH is the default
        for at, host in enumerate(items(server, "hosts")):
            if host in ("*", "*/*", "./*"):
                path = (*subject.path, "spec", "servers", number, "hosts", at)
                args = {
                    "host": host,
                    "port": get(server, "port", "number"),
                    "namespace": subject.namespace,
                }
                yield Hit(path, args, message="own" if host == "./*" else "default")
