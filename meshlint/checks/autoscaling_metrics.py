"""Metrics of autoscalers: can they be computed, can they ever be exceeded, what do they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.checks.autoscaling import is_infrastructure
from meshlint.checks.fixing import proxy_annotations, set_first
from meshlint.checks.hits import listed, there
from meshlint.findings import Change, Hit, In, Related
from meshlint.mesh.autoscaling import CONTAINER_METRICS, DEFAULT_CPU_TARGET, Autoscaler, Metric
from meshlint.mesh.pod_resources import Counted, known_amounts, measured
from meshlint.mesh.proxy_resources import key
from meshlint.mesh.world import World
from meshlint.model.quantity import format_cpu, format_memory, parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Workload
from meshlint.operations import Append, Rename, Set

_NAMES = {"cpu": "CPU", "memory": "memory"}
"""Resources that metrics exist of, as messages name them."""


def _amount(resource: str, amount: Decimal) -> str:
    return format_cpu(amount) if resource == "cpu" else format_memory(amount)


def _is_default(metric: Metric) -> bool:
    """Whether the autoscaler has no metric and this is the one that it then gets."""
    return metric.path[-1:] == ("spec",)


def _template(scaler: Autoscaler, world: World) -> Workload | None:
    """The template of the pods, where the input has it."""
    target = world.autoscaling.target_of(scaler)
    if target is None:
        return None
    template = world.autoscaling.template_of(target)
    return template if template.containers else None


# ------------------------------------------------------------------------------ cannot be computed


def metric_undefined(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Utilization metrics of pods in which a container has no request to divide by."""
    scaler = world.autoscaling.autoscaler(subject)
    template = _template(scaler, world)
    if template is None:
        return
    undefined = [
        (metric, culprit)
        for metric in scaler.metrics
        if metric.kind == "Utilization" and metric.resource in _NAMES
        for culprit in [_without_request(world, template, metric)]
        if culprit is not None
    ]
    alone = len(undefined) == len(scaler.metrics)
    for metric, culprit in undefined:
        name, resource = culprit.name or "unnamed", _NAMES[metric.resource]
        args = {
            "resource": resource,
            "target": scaler.target,
            "container": name,
            "consequence": (
                "the workload never scales"
                if alone
                else "the other metrics alone scale the workload, and never down"
            ),
        }
        message = "default"
        fix: tuple[Change, ...] = ()
        if culprit.container is not None:
            path = (*culprit.container.path, "resources")
            note = f"container {name} has no {resource} request"
            related: tuple[Related, ...] = (Related(template.resource.document, path, note, True),)
        else:
            args["cause"], related = _proxy_cause(world, template, metric.resource)
            message = "proxy"
            wanted = {key("requests", metric.resource): ""}
            added = proxy_annotations(world, template, wanted)
            fix = (In(template.resource.document, added),) if added else ()
        yield Hit(metric.path, args, related, message=message, on_key=_is_default(metric), fix=fix)


def _without_request(world: World, template: Workload, metric: Metric) -> Counted | None:
    return next(
        (
            counted
            for counted in measured(world, template, metric.container).containers
            if counted.missing("requests", metric.resource)
        ),
        None,
    )


def _proxy_cause(
    world: World, template: Workload, resource: str
) -> tuple[str, tuple[Related, ...]]:
    """By what and where the proxy loses its request."""
    proxy = world.proxy(template)
    assert proxy is not None, "a proxy that is counted is known"
    place = proxy.why_unset("requests", resource)
    related = there(place, f"takes the {_NAMES[resource]} request away", on_key=True)
    if not proxy.annotations:
        return "the installation gives proxies none", related
    names = listed(list(proxy.annotations))
    plural = len(proxy.annotations) > 1
    return (
        f"annotations {names} discard the defaults"
        if plural
        else f"annotation {names} discards the defaults"
    ), related


def container_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Metrics of a container that the pods do not have."""
    scaler = world.autoscaling.autoscaler(subject)
    template = _template(scaler, world)
    if template is None:
        return
    names = [c.name for c in template.containers if c.role != "init"]
    for index, metric in mappings(subject.spec, "metrics"):
        wanted = text(metric, "containerResource", "container")
        if not wanted or wanted in names or wanted in _ADDED_BY_OTHERS:
            continue
        if wanted == PROXY_CONTAINER and world.injection(template).injected is not False:
            continue
        place = (*template.pod_spec_path, "containers")
        related = Related(template.resource.document, place, "the containers of the pods", True)
        yield Hit(
            (*subject.path, "spec", "metrics", index, "containerResource", "container"),
            {"container": wanted, "target": scaler.target, "names": listed(names)},
            (related,),
        )


# Containers that webhooks beside Istio's add to pods.
_ADDED_BY_OTHERS = frozenset(
    {"consul-dataplane", "daprd", "kuma-sidecar", "linkerd-proxy", "otc-container", "vault-agent"}
)

# ------------------------------------------------------------------------------ cannot be exceeded


def threshold_unreachable(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Metrics whose target lies above what the limits let the pods use."""
    scaler = world.autoscaling.autoscaler(subject)
    template = _template(scaler, world)
    if template is None:
        return
    own = parse_quantity(get(subject.spec, "behavior", "scaleUp", "tolerance"))
    factor = 1 + (own if own is not None else Decimal(str(params["tolerance"])))
    hits = []
    for metric in scaler.metrics:
        hit = _unreachable(world, template, scaler, metric, factor)
        if hit is None:
            return
        hits.append(hit)
    yield from hits


def _unreachable(
    world: World, template: Workload, scaler: Autoscaler, metric: Metric, factor: Decimal
) -> Hit | None:
    resource, target = metric.resource, metric.target
    if metric.kind == "other" or resource not in _NAMES or target is None:
        return None
    pods = measured(world, template, metric.container)
    limits = known_amounts(pods.containers, "limits", resource)
    requests = known_amounts(pods.containers, "requests", resource)
    if not pods.complete or not limits or not requests:
        return None
    most = sum(limits, Decimal(0))
    requested = sum(requests, Decimal(0))
    needed = factor * (target if metric.kind == "AverageValue" else target * requested / 100)
    if most > needed:
        return None
    args = {
        "target": scaler.target,
        "resource": _NAMES[resource],
        "percent": f"{target.normalize():f}%",
        "value": _amount(resource, target),
        "requests": _amount(resource, requested),
        "needed": _amount(resource, needed),
        "limits": _amount(resource, most),
        "parts": listed(
            [
                f"{counted.name or 'unnamed'} {_amount(resource, limit)}"
                for counted, limit in zip(pods.containers, limits, strict=True)
            ]
        ),
    }
    path = (*template.pod_spec_path, "containers")
    related = Related(template.resource.document, path, "the limits of the containers", True)
    message = "value" if metric.kind == "AverageValue" else "default"
    return Hit(metric.path, args, (related,), message=message, on_key=_is_default(metric))


# -------------------------------------------------------------------------------- what they count


def proxy_share_dominant(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """CPU metrics that mostly measure the proxy, because it has most of the requests."""
    scaler = world.autoscaling.autoscaler(subject)
    template = _template(scaler, world)
    if template is None or world.injection(template).answer not in ("yes", "intended"):
        return
    for metric in scaler.metrics:
        if metric.source != "Resource" or metric.kind != "Utilization" or metric.resource != "cpu":
            continue
        pods = measured(world, template)
        requests = known_amounts(pods.containers, "requests", "cpu")
        if pods.proxy is None or requests is None or not sum(requests):
            continue
        own = requests[pods.containers.index(pods.proxy)]
        total = sum(requests, Decimal(0))
        if own / total < Decimal(str(params["share"])):
            continue
        yield Hit(
            metric.path,
            {
                "target": scaler.target,
                "percent": f"{int(own / total * 100)}%",
                "proxy": format_cpu(own),
                "total": format_cpu(total),
            },
            _proxy_request(world, template),
            on_key=_is_default(metric),
        )


def _proxy_request(world: World, template: Workload) -> tuple[Related, ...]:
    proxy = world.proxy(template)
    request = proxy.requests.get("cpu") if proxy is not None else None
    return there(request.origin.place, "the request of the sidecar") if request is not None else ()


def metric_counts_sidecar(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Metrics of whole pods with a sidecar, where one of the application alone would do."""
    since = CONTAINER_METRICS["beta" if params["beta"] else "stable"]
    if world.kubernetes_version.before(since):
        return
    scaler = world.autoscaling.autoscaler(subject)
    template = _template(scaler, world)
    if template is None or world.injection(template).answer not in ("yes", "intended"):
        return
    names = [container.name for container in template.main_containers]
    main = names[0] if len(names) == 1 else ""
    for metric in scaler.metrics:
        if metric.source == "Resource" and metric.resource in _NAMES:
            yield Hit(
                metric.path,
                {"target": scaler.target, "resource": _NAMES[metric.resource], "container": main},
                on_key=_is_default(metric),
                fix=_of_container(subject, metric, main),
            )


def _of_container(subject: Resource, metric: Metric, container: str) -> tuple[Change, ...]:
    """Turns a metric of whole pods into one of their only main container."""
    if not container or subject.version != "v2":
        return ()
    if _is_default(metric):
        block = {
            "container": container,
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": DEFAULT_CPU_TARGET},
        }
        entry = {"type": "ContainerResource", "containerResource": block}
        return (Append((*metric.path, "metrics"), entry),)
    steps = len(subject.path) + len(("spec", "metrics", 0))
    entry_path = metric.path[:steps]
    found = get(subject.document.value, *entry_path, "resource")
    return (
        Set((*entry_path, "type"), "ContainerResource"),
        Rename((*entry_path, "resource"), "containerResource"),
        set_first(mapping(found), (*entry_path, "containerResource"), "container", container),
    )


def target_utilization_high(
    subject: Autoscaler, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """CPU targets that leave no room while new pods start."""
    for metric in subject.metrics:
        if metric.kind != "Utilization" or metric.resource != "cpu" or metric.target is None:
            continue
        if metric.target > params["max"] and not is_infrastructure(subject, world):
            yield Hit(
                metric.path,
                {"percent": f"{metric.target.normalize():f}", "max": params["max"]},
                on_key=_is_default(metric),
            )


def memory_only(subject: Autoscaler, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Autoscalers that look at nothing but memory."""
    if subject.metrics and all(metric.resource == "memory" for metric in subject.metrics):
        yield Hit(subject.metrics[0].path, {"target": subject.target})
