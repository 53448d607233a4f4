"""Rights of containers on their node: privileged mode, users, groups, writable images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.ranges import in_ranges
from meshlint.model.security import (
    author_containers,
    capabilities,
    effective,
    is_exempt,
    is_of_mesh,
    is_windows,
    own,
    own_path,
    pod_path,
)
from meshlint.model.values import get, integer, items
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Remove, Set


def privileged(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers that are root on their node."""
    for container in subject.containers:
        if own(container, "privileged") is True and not is_exempt(
            container, params["exempt_images"]
        ):
            path = own_path(container, "privileged")
            yield Hit(path, {"container": _name(container)}, fix=(Remove(path),))


def escalation(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers whose processes may gain rights by set-user-id programs."""
    if is_windows(subject):
        return
    for container in author_containers(subject):
        value = own(container, "allowPrivilegeEscalation")
        if value is not True and (value is not None or params["explicit_only"]):
            continue
        path = own_path(container, "allowPrivilegeEscalation")
        # The API server refuses false beside what implies true.
        implied = own(container, "privileged") is True or any(
            name in ("SYS_ADMIN", "CAP_SYS_ADMIN") for _, name in capabilities(container, "add")
        )
        yield Hit(
            path,
            {"container": _name(container)},
            message="absent" if value is None else "default",
            on_key=value is None,
            fix=(Set(path, False),) if not implied else (),
        )


def writable_root(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Main containers that can change the files of their image."""
    if is_windows(subject):
        return
    for container in subject.main_containers:
        if own(container, "readOnlyRootFilesystem") is True:
            continue
        path = own_path(container, "readOnlyRootFilesystem")
        yield Hit(path, {"container": _name(container)}, on_key=True, fix=(Set(path, True),))


# ----------------------------------------------------------------------------------------- users


def runs_as_root(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers whose user is set to 0; what the pod's part says is told once."""
    by_pod: list[str] = []
    for container in _judged(subject, params):
        user = effective(subject, container, "runAsUser")
        if user is None or integer(user.value) != 0:
            continue
        if user.of_pod:
            by_pod.append(_name(container))
        else:
            yield _as_root(user.path, f"Container {_name(container)} runs")
    if by_pod:
        yield _as_root(pod_path(subject, "runAsUser"), _containers(by_pod, "run"))


def _as_root(path: Path, who: str) -> Hit:
    fix = (Set((*path[:-1], "runAsNonRoot"), True), Remove(path, prune=False))
    return Hit(path, {"who": who}, fix=fix)


def may_run_as_root(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers for which nothing rules out the user 0 of their image."""
    if is_windows(subject):
        return
    for container in _judged(subject, params):
        user = effective(subject, container, "runAsUser")
        if user is not None and integer(user.value) is not None:
            continue  # 0 is left to container-runs-as-root
        declared = effective(subject, container, "runAsNonRoot")
        if declared is not None and declared.value is True:
            continue
        path = own_path(container, "runAsNonRoot")
        yield Hit(
            declared.path if declared is not None else path,
            {"container": _name(container)},
            message="default" if declared is None else "denied",
            on_key=True,
            fix=(Set(path, True),),
        )


def _judged(subject: Workload, params: Mapping[str, Any]) -> Iterator[Container]:
    for container in subject.containers:
        if not is_of_mesh(container, params["proxy_images"]) and not is_exempt(
            container, params["exempt_images"]
        ):
            yield container


# ---------------------------------------------------------------------------------------- groups


def root_group(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Groups that are 0; with `unset` also a primary group that the image decides."""
    if is_windows(subject):
        return
    by_pod: list[str] = []
    for container in author_containers(subject):
        group = effective(subject, container, "runAsGroup")
        if group is None:
            if params["unset"]:
                path = own_path(container, "runAsGroup")
                yield Hit(path, {"container": _name(container)}, message="unset", on_key=True)
        elif integer(group.value) != 0:
            continue
        elif group.of_pod:
            by_pod.append(_name(container))
        else:
            who = f"Container {_name(container)} runs"
            yield Hit(group.path, {"who": who}, fix=(Remove(group.path),))
    if by_pod:
        path = pod_path(subject, "runAsGroup")
        yield Hit(path, {"who": _containers(by_pod, "run")}, fix=(Remove(path),))
    yield from _added_groups(subject)


def _added_groups(subject: Workload) -> Iterator[Hit]:
    context = get(subject.pod_spec, "securityContext")
    if integer(context, "fsGroup") == 0:
        path = pod_path(subject, "fsGroup")
        yield Hit(path, message="volumes", fix=(Remove(path),))
    for index, group in enumerate(items(context, "supplementalGroups")):
        if integer(group) == 0:
            path = (*pod_path(subject, "supplementalGroups"), index)
            yield Hit(path, message="supplemental", fix=(Remove(path),))


def group_unlisted(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Supplemental groups outside of the ranges that the owner of the cluster gives out."""
    allowed = params["allowed"]
    if not allowed or is_windows(subject):
        return
    written = items(subject.pod_spec, "securityContext", "supplementalGroups")
    for index, group in enumerate(map(integer, written)):
        if group is not None and not in_ranges(group, allowed):
            path = (*pod_path(subject, "supplementalGroups"), index)
            yield Hit(path, {"group": group, "allowed": [str(entry) for entry in allowed]})


def _containers(names: list[str], verb: str) -> str:
    if len(names) == 1:
        return f"Container {names[0]} {verb}s"
    return f"Containers {listed(names)} {verb}"


def _name(container: Container) -> str:
    return container.name or "unnamed"
