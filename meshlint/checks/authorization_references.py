"""Authorization policies that name what is not there, or rest on what callers do not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import there
from meshlint.findings import Hit, Related
from meshlint.mesh import client_mtls as clients
from meshlint.mesh import exposure, identities, mtls
from meshlint.mesh.checkable import namespaces_known
from meshlint.mesh.gateway_config import gateway_layers
from meshlint.mesh.identities import Principal, Value
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.mesh_config import AUTHORIZATION_TYPES, MeshConfig
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy_config import UNKNOWN, config_field
from meshlint.mesh.world import World
from meshlint.model.names import is_ip
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text
from meshlint.model.workloads import Workload

# -------------------------------------------------------------------------------------- references


def namespace_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Callers of namespaces that are not there."""
    if not namespaces_known(world, subject.namespace):
        return
    for value in identities.source_values(subject, ("namespaces",), ("source.namespace",)):
        if not _is_namespace(world, value.written):
            yield Hit(value.path, {"namespace": value.written})


def _is_namespace(world: World, written: str) -> bool:
    if written in world.namespaces or written == "*":
        return True
    if written.endswith("*"):
        return any(name.startswith(written[:-1]) for name in world.namespaces)
    return written.startswith("*") and any(name.endswith(written[1:]) for name in world.namespaces)


_SPIFFE = "spiffe://"


def principal_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Callers with accounts that are not there."""
    known = world.identities
    for value, principal in _principals(subject):
        if value.written.startswith(_SPIFFE):
            bare = value.written.removeprefix(_SPIFFE)
            yield Hit(value.path, {"principal": value.written, "bare": bare}, message="spiffe")
            continue
        if principal is None:
            continue
        if not known.is_checkable(principal.namespace) and not params["everywhere"]:
            continue
        if not _is_own(world, principal) or known.exists(principal.namespace, principal.name):
            continue
        args = {"name": principal.name, "namespace": principal.namespace}
        yield Hit(value.path, args)


def _principals(policy: Resource) -> Iterator[tuple[Value, Principal | None]]:
    for value in identities.source_values(policy, ("principals",), ("source.principal",)):
        yield value, identities.parse_principal(value.written)
    for value in identities.source_values(policy, ("serviceAccounts",), ("source.serviceAccount",)):
        yield value, identities.parse_account(value.written, policy.namespace)


def _is_own(world: World, principal: Principal) -> bool:
    """Whether an identity is surely one of this mesh."""
    domain = principal.trust_domain
    own = world.identities.trust_domains or {identities.DEFAULT_TRUST_DOMAIN}
    return domain.startswith("*") or domain in own


def trust_domain_unknown(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Callers of a trust domain that the mesh does not have."""
    own = world.identities.trust_domains
    if own is None:
        return
    for value in identities.source_values(subject, ("principals",), ("source.principal",)):
        domain, mark, _ = value.written.partition("/ns/")
        if not mark or "*" in domain or domain in own or domain.startswith(_SPIFFE):
            continue
        named = ", ".join(sorted(own))
        yield Hit(value.path, {"domain": domain, "own": named})


def host_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts of requests that nothing in the mesh has."""
    for value in identities.operation_values(subject, ("hosts", "notHosts")):
        host = value.written.rpartition(":")[0] if ":" in value.written else value.written
        if not host or "*" in host or is_ip(host) or host == "localhost":
            continue
        parts = host.split(".")
        if len(parts) > 2 or (len(parts) == 2 and parts[1] not in world.index.namespaces):
            continue
        if (host.lower(), subject.namespace) in world.routed_hosts:
            continue
        if world.hosts.is_missing(host, subject.namespace):
            yield Hit(value.path, {"host": value.written})


def provider_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Policies that ask an authorizer nobody has configured."""
    name = text(subject.spec, "provider", "name")
    configs: Sequence[MeshConfig] = world.subjects("mesh-config")
    if subject.spec.get("action") != "CUSTOM" or not name or is_templated(name) or not configs:
        return
    if not all(found.known and not _is_patched(found, world) for found in configs):
        return
    other = None
    for config in configs:
        for provider in config.providers:
            if provider.name != name:
                continue
            if provider.type in AUTHORIZATION_TYPES:
                return
            other = provider
    path = (*subject.path, "spec", "provider", "name")
    args = {"provider": name, "type": other.type if other is not None else ""}
    related = there(other.place, "the provider of that name") if other is not None else ()
    yield Hit(path, args, related, message="type" if other is not None else "default")


def _is_patched(config: MeshConfig, world: World) -> bool:
    """Whether a kustomization may add to a MeshConfig that stands in a ConfigMap."""
    home = world.index.resource_at(config.document, config.path)
    return home is not None and home.kind == "ConfigMap" and world.kustomizations.lists(home)


# ---------------------------------------------------------------------------------------- identity


def identity_without_mtls(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Conditions on who calls, where callers cannot show it."""
    path = next(identities.identity_fields(subject), None)
    if path is None or items(subject.spec, "targetRefs") or get(subject.spec, "targetRef"):
        return
    field = get(subject.document.value, *path) if path[-1] == "key" else path[-1]
    labels = mapping(subject.spec, "selector", "matchLabels")
    if not labels and subject.namespace == world.root_namespace:
        return
    pods = _selected(subject, world, labels)
    disabled = _disabled(subject, world, labels, pods)
    if disabled is not None:
        related = there(disabled.place, "takes no mTLS")
        yield Hit(path, {"field": field}, related, on_key=path[-1] != "key")
        return
    services = _services(subject, world, labels, pods)
    sent, rule = clients.sends_to(world, subject.namespace, services)
    args = {"field": field, "rule": str(rule.ref) if rule is not None else ""}
    if sent == "plain" and rule is not None:
        where = (*rule.path, "spec", "trafficPolicy", "tls", "mode")
        related = (Related(rule.document, where, "clients send plain text"),)
        yield Hit(path, args, related, message="plain", on_key=path[-1] != "key")
    elif not clients.uses_auto_mtls(world) and (
        sent == "unset"
        or (not params["default_counts"] and not _is_declared(subject, world, labels))
    ):
        yield Hit(path, args, message="unset", on_key=path[-1] != "key")


def _is_declared(policy: Resource, world: World, labels: Mapping[str, Any]) -> bool:
    """Whether a PeerAuthentication says that the workloads of a policy take mTLS."""
    mode = mtls.labels_mode(world.index, world.root_namespace, policy.namespace, labels)
    return mode is not None and mode.place is not None and mode.value != "DISABLE"


def _selected(policy: Resource, world: World, labels: Mapping[str, Any]) -> Sequence[Workload]:
    if policy.namespace == world.root_namespace:
        return world.index.workloads_anywhere(labels)
    if labels:
        return world.index.workloads_with_labels(policy.namespace, labels)
    return world.index.workloads_in(policy.namespace)


def _disabled(
    policy: Resource, world: World, labels: Mapping[str, Any], pods: Sequence[Workload]
) -> Sourced[mtls.Mode] | None:
    """The mode DISABLE, where it holds for every port of all workloads of a policy."""
    root = world.root_namespace
    if pods:
        modes = [
            mtls.mtls_mode(world.index, root, pod, port) for pod in pods for port in _ports(pod)
        ]
    else:
        modes = [mtls.labels_mode(world.index, root, policy.namespace, labels)]
    if all(mode is not None and mode.value == "DISABLE" for mode in modes):
        return modes[0]
    return None


def _ports(pod: Workload) -> list[int | None]:
    found = [
        number
        for container in pod.main_containers
        for _, port in mappings(container.value, "ports")
        if (number := integer(port, "containerPort")) is not None
    ]
    return [*found] or [None]


def _services(
    policy: Resource, world: World, labels: Mapping[str, Any], pods: Sequence[Workload]
) -> Sequence[Resource]:
    found = {service: None for pod in pods for service in world.index.services_of(pod)}
    if found or policy.namespace == world.root_namespace:
        return list(found)
    return world.index.services_selecting(policy.namespace, labels)


# ---------------------------------------------------------------------------------------- coverage


def namespace_uncovered(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Namespaces with workloads of the mesh and no policy; with `everywhere` any namespaces."""
    known = subject.name in world.mesh_namespaces or params["everywhere"]
    if not known or subject.name == world.root_namespace:
        return
    if subject.name in world.authorization.namespaces:
        return
    if world.root_namespace not in world.authorization.wide:
        path = (*subject.path, "metadata", "name")
        inside = subject.name in world.mesh_namespaces
        args = {"namespace": subject.name, "root": world.root_namespace}
        yield Hit(path, args, message="default" if inside else "anywhere")


def workload_uncovered(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads of the mesh that no policy is for."""
    if world.authorization.holds_for(subject, world.root_namespace):
        return
    args = {"workload": str(subject.resource.ref), "namespace": subject.namespace}
    yield Hit((*subject.resource.path, "metadata", "name"), args)


# --------------------------------------------------------------------------------------- addresses

_FIELDS = ("ipBlocks", "remoteIpBlocks")
_KEYS = ("source.ip", "remote.ip")


def source_address_lost(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Conditions on addresses that do not reach the gateway."""
    values = list(identities.source_values(subject, _FIELDS, _KEYS))
    if not values:
        return
    labels = mapping(subject.spec, "selector", "matchLabels")
    for proxy in world.installations.gateways:
        if proxy.gateway_class != "ingress" or proxy.namespace != subject.namespace:
            continue
        if labels and not matches_labels(labels, exposure.pod_labels(world, proxy)):
            continue
        for place, kind in _rewriting(world, proxy):
            for value in values:
                if "remote" in value.field.lower() and _trusts_forwarded(world, proxy):
                    continue
                args = {"value": value.written, "field": value.field, "type": kind}
                yield Hit(value.path, args, there(place, "hides addresses of clients"))
                return


def _rewriting(world: World, proxy: GatewayProxy) -> Iterator[tuple[Place, str]]:
    """Services in front of a gateway that put the address of a node in place of the client's."""
    exposed = ("LoadBalancer", "NodePort")
    if proxy.form == "helm":
        made = mapping(proxy.values.value("service"))
        kind = text(made, "type") or "LoadBalancer"
        policy = proxy.values.get("service", "externalTrafficPolicy")
        if kind in exposed and not _keeps_address(made, made.get("annotations")):
            yield (policy.anchor if policy is not None else None) or proxy.home, kind
    elif proxy.form == "rendered" and proxy.resource is not None:
        pod = world.index.workload_of(proxy.resource)
        for service in world.index.services_of(pod) if pod is not None else ():
            kind = text(service.spec, "type")
            if kind in exposed and not _keeps_address(service.spec, service.annotations):
                yield Place(service.document, (*service.path, "spec", "type")), kind


_KEEPING = ("proxy-protocol", "proxyprotocol", "target-type=ip", "nlb-ip")


def _keeps_address(service: Mapping[str, Any], annotations: Any) -> bool:
    """Whether a load balancer sends the address along, or sends to pods directly."""
    if service.get("externalTrafficPolicy") == "Local":
        return True
    told = " ".join(f"{key}={value}" for key, value in mapping(annotations).items()).lower()
    return any(mark in told for mark in _KEEPING)


def _trusts_forwarded(world: World, proxy: GatewayProxy) -> bool:
    """Whether a gateway takes addresses from a header or PROXY protocol, or may do so."""
    if not world.installations.control_planes:
        return True
    layers = gateway_layers(proxy, world)
    for field in ("numTrustedProxies", "proxyProtocol"):
        found = config_field(layers, proxy.version, "gatewayTopology", field)
        if found is UNKNOWN or (found is not None and found.value is not None):
            return True
    return bool(world.index.in_namespace("networking.istio.io/EnvoyFilter", proxy.namespace))
