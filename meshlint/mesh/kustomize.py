"""What the kustomizations of the input say about other files."""

from __future__ import annotations

import itertools
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

from meshlint.documents import Document, parse
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, mappings, string_map, text
from meshlint.model.workloads import Workload
from meshlint.sources import KUSTOMIZATION_NAMES
from meshlint.text import SourceFile

_PATCH_FIELDS = ("patches", "patchesJson6902", "patchesStrategicMerge")


class Kustomizations:
    """Every kustomization of the input."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._applied: dict[str, frozenset[tuple[str, str]]] = {}

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """Their documents, in input order."""
        return tuple(
            document
            for file in self._index.files
            if posixpath.basename(file.file.path) in KUSTOMIZATION_NAMES
            for document in file.documents
        )

    @cached_property
    def generated(self) -> frozenset[tuple[str, str]]:
        """Kind and name, without a hash, of each ConfigMap and Secret that one generates."""
        return frozenset(self._generated())

    def _generated(self) -> Iterator[tuple[str, str]]:
        for document in self.documents:
            for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
                for _, generator in mappings(document.value, key):
                    name = text(generator, "name")
                    yield kind, name
                    prefix = text(document.value, "namePrefix")
                    suffix = text(document.value, "nameSuffix")
                    yield kind, f"{prefix}{name}{suffix}"

    @cached_property
    def _listed(self) -> tuple[frozenset[str], ...]:
        """Files and directories that are listed together."""
        return tuple(
            frozenset(
                _resolve(document, entry)
                for key in ("resources", "bases", "components")
                for entry in items(document.value, key)
                if isinstance(entry, str)
            )
            for document in self.documents
        )

    def lists(self, resource: Resource) -> bool:
        """Whether a kustomization lists the file of an object, and may add labels to it."""
        path = resource.document.file.path
        return any(path in listed for listed in self._listed)

    def applied_together(self, one: Resource, other: Resource) -> bool:
        """Whether two objects are sure to be applied at once: of one file or one kustomization."""
        first, second = one.document.file.path, other.document.file.path
        if first == second:
            return True
        return any(first in listed and second in listed for listed in self._listed)

    def in_one_unit(self, one: Resource, other: Resource) -> bool:
        """Whether two objects stand in one file, or in one folder that is applied as a whole.

        A folder with a kustomization is applied as that says.
        """
        if one.document.file is other.document.file:
            return True
        folders = {posixpath.dirname(each.document.file.path) for each in (one, other)}
        if len(folders) == 1 and not (folders & self._folders):
            return True
        return self.applied_together(one, other)

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(posixpath.dirname(document.file.path) for document in self.documents)

    def beside(self, files: AbstractSet[str]) -> frozenset[str]:
        """Files that are listed together with one of these."""
        return frozenset(path for listed in self._listed if listed & files for path in listed)

    # ----------------------------------------------------------------------------------- names

    def applied(self, group_kind: str) -> frozenset[tuple[str, str]]:
        """Namespaces and names that the objects of a kind may have once they are applied."""
        known = self._applied.get(group_kind)
        if known is None:
            objects = self._index.of_kind(group_kind)
            known = frozenset(found for one in objects for found in self.applied_as(one))
            self._applied[group_kind] = known
        return known

    def applied_as(self, resource: Resource) -> Iterator[tuple[str, str]]:
        """Namespaces and names that an object may have once it is applied, its own first.

        Others come from the kustomizations that list its file, and from those that list these.
        """
        path = posixpath.normpath(resource.document.file.path)
        return self._renamed(path, resource.namespace, resource.name, ())

    def _renamed(
        self, path: str, namespace: str, name: str, below: tuple[Document, ...]
    ) -> Iterator[tuple[str, str]]:
        yield namespace, name
        for document in self._listing.get(path, ()):
            if document in below:
                continue
            prefix, suffix = (text(document.value, key) for key in ("namePrefix", "nameSuffix"))
            yield from self._renamed(
                posixpath.normpath(posixpath.dirname(document.file.path)),
                text(document.value, "namespace") or namespace,
                f"{prefix}{name}{suffix}",
                (*below, document),
            )

    @cached_property
    def _listing(self) -> Mapping[str, list[Document]]:
        """Kustomizations by the files and directories they list."""
        table: dict[str, list[Document]] = defaultdict(list)
        for document, listed in zip(self.documents, self._listed, strict=True):
            for path in listed:
                table[path].append(document)
        return table

    # ------------------------------------------------------------------------- labels and ports

    @cached_property
    def added_labels(self) -> frozenset[tuple[str, str]]:
        """Keys and values of the labels that kustomizations give to objects."""
        return frozenset(
            pair
            for document in self.documents
            for labels in (
                mapping(document.value, "commonLabels"),
                *(mapping(entry, "pairs") for _, entry in mappings(document.value, "labels")),
            )
            for pair in string_map(labels).items()
        )

    @cached_property
    def patched_ports(self) -> frozenset[int | str]:
        """Numbers and names of the container ports that patches add to pods."""
        return frozenset(
            port
            for document in self.documents
            for field in _PATCH_FIELDS
            for entry in items(document.value, field)
            for patch in self._patches(document, entry)
            for port in _ports(patch)
        )

    # -------------------------------------------------------------------------------- replicas

    def replicas_changed(self, workload: Workload) -> bool:
        """Whether a kustomization gives a workload, or all that it patches, other replicas."""
        return workload.name in self._rescaled or (
            "" in self._rescaled and self.lists(workload.resource)
        )

    @cached_property
    def _rescaled(self) -> frozenset[str]:
        """Names of workloads whose replicas are changed; empty text for a patch of every name."""
        return frozenset(name for document in self.documents for name in self._changes(document))

    def _changes(self, document: Document) -> Iterator[str]:
        for _, entry in mappings(document.value, "replicas"):
            yield text(entry, "name")
        for field in _PATCH_FIELDS:
            for entry in items(document.value, field):
                name = text(entry, "target", "name")
                for patch in self._patches(document, entry):
                    if isinstance(patch, list):
                        if any(text(step, "path") == "/spec/replicas" for step in patch):
                            yield name
                    elif get(patch, "spec", "replicas") is not None:
                        yield name or text(patch, "metadata", "name")

    # ----------------------------------------------------------------------------------- patches

    def patches(self, resource: Resource) -> bool:
        """Whether a kustomization may change an object's fields with a patch."""
        return resource.name in self._patched or ("" in self._patched and self.lists(resource))

    @cached_property
    def _patched(self) -> frozenset[str]:
        """Names of objects that are patched; empty text for a patch of every name."""
        return frozenset(
            text(entry, "target", "name") or text(patch, "metadata", "name")
            for document in self.documents
            for field in _PATCH_FIELDS
            for entry in items(document.value, field)
            for patch in self._patches(document, entry)
        )

    # ------------------------------------------------------------------------------ replacements

    def replaces(self, resource: Resource) -> bool:
        """Whether a kustomization fills in fields of an object from other objects."""
        selected = itertools.product(("", resource.kind), ("", resource.name))
        return any(pair in self._replaced for pair in selected)

    @cached_property
    def _replaced(self) -> frozenset[tuple[str, str]]:
        """Kind and name of what replacements select; empty text for any."""
        return frozenset(
            (text(target, "select", "kind"), text(target, "select", "name"))
            for document in self.documents
            for _, entry in mappings(document.value, "replacements")
            for replacement in (entry, *self._replacements_in(document, entry))
            for _, target in mappings(replacement, "targets")
        )

    def _replacements_in(self, document: Document, entry: Any) -> Iterator[Any]:
        """Replacements in the file that an entry names."""
        path = text(entry, "path")
        for found in self._by_path.get(_resolve(document, path), ()) if path else ():
            yield from found.value if isinstance(found.value, list) else (found.value,)

    def _patches(self, document: Document, entry: Any) -> Iterator[Any]:
        """Values of the documents that an entry of a list of patches holds or names."""
        inline = entry if isinstance(entry, str) and "\n" in entry else text(entry, "patch")
        if inline:
            for found in parse(SourceFile(document.file.path, inline)).documents:
                yield found.value
        path = entry if isinstance(entry, str) and not inline else text(entry, "path")
        if path:
            for found in self._by_path.get(_resolve(document, path), ()):
                yield found.value

    @cached_property
    def _by_path(self) -> Mapping[str, tuple[Document, ...]]:
        return {
            posixpath.normpath(file.file.path): tuple(file.documents) for file in self._index.files
        }


def _ports(patch: Any) -> Iterator[int | str]:
    """Ports of containers that a patch of either form sets."""
    steps = [get(step, "value") for step in patch] if isinstance(patch, list) else [patch]
    for value in steps:
        containers = items(value, "spec", "template", "spec", "containers") or [value]
        for container in containers if not isinstance(value, list) else value:
            for port in (container, *items(container, "ports")):
                for key in ("name", "containerPort"):
                    if "containerPort" in mapping(port) and isinstance(port.get(key), int | str):
                        yield port[key]


def _resolve(document: Document, entry: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(document.file.path), entry))
