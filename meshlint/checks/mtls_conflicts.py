"""Mutual TLS of which one side only was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import there
from meshlint.checks.mending import without_tls
from meshlint.findings import Hit, Related
from meshlint.mesh import client_mtls as clients
from meshlint.mesh import mtls
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text
from meshlint.operations import Set

# ------------------------------------------------------------------------------------------ clients


def client_without_server(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Clients that are told to send mTLS, to servers that nobody told to take it."""
    scope = clients.scope_of(world, subject)
    if scope is None or clients.uses_auto_mtls(world):
        return
    if clients.top_mode(subject) != "ISTIO_MUTUAL":
        return
    root = world.root_namespace
    mode = mtls.namespace_mode(world.index, root, scope or root)
    if mode is None or (mode.place is not None and mode.value != "DISABLE"):
        return
    path = (*subject.path, "spec", "trafficPolicy", "tls", "mode")
    args = {"where": _where(scope), "namespace": scope or root}
    yield Hit(path, args, there(mode.place, "takes no mTLS"))


def _where(scope: str) -> str:
    return f"namespace {scope}" if scope else "the mesh"


def disabled_under_strict(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Clients that are told to send plain text, to servers that take mTLS alone."""
    blocks = [block for block in mtls.client_tls(subject) if block.mode == "DISABLE"]
    if not blocks:
        return
    host, scope = text(subject.spec, "host"), clients.scope_of(world, subject)
    if scope is not None:
        root = world.root_namespace
        mode = mtls.namespace_mode(world.index, root, scope or root)
        if mode is not None and mode.value == "STRICT":
            args = {"host": host, "where": f"{_where(scope)} is", "scope": blocks[0].scope}
            path = (*blocks[0].path, "mode")
            fix = without_tls(world, subject, blocks[0].path)
            yield Hit(path, args, there(mode.place, "takes mTLS alone"), fix=fix)
        return
    strict = _strict_ports(subject, world, host)
    for block in blocks:
        wanted = _ports_of(block.path, subject)
        ports = [port for port in strict if wanted is None or port in wanted]
        if ports:
            where = f"port {ports[0]} of its workloads is"
            args = {"host": host, "where": where, "scope": block.scope}
            related = there(strict[ports[0]].place, "takes mTLS alone")
            fix = without_tls(world, subject, block.path)
            yield Hit((*block.path, "mode"), args, related, fix=fix)


def _ports_of(path: tuple[str | int, ...], rule: Resource) -> set[int] | None:
    """Port of the Service that a `tls` block is for; None for the block of all ports."""
    if "portLevelSettings" not in path:
        return None
    number = integer(get(rule.document.value, *path[:-1], "port", "number"))
    return {number} if number is not None else set()


def _strict_ports(rule: Resource, world: World, host: str) -> dict[int, Sourced[mtls.Mode]]:
    """Ports of a host, as its Services number them, behind which every workload is STRICT."""
    found: dict[int, Sourced[mtls.Mode]] = {}
    for service in world.hosts.meaning(host, rule.namespace).services:
        pods = world.hosts.workloads(service)
        if not pods or not all(_is_in_mesh(world, pod) for pod in pods):
            continue
        for _, port in mappings(service.spec, "ports"):
            number = integer(port, "port")
            target = port.get("targetPort", number)
            if number is None or not isinstance(target, int):
                continue
            modes = [mtls.mtls_mode(world.index, world.root_namespace, p, target) for p in pods]
            first = modes[0]
            if first is not None and all(m is not None and m.value == "STRICT" for m in modes):
                found[number] = first
    return found


def _is_in_mesh(world: World, pod: Any) -> bool:
    injection = world.injection(pod)
    return injection.answer in ("yes", "intended") or injection.ambient == "yes"


def dropped(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that take a host out of a wider one by which clients send mTLS."""
    if any(True for _ in mtls.client_tls(subject)):
        return
    if params["auto_mtls_exempt"] and clients.uses_auto_mtls(world):
        return
    name = world.hosts.full_name(text(subject.spec, "host"), subject.namespace)
    groups = clients.rules_by_host(world, name)
    wider = next((rules for host, rules in groups if host != name), ())
    for rule in wider:
        if clients.scope_of(world, rule) is not None and clients.top_mode(rule) == "ISTIO_MUTUAL":
            path = (*rule.path, "spec", "trafficPolicy", "tls")
            related = (Related(rule.document, path, "mTLS for the wider host", True),)
            args = {
                "host": text(subject.spec, "host"),
                "wider": text(rule.spec, "host"),
                "rule": str(rule.ref),
            }
            where = (*subject.path, "spec", "trafficPolicy", "tls")
            fix = (Set((*where, "mode"), "ISTIO_MUTUAL"),)
            yield Hit(where, args, related, on_key=True, fix=fix)
            return


# ------------------------------------------------------------------------------------------ servers


def _scope_of_policy(policy: Resource, world: World) -> str | None:
    """The namespace a PeerAuthentication is for, empty for the mesh; None for one of workloads."""
    if mapping(policy.spec, "selector", "matchLabels"):
        return None
    return "" if policy.namespace == world.root_namespace else policy.namespace


def strict_without_client(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Servers that take mTLS alone, of clients that nobody told to send it."""
    scope = _scope_of_policy(subject, world)
    if scope is None or get(subject.spec, "mtls", "mode") != "STRICT":
        return
    if clients.uses_auto_mtls(world) or clients.mutual_rule(world, scope) is not None:
        return
    path = (*subject.path, "spec", "mtls", "mode")
    yield Hit(path, {"where": _where(scope), "host": clients.wildcard(world, scope)})


def disabled_under_client(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Servers that take plain text alone, of clients that were told to send mTLS."""
    scope = _scope_of_policy(subject, world)
    if scope is None or get(subject.spec, "mtls", "mode") != "DISABLE":
        return
    rules = clients.deciding(world, clients.wildcard(world, scope))
    if not rules or not all(clients.top_mode(rule) in clients.MUTUAL for rule in rules):
        return
    rule = rules[0]
    where = (*rule.path, "spec", "trafficPolicy", "tls", "mode")
    related = (Related(rule.document, where, "clients send mTLS"),)
    args = {"where": _where(scope), "rule": str(rule.ref), "mode": clients.top_mode(rule)}
    yield Hit((*subject.path, "spec", "mtls", "mode"), args, related)


def port_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Modes for ports that no workload has."""
    selected = mapping(subject.spec, "selector", "matchLabels")
    pods = world.index.workloads_with_labels(subject.namespace, selected)
    declared = {
        number
        for pod in pods
        for container in pod.containers
        for _, port in mappings(container.value, "ports")
        if (number := integer(port, "containerPort")) is not None
    }
    if not declared:
        return
    services = {service for pod in pods for service in world.index.services_of(pod)}
    ports = [port for service in services for _, port in mappings(service.spec, "ports")]
    targets = {integer(port, "targetPort") for port in ports}
    targets |= {integer(port, "port") for port in ports if port.get("targetPort") is None}
    outside = {
        number: integer(port, "targetPort") or text(port, "targetPort")
        for port in ports
        if (number := integer(port, "port")) is not None
    }
    for key in mapping(subject.spec, "portLevelMtls"):
        written = str(key)
        number = int(written) if written.isascii() and written.isdigit() else None
        if number is None or number in declared or number in targets:
            continue
        path = (*subject.path, "spec", "portLevelMtls", key)
        args = {
            "port": number,
            "declared": ", ".join(map(str, sorted(declared)[:5])),
            "target": outside.get(number, ""),
        }
        message = "service" if number in outside else "default"
        related = (
            Related(
                pods[0].resource.document,
                (*pods[0].resource.path, "metadata", "name"),
                "the workload",
            ),
        )
        yield Hit(path, args, related, message=message, on_key=True)
