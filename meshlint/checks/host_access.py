"""What pods share with their node: namespaces, ports, directories."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.world import World
from meshlint.model.ranges import in_ranges
from meshlint.model.security import host_path_volumes
from meshlint.model.values import integer, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Remove

_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_RUNTIME_SOCKETS = frozenset(
    {
        "buildkitd.sock",
        "containerd.sock",
        "cri-dockerd.sock",
        "crio.sock",
        "docker.sock",
        "dockershim.sock",
        "podman.sock",
    }
)


def namespace_shared(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods in the network, process or IPC namespace of their node."""
    for field in _NAMESPACES:
        if subject.pod_spec.get(field) is True and field not in params["allowed"]:
            path = (*subject.pod_spec_path, field)
            yield Hit(path, message=field.lower(), fix=(Remove(path),))


def port_used(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ports that a container takes on its node."""
    for container in subject.containers:
        for index, port in mappings(container.value, "ports"):
            number = integer(port, "hostPort")
            if not number or in_ranges(number, params["allowed"]):
                continue
            path = (*container.path, "ports", index, "hostPort")
            args = {"container": container.name or "unnamed", "port": number}
            yield Hit(path, args, fix=(Remove(path),))


# -------------------------------------------------------------------------------------- volumes


def path_mounted(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Directories of the node that the stricter rules have nothing to say about."""
    for index, name, path in host_path_volumes(subject):
        if (
            not path
            or _is_runtime_socket(path)
            or any(_sensitive(subject, index, name, path, params["dirs"]))
        ):
            continue
        yield Hit(
            (*subject.pod_spec_path, "volumes", index, "hostPath"),
            {"volume": name, "path": path},
            on_key=True,
        )


def path_sensitive(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Directories of the node that give power over it."""
    for index, name, path in host_path_volumes(subject):
        if not _is_runtime_socket(path):
            yield from _sensitive(subject, index, name, path, params["dirs"])


def socket_mounted(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Sockets over which the container runtime of a node is ordered about."""
    exempt = params["exempt_labels"]
    if any(f"{key}={value}" in exempt for key, value in subject.labels.items()):
        return
    for index, name, path in host_path_volumes(subject):
        if _is_runtime_socket(path):
            yield Hit(
                (*subject.pod_spec_path, "volumes", index, "hostPath", "path"),
                {"volume": name, "path": path},
            )


def _is_runtime_socket(path: str) -> bool:
    return posixpath.basename(path) in _RUNTIME_SOCKETS


def _sensitive(
    subject: Workload, index: int, name: str, path: str, dirs: Sequence[str]
) -> Iterator[Hit]:
    """At most one hit for a volume: what it is, else that it can be written."""
    where = (*subject.pod_spec_path, "volumes", index, "hostPath", "path")
    args = {"volume": name, "path": path}
    normal = _normal(path)
    for directory in map(_normal, dirs):
        inside = directory != "/" and normal.startswith(f"{directory}/")
        if normal == directory or inside:
            yield Hit(where, {**args, "directory": directory}, message="inside" if inside else "is")
            return
    if not path:
        return
    for directory in map(_normal, dirs):
        if directory.startswith(f"{normal}/"):
            yield Hit(where, {**args, "directory": directory}, message="parent")
            return
    for container in subject.containers:
        for at, mount in mappings(container.value, "volumeMounts"):
            if text(mount, "name") != name or mount.get("readOnly") is True:
                continue
            volume = Related(subject.resource.document, where, f"{path} of the node")
            yield Hit(
                (*container.path, "volumeMounts", at, "readOnly"),
                {**args, "container": container.name or "unnamed"},
                (volume,),
                message="writable",
                on_key=True,
            )
            return


def _normal(path: str) -> str:
    """A path in one spelling: `/var/run` is a link to `/run` on every node."""
    normal = posixpath.normpath(path) if path else ""
    if normal.startswith("//"):
        normal = normal[1:]
    if normal == "/var/run" or normal.startswith("/var/run/"):
        normal = normal.removeprefix("/var")
    return normal
