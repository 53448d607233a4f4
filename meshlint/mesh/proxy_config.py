"""ProxyConfig of a pod: mesh-wide settings, ProxyConfig objects, and the pod's annotation.

Source: `pilot/pkg/model/proxy_config.go` and `pkg/config/mesh/mesh.go` in istio/istio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from meshlint.documents import parse
from meshlint.findings import Path
from meshlint.mesh.injection import scalar_map, scalar_text
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version
from meshlint.model.durations import seconds
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, integer, mapping, text
from meshlint.model.workloads import Workload
from meshlint.text import SourceFile

CONFIG_ANNOTATION = "proxy.istio.io/config"

UNKNOWN: Sourced[Any] = Sourced(None, default="not known")
"""Answer of a layer that is there but cannot be seen; compare with `is`."""

Layer: TypeAlias = Callable[[Path], "Sourced[Any] | None"]
"""One source of ProxyConfig fields: the value at a path, or None where it sets none."""


def parsed_mapping(content: str, name: str) -> dict[str, Any] | None:
    """The mapping that YAML inside a string holds; None for anything else."""
    documents = parse(SourceFile(name, content)).documents
    if not documents or not isinstance(documents[0].value, dict):
        return None
    return documents[0].value


def annotation_config(workload: Workload) -> Sourced[dict[str, Any]] | None:
    """ProxyConfig fields of the annotation proxy.istio.io/config.

    None without the annotation and where it holds no mapping; injection fails then.
    """
    content = scalar_text(workload.annotations.get(CONFIG_ANNOTATION))
    values = None if content is None else parsed_mapping(content, CONFIG_ANNOTATION)
    if values is None:
        return None
    path = (*workload.annotations_path, CONFIG_ANNOTATION)
    return Sourced(values, Place(workload.resource.document, path))


def config_field(layers: Sequence[Layer], version: Version, *path: str) -> Sourced[Any] | None:
    """A field over layers, highest first; None where no layer sets it.

    From 1.13 layers are merged as protobuf messages, in which a zero value overrides nothing;
    `concurrency` and map entries are the exceptions.
    """
    zero: Sourced[Any] | None = None
    zero_counts = path[0] in ("concurrency", "proxyMetadata") or version.before("1.13")
    for layer in layers:
        found = layer(path)
        if found is None or (found.value is None and found is not UNKNOWN):
            continue
        if found is UNKNOWN or zero_counts or not _is_zero(found.value):
            return found
        zero = zero or found
    return zero


def _is_zero(value: Any) -> bool:
    return not value or (isinstance(value, str) and seconds(value) == 0)


class ProxyConfigs:
    """Sources of ProxyConfig in one input."""

    def __init__(self, index: Index, settings: Settings) -> None:
        self._index = index
        self._settings = settings
        self._mesh_layers: dict[tuple[ControlPlane | None, bool], Layer] = {}

    def layers(
        self, workload: Workload, plane: ControlPlane | None, version: Version, *, installed: bool
    ) -> list[Layer]:
        """Sources for the pods of a workload, highest first.

        `installed` says whether the input installs Istio: only then is a missing control plane
        one whose settings are not known.
        """
        layers: list[Layer] = []
        with_objects = version.at_least("1.13")
        if with_objects:
            layers += _of_objects(self.selecting(workload))
        annotated = annotation_config(workload)
        if annotated is not None:
            layers.append(_of_annotation(annotated))
        if with_objects:
            root = self._root_namespace(plane)
            for namespace in dict.fromkeys((workload.namespace, root)):
                objects = self._in_namespace(namespace)
                layers += _of_objects([r for r in objects if r.spec.get("selector") is None])
        layers.append(self._mesh_wide(plane, installed=installed))
        return layers

    def selecting(self, workload: Workload) -> list[Resource]:
        """ProxyConfig objects whose selector matches the pods of a workload."""
        objects = self._in_namespace(workload.namespace)
        if not objects:
            return []
        labels = scalar_map(workload.labels)
        return [
            resource
            for resource in objects
            if matches_labels(get(resource.spec, "selector", "matchLabels"), labels)
        ]

    def _in_namespace(self, namespace: str) -> Sequence[Resource]:
        return self._index.in_namespace("networking.istio.io/ProxyConfig", namespace)

    def _root_namespace(self, plane: ControlPlane | None) -> str:
        if self._settings.root_namespace is not None:
            return self._settings.root_namespace
        if plane is None:
            return "istio-system"
        return text(plane.mesh, "rootNamespace") or plane.namespace or "istio-system"

    def _mesh_wide(self, plane: ControlPlane | None, *, installed: bool) -> Layer:
        known = self._mesh_layers.get((plane, installed))
        if known is None:
            made = self._make_mesh_wide(plane, installed=installed)
            known = self._mesh_layers[plane, installed] = lru_cache(maxsize=None)(made)
        return known

    def _make_mesh_wide(self, plane: ControlPlane | None, *, installed: bool) -> Layer:
        if plane is not None:
            mesh = plane.mesh_config
            return lambda path: mesh.get("defaultConfig", *path)
        if installed:
            return lambda _: UNKNOWN
        document = self._index.mesh_config
        if document is None:
            return lambda _: None

        def look_up(path: Path) -> Sourced[Any] | None:
            value = get(document.value, "defaultConfig", *path)
            return Sourced(value, Place(document, ("defaultConfig", *path)))

        return look_up


def _of_annotation(annotated: Sourced[dict[str, Any]]) -> Layer:
    return lambda path: Sourced(get(annotated.value, *path), annotated.place)


def _of_objects(resources: Sequence[Resource]) -> list[Layer]:
    if not resources:
        return []
    contents = [_content(resource) for resource in resources]
    if any(content != contents[0] for content in contents):
        # The oldest object counts, and manifests do not tell which one that is.
        return [lambda _: UNKNOWN]
    first = resources[0]

    def look_up(path: Path) -> Sourced[Any] | None:
        steps = ("environmentVariables", *path[1:]) if path[0] == "proxyMetadata" else path
        place = Place(first.document, (*first.path, "spec", *steps))
        return Sourced(get(contents[0], *path), place)

    return [look_up]


def _content(resource: Resource) -> dict[str, Any]:
    """A ProxyConfig object in the terms of MeshConfig."""
    return {
        "concurrency": resource.spec.get("concurrency"),
        "proxyMetadata": mapping(resource.spec, "environmentVariables"),
        "image": {"imageType": text(resource.spec, "image", "imageType") or None},
    }


# ----------------------------------------------------------------------------------- field types


def count(value: Any) -> int | None:
    """A whole number from 0, also as text, which protobuf takes too; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    number = integer(value)
    return number if number is not None and number >= 0 else None
