"""Requests and limits of containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.world import World
from meshlint.model.values import mapping, mappings
from meshlint.model.workloads import Container, Workload

# A LimitRange item of type Container fills in what a container leaves out. API defaulting copies
# max to default and default or min to defaultRequest (Kubernetes API, LimitRangeItem).
_DEFAULTS = {
    "requests": ("defaultRequest", "default", "max", "min"),
    "limits": ("default", "max"),
}


def value_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Containers without `resources.<section>.<resource>`.

    A LimitRange of the namespace that fills the value in satisfies it. With `limit_counts` a limit
    does for a request, because the API server copies it.
    """
    section, resource = params["section"], params["resource"]
    if namespace_default(world, subject.namespace, section, resource):
        return
    for container in _containers(subject, params):
        values = mapping(container.value, "resources", section)
        if values.get(resource) is not None:
            continue
        if params.get("limit_counts") and container.limit(resource) is not None:
            continue
        yield Hit(
            (*container.path, "resources", section, resource),
            {"container": container.name or "unnamed"},
            on_key=True,
        )


def _containers(workload: Workload, params: Mapping[str, Any]) -> Sequence[Container]:
    if params.get("init"):
        return (*workload.main_containers, *workload.init_containers)
    return workload.main_containers


def namespace_default(world: World, namespace: str, section: str, resource: str) -> bool:
    """Whether a LimitRange of the namespace gives containers a request or limit by default."""
    return any(
        mapping(item, source).get(resource) is not None
        for limit_range in world.index.in_namespace("core/LimitRange", namespace)
        for _, item in mappings(limit_range.spec, "limits")
        if item.get("type") == "Container"
        for source in _DEFAULTS[section]
    )
