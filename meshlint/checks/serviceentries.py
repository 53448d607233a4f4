"""ServiceEntries: hosts, addresses, ports, and endpoints that fit the resolution.

Sources: Istio `pkg/config/validation`, ValidateServiceEntry; Istio API, ServiceEntry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.gateway_servers import UNIX, is_socket
from meshlint.findings import Hit, Path, Related
from meshlint.mesh.dns_capture import allocates_addresses
from meshlint.mesh.protocols import TCP_PROTOCOLS, TLS_PROTOCOLS, is_http, is_tls, protocol
from meshlint.mesh.world import World
from meshlint.model.names import (
    is_any_case_label,
    is_cidr,
    is_fqdn,
    is_ip,
    is_label_key,
    is_label_value,
    is_port,
    is_wildcard_host,
)
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text

_DNS = ("DNS", "DNS_ROUND_ROBIN")
_NEEDS_CONNECTION = (TCP_PROTOCOLS - {"HBONE"}) | TLS_PROTOCOLS


def _resolution(entry: Resource) -> str:
    written = entry.spec.get("resolution")
    return "NONE" if written is None else text(written)


def _resolution_words(entry: Resource) -> str:
    written = text(entry.spec, "resolution")
    return written or "NONE (the default)"


def _hosts(entry: Resource) -> list[tuple[int, str]]:
    return [
        (number, host)
        for number, host in enumerate(items(entry.spec, "hosts"))
        if isinstance(host, str) and not is_templated(host)
    ]


# ---------------------------------------------------------------------------------------- hosts


def host_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts that istiod refuses, and hosts that plain TCP cannot tell apart."""
    path = (*subject.path, "spec", "hosts")
    listed = subject.spec.get("hosts")
    if listed in (None, []):
        yield Hit(path, message="none", on_key=True)
    for number, host in _hosts(subject):
        if host == "*":
            yield Hit((*path, number), message="everything")
        elif not is_wildcard_host(host):
            message = "address" if is_ip(host) else "default"
            yield Hit((*path, number), {"host": host}, message=message)
    if _resolution(subject) == "NONE" or len(items(listed)) < 2:
        return
    for number, port in mappings(subject.spec, "ports"):
        written = port.get("protocol")
        spoken = protocol(written)
        if is_http(spoken) or is_tls(spoken):
            continue
        where = (*subject.path, "spec", "ports", number, "protocol")
        args = {
            "count": len(items(listed)),
            "protocol": f"protocol {written}" if written else "no protocol",
            "port": integer(port, "number") or "?",
            "resolution": _resolution(subject),
        }
        related = (Related(subject.document, path, "the hosts", on_key=True),)
        yield Hit(where, args, related, message="several", on_key=not written)
        return


def host_ambiguous(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Wildcards inside of a label, and hosts that share addresses."""
    path = (*subject.path, "spec", "hosts")
    for number, host in _hosts(subject):
        partial = "*" in host and host != "*" and not host.startswith("*.")
        if partial and is_wildcard_host(host):
            yield Hit((*path, number), {"host": host}, message="partial")
    addresses = items(subject.spec, "addresses")
    hosts = items(subject.spec, "hosts")
    if _resolution(subject) not in _DNS or not addresses or len(hosts) < 2:
        return
    for number, port in mappings(subject.spec, "ports"):
        spoken = protocol(port.get("protocol"))
        if spoken in _NEEDS_CONNECTION:
            where = (*subject.path, "spec", "ports", number, "protocol")
            related = (Related(subject.document, where, "matched by address"),)
            args = {
                "count": len(hosts),
                "protocol": spoken,
                "port": integer(port, "number") or "?",
                "resolution": _resolution(subject),
            }
            yield Hit(path, args, related, on_key=True)
            return


# ---------------------------------------------------------------------------- ports, addresses


def port_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ports and addresses that istiod refuses."""
    yield from _address_faults(subject)
    names: dict[str, Path] = {}
    numbers: dict[int, Path] = {}
    for at, port in mappings(subject.spec, "ports"):
        path = (*subject.path, "spec", "ports", at)
        number, name, spoken = integer(port, "number"), port.get("name"), port.get("protocol")
        yield from _number_faults((*path, "number"), port.get("number"), number)
        target = integer(port, "targetPort")
        if target is not None and target != 0 and not is_port(target):
            yield Hit((*path, "targetPort"), {"port": target}, message="target")
        if name in (None, ""):
            yield Hit((*path, "name"), message="unnamed", on_key=True)
        elif isinstance(name, str) and not is_any_case_label(name) and not is_templated(name):
            yield Hit((*path, "name"), {"name": name}, message="name")
        if isinstance(spoken, str) and spoken and not protocol(spoken) and not is_templated(spoken):
            yield Hit((*path, "protocol"), {"protocol": spoken}, message="protocol")
        if isinstance(name, str) and name in names:
            related = (Related(subject.document, names[name], "the other port"),)
            yield Hit((*path, "name"), {"name": name}, related, message="name-twice")
        if number in numbers:
            related = (Related(subject.document, numbers[number], "the other port"),)
            yield Hit((*path, "number"), {"port": number}, related, message="number-twice")
        if isinstance(name, str) and name:
            names.setdefault(name, (*path, "name"))
        if number is not None:
            numbers.setdefault(number, (*path, "number"))
    yield from _endpoint_port_faults(subject, names)


def _number_faults(path: Path, written: Any, number: int | None) -> Iterator[Hit]:
    if written is None:
        yield Hit(path, message="number-missing", on_key=True)
    elif number is not None and not is_port(number):
        yield Hit(path, {"port": number}, message="number")


def _address_faults(subject: Resource) -> Iterator[Hit]:
    resolution = _resolution(subject)
    for at, address in enumerate(items(subject.spec, "addresses")):
        path = (*subject.path, "spec", "addresses", at)
        if not isinstance(address, str) or is_templated(address):
            continue
        if not is_ip(address) and not is_cidr(address):
            yield Hit(path, {"address": address}, message="address")
        elif "/" in address and resolution in (*_DNS, "DYNAMIC_DNS"):
            yield Hit(path, {"address": address, "resolution": resolution}, message="block")


def _endpoint_port_faults(subject: Resource, names: Mapping[str, Path]) -> Iterator[Hit]:
    for at, endpoint in mappings(subject.spec, "endpoints"):
        path = (*subject.path, "spec", "endpoints", at, "ports")
        for name, number in mapping(endpoint, "ports").items():
            if name not in names:
                declared = ", ".join(names) or "no port"
                args = {"name": name, "declared": declared}
                yield Hit((*path, name), args, message="undeclared", on_key=True)
            elif integer(number) is not None and not is_port(integer(number)):
                yield Hit((*path, name), {"port": number}, message="number")


# ----------------------------------------------------------------------- resolution and endpoints


def resolution_mismatched(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Endpoints, hosts or addresses that the resolution has no use for."""
    spec = (*subject.path, "spec")
    resolution = _resolution(subject)
    endpoints = items(subject.spec, "endpoints")
    selected = subject.spec.get("workloadSelector") is not None
    args = {"resolution": _resolution_words(subject)}
    if selected and endpoints:
        yield Hit((*spec, "workloadSelector"), message="both", on_key=True)
    if resolution == "NONE":
        if endpoints:
            yield Hit((*spec, "endpoints"), args, message="endpoints", on_key=True)
        elif selected:
            yield Hit((*spec, "workloadSelector"), args, message="selector", on_key=True)
    elif resolution == "STATIC":
        yield from _endpoint_faults(subject, _static_fault)
    elif resolution in _DNS:
        if not endpoints:
            yield from _unresolvable(subject, resolution)
        yield from _endpoint_faults(subject, _dns_fault)
        if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
            yield Hit((*spec, "endpoints"), {"count": len(endpoints)}, message="one", on_key=True)
    elif resolution == "DYNAMIC_DNS":
        yield from _dynamic_faults(subject)


def _unresolvable(subject: Resource, resolution: str) -> Iterator[Hit]:
    for number, host in _hosts(subject):
        # What is no host at all is the business of another rule.
        if host != "*" and is_wildcard_host(host) and not is_fqdn(host):
            path = (*subject.path, "spec", "hosts", number)
            yield Hit(path, {"host": host, "resolution": resolution}, message="wildcard")


def _endpoint_faults(subject: Resource, fault: Any) -> Iterator[Hit]:
    for at, endpoint in mappings(subject.spec, "endpoints"):
        path = (*subject.path, "spec", "endpoints", at)
        address = endpoint.get("address")
        args = {"address": address, "resolution": _resolution(subject)}
        if isinstance(address, str) and is_templated(address):
            continue
        if address is None or isinstance(address, str):
            message = fault(subject, endpoint, address or "")
            if message:
                yield Hit((*path, "address"), args, message=message, on_key=not address)
        for key, value in mapping(endpoint, "labels").items():
            sound = is_label_key(key) and (not isinstance(value, str) or is_label_value(value))
            if not sound and not is_templated(key) and not is_templated(value):
                args = {"key": key, "value": value}
                yield Hit((*path, "labels", key), args, message="label")


def _static_fault(subject: Resource, endpoint: Mapping[str, Any], address: str) -> str:
    if not address:
        return "" if text(endpoint, "network") else "no-address"
    if not address.startswith(UNIX):
        return "" if is_ip(address) else "static"
    if not is_socket(address.removeprefix(UNIX)):
        return "socket"
    if endpoint.get("ports"):
        return "socket-ports"
    return "socket-port" if len(items(subject.spec, "ports")) != 1 else ""


def _dns_fault(subject: Resource, endpoint: Mapping[str, Any], address: str) -> str:
    if not address:
        return "no-address"
    return "" if is_ip(address) or is_fqdn(address) else "name"


_DYNAMIC_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "TLS")


def _dynamic_faults(subject: Resource) -> Iterator[Hit]:
    spec = (*subject.path, "spec")
    for number, host in _hosts(subject):
        if not host.startswith("*"):
            yield Hit((*spec, "hosts", number), {"host": host}, message="dynamic-host")
    for field in ("addresses", "endpoints"):
        if subject.spec.get(field):
            yield Hit((*spec, field), {"field": field}, message="dynamic-field", on_key=True)
    for number, port in mappings(subject.spec, "ports"):
        spoken = protocol(port.get("protocol"))
        if (spoken or not port.get("protocol")) and spoken not in _DYNAMIC_PROTOCOLS:
            args = {"protocol": spoken or "no protocol", "port": integer(port, "number") or "?"}
            path = (*spec, "ports", number, "protocol")
            yield Hit(path, args, message="dynamic-protocol", on_key=not spoken)


# ----------------------------------------------------------------------------- missing addresses


def address_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """TCP ports that are matched on every address."""
    if items(subject.spec, "addresses") or items(get(subject.value, "status"), "addresses"):
        return
    if allocates_addresses(world, subject):
        return
    for number, port in mappings(subject.spec, "ports"):
        written, opened = port.get("protocol"), integer(port, "number")
        if is_port(opened) and (written in (None, "") or text(written).upper() == "TCP"):
            args = {
                "port": opened,
                "protocol": "TCP" if written else "no protocol",
                "host": next((host for _, host in _hosts(subject)), ""),
            }
            path = (*subject.path, "spec", "ports", number, "protocol" if written else "number")
            yield Hit(path, args)
