"""ProxyConfig of gateways, in every form a gateway is installed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshlint.findings import Path
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.proxy import EffectiveProxy
from meshlint.mesh.proxy_config import (
    CONFIG_ANNOTATION,
    UNKNOWN,
    Layer,
    config_field,
    count,
    parsed_mapping,
)
from meshlint.model.values import get
from meshlint.model.workloads import Workload

if TYPE_CHECKING:
    from meshlint.mesh.world import World


def gateway_workload(gateway: GatewayProxy, world: World) -> Workload | None:
    """The workload that a gateway stands in the input as; None in any other form."""
    if gateway.form != "rendered" or gateway.resource is None:
        return None
    return world.index.workload_of(gateway.resource)


def injected_gateway(gateway: GatewayProxy, world: World) -> EffectiveProxy | None:
    """The proxy that is injected into a gateway's pods; None where it is written out in full."""
    workload = gateway_workload(gateway, world)
    return world.proxy(workload) if workload is not None else None


def gateway_layers(gateway: GatewayProxy, world: World) -> list[Layer]:
    """Sources of ProxyConfig of a gateway, highest first: its annotation, then MeshConfig.

    ProxyConfig objects are known to count for pods of the input alone (`injected_gateway`).
    """
    return [*_of_annotation(gateway), _of_mesh(gateway, world.installations.control_planes)]


def _of_annotation(gateway: GatewayProxy) -> list[Layer]:
    written = gateway.annotations.get(CONFIG_ANNOTATION)
    values = parsed_mapping(written, CONFIG_ANNOTATION) if written is not None else None
    if values is None:
        return []
    block = gateway.annotations_place
    place = block.below(CONFIG_ANNOTATION) if block is not None else None

    def look_up(path: Path) -> Sourced[object] | None:
        return Sourced(get(values, *path), place)

    return [look_up]


def _of_mesh(gateway: GatewayProxy, planes: Sequence[ControlPlane]) -> Layer:
    if not planes:
        return lambda _: None
    serving = [plane for plane in planes if plane.revision == gateway.revision]
    candidates = serving or planes
    if len(candidates) != 1:
        return lambda _: UNKNOWN
    mesh = candidates[0].mesh_config
    return lambda path: mesh.get("defaultConfig", *path)


def gateway_concurrency(gateway: GatewayProxy, world: World) -> Sourced[int | None] | None:
    """`concurrency` of a gateway where it is set; None where that is not known."""
    proxy = injected_gateway(gateway, world)
    if proxy is not None:
        return proxy.concurrency
    found = config_field(gateway_layers(gateway, world), gateway.version, "concurrency")
    if found is UNKNOWN:
        return None
    return found.map(count) if found is not None else Sourced(None)
