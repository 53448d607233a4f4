"""Requests and limits of containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from meshlint.checks.fixing import container_resource
from meshlint.checks.hits import at, listed
from meshlint.dataclass import dataclass
from meshlint.findings import Hit, Related
from meshlint.mesh.installations.records import ContainerResources, ControlPlane, GatewayProxy
from meshlint.mesh.pod_resources import container_resources, set_by_namespace, set_for_pod
from meshlint.mesh.provenance import Place
from meshlint.mesh.proxy import RESOURCE_ANNOTATIONS
from meshlint.mesh.proxy_resources import PARTS
from meshlint.mesh.world import World
from meshlint.model.quantity import is_finer_than_milli, parse_quantity, suffix_of
from meshlint.model.values import get, mapping, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload
from meshlint.operations import Set

_MEBIBYTE = 2**20
_BYTE_SUFFIXES = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_WORDS = {"requests": "request", "limits": "limit"}
_NAMES = {"cpu": "CPU"}


def value_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers without `resources.<section>.<resource>`.

    A LimitRange of the namespace that fills the value in satisfies it, and so do resources of the
    pod as a whole. With `limit_counts` a limit does for a request: the API server copies it.
    """
    section, resource = params["section"], params["resource"]
    lacking = [
        container
        for container in _checked(subject, params)
        if get(container.value, "resources", section, resource) is None
        and not (params.get("limit_counts") and container.limit(resource) is not None)
    ]
    if (
        not lacking
        or set_by_namespace(world.index, subject.namespace, section, resource)
        or set_for_pod(world, subject, section, resource)
    ):
        return
    for container in lacking:
        yield Hit(
            (*container.path, "resources", section, resource),
            {"container": container.name or "unnamed", "value": params["value"]},
            on_key=True,
            fix=container_resource(container, section, resource, params["value"]),
        )


def _checked(workload: Workload, params: Mapping[str, Any]) -> Sequence[Container]:
    if params.get("init"):
        return (*workload.main_containers, *workload.init_containers)
    return workload.main_containers


# ------------------------------------------------------------------------------- values as written


@dataclass(frozen=True, slots=True)
class _Block:
    """Requests or limits as they stand in the input, and whose they are."""

    owner: str
    """`container web`, `istiod`."""
    section: str
    values: Mapping[str, Any]
    place: Callable[[str], Place | None]
    """Place of a resource's value; None where it is a default."""


def _blocks(subject: Workload | ControlPlane | GatewayProxy) -> Iterator[_Block]:
    if isinstance(subject, Workload):
        for container in subject.containers:
            resources = container.value.get("resources")
            if resources.__class__ is dict:
                for section in PARTS:
                    yield _own_block(subject, container, section, mapping(resources, section))
        return
    if subject.form != "rendered":  # the objects of a rendered one are workloads themselves
        name = "istiod" if isinstance(subject, ControlPlane) else f"gateway {subject.name}".strip()
        yield from _installed(subject.resources, name)
    if isinstance(subject, ControlPlane):
        yield from _installed(subject.proxy_resources, "the sidecar")


def _own_block(
    subject: Workload, container: Container, section: str, values: Mapping[str, Any]
) -> _Block:
    def place(resource: str) -> Place:
        path = (*container.path, "resources", section, resource)
        return Place(subject.resource.document, path)

    return _Block(f"container {container.name or 'unnamed'}", section, values, place)


def _installed(found: ContainerResources | None, owner: str) -> Iterator[_Block]:
    if found is None:
        return
    for section, sourced in (("requests", found.requests), ("limits", found.limits)):
        values = {resource: value.value for resource, value in sourced.items()}
        places = {resource: value.place for resource, value in sourced.items()}
        yield _Block(owner, section, values, places.get)


def _at_value(block: _Block, resource: str, message: str, **more: object) -> Iterator[Hit]:
    place, value = block.place(resource), block.values[resource]
    if place is None:
        return
    args = {
        "owner": block.owner,
        "resource": _NAMES.get(resource, resource),
        "part": _WORDS[block.section],
        "value": _shown(value),
        **more,
    }
    yield at(place, args, message=message)


def _shown(value: Any) -> Any:
    if isinstance(value, dict | list):
        return "a block" if isinstance(value, dict) else "a list"
    spaced = isinstance(value, str) and (value != value.strip() or not value)
    return f'"{value}"' if spaced else value


@lru_cache(maxsize=4096, typed=True)
def _read(value: Any) -> tuple[Decimal | None, str]:
    return parse_quantity(value), suffix_of(value)


def _amount_and_suffix(value: Any) -> tuple[Decimal | None, str]:
    return (None, "") if isinstance(value, dict | list) else _read(value)


def quantity_invalid(
    subject: Workload | ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Requests and limits that the API server does not take; null sets nothing."""
    for block in _blocks(subject):
        for resource, value in block.values.items():
            amount, _ = _amount_and_suffix(value)
            if amount is None:
                if value is not None:
                    shown = f'"{value}"' if isinstance(value, str) else _shown(value)
                    yield from _at_value(block, resource, "default", value=shown)
            elif amount < 0:
                yield from _at_value(block, resource, "negative")
            elif resource == "cpu" and is_finer_than_milli(amount):
                yield from _at_value(block, resource, "fine")


def unit_suspicious(
    subject: Workload | ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Quantities whose unit is a slip of the pen."""
    for block in (*_blocks(subject), *_annotated(subject)):
        for resource, value in block.values.items():
            amount, suffix = _amount_and_suffix(value)
            if amount is None or amount <= 0:
                continue
            if resource == "memory" and amount < _MEBIBYTE:
                yield from _at_value(block, resource, "milli" if suffix == "m" else "tiny")
            elif resource == "cpu" and suffix in _BYTE_SUFFIXES:
                yield from _at_value(block, resource, "bytes", suffix=suffix)
            elif resource == "cpu" and amount > params["max_cores"]:
                yield from _at_value(block, resource, "cores", max=params["max_cores"])


def _annotated(subject: Workload | ControlPlane | GatewayProxy) -> Iterator[_Block]:
    """The annotations that give a sidecar its resources."""
    if not isinstance(subject, Workload) or not subject.annotations:
        return
    annotations, root = subject.annotations, subject.annotations_path
    document = subject.resource.document
    for name, (section, resource) in RESOURCE_ANNOTATIONS.items():
        if annotations.get(name) is not None:
            places = {resource: Place(document, (*root, name))}
            yield _Block("the sidecar", section, {resource: annotations[name]}, places.get)


# ------------------------------------------------------------------------------- pairs of values


def request_above_limit(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Requests that are larger than the limit beside them; those of istio-proxy have own rules."""
    for container in subject.containers:
        if container.name == PROXY_CONTAINER:
            continue
        for resource, request in mapping(container.value, "resources", "requests").items():
            limit = container.limit(resource)
            wanted, most = parse_quantity(request), parse_quantity(limit)
            if wanted is None or most is None or wanted <= most:
                continue
            path = (*container.path, "resources", "limits", resource)
            yield Hit(
                (*container.path, "resources", "requests", resource),
                {
                    "container": container.name or "unnamed",
                    "resource": _NAMES.get(resource, resource),
                    "request": request,
                    "limit": limit,
                },
                (Related(subject.resource.document, path, f"the limit is {limit}"),),
            )


def limit_far_above_request(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Limits that are many times the request."""
    ratio = Decimal(str(params["ratio"]))
    for container in subject.main_containers:
        for resource in params["resources"]:
            request, limit = container.request(resource), container.limit(resource)
            name = _NAMES.get(resource, resource)
            if ratio == 1 and limit is None and not _limited(subject, world, resource):
                yield Hit(
                    (*container.path, "resources", "limits", resource),
                    {"container": container.name or "unnamed", "resource": name},
                    message="unlimited",
                    on_key=True,
                )
            wanted, most = parse_quantity(request), parse_quantity(limit)
            if wanted is None or most is None or most <= ratio * wanted:
                continue
            path = (*container.path, "resources", "requests", resource)
            yield Hit(
                (*container.path, "resources", "limits", resource),
                {
                    "container": container.name or "unnamed",
                    "resource": name,
                    "request": request,
                    "limit": limit,
                    "ratio": f"{ratio.normalize():f}",
                },
                (Related(subject.resource.document, path, f"the request is {request}"),),
                message="guaranteed" if ratio == 1 else "default",
            )


def _limited(subject: Workload, world: World, resource: str) -> bool:
    """Whether something beside a container gives it a limit."""
    return set_by_namespace(world.index, subject.namespace, "limits", resource) or set_for_pod(
        world, subject, "limits", resource
    )


# ------------------------------------------------------------------------------ quality of service

_COMPUTE = ("cpu", "memory")


def limit_unequal(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers whose limit is not their request; with `required` they need to have both."""
    for container in (*subject.main_containers, *subject.init_containers):
        counted = container_resources(world.index, subject, container)
        for resource in params["resources"]:
            if set_for_pod(world, subject, "limits", resource):
                continue
            limit, request = counted.limits.get(resource), counted.requests.get(resource)
            if not params["limit_counts"]:
                request = container.request(resource)
            wanted, most = parse_quantity(request), parse_quantity(limit)
            path = (*container.path, "resources", "limits", resource)
            name = _NAMES.get(resource, resource)
            args = {"container": container.name or "unnamed", "resource": name}
            if limit is None:
                needed = params["required"] or request is not None
                if needed and counted.missing("limits", resource):
                    yield Hit(path, args, message="unlimited", on_key=True)
            elif request is None:
                yield Hit(path, {**args, "limit": limit}, message="unrequested")
            elif wanted is not None and most is not None and wanted != most:
                yield Hit(path, {**args, "limit": limit, "request": request})


def best_effort(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods without any request or limit, their proxy included."""
    containers = (*subject.main_containers, *subject.init_containers)
    counted = [container_resources(world.index, subject, container) for container in containers]
    proxy = world.proxy(subject)
    if not counted or (proxy is not None and (proxy.resources.requests or proxy.resources.limits)):
        return
    for resource in _COMPUTE:
        if set_for_pod(world, subject, "requests", resource):
            return
        if not all(one.missing("requests", resource) for one in counted):
            return
    path = (*subject.pod_spec_path, "containers")
    yield Hit(path, {"workload": str(subject.resource.ref)}, on_key=True)


# ------------------------------------------------------------------------------ ephemeral storage


def ephemeral_storage_unbounded(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Scratch space on the node (or in memory) that nothing bounds."""
    if params["emptydir_only"]:
        yield from _unbounded_volumes(subject, world, params)
        return
    for container in subject.main_containers:
        lost = [
            _WORDS[part]
            for part in PARTS
            if get(container.value, "resources", part, "ephemeral-storage") is None
            and not set_by_namespace(world.index, subject.namespace, part, "ephemeral-storage")
        ]
        if lost:
            yield Hit(
                (*container.path, "resources"),
                {"container": container.name or "unnamed", "lost": " or ".join(lost)},
                message="container",
                on_key=True,
            )


def _unbounded_volumes(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    size = params["value"]
    containers = subject.main_containers
    if params["init"]:
        containers = (*containers, *subject.init_containers)
    for index, volume in mappings(subject.pod_spec, "volumes"):
        block = volume.get("emptyDir")
        name = text(volume, "name")
        if "emptyDir" not in volume or get(block, "sizeLimit") is not None:
            continue
        in_memory = get(block, "medium") == "Memory"
        bounding = "memory" if in_memory else "ephemeral-storage"
        users = [
            container.name or "unnamed"
            for container in containers
            if any(text(m, "name") == name for _, m in mappings(container.value, "volumeMounts"))
            and container_resources(world.index, subject, container).missing("limits", bounding)
        ]
        if users and not set_for_pod(world, subject, "limits", bounding):
            path = (*subject.pod_spec_path, "volumes", index, "emptyDir")
            yield Hit(
                path,
                {"volume": name, "containers": _have(users), "value": size},
                message="memory" if in_memory else "default",
                on_key=True,
                fix=() if size is None else (Set((*path, "sizeLimit"), size),),
            )


def _have(containers: Sequence[str]) -> str:
    words = ("container", "has") if len(containers) == 1 else ("containers", "have")
    return f"{words[0]} {listed(containers)} {words[1]}"
