"""DestinationRules: the host, its subsets, and policies that say nothing or too much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import set_at
from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh.traffic_policies import TrafficPolicy, traffic_policies
from meshlint.mesh.world import World
from meshlint.model.names import (
    is_any_case_label,
    is_fqdn,
    is_ip,
    is_label_key,
    is_label_value,
    is_port,
    is_wildcard_host,
)
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, mapping, mappings, text

# ---------------------------------------------------------------------------- host and subsets


def host_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A host that nothing can have."""
    host = subject.spec.get("host")
    path = (*subject.path, "spec", "host")
    if host is None or host == "":
        yield Hit(path, message="missing", on_key=host is None)
    elif isinstance(host, str) and not is_wildcard_host(host) and not is_templated(host):
        yield Hit(path, {"host": host}, message="address" if is_ip(host) else "default")


def subset_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Subsets that no route can name, or whose labels no pod can have."""
    seen: set[str] = set()
    for number, subset in mappings(subject.spec, "subsets"):
        path = (*subject.path, "spec", "subsets", number)
        name = subset.get("name")
        if name is None or name == "":
            yield Hit((*path, "name"), {"number": number + 1}, message="unnamed", on_key=True)
        elif isinstance(name, str):
            if not is_any_case_label(name) and not is_templated(name):
                yield Hit((*path, "name"), {"name": name})
            elif name in seen:
                yield Hit((*path, "name"), {"name": name}, message="twice")
            seen.add(name)
        for key, value in mapping(subset, "labels").items():
            where = (*path, "labels", key)
            if not is_label_key(key) and not is_templated(key):
                yield Hit(where, {"key": key, "name": name}, message="key", on_key=True)
            elif isinstance(value, str) and not is_label_value(value) and not is_templated(value):
                yield Hit(where, {"key": key, "value": value, "name": name}, message="value")


def subset_unlabelled(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Subsets that are all pods of the host."""
    for number, subset in mappings(subject.spec, "subsets"):
        labels = subset.get("labels")
        if labels or get(subset, "trafficPolicy", "loadBalancer") is not None:
            continue
        path = (*subject.path, "spec", "subsets", number)
        name = text(subset, "name") or f"number {number + 1}"
        args = {"name": name, "host": text(subject.spec, "host")}
        yield Hit((*path, "labels" if labels is not None else "name"), args)


# ------------------------------------------------------------------------------------- policies


def policy_empty(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Blocks of a policy that hold nothing."""
    for policy in traffic_policies(subject):
        if policy.of_port:
            yield from _port_policy_empty(policy)
        elif not any(_holds(value) for value in policy.value.values()):
            yield at(policy.place, {"scope": policy.scope}, on_key=True)
        pool = policy.block("connectionPool")
        if pool is not None and not any(value is not None for value in pool[1].values()):
            yield at(pool[0], {"scope": policy.scope}, message="pool", on_key=True)


def _port_policy_empty(policy: TrafficPolicy) -> Iterator[Hit]:
    if integer(policy.value, "port", "number") in (None, 0) and not _odd(policy.value.get("port")):
        yield at(policy.place.below("port"), {}, message="port", on_key=True)
    if not any(_holds(value) for key, value in policy.value.items() if key != "port"):
        args = {"scope": policy.scope}
        yield at(policy.place.below("port"), args, message="port-empty", on_key=True)


def _holds(value: Any) -> bool:
    # An empty list is no list to protobuf, while an empty message is one.
    return value is not None and value != []


def _odd(port: Any) -> bool:
    """Whether something other than a missing number is wrong with a port."""
    return (port is not None and not isinstance(port, dict)) or get(port, "number") not in (None, 0)


def tunnel_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Tunnels that lead nowhere."""
    for policy in traffic_policies(subject):
        tunnel = None if policy.of_port else policy.block("tunnel")
        if tunnel is None:
            continue
        place, value = tunnel
        if policy.value.get("proxyProtocol") is not None:
            yield at(place, {"scope": policy.scope}, message="proxy-protocol", on_key=True)
        protocol, host, port = (
            value.get(field) for field in ("protocol", "targetHost", "targetPort")
        )
        if isinstance(protocol, str) and protocol not in ("", "CONNECT", "POST"):
            yield at(place.below("protocol"), {"protocol": protocol}, message="protocol")
        if host in (None, ""):
            yield at(place.below("targetHost"), {}, message="host-missing", on_key=True)
        elif isinstance(host, str) and not (is_fqdn(host) or is_ip(host) or is_templated(host)):
            yield at(place.below("targetHost"), {"host": host}, message="host")
        number = integer(port)
        if port is None:
            yield at(place.below("targetPort"), {}, message="port-missing", on_key=True)
        elif number is not None and not is_port(number):
            yield at(place.below("targetPort"), {"port": number}, message="port")


# ------------------------------------------------------------------------- values that do harm


def ejection_unbounded(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Outlier detection that may take most pods of a host out at once."""
    for policy in traffic_policies(subject):
        outlier = policy.block("outlierDetection")
        if outlier is None:
            continue
        place, value = outlier
        percent = integer(value, "maxEjectionPercent")
        # What is above 100 is no percentage, and refused as such.
        if percent is None or not params["max"] < percent <= 100 or value.get("minHealthPercent"):
            continue
        args = {
            "percent": percent,
            "max": params["max"],
            "host": text(subject.spec, "host"),
            "scope": policy.scope,
        }
        where = place.below("maxEjectionPercent")
        yield at(where, args, fix=set_at(where, params["max"]))


_POOL_LIMITS = (
    ("tcp", "maxConnections"),
    ("http", "http1MaxPendingRequests"),
    ("http", "http2MaxRequests"),
)


def connection_pool_tiny(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Limits of a connection pool that real load does not fit in."""
    for policy in traffic_policies(subject):
        for protocol, field in _POOL_LIMITS:
            pool = policy.block("connectionPool", protocol)
            limit = integer(pool[1], field) if pool is not None else None
            if pool is None or limit is None or not 1 <= limit <= params["max"]:
                continue
            args = {
                "field": field,
                "value": limit,
                "host": text(subject.spec, "host"),
                "scope": policy.scope,
            }
            yield at(pool[0].below(field), args)
