"""Security settings of pods and containers, as Kubernetes resolves them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.images import parse_image
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.model.workloads import MESH_INIT_CONTAINERS, PROXY_CONTAINER, Container, Workload

DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""Capabilities that container runtimes give to every container that does not drop them."""

PROXY_IMAGES = ("*/proxyv2", "*/proxyv2-*")
"""Globs of the names of images that istio-init and istio-proxy run."""

_POD_PREFIX = "seccomp.security.alpha.kubernetes.io/"
_POD_SECCOMP = f"{_POD_PREFIX}pod"
# Meant for PodSecurityPolicies; on a pod it says as much and did as little.
_POLICY_SECCOMP = f"{_POD_PREFIX}defaultProfileName"
_CONTAINER_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that holds for a container, and where it stands."""

    value: Any
    path: Path
    of_pod: bool = False
    """It stands in the pod's part and holds for its other containers too."""


def own(container: Container, *field: str) -> Any:
    """A field of the container's own securityContext."""
    return get(container.value, "securityContext", *field)


def own_path(container: Container, *field: str | int) -> Path:
    """Where a field of the container's own securityContext stands, or would."""
    return (*container.path, "securityContext", *field)


def pod_path(workload: Workload, *field: str) -> Path:
    """Where a field of the pod's securityContext stands, or would."""
    return (*workload.pod_spec_path, "securityContext", *field)


def effective(workload: Workload, container: Container, *field: str) -> Setting | None:
    """A field of the container's securityContext, else of the pod's; None where neither has it."""
    value = own(container, *field)
    if value is not None:
        return Setting(value, own_path(container, *field))
    value = get(workload.pod_spec, "securityContext", *field)
    if value is not None:
        return Setting(value, pod_path(workload, *field), of_pod=True)
    return None


def seccomp_profile(workload: Workload, container: Container) -> Setting | None:
    """The seccomp profile of a container: `RuntimeDefault`, `Localhost` or `Unconfined`.

    Annotations are those from before 1.19, which some tools still write; kubelets ignore them from
    1.27 on.
    """
    found = effective(workload, container, "seccompProfile", "type")
    if found is not None and found.value != "":
        return found
    for key in (f"{_CONTAINER_SECCOMP}{container.name}", _POD_SECCOMP, _POLICY_SECCOMP):
        value = text(workload.annotations, key)
        if value:
            kind = "Unconfined" if value == "unconfined" else value
            return Setting(kind, (*workload.annotations_path, key), key.startswith(_POD_PREFIX))
    return None


def is_windows(workload: Workload) -> bool:
    """Whether the pods run on Windows, which has no capabilities, UIDs, seccomp and so on."""
    spec = workload.pod_spec
    if get(spec, "os", "name") == "windows":
        return True
    if get(spec, "nodeSelector", "kubernetes.io/os") == "windows":
        return True
    if mapping(spec, "securityContext", "windowsOptions"):
        return True
    return any(mapping(own(found, "windowsOptions")) for found in workload.containers)


def is_proxy_init(container: Container, images: Sequence[str] = PROXY_IMAGES) -> bool:
    """Whether a container is the one that injection adds to redirect traffic.

    A name alone is no ground for more rights: it has to be an init container with Istio's image.
    """
    if container.name not in MESH_INIT_CONTAINERS or container.role != "init":
        return False
    written = text(container.value, "image")
    reference = parse_image(written) if written else None
    if reference is None or written == "auto":
        return True
    return any(fnmatchcase(reference.full_name, glob) for glob in images)


def is_of_mesh(container: Container, images: Sequence[str] = PROXY_IMAGES) -> bool:
    """Whether the injected template, not the author, answers for a container's rights."""
    return container.name == PROXY_CONTAINER or is_proxy_init(container, images)


def author_containers(
    workload: Workload, images: Sequence[str] = PROXY_IMAGES
) -> tuple[Container, ...]:
    """Containers of every kind that the author of a workload answers for."""
    return tuple(found for found in workload.containers if not is_of_mesh(found, images))


def is_exempt(container: Container, globs: Sequence[str]) -> bool:
    """Whether a container's image matches one of the globs."""
    image = text(container.value, "image")
    return any(fnmatchcase(image, glob) for glob in globs)


def capabilities(container: Container, part: str) -> list[tuple[int, str]]:
    """Capabilities that a container adds or drops, with their index, in upper case.

    A name with `CAP_` is none that Kubernetes knows, so it is left as it is.
    """
    written = items(own(container, "capabilities", part))
    return [(index, name.upper()) for index, name in enumerate(written) if isinstance(name, str)]


def host_path_volumes(workload: Workload) -> list[tuple[int, str, str]]:
    """Index, name and path of each volume that is a part of the node's file system."""
    return [
        (index, text(volume, "name"), text(volume, "hostPath", "path"))
        for index, volume in mappings(workload.pod_spec, "volumes")
        if isinstance(volume.get("hostPath"), dict)
    ]
