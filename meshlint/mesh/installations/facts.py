"""The fields of the records, read from the objects of an installation.

The objects stand in the input, or are what a chart renders; both are read in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlint.dataclass import replace
from meshlint.mesh.installations.charts import POD, TRACE_SAMPLING, Rendered, whole
from meshlint.mesh.installations.objects import Object, Step, Unknown
from meshlint.mesh.installations.records import (
    Autoscaling,
    Budget,
    ContainerResources,
    Image,
    Scheduling,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.values import items, mapping, mappings, text

DEFAULT_CPU_TARGET = 80
"""Percent; the API server's metric for an autoscaler that names none (Kubernetes API)."""


def number(found: Sourced[Any] | None) -> Sourced[int | None] | None:
    """A number with its origin: unset stays unset, what is no number is not known."""
    if found is None:
        return Sourced(None)
    value = whole(found.value)
    if value is None and found.value is not None:
        return None
    return found.map(lambda _: value)


# --------------------------------------------------------------------------------- autoscaling


def autoscaling_of(rendered: Rendered, name: str) -> Autoscaling:
    """The autoscaler that a chart renders, or what its settings are when it does not.

    One that a patch has pointed at something else than the Deployment does not scale it.
    """
    by = rendered.autoscaler_by
    origin = Sourced(rendered.autoscaler is not None, by.place, by.default, by.site) if by else None
    found = autoscaler_facts(rendered.autoscaler or rendered.autoscaler_settings, origin)
    target = rendered.autoscaler.get(*_TARGET) if rendered.autoscaler else None
    if target is None or target.value in (None, name):
        return found
    other = target.map(str)
    return replace(found, enabled=target.map(lambda _: False), target=other)


_TARGET = ("spec", "scaleTargetRef", "name")


def autoscaler_facts(autoscaler: Object, enabled: Sourced[bool] | None) -> Autoscaling:
    """Bounds and targets of a HorizontalPodAutoscaler.

    Targets are utilization of the pods or of the one container of the mesh, in the spelling of any
    version of the API. Without `metrics` the API server scales on 80 percent CPU.
    """
    minimum = number(autoscaler.get("spec", "minReplicas"))
    if minimum is not None and minimum.value is None:
        minimum = Sourced(1, minimum.place, "default of HorizontalPodAutoscaler", minimum.site)
    cpu, memory = _targets(autoscaler)
    return Autoscaling(enabled, minimum, number(autoscaler.get("spec", "maxReplicas")), cpu, memory)


def _targets(
    autoscaler: Object,
) -> tuple[Sourced[int | None] | None, Sourced[int | None] | None]:
    legacy = autoscaler.get("spec", "targetCPUUtilizationPercentage")  # autoscaling/v1
    metrics = autoscaler.get("spec", "metrics")
    found: dict[str, Sourced[int | None] | None] = {"cpu": Sourced(None), "memory": Sourced(None)}
    if metrics is None or not items(metrics.value):
        fallback = Sourced(DEFAULT_CPU_TARGET, None, "default of HorizontalPodAutoscaler")
        found["cpu"] = number(legacy) if legacy is not None else fallback
        return found["cpu"], found["memory"]
    if metrics.place is not None and items(metrics.place.document.value, *metrics.place.path):
        # A list that the input gives as a whole is where a metric is missing.
        found = {name: Sourced(None, site=metrics.place) for name in found}
    for index, metric in mappings(metrics.value):
        kind = metric.get("type")
        source = {"Resource": "resource", "ContainerResource": "containerResource"}.get(str(kind))
        name = text(metric, source, "name") if source else ""
        if source is None or name not in found:
            continue
        at = ("spec", "metrics", index, source)
        target = autoscaler.get(*at, "target", "averageUtilization")
        if target is None:  # autoscaling/v2beta1
            target = autoscaler.get(*at, "targetAverageUtilization")
        if target is not None:
            found[name] = number(target)
    return found["cpu"], found["memory"]


# ---------------------------------------------------------------------------------- containers


def resources_of(
    target: Object, where: tuple[Step, ...], place: Place | None
) -> ContainerResources | None:
    """Requests and limits of a container; None when the block is no map."""
    block = target.get(*where, "resources")
    if block is not None and block.value is not None and not isinstance(block.value, dict):
        return None
    kept: dict[str, dict[str, Sourced[Any]]] = {"requests": {}, "limits": {}}
    removed: dict[tuple[str, str], Place] = {}
    for section, held in kept.items():
        listed = target.get(*where, "resources", section)
        for resource in mapping(listed.value if listed else None):
            item = target.get(*where, "resources", section, resource)
            if item is None or item.value is None:
                if item is not None and item.place is not None:
                    removed[section, resource] = item.place
            else:
                held[resource] = item
    return ContainerResources(kept["requests"], kept["limits"], place, removed)


def env_of(target: Object, where: tuple[Step, ...]) -> Mapping[str, Sourced[Any]]:
    """Environment variables with a value of their own; of several of a name the last one counts."""
    listed = target.get(*where, "env")
    found: dict[str, Sourced[Any]] = {}
    for index, variable in mappings(listed.value if listed else None):
        value = target.get(*where, "env", index, "value")
        name = variable.get("name")
        if isinstance(name, str) and value is not None:
            found[name] = value
    return found


def sampling_of(
    env: Mapping[str, Sourced[Any]], known: bool = True
) -> Sourced[float | None] | None:
    """PILOT_TRACE_SAMPLING in percent; None when it is no number."""
    found = env.get(TRACE_SAMPLING)
    if found is None:
        return Sourced(None) if known else None
    try:
        percent = float(found.value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found.map(lambda _: percent)


def scheduling_of(target: Object, labels: Mapping[str, str]) -> Scheduling | None:
    """Where the pods of a Deployment or DaemonSet may run; None when a block is not known."""
    names = ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints")
    affinity, selector, tolerations, spread = (
        target.get(*POD, name) or Sourced(None) for name in names
    )
    if any(isinstance(b.value, Unknown) for b in (affinity, selector, tolerations, spread)):
        return None
    return Scheduling(affinity, selector, tolerations, spread, labels)


def replicas_of(target: Object) -> Sourced[int | None] | None:
    """`spec.replicas` as rendered."""
    return number(target.get("spec", "replicas"))


def budget_of(budget: Object | None, origin: Sourced[Any] | None) -> Sourced[Budget | None] | None:
    """A PodDisruptionBudget; `origin` is what decided that there is one, or none."""
    if origin is None:
        return None
    if budget is None:
        return origin.map(lambda _: None)
    least = budget.get("spec", "minAvailable") or Sourced(None)
    most = budget.get("spec", "maxUnavailable") or Sourced(None)
    found = Budget(least, most)
    for part in (least, most):
        if part.place is not None:
            return Sourced(found, part.place)
    return Sourced(found, None, least.default or most.default or origin.default, least.site)


# -------------------------------------------------------------------------------------- images


def image_of(component: str, reference: Sourced[Any] | None) -> Image | None:
    """Hub and tag of a whole image reference; the tag is None where it has none or a digest."""
    if reference is None or not isinstance(reference.value, str) or not reference.value:
        return None
    name, _, digest = reference.value.partition("@")
    hub, _, last = name.rpartition("/")
    tag = last.partition(":")[2]
    return Image(
        component,
        reference.map(lambda _: hub or None),
        reference.map(lambda _: tag or (digest or None)),
    )
