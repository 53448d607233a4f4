"""Requests and limits of a proxy container, step by step.

Sources: the block `resources` of the injection template of the istiod chart; in
kubernetes/kubernetes `pkg/apis/core/v1/defaults.go` and the LimitRanger plugin, which runs again
when a webhook has changed the pod.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from meshlint.dataclass import dataclass, field, replace
from meshlint.mesh.installations.records import ContainerResources
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import Version
from meshlint.model.quantity import parse_quantity
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings
from meshlint.model.workloads import Container, Workload

Step = Literal["global", "annotation", "container", "limit-copied", "limitrange"]
Part = Literal["requests", "limits"]
PARTS: tuple[Part, Part] = ("requests", "limits")

ALL_KEYS = frozenset({"cpu-request", "memory-request", "cpu-limit", "memory-limit"})
"""The values that every step knows."""

_SUFFIX: Mapping[Part, str] = {"requests": "request", "limits": "limit"}
_DEFAULTS: Mapping[Part, Mapping[str, str]] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A request or limit, with the step that decided it and where that step has it from."""

    value: Any
    """As written."""
    step: Step
    origin: Sourced[Any]

    @property
    def amount(self) -> Decimal | None:
        """Cores or bytes; None where what is written is no quantity."""
        return parse_quantity(self.value)


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits of one container. A key that is missing is unset, or not known.

    `unknown` names what is not known: `cpu-request`, `memory-limit` and so on.
    """

    requests: Mapping[str, Quantity] = field(default_factory=dict)
    limits: Mapping[str, Quantity] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    def part(self, part: Part) -> Mapping[str, Quantity]:
        """Requests or limits."""
        return self.requests if part == "requests" else self.limits

    def missing(self, part: Part, resource: str) -> bool:
        """Whether a value is known to be unset."""
        return resource not in self.part(part) and key(part, resource) not in self.unknown


def key(part: Part, resource: str) -> str:
    """Name of a value: `cpu-request`, `memory-limit`."""
    return f"{resource}-{_SUFFIX[part]}"


def _keys(resources: Resources) -> set[str]:
    return {key(part, resource) for part in PARTS for resource in resources.part(part)}


def chart_defaults(version: Version) -> Resources:
    """What the istiod chart gives the proxy when nobody says otherwise."""
    name = f"default of the istiod chart, Istio {version}"

    def part(part: Part) -> dict[str, Quantity]:
        return {
            resource: Quantity(value, "global", Sourced(value, default=name))
            for resource, value in _DEFAULTS[part].items()
        }

    return Resources(part("requests"), part("limits"))


def installed(found: ContainerResources | None) -> Resources:
    """global.proxy.resources of an installation."""
    if found is None:
        return Resources(unknown=ALL_KEYS)

    def part(values: Mapping[str, Sourced[Any]]) -> dict[str, Quantity]:
        return {
            resource: Quantity(sourced.value, "global", sourced)
            for resource, sourced in values.items()
            if sourced.value is not None
        }

    return Resources(part(found.requests), part(found.limits))


def written(workload: Workload, container: Container) -> Resources:
    """What a container of the template itself sets; null sets nothing."""

    def part(part: Part) -> dict[str, Quantity]:
        found = {}
        for resource, value in mapping(container.value, "resources", part).items():
            if value is not None:
                path = (*container.path, "resources", part, resource)
                place = Place(workload.resource.document, path)
                found[resource] = Quantity(value, "container", Sourced(value, place))
        return found

    return Resources(part("requests"), part("limits"))


def overlay(base: Resources, over: Resources) -> Resources:
    """Merges key by key; what `over` knows is known."""
    return Resources(
        {**base.requests, **over.requests},
        {**base.limits, **over.limits},
        frozenset(base.unknown - _keys(over)) | over.unknown,
    )


def admitted(resources: Resources, ranges: Sequence[Resource]) -> Resources:
    """A container as the API server stores it.

    A limit becomes the request that is missing; after that, LimitRanges of the namespace fill in.
    """
    requests, limits = dict(resources.requests), dict(resources.limits)
    unknown = set(resources.unknown)
    for resource, limit in limits.items():
        if resource not in requests and key("requests", resource) not in unknown:
            requests[resource] = replace(limit, step="limit-copied")
    for name in resources.unknown:
        resource = name.removesuffix("-limit")
        if resource != name and resource not in requests:
            unknown.add(key("requests", resource))
    filled: dict[Part, dict[str, Quantity]] = {"requests": requests, "limits": limits}
    for part in PARTS:
        for resource, offered in _offers(ranges, part).items():
            name = key(part, resource)
            if resource in filled[part] or name in unknown:
                continue
            if len({quantity.amount for quantity in offered}) == 1:
                filled[part][resource] = offered[0]
            else:
                # Which of several LimitRanges comes first is up to the cluster.
                unknown.add(name)
    return Resources(requests, limits, frozenset(unknown))


def _offers(ranges: Sequence[Resource], part: Part) -> dict[str, list[Quantity]]:
    offers: dict[str, list[Quantity]] = {}
    for limit_range in ranges:
        for resource, quantity in _container_defaults(limit_range, part).items():
            offers.setdefault(resource, []).append(quantity)
    return offers


def _container_defaults(limit_range: Resource, part: Part) -> dict[str, Quantity]:
    """Defaults of a LimitRange for containers, after the API server has completed the object.

    Its `max` becomes the default limit, that becomes the default request, and then `min` does.
    """
    found: dict[str, Quantity] = {}
    sources = ["default", "max"]
    if part == "requests":
        sources = ["defaultRequest", *sources, "min"]
    for number, item in mappings(limit_range.spec, "limits"):
        if item.get("type") != "Container":
            continue
        for source in sources:
            for resource, value in mapping(item, source).items():
                if value is None or resource in found:
                    continue
                path = (*limit_range.path, "spec", "limits", number, source, resource)
                place = Place(limit_range.document, path)
                found[resource] = Quantity(value, "limitrange", Sourced(value, place))
    return found


def common(alternatives: Sequence[Resources]) -> Resources:
    """What several possible outcomes agree on; the rest is not known."""
    unknown = set().union(*(one.unknown for one in alternatives))
    agreed: dict[Part, dict[str, Quantity]] = {"requests": {}, "limits": {}}
    for part in PARTS:
        names = dict.fromkeys(name for one in alternatives for name in one.part(part))
        for resource in names:
            quantities = [one.part(part).get(resource) for one in alternatives]
            first = quantities[0]
            if first is None or any(q is None or q.amount != first.amount for q in quantities):
                unknown.add(key(part, resource))
            elif key(part, resource) not in unknown:
                agreed[part][resource] = first
    return Resources(agreed["requests"], agreed["limits"], frozenset(unknown))
