"""Mutual TLS inside the mesh: servers that take plain text, clients that send it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any

from meshlint.checks.fixing import remove_at
from meshlint.checks.hits import at, listed, there
from meshlint.checks.mending import added_to_mesh, without_tls
from meshlint.findings import Hit, Related
from meshlint.mesh import interception, mtls
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.policies import first_reported, mesh_namespaces
from meshlint.mesh.provenance import Place
from meshlint.mesh.proxy_config import annotation_config
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, text
from meshlint.model.workloads import Workload
from meshlint.operations import Remove, Set

_OPEN = ("PERMISSIVE", "DISABLE")

# --------------------------------------------------------------------------------------- servers


def mesh_not_strict(
    subject: ControlPlane | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh whose workloads also take plain text unless a policy of their own says otherwise."""
    root = world.root_namespace
    if mtls.strict_policy(world.index, root) is not None:
        return
    joined = mesh_namespaces(world)
    uncovered = [name for name in joined if mtls.strict_policy(world.index, name) is None]
    if params["namespaces"] and joined and not uncovered:
        return
    policies = world.index.in_namespace(mtls.PEER_AUTHENTICATION, root)
    namespaces = [found for name in joined if (found := world.index.namespace(name)) is not None]
    if subject is not first_reported(world, [*policies, *namespaces]):
        return
    args = {"root": root, "namespaces": listed(uncovered[:3])}
    more = len(uncovered) - 3
    if more > 0:
        args["namespaces"] = f"{', '.join(uncovered[:3])} and {more} more"
    message = "namespaces" if params["namespaces"] and uncovered else "default"
    own = isinstance(subject, Resource) and subject.group_kind == mtls.PEER_AUTHENTICATION
    mode = (*subject.path, "spec", "mtls", "mode") if own else subject.path
    fix = added_to_mesh(world, subject, _strict(root))
    if isinstance(subject, Resource) and own and not mapping(subject.spec, "selector"):
        fix = (Set(mode, "STRICT"),)
    yield Hit(mode, args, message=message, on_key=not own, fix=fix)


def _strict(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"mtls": {"mode": "STRICT"}},
    }


def not_strict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A policy that lets workloads take plain text."""
    mode = get(subject.spec, "mtls", "mode")
    name = f"{subject.namespace}/{subject.name}"
    if mode in _OPEN and not any(fnmatchcase(name, pattern) for pattern in params["allowed"]):
        path = (*subject.path, "spec", "mtls", "mode")
        yield Hit(path, {"mode": mode}, message=mode.lower(), fix=(Set(path, "STRICT"),))


def port_exempt(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Single ports that take plain text."""
    for port in mapping(subject.spec, "portLevelMtls"):
        mode = get(subject.spec, "portLevelMtls", port, "mode")
        if mode in _OPEN and not mtls.called_by_api_server(world, subject, port):
            path = (*subject.path, "spec", "portLevelMtls", port, "mode")
            yield Hit(path, {"port": port, "mode": mode})


def auto_mtls_disabled(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh whose clients send plain text unless a DestinationRule says otherwise."""
    found = subject.config.get("enableAutoMtls")
    if found is not None and found.value is False and found.place is not None:
        yield at(found.place, {}, fix=remove_at(found.place))


# --------------------------------------------------------------------------------------- clients


def tls_disabled(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that make clients send plain text to servers of the mesh.

    With `everywhere` to any server.
    """
    host = text(subject.spec, "host")
    off = [block for block in mtls.client_tls(subject) if block.mode == "DISABLE"]
    if not off:
        return
    server = mtls.may_speak_mtls(world, world.hosts.meaning(host, subject.namespace))
    if server is None:
        if params["everywhere"]:
            for block in off:
                args = {"host": host, "scope": block.scope}
                yield Hit((*block.path, "mode"), args, message="anywhere")
        return
    related = (Related(server.document, (*server.path, "metadata", "name"), "the server"),)
    for block in off:
        args = {"host": host, "scope": block.scope}
        fix = without_tls(world, subject, block.path)
        yield Hit((*block.path, "mode"), args, related, fix=fix)


def server_unverified(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """TLS to a server whose certificate nobody checks."""
    reason = "explicit" if params["explicit"] else _falls_back_to_nothing(world)
    if not reason:
        return
    selective = bool(mapping(subject.spec, "workloadSelector"))
    for block in mtls.client_tls(subject):
        credential = text(block.value, "credentialName")
        trusted = text(block.value, "caCertificates") or (
            credential and (selective or credential.startswith(_CONFIG_MAP))
        )
        if not block.verifies_server or trusted or block.value.get("insecureSkipVerify") is True:
            continue
        args = {
            "mode": block.mode,
            "scope": block.scope,
            "host": text(subject.spec, "host"),
            "version": world.istio_version,
        }
        path = (*block.path, "caCertificates")
        # A credential brings the CA along, and istiod refuses both; 1.21 brought the value.
        known = world.istio_version.at_least("1.21") and not credential
        fix = (Set(path, "system"),) if known else ()
        yield Hit(path, args, message=reason, on_key=True, fix=fix)


_CONFIG_MAP = "configmap://"
_FLAG = "VERIFY_CERTIFICATE_AT_CLIENT"


def _falls_back_to_nothing(world: World) -> str:
    """Why proxies trust any server where a rule names no CA; empty where they use system CAs."""
    switched_off = any(
        flag is not None and scalar_text(flag.value) == "false"
        for flag in (plane.env.get(_FLAG) for plane in world.installations.control_planes)
    )
    if switched_off and world.istio_version.before("1.24"):
        return "flag"
    return "default" if world.istio_version.before("1.21") else ""


def credential_ignored(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Credentials that sidecars do not fetch; they send plain text instead."""
    host = text(subject.spec, "host")
    if mapping(subject.spec, "workloadSelector"):
        return
    if not world.hosts.meaning(host, subject.namespace):
        return
    for block in mtls.client_tls(subject):
        credential = text(block.value, "credentialName")
        if not block.verifies_server or not credential or credential.startswith(_CONFIG_MAP):
            continue
        if mtls.gateway_routes_to(world, host, subject.namespace) is not None:
            return
        args = {"credential": credential, "host": host, "scope": block.scope}
        yield Hit((*block.path, "credentialName"), args)


def verification_skipped(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """TLS that takes any certificate."""
    host = text(subject.spec, "host")
    for block in mtls.client_tls(subject):
        for field, wrong in (
            ("insecureSkipVerify", True),
            ("caCertificates", "insecure-skip-verify"),
        ):
            if block.value.get(field) == wrong and isinstance(block.value[field], type(wrong)):
                args = {"field": field, "value": wrong, "host": host, "scope": block.scope}
                path = (*block.path, field)
                yield Hit(path, args, fix=(Remove(path),) if wrong is True else ())


# ---------------------------------------------------------------------------------- interception


def exclusion_bypasses(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ports that other pods call and the proxy does not see."""
    proxy = world.proxy(subject)
    plane = proxy.plane if proxy is not None else None
    found = interception.inbound_bypass(world.index, subject, plane)
    if found is None or found.value.place is None:
        return
    ports = {
        port: service
        for port, service in sorted(found.ports.items())
        if port not in params["exempt_ports"]
    }
    if not ports:
        return
    service = next(iter(ports.values()))
    args = {
        "setting": found.setting,
        "ports": listed([str(port) for port in ports]),
        "service": service.name,
        "value": found.value.value,
    }
    path = (*service.path, "spec", "ports")
    related: tuple[Related, ...] = (Related(service.document, path, "called here", on_key=True),)
    if found.setting.startswith(interception.TRAFFIC):
        yield at(found.value.place, args, related)
    else:
        # One line of the installation would carry a finding for each workload.
        related = (*there(found.value.place, "set here"), *related)
        yield Hit(subject.template_path, args, related, on_key=True)


def outbound_broad(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Traffic that leaves pods past their proxy."""
    excluded, included, mode = (
        _of_installation(subject) if isinstance(subject, ControlPlane) else _of_pod(subject)
    )
    for setting, written, place in excluded:
        for block in interception.listed(written):
            if _is_broad(block, params["min_prefix"]):
                yield at(place, {"setting": setting, "block": block})
                break
    for setting, written, place in included:
        if not written.strip():
            yield at(place, {"setting": setting}, message="nothing")
    for setting, written, place in mode:
        if written == "NONE":
            yield at(place, {"setting": setting}, message="mode")


_Settings = tuple[list[tuple[str, str, Place]], ...]


def _of_pod(subject: Workload) -> _Settings:
    document = subject.resource.document

    def annotation(name: str) -> list[tuple[str, str, Place]]:
        written = scalar_text(subject.annotations.get(name))
        place = Place(document, (*subject.annotations_path, name))
        return [] if written is None else [(name, written, place)]

    mode = annotation("sidecar.istio.io/interceptionMode")
    config = annotation_config(subject)
    if not mode and config is not None and config.place is not None:
        mode = [("interceptionMode", text(config.value, "interceptionMode"), config.place)]
    ports = interception.traffic_annotation(subject, "includeOutboundPorts")
    included = annotation(interception.TRAFFIC + "includeOutboundIPRanges")
    if ports is not None and ports.value.strip():
        included = []  # these ports are captured all the same
    return annotation(interception.TRAFFIC + "excludeOutboundIPRanges"), included, mode


def _of_installation(subject: ControlPlane) -> _Settings:
    def value(name: str) -> list[tuple[str, str, Place]]:
        found = subject.values.given("global", "proxy", name)
        if found is None or found.place is None or not isinstance(found.value, str):
            return []
        return [(f"global.proxy.{name}", found.value, found.place)]

    mode = []
    found = subject.mesh_config.given("defaultConfig", "interceptionMode")
    if found is not None and found.place is not None and isinstance(found.value, str):
        mode = [("defaultConfig.interceptionMode", found.value, found.place)]
    included = value("includeIPRanges")
    if any(written.strip() for _, written, _ in value("includeOutboundPorts")):
        included = []
    return value("excludeIPRanges"), included, mode


def _is_broad(block: str, shortest: int) -> bool:
    try:
        network = ip_network(block, strict=False)
    except ValueError:
        return False
    return network.prefixlen < (shortest if network.version == 4 else 2 * shortest)
