"""What the ports speak that a policy holds for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meshlint.mesh.protocols import is_http, protocol, service_protocol
from meshlint.mesh.selection import selector, target_references
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import mapping, mappings, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World


def serves_http_only(world: World, policy: Resource) -> bool:
    """Whether all ports that a policy holds for are known and speak HTTP."""
    targets = [target for _, target in target_references(policy)]
    if targets:
        return all(_target_is_http(world, policy.namespace, target) for target in targets)
    found = selector(policy)
    labels = found.labels if found is not None else {}
    if policy.namespace == world.root_namespace:
        workloads = [
            w for w in world.index.workloads if not labels or matches_labels(labels, w.labels)
        ]
    elif labels:
        workloads = list(world.index.workloads_with_labels(policy.namespace, labels))
    else:
        workloads = list(world.index.workloads_in(policy.namespace))
    if not workloads:
        return bool(labels) and _gateways_are_http(world, labels, known=True)
    return all(_workload_is_http(world, workload) for workload in workloads)


def _workload_is_http(world: World, workload: Workload) -> bool:
    if world.is_infrastructure(workload):
        return _gateways_are_http(world, workload.labels, known=False)
    ports = [
        port
        for service in world.index.services_of(workload)
        for _, port in mappings(service.spec, "ports")
    ]
    return bool(ports) and all(is_http(service_protocol(port)) for port in ports)


def _gateways_are_http(world: World, labels: Mapping[str, Any], *, known: bool) -> bool:
    """Whether every Gateway that pods with these labels serve speaks HTTP on all its ports.

    `known` asks for the labels of a policy, which the selector of a Gateway has to hold.
    """
    servers = []
    for gateway in world.index.of_kind("networking.istio.io/Gateway"):
        wanted = mapping(gateway.spec, "selector")
        if matches_labels(labels, wanted) if known else matches_labels(wanted, labels):
            servers += [server for _, server in mappings(gateway.spec, "servers")]
    return bool(servers) and all(_server_is_http(server) for server in servers)


def _server_is_http(server: dict[str, Any]) -> bool:
    spoken = protocol(text(server, "port", "protocol"))
    passes = text(server, "tls", "mode") in ("PASSTHROUGH", "AUTO_PASSTHROUGH")
    return is_http(spoken) or (spoken == "HTTPS" and not passes)


def _target_is_http(world: World, namespace: str, target: dict[str, Any]) -> bool:
    kind, name = text(target, "kind"), text(target, "name")
    if kind == "Service":
        found = world.index.find("core/Service", namespace, name)
        ports = [port for _, port in mappings(found.spec, "ports")] if found else []
        return bool(ports) and all(is_http(service_protocol(port)) for port in ports)
    if kind == "ServiceEntry":
        found = world.index.find("networking.istio.io/ServiceEntry", namespace, name)
        ports = [port for _, port in mappings(found.spec, "ports")] if found else []
        return bool(ports) and all(is_http(protocol(text(port, "protocol"))) for port in ports)
    if kind == "Gateway":
        found = world.index.find("gateway.networking.k8s.io/Gateway", namespace, name)
        listeners = [item for _, item in mappings(found.spec, "listeners")] if found else []
        spoken = {text(listener, "protocol") for listener in listeners}
        return bool(spoken) and spoken <= {"HTTP", "HTTPS"}
    return False
