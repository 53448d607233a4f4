"""ConfigMaps by which Gateways of the Gateway API say what istiod deploys for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import set_at, within_text
from meshlint.checks.hits import at, listed
from meshlint.dataclass import dataclass
from meshlint.findings import Change, Hit, In, Related
from meshlint.mesh.installations.automatic import CLASS_DEFAULTS
from meshlint.mesh.installations.helm import embedded_values
from meshlint.mesh.installations.neighbors import named, place_of
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Place
from meshlint.mesh.versions import AUTOMATIC_GATEWAY_OVERLAYS, Version
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import integer, mapping, text
from meshlint.operations import Set

_REFERENCE = ("spec", "infrastructure", "parametersRef")
_OVERLAYS = ("deployment", "service", "serviceAccount")
_LATER_OVERLAYS = ("horizontalPodAutoscaler", "podDisruptionBudget")


@dataclass(frozen=True, slots=True)
class _Overlay:
    """One key of a ConfigMap or of `gatewayClasses`. The value is None where it is no map."""

    key: str
    value: dict[str, Any] | None
    place: Place


def parameters_missing(
    subject: GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A reference to a ConfigMap that is not there."""
    gateway = _automatic(subject)
    reference = mapping(gateway.spec, "infrastructure", "parametersRef") if gateway else {}
    name = text(reference, "name")
    if gateway is None or not _is_config_map(reference) or not name:
        return
    config_maps = world.index.in_namespace("core/ConfigMap", gateway.namespace)
    if config_maps and all(resource.name != name for resource in config_maps):
        path = (*gateway.path, *_REFERENCE, "name")
        yield Hit(path, {"name": name, "namespace": gateway.namespace})


def _automatic(record: GatewayProxy) -> Resource | None:
    """The Gateway that istiod deploys a record for."""
    return record.resource if record.form == "automatic" else None


def _is_config_map(reference: Mapping[str, Any]) -> bool:
    return reference.get("kind") == "ConfigMap" and not reference.get("group")


def parameters_invalid(
    subject: GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Overlays that istiod refuses, and with them everything for the Gateway."""
    gateway = _automatic(subject)
    if gateway is None:
        return
    reference = mapping(gateway.spec, "infrastructure", "parametersRef")
    if reference and not _is_config_map(reference):
        kind = "/".join(filter(None, (text(reference, "group"), text(reference, "kind"))))
        field = "kind" if reference.get("kind") != "ConfigMap" else "group"
        yield Hit((*gateway.path, *_REFERENCE, field), {"kind": kind}, message="reference")
    here = (Related(gateway.document, (*gateway.path, *_REFERENCE), "used here", True),)
    if not reference:
        path = (*gateway.path, "spec", "gatewayClassName")
        here = (Related(gateway.document, path, "a Gateway of this class"),)
    known = _known(subject.version)
    for overlay in _overlays(gateway, subject, world):
        args = {"key": overlay.key, "known": listed(known), "version": str(subject.version)}
        if overlay.key not in known:
            later = overlay.key in _LATER_OVERLAYS
            message = "later" if later else "default"
            yield at(overlay.place, args, here, message=message, on_key=True)
        elif overlay.value is None:
            yield at(overlay.place, args, here, message="no-map", on_key=True)
        else:
            yield from _identity_changed(overlay, subject, here)


def _known(version: Version) -> tuple[str, ...]:
    return (*_OVERLAYS, *(_LATER_OVERLAYS if version in AUTOMATIC_GATEWAY_OVERLAYS else ()))


def _identity_changed(
    overlay: _Overlay, record: GatewayProxy, here: tuple[Related, ...]
) -> Iterator[Hit]:
    rendered = {"name": record.workload_name, "namespace": record.namespace}
    if overlay.key == "serviceAccount":
        rendered.pop("name")  # an annotation may give it another name than the Deployment has
    for field, own in rendered.items():
        value = mapping(overlay.value, "metadata").get(field)
        if isinstance(value, str) and own and value != own:
            args = {"key": overlay.key, "field": f"metadata.{field}", "value": value}
            place = overlay.place.below("metadata", field)
            yield at(place, args, here, message="identity", on_key=overlay.place.embedded)


def _overlays(gateway: Resource, record: GatewayProxy, world: World) -> Iterator[_Overlay]:
    class_name = record.class_name
    classes = record.values.at("gatewayClasses", class_name)
    for key in classes.keys():  # noqa: SIM118 - no mapping
        found = classes.given(key)
        if found is not None and found.place is not None:
            value = found.value if isinstance(found.value, dict) else None
            yield _Overlay(key, value, found.place)
    planes = world.installations.control_planes
    for namespace in sorted({plane.namespace for plane in planes} or {world.root_namespace}):
        for resource in world.index.in_namespace("core/ConfigMap", namespace):
            if resource.labels.get(CLASS_DEFAULTS) == class_name:
                yield from _of_config_map(resource)
    reference = mapping(gateway.spec, "infrastructure", "parametersRef")
    if _is_config_map(reference):
        name = text(reference, "name")
        found_map = named(world.index, "core/ConfigMap", gateway.namespace, name, gateway)
        if found_map is not None:
            yield from _of_config_map(found_map)


def _of_config_map(resource: Resource) -> Iterator[_Overlay]:
    for key, written in mapping(resource.value, "data").items():
        place = place_of(resource, "data", key)
        layer = embedded_values(written, place)
        value = layer.value if layer is not None and isinstance(layer.value, dict) else None
        yield _Overlay(key, value, Place(place.document, place.path, embedded=True))


# ---------------------------------------------------------------------------------- autoscaler


def autoscaler_maximum_missing(
    subject: GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An overlay that adds an autoscaler and leaves its maximum at the one pod of the template."""
    gateway = _automatic(subject)
    if gateway is None or subject.version not in AUTOMATIC_GATEWAY_OVERLAYS:
        return
    overlays = [
        overlay
        for overlay in _overlays(gateway, subject, world)
        if overlay.key == "horizontalPodAutoscaler" and overlay.value is not None
    ]
    if not overlays or any(
        mapping(overlay.value, "spec").get("maxReplicas") is not None for overlay in overlays
    ):
        return
    path = (*gateway.path, "metadata", "name")
    related = (Related(gateway.document, path, f"scales Gateway {gateway.name}"),)
    high = _room_above(overlays)
    fix = _with_maximum(overlays[-1], high)
    yield at(overlays[-1].place, {"maximum": high}, related, on_key=True, fix=fix)


def _room_above(overlays: Sequence[_Overlay]) -> int:
    minimum = (integer(overlay.value, "spec", "minReplicas") for overlay in reversed(overlays))
    return max(5, 2 * next((count for count in minimum if count is not None), 1))


def _with_maximum(overlay: _Overlay, maximum: int) -> tuple[Change, ...]:
    path, place = ("spec", "maxReplicas"), overlay.place
    if not place.embedded:
        return set_at(place.below(*path), maximum)
    found = within_text(place.document, place.path, (Set(path, maximum),))
    return (In(place.document, found),) if found else ()
