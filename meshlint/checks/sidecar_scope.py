"""Sidecar objects: which part of the mesh a proxy is told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.injection import DATAPLANE_MODE
from meshlint.mesh.mesh_config import mesh_configs
from meshlint.mesh.policies import is_exported
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import items, mapping, mappings

_SIDECAR = "networking.istio.io/Sidecar"
_PURPOSES = ("ingress", "outboundTrafficPolicy", "inboundConnectionPool")


def missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Namespaces whose proxies are told of every Service of a large mesh."""
    name = subject.name
    if subject.labels.get(DATAPLANE_MODE) == "ambient" or not _has_sidecars(world, name):
        return
    if any(_is_default(world, namespace) for namespace in (name, world.root_namespace)):
        return
    selectors: list[Any] = []
    for config in mesh_configs(world):
        exports = config.config.value("defaultServiceExportTo")
        if not config.known or exports not in (None, [], ["*"]):
            return
        selectors = selectors or items(config.config.value("discoverySelectors"))
    visible = (
        service
        for service in world.index.of_kind("core/Service")
        if is_exported(service, name) and _is_discovered(world, service.namespace, selectors)
    )
    wanted = params["min_services"]
    # Counting stops where the answer is known: a large mesh has many namespaces and Services.
    if len(list(islice(visible, wanted))) >= wanted:
        yield Hit(subject.path, {"namespace": name, "count": wanted})


def _has_sidecars(world: World, namespace: str) -> bool:
    return any(
        world.injection(workload).answer in ("yes", "intended")
        for workload in world.index.workloads_in(namespace)
        if not world.is_infrastructure(workload)
    )


def _is_default(world: World, namespace: str) -> bool:
    """Whether a namespace has a Sidecar for all its workloads; in the root one, for the mesh."""
    return any(
        not mapping(sidecar.spec, "workloadSelector", "labels")
        for sidecar in world.index.in_namespace(_SIDECAR, namespace)
    )


def _is_discovered(world: World, namespace: str, selectors: list[Any]) -> bool:
    if not selectors:
        return True
    found = world.index.namespace(namespace)
    labels = {"kubernetes.io/metadata.name": namespace, **(found.labels if found else {})}
    return any(matches_selector(selector, labels) for selector in selectors)


def unbounded(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Sidecars that leave nothing out."""
    spec = (*subject.path, "spec")
    if not items(subject.spec, "egress"):
        if not any(subject.spec.get(purpose) for purpose in _PURPOSES):
            yield Hit(spec, {"name": subject.name}, message="empty", on_key=True)
        return
    domain = world.cluster_domain
    everything = ("*/*", f"*/*.{domain}", f"*/*.svc.{domain}")
    for number, listener in mappings(subject.spec, "egress"):
        for position, host in enumerate(items(listener, "hosts")):
            if host in everything:
                yield Hit((*spec, "egress", number, "hosts", position), {"host": host})
                break
