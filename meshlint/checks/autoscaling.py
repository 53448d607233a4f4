"""Autoscalers: do they exist, do they find their target, can they ever fire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.autoscaling import HPA, Autoscaler, Metric, make_autoscaler
from meshlint.mesh.roles import is_gateway_proxy, serves
from meshlint.mesh.versions import HPA_API_LAST_SERVED, Version
from meshlint.mesh.world import World
from meshlint.model.quantity import format_cpu, format_memory, parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload

SCALABLE_BUILTIN = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})
"""Built-in kinds with a scale subresource."""

_BUILTIN_GROUPS = frozenset(
    {"", "apps", "batch", "extensions", "autoscaling", "policy", "networking.k8s.io"}
)
_UNSCALABLE_BUILTIN = frozenset(
    {"DaemonSet", "Job", "CronJob", "Pod", "Service", "ConfigMap", "Secret", "Ingress", "Namespace",
     "ServiceAccount", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
)  # fmt: skip
_WORKLOAD_KINDS = frozenset(
    {*SCALABLE_BUILTIN, "DaemonSet", "Job", "CronJob", "Pod", "Rollout", "DeploymentConfig"}
)

_GENERATED = ("{{", "${", "$(")


def _recreates(workload: Workload) -> bool:
    return get(workload.resource.value, "spec", "strategy", "type") == "Recreate"


def missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that nothing scales."""
    if subject.kind not in params["kinds"] or _recreates(subject) or subject.replicas == 0:
        return
    if world.autoscaling.of(subject):
        return
    if any(_scales(world, subject, other) for other in world.index.workloads_in(subject.namespace)):
        return
    yield Hit((*subject.resource.path, "spec"), {"workload": str(subject.resource.ref)}, on_key=True)


def _scales(world: World, subject: Workload, other: Workload) -> bool:
    """Whether a Rollout hands its autoscaler on to the Deployment it refers to, or the reverse."""
    return world.autoscaling.template_of(subject) is other and subject is not other and bool(
        world.autoscaling.of(other)
    )


def target_missing(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Autoscalers whose target is not in the input, although its namespace is."""
    name = subject.target_name
    if not name or subject.target_kind not in _WORKLOAD_KINDS:
        return
    if any(mark in name for mark in _GENERATED):
        return
    if subject.target_group not in (None, "apps", "", "extensions", "argoproj.io", "apps.openshift.io"):
        return
    if not world.index.workloads_in(subject.namespace):
        return
    if world.autoscaling.target_of(subject) is not None or _installed(subject, world):
        return
    kinds = [w for w in world.index.workloads_in(subject.namespace) if w.name == name]
    near = f"; {kinds[0].resource.ref} has that name" if kinds else ""
    yield Hit(
        (*subject.target_path, "name"),
        {"target": subject.target, "namespace": subject.namespace, "near": near},
    )


def _installed(subject: Autoscaler, world: World) -> bool:
    """Whether an installation or an automatic gateway of the input makes the target."""
    installations = world.installations
    for plane in installations.control_planes:
        deployment = f"istiod-{plane.revision}" if plane.revision else "istiod"
        if subject.target_name == deployment and plane.namespace in ("", subject.namespace):
            return True
    return any(
        subject.target_name.startswith(gateway.name)
        for gateway in installations.gateways
        if gateway.name and gateway.namespace in ("", subject.namespace)
    )


def target_not_scalable(
    subject: Autoscaler, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Autoscalers of kinds that have no scale subresource."""
    if subject.target_kind not in _UNSCALABLE_BUILTIN:
        return
    if subject.target_group is not None and subject.target_group not in _BUILTIN_GROUPS:
        return
    yield Hit((*subject.target_path, "kind"), {"kind": subject.target_kind})


def range_inverted(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ranges that the API server refuses."""
    low, high = subject.minimum, subject.maximum
    if high is not None and high < 1:
        yield Hit(subject.maximum_path, {"maximum": high}, message="maximum")
    elif low is not None and high is not None and low > high:
        yield Hit(
            subject.minimum_path,
            {"minimum": low, "maximum": high},
            (Related(subject.document, subject.maximum_path, f"the maximum is {high}"),),
        )


def range_fixed(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Ranges with one number in them."""
    low, high = subject.minimum, subject.maximum
    if low is not None and low == high:
        written = get(subject.document.value, *subject.minimum_path) is not None
        path = subject.minimum_path if written else subject.maximum_path
        yield Hit(path, {"replicas": low, "written": "" if written else " (the default)"})


def min_replicas_low(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Minimums below what a node drain leaves standing."""
    low, wanted = subject.minimum, params["min"]
    if low is None or low >= wanted:
        return
    if subject.kind == "ScaledObject" and low == 0:
        return
    target = world.autoscaling.target_of(subject)
    if target is not None and world.is_infrastructure(target):
        return
    if target is None and _installed(subject, world):
        return
    written = get(subject.document.value, *subject.minimum_path) is not None
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
    )


def scales_to_zero(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """ScaledObjects that take the last pod away from a workload that others call."""
    scaler = make_autoscaler(subject)
    triggers = {text(trigger, "type") for _, trigger in mappings(subject.spec, "triggers")}
    if triggers & {"external", "external-push"}:
        return
    idle = integer(subject.spec, "idleReplicaCount")
    if scaler.minimum != 0 and idle != 0:
        return
    target = world.autoscaling.target_of(scaler)
    if target is None or not serves(world, target) or is_gateway_proxy(target):
        return
    path = (*subject.path, "spec", "idleReplicaCount") if idle == 0 else scaler.minimum_path
    written = get(subject.document.value, *path) is not None
    yield Hit(
        path,
        {"target": scaler.target, "field": path[-1]},
        (Related(target.resource.document, target.resource.path, "the target serves requests"),),
        message="default" if written else "unset",
        on_key=not written,
    )


def static_replicas(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that fix the number that their autoscaler is to choose."""
    replicas = subject.replicas
    if not replicas or world.autoscaling.rollout_of(subject) is not None:
        return
    scalers = world.autoscaling.of(subject)
    if scalers:
        scaler = scalers[0]
        yield Hit(
            (*subject.resource.path, "spec", "replicas"),
            {"replicas": replicas, "autoscaler": str(scaler.resource.ref)},
            (
                Related(
                    scaler.document, scaler.target_path, f"{scaler.kind} {scaler.name} scales it", True
                ),
            ),
        )


def target_duplicate(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Every autoscaler of a target but the first one."""
    if not subject.target_name:
        return
    rivals = [
        other
        for other in world.autoscaling.targeting(
            subject.namespace, subject.target_kind, subject.target_name
        )
        if other is subject
        or not (_owned(other, subject) or _owned(subject, other) or _same(other, subject))
    ]
    if rivals[0] is subject:
        return
    first = rivals[0]
    yield Hit(
        (*subject.target_path, "name"),
        {"target": subject.target, "other": str(first.resource.ref)},
        tuple(
            Related(other.document, (*other.target_path, "name"), f"{other.kind} {other.name}")
            for other in rivals
            if other is not subject
        ),
    )


def _owned(one: Autoscaler, other: Autoscaler) -> bool:
    """Whether KEDA makes the first for the second, a ScaledObject."""
    return other.kind == "ScaledObject" and one.name == f"keda-hpa-{other.name}"


def _same(one: Autoscaler, other: Autoscaler) -> bool:
    """Whether both are the same object, given in two files."""
    return one.kind == other.kind and one.name == other.name


def api_version_removed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """HorizontalPodAutoscalers of a version that the target Kubernetes no longer serves."""
    last = HPA_API_LAST_SERVED.get(subject.version)
    if last is None or subject.group_kind != HPA:
        return
    major, _, minor = last.partition(".")
    if world.kubernetes_version <= Version(int(major), int(minor), 10**6):
        return
    yield Hit(
        (*subject.path, "apiVersion"),
        {
            "version": subject.api_version,
            "last": last,
            "target": str(world.kubernetes_version),
        },
    )


# ------------------------------------------------------------------------ the arithmetic


def _scaled_containers(workload: Workload, metric: Metric) -> Sequence[Container]:
    if metric.container is not None:
        return [c for c in workload.main_containers if c.name == metric.container]
    return workload.main_containers


def metric_undefined(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Utilization metrics of pods in which a container has no request to divide by."""
    scaler = make_autoscaler(subject)
    target = world.autoscaling.target_of(scaler)
    if target is None:
        return
    template = world.autoscaling.template_of(target)
    others = [metric for metric in scaler.metrics if metric.kind != "Utilization"]
    for metric in scaler.metrics:
        if metric.kind != "Utilization" or not metric.resource:
            continue
        culprit = _without_request(world, template, metric)
        if culprit is None:
            continue
        name, related = culprit
        yield Hit(
            metric.path,
            {
                "resource": metric.resource,
                "target": scaler.target,
                "container": name,
                "consequence": (
                    "and leaves the choice to the other metrics"
                    if others
                    else "and the workload never scales"
                ),
            },
            related,
            message="proxy" if name == PROXY_CONTAINER else "default",
            on_key=metric.path[-1] == "spec",
        )


def _without_request(
    world: World, template: Workload, metric: Metric
) -> tuple[str, tuple[Related, ...]] | None:
    from meshlint.checks.resources import namespace_default

    resource = metric.resource
    for container in _scaled_containers(template, metric):
        if container.request(resource) is not None or container.limit(resource) is not None:
            continue
        if namespace_default(world, template.namespace, "requests", resource):
            continue
        place = Related(
            template.resource.document,
            (*container.path, "resources"),
            f"container {container.name or 'unnamed'} has no {resource} request",
            True,
        )
        return container.name or "unnamed", (place,)
    if metric.container not in (None, PROXY_CONTAINER):
        return None
    proxy = world.proxy(template)
    if proxy is None or proxy.requests.get(resource) or proxy.limits.get(resource):
        return None
    reason = proxy.why_unset("requests", resource)
    if reason is None:
        return None
    place = Related(reason.document, reason.path, f"takes the proxy's {resource} request away", True)
    return PROXY_CONTAINER, (place,)


def threshold_unreachable(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Metrics whose target lies above what the limits let the pods use."""
    scaler = make_autoscaler(subject)
    target = world.autoscaling.target_of(scaler)
    if target is None:
        return
    template = world.autoscaling.template_of(target)
    tolerance = _tolerance(subject, params)
    unreachable = []
    for metric in scaler.metrics:
        sums = _sums(world, template, metric)
        if sums is None or metric.target is None:
            return
        limits, requests, parts = sums
        if metric.kind == "Utilization":
            needed = (1 + tolerance) * metric.target / 100 * requests
        else:
            needed = (1 + tolerance) * metric.target
        if limits > needed:
            return
        unreachable.append((metric, limits, requests, needed, parts))
    for metric, limits, requests, needed, parts in unreachable:
        shown = format_cpu if metric.resource == "cpu" else format_memory
        percent = f"{metric.target}%" if metric.kind == "Utilization" else shown(metric.target or Decimal(0))
        yield Hit(
            metric.path,
            {
                "resource": metric.resource,
                "percent": percent,
                "limits": shown(limits),
                "requests": shown(requests),
                "needed": shown(needed),
                "parts": parts,
                "target": scaler.target,
            },
            (
                Related(
                    template.resource.document,
                    (*template.pod_spec_path, "containers"),
                    f"limits of {shown(limits)} and requests of {shown(requests)} together",
                    True,
                ),
            ),
            on_key=metric.path[-1] == "spec",
        )


def _tolerance(subject: Resource, params: Mapping[str, Any]) -> Decimal:
    own = parse_quantity(get(subject.spec, "behavior", "scaleUp", "tolerance"))
    return own if own is not None else Decimal(str(params["tolerance"]))


def _sums(
    world: World, template: Workload, metric: Metric
) -> tuple[Decimal, Decimal, str] | None:
    """Limits and requests that a metric counts; None where one of them is not set or not known."""
    resource = metric.resource
    if metric.kind == "other" or not resource:
        return None
    limits = requests = Decimal(0)
    names = []
    for container in _scaled_containers(template, metric):
        limit = parse_quantity(container.limit(resource))
        written = container.request(resource)
        request = parse_quantity(written) if written is not None else limit
        if limit is None or request is None:
            return None
        limits += limit
        requests += request
        names.append(container.name)
    if metric.container is None:
        answer = world.injection(template).answer
        if answer == "unknown":
            return None
        if answer in ("yes", "intended"):
            proxy = world.proxy(template)
            if proxy is None:
                return None
            limit = _amount(proxy.limits, resource)
            request = _amount(proxy.requests, resource)
            if limit is None or request is None:
                return None
            limits += limit
            requests += request
            names.append(PROXY_CONTAINER)
    if not names:
        return None
    return limits, requests, ", ".join(names)


def _amount(values: Mapping[str, Any], resource: str) -> Decimal | None:
    found = values.get(resource)
    return parse_quantity(found.value) if found is not None else None

