"""Settings of istiod that let bad configuration in or cost more than they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at
from meshlint.checks.hits import at, there
from meshlint.findings import Hit, Related
from meshlint.mesh.installations.records import BaseChart, ControlPlane
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.provenance import Place
from meshlint.mesh.world import World
from meshlint.model.values import items, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Remove

_VALIDATING = "admissionregistration.k8s.io/ValidatingWebhookConfiguration"
_CLUSTER_OBJECTS = (
    "admissionregistration.k8s.io/MutatingWebhookConfiguration",
    "rbac.authorization.k8s.io/ClusterRole",
)


def validation_disabled(
    subject: ControlPlane | BaseChart, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An installation that takes in Istio configuration without looking at it."""
    values = subject.values
    if isinstance(subject, ControlPlane):
        switch = values.get("global", "configValidation")
        if switch is not None and switch.value is False:
            place = switch.anchor or subject.home
            yield at(place, {}, on_key=switch.place is None, fix=remove_at(switch.place))
    policy = values.given("base", "validationFailurePolicy")
    if policy is not None and policy.value == "Ignore" and policy.place is not None:
        yield at(policy.place, {}, message="ignore", fix=remove_at(policy.place))
    if isinstance(subject, ControlPlane) and subject.form == "rendered":
        yield from _unvalidated(subject, world)


def _unvalidated(subject: ControlPlane, world: World) -> Iterator[Hit]:
    """A rendered installation with its cluster-scoped objects, but no validating webhook."""
    present = [
        resource
        for kind in _CLUSTER_OBJECTS
        for resource in world.index.of_kind(kind)
        if resource.labels.get("app") in ("istiod", "sidecar-injector")
    ]
    kinds = {resource.group_kind for resource in present}
    if kinds != set(_CLUSTER_OBJECTS):
        return
    for resource in world.index.of_kind(_VALIDATING):
        if any(
            text(hook, "name").endswith("validation.istio.io")
            for _, hook in mappings(resource.value, "webhooks")
        ):
            return
    injector = next(r for r in present if r.group_kind == _CLUSTER_OBJECTS[0])
    place = Place(injector.document, (*injector.path, "metadata", "name"))
    yield at(subject.home, {}, there(place, "other webhooks are here"), message="absent")


# ---------------------------------------------------------------------------------------- logs

_COSTLY = frozenset({"default", "all", "ads", "delta"})


def log_level_verbose(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod that logs every push in detail."""
    if subject.form != "rendered":
        level = subject.values.given("global", "logging", "level")
        if level is not None and level.place is not None:
            scope = _verbose_scope(level.value)
            if scope:
                yield at(level.place, {"scope": scope}, fix=remove_at(level.place))
        return
    workload = world.index.workload_of(subject.resource) if subject.resource else None
    if workload is not None:
        yield from _verbose_arguments(workload)


def _verbose_arguments(workload: Workload) -> Iterator[Hit]:
    for container in workload.containers:
        if container.name != "discovery":
            continue
        arguments = items(container.value, "args")
        for index, argument in enumerate(arguments):
            if not isinstance(argument, str):
                continue
            flag, equals, level = argument.partition("=")
            if flag != "--log_output_level":
                continue
            position = index if equals else index + 1
            value = level if equals else (arguments[position : position + 1] or [""])[0]
            scope = _verbose_scope(value)
            if scope:
                root = (*container.path, "args")
                gone = [Remove((*root, place)) for place in range(position, index - 1, -1)]
                yield Hit((*root, position), {"scope": scope}, fix=tuple(gone))


def _verbose_scope(level: Any) -> str:
    """The first costly scope that a level list (`default:info,ads:debug`) sets to debug."""
    if not isinstance(level, str):
        return ""
    for entry in level.split(","):
        scope, colon, name = entry.strip().partition(":")
        if not colon:
            scope, name = "default", scope
        if name.strip() == "debug" and scope.strip() in _COSTLY:
            return scope.strip()
    return ""


# ----------------------------------------------------------------------------------- discovery

_MESH_LABELS = ("istio-injection", "istio.io/rev", "istio.io/dataplane-mode")


def discovery_unscoped(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod that watches many namespaces with which the mesh has nothing to do."""
    if not subject.known or items(subject.config.value("discoverySelectors")):
        return
    if subject.plane is not None and not subject.plane.istiod:
        return
    outside: dict[str, Related] = {}
    for namespace in world.index.of_kind("core/Namespace"):
        if any(label in namespace.labels for label in _MESH_LABELS):
            continue
        path = (*namespace.path, "metadata", "name")
        note = "one of the namespaces without a mesh label"
        outside.setdefault(namespace.name, Related(namespace.document, path, note))
    if len(outside) >= params["min_namespaces"]:
        place = subject.config.site("discoverySelectors") or subject.home
        first = next(iter(outside.values()))
        yield at(place, {"count": len(outside)}, (first,), on_key=True)
