"""MeshNetworks in every form it comes in, and the registries its endpoints may name.

Sources: `mesh/v1alpha1/network.proto` of istio/api; `pkg/kube/multicluster` (remote Secrets).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path
from meshlint.mesh.installations.helm import embedded_values
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.provenance import Place
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

REMOTE_SECRET = "istio/multiCluster"  # noqa: S105
_REGISTRIES = frozenset({"Mock", "Kubernetes", "External"})


@dataclass(frozen=True, slots=True, eq=False)
class MeshNetworks:
    """Networks of an installation, of a ConfigMap `istio`, or of a file given for them."""

    networks: dict[str, Any]
    home: Place
    resource: Resource | None
    plane: ControlPlane | None

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path

    def registries(self) -> Iterator[tuple[str, str, Place]]:
        """Network, name and place of each `fromRegistry`."""
        for network in self.networks:
            for at, endpoint in mappings(self.networks, network, "endpoints"):
                name = text(endpoint, "fromRegistry")
                if name:
                    steps = (network, "endpoints", at, "fromRegistry")
                    yield network, name, self.home.below(*steps)


def mesh_networks(world: World) -> list[MeshNetworks]:
    """Every MeshNetworks of the input."""
    found = []
    for plane in world.installations.control_planes:
        given = plane.values.given("global", "meshNetworks")
        if plane.form != "rendered" and given is not None and given.place is not None:
            networks = mapping(given.value)
            found.append(MeshNetworks(networks, given.place, plane.resource, plane))
    for resource in world.index.of_kind("core/ConfigMap"):
        written = text(resource.value, "data", "meshNetworks")
        if written and (resource.name == "istio" or resource.name.startswith("istio-")):
            place = Place(resource.document, (*resource.path, "data", "meshNetworks"))
            layer = embedded_values(written, place)
            if layer is not None and layer.place is not None:
                networks = mapping(layer.value, "networks")
                found.append(MeshNetworks(networks, layer.place, resource, None))
    document = world.index.mesh_networks
    if document is not None:
        networks = mapping(document.value, "networks")
        found.append(MeshNetworks(networks, Place(document, ("networks",)), None, None))
    return found


def known_registries(world: World) -> frozenset[str] | None:
    """Names that `fromRegistry` may have; None without any Secret of a remote cluster."""
    names = set(_REGISTRIES)
    remote = [
        secret
        for secret in world.index.of_kind("core/Secret")
        if secret.labels.get(REMOTE_SECRET) in ("true", True)
    ]
    if not remote:
        return None
    for secret in remote:
        names |= {str(key) for key in mapping(secret.value, "data")}
        names |= {str(key) for key in mapping(secret.value, "stringData")}
    for plane in world.installations.control_planes:
        names.add(text(plane.values.value("global", "multiCluster", "clusterName")))
        cluster = plane.env.get("CLUSTER_ID")
        names.add(str(cluster.value) if cluster is not None else "")
    return frozenset(names - {""})
