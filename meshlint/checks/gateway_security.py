"""The edges of the mesh: what gateways serve in plain text, and what leaves unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import mesh_config_place, set_at
from meshlint.checks.hits import at
from meshlint.checks.mending import added
from meshlint.findings import Change, Hit, Related
from meshlint.mesh import exposure
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Remove, Rename, Set

_PLAIN = frozenset({"HTTP", "HTTP2", "GRPC"})
_WEAK = frozenset({"TLSV1_0", "TLSV1_1"})


def tls_version_low(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers that speak TLS 1.0 or 1.1."""
    for number, server in mappings(subject.spec, "servers"):
        for field in ("minProtocolVersion", "maxProtocolVersion"):
            version = text(server, "tls", field)
            if version in _WEAK:
                path = (*subject.path, "spec", "servers", number, "tls", field)
                fix = (Remove(path),) if field == "minProtocolVersion" else ()
                args = {"field": field, "value": version}
                yield Hit(path, args, message=field[:3], fix=fix)


def plaintext_served(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways that answer clients from outside in plain text."""
    found = (
        _servers(subject)
        if subject.group_kind == exposure.ISTIO_GATEWAY
        else _listeners(subject, world)
    )
    exempt = params["internal_exempt"]
    for hit in found:
        port = integer(hit.args.get("port"))
        if exposure.is_reachable(world, subject, port, internal_exempt=exempt):
            yield hit


def _servers(gateway: Resource) -> Iterator[Hit]:
    for number, server in mappings(gateway.spec, "servers"):
        protocol = text(server, "port", "protocol").upper()
        if protocol not in _PLAIN or get(server, "tls", "httpsRedirect") is True:
            continue
        path = (*gateway.path, "spec", "servers", number, "port", "protocol")
        args = {"port": get(server, "port", "number"), "protocol": protocol}
        redirect = (*gateway.path, "spec", "servers", number, "tls", "httpsRedirect")
        fix = (Set(redirect, True),) if _has_https(gateway, server) else ()
        yield Hit(path, args, fix=fix)


def _has_https(gateway: Resource, plain: Mapping[str, Any]) -> bool:
    """Whether a Gateway serves every host of one of its servers by HTTPS as well."""
    secure = {
        host
        for _, server in mappings(gateway.spec, "servers")
        if text(server, "port", "protocol").upper() == "HTTPS"
        for host in _hosts(server)
    }
    return bool(secure) and all(host in secure or "*" in secure for host in _hosts(plain))


def _hosts(server: Mapping[str, Any]) -> list[str]:
    named = [host for host in items(server, "hosts") if isinstance(host, str)]
    return [host.rpartition("/")[2] for host in named]


def _listeners(gateway: Resource, world: World) -> Iterator[Hit]:
    if not exposure.is_served_by_istio(world, gateway):
        return
    for number, listener in mappings(gateway.spec, "listeners"):
        if listener.get("protocol") != "HTTP":
            continue
        for route in exposure.attached_routes(world, gateway, listener):
            at_rule = _forwarding_rule(route)
            if at_rule is None:
                continue
            path = (*gateway.path, "spec", "listeners", number, "protocol")
            where = (*route.path, "spec", "rules", at_rule)
            related = (Related(route.document, where, "forwards without a redirect"),)
            args = {"port": listener.get("port"), "route": route.name}
            yield Hit(path, args, related, message="listener")
            break


def _forwarding_rule(route: Resource) -> int | None:
    """The first rule of a route that does not redirect to https."""
    for number, rule in mappings(route.spec, "rules"):
        schemes = (
            get(entry, "requestRedirect", "scheme")
            for _, entry in mappings(rule, "filters")
            if entry.get("type") == "RequestRedirect"
        )
        if "https" not in schemes:
            return number
    return None


def egress_unrestricted(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxies that let through what the mesh does not know."""
    found = subject.config.get("outboundTrafficPolicy", "mode")
    if found is None and not subject.known:
        return
    if subject.plane is not None and not subject.plane.istiod:
        return  # the control plane of another cluster says it
    mode = found.value if found is not None and found.value is not None else "ALLOW_ANY"
    if mode == "REGISTRY_ONLY" or _restricted_by_sidecar(world):
        return
    place = found.place if found is not None else None
    if place is not None:
        yield at(place, {"mode": mode}, fix=set_at(place, "REGISTRY_ONLY"))
    else:
        site = mesh_config_place(subject.config.site("outboundTrafficPolicy", "mode"))
        fix = set_at(site, "REGISTRY_ONLY")
        yield Hit(subject.path, {"mode": "ALLOW_ANY (the default)"}, on_key=True, fix=fix)


def _restricted_by_sidecar(world: World) -> bool:
    return any(
        get(sidecar.spec, "outboundTrafficPolicy", "mode") == "REGISTRY_ONLY"
        for sidecar in world.index.in_namespace("networking.istio.io/Sidecar", world.root_namespace)
        if not mapping(sidecar.spec, "workloadSelector", "labels")
    )


def service_account_default(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads that share one identity with all others of their kind."""
    if not subject.pod_spec:
        return
    field = "serviceAccountName"
    if not subject.pod_spec.get(field) and subject.pod_spec.get("serviceAccount"):
        field = "serviceAccount"
    account = subject.pod_spec.get(field)
    if account not in (None, "", "default"):
        return
    injection = world.injection(subject)
    if params["mesh_only"] and injection.answer == "no" and injection.ambient != "yes":
        return
    message = "named" if account else "default"
    args = {"workload": str(subject.resource.ref), "namespace": subject.namespace}
    fix = _own_account(subject, world, field)
    yield Hit((*subject.pod_spec_path, field), args, message=message, fix=fix)


def _own_account(workload: Workload, world: World, field: str) -> tuple[Change, ...]:
    """A service account with the name of the workload, made unless there is one already."""
    resource, pod = workload.resource, workload.pod_spec_path
    if not resource.name or is_templated(resource.name):
        return ()
    if workload.kind == "Pod" and items(resource.metadata, "ownerReferences"):
        return ()  # a copy of what a controller has made
    if workload.kind == "Pod" and "pod-template-hash" in workload.labels:
        return ()
    changes: list[Change] = []
    known = world.index.named("core/ServiceAccount", workload.namespace, resource.name)
    if not any(
        account.document.file.path == resource.document.file.path
        or world.presence.surely_together(resource, account)
        for account in known
    ):
        namespace = text(resource.metadata, "namespace")
        metadata = {"name": resource.name, **({"namespace": namespace} if namespace else {})}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        changes += added(resource.document, account)
        if not changes:
            return ()
    if field == "serviceAccount" and "serviceAccountName" not in workload.pod_spec:
        changes.append(Rename((*pod, field), "serviceAccountName"))
    changes.append(Set((*pod, "serviceAccountName"), resource.name, before="containers"))
    return tuple(changes)
