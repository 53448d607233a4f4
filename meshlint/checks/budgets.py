"""PodDisruptionBudgets: are they there, do they select something, do they let anything happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import new_budget
from meshlint.checks.hits import listed
from meshlint.findings import Change, Hit, Related
from meshlint.mesh.budgets import kinship, narrows, sure_pods
from meshlint.mesh.roles import JOB_KINDS
from meshlint.mesh.world import World
from meshlint.model.counts import is_zero, percentage, pod_count
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping
from meshlint.model.workloads import Workload
from meshlint.operations import Remove, Rename, Set


def missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads of several pods that a node drain may take down at once."""
    if world.autoscaling.rollout_of(subject) is not None:
        return
    pods = sure_pods(subject, world)
    if pods is None or pods.minimum < params["min_replicas"]:
        return
    template = world.autoscaling.template_of(subject)
    if world.budgets.of(template):
        return
    # Labels may come from a kustomization.
    if not template.labels and world.kustomizations.lists(subject.resource):
        return
    yield Hit(
        subject.resource.path,
        {"workload": str(subject.resource.ref), "replicas": pods.minimum},
        on_key=True,
        fix=new_budget(world, subject, template),
    )


def _one_at_a_time(budget: Resource) -> tuple[Change, ...]:
    spec = (*budget.path, "spec")
    at_once = Set((*spec, "maxUnavailable"), 1)
    if "minAvailable" not in budget.spec:
        return (at_once,)
    # In its place, with the comments around it.
    if "maxUnavailable" in budget.spec:
        return (at_once, Remove((*spec, "minAvailable")))
    return (
        Rename((*spec, "minAvailable"), "maxUnavailable"),
        at_once,
    )


def policy_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets that ask for nothing."""
    spec = subject.spec
    if spec.get("minAvailable") is None and spec.get("maxUnavailable") is None:
        yield Hit((*subject.path, "spec", "maxUnavailable"), on_key=True)


def policy_ambiguous(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets that ask for two things."""
    spec = subject.spec
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        first = (*subject.path, "spec", "minAvailable")
        other = (*subject.path, "spec", "maxUnavailable")
        yield Hit(
            other,
            related=(Related(subject.document, first, "set as well", on_key=True),),
            on_key=True,
        )


def unhealthy_eviction_unset(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Budgets under which a pod that never gets ready blocks drains."""
    if world.kubernetes_version.before("1.27"):
        return
    if subject.spec.get("unhealthyPodEvictionPolicy") is None:
        path = (*subject.path, "spec", "unhealthyPodEvictionPolicy")
        yield Hit(path, on_key=True, fix=(Set(path, "AlwaysAllow"),))


# ------------------------------------------------------------------------------------ selection


def selects_nothing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets whose selector finds no workload, in a namespace that has some."""
    path = (*subject.path, "spec", "selector")
    selector = subject.spec.get("selector")
    if selector is None:
        yield Hit(path, message="absent", on_key=True)
        return
    if world.budgets.selected(subject) or not world.index.workloads_in(subject.namespace):
        return
    if _selects_installed(subject, world):
        return
    labels = mapping(selector, "matchLabels")
    if subject.version == "v1" and not narrows(selector):
        return
    shown = ", ".join(f"{key}={value}" for key, value in labels.items())
    near = _near(labels, subject, world)
    yield Hit(
        path,
        {
            "labels": f" {shown}" if shown else "",
            "namespace": subject.namespace,
            "near": f"; {near.resource.ref} comes closest" if near is not None else "",
        },
        on_key=True,
    )


def _near(labels: Mapping[str, Any], subject: Resource, world: World) -> Workload | None:
    """The workload that shares a label value with the selector, or has the budget's name."""
    for workload in world.index.workloads_in(subject.namespace):
        if any(workload.labels.get(key) == value for key, value in labels.items()):
            return workload
    for workload in world.index.workloads_in(subject.namespace):
        if workload.name and workload.name in (subject.name, subject.name.removesuffix("-pdb")):
            return workload
    return None


def _selects_installed(subject: Resource, world: World) -> bool:
    """Whether the pods may be those that an installation or an automatic gateway brings."""
    labels = mapping(subject.spec, "selector", "matchLabels")
    if "gateway.networking.k8s.io/gateway-name" in labels:
        return True
    installations = world.installations
    homes = {(plane.form, plane.namespace) for plane in installations.control_planes}
    homes |= {(gateway.form, gateway.namespace) for gateway in installations.gateways}
    return any(
        form != "rendered" and namespace in ("", subject.namespace) for form, namespace in homes
    )


def selector_broad(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets for every pod of a namespace with several workloads."""
    selector = subject.spec.get("selector")
    if subject.version != "v1" or selector is None or narrows(selector):
        return
    workloads = world.budgets.selected(subject)
    if len(workloads) > 1:
        yield Hit(
            (*subject.path, "spec", "selector"),
            {"namespace": subject.namespace, "count": len(workloads)},
            on_key=True,
        )


def overlapping(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets of which another one selects the same pods; of two, the second."""
    for workload in world.budgets.selected(subject):
        rivals = _rivals(subject, workload, world)
        if rivals:
            yield Hit(
                (*subject.path, "spec", "selector"),
                {
                    "workload": str(workload.resource.ref),
                    "others": listed([rival.name for rival in rivals]),
                },
                (
                    *(
                        Related(rival.document, (*rival.path, "spec", "selector"), rival.name, True)
                        for rival in rivals
                    ),
                    Related(workload.resource.document, workload.labels_path, "the pods", True),
                ),
                on_key=True,
            )
            return


def _rivals(subject: Resource, workload: Workload, world: World) -> Sequence[Resource]:
    """Other budgets for the workload, where the subject is not the first of them.

    Budgets that are further from the workload than the subject belong to other environments.
    """
    near = kinship(subject, workload)
    rivals: dict[str, Resource] = {}
    for budget in world.budgets.of(workload):
        if budget is subject:
            return tuple(rivals.values())
        if budget.name != subject.name and kinship(budget, workload) == near:
            rivals[budget.name] = budget
    return ()


# ------------------------------------------------------------------------------------- eviction


def blocks_eviction(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Budgets that leave no pod to evict."""
    spec = subject.spec
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None and (is_zero(most) or (integer(most) or 0) < 0):
        path = (*subject.path, "spec", "maxUnavailable")
        yield Hit(path, {"value": most}, message="none", fix=_one_at_a_time(subject))
        return
    if least is None:
        return
    path = (*subject.path, "spec", "minAvailable")
    share = percentage(least)
    if share is not None and share >= 100:
        yield Hit(path, {"value": least}, message="all", fix=_one_at_a_time(subject))
        return
    pods = _fewest_pods(subject, world)
    needed = pod_count(least, pods, round_up=True) if pods else None
    if not pods or not needed or needed < pods:
        return
    workloads = _counted(subject, world)
    unfinished = _unfinished(subject, world)
    counted = [*(workload.resource for workload in workloads), *unfinished]
    are = "pod is" if pods == 1 else "pods are"
    yield Hit(
        path,
        {
            "value": least,
            "needed": needed,
            "pods": pods,
            "are": are if share is None else are.replace(" ", " that "),
            "workloads": listed([str(resource.ref) for resource in counted]),
        },
        (
            *(_range_place(workload, world) for workload in workloads),
            *(_replicas_place(resource) for resource in unfinished),
        ),
        message="default" if share is None else "percent",
        fix=_one_at_a_time(subject),
    )


def above_minimum(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads whose autoscaler may leave fewer pods than their budget keeps."""
    pods = sure_pods(subject, world)
    if pods is None or pods.autoscaler is None:
        return
    scaler = pods.autoscaler
    if not params["unset_counts"] and get(scaler.document.value, *scaler.minimum_path) is None:
        return
    for budget in world.budgets.of(subject):
        least = budget.spec.get("minAvailable")
        needed = pod_count(least, pods.minimum, round_up=True) if least is not None else None
        if needed is None or needed <= pods.minimum or len(_counted(budget, world)) > 1:
            continue
        kept = (*budget.path, "spec", "minAvailable")
        yield Hit(
            (*subject.resource.path, "metadata", "name"),
            {
                "workload": str(subject.resource.ref),
                "scaler": f"{scaler.kind} {scaler.name}",
                "minimum": pods.minimum,
                "budget": budget.name,
                "needed": needed,
            },
            (
                Related(scaler.document, scaler.minimum_path, "the minimum", on_key=True),
                Related(budget.document, kept, "what the budget keeps"),
            ),
        )


def _counted(subject: Resource, world: World) -> Sequence[Workload]:
    return [
        workload
        for workload in world.budgets.selected(subject)
        if workload.kind not in ("DaemonSet", *JOB_KINDS)
    ]


def _fewest_pods(subject: Resource, world: World) -> int | None:
    """The fewest pods that the selected workloads run; None where that is not known."""
    total = 0
    for workload in _counted(subject, world):
        pods = sure_pods(workload, world)
        if pods is None:
            return None
        total += pods.minimum
    for resource in _unfinished(subject, world):
        replicas = integer(resource.spec, "replicas")
        total += 1 if replicas is None else replicas
    return total


def _unfinished(subject: Resource, world: World) -> Sequence[Resource]:
    """What a kustomization of the input does not finish."""
    return [
        resource
        for resource in world.budgets.unfinished(subject)
        if not world.kustomizations.lists(resource)
    ]


def _range_place(workload: Workload, world: World) -> Related:
    pods = sure_pods(workload, world)
    scaler = pods.autoscaler if pods is not None else None
    if scaler is not None:
        return Related(scaler.document, scaler.minimum_path, f"{scaler.kind} {scaler.name}")
    counted = world.autoscaling.rollout_of(workload) or workload
    return _replicas_place(counted.resource)


def _replicas_place(resource: Resource) -> Related:
    path = (*resource.path, "spec", "replicas")
    return Related(resource.document, path, "the number of pods", on_key=True)
