"""EnvoyFilters: patches that istiod refuses or ignores, and patches that break with an upgrade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault, listed
from meshlint.findings import Hit, Path, Related
from meshlint.mesh.envoy_filters import (
    HTTP_CONNECTION_MANAGER,
    MATCH_FIELD,
    RELATIVE,
    RENAMED_FILTERS,
    Patch,
    patches,
    possible_operations,
)
from meshlint.mesh.selection import selector
from meshlint.mesh.world import World
from meshlint.model.names import is_port
from meshlint.model.regex import regex_fault
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, text

_UNSET = (None, "", "INVALID")

# --------------------------------------------------------------------------------------- refused


def patch_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Patches that lack what every patch needs."""
    for patch in patches(subject):
        if patch.context == "WAYPOINT":
            continue
        block = patch.entry.get("patch")
        if patch.entry.get("applyTo") in _UNSET:
            problem = "The patch has no applyTo, so nothing says what it is for"
            yield fault((*patch.path, "applyTo"), problem, on_key=True)
        elif not isinstance(block, dict):
            problem = "The entry has no patch, so it says where but not what"
            yield fault((*patch.path, "patch"), problem, on_key=True)
        elif block.get("operation") in _UNSET:
            problem = "The patch has no operation"
            yield fault((*patch.path, "patch", "operation"), problem, on_key=True)
        elif block["operation"] != "REMOVE" and block.get("value") is None:
            problem = f"Operation {block['operation']} has no value to put there"
            yield fault((*patch.path, "patch", "value"), problem, on_key=True)
        else:
            # What is too long is told by envoyfilter-config-outdated, as istiod only warns of it.
            problem = regex_fault(patch.proxy_version) if patch.proxy_version else ""
            if problem:
                path = (*patch.path, "match", "proxy", "proxyVersion")
                yield fault(path, f"Expression {patch.proxy_version} of proxyVersion {problem}")


_CLASSES = ("listener", "routeConfiguration", "cluster")


def match_mismatched(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Matches that cannot find what the patch is for."""
    for patch in patches(subject):
        path = (*patch.path, "match")
        yield from _waypoint(patch, (*path, "waypoint"))
        if patch.context == "WAYPOINT":
            continue
        needed = MATCH_FIELD.get(patch.apply_to)
        present = [field for field in _CLASSES if isinstance(patch.match.get(field), dict)]
        if needed is None or not present:
            continue
        if needed not in present:
            problem = f"The match is for a {present[0]}, and {patch.apply_to} needs {needed}"
            yield fault((*path, present[0]), problem, on_key=True)
        elif needed == "listener":
            yield from _filter_match(patch, (*path, "listener", "filterChain", "filter"))


def _waypoint(patch: Patch, path: Path) -> Iterator[Hit]:
    block = patch.match.get("waypoint")
    if not isinstance(block, dict):
        for other in ("listener", "routeConfiguration"):
            if patch.context == "WAYPOINT" and isinstance(patch.match.get(other), dict):
                problem = f"The match is for a {other}, and context WAYPOINT needs waypoint"
                yield fault((*path[:-1], other), problem, on_key=True)
        return
    if patch.context != "WAYPOINT":
        problem = f"The match is for a waypoint, and its context is {patch.context}, not WAYPOINT"
        yield fault(path, problem, on_key=True)
    port = integer(block, "portNumber")
    if port is not None and not is_port(port):
        yield fault((*path, "portNumber"), f"Port {port} is outside 1 to 65535")


def _filter_match(patch: Patch, path: Path) -> Iterator[Hit]:
    found = get(patch.match, "listener", "filterChain", "filter")
    if not isinstance(found, dict):
        return
    name, inner = text(found, "name"), found.get("subFilter")
    if not name:
        problem = "The match on a filter has no name, so it finds none"
        yield fault((*path, "name"), problem, on_key=True)
    elif isinstance(inner, dict):
        if patch.apply_to != "HTTP_FILTER":
            problem = f"A subFilter finds HTTP filters only, and applyTo is {patch.apply_to}"
            yield fault((*path, "subFilter"), problem, on_key=True)
        elif name not in (HTTP_CONNECTION_MANAGER, "envoy.http_connection_manager"):
            problem = f"A subFilter needs filter {HTTP_CONNECTION_MANAGER} around it, not {name}"
            yield fault((*path, "name"), problem)
        elif not text(inner, "name"):
            problem = "The subFilter has no name, so it finds no filter"
            yield fault((*path, "subFilter", "name"), problem, on_key=True)


# --------------------------------------------------------------------------------------- ignored


def operation_ignored(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Operations that istiod does not carry out."""
    for patch in patches(subject):
        if params["documented"] and patch.operation in ("INSERT_BEFORE", "INSERT_AFTER"):
            continue  # for what they have no meaning, the reference does not say
        undocumented = (
            params["documented"]
            and patch.apply_to == "HTTP_ROUTE"
            and patch.operation in ("ADD", "REMOVE")
        )
        if patch.is_carried_out and not undocumented:
            continue
        possible = [
            name
            for name in possible_operations(patch.apply_to)
            if not (undocumented and name in ("ADD", "REMOVE"))
        ]
        args = {
            "operation": patch.operation,
            "target": patch.apply_to,
            "possible": listed(possible),
        }
        yield Hit((*patch.path, "patch", "operation"), args)


def priority_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Patches that depend on others, in an order that nobody has chosen."""
    if subject.spec.get("priority") not in (None, 0):
        return
    ignored = {hit.path for hit in world.hits("envoyfilter-operation-ignored", subject)}
    for patch in patches(subject):
        path = (*patch.path, "patch", "operation")
        if patch.operation not in RELATIVE or not patch.is_carried_out or path in ignored:
            continue
        args = {"operation": patch.operation, "filter": patch.filter_name}
        bound = _bound_elsewhere(patch, world)
        if bound is not None:
            yield Hit(path, args, (bound,), message="version")
        else:
            yield Hit(path, args)


def _bound_elsewhere(patch: Patch, world: World) -> Related | None:
    """Another patch on the same filter that is for one version of the proxy only."""
    for resource, other in world.version_bound_patches.get(patch.filter_name, ()):
        if other.entry is not patch.entry:
            path = (*other.path, "match", "proxy", "proxyVersion")
            return Related(resource.document, path, "only for this version")
    return None


# -------------------------------------------------------------------------------------- upgrades


def mesh_wide(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Patches that every proxy of the mesh gets."""
    chosen = selector(subject)
    selects = chosen is not None and bool(chosen.labels)
    if subject.namespace != world.root_namespace or selects or items(subject.spec, "targetRefs"):
        return
    for patch in patches(subject):
        if patch.context == "ANY":
            path = (*patch.path, "match", "context")
            yield Hit(path, {"name": subject.name}, on_key=not text(patch.match, "context"))
            return


def version_unbound(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Patches that are for whatever version of the proxy comes next."""
    for patch in patches(subject):
        if patch.apply_to and not patch.proxy_version:
            path = (*patch.path, "match", "proxy", "proxyVersion")
            yield Hit(path, {"target": patch.apply_to}, on_key=True)


_LONGEST_VERSION = 1024
_OLD_TYPES = ("envoy.api.v2.", "envoy.config.filter.", "envoy.config.accesslog.v2.")


def config_outdated(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Configuration of Envoy in forms that it has given up."""
    for patch in patches(subject):
        if patch.context == "WAYPOINT":
            continue
        path = (*patch.path, "match", "listener", "filterChain", "filter")
        found = mapping(patch.match, "listener", "filterChain", "filter")
        if found and patch.apply_to in ("LISTENER", "FILTER_CHAIN"):
            yield Hit(path, {"target": patch.apply_to}, message="match", on_key=True)
        for steps in (("name",), ("subFilter", "name")):
            name = text(found, *steps)
            if name in RENAMED_FILTERS:
                args = {"name": name, "successor": RENAMED_FILTERS[name]}
                yield Hit((*path, *steps), args, message="name")
        if len(patch.proxy_version) > _LONGEST_VERSION:
            version = (*patch.path, "match", "proxy", "proxyVersion")
            yield Hit(version, {"length": len(patch.proxy_version)}, message="version")
        yield from _old_parts(patch.value, (*patch.path, "patch", "value"))
        yield from _without_config(patch)


def _old_parts(value: Any, path: Path) -> Iterator[Hit]:
    """Types of old versions of Envoy's API, wherever in a value they stand."""
    if isinstance(value, dict):
        kind = text(value, "@type") or text(value, "typeUrl") or text(value, "type_url")
        step = "@type" if "@type" in value else "typeUrl" if "typeUrl" in value else "type_url"
        name = kind.rpartition("/")[2]
        parts = name.split(".")
        if name.startswith(_OLD_TYPES) or (
            name.startswith("envoy.") and any(part in ("v2", "v2alpha") for part in parts)
        ):
            yield Hit((*path, step), {"type": name}, message="type")
        for key, below in value.items():
            yield from _old_parts(below, (*path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _old_parts(below, (*path, number))


def _without_config(patch: Patch) -> Iterator[Hit]:
    """Filters that a patch adds by their name alone."""
    if patch.apply_to not in ("HTTP_FILTER", "NETWORK_FILTER", "LISTENER_FILTER"):
        return
    value = patch.value
    if patch.operation == "REMOVE" or not isinstance(value, dict):
        return
    if value.keys() & {"typed_config", "typedConfig", "config_discovery", "configDiscovery"}:
        return
    path = (*patch.path, "patch", "value")
    if patch.operation in ("MERGE", "MERGE_AND_REPLACE_LIST") and set(value) <= {"name"}:
        return
    name = text(value, "name")
    yield Hit((*path, "typed_config"), {"name": name or "without a name"}, message="untyped")
