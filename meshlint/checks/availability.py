"""Replicas, rollouts, selectors and restart policies: does the workload keep running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import keeps_data, set_first
from meshlint.checks.hits import listed
from meshlint.findings import Hit, Path, Related
from meshlint.mesh.budgets import sure_pods
from meshlint.mesh.roles import JOB_KINDS, serves
from meshlint.mesh.world import World
from meshlint.model.counts import is_zero, pod_count
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.model.workloads import Workload, without_template
from meshlint.operations import Set


def replicas_too_low(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads of a fixed number of pods that is below `min`.

    Those without a pod template call nobody, so only `serving_only: false` asks it of them.
    """
    if isinstance(subject, Resource):
        if params["serving_only"] or world.index.workload_of(subject) is not None:
            return
        subject = without_template(subject)
    if world.autoscaling.rollout_of(subject) is not None or world.autoscaling.of(subject):
        return
    spec = subject.resource.spec
    if text(spec, "strategy", "type") == "Recreate":
        return
    pods = sure_pods(subject, world)
    if pods is None or pods.minimum >= params["min"]:
        return
    if pods.minimum == 0 and not params["zero_counts"]:
        return
    if params["serving_only"] and not serves(world, subject):
        return
    written = spec.get("replicas") is not None
    yield Hit(
        (*subject.resource.path, "spec", "replicas"),
        {
            "workload": str(subject.resource.ref),
            "replicas": pods.minimum,
            "pods": "pod" if pods.minimum == 1 else "pods",
            "default": "" if written else " (the default)",
            "min": params["min"],
        },
        message="default" if pods.minimum else "zero",
        on_key=not written,
        fix=()
        if keeps_data(subject)
        else (set_first(spec, (*subject.resource.path, "spec"), "replicas", params["min"]),),
    )


# -------------------------------------------------------------------------------------- rollouts


def rollout_not_rolling(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Updates that take all pods away first, or wait for somebody to do it."""
    if isinstance(subject, Resource):
        workload = world.index.workload_of(subject)
        if params["serving_only"] or (workload is not None and serves(world, workload)):
            return
        subject = workload or without_template(subject)
    root = (*subject.resource.path, "spec")
    if subject.kind == "StatefulSet":
        path: Path = ("updateStrategy", "type")
    elif subject.kind == "Deployment":
        path = ("strategy", "type")
    else:
        return
    strategy = text(subject.resource.spec, *path)
    if strategy in ("", *params["allowed"]) or _mounts_exclusive_volume(subject, world):
        return
    message = "on-delete" if strategy == "OnDelete" else "default"
    fix = (Set((*root, *path), "RollingUpdate"),) if "RollingUpdate" in params["allowed"] else ()
    yield Hit((*root, *path), {"strategy": strategy}, message=message, fix=fix)


def _mounts_exclusive_volume(workload: Workload, world: World) -> bool:
    """Whether pods share a volume that one node, or nobody knows how many, may mount."""
    for _, volume in mappings(workload.pod_spec, "volumes"):
        name = text(volume, "persistentVolumeClaim", "claimName")
        if not name:
            continue
        claim = world.index.find("core/PersistentVolumeClaim", workload.namespace, name)
        modes = items(claim.spec, "accessModes") if claim is not None else []
        if not modes or "ReadWriteOnce" in modes or "ReadWriteOncePod" in modes:
            return True
    return False


def rollout_takes_all_replicas(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Rolling updates that may take every old pod away before a new one is ready."""
    if subject.kind != "Deployment" or world.autoscaling.rollout_of(subject) is not None:
        return
    strategy = mapping(subject.resource.spec, "strategy")
    unavailable = get(strategy, "rollingUpdate", "maxUnavailable")
    surge = get(strategy, "rollingUpdate", "maxSurge")
    if strategy.get("type") not in (None, "RollingUpdate") or unavailable is None:
        return
    pods = sure_pods(subject, world)
    if pods is None or pods.minimum < 1:
        return
    lost = pod_count(unavailable, pods.minimum, round_up=False)
    if lost is None or lost < pods.minimum:
        return
    extra = 1 if surge is None else pod_count(surge, pods.minimum, round_up=True)
    if pods.minimum > 1 or extra == 0:
        scaler = pods.autoscaler
        related: tuple[Related, ...] = ()
        if scaler is not None:
            related = (Related(scaler.document, scaler.minimum_path, "the minimum of pods"),)
        root = (*subject.resource.path, "spec", "strategy", "rollingUpdate")
        no_surge = (Set((*root, "maxSurge"), "25%"),) if extra == 0 else ()
        yield Hit(
            (*root, "maxUnavailable"),
            {
                "unavailable": unavailable,
                "pods": pods.minimum,
                "them": "the only pod" if pods.minimum == 1 else f"all {pods.minimum} pods",
            },
            related,
            fix=(Set((*root, "maxUnavailable"), 0), *no_surge),
        )


# Way to the two fields, and whether a surge that is left out counts as 0 (Kubernetes API; Argo
# Rollouts specification).
_STRATEGIES: Mapping[str, tuple[Path, bool]] = {
    "Deployment": (("strategy", "rollingUpdate"), False),
    "DaemonSet": (("updateStrategy", "rollingUpdate"), True),
    "Rollout": (("strategy", "canary"), False),
}


def rollout_deadlocked(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Updates that may neither add a pod nor take one away."""
    if subject.kind not in _STRATEGIES:
        return
    steps, no_surge = _STRATEGIES[subject.kind]
    block = mapping(subject.resource.spec, *steps)
    unavailable, surge = block.get("maxUnavailable"), block.get("maxSurge")
    if not is_zero(unavailable) or not (is_zero(surge) or (surge is None and no_surge)):
        return
    path = (*subject.resource.path, "spec", *steps)
    related: tuple[Related, ...] = ()
    if surge is not None:
        surge_path = (*path, "maxSurge")
        related = (Related(subject.resource.document, surge_path, f"maxSurge is {surge}"),)
    message = "rollout" if subject.kind == "Rollout" else "default"
    yield Hit((*path, "maxUnavailable"), {"kind": subject.kind}, related, message=message)


# ------------------------------------------------------------------------------------- selectors

_SELECTING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout"})


def selector_mismatched(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads that would not own the pods they make."""
    spec = subject.resource.spec
    if subject.kind not in _SELECTING or spec.get("workloadRef") is not None:
        return
    selector = spec.get("selector")
    path = (*subject.resource.path, "spec", "selector")
    # The API server judges built-in kinds, the controller of Argo Rollouts its own.
    judged = "rollout-" if subject.kind == "Rollout" else ""
    if not mapping(selector, "matchLabels") and not any(mappings(selector, "matchExpressions")):
        # Versions before v1 take the labels of the template for it, kustomizations add labels.
        defaulted = subject.resource.version not in ("v1", "v1beta2", "v1alpha1")
        if not defaulted and not world.kustomizations.lists(subject.resource):
            message = "absent" if selector is None else "empty"
            args = {"kind": subject.kind}
            yield Hit(path, args, message=f"{judged}{message}", on_key=True)
        return
    if matches_selector(selector, subject.labels):
        return
    wanted = mapping(selector, "matchLabels")
    wrong = [key for key, value in wanted.items() if subject.labels.get(key) != value]
    shown = [f"{key}={wanted[key]}" for key in wrong]
    found = [f"{key}={subject.labels[key]}" for key in wrong if key in subject.labels]
    yield Hit(
        (*path, "matchLabels", wrong[0]) if wrong else (*path, "matchExpressions"),
        {
            "kind": subject.kind,
            "wanted": listed(shown) if shown else "labels that its expressions ask for",
            "found": listed(found) if found else "none of that",
        },
        (Related(subject.resource.document, subject.labels_path, "labels of the pods", True),),
        message=f"{judged}default",
        on_key=not wrong,
    )


def selector_overlapping(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads of which another one of the kind takes the pods for its own; of two, the second."""
    if subject.kind not in _SELECTING:
        return
    own = subject.resource.spec.get("selector")
    if not isinstance(own, dict) or not matches_selector(own, subject.labels):
        return
    rivals = []
    for other in world.index.workloads_selected(subject.namespace, own):
        if other is subject:
            break
        theirs = other.resource.spec.get("selector")
        if (
            other.kind == subject.kind
            and other.name != subject.name
            and isinstance(theirs, dict)
            and matches_selector(theirs, subject.labels)
            and world.kustomizations.applied_together(subject.resource, other.resource)
        ):
            rivals.append(other)
    if rivals:
        yield Hit(
            (*subject.resource.path, "spec", "selector"),
            {"others": listed([str(rival.resource.ref) for rival in rivals])},
            tuple(
                Related(
                    rival.resource.document,
                    (*rival.resource.path, "spec", "selector"),
                    f"{rival.kind} {rival.name}",
                    on_key=True,
                )
                for rival in rivals
            ),
            on_key=True,
        )


# ------------------------------------------------------------------------------------------ pods


def restart_policy_invalid(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Restart policies that the API server refuses for the kind, or that are not `accepted`."""
    if not subject.pod_spec:
        return
    policy = subject.pod_spec.get("restartPolicy")
    path = (*subject.pod_spec_path, "restartPolicy")
    accepted = params["accepted"]
    if accepted:
        if policy is not None and policy not in accepted:
            args = {"kind": subject.kind, "policy": policy, "accepted": " or ".join(accepted)}
            yield Hit(path, args, message="other")
        return
    if subject.kind == "Pod":
        return
    if subject.kind in JOB_KINDS:
        if policy is None:
            yield Hit(path, {"kind": subject.kind}, message="absent", on_key=True)
        elif policy not in ("Never", "OnFailure"):
            yield Hit(path, {"kind": subject.kind, "policy": policy}, message="job")
    elif policy not in (None, "Always"):
        yield Hit(path, {"kind": subject.kind, "policy": policy})


_HOOKS = ("helm.sh/hook", "argocd.argoproj.io/hook")


def _is_hook(resource: Resource) -> bool:
    return any(name in resource.annotations for name in _HOOKS)


def bare_pod(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods that nobody makes again."""
    owners = get(subject.value, "metadata", "ownerReferences")
    if (
        not owners
        and not _is_hook(subject)
        and "kubernetes.io/config.mirror" not in (subject.annotations)
    ):
        yield Hit((*subject.path, "kind"), {"pod": subject.name or "this Pod"})


def job_cleanup_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Jobs that stay when they are done, and CronJobs whose history is cleaned up twice."""
    resource = subject.resource
    if subject.kind == "CronJob":
        ttl = ("spec", "jobTemplate", "spec", "ttlSecondsAfterFinished")
        if get(resource.value, *ttl) is not None:
            yield Hit((*resource.path, *ttl), message="cronjob", on_key=True)
        return
    deleted = any(f"{name}-delete-policy" in resource.annotations for name in _HOOKS)
    if get(resource.value, "metadata", "ownerReferences") or deleted:
        return
    if resource.spec.get("ttlSecondsAfterFinished") is None:
        yield Hit((*resource.path, "spec", "ttlSecondsAfterFinished"), on_key=True)


def cronjob_deadline_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """CronJobs that never give up on a missed run."""
    if subject.spec.get("startingDeadlineSeconds") is None:
        yield Hit((*subject.path, "spec", "startingDeadlineSeconds"), on_key=True)


# ---------------------------------------------------------------------------------- StatefulSets


def statefulset_service_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """StatefulSets whose pods get no names of their own."""
    # Without a name nobody counts on names of the pods.
    name = text(subject.spec, "serviceName")
    services = world.index.in_namespace("core/Service", subject.namespace)
    workload = world.index.workload_of(subject)
    if not name or not services or workload is None:
        return
    path = (*subject.path, "spec", "serviceName")
    service = world.index.find("core/Service", subject.namespace, name)
    args = {"service": name, "namespace": subject.namespace}
    if service is None:
        near = [found.name for found in world.index.services_of(workload)]
        args["near"] = f"; its pods are selected by {listed(near)}" if near else ""
        yield Hit(path, args)
        return
    place = (*service.path, "spec", "clusterIP")
    if service.spec.get("clusterIP") != "None":
        related = (Related(service.document, place, "not headless", on_key=True),)
        yield Hit(path, args, related, message="not-headless")
    elif mapping(service.spec, "selector") and service not in world.index.services_of(workload):
        selector = (*service.path, "spec", "selector")
        related = (Related(service.document, selector, "selects other pods", on_key=True),)
        yield Hit(path, args, related, message="other-pods")
