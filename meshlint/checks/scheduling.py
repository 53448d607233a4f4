"""Which nodes pods run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.scheduling import node_pinned, preferred_pin
from meshlint.mesh.world import World
from meshlint.model.values import mapping
from meshlint.model.workloads import Workload


def node_affinity_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pod templates without a node pin; those with a preferred one are left to another rule."""
    if subject.kind not in params["kinds"]:
        return
    keys = params["keys"]
    if node_pinned(subject.pod_spec, keys) or preferred_pin(subject.pod_spec, keys) is not None:
        return
    found = sorted(mapping(subject.pod_spec, "nodeSelector"))
    yield Hit(
        (*subject.pod_spec_path, "nodeSelector"),
        {"found": f"only a nodeSelector on {', '.join(found)}" if found else "no node pin"},
        on_key=True,
    )


def node_affinity_preferred_only(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pod templates whose only node pin is a preference."""
    keys = params["keys"]
    if node_pinned(subject.pod_spec, keys):
        return
    path = preferred_pin(subject.pod_spec, keys)
    if path is not None:
        yield Hit((*subject.pod_spec_path, *path[:-1]), on_key=True)


def installation_node_affinity_missing(
    subject: ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod or gateways whose pods are not pinned to a group of nodes."""
    scheduling = subject.scheduling
    if scheduling is None:
        return
    pod_spec = {
        "affinity": scheduling.affinity.value,
        "nodeSelector": scheduling.node_selector.value,
    }
    keys = params["keys"]
    if node_pinned(pod_spec, keys):
        return
    place = scheduling.node_selector.place or scheduling.affinity.place or subject.home
    name = "istiod" if isinstance(subject, ControlPlane) else f"Gateway {subject.name}".strip()
    message = "default" if preferred_pin(pod_spec, keys) is None else "preferred"
    yield Hit(place.path, {"name": name}, document=place.document, on_key=True, message=message)
