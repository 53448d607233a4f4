"""The injected proxy: are its settings what somebody meant, and do they take effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import proxy_annotations
from meshlint.checks.hits import at, listed, there
from meshlint.dataclass import replace
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.capacity import RPS_PER_POD, workload_capacity
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.installations.editing import place_for
from meshlint.mesh.installations.records import ContainerResources, ControlPlane, GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy import NATIVE_ANNOTATION, RESOURCE_ANNOTATIONS, EffectiveProxy
from meshlint.mesh.proxy_config import CONFIG_ANNOTATION
from meshlint.mesh.proxy_resources import Part, Quantity, key
from meshlint.mesh.world import World
from meshlint.model.quantity import parse_quantity
from meshlint.model.values import get, mapping
from meshlint.model.workloads import Workload
from meshlint.operations import Move, Remove, Set

RESOURCES = {"cpu": "CPU", "memory": "memory"}
"""Resources of the proxy that are looked at, as messages name them."""

_PARTS: Mapping[Part, str] = {"requests": "request", "limits": "limit"}


def _short(annotation: str) -> str:
    return annotation.rpartition("/")[2]


# ---------------------------------------------------------------------------------- annotations


def annotation_set_incomplete(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """One to three of the four resource annotations, and mesh defaults that they take away."""
    proxy = world.proxy(subject)
    if proxy is None or proxy.cause is None or not proxy.annotations:
        return
    names, lost = [], []
    switched_off: Place | None = None
    for part, resource in RESOURCE_ANNOTATIONS.values():
        name = key(part, resource)
        if name not in params["required"] or not _is_lost(proxy, part, resource):
            continue
        names.append(name)
        default = proxy.lost.get(name)
        shown = f" (mesh default {default.value})" if default is not None else ""
        lost.append(f"{RESOURCES[resource]} {_PARTS[part]}{shown}")
        switched_off = switched_off or (default.place if default is not None else None)
    if lost:
        present = listed([_short(name) for name in proxy.annotations])
        yield at(
            proxy.cause,
            {"present": present, "lost": listed(lost), "values": names},
            there(switched_off, "a mesh default that is switched off"),
            on_key=True,
            fix=proxy_annotations(world, subject),
        )


def _is_lost(proxy: EffectiveProxy, part: Part, resource: str) -> bool:
    # Where the control plane is not known, its defaults are not either; the value is unset anyway.
    had_default = key(part, resource) in proxy.lost or proxy.plane is None
    return had_default and proxy.resources.missing(part, resource)


def annotation_quantity_invalid(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Resource annotations that hold no quantity, or a negative one."""
    annotations = scalar_map(subject.annotations)
    for name in RESOURCE_ANNOTATIONS:
        value = annotations.get(name)
        if value is None:
            continue
        amount = parse_quantity(value)
        if amount is None or amount < 0:
            yield Hit(
                (*subject.annotations_path, name),
                {"annotation": name, "value": value},
                message="default" if amount is None else "negative",
            )


def annotation_misplaced(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxy annotations on the object that makes pods, where nothing reads them."""
    if subject.kind == "Pod":
        return
    template = world.autoscaling.template_of(subject)
    root = subject.resource.path
    blocks: dict[Path, str] = {(*root, "metadata", "annotations"): f"the {subject.kind}"}
    if subject.kind == "CronJob":
        path = (*root, "spec", "jobTemplate", "metadata", "annotations")
        blocks[path] = "the jobTemplate"
    for path, owner in blocks.items():
        misplaced = [
            name
            for name in mapping(subject.resource.document.value, *path)
            if _tunes_proxy(name) and name not in template.annotations
        ]
        if misplaced:
            yield Hit(
                (*path, misplaced[0]),
                {
                    "names": listed(misplaced),
                    "them": "it" if len(misplaced) == 1 else "them",
                    "owner": owner,
                    "home": ".".join(map(str, subject.annotations_path[len(root) :])),
                },
                on_key=True,
                fix=_moved(path, misplaced, subject) if template is subject else (),
            )


def _moved(path: Path, names: Sequence[str], workload: Workload) -> tuple[Change, ...]:
    home = workload.annotations_path
    return tuple(Move((*path, name), (*home, name)) for name in names)


def _tunes_proxy(name: Any) -> bool:
    return isinstance(name, str) and (
        name.startswith(("sidecar.istio.io/proxy", "traffic.sidecar.istio.io/"))
        or name in (NATIVE_ANNOTATION, CONFIG_ANNOTATION)
    )


def annotation_ineffective(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Resource annotations on pods that get no sidecar, or a proxy that does not read them."""
    names = [name for name in RESOURCE_ANNOTATIONS if name in subject.annotations]
    if not names:
        return
    shown = listed([_short(name) for name in names])
    if isinstance(subject, GatewayProxy):
        if subject.annotations_place is not None:
            place = subject.annotations_place.below(names[0])
            fix = _as_resources(subject, names)
            yield at(place, {"names": shown}, message="gateway", on_key=True, fix=fix)
        return
    injection = world.injection(subject)
    if injection.answer == "no":
        yield Hit(
            (*subject.annotations_path, names[0]),
            {"names": shown, "reason": injection.reason},
            there(injection.place, injection.reason),
            message="ambient" if injection.mode == "ambient" else "default",
            on_key=True,
            fix=tuple(Remove((*subject.annotations_path, name)) for name in names),
        )


def _as_resources(gateway: GatewayProxy, names: Sequence[str]) -> tuple[Change, ...]:
    """Moves the values of annotations to the resources of the gateway's container."""
    home, root = gateway.annotations_place, place_for(gateway, "resources")
    if home is None or root is None or home.embedded or root.document is not home.document:
        return ()
    changes: list[Change] = []
    for name in names:
        path = RESOURCE_ANNOTATIONS[name]
        if get(root.document.value, *root.path, *path) is None:
            changes.append(Set((*root.path, *path), gateway.annotations[name]))
        changes.append(Remove((*home.path, name)))
    return tuple(changes)


# ------------------------------------------------------------------------------ pairs of values


def request_above_limit(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A request above the limit that is set beside it."""
    for resource in RESOURCES:
        pair = _set_together(subject, world, resource)
        if pair is None or not _exceeds(*pair):
            continue
        request, limit = pair
        message = "installation" if isinstance(subject, ControlPlane) else "default"
        if request.place is not None:
            yield _contradiction(request, resource, request, limit, message)
        else:
            yield _contradiction(limit, resource, request, limit, message)


def _set_together(
    subject: Workload | ControlPlane, world: World, resource: str
) -> tuple[Sourced[Any], Sourced[Any]] | None:
    """Request and limit that come from one step; those of an installation belong to it alone."""
    if isinstance(subject, ControlPlane):
        block = subject.proxy_resources
        if block is None or resource not in block.requests or resource not in block.limits:
            return None
        return block.requests[resource], block.limits[resource]
    pair = _effective_pair(subject, world, resource)
    if pair is None or pair[0].step != pair[1].step:
        return None
    if pair[0].step not in ("annotation", "container"):
        return None
    return pair[0].origin, pair[1].origin


def _effective_pair(
    subject: Workload, world: World, resource: str
) -> tuple[Quantity, Quantity] | None:
    proxy = world.proxy(subject)
    if proxy is None or resource not in proxy.requests or resource not in proxy.limits:
        return None
    return proxy.requests[resource], proxy.limits[resource]


def container_request_above_inherited_limit(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pairs of request and limit of which the template's container sets one and inherits one."""
    inherited = ("annotation", "global")
    for resource in RESOURCES:
        pair = _effective_pair(subject, world, resource)
        if pair is None or not _exceeds(pair[0].origin, pair[1].origin):
            continue
        request, limit = pair
        if request.step == "container" and limit.step in inherited:
            hit = _contradiction(request.origin, resource, request.origin, limit.origin, "default")
            yield replace(hit, fix=_other_side(hit, "limits", resource, request.value))
        elif limit.step == "container" and request.step in inherited:
            hit = _contradiction(limit.origin, resource, request.origin, limit.origin, "limit")
            yield replace(hit, fix=_other_side(hit, "requests", resource, limit.value))


def _other_side(hit: Hit, part: Part, resource: str, value: Any) -> tuple[Change, ...]:
    """The value that a container lacks, equal to the one it has."""
    return (Set((*hit.path[:-2], part, resource), value),)


def _exceeds(request: Sourced[Any], limit: Sourced[Any]) -> bool:
    wanted, most = parse_quantity(request.value), parse_quantity(limit.value)
    return wanted is not None and most is not None and wanted > most


def _contradiction(
    decided: Sourced[Any],
    resource: str,
    request: Sourced[Any],
    limit: Sourced[Any],
    message: str,
) -> Hit:
    assert decided.place is not None, "no default stands above another default"
    other, word = (limit, "limit") if decided is request else (request, "request")
    return at(
        decided.place,
        {
            "resource": RESOURCES[resource],
            "request": request.value,
            "limit": limit.value,
            "origin": f" ({other.default})" if other.is_default and other.default else "",
        },
        there(other.place, f"the {word} is {other.value}"),
        message=message,
    )


# ------------------------------------------------------------------------------- what is absent


def value_missing(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxies without the request or limit (`part`) of a `resource`.

    What an installation takes away is said once, there; what annotations take away is left to
    proxy-annotation-set-incomplete where that is enabled.
    """
    part, resource = params["part"], params["resource"]
    value = params["value"]
    args = {"value": value}
    if isinstance(subject, ControlPlane):
        block = subject.proxy_resources
        if block is None or _installed(block, part, resource):
            return
        place = block.anchor(part, resource) or subject.home
        fix = _given_to_all(subject, part, resource, params["value"])
        yield at(place, args, message="installation", on_key=True, fix=fix)
        return
    proxy = world.proxy(subject)
    if proxy is None or proxy.cause is None or not proxy.resources.missing(part, resource):
        return
    if proxy.annotations:
        told = world.hits("proxy-annotation-set-incomplete", subject)
        if not any(key(part, resource) in hit.args.get("values", ()) for hit in told):
            wanted = {key(part, resource): value}
            added = proxy_annotations(world, subject, wanted) if value is not None else ()
            yield at(proxy.cause, args, message="annotations", on_key=True, fix=added)
    elif world.injection(subject).manual:
        place = proxy.cause.below("resources", part, resource)
        set_there = () if value is None else (Set(place.path, value),)
        yield at(place, args, on_key=True, fix=set_there)


def _given_to_all(
    plane: ControlPlane, part: Part, resource: str, value: str | None
) -> tuple[Change, ...]:
    place = place_for(plane, "proxy-resources")
    if value is None or place is None:
        return ()
    return (Set((*place.path, part, resource), value),)


def _installed(block: ContainerResources, part: Part, resource: str) -> bool:
    def given(values: Mapping[str, Sourced[Any]]) -> bool:
        return resource in values and values[resource].value is not None

    return given(block.limits) or (part == "requests" and given(block.requests))


def resources_inherited(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxies on the mesh-wide default, of workloads that declare no load to judge it by."""
    proxy = world.proxy(subject)
    if proxy is None or proxy.annotations or proxy.container is not None:
        return
    declared = workload_capacity(subject, world.settings.annotation_prefix).declared
    if RPS_PER_POD not in declared:
        shown = [
            f"{RESOURCES[resource]} {_PARTS[part]} {proxy.resources.part(part)[resource].value}"
            for part, resource in RESOURCE_ANNOTATIONS.values()
            if resource in proxy.resources.part(part)
        ]
        yield Hit(
            subject.annotations_path,
            {"values": f" ({', '.join(shown)})" if shown else ""},
            on_key=True,
        )
