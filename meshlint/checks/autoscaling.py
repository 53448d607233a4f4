"""Autoscalers: do they exist, do they find their target, do they have room to scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import keeps_data, new_autoscaler, set_first
from meshlint.findings import Change, Hit, Path, Related
from meshlint.mesh.autoscaling import (
    API_VERSIONS,
    HPA,
    Autoscaler,
    Metric,
)
from meshlint.mesh.pod_resources import container_resources
from meshlint.mesh.replica_plan import plan
from meshlint.mesh.roles import serves
from meshlint.mesh.versions import HPA_API_LAST_SERVED, parse_version
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Append, Operation, Remove, Rename, Set

_TEMPLATED = ("{{", "${", "$(")

_WITHOUT_SCALE = frozenset(
    {
        *("ConfigMap", "ControllerRevision", "CronJob", "DaemonSet", "Endpoints", "EndpointSlice"),
        *("HorizontalPodAutoscaler", "Ingress", "IngressClass", "Job", "LimitRange", "Namespace"),
        *("NetworkPolicy", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod"),
        *("PodDisruptionBudget", "PodTemplate", "PriorityClass", "ResourceQuota", "Secret"),
        *("Service", "ServiceAccount", "StorageClass"),
        *("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    }
)
"""Built-in kinds without a scale subresource."""


def _written(subject: Autoscaler, path: tuple[str | int, ...]) -> bool:
    return get(subject.document.value, *path) is not None


# -------------------------------------------------------------------------------- the workload


def missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that nothing scales; a Deployment that a Rollout runs is judged as that Rollout."""
    if subject.kind not in params["kinds"] or subject.replicas == 0:
        return
    if text(subject.resource.spec, "strategy", "type") == "Recreate":
        return
    scaling = world.autoscaling
    if scaling.rollout_of(subject) is not None or scaling.of(subject):
        return
    template = scaling.template_of(subject)
    if template is not subject and scaling.of(template):
        return
    low, high = _wished_range(subject, world)
    yield Hit(
        (*subject.resource.path, "spec"),
        {"workload": str(subject.resource.ref), "low": low, "high": high},
        on_key=True,
        fix=_new_autoscaler(subject, template, world, (low, high)),
    )


def _wished_range(workload: Workload, world: World) -> tuple[int, int]:
    """From the pods there are, two at least, to twice as many, or what the declared peak takes."""
    low = max(2, workload.replicas or 0)
    peak = plan(workload, world, "rps-peak")
    return low, max(5, 2 * low, peak.needed() if peak is not None else 0)


def _new_autoscaler(
    workload: Workload, template: Workload, world: World, replicas: tuple[int, int]
) -> tuple[Change, ...]:
    """An autoscaler that looks at the CPU of the main container, in place of a fixed number."""
    main = next(iter(template.main_containers), None)
    if main is None or workload.kind not in API_VERSIONS or keeps_data(template):
        return ()
    if container_resources(world.index, template, main).missing("requests", "cpu"):
        return ()  # nothing to divide by
    if world.kustomizations.replicas_changed(workload):
        return ()  # a kustomization would go on to set the number
    scaler = new_autoscaler(world, workload, main.name, replicas)
    if workload.resource.spec.get("replicas") is None:
        return (scaler,)
    return (Remove((*workload.resource.path, "spec", "replicas")), scaler)


def static_replicas(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that fix the number that their autoscaler is to choose."""
    replicas = subject.replicas
    scaling = world.autoscaling
    if not replicas or scaling.rollout_of(subject) is not None:
        return
    for scaler in scaling.of(subject):
        if scaler.active and scaling.target_of(scaler) is subject:
            place = Related(scaler.document, scaler.target_path, "the autoscaler's target", True)
            yield Hit(
                (*subject.resource.path, "spec", "replicas"),
                {"replicas": replicas, "autoscaler": str(scaler.resource.ref)},
                (place,),
                fix=(Remove((*subject.resource.path, "spec", "replicas")),),
            )
            return


# ---------------------------------------------------------------------------------- the target


def target_missing(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Autoscalers whose target is not in the input, although its namespace is."""
    name = subject.target_name
    if not name or any(mark in name for mark in _TEMPLATED):
        return
    if subject.target_kind not in API_VERSIONS or subject.foreign_group is not None:
        return
    if world.autoscaling.target_of(subject) is not None or _installed(subject, world):
        return
    neighbors = [w for w in world.index.workloads_in(subject.namespace) if _is_near(subject, w)]
    if not neighbors or _holds_chart(subject.namespace, world):
        return
    near = next((w.resource.ref for w in neighbors if w.name == name), None)
    yield Hit(
        (*subject.target_path, "name"),
        {
            "target": subject.target,
            "namespace": subject.namespace,
            "near": f"; {near} has that name" if near else "",
        },
    )


def _is_near(subject: Autoscaler, workload: Workload) -> bool:
    """Whether a workload shows that the namespace of an autoscaler is in the input.

    Objects that name no namespace land wherever they are applied to: only those that lie in one
    directory are known to belong together.
    """
    if text(subject.resource.metadata, "namespace"):
        return True
    folders = [
        resource.document.file.path.rpartition("/")[0]
        for resource in (subject.resource, workload.resource)
    ]
    return folders[0] == folders[1]


def _holds_chart(namespace: str, world: World) -> bool:
    """Whether a Helm chart is released to a namespace, whose objects are not in the input."""
    return any(
        (text(release.spec, "targetNamespace") or release.namespace) == namespace
        for release in world.index.of_kind("helm.toolkit.fluxcd.io/HelmRelease")
    ) or any(
        text(application.spec, "destination", "namespace") == namespace
        and any(
            text(source, "chart")
            for source in (get(application.spec, "source"), *items(application.spec, "sources"))
        )
        for application in world.index.of_kind("argoproj.io/Application")
    )


def _installed(subject: Autoscaler, world: World) -> bool:
    """Whether an installation or an automatic gateway of the input makes the target."""
    if subject.target_kind != "Deployment":
        return False
    installations = world.installations
    return any(
        plane.istiod
        and plane.deployment_name == subject.target_name
        and plane.namespace in ("", subject.namespace)
        for plane in installations.control_planes
    ) or any(
        subject.target_name in (gateway.name, f"{gateway.name}-{gateway.class_name}")
        and gateway.namespace in ("", subject.namespace)
        for gateway in installations.gateways
    )


def target_not_scalable(
    subject: Autoscaler, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Autoscalers of kinds that have no scale subresource."""
    if subject.target_kind not in _WITHOUT_SCALE:
        return
    group = subject.target_group or ""
    if "." not in group or group.endswith(".k8s.io"):
        yield Hit((*subject.target_path, "kind"), {"kind": subject.target_kind})


def target_api_version_wrong(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """References whose apiVersion is not that of the kind they name."""
    scaler = world.autoscaling.autoscaler(subject)
    right = API_VERSIONS.get(scaler.target_kind)
    if right is None or scaler.foreign_group is not None:
        return
    path = (*scaler.target_path, "apiVersion")
    found = get(subject.value, "spec", "scaleTargetRef", "apiVersion")
    args = {"kind": scaler.target_kind, "right": right, "found": found}
    reference = mapping(subject.spec, "scaleTargetRef")
    fix = (set_first(reference, scaler.target_path, "apiVersion", right),)
    if found is None or found == "":
        # KEDA falls back to apps/v1, the API server to the core group.
        if subject.group_kind == HPA and right != "v1":
            yield Hit(path, args, message="absent", on_key=True, fix=fix)
    elif isinstance(found, str) and found != right:
        # The controller of Kubernetes looks at the group only, KEDA at the version too.
        known_group = scaler.target_group == right.rpartition("/")[0]
        outdated = known_group and subject.group_kind == HPA
        yield Hit(path, args, message="outdated" if outdated else "default", fix=fix)


def target_superseded(
    subject: Autoscaler, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Autoscalers of a Deployment whose pods a Rollout runs."""
    rollout = world.autoscaling.replacing(subject)
    if rollout is not None:
        reference = (*rollout.resource.path, "spec", "workloadRef")
        place = Related(rollout.resource.document, reference, "the Rollout refers to it here", True)
        yield Hit(
            (*subject.target_path, "name"),
            {"target": subject.target, "rollout": str(rollout.resource.ref)},
            (place,),
            fix=(
                Set((*subject.target_path, "apiVersion"), API_VERSIONS["Rollout"]),
                Set((*subject.target_path, "kind"), "Rollout"),
                Set((*subject.target_path, "name"), rollout.name),
            ),
        )


def target_duplicate(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Every autoscaler of a target but the first one."""
    if not subject.target_name or not subject.active:
        return
    rivals = world.autoscaling.targeting(
        subject.namespace, subject.target_kind, subject.target_name
    )
    others = [other for other in rivals if other is not subject and _rivals(subject, other, world)]
    if not others or rivals.index(others[0]) > rivals.index(subject):
        return
    yield Hit(
        (*subject.target_path, "name"),
        {"target": subject.target, "other": str(others[0].resource.ref)},
        tuple(
            Related(other.document, (*other.target_path, "name"), f"{other.kind} {other.name}")
            for other in others
        ),
    )


def _rivals(one: Autoscaler, other: Autoscaler, world: World) -> bool:
    if not other.active or one.foreign_group != other.foreign_group:
        return False
    if (one.kind, one.name) == (other.kind, other.name):
        return False  # one object, given in two files
    if _belongs_to(one, other) or _belongs_to(other, one):
        return False
    return world.autoscaling.target_of(one) is world.autoscaling.target_of(other)


def _belongs_to(one: Autoscaler, other: Autoscaler) -> bool:
    """Whether KEDA makes the first for the second, or takes it over."""
    if other.kind != "ScaledObject":
        return False
    chosen = text(other.resource.spec, "advanced", "horizontalPodAutoscalerConfig", "name")
    return one.name in (f"keda-hpa-{other.name}", chosen)


def api_version_removed(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """HorizontalPodAutoscalers of a version that the target Kubernetes no longer serves."""
    last = parse_version(HPA_API_LAST_SERVED.get(subject.version, ""))
    target = world.kubernetes_version
    if last is None or (target.major, target.minor) <= (last.major, last.minor):
        return
    args = {"version": subject.api_version, "last": str(last), "target": str(target), "fields": ""}
    old = "targetAverageUtilization"
    if any(
        old in mapping(metric, block)
        for _, metric in mappings(subject.spec, "metrics")
        for block in ("resource", "containerResource")
    ):
        args["fields"] = f", and target.averageUtilization in place of {old}"
    fix = (Set((*subject.path, "apiVersion"), "autoscaling/v2"), *_converted(subject))
    yield Hit((*subject.path, "apiVersion"), args, fix=fix)


def _converted(subject: Resource) -> Iterator[Operation]:
    """Turns metrics of autoscaling/v2beta1 into those of v2; v2beta2 has them already."""
    if subject.version != "v2beta1":
        return
    for index, metric in mappings(subject.spec, "metrics"):
        for source in ("resource", "containerResource", "pods", "object", "external"):
            block = metric.get(source)
            if isinstance(block, dict):
                path = (*subject.path, "spec", "metrics", index, source)
                yield from _converted_metric(source, block, path)


_TARGETS = {
    "targetAverageUtilization": ("Utilization", "averageUtilization"),
    "targetAverageValue": ("AverageValue", "averageValue"),
    "averageValue": ("AverageValue", "averageValue"),
    "targetValue": ("Value", "value"),
}
"""Fields of autoscaling/v2beta1, with the type and field of a target that say the same."""


def _converted_metric(source: str, block: Mapping[str, Any], path: Path) -> Iterator[Operation]:
    if source == "object" and "target" in block:
        yield Rename((*path, "target"), "describedObject")
    if "metricName" in block:
        selector = "metricSelector" if source == "external" else "selector"
        chosen = {"selector": block[selector]} if block.get(selector) is not None else {}
        if selector in block:
            yield Remove((*path, selector))
        yield Rename((*path, "metricName"), "metric")
        yield Set((*path, "metric"), {"name": block["metricName"], **chosen})
    given = [field for field in _TARGETS if block.get(field) is not None]
    for field in given[1:]:
        yield Remove((*path, field))
    for field in given[:1]:
        kind, name = _TARGETS[field]
        yield Rename((*path, field), "target")
        yield Set((*path, "target"), {"type": kind, name: block[field]})


# ----------------------------------------------------------------------------------- the range

_JUDGES = {"ScaledObject": "KEDA", "DatadogPodAutoscaler": "Datadog"}


def range_inverted(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ranges that are refused."""
    low, high = subject.minimum, subject.maximum
    args = {"minimum": low, "maximum": high, "judge": _JUDGES.get(subject.kind, "the API server")}
    if high is not None and high < 1:
        yield Hit(subject.maximum_path, args, message="maximum")
    elif low is not None and high is not None and low > high:
        note = "" if _written(subject, subject.maximum_path) else ", the default"
        related = Related(subject.document, subject.maximum_path, f"the maximum is {high}{note}")
        yield Hit(subject.minimum_path, args, (related,))


def range_fixed(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ranges with one number in them."""
    low, high = subject.minimum, subject.maximum
    if low is None or low != high or high < 1:
        return
    if integer(subject.resource.spec, "idleReplicaCount") is not None:
        return  # KEDA scales between that number and the minimum
    written = _written(subject, subject.minimum_path)
    yield Hit(
        subject.minimum_path if written else subject.maximum_path,
        {"replicas": low, "origin": "" if written else " (default)", "target": subject.target},
    )


def min_replicas_low(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Minimums below what a node drain leaves standing."""
    low, wanted = subject.minimum, params["min"]
    if low is None or low >= wanted:
        return
    if subject.kind == "ScaledObject" and low == 0:
        return
    if is_infrastructure(subject, world):
        return
    written = _written(subject, subject.minimum_path)
    if not written and not params["unset_counts"]:
        return
    yield Hit(
        subject.minimum_path,
        {
            "target": subject.target,
            "minimum": low,
            "min": wanted,
            "field": subject.minimum_path[-1],
        },
        message="default" if written else "unset",
        on_key=not written,
        fix=_raised(subject, wanted),
    )


def _raised(scaler: Autoscaler, minimum: int) -> tuple[Change, ...]:
    """A higher minimum, where the maximum leaves room for it."""
    if scaler.maximum is None or scaler.maximum < minimum:
        return ()
    maximum = str(scaler.maximum_path[-1])
    behind = maximum if maximum in scaler.resource.spec else "triggers"
    return (Set(scaler.minimum_path, minimum, before=behind),)


def is_infrastructure(subject: Autoscaler, world: World) -> bool:
    """Whether the target is a part of Istio; rules on installations judge its autoscaler."""
    target = world.autoscaling.target_of(subject)
    return _installed(subject, world) if target is None else world.is_infrastructure(target)


def scales_to_zero(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """ScaledObjects that take the last pod away from a workload that others call."""
    scaler = world.autoscaling.autoscaler(subject)
    idle = integer(subject.spec, "idleReplicaCount")
    if scaler.minimum != 0 and idle != 0:
        return
    if any(metric.source in ("external", "external-push") for metric in scaler.metrics):
        return
    target = world.autoscaling.target_of(scaler)
    if target is None or world.is_infrastructure(target) or not serves(world, target):
        return
    path = (*subject.path, "spec", "idleReplicaCount") if idle == 0 else scaler.minimum_path
    written = _written(scaler, path)
    no_idle = (Remove((*subject.path, "spec", "idleReplicaCount")),) if idle == 0 else ()
    low = () if scaler.minimum else _raised(scaler, 2)
    yield Hit(
        path,
        {"target": scaler.target, "field": path[-1]},
        (Related(target.resource.document, target.resource.path, "the target serves requests"),),
        message="default" if written else "unset",
        on_key=not written,
        fix=(*no_idle, *low) if low or scaler.minimum else (),
    )


def cpu_trigger_without_minimum(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """ScaledObjects that may go to zero on triggers that can never bring a pod back."""
    scaler = world.autoscaling.autoscaler(subject)
    if scaler.minimum != 0 or not scaler.metrics:
        return
    if all(metric.resource in ("cpu", "memory") for metric in scaler.metrics):
        written = _written(scaler, scaler.minimum_path)
        sources = sorted({metric.resource for metric in scaler.metrics})
        yield Hit(
            scaler.minimum_path,
            {
                "triggers": " and ".join({"cpu": "CPU"}.get(name, name) for name in sources),
                "minimum": "minReplicaCount is 0" if written else "minReplicaCount is not set",
            },
            on_key=not written,
            fix=_raised(scaler, 1),
        )


def scale_up_disabled(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """HorizontalPodAutoscalers that are told never to add a pod."""
    path = ("behavior", "scaleUp")
    rules = mapping(subject.spec, *path)
    policies = [policy for _, policy in mappings(rules, "policies")]
    root = (*subject.path, "spec", *path)
    if rules.get("selectPolicy") == "Disabled":
        yield Hit((*root, "selectPolicy"))
    elif policies and all(integer(policy, "value") == 0 for policy in policies):
        yield Hit((*root, "policies"), message="policies", on_key=True)


# -------------------------------------------------------------------------- the vertical one


def vpa_conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """VerticalPodAutoscalers that move the requests which another autoscaler divides by."""
    mode = get(subject.spec, "updatePolicy", "updateMode")
    if mode in ("Off", "Initial") or not isinstance(mode, str | None):
        return
    kind, name = text(subject.spec, "targetRef", "kind"), text(subject.spec, "targetRef", "name")
    for scaler in world.autoscaling.targeting(subject.namespace, kind, name) if name else ():
        metric = _shared_metric(subject, scaler, world)
        if metric is not None and scaler.active:
            place = Related(scaler.document, metric.path, "this metric divides by the requests")
            yield Hit(
                (*subject.path, "spec", "targetRef", "name"),
                {
                    "target": scaler.target,
                    "autoscaler": str(scaler.resource.ref),
                    "resource": {"cpu": "CPU"}.get(metric.resource, metric.resource),
                    "other": {"cpu": "memory"}.get(metric.resource, "cpu"),
                },
                (place,),
                fix=_left_to_autoscaler(subject, scaler),
            )
            return


def _left_to_autoscaler(subject: Resource, scaler: Autoscaler) -> tuple[Change, ...]:
    """Takes the resources of an autoscaler's metrics out of what a VPA controls."""
    counted = {metric.resource for metric in scaler.metrics if metric.kind == "Utilization"}
    rest = [resource for resource in ("cpu", "memory") if resource not in counted]
    path = (*subject.path, "spec", "resourcePolicy", "containerPolicies")
    policies = list(mappings(subject.spec, "resourcePolicy", "containerPolicies"))
    if not rest:
        return ()
    changes: list[Change] = [
        Set((*path, index, "controlledResources"), rest)
        for index, policy in policies
        if any(_controls(policy, resource) for resource in counted)
    ]
    if all(text(policy, "containerName") != "*" for _, policy in policies):
        changes.append(Append(path, {"containerName": "*", "controlledResources": rest}))
    return tuple(changes)


def _shared_metric(subject: Resource, scaler: Autoscaler, world: World) -> Metric | None:
    """A utilization metric of a resource that a VerticalPodAutoscaler sets for its containers."""
    policies = {
        text(policy, "containerName"): policy
        for _, policy in mappings(subject.spec, "resourcePolicy", "containerPolicies")
    }
    target = world.autoscaling.target_of(scaler)
    template = world.autoscaling.template_of(target) if target is not None else None
    names = {c.name for c in template.main_containers} if template is not None else set()
    # `*` stands for every container without a policy of its own.
    names = names or set(policies) or {"*"}
    for metric in scaler.metrics:
        counted = names if metric.container is None else {metric.container}
        if metric.kind == "Utilization" and any(
            _controls(policies.get(name, policies.get("*", {})), metric.resource)
            for name in counted
        ):
            return metric
    return None


def _controls(policy: Mapping[str, Any], resource: str) -> bool:
    controlled = policy.get("controlledResources")
    if policy.get("mode") == "Off":
        return False
    return resource in (items(controlled) if controlled is not None else ("cpu", "memory"))
