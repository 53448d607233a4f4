"""Selectors, target references, exports and annotations that objects of Istio have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import at, fault
from meshlint.findings import Hit, Path
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.selection import selector, target_references
from meshlint.mesh.world import World
from meshlint.model.names import is_dns_label
from meshlint.model.resources import Resource
from meshlint.model.values import items, text
from meshlint.operations import Remove

# ------------------------------------------------------------------------------------- selectors


def selector_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Selectors with wildcards or without keys, or written like those of a Deployment."""
    found = selector(subject)
    if found is None:
        return
    for key, value in found.labels.items():
        path = (*found.labels_path, key)
        if key == "":
            yield fault(path, "A label of the selector has no name", on_key=True)
        elif "*" in str(key):
            yield fault(path, f"Label {key} of the selector holds a wildcard", on_key=True)
        elif isinstance(value, str) and "*" in value:
            yield fault(path, f"Value {value} of label {key} in the selector holds a wildcard")
    if "matchExpressions" in found.block:
        path = (*found.path, "matchExpressions")
        exists = found.labels_field
        problem = f"The selector has matchExpressions, which are dropped: only {exists} exists"
        yield fault(path, problem, on_key=True)


def selector_empty(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Selectors that look like a choice and select everything."""
    found = selector(subject)
    # Anything else in the block is a slip of its own, and reported as such.
    if found is None or found.labels or set(found.block) - {found.labels_field}:
        return
    if found.block.get(found.labels_field) not in (None, {}):
        return
    scope = f"namespace {subject.namespace}"
    if subject.namespace == world.root_namespace and subject.kind != "ServiceEntry":
        scope = "the mesh"
    args = {"field": found.field, "scope": scope}
    yield Hit(found.path, args, on_key=True, fix=(Remove(found.path),))


# ----------------------------------------------------------------------------- target references

_GATEWAY_API = "gateway.networking.k8s.io"
_TARGETS = frozenset(
    {
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        (_GATEWAY_API, "Gateway"),
        (_GATEWAY_API, "GatewayClass"),
    }
)
_WITHOUT_TARGETS = frozenset({"PeerAuthentication", "Sidecar", "ProxyConfig"})


def target_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Policies that are for things no policy can be for, or say twice what they are for."""
    if subject.kind in _WITHOUT_TARGETS:
        return
    spec = (*subject.path, "spec")
    chosen = selector(subject)
    ways = [chosen.field] if chosen is not None else []
    if isinstance(subject.spec.get("targetRef"), dict):
        ways.append("targetRef")
    if items(subject.spec, "targetRefs"):
        ways.append("targetRefs")
    if len(ways) > 1:
        problem = f"The policy has {ways[0]} and {ways[-1]}, where only one of them may be set"
        yield fault((*spec, ways[-1]), problem, on_key=True)
    for path, target in target_references(subject):
        yield from _target(path, target, subject, world)


def _target(path: Path, target: dict[str, Any], subject: Resource, world: World) -> Iterator[Hit]:
    kind, group = text(target, "kind"), text(target, "group")
    if (group, kind) not in _TARGETS:
        step = "group" if any(kind == known for _, known in _TARGETS) else "kind"
        named = f"{group}/{kind}" if group else kind or "no kind"
        problem = (
            f"The target is {named}; a policy can be for a Service, a ServiceEntry of "
            f"networking.istio.io, or a Gateway or GatewayClass of {_GATEWAY_API}"
        )
        yield fault((*path, step), problem, on_key=step not in target)
    elif kind == "GatewayClass" and subject.namespace != world.root_namespace:
        problem = f"A GatewayClass is the target, outside the root namespace {world.root_namespace}"
        yield fault((*path, "kind"), problem)
    if target.get("name") in (None, ""):
        yield fault((*path, "name"), "The target has no name", on_key="name" not in target)
    if target.get("namespace") not in (None, ""):
        problem = f"The target names namespace {target['namespace']}, where none may be named"
        yield fault((*path, "namespace"), problem)


# --------------------------------------------------------------------------------------- exports


def export_to_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Lists of namespaces that contradict themselves."""
    if isinstance(subject, MeshConfig):
        for field in _DEFAULTS:
            listed = subject.config.get(field)
            if listed is not None and listed.place is not None:
                hidden = field == "defaultServiceExportTo"
                for step, problem in _faults(items(listed.value), "", hidden):
                    yield at(listed.place.below(step), {"problem": f"{problem} (in {field})"})
        return
    path = (*subject.path, "spec", "exportTo")
    names = items(subject.spec, "exportTo")
    # Without a namespace in the manifest nobody knows yet where the object ends up.
    own = subject.ref.namespace
    found = False
    for step, problem in _faults(names, own, subject.kind == "ServiceEntry"):
        found = True
        yield fault((*path, step), problem)
    selects = subject.kind == "DestinationRule" and selector(subject) is not None
    if selects and names and not found:
        for step, name in enumerate(names):
            if name != "." and isinstance(name, str) and (own or name == "*") and name != own:
                problem = (
                    f"The rule is for selected workloads of its own namespace and is exported to "
                    f"{name}"
                )
                yield fault((*path, step), problem)
                break


_DEFAULTS = (
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "defaultDestinationRuleExportTo",
)


def _faults(names: Sequence[Any], own: str, may_hide: bool) -> Iterator[tuple[int, str]]:
    """Positions in a list of exports, with what is wrong there."""
    seen: set[str] = set()
    for step, name in enumerate(names):
        if not isinstance(name, str):
            continue
        key = own if name == "." and own else name
        if key in seen:
            twice = f"namespace {own} a second time" if key == own else "a namespace listed before"
            yield step, f"Entry {name} names {twice}"
        elif name == "~" and not may_hide:
            yield step, "Entry ~ (nobody) is only for ServiceEntries"
        elif name not in (".", "*", "~") and not is_dns_label(name):
            yield step, f"Entry {name or '(empty)'} is no name of a namespace"
        elif name in ("*", "~") and len(names) > 1:
            everybody = "everybody" if name == "*" else "nobody"
            yield step, f"Entry {name} ({everybody}) stands beside others"
        seen.add(key)


# ----------------------------------------------------------------------------------- annotations

_INTERNAL = "internal.istio.io/"
_DRY_RUN = "istio.io/dry-run"
_BOOLEANS = frozenset(
    {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
)


def internal_annotation(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Annotations that istiod sets for itself, or refuses on the object."""
    for name, value in subject.annotations.items():
        path = (*subject.path, "metadata", "annotations", name)
        if str(name).startswith(_INTERNAL):
            args = {"annotation": name}
            yield Hit(path, args, message="internal", on_key=True, fix=(Remove(path),))
        elif name == _DRY_RUN and subject.kind != "AuthorizationPolicy":
            args = {"annotation": name, "kind": subject.kind}
            yield Hit(path, args, message="misplaced", on_key=True, fix=(Remove(path),))
        elif name == _DRY_RUN and subject.spec.get("action") in ("AUDIT", "CUSTOM"):
            args = {"annotation": name, "action": subject.spec["action"]}
            yield Hit(path, args, message="action", on_key=True, fix=(Remove(path),))
        elif name == _DRY_RUN and scalar_text(value) not in _BOOLEANS:
            args = {"annotation": name, "value": value}
            yield Hit(path, args, message="value", fix=(Remove(path),))
