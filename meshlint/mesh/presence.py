"""Whether the input shows what an object refers to, and what stands beside it.

An object without a namespace lands where somebody applies it. Many repositories hold several such
trees, so that objects of the same (implied) namespace need not meet in any cluster.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from meshlint.mesh.checkable import kind_known, services_known, workloads_known
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource, is_placed

if TYPE_CHECKING:
    from meshlint.mesh.world import World

SERVICE = "core/Service"
_WORKLOAD = "workload"


class Presence:
    """What stands beside what in one input."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index
        self._beside: dict[str, frozenset[str]] = {}
        self._known_names: dict[str, frozenset[str]] = {}

    # -------------------------------------------------------------------------------- neighbors

    def surely_together(self, one: Resource, other: Resource) -> bool:
        """Whether two objects meet in a cluster: by their namespaces, or applied at once."""
        if is_placed(one) and is_placed(other):
            return True
        return self._world.kustomizations.applied_together(one, other)

    def together(self, one: Resource, other: Resource) -> bool:
        """Whether two objects of one namespace are sure to meet in a cluster.

        Without a namespace of their own they have to be of one file, one kustomization, or of
        folders side by side.
        """
        if is_placed(one) and is_placed(other):
            return True
        first, second = _folder(one), _folder(other)
        if first == second or posixpath.dirname(first) == posixpath.dirname(second) != "":
            return True
        return self._world.kustomizations.applied_together(one, other)

    def shows_workloads(self, referrer: Resource) -> bool:
        """Whether the pods beside an object would be in the input."""
        if not workloads_known(self._world, referrer.namespace):
            return False
        return is_placed(referrer) or self._has_neighbors(_WORKLOAD, referrer)

    def shows_services(self, referrer: Resource) -> bool:
        """Whether the Services beside an object would be in the input."""
        if not services_known(self._world, referrer.namespace):
            return False
        return is_placed(referrer) or any(
            self._has_neighbors(kind, referrer) for kind in (SERVICE, _WORKLOAD)
        )

    def shows(self, group_kind: str, referrer: Resource, *, near: bool = False) -> bool:
        """Whether objects of a kind beside an object would be in the input.

        With `near` folders side by side do not count: each may be an example of its own.
        """
        if not kind_known(self._world, group_kind, referrer.namespace):
            return False
        return is_placed(referrer) or self._has_neighbors(group_kind, referrer, near=near)

    def _has_neighbors(self, kind: str, referrer: Resource, *, near: bool = False) -> bool:
        folder = _folder(referrer)
        if folder in self._folders[kind]:
            return True
        if not near and posixpath.dirname(folder) in self._parents[kind]:
            return True
        known = self._beside.get(kind)
        if known is None:
            files = {resource.document.file.path for resource in self._of_kind(kind)}
            known = self._beside[kind] = self._world.kustomizations.beside(files)
        return referrer.document.file.path in known

    def _of_kind(self, kind: str) -> Iterable[Resource]:
        if kind == _WORKLOAD:
            return (pod.resource for pod in self._index.workloads)
        return self._index.of_kind(kind)

    @cached_property
    def _folders(self) -> Mapping[str, set[str]]:
        table: dict[str, set[str]] = defaultdict(set)
        for resource in self._index.resources:
            table[resource.group_kind].add(_folder(resource))
        for pod in self._index.workloads:
            table[_WORKLOAD].add(_folder(pod.resource))
        return table

    @cached_property
    def _parents(self) -> Mapping[str, set[str]]:
        table: dict[str, set[str]] = defaultdict(set)
        for kind, folders in self._folders.items():
            table[kind] = {posixpath.dirname(folder) for folder in folders} - {""}
        return table

    # ------------------------------------------------------------------------------- made elsewhere

    def may_exist(self, group_kind: str, referrer: Resource, name: str) -> bool:
        """Whether an object that the input does not show under a name may be there all the same.

        A kustomization may rename or move it, an object without a namespace lands anywhere, and
        installations of Istio, releases of charts and operators make their own.
        """
        namespace = referrer.namespace
        if not is_placed(referrer) and name in self._names(group_kind):
            return True
        unplaced = self._index.find(group_kind, DEFAULT_NAMESPACE, name)
        if unplaced is not None and not is_placed(unplaced):
            return True
        kustomizations = self._world.kustomizations
        identities = {(namespace, name)}
        identities |= {(place, name) for place, _ in kustomizations.applied_as(referrer)}
        if identities & kustomizations.applied(group_kind):
            return True
        pods = self._world.pods
        return (
            pods.is_made_by_installation(namespace, name)
            or pods.has_releases(namespace)
            or pods.is_made_by_operator(namespace, name)
        )

    def _names(self, group_kind: str) -> frozenset[str]:
        known = self._known_names.get(group_kind)
        if known is None:
            known = frozenset(found.name for found in self._index.of_kind(group_kind))
            self._known_names[group_kind] = known
        return known


def _folder(resource: Resource) -> str:
    return posixpath.dirname(resource.document.file.path)
