"""Capacity that workloads and gateways declare, and what it means for their proxies.

The load figures are those of the Istio documentation, performance and scalability (see
`meshlint.mesh.versions`); a sidecar carries every request into the pod and every call out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.gateway_config import gateway_concurrency
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy_resources import Quantity
from meshlint.mesh.versions import PROXY_LOAD, WAYPOINT_LOAD, ProxyLoad, Version, proxy_load
from meshlint.model.workloads import Workload
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

RPS_PER_POD = "rps-per-pod"
RPS_NORMAL = "rps-normal"
RPS_PEAK = "rps-peak"
OUTBOUND_CALLS = "outbound-calls"
LOAD_TESTED = "load-tested"
LOAD_TESTED_ISTIO = "load-tested-istio"

_NUMBER = regexp(r"[0-9]{1,15}(?:\.[0-9]{1,15})?\Z")


def parse_number(text: str) -> Decimal | None:
    """A number as capacity annotations write it: digits with an optional fraction."""
    return Decimal(text.strip()) if _NUMBER.match(text.strip()) else None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity annotations of one workload or gateway, by key without the prefix, as written."""

    declared: Mapping[str, Sourced[str]]

    def number(self, key: str) -> Sourced[Decimal] | None:
        """A declared number; None where it is absent or malformed.

        Zero is a number of outbound calls only.
        """
        found = self.declared.get(key)
        value = parse_number(found.value) if found is not None else None
        if found is None or value is None or (value == 0 and key != OUTBOUND_CALLS):
            return None
        return found.map(lambda _: value)

    @property
    def sidecar_load(self) -> Sourced[Decimal] | None:
        """Requests per second through one sidecar, in and out; None where it is not declared."""
        rate = self.number(RPS_PER_POD)
        calls = self.number(OUTBOUND_CALLS)
        if rate is None or (calls is None and OUTBOUND_CALLS in self.declared):
            return None
        return rate.map(lambda rps: rps * (1 + (calls.value if calls is not None else 0)))


def workload_capacity(workload: Workload, prefix: str) -> Capacity:
    """Annotations of a workload and its template; the workload's own win."""
    document = workload.resource.document
    own: Path = (*workload.resource.path, "metadata", "annotations")
    return Capacity(
        {
            **_with_prefix(
                workload.annotations, Place(document, workload.annotations_path), prefix
            ),
            **_with_prefix(workload.resource.annotations, Place(document, own), prefix),
        }
    )


def gateway_capacity(gateway: GatewayProxy, prefix: str) -> Capacity:
    """Annotations of a gateway's pods, and of its Deployment or Gateway; the latter win."""
    found: dict[str, Sourced[str]] = {}
    if gateway.annotations_place is not None:
        found = _with_prefix(gateway.annotations, gateway.annotations_place, prefix)
    resource = gateway.resource
    if resource is not None and gateway.form in ("rendered", "automatic"):
        place = Place(resource.document, (*resource.path, "metadata", "annotations"))
        found.update(_with_prefix(resource.annotations, place, prefix))
    return Capacity(found)


def _with_prefix(
    annotations: Mapping[str, Any], place: Place, prefix: str
) -> dict[str, Sourced[str]]:
    return {
        name.removeprefix(prefix): Sourced(value, place.below(name))
        for name, value in scalar_map(annotations).items()
        if name.startswith(prefix)
    }


# ------------------------------------------------------------------------------------ proxies


@dataclass(frozen=True, slots=True)
class LoadedProxy:
    """A proxy whose load is declared, beside what it is given to carry it.

    A request or limit that is missing is unset or not known.
    """

    load: Sourced[Decimal]
    """Requests per second; the place is that of the annotation."""
    requests: Mapping[str, Sourced[Any]]
    limits: Mapping[str, Sourced[Any]]
    concurrency: Sourced[int | None] | None
    """As for `EffectiveProxy`."""
    figure: ProxyLoad | None
    """Published need per 1000 requests per second; None for versions without a figure."""
    version: Version


def loaded_proxy(subject: Workload | GatewayProxy, world: World) -> LoadedProxy | None:
    """The proxy of a workload or gateway that declares its load; None for any other."""
    prefix = world.settings.annotation_prefix
    if isinstance(subject, GatewayProxy):
        rate = gateway_capacity(subject, prefix).number(RPS_PER_POD)
        if rate is None or subject.resources is None:
            return None
        rows = WAYPOINT_LOAD if subject.gateway_class == "waypoint" else PROXY_LOAD
        return LoadedProxy(
            load=rate,
            requests=subject.resources.requests,
            limits=subject.resources.limits,
            concurrency=gateway_concurrency(subject, world),
            figure=proxy_load(subject.version, rows),
            version=subject.version,
        )
    declared = dict(workload_capacity(subject, prefix).declared)
    rollout = world.autoscaling.rollout_of(subject)
    if rollout is not None:
        declared.update(workload_capacity(rollout, prefix).declared)
    load = Capacity(declared).sidecar_load
    proxy = world.proxy(subject) if load is not None else None
    if load is None or proxy is None:
        return None
    return LoadedProxy(
        load=load,
        requests=_origins(proxy.requests),
        limits=_origins(proxy.limits),
        concurrency=proxy.concurrency,
        figure=proxy_load(proxy.version),
        version=proxy.version,
    )


def _origins(quantities: Mapping[str, Quantity]) -> dict[str, Sourced[Any]]:
    return {resource: quantity.origin for resource, quantity in quantities.items()}
