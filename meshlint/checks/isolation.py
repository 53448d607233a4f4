"""What keeps containers away from the kernel of their node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault, listed
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.security import (
    APPARMOR_ANNOTATION,
    Setting,
    author_containers,
    capabilities,
    effective,
    is_windows,
    own,
    own_path,
    pod_path,
    seccomp_profile,
)
from meshlint.model.values import get, mapping, mappings, string_map, text
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Set

_RUNTIME_DEFAULT = "RuntimeDefault"


def seccomp_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers to which every system call is open, as nobody has said otherwise."""
    if is_windows(subject):
        return
    lacking = [
        container.name or "unnamed"
        for container in author_containers(subject)
        if seccomp_profile(subject, container) is None
        and not (params["alternatives"] and _is_hardened(subject, container))
    ]
    if not lacking:
        return
    one = len(lacking) == 1
    who = f"Container {lacking[0]} has" if one else f"Containers {listed(lacking)} have"
    path = pod_path(subject, "seccompProfile")
    yield Hit(path, {"who": who}, on_key=True, fix=(Set((*path, "type"), _RUNTIME_DEFAULT),))


def _is_hardened(subject: Workload, container: Container) -> bool:
    """Whether AppArmor, SELinux or dropped capabilities narrow what a container can do."""
    if text(subject.annotations, f"{APPARMOR_ANNOTATION}{container.name}"):
        return True
    for field in ("appArmorProfile", "seLinuxOptions"):
        found = effective(subject, container, field)
        if found is not None and mapping(found.value):
            return True
    added = {name for _, name in capabilities(container, "add")}
    return bool(capabilities(container, "drop")) and "ALL" not in added


def seccomp_unconfined(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers for which system calls are opened on purpose."""
    told: set[Path] = set()
    for container in subject.containers:
        found = seccomp_profile(subject, container)
        if found is None or found.value != "Unconfined" or found.path in told:
            continue
        told.add(found.path)
        who = "The pod" if found.of_pod else f"Container {container.name or 'unnamed'}"
        yield Hit(found.path, {"who": who}, fix=_confine(subject, found))


def _confine(subject: Workload, found: Setting) -> tuple[Set, ...]:
    annotated = found.path[: len(subject.annotations_path)] == subject.annotations_path
    return (Set(found.path, "runtime/default" if annotated else _RUNTIME_DEFAULT),)


# ------------------------------------------------------------------------------ everything else


def weakened(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Settings that open the kernel of the node further than every container needs."""
    yield from _sysctls(subject, frozenset(params["safe_sysctls"]))
    types = frozenset(params["selinux_types"])
    pod = mapping(subject.pod_spec, "securityContext")
    yield from _options(pod, pod_path(subject), "The pod", types)
    for container in subject.containers:
        who = f"Container {container.name or 'unnamed'}"
        context = mapping(own(container))
        yield from _options(context, own_path(container), who, types)
        mount = context.get("procMount")
        if isinstance(mount, str) and mount not in ("", "Default"):
            problem = f"{who} has procMount {mount}, which uncovers all of /proc"
            yield fault(own_path(container, "procMount"), problem)
    for key, value in string_map(subject.annotations).items():
        if key.startswith(APPARMOR_ANNOTATION) and not _is_apparmor_profile(value):
            name = key.removeprefix(APPARMOR_ANNOTATION)
            problem = f"Container {name} runs with AppArmor profile {value}"
            yield fault((*subject.annotations_path, key), problem)


def _sysctls(subject: Workload, safe: frozenset[str]) -> Iterator[Hit]:
    for index, entry in mappings(subject.pod_spec, "securityContext", "sysctls"):
        name, value = text(entry, "name"), str(entry.get("value", ""))
        path = (*pod_path(subject, "sysctls"), index)
        if name.replace("/", ".") not in safe:
            problem = f"The pod sets sysctl {name}, which is not on the list of safe ones"
            yield fault((*path, "name"), problem)
        elif _smuggles(value):
            problem = f"The value of sysctl {name} has a + or =, which smuggles in further sysctls"
            yield fault((*path, "value"), problem)


def _smuggles(value: str) -> bool:
    """Whether CRI-O passed a value on to its helper as several settings (CVE-2022-0811)."""
    return "+" in value or "=" in value


def sysctl_injected(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values of sysctls that set others."""
    for index, entry in mappings(subject.pod_spec, "securityContext", "sysctls"):
        if _smuggles(str(entry.get("value", ""))):
            path = (*pod_path(subject, "sysctls"), index, "value")
            yield Hit(path, {"name": text(entry, "name")})


def _options(
    context: Mapping[str, Any], path: Path, who: str, selinux_types: frozenset[str]
) -> Iterator[Hit]:
    """What the security context of a pod and of a container have in common."""
    labels = mapping(context, "seLinuxOptions")
    for field in ("user", "role"):
        if text(labels, field):
            problem = f"{who} has SELinux {field} {labels[field]}"
            yield fault((*path, "seLinuxOptions", field), problem)
    kind = text(labels, "type")
    if kind and kind not in selinux_types:
        problem = f"{who} has SELinux type {kind}, which is none for containers"
        yield fault((*path, "seLinuxOptions", "type"), problem)
    if get(context, "appArmorProfile", "type") == "Unconfined":
        yield fault((*path, "appArmorProfile", "type"), f"{who} runs without an AppArmor profile")
    if get(context, "windowsOptions", "hostProcess") is True:
        problem = f"{who} runs on the Windows host itself (hostProcess)"
        yield fault((*path, "windowsOptions", "hostProcess"), problem)


def _is_apparmor_profile(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")
