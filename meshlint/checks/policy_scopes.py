"""What policies of Istio hold for: no workload, or the same as another policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.ambient import is_ambient_namespace
from meshlint.mesh.policy_scopes import is_wide
from meshlint.mesh.selection import selector, target_references
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import is_templated, text
from meshlint.operations import Remove, Set

_TARGETS = {
    ("gateway.networking.k8s.io", "Gateway"): "gateway.networking.k8s.io/Gateway",
    ("", "Service"): "core/Service",
    ("core", "Service"): "core/Service",
    ("networking.istio.io", "ServiceEntry"): "networking.istio.io/ServiceEntry",
}


def selects_nothing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Policies for workloads or objects that do not exist."""
    found = selector(subject)
    templated = found is not None and any(is_templated(value) for value in found.labels.values())
    if found is not None and not templated and world.policy_scopes.selects_nothing(subject):
        labels = ", ".join(f"{key}: {value}" for key, value in found.labels.items())
        where = f"namespace {subject.namespace}"
        if subject.namespace == world.root_namespace and subject.kind != "Sidecar":
            where = "any namespace"
        args = {"kind": subject.kind, "labels": labels, "where": where}
        yield Hit(found.labels_path, args, on_key=True)
    elif subject.kind in params["alone"] and not templated and _is_alone(subject, world):
        args = {"kind": subject.kind, "namespace": subject.namespace}
        yield Hit((*subject.path, "metadata", "name"), args, message="alone")
    for path, target in target_references(subject):
        kind = _TARGETS.get((text(target, "group"), text(target, "kind")))
        name = text(target, "name")
        if kind is None or not name or is_templated(name) or target.get("namespace"):
            continue
        if not world.presence.shows(kind, subject):
            continue
        known = world.index.named(kind, subject.namespace, name)
        if not known and not world.presence.may_exist(kind, subject, name):
            args = {"kind": subject.kind, "target": f"{text(target, 'kind')} {name}"}
            args["where"] = f"namespace {subject.namespace}"
            yield Hit((*path, "name"), args, message="target")


def _is_alone(policy: Resource, world: World) -> bool:
    """Whether a policy for workloads is in a namespace that has none in the input."""
    if policy.namespace == world.root_namespace or any(target_references(policy)):
        return False
    return not world.index.workloads_in(policy.namespace)


def namespace_duplicate(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Several policies of a kind for all workloads of a namespace."""
    namespace = subject.namespace
    if not is_wide(subject):
        return
    if subject.kind == "Sidecar" and is_ambient_namespace(world.index, world.settings, namespace):
        return
    for other in world.policy_scopes.wide(subject.group_kind, namespace):
        if _meet(subject, other, world):
            name = (*other.path, "metadata", "name")
            there = Related(other.document, name, "for all workloads too")
            args = {"kind": subject.kind, "other": other.name, "namespace": namespace}
            yield Hit((*subject.path, "metadata", "name"), args, (there,))
            return


def _meet(one: Resource, other: Resource, world: World) -> bool:
    """Whether two objects are surely in one cluster, and two."""
    return other.name != one.name and world.presence.surely_together(one, other)


def selector_overlap(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Policies of a kind that select the same workload."""
    found = selector(subject)
    if found is None:
        return
    for other, workload in world.policy_scopes.overlapping(subject):
        if _meet(subject, other, world):
            theirs = selector(other)
            path = theirs.labels_path if theirs is not None else other.path
            there = (Related(other.document, path, "selects it too", True),)
            args = {"kind": subject.kind, "other": other.name, "workload": workload}
            message = "default" if workload else "equal"
            yield Hit(found.labels_path, args, there, message=message, on_key=True)
            return


def selector_on_gatewayapi(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Selectors that mean the pods of a Gateway of the Gateway API."""
    found = selector(subject)
    if found is None or any(True for _ in target_references(subject)):
        return
    gateway = world.policy_scopes.kubernetes_gateway(subject)
    if gateway is not None:
        target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}
        targets = (*subject.path, "spec", "targetRefs")
        changes = (Set(targets, [target], before=found.field), Remove(found.path))
        # Only other fields of the selector would be lost with it.
        plain = set(found.block) <= {found.labels_field}
        fix = changes if plain and world.istio_version.at_least("1.22") else ()
        args = {"kind": subject.kind, "gateway": gateway}
        yield Hit(found.path, args, on_key=True, fix=fix)
