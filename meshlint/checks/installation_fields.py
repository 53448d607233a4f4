"""Input fields of installations: gone, with a successor, or without effect; profiles and images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import mesh_config_place, remove_at
from meshlint.checks.hits import at
from meshlint.findings import Change, Hit, In
from meshlint.mesh.installations.field_tables import (
    AUTOSCALING_FIELDS,
    DEPRECATED,
    INEFFECTIVE,
    REMOVED,
    Field,
)
from meshlint.mesh.installations.layers import Layers
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.installations.tables import OPERATOR_PROFILES
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.world import World
from meshlint.model.values import get, items
from meshlint.operations import Move, Remove, Set
from meshlint.patterns import regexp

Record = ControlPlane | GatewayProxy


def _set(tree: Layers, path: Sequence[str]) -> Iterator[Sourced[Any]]:
    """What the input sets at a path with `*` and `[]` in it."""
    for number, step in enumerate(path):
        if step in ("*", "[]"):
            before, after = path[:number], path[number + 1 :]
            keys: Sequence[str | int] = tree.at(*before).keys()
            if step == "[]":
                keys = range(len(items(tree.value(*before))))
            for key in keys:
                yield from _set(tree, (*before, key, *after))  # type: ignore[arg-type]
            return
    found = tree.given(*path)
    if found is not None and found.place is not None:
        yield found


def _trees(subject: Record, field: Field) -> Iterator[Layers]:
    """The trees of a record that a field hangs in."""
    if field.root == "values":
        yield subject.values
    elif field.root == "spec" and isinstance(subject, ControlPlane):
        yield subject.spec
    elif field.root == "k8s":
        if isinstance(subject, GatewayProxy):
            yield subject.component.at("k8s")
        else:
            yield subject.spec.at("components", "pilot", "k8s")


def _applies(subject: Record, field: Field) -> bool:
    if field.form is not None and field.form != subject.form:
        return False
    return not field.since or subject.version.at_least(field.since)


def _found(subject: Record, table: Sequence[Field]) -> Iterator[tuple[Field, Sourced[Any], Place]]:
    # Gateways of an IstioOperator share its values: those are told on the installation alone.
    shared = isinstance(subject, GatewayProxy) and subject.form == "istiooperator"
    for field in table:
        if not _applies(subject, field) or (shared and field.root != "k8s"):
            continue
        for tree in _trees(subject, field):
            for found in _set(tree, field.path):
                if field.value is None or found.value == field.value:
                    assert found.place is not None
                    yield field, found, found.place


def _args(subject: Record, field: Field) -> dict[str, object]:
    return {
        "field": field.shown,
        "version": str(subject.version),
        "since": field.since,
        "use": field.use,
        "reason": field.reason,
    }


def field_removed(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Fields that the target version no longer has."""
    for field, found, place in _found(subject, REMOVED):
        operator = subject.form == "istiooperator"
        if field.use:
            message = "istiooperator" if operator else "default"
        else:
            message = "istiooperator-gone" if operator else "gone"
        fix = _new_target(found.value, place) if field.root == "k8s" else ()
        yield at(place, _args(subject, field), message=message, on_key=True, fix=fix)


def _new_target(value: Any, place: Place) -> tuple[Change, ...]:
    """A metric of an autoscaler as autoscaling/v2 has it."""
    home, old = place.path[:-1], str(place.path[-1])
    name = f"{old.removeprefix('target')[:1].lower()}{old.removeprefix('target')[1:]}"
    if place.embedded or get(place.document.value, *home, "target") is not None:
        return ()
    kind = "Utilization" if name == "averageUtilization" else "AverageValue"
    target = {"type": kind, name: value}
    return (In(place.document, (Set((*home, "target"), target), Remove(place.path))),)


def field_deprecated(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Fields that have a successor."""
    for field, found, place in _found(subject, DEPRECATED):
        if not found.value:  # Helm counts false, 0 and empty blocks as not set
            continue
        message = "default" if field.use else "unused"
        fix = _moved(subject, field, place)
        yield at(place, _args(subject, field), message=message, on_key=True, fix=fix)


_SUCCESSOR = regexp(r"(meshConfig|values)\.([\w.]+)")
# Their successors take an address in the place of host and port.
_OTHER_SHAPE = frozenset({"envoyAccessLogService", "envoyMetricsService"})


def _moved(subject: Record, field: Field, place: Place) -> tuple[Change, ...]:
    """The value at the place of its successor, where that is a field of the same shape."""
    successor = _SUCCESSOR.fullmatch(field.use)
    if successor is None or field.path[-1] in _OTHER_SHAPE or not isinstance(subject, ControlPlane):
        return ()
    steps = successor[2].split(".")
    tree = subject.mesh_config if successor[1] == "meshConfig" else subject.values
    if tree.given(*steps) is not None:
        return ()
    if successor[1] == "meshConfig" and not tree:
        steps, tree = ["meshConfig", *steps], subject.values
    site = mesh_config_place(tree.site(*steps))
    if site is None or site.embedded or place.embedded or site.document is not place.document:
        return ()
    if place.path[-1] != field.path[-1]:
        return ()  # a parameter, which names the field in a text
    return (In(place.document, (Move(place.path, site.path),)),)


def field_ineffective(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Fields that are accepted and change nothing."""
    for field, _, place in _found(subject, INEFFECTIVE):
        yield at(place, _args(subject, field), on_key=True, fix=remove_at(place))
    if isinstance(subject, ControlPlane) and subject.form == "sail" and subject.resource:
        path = (*subject.resource.path, "spec", "components")
        if get(subject.document.value, *path):
            args = {"field": "spec.components", "reason": "Sail installs no gateways or components"}
            components = Place(subject.document, path)
            yield at(components, args, on_key=True, fix=remove_at(components))
    for name, tree, steps in _unread(subject):
        for found in _set(tree, steps):
            assert found.place is not None
            reason = "the autoscaler that would read it is turned off"
            args = {"field": name, "reason": reason}
            yield at(found.place, args, on_key=True, fix=remove_at(found.place))


def _unread(subject: Record) -> Iterator[tuple[str, Layers, tuple[str, ...]]]:
    """Settings of an autoscaler that is not rendered, as name, tree and path."""
    enabled = subject.autoscaling.enabled
    if enabled is None or enabled.value:
        return
    if isinstance(subject, ControlPlane):
        if subject.form == "rendered" or not subject.istiod:
            return
        if subject.values.value("pilot", "autoscaleEnabled") is not False:
            return  # a minimum or maximum of 0 turns it off, and is itself read
        for name in AUTOSCALING_FIELDS:
            yield f"values.pilot.{name}", subject.values, ("pilot", name)
    elif subject.form == "helm":
        autoscaling = subject.values.at("autoscaling")
        for key in autoscaling.keys():  # noqa: SIM118 - no mapping
            if key != "enabled":
                yield f"autoscaling.{key}", subject.values, ("autoscaling", key)


# ------------------------------------------------------------------------------------- profiles

_HELM_PROFILES = frozenset({"ambient", "demo", "preview", "remote", "stable"})
_SAIL_PROFILES = frozenset(
    {"ambient", "default", "demo", "empty", "external", "openshift", "openshift-ambient",
     "preview", "remote", "stable"}
)  # fmt: skip
_OPERATOR_PROFILES = frozenset(
    {"default", "minimal", "demo", "empty", "preview", "ambient", "remote", "openshift",
     "openshift-ambient", "stable", "external"}
)  # fmt: skip
# Platform and compatibility profiles of the charts are names of the same setting.
# Google's distribution of istioctl brings profiles of its own.
_VENDOR_PROFILE = regexp(r"asm-.+")
_CHART_FILE = regexp(r"(?:platform-|compatibility-version-).+")


def profile_unknown(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Profiles that no file of the release stands for."""
    profile = subject.profile
    if profile.place is None or not isinstance(profile.value, str) or not profile.value:
        return
    name = profile.value
    if subject.form == "istiooperator":
        known = _OPERATOR_PROFILES | set(OPERATOR_PROFILES)
        own_file = "/" in name or name.endswith((".yaml", ".yml"))
        if own_file or _VENDOR_PROFILE.fullmatch(name):
            return
    elif subject.form == "helm":
        known = _HELM_PROFILES
        if _CHART_FILE.fullmatch(name):
            return
    elif subject.form == "sail":
        known = _SAIL_PROFILES
    else:
        return
    if name not in known:
        yield at(profile.place, {"profile": name, "known": ", ".join(sorted(known))})


def profile_not_for_production(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Profiles that are made for a look at Istio."""
    profile = subject.profile
    if profile.place is not None and profile.value in params["profiles"]:
        message = profile.value if profile.value in ("demo", "preview") else "default"
        yield at(profile.place, {"profile": profile.value}, message=message)


# --------------------------------------------------------------------------------------- images

_UNRELEASED_TAG = regexp(
    r"(?:latest|master|main)(?:-.*)?|.*-(?:dev|alpha|beta|rc)(?:[.\-]?[0-9a-f].*)?", re.IGNORECASE
)
_UNRELEASED_HUB = regexp(r".*(?:/|^)(?:istio-)?testing/?|.*istio-release/prerelease.*")


def image_unreleased(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images of a build that was never released."""
    seen: set[Place] = set()
    if isinstance(subject, ControlPlane) and subject.form == "sail":
        source = subject.version_source
        if source is not None and source.place is not None:
            if _UNRELEASED_TAG.fullmatch(source.value):
                yield at(source.place, {"image": f"version {source.value}"})
            return
    for image in subject.images:
        for part, pattern, word in (
            (image.hub, _UNRELEASED_HUB, "hub"),
            (image.tag, _UNRELEASED_TAG, "tag"),
        ):
            value, place = part.value, part.place
            if not isinstance(value, str) or place is None or place in seen or "sha256:" in value:
                continue
            if pattern.fullmatch(value):
                seen.add(place)
                yield at(place, {"image": f"{word} {value}"})
