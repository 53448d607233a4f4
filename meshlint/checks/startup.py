"""How pods start: the proxy before the application, jobs, init containers, probes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import (
    annotated_config,
    remove_at,
    remove_config,
    set_at,
    set_config,
)
from meshlint.checks.hits import at, listed, there
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mtls import mtls_mode, namespace_mode
from meshlint.mesh.provenance import Place
from meshlint.mesh.proxy import NATIVE_ANNOTATION, EffectiveProxy, native_of
from meshlint.mesh.proxy_config import CONFIG_ANNOTATION, annotation_config
from meshlint.mesh.shutdown import DRAIN_MINIMUM, DRAIN_UNTIL_IDLE
from meshlint.mesh.world import World
from meshlint.model.values import get, integer, items, mappings, text
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Remove, Set
from meshlint.patterns import regexp

_HOLD = "holdApplicationUntilProxyStarts"


def starts_before_proxy(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Applications that are started before the proxy can carry their connections.

    Where the input installs Istio the installation is told, and workloads that opt out themselves.
    """
    if isinstance(subject, ControlPlane):
        yield from _installation_starts_before_proxy(subject, world)
        return
    proxy = world.proxy(subject)
    if proxy is None or proxy.native is None or proxy.native.value:
        return
    if proxy.hold_application is None or proxy.hold_application.value:
        return
    config = annotation_config(subject)
    opted_out = config is not None and config.value.get(_HOLD) is False
    if config is not None and config.place is not None and opted_out:
        fix = set_config(config.place, (_HOLD,), True)
        yield at(config.place, {}, message="opted-out", on_key=True, fix=fix)
    elif not world.installations.control_planes:
        place = Place(subject.resource.document, (*subject.annotations_path, CONFIG_ANNOTATION))
        added = annotated_config(subject, (_HOLD,), True)
        yield at(place, {}, on_key=True, fix=added)


def _installation_starts_before_proxy(subject: ControlPlane, world: World) -> Iterator[Hit]:
    if not subject.istiod or native_of(subject, world.settings).value:
        return
    mesh = subject.mesh_config
    held = mesh.get("defaultConfig", _HOLD)
    in_values = subject.values.get("global", "proxy", _HOLD)
    if in_values is not None and in_values.value is True:
        return
    if held is None:
        # A layer that is not in the input, or a ConfigMap that is not, may set it.
        if not mesh or any(layer.opaque for layer in mesh.layers):
            return
        site = mesh.site("defaultConfig", _HOLD)
        fix = set_at(site, True)
        yield at(site or subject.home, {}, message="installation", on_key=True, fix=fix)
    elif held.value is not True:
        place = held.place or held.site or subject.home
        fix = set_at(held.place or held.site, True)
        yield at(place, {}, message="installation", on_key=True, fix=fix)


_MOOT = (_HOLD, "terminationDrainDuration")
_MOOT_VARIABLES = (DRAIN_UNTIL_IDLE, DRAIN_MINIMUM)


def native_setting_moot(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Settings of start and end that a native sidecar does not need and does not read."""
    proxy = world.proxy(subject)
    config = annotation_config(subject)
    if proxy is None or proxy.native is None or not proxy.native.value:
        return
    if config is None or config.place is None or _assumed(proxy, world):
        return
    fields = [name for name in _MOOT if config.value.get(name) is not None]
    moot: list[Path] = [(name,) for name in fields]
    variables = get(config.value, "proxyMetadata")
    set_variables = [name for name in _MOOT_VARIABLES if get(variables, name) is not None]
    fields += set_variables
    if set_variables and len(variables) == len(set_variables):
        moot.append(("proxyMetadata",))
    else:
        moot += [("proxyMetadata", name) for name in set_variables]
    if fields:
        yield at(
            config.place,
            {"fields": listed(fields), "have": "has" if len(fields) == 1 else "have"},
            there(proxy.native.place, "the sidecar is native"),
            on_key=True,
            fix=remove_config(config.place, *moot),
        )


def _assumed(proxy: EffectiveProxy, world: World) -> bool:
    """Whether native sidecars are only those of the newest versions, of which nothing is said."""
    settings = world.settings
    said = settings.native_sidecars is not None or settings.istio_version is not None
    stated = proxy.native is not None and proxy.native.place is not None
    return proxy.plane is None and not said and not stated


def proxy_hook_lost(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A lifecycle block in the values that takes the place of the hook that the chart generates."""
    block = subject.values.get("global", "proxy", "lifecycle")
    if block is None or block.place is None or not isinstance(block.value, dict) or not block.value:
        return
    if native_of(subject, world.settings).value:
        if not _runs(get(block.value, "preStop"), "drain"):
            yield at(block.place, {}, message="native", on_key=True)
        return
    held = subject.mesh_config.get("defaultConfig", _HOLD)
    in_values = subject.values.get("global", "proxy", _HOLD)
    holds = next((one for one in (held, in_values) if one is not None and one.value is True), None)
    if holds is not None and not _runs(get(block.value, "postStart"), "wait"):
        yield at(block.place, {}, there(holds.place, "the hook is asked for here"), on_key=True)


def _runs(hook: Any, word: str) -> bool:
    """Whether a hook calls pilot-agent, or its HTTP interface, with a word."""
    request = text(hook, "httpGet", "path")
    command = [item for item in items(hook, "exec", "command") if isinstance(item, str)]
    return word in request or any(word in part.split() or f"/{word}" in part for part in command)


# ------------------------------------------------------------------------------- jobs and inits


def job_blocked(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Jobs whose sidecar keeps running after the work is done."""
    injection = world.injection(subject)
    proxy = world.proxy(subject)
    if injection.answer != "yes" or proxy is None or proxy.native is None or proxy.native.value:
        return
    lines = [_command_line(container) for container in subject.main_containers]
    if any(wrapper in line for line in lines for wrapper in params["wrappers"]):
        return
    yield Hit(
        (*subject.pod_spec_path, "containers"),
        {"kind": subject.kind, "reason": injection.reason},
        there(injection.place, injection.reason),
        on_key=True,
        fix=_made_native(subject, proxy, world),
    )


def _made_native(subject: Workload, proxy: EffectiveProxy, world: World) -> tuple[Change, ...]:
    """Asks for a native sidecar, which ends with the pod."""
    if proxy.version.before("1.24") or world.kubernetes_version.before("1.29"):
        return ()
    return (Set((*subject.annotations_path, NATIVE_ANNOTATION), "true"),)


def init_network_before_proxy(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Init containers that call others before there is a proxy to do it through."""
    proxy = world.proxy(subject)
    if proxy is None or proxy.native is None or proxy.native.value or not proxy.init_name:
        return
    if any(f"{_TRAFFIC}{name}" in subject.annotations for name in _EXCLUSIONS):
        return
    captured = proxy.init_name == "istio-validation"
    for container in subject.init_containers:
        call = None if _runs_as_proxy(subject, container) else called_client(container, params)
        if call is None:
            continue
        client, path = call
        strict = None
        if not captured:
            strict = _strict_target(subject, container, world)
            if strict is None or client in _OUTSIDE or _calls_outside(container, world):
                continue
        yield at(
            Place(subject.resource.document, path),
            {"container": container.name or "unnamed", "client": client},
            there(strict, "mTLS is required here"),
            message="default" if captured else "strict",
        )


_TRAFFIC = "traffic.sidecar.istio.io/"
_EXCLUSIONS = ("excludeOutboundPorts", "excludeOutboundIPRanges")
_PROXY_USER = 1337


def _runs_as_proxy(subject: Workload, container: Container) -> bool:
    own = integer(container.value, "securityContext", "runAsUser")
    if own is None:
        own = integer(subject.pod_spec, "securityContext", "runAsUser")
    return own == _PROXY_USER


_OUTSIDE = frozenset({"aws", "gsutil", "gcloud", "az", "kubectl"})
"""Clients of servers that are in no mesh."""

_URL_HOST = regexp(r"[a-z]+://(?:[^/@\s]*@)?([a-z0-9.-]+)")


def _calls_outside(container: Container, world: World) -> bool:
    """Whether every URL in a command line leads out of the cluster."""
    hosts = _URL_HOST.findall(_command_line(container))
    inside = (".svc", f".{world.cluster_domain}", ".local")
    return bool(hosts) and all("." in host and not host.endswith(inside) for host in hosts)


def _command_line(container: Container) -> str:
    words = (*items(container.value, "command"), *items(container.value, "args"))
    return " ".join(word for word in words if isinstance(word, str))


_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh", "busybox"})
_SEPARATOR = regexp(r"[;&|()`\n]")
_BEFORE_COMMAND = frozenset(
    ["!", "[", "{", "until", "while", "if", "elif", "do", "then", "else", "exec", "time", "eval"]
)


def called_client(container: Container, params: Mapping[str, Any]) -> tuple[str, Path] | None:
    """The first of `clients` that a container runs, by itself or from a shell, and where."""
    words = [
        (word, (*container.path, field, number))
        for field in ("command", "args")
        for number, word in enumerate(items(container.value, field))
        if isinstance(word, str)
    ]
    if not words:
        return None
    shell = _program(words[0][0]) in _SHELLS
    for word, path in words if shell else words[:1]:
        for part in _SEPARATOR.split(word):
            program = _first_program(part)
            if program in params["clients"]:
                return program, path
    return None


def _first_program(command: str) -> str:
    tokens = command.split()
    while tokens and (tokens[0] in _BEFORE_COMMAND or re.match(r"\w+=", tokens[0])):
        tokens = tokens[1:]
    if tokens and _program(tokens[0]) == "timeout":
        tokens = [token for token in tokens[1:] if not re.match(r"-|\d", token)]
    return _program(tokens[0]) if tokens else ""


def _program(token: str) -> str:
    return token.strip("\"'").rpartition("/")[2]


def _strict_target(subject: Workload, container: Container, world: World) -> Place | None:
    """The policy that refuses plain text: mesh-wide, or of a namespace whose Service is named."""
    root = world.root_namespace
    mesh_wide = namespace_mode(world.index, root, root)
    if mesh_wide is not None and mesh_wide.value == "STRICT":
        return mesh_wide.place
    for host in _HOST.findall(_command_line(container)):
        target = service_parts(host, subject.namespace, world.cluster_domain)
        if target is None or world.index.find("core/Service", *target) is None:
            continue
        mode = namespace_mode(world.index, root, target[0])
        if mode is not None and mode.value == "STRICT":
            return mode.place
    return None


_HOST = regexp(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


# ---------------------------------------------------------------------------------------- probes

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_REWRITE = "sidecar.istio.io/rewriteAppHTTPProbers"


def probe_rewrite_disabled(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Probes of the kubelet that reach a port which takes mTLS alone."""
    switch = _rewriting_off(subject, world)
    if switch is None:
        return
    for container in subject.main_containers:
        for probe in _PROBES:
            port = _probed_port(container, probe)
            if port is None or not _captured(subject, port):
                continue
            mode = mtls_mode(world.index, world.root_namespace, subject, port)
            if mode is None or mode.value != "STRICT":
                continue
            document = subject.resource.document
            place = Place(document, (*container.path, probe))
            own = switch.document is document
            args = {"container": container.name or "unnamed", "probe": probe, "port": port}
            policy = there(mode.place, "mTLS is required here")
            if own:
                related = (*there(place, "the probe", on_key=True), *policy)
                yield at(switch, args, related, fix=remove_at(switch))
            else:
                off = there(switch, "probes are not rewritten")
                yield at(place, args, (*off, *policy), on_key=True)
            return


def _rewriting_off(subject: Workload, world: World) -> Place | None:
    """Where the rewriting of probes is switched off; None where it is on or not known to be off."""
    annotated = scalar_text(subject.annotations.get(_REWRITE))
    if annotated in ("true", "false"):
        place = Place(subject.resource.document, (*subject.annotations_path, _REWRITE))
        return place if annotated == "false" else None
    proxy = world.proxy(subject)
    if proxy is None or proxy.plane is None:
        return None
    found = proxy.plane.values.get("sidecarInjectorWebhook", "rewriteAppHTTPProbe")
    return found.place if found is not None and found.value is False else None


def _probed_port(container: Container, probe: str) -> int | None:
    """Number of the port that an httpGet or grpc probe of the kubelet asks."""
    for handler in ("httpGet", "grpc"):
        port = get(container.value, probe, handler, "port")
        if isinstance(port, str):
            return next(
                (
                    integer(declared, "containerPort")
                    for _, declared in mappings(container.value, "ports")
                    if declared.get("name") == port
                ),
                None,
            )
        if integer(port) is not None:
            return integer(port)
    return None


def _captured(subject: Workload, port: int) -> bool:
    """Whether traffic into a port goes through the proxy, as far as the pod says."""
    excluded = scalar_text(subject.annotations.get(f"{_TRAFFIC}excludeInboundPorts")) or ""
    if str(port) in (item.strip() for item in excluded.split(",")):
        return False
    included = scalar_text(subject.annotations.get(f"{_TRAFFIC}includeInboundPorts"))
    return included is None or included == "*" or str(port) in included.split(",")


def health_port_disabled(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A status port of 0, which takes the probes of the proxy away."""
    if isinstance(subject, ControlPlane):
        found = subject.values.get("global", "proxy", "statusPort")
        if found is not None and found.place is not None and scalar_text(found.value) == "0":
            yield at(found.place, {}, message="installation", fix=remove_at(found.place))
        return
    name = "status.sidecar.istio.io/port"
    if scalar_text(subject.annotations.get(name)) == "0":
        path = (*subject.annotations_path, name)
        yield Hit(path, {}, fix=(Remove(path),))
