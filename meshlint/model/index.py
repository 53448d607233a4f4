"""All objects of the input, found by kind, name, namespace and label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from meshlint.documents import Document, ParsedFile
from meshlint.findings import Path
from meshlint.model import jwks
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource
from meshlint.model.selectors import matches_labels, matches_selector
from meshlint.model.values import mapping, mappings, string_map, text
from meshlint.model.workloads import Workload, make_workload


class Index:
    """Look-ups over the whole input; nothing changes once it is built.

    `values_files` are documents without a kind that hold Helm values; `mesh_config` and
    `mesh_networks` are the documents given for those, where they were given. `files` are all files
    that were read; those in `context_files` (display paths) are not reported on.
    """

    def __init__(
        self,
        resources: Iterable[Resource],
        values_files: Sequence[Document] = (),
        mesh_config: Document | None = None,
        mesh_networks: Document | None = None,
        files: Sequence[ParsedFile] = (),
        context_files: frozenset[str] = frozenset(),
    ) -> None:
        self.resources = tuple(resources)
        self.files = tuple(files)
        self.context_files = context_files
        self.values_files = tuple(values_files)
        self.mesh_config = mesh_config
        self.mesh_networks = mesh_networks
        self._by_kind: dict[str, list[Resource]] = defaultdict(list)
        self._by_name: dict[tuple[str, str, str], list[Resource]] = {}
        for resource in self.resources:
            self._by_kind[resource.group_kind].append(resource)
            key = (resource.group_kind, resource.namespace, resource.name)
            of_name = self._by_name.get(key)
            if of_name is None:
                # Most are alone, and a list that grows has room for more.
                self._by_name[key] = [resource]
            else:
                of_name.append(resource)

    def of_kind(self, *group_kinds: str) -> Sequence[Resource]:
        """Objects of the given kinds (`core/Service`), in input order kind by kind."""
        if len(group_kinds) == 1:
            return self._by_kind.get(group_kinds[0], ())
        return [found for kind in group_kinds for found in self._by_kind.get(kind, ())]

    @property
    def kinds(self) -> Iterable[str]:
        """Every group and kind that occurs."""
        return self._by_kind.keys()

    def in_namespace(self, group_kind: str, namespace: str) -> Sequence[Resource]:
        """Objects of a kind in a namespace, in input order."""
        return self._in_namespace.get((group_kind, namespace), ())

    @cached_property
    def _in_namespace(self) -> Mapping[tuple[str, str], list[Resource]]:
        table: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            table[resource.group_kind, resource.namespace].append(resource)
        return table

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Every namespace that an object is in."""
        return frozenset(namespace for _, namespace in self._in_namespace if namespace)

    def find(self, group_kind: str, namespace: str, name: str) -> Resource | None:
        """The object of that identity; of several the last one, which is what stays applied."""
        found = self._by_name.get((group_kind, namespace, name))
        return found[-1] if found else None

    def named(self, group_kind: str, namespace: str, name: str) -> Sequence[Resource]:
        """All objects of that identity: an input may hold one for each environment.

        Of those one alone stays, not always the last.
        """
        return self._by_name.get((group_kind, namespace, name), ())

    def earlier_of_name(self, resource: Resource) -> Sequence[Resource]:
        """Objects of the same identity that come before one in the input."""
        key = (resource.group_kind, resource.namespace, resource.name)
        found = self._by_name.get(key, [])
        return found[: found.index(resource)] if len(found) > 1 else ()

    @cached_property
    def _whole_documents(self) -> Mapping[Document, Resource]:
        return {resource.document: resource for resource in self.resources if not resource.path}

    @cached_property
    def _members(self) -> Mapping[Document, Mapping[Path, Resource]]:
        table: dict[Document, dict[Path, Resource]] = defaultdict(dict)
        for resource in self.resources:
            if resource.path:
                table[resource.document][resource.path] = resource
        return table

    def resource_at(self, document: Document, path: Path) -> Resource | None:
        """The object that a place in a document belongs to."""
        whole = self._whole_documents.get(document)
        if whole is not None:
            return whole
        table = self._members.get(document, {})
        for length in range(1, len(path) + 1 if table else 0):
            found = table.get(path[:length])
            if found is not None:
                return found
        return None

    @cached_property
    def _with_secret(self) -> frozenset[Document]:
        found = {resource.document for resource in self.resources if _is_secret(resource)}
        for file in self.files:
            # Members of a list that are no objects may be meant as Secrets.
            hidden = {problem.document for problem in file.problems if problem.secret}
            found |= {document for document in file.documents if document.index in hidden}
        return frozenset(found)

    @property
    def has_secrets(self) -> bool:
        """Whether any document holds a Secret or a private key."""
        return bool(self._with_secret) or any(p.secret for f in self.files for p in f.problems)

    def holds_secret(self, document: Document) -> bool:
        """Whether a document holds a Secret or a private key, whose values must never be shown."""
        return document in self._with_secret

    def may_hold(self, group_kind: str, namespace: str, name: str) -> bool:
        """Whether an object is in a namespace, or may land there for it names none itself."""
        return any(
            home == namespace or not found.metadata.get("namespace")
            for home in (namespace, DEFAULT_NAMESPACE)
            for found in self.named(group_kind, home, name)
        )

    def namespace(self, name: str) -> Resource | None:
        """The Namespace object of that name."""
        return self.find("core/Namespace", "", name)

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """Every workload of the input."""
        return tuple(w for w in map(make_workload, self.resources) if w is not None)

    @cached_property
    def _workload_of(self) -> Mapping[Resource, Workload]:
        return {workload.resource: workload for workload in self.workloads}

    def workload_of(self, resource: Resource) -> Workload | None:
        """The workload an object is, if it is one."""
        return self._workload_of.get(resource)

    @cached_property
    def _workloads_in(self) -> Mapping[str, list[Workload]]:
        table: dict[str, list[Workload]] = defaultdict(list)
        for workload in self.workloads:
            table[workload.namespace].append(workload)
        return table

    def workloads_in(self, namespace: str) -> Sequence[Workload]:
        """Workloads of a namespace."""
        return self._workloads_in.get(namespace, ())

    @cached_property
    def _by_pod_label(self) -> Mapping[tuple[str, str, Any], list[Workload]]:
        table: dict[tuple[str, str, Any], list[Workload]] = defaultdict(list)
        for workload in self.workloads:
            for key, value in workload.labels.items():
                if isinstance(value, str):
                    table[workload.namespace, key, value].append(workload)
        return table

    def workloads_with_labels(self, namespace: str, labels: Any) -> Sequence[Workload]:
        """Workloads of a namespace whose pods carry every one of the labels; none for no labels."""
        pairs = {key: value for key, value in mapping(labels).items() if isinstance(value, str)}
        if not pairs or len(pairs) != len(mapping(labels)):
            return ()
        candidates: Sequence[Workload] = min(
            (self._by_pod_label.get((namespace, k, v), []) for k, v in pairs.items()), key=len
        )
        if len(pairs) == 1:
            return candidates
        return [w for w in candidates if matches_labels(pairs, w.labels)]

    @cached_property
    def _by_pod_label_anywhere(self) -> Mapping[tuple[str, str], list[Workload]]:
        table: dict[tuple[str, str], list[Workload]] = defaultdict(list)
        for workload in self.workloads:
            for key, value in workload.labels.items():
                if isinstance(value, str):
                    table[key, value].append(workload)
        return table

    def workloads_anywhere(self, labels: Any) -> Sequence[Workload]:
        """Workloads of any namespace whose pods carry every one of the labels; none for none."""
        pairs = [(key, value) for key, value in mapping(labels).items() if isinstance(value, str)]
        if not pairs or len(pairs) != len(mapping(labels)):
            return ()
        found = min((self._by_pod_label_anywhere.get(pair, []) for pair in pairs), key=len)
        return [w for w in found if matches_labels(labels, w.labels)]

    def workloads_selected(self, namespace: str, selector: Any) -> Sequence[Workload]:
        """Workloads of a namespace whose pods a LabelSelector selects."""
        wanted = mapping(selector, "matchLabels")
        pool = self.workloads_with_labels(namespace, wanted) if wanted else None
        if pool is None:
            pool = self.workloads_in(namespace)
        return [w for w in pool if matches_selector(selector, w.labels)]

    @cached_property
    def _services_by_label(self) -> Mapping[tuple[str, str, Any], list[Resource]]:
        # Under one pair of the selector only: a pod must carry all of them to be selected. The
        # rarest one: a label that everything of a namespace has would lead to every Service.
        services = [
            (service, [(service.namespace, *pair) for pair in selector.items()])
            for service in self.of_kind("core/Service")
            if (selector := string_map(service.spec, "selector"))
        ]
        counts = Counter(key for _, keys in services for key in keys)
        table: dict[tuple[str, str, Any], list[Resource]] = defaultdict(list)
        for service, keys in services:
            table[min(keys, key=lambda key: counts[key])].append(service)
        return table

    def services_of(self, workload: Workload) -> Sequence[Resource]:
        """Services of the workload's namespace that select its pods."""
        return self.services_selecting(workload.namespace, workload.labels)

    def services_selecting(self, namespace: str, labels: Mapping[str, Any]) -> Sequence[Resource]:
        """Services of a namespace that select pods with these labels."""
        return [
            service
            for key, value in labels.items()
            if isinstance(value, str)
            for service in self._services_by_label.get((namespace, key, value), ())
            if matches_labels(mapping(service.spec, "selector"), labels)
        ]


def _is_secret(resource: Resource) -> bool:
    if resource.group_kind == "security.istio.io/RequestAuthentication":
        return any(jwks.is_secret(text(r, "jwks")) for _, r in mappings(resource.spec, "jwtRules"))
    # One with a group is misspelt; its values are those of a Secret all the same.
    return resource.kind in ("Secret", "SecretList")
