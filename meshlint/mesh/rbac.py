"""What roles of Kubernetes allow, and which role a binding gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import items, mappings, text

CORE = ""
RBAC = "rbac.authorization.k8s.io"
ADMIN_ROLE = "cluster-admin"
"""ClusterRole that every cluster has and that may do everything."""

_ISTIO_APPS = ("istiod", "istio-reader", "istio-cni", "ztunnel")
_EVERY_VERB = frozenset({"create", "delete", "get", "list", "patch", "update", "watch"})


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule of a role: every verb on every resource that it names."""

    value: Mapping[str, Any]
    path: Path

    def names(self, field: str) -> list[str]:
        """The strings of a field."""
        return [name for name in items(self.value, field) if isinstance(name, str)]

    @property
    def is_limited_to_names(self) -> bool:
        """Whether it holds for objects of certain names only."""
        return bool(items(self.value, "resourceNames"))

    @property
    def is_for_everything(self) -> bool:
        """Whether it leaves nothing out."""
        verbs = self.names("verbs")
        return (
            ("*" in verbs or _EVERY_VERB.issubset(verbs))
            and "*" in self.names("resources")
            and "*" in self.names("apiGroups")
        )

    def granted(self, group: str | None, resource: str, verbs: Iterable[str]) -> list[str]:
        """Which of the verbs it grants on a resource, `pods/exec` being one of its own.

        Without a group the resource counts in whatever API group the rule names.
        """
        groups, resources, own = (self.names(f) for f in ("apiGroups", "resources", "verbs"))
        if group is not None and group not in groups and "*" not in groups:
            return []
        _, slash, part = resource.partition("/")
        if not {"*", resource, f"*/{part}" if slash else resource}.intersection(resources):
            return []
        return [verb for verb in verbs if verb in own or "*" in own]


def permissions(role: Resource) -> Iterator[Permission]:
    """The rules of a role."""
    for index, value in mappings(role.value, "rules"):
        yield Permission(value, (*role.path, "rules", index))


def role_of(binding: Resource, index: Index) -> Resource | None:
    """The role that a binding gives, where the input has it."""
    kind, name = text(binding.value, "roleRef", "kind"), text(binding.value, "roleRef", "name")
    if kind == "ClusterRole":
        return index.find(f"{RBAC}/ClusterRole", "", name)
    if kind == "Role":
        return index.find(f"{RBAC}/Role", binding.namespace, name)
    return None


def is_of_istio(resource: Resource) -> bool:
    """Whether a role or binding is one that Istio's charts make for istiod and its gateways."""
    labels = resource.labels
    if "operator.istio.io/component" in labels:
        return True
    if labels.get("app.kubernetes.io/part-of") == "istio":
        return True
    return resource.name.startswith("istio") and labels.get("app") in _ISTIO_APPS


def subjects_of(binding: Resource) -> Iterator[tuple[int, str, str]]:
    """Index, kind and name of each subject of a binding."""
    for index, subject in mappings(binding.value, "subjects"):
        yield index, text(subject, "kind"), text(subject, "name")
