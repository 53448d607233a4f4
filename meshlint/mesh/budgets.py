"""PodDisruptionBudgets and the workloads whose pods they select.

Source: Kubernetes documentation, disruptions; the disruption controller and the eviction API.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.mesh.autoscaling import ReplicaRange
from meshlint.mesh.installations.neighbors import BUDGET, shared_steps
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import mapping, mappings, string_map
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World


_SELECTING = ("apps/Deployment", "apps/StatefulSet", "apps/ReplicaSet")


def narrows(selector: Any) -> bool:
    """Whether a selector asks for anything."""
    return bool(mapping(selector, "matchLabels")) or any(mappings(selector, "matchExpressions"))


class Budgets:
    """Which budget is for what."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def selected(self, budget: Resource) -> Sequence[Workload]:
        """Workloads whose pods a budget selects.

        Of a workload that the input defines several times, as for several environments, the
        definition nearest to the budget counts.
        """
        return self._selected.get(budget, ())

    def of(self, workload: Workload) -> Sequence[Resource]:
        """Budgets that select the pods of a workload, in input order."""
        return self._of.get(workload, ())

    def unfinished(self, budget: Resource) -> Sequence[Resource]:
        """Deployments and the like without a pod template whose pods a budget would select.

        The pods would have to carry the labels that their own selector asks for.
        """
        return [
            resource
            for kind in _SELECTING
            for resource in self._index.in_namespace(kind, budget.namespace)
            if self._index.workload_of(resource) is None
            and (labels := string_map(resource.spec, "selector", "matchLabels"))
            and matches_selector(budget.spec.get("selector"), labels)
        ]

    @cached_property
    def _everything(self) -> Mapping[Resource, Sequence[Workload]]:
        return {budget: self._matching(budget) for budget in self._index.of_kind(BUDGET)}

    def _matching(self, budget: Resource) -> Sequence[Workload]:
        selector = budget.spec.get("selector")
        if budget.version == "v1beta1" and not narrows(selector):
            # There an empty selector selects nothing.
            return ()
        return self._index.workloads_selected(budget.namespace, selector)

    @cached_property
    def _selected(self) -> Mapping[Resource, Sequence[Workload]]:
        return {
            budget: _nearest(budget, workloads) for budget, workloads in self._everything.items()
        }

    @cached_property
    def _of(self) -> Mapping[Workload, Sequence[Resource]]:
        table: dict[Workload, list[Resource]] = defaultdict(list)
        for budget, workloads in self._everything.items():
            for workload in workloads:
                table[workload].append(budget)
        return table


def _nearest(budget: Resource, workloads: Sequence[Workload]) -> Sequence[Workload]:
    best: dict[tuple[str, str], Workload] = {}
    for workload in workloads:
        identity = (workload.kind, workload.name)
        known = best.get(identity)
        if known is None or kinship(budget, workload) >= kinship(budget, known):
            best[identity] = workload
    return tuple(best.values())


def sure_pods(workload: Workload, world: World) -> ReplicaRange | None:
    """Replica range of a workload; None also where a kustomization of the input changes it."""
    if not world.autoscaling.of(workload) and world.kustomizations.replicas_changed(workload):
        return None
    return world.autoscaling.replica_range(workload)


def kinship(budget: Resource, workload: Workload) -> int:
    """How many leading folders the files of a budget and a workload share."""
    return shared_steps(budget.document.file.path, workload.resource.document.file.path)
