"""ConfigMaps and Secrets that pods refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Hit, Path
from meshlint.mesh.checkable import SECRET_SOURCES
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.patterns import regexp

Kind = Literal["ConfigMap", "Secret"]

# kustomize appends ten characters that spell no words (api/hasher in kubernetes-sigs/kustomize).
_HASH = regexp(r"-[2456789bcdfghkmt]{10}\Z")
_GENERATED = ("{{", "${", "$(")


@dataclass(frozen=True, slots=True)
class Reference:
    """A ConfigMap or Secret that a pod cannot start without, or one key of it."""

    kind: Kind
    name: str
    key: str | None
    path: Path
    """Way to the name."""
    key_path: Path


def config_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """References to objects, or keys of them, that are not there.

    Names of Secrets are judged only where the input is complete for them.
    """
    told: set[tuple[str, ...]] = set()
    for reference in _references(subject):
        kind, name, key = reference.kind, reference.name, reference.key
        found = world.index.find(f"core/{kind}", subject.namespace, name)
        identity = (kind, name) if found is None or key is None else (kind, name, key)
        if name in params["ignore"] or identity in told:
            continue
        told.add(identity)
        if found is None:
            yield from _absent(reference, subject, world)
        elif key is not None and not _has_key(found, key, world):
            yield Hit(reference.key_path, {"object": str(found.ref), "key": key}, message="key")


def _absent(reference: Reference, subject: Workload, world: World) -> Iterator[Hit]:
    if any(mark in reference.name for mark in _GENERATED):
        return
    if reference.kind == "Secret" and not world.complete("secrets").complete:
        return
    bare = _HASH.sub("", reference.name)
    present = _present(reference.kind, subject.namespace, world)
    if not present or bare in {_HASH.sub("", name) for name in present}:
        return
    generated = world.kustomizations.generated
    if (reference.kind, bare) in generated or (reference.kind, reference.name) in generated:
        return
    applied = world.kustomizations.applied(f"core/{reference.kind}")
    namespaces = {namespace for namespace, _ in world.kustomizations.applied_as(subject.resource)}
    if any((namespace, reference.name) in applied for namespace in namespaces):
        return
    yield Hit(
        reference.path,
        {"kind": reference.kind, "name": reference.name, "namespace": subject.namespace},
    )


def _present(kind: Kind, namespace: str, world: World) -> set[str]:
    """Names of the kind in a namespace, those included that a controller makes."""
    names = {found.name for found in world.index.in_namespace(f"core/{kind}", namespace)}
    if kind == "Secret":
        for source, path in SECRET_SOURCES.items():
            for found in world.index.in_namespace(source, namespace):
                names.add(text(found.value, *path) or found.name)
    return names


def _has_key(found: Resource, key: str, world: World) -> bool:
    """Whether an object has a key, or may have it.

    Another definition or a generator may add it; an object without any keys is filled by somebody.
    """
    if key in _keys(found) or not _keys(found):
        return True
    if (found.kind, found.name) in world.kustomizations.generated:
        return True
    others = world.index.in_namespace(found.group_kind, found.namespace)
    return any(other.name == found.name and key in _keys(other) for other in others)


def _keys(found: Resource) -> set[str]:
    blocks = ("data", "binaryData", "stringData")
    return {key for block in blocks for key in mapping(found.value, block)}


def _references(workload: Workload) -> Iterator[Reference]:
    for container in workload.containers:
        for number, variable in mappings(container.value, "env"):
            source = mapping(variable, "valueFrom")
            path = (*container.path, "env", number, "valueFrom")
            yield from _keyed(source, "configMapKeyRef", "ConfigMap", path)
            yield from _keyed(source, "secretKeyRef", "Secret", path)
        for number, source in mappings(container.value, "envFrom"):
            path = (*container.path, "envFrom", number)
            yield from _whole(source, "configMapRef", "ConfigMap", path)
            yield from _whole(source, "secretRef", "Secret", path)
    for number, volume in mappings(workload.pod_spec, "volumes"):
        path = (*workload.pod_spec_path, "volumes", number)
        yield from _volume(volume, "configMap", "ConfigMap", "name", path)
        yield from _volume(volume, "secret", "Secret", "secretName", path)
        for position, source in mappings(volume, "projected", "sources"):
            inner = (*path, "projected", "sources", position)
            yield from _volume(source, "configMap", "ConfigMap", "name", inner)
            yield from _volume(source, "secret", "Secret", "name", inner)


def _keyed(source: Any, field: str, kind: Kind, path: Path) -> Iterator[Reference]:
    block = mapping(source, field)
    name, key = text(block, "name"), text(block, "key")
    if name and key and block.get("optional") is not True:
        yield Reference(kind, name, key, (*path, field, "name"), (*path, field, "key"))


def _whole(source: Any, field: str, kind: Kind, path: Path) -> Iterator[Reference]:
    block = mapping(source, field)
    name = text(block, "name")
    if name and block.get("optional") is not True:
        yield Reference(kind, name, None, (*path, field, "name"), (*path, field, "name"))


def _volume(source: Any, field: str, kind: Kind, name_key: str, path: Path) -> Iterator[Reference]:
    block = mapping(source, field)
    name = text(block, name_key)
    if not name or block.get("optional") is True:
        return
    at = (*path, field, name_key)
    yield Reference(kind, name, None, at, at)
    for number, item in enumerate(items(block, "items")):
        key = text(item, "key")
        if key:
            yield Reference(kind, name, key, at, (*path, field, "items", number, "key"))
