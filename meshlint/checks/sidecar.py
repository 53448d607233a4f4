"""What istiod refuses in a Sidecar, and what of one does not do what it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault
from meshlint.findings import Hit, Path, Related
from meshlint.mesh.protocols import is_http, is_tls, protocol
from meshlint.mesh.world import World
from meshlint.model.names import (
    is_dns_label,
    is_fqdn,
    is_ip,
    is_port,
    is_port_name,
    is_wildcard_host,
)
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.operations import Remove, Set

UNIX = "unix://"
_PURPOSES = ("egress", "ingress", "inboundConnectionPool", "outboundTrafficPolicy")


def is_socket_path(path: str) -> bool:
    """Whether a path may be that of a Unix socket: absolute and no folder, or abstract (`@`)."""
    return path.startswith("@") or (path.startswith("/") and not path.endswith("/"))


# -------------------------------------------------------------------------------------- the spec


def spec_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Sidecars that set nothing, or an outbound policy that contradicts itself."""
    path = (*subject.path, "spec")
    lists = any(items(subject.spec, name) for name in _PURPOSES[:2])
    if not lists and not any(isinstance(subject.spec.get(name), dict) for name in _PURPOSES[2:]):
        problem = f"The Sidecar sets none of {', '.join(_PURPOSES[:3])} and {_PURPOSES[3]}"
        yield fault(path, problem, on_key=True)
    yield from _pool((*path, "inboundConnectionPool"), subject.spec.get("inboundConnectionPool"))
    policy = mapping(subject.spec, "outboundTrafficPolicy")
    at = (*path, "outboundTrafficPolicy")
    mode = policy.get("mode", "REGISTRY_ONLY")
    if mode == "ALLOW_ANY_DYNAMIC_DNS":
        yield fault((*at, "mode"), "Mode ALLOW_ANY_DYNAMIC_DNS does not exist for Sidecars")
    proxy = policy.get("egressProxy")
    if not isinstance(proxy, dict):
        return
    if mode != "ALLOW_ANY":
        problem = f"An egressProxy needs mode ALLOW_ANY, and the mode is {mode}"
        yield fault((*at, "egressProxy"), problem, on_key=True)
        return
    if not is_fqdn(proxy.get("host")):
        problem = f"Host {_shown(proxy.get('host'))} of egressProxy is no full host name"
        yield fault((*at, "egressProxy", "host"), problem, on_key="host" not in proxy)
    port = get(proxy, "port", "number")
    if not isinstance(proxy.get("port"), dict):
        yield fault((*at, "egressProxy", "port"), "The egressProxy has no port", on_key=True)
    elif port is None or (isinstance(port, int) and not is_port(port)):
        problem = f"Port {_shown(port)} of egressProxy is outside 1 to 65535"
        yield fault((*at, "egressProxy", "port", "number"), problem, on_key=port is None)
    subset = proxy.get("subset")
    if isinstance(subset, str) and subset and not is_dns_label(subset):
        problem = f"Subset {subset} of egressProxy is no name of a subset"
        yield fault((*at, "egressProxy", "subset"), problem)


_POOL_COUNTS = {
    "http": (
        "http1MaxPendingRequests",
        "http2MaxRequests",
        "maxRequestsPerConnection",
        "maxRetries",
        "maxConcurrentStreams",
    ),
    "tcp": ("maxConnections",),
}


def _pool(path: Path, pool: Any) -> Iterator[Hit]:
    if not isinstance(pool, dict):
        return
    if not any(isinstance(pool.get(part), dict) for part in _POOL_COUNTS):
        yield fault(path, "The connection pool has neither http nor tcp settings", on_key=True)
    for part, fields in _POOL_COUNTS.items():
        for field in fields:
            number = integer(pool, part, field)
            if number is not None and number < 0:
                problem = f"Limit {field} is {number}, below 0"
                yield fault((*path, part, field), problem)
    http = mapping(pool, "http")
    if http.get("h2UpgradePolicy") == "UPGRADE" and http.get("useClientProtocol") is True:
        problem = "Setting useClientProtocol contradicts h2UpgradePolicy UPGRADE"
        yield fault((*path, "http", "useClientProtocol"), problem)


def _shown(value: Any) -> str:
    return "(none)" if value in (None, "") else str(value)


# --------------------------------------------------------------------------------------- ingress


def ingress_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Inbound listeners that istiod refuses."""
    used: dict[int, int] = {}
    for number, listener in mappings(subject.spec, "ingress"):
        path = (*subject.path, "spec", "ingress", number)
        port = listener.get("port")
        if not isinstance(port, dict):
            yield fault((*path, "port"), "The inbound listener has no port", on_key=True)
            continue
        yield from _port(path, port, required=True)
        yield from _bind(path, listener, socket=False)
        found = integer(port, "number")
        if found is not None and found in used:
            first = (*subject.path, "spec", "ingress", used[found], "port", "number")
            related = (Related(subject.document, first, "the first listener"),)
            problem = f"Port {found} has two inbound listeners"
            yield fault((*path, "port", "number"), problem, related=related)
        if found is not None:
            used.setdefault(found, number)
        yield from _endpoint((*path, "defaultEndpoint"), text(listener, "defaultEndpoint"))
        if isinstance(listener.get("tls"), dict):
            yield from _tls((*path, "tls"), listener["tls"], text(port, "protocol"))
        yield from _pool((*path, "connectionPool"), listener.get("connectionPool"))


def _port(path: Path, port: dict[str, Any], *, required: bool) -> Iterator[Hit]:
    number = integer(port, "number")
    if number is not None and not is_port(number) and (required or number != 0):
        yield fault((*path, "port", "number"), f"Port {number} is outside 1 to 65535")
    elif required and port.get("number") is None:
        yield fault((*path, "port", "number"), "The listener's port has no number", on_key=True)
    name, spoken = text(port, "name"), text(port, "protocol")
    if name and not is_port_name(name):
        problem = f"Port name {name} is no lower-case DNS label of at most 63 characters"
        yield fault((*path, "port", "name"), problem)
    if spoken and not protocol(spoken):
        yield fault((*path, "port", "protocol"), f"Protocol {spoken} is none that istiod knows")
    if integer(port, "targetPort"):
        yield fault((*path, "port", "targetPort"), "Field targetPort means nothing in a Sidecar")


def _bind(path: Path, listener: dict[str, Any], *, socket: bool) -> Iterator[Hit]:
    bind = text(listener, "bind")
    if not bind or is_ip(bind):
        return
    if socket and bind.startswith(UNIX):
        if not is_socket_path(bind.removeprefix(UNIX)):
            yield fault((*path, "bind"), f"Bind {bind} is no absolute path of a socket")
        return
    yield fault((*path, "bind"), f"Bind {bind} is no IP address")


_OWN_ADDRESSES = frozenset({"", "127.0.0.1", "0.0.0.0", "::1", "::"})  # noqa: S104


def _endpoint(path: Path, endpoint: str) -> Iterator[Hit]:
    if not endpoint:
        return
    if endpoint.startswith(UNIX):
        if not is_socket_path(endpoint.removeprefix(UNIX)):
            yield fault(path, f"Endpoint {endpoint} is no absolute path of a socket")
        return
    host, colon, port = endpoint.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        yield fault(path, f"Endpoint {endpoint} has no port")
        return
    if (host[1:-1] if bracketed else host) not in _OWN_ADDRESSES:
        problem = (
            f"Endpoint {endpoint} is not in the pod: possible are 127.0.0.1, 0.0.0.0, [::1] and "
            "[::] with a port, and unix:// with a path"
        )
        yield fault(path, problem)
    if not (port.isascii() and port.isdigit() and is_port(int(port[:6]))):
        yield fault(path, f"Endpoint {endpoint} has no port of 1 to 65535")


_NEEDED_BY_MODE = {
    "SIMPLE": ("serverCertificate", "privateKey"),
    "MUTUAL": ("serverCertificate", "privateKey", "caCertificates"),
    "OPTIONAL_MUTUAL": ("serverCertificate", "privateKey", "caCertificates"),
}


def _tls(path: Path, tls: dict[str, Any], spoken: str) -> Iterator[Hit]:
    unusable = {
        "subjectAltNames": bool(items(tls, "subjectAltNames")),
        "httpsRedirect": tls.get("httpsRedirect") is True,
        "credentialName": bool(text(tls, "credentialName")),
    }
    for field, is_set in unusable.items():
        if is_set:
            yield fault(
                (*path, field), f"TLS setting {field} does not work in a Sidecar", on_key=True
            )
    mode = tls.get("mode")
    if mode in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        yield fault((*path, "mode"), f"TLS mode {mode} does not work in a Sidecar")
    if not is_tls(protocol(spoken)):
        problem = f"The listener has TLS settings on a port of protocol {_shown(spoken)}"
        yield fault(path, f"{problem}, which is not HTTPS or TLS", on_key=True)
    if unusable["credentialName"]:
        return
    for field in _NEEDED_BY_MODE.get(str(tls.get("mode")), ()):
        if not tls.get(field):
            yield fault((*path, field), f"TLS mode {mode} has no {field}", on_key=True)


# ---------------------------------------------------------------------------------------- egress


def egress_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Outbound listeners that istiod refuses."""
    listeners = items(subject.spec, "egress")
    used: set[Any] = set()
    for number, listener in mappings(subject.spec, "egress"):
        path = (*subject.path, "spec", "egress", number)
        port = listener.get("port")
        if isinstance(port, dict):
            key = integer(port, "number") or text(listener, "bind")
            if key in used and key:
                what = f"Port {key}" if isinstance(key, int) else f"Socket {key}"
                step: Path = ("port", "number") if isinstance(key, int) else ("bind",)
                yield fault((*path, *step), f"{what} has two outbound listeners")
            used.add(key)
            yield from _egress_port(path, port, listener)
        elif number < len(listeners) - 1:
            problem = "The listener without port, which is for all other ports, is not the last"
            yield fault(path, problem)
        hosts = listener.get("hosts")
        if hosts in (None, []):
            problem = "The outbound listener names no hosts"
            yield fault((*path, "hosts"), problem, on_key=True)
        for position, host in enumerate(items(hosts)):
            problem = _host_problem(host) if isinstance(host, str) else ""
            if problem:
                yield fault((*path, "hosts", position), problem)


def _egress_port(path: Path, port: dict[str, Any], listener: dict[str, Any]) -> Iterator[Hit]:
    yield from _port(path, port, required=False)
    if integer(port, "number"):
        yield from _bind(path, listener, socket=False)
        return
    if port.get("number") not in (None, 0):
        return
    if not text(listener, "bind").startswith(UNIX):
        problem = "A port of number 0 is for a socket, and bind names none (unix://)"
        yield fault((*path, "port"), problem, on_key=True)
    else:
        yield from _bind(path, listener, socket=True)
    capture = listener.get("captureMode", "DEFAULT")
    if capture not in ("DEFAULT", "NONE"):
        problem = f"Mode {capture} of captureMode is not possible for a socket"
        yield fault((*path, "captureMode"), problem)


def _host_problem(host: str) -> str:
    """What is wrong with a host of an egress listener; empty for nothing."""
    namespace, slash, name = host.partition("/")
    if not slash:
        return f"Host {host} is not of the form namespace/host"
    if namespace not in ("*", ".", "~") and not is_dns_label(namespace):
        return f"Host {host} begins with {namespace or 'nothing'}, which is no namespace"
    if name == "*":
        return ""
    if not is_wildcard_host(name):
        return f"Host {host} ends in {name or 'nothing'}, which is no host"
    if "." not in name:
        return f"Host {host} ends in a short name, where the full name of the host is needed"
    if name.startswith("*") and not name.startswith("*."):
        return f"Host {host} has a wildcard for a part of a label"
    return ""


# ------------------------------------------------------------------------------------- warnings


def host_repeated(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts that others of the listener hold already, and pools for requests on ports of TCP."""
    spec = (*subject.path, "spec")
    for number, listener in mappings(subject.spec, "egress"):
        path = (*spec, "egress", number, "hosts")
        yield from _repeated(path, items(listener, "hosts"), subject)
    for number, listener in mappings(subject.spec, "ingress"):
        port = mapping(listener, "port")
        spoken = protocol(port.get("protocol"))
        if isinstance(get(listener, "connectionPool", "http"), dict) and not is_http(spoken):
            args = {"port": port.get("number"), "protocol": _shown(port.get("protocol"))}
            at = (*spec, "ingress", number, "connectionPool", "http")
            yield Hit(at, args, message="pool", on_key=True)


def _repeated(path: Path, hosts: list[Any], subject: Resource) -> Iterator[Hit]:
    named: dict[tuple[str, str], int] = {}
    everything: int | None = None
    for position, host in enumerate(hosts):
        if not isinstance(host, str) or "/" not in host:
            continue
        namespace, _, name = host.partition("/")
        namespace = subject.namespace if namespace == "." else namespace
        first = named.get((namespace, name), named.get((namespace, "*")))
        if name == "*" and first is None:
            first = next((at for (other, _), at in named.items() if other == namespace), None)
        if first is not None:
            related = (Related(subject.document, (*path, first), "listed here"),)
            args = {"host": host, "other": hosts[first]}
            fix = (Remove((*path, position)),) if host == hosts[first] else ()
            yield Hit((*path, position), args, related, fix=fix)
        named.setdefault((namespace, name), position)
        if (namespace, name) == ("*", "*"):
            everything = position
    if everything is not None and any(namespace != "*" for namespace, _ in named):
        yield Hit((*path, everything), message="everything")


def selector_in_root(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Sidecars of the root namespace that are for less than the mesh."""
    path = (*subject.path, "spec", "workloadSelector")
    if subject.namespace == world.root_namespace and mapping(
        subject.spec, "workloadSelector", "labels"
    ):
        yield Hit(path, {"root": world.root_namespace}, on_key=True)


def outbound_mode_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Outbound policies whose mode is left to be guessed."""
    policy = subject.spec.get("outboundTrafficPolicy")
    if isinstance(policy, dict) and policy.get("mode") is None:
        path = (*subject.path, "spec", "outboundTrafficPolicy")
        yield Hit(path, on_key=True, fix=(Set((*path, "mode"), "REGISTRY_ONLY"),))
