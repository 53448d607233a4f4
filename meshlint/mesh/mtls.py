"""Whether workloads take plain text, mTLS, or both, and what their clients send.

Sources: Istio API, PeerAuthentication: the port's mode wins over that of the selecting policy, that
over the namespace's, that over the mesh's; UNSET inherits. DestinationRule: `tls` of a subset or
port stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh import routes
from meshlint.mesh.host_names import overlap, service_parts
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.traffic_policies import traffic_policies
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.hosts import Meaning
    from meshlint.mesh.world import World

PEER_AUTHENTICATION = "security.istio.io/PeerAuthentication"

Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]


MODES: tuple[Mode, ...] = ("STRICT", "PERMISSIVE", "DISABLE")


def mtls_mode(
    index: Index, root_namespace: str, workload: Workload, port: int | None
) -> Sourced[Mode] | None:
    """Mode of a workload's port (of the rest of its ports for None).

    None where that is not known: of several policies in one scope the oldest counts.
    """
    scopes = (
        _selecting(index, workload),
        _of_namespace(index, workload.namespace),
        _of_namespace(index, root_namespace),
    )
    return _first(scopes, port)


def namespace_mode(index: Index, root_namespace: str, namespace: str) -> Sourced[Mode] | None:
    """Mode of a namespace for workloads that no policy selects; None where it is not known."""
    return _first([_of_namespace(index, name) for name in (namespace, root_namespace)], None)


def _first(scopes: Sequence[Sequence[Resource]], port: int | None) -> Sourced[Mode] | None:
    for scope in scopes:
        if len(scope) > 1:
            return None
        for policy in scope:
            found = _port_mode(policy, port) or _mode(policy, "mtls")
            if found is not None:
                return found
    return Sourced("PERMISSIVE", default="default of Istio")


def _selecting(index: Index, workload: Workload) -> Sequence[Resource]:
    return [
        policy
        for policy in index.in_namespace(PEER_AUTHENTICATION, workload.namespace)
        if matches_labels(get(policy.spec, "selector", "matchLabels"), workload.labels)
    ]


def _of_namespace(index: Index, namespace: str) -> Sequence[Resource]:
    return [
        policy
        for policy in index.in_namespace(PEER_AUTHENTICATION, namespace)
        if not mapping(policy.spec, "selector", "matchLabels")
    ]


def _port_mode(policy: Resource, port: int | None) -> Sourced[Mode] | None:
    for key in mapping(policy.spec, "portLevelMtls"):
        # Keys of a mapping are numbers or text, as they are written.
        if port is not None and str(key) == str(port):
            return _mode(policy, "portLevelMtls", key)
    return None


def _mode(policy: Resource, *path: str | int) -> Sourced[Mode] | None:
    written = get(policy.spec, *path, "mode")
    place = Place(policy.document, (*policy.path, "spec", *path, "mode"))
    return next((Sourced(mode, place) for mode in MODES if written == mode), None)


def labels_mode(
    index: Index, root_namespace: str, namespace: str, labels: Mapping[str, Any]
) -> Sourced[Mode] | None:
    """Mode of pods that carry labels, and maybe more of them; None where it is not known."""
    certain = []
    for policy in index.in_namespace(PEER_AUTHENTICATION, namespace):
        wanted = mapping(policy.spec, "selector", "matchLabels")
        if not wanted or any(labels.get(key, value) != value for key, value in wanted.items()):
            continue
        if mapping(policy.spec, "portLevelMtls") or not matches_labels(wanted, labels):
            return None
        certain.append(policy)
    scopes = (certain, _of_namespace(index, namespace), _of_namespace(index, root_namespace))
    return _first(scopes, None)


def strict_policy(index: Index, namespace: str) -> Resource | None:
    """A PeerAuthentication without selector that makes a namespace take mTLS alone.

    In the root namespace it holds for the whole mesh.
    """
    strict = (p for p in _of_namespace(index, namespace) if get(p.spec, "mtls", "mode") == "STRICT")
    return next(strict, None)


# --------------------------------------------------------------------------------------- clients


@dataclass(frozen=True, slots=True)
class ClientTls:
    """One `tls` block of a DestinationRule; `path` leads to it from the root of the document."""

    path: Path
    value: dict[str, Any]
    scope: str
    """Plain words for what it holds for."""

    @property
    def mode(self) -> str:
        return text(self.value, "mode")

    @property
    def verifies_server(self) -> bool:
        """Whether the mode is one in which the block itself says whom to trust."""
        return self.mode in ("SIMPLE", "MUTUAL")


def client_tls(rule: Resource) -> Iterator[ClientTls]:
    """Every `tls` block of a DestinationRule: for the host, its subsets, and ports of either."""
    for policy in traffic_policies(rule):
        block = policy.block("tls")
        if block is not None and block[1]:
            yield ClientTls(block[0].path, block[1], policy.scope)


def may_speak_mtls(world: World, servers: Meaning) -> Resource | None:
    """A server that is in the mesh, or not known to be outside; None where all are outside."""
    for entry in servers.entries:
        if text(entry.spec, "location") == "MESH_INTERNAL":
            return entry
    for service in servers.services:
        pods = world.index.workloads_with_labels(
            service.namespace, mapping(service.spec, "selector")
        )
        for workload in pods:
            injection = world.injection(workload)
            if injection.answer != "no" or injection.ambient != "no":
                return service
    return None


def gateway_routes_to(world: World, host: str, namespace: str) -> Resource | None:
    """A route of a gateway that leads to a host, so that the gateway is what calls it."""
    wanted = _same_host(world, host, namespace)
    for route in world.index.of_kind("networking.istio.io/VirtualService"):
        if not any(gateway != "mesh" for gateway in items(route.spec, "gateways")):
            continue
        for rule in routes.rules(route):
            for found in routes.routed(rule):
                if found.host and overlap(host, found.host):
                    return route
                if found.host and _same_host(world, found.host, route.namespace) == wanted:
                    return route
    for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"):
        for route in world.index.of_kind(f"gateway.networking.k8s.io/{kind}"):
            parents = (get(p, "kind") for _, p in mappings(route.spec, "parentRefs"))
            if not any(parent in (None, "Gateway") for parent in parents):
                continue
            for _, entry in mappings(route.spec, "rules"):
                for _, target in mappings(entry, "backendRefs"):
                    inside = text(target, "namespace") or route.namespace
                    if _same_host(world, text(target, "name"), inside) == wanted:
                        return route
    return None


def _same_host(world: World, host: str, namespace: str) -> object:
    return service_parts(host, namespace, world.cluster_domain) or host


# ----------------------------------------------------------------------- callers without identity

# Kinds that name a Service which the API server calls, by the steps to each reference.
_API_SERVER_CALLS: Mapping[str, tuple[Path, ...]] = {
    "admissionregistration.k8s.io/MutatingWebhookConfiguration": (
        ("webhooks",),
        ("clientConfig", "service"),
    ),
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration": (
        ("webhooks",),
        ("clientConfig", "service"),
    ),
    "apiextensions.k8s.io/CustomResourceDefinition": (
        ("spec", "conversion"),
        ("webhook", "clientConfig", "service"),
    ),
    "apiregistration.k8s.io/APIService": (("spec",), ("service",)),
}


def called_by_api_server(world: World, policy: Resource, port: int | str) -> bool:
    """Whether the API server calls a port of the workloads that a policy selects.

    It does so for admission webhooks, conversions and aggregated APIs. It is outside of the mesh
    and cannot present one of its certificates.
    """
    selected = mapping(policy.spec, "selector", "matchLabels")
    for reference in _api_server_calls(world.index):
        if text(reference, "namespace") != policy.namespace:
            continue
        service = world.index.find("core/Service", policy.namespace, text(reference, "name"))
        if service is None or not _meets_pods(world.index, selected, service):
            continue
        called = integer(reference, "port") or 443
        for _, entry in mappings(service.spec, "ports"):
            target = entry.get("targetPort", entry.get("port"))
            # A target by name may be any port of the container.
            if integer(entry, "port") == called and (
                isinstance(target, str) or str(target) == str(port)
            ):
                return True
    return False


def _api_server_calls(index: Index) -> Iterator[dict[str, Any]]:
    for kind, (home, steps) in _API_SERVER_CALLS.items():
        for found in index.of_kind(kind):
            block = get(found.value, *home)
            for entry in block if isinstance(block, list) else [block]:
                yield mapping(entry, *steps)


def _meets_pods(index: Index, labels: Mapping[str, Any], service: Resource) -> bool:
    """Whether a policy's labels select pods of a Service, those of the input or any at all."""
    others = mapping(service.spec, "selector")
    pods = index.workloads_with_labels(service.namespace, others)
    return (
        matches_labels(labels, others)
        or matches_labels(others, labels)
        or any(matches_labels(labels, pod.labels) for pod in pods)
    )
