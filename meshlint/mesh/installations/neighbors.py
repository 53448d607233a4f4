"""Objects of the input that belong to a workload: what scales it, what protects it, its settings.

An input may hold several environments; of objects that fit equally well the one in the nearest
folder counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from meshlint.mesh import autoscaling as scaling
from meshlint.mesh.installations import facts
from meshlint.mesh.installations.objects import Object, written
from meshlint.mesh.installations.records import Autoscaling, Budget
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get

BUDGET = "policy/PodDisruptionBudget"


def place_of(resource: Resource, *steps: str | int) -> Place:
    """A place in an object."""
    return Place(resource.document, (*resource.path, *steps))


def whole_object(resource: Resource) -> Object:
    """An object of the input, to be read."""
    return written(resource.value, place_of(resource))


def shared_steps(one: str, other: str) -> int:
    """How many leading steps two paths have in common."""
    shared = 0
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right:
            break
        shared += 1
    return shared


def nearest(candidates: Iterable[Resource], resource: Resource) -> Resource | None:
    """The candidate whose file shares the most folders with an object's; of equals the last."""
    path = resource.document.file.path
    best: tuple[int, Resource] | None = None
    for candidate in candidates:
        shared = shared_steps(candidate.document.file.path, path)
        if best is None or shared >= best[0]:
            best = (shared, candidate)
    return best[1] if best else None


def named(index: Index, kind: str, namespace: str, name: str, to: Resource) -> Resource | None:
    """The object of that name that is nearest to another one."""
    found = [r for r in index.in_namespace(kind, namespace) if r.name == name]
    return nearest(found, to)


# --------------------------------------------------------------------------------- autoscaling


def scaled_by(scalers: Sequence[scaling.Autoscaler], target: Place) -> Autoscaling:
    """What the first of a workload's autoscalers does; `target` is the workload."""
    if not scalers:
        none: Sourced[Any] = Sourced(None)
        return Autoscaling(Sourced(False, site=target), none, none, none, none)
    scaler = scalers[0]
    return Autoscaling(
        Sourced(True, place_of(scaler.resource)),
        _bound(scaler, scaler.minimum, scaler.minimum_path),
        _bound(scaler, scaler.maximum, scaler.maximum_path),
        _target(scaler, "cpu"),
        _target(scaler, "memory"),
    )


def _bound(
    scaler: scaling.Autoscaler, value: int | None, path: tuple[str | int, ...]
) -> Sourced[int | None] | None:
    place = Place(scaler.document, path)
    if get(scaler.document.value, *path) is not None:
        return None if value is None else Sourced(value, place)
    return Sourced(value, None, f"default of {scaler.kind}", place)


def _target(scaler: scaling.Autoscaler, resource: str) -> Sourced[int | None]:
    for metric in scaler.metrics:
        if metric.resource != resource or metric.kind != "Utilization" or metric.target is None:
            continue
        place = Place(scaler.document, metric.path)
        percent = int(metric.target)
        if not isinstance(get(scaler.document.value, *metric.path), dict):
            return Sourced(percent, place)
        return Sourced(percent, None, f"default of {scaler.kind}", place)
    return Sourced(None, site=place_of(scaler.resource, "spec", "metrics"))


# ------------------------------------------------------------------------------------- budgets


def protected_by(
    index: Index, namespace: str, labels: dict[str, Any], target: Resource
) -> Sourced[Budget | None]:
    """The PodDisruptionBudget that selects pods of a namespace; `target` is what makes the pods."""
    budgets = [
        budget
        for budget in index.in_namespace(BUDGET, namespace)
        if matches_selector(get(budget.spec, "selector"), labels)
    ]
    budget = nearest(budgets, target)
    if budget is None:
        return Sourced(None, site=place_of(target))
    found = facts.budget_of(whole_object(budget), Sourced(True, place_of(budget)))
    if found is None or found.place is None:
        return Sourced(found.value if found else None, place_of(budget, "spec"))
    return found
