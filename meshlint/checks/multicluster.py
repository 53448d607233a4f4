"""What clusters of one mesh must have in common: the root of trust, and names of clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh.checkable import secret_named
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_networks import MeshNetworks, known_registries
from meshlint.mesh.world import World
from meshlint.model.values import is_templated, text

_CA_SECRET = "cacerts"  # noqa: S105


def ca_self_signed(subject: ControlPlane, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Meshes whose root certificate istiod made up by itself."""
    if not subject.istiod or subject.gateways_only or not subject.namespace:
        return
    if secret_named(world, subject.namespace, _CA_SECRET) is not None:
        return
    if ("Secret", _CA_SECRET) in world.kustomizations.generated:
        return
    values = subject.values
    provider = text(values.value("global", "pilotCertProvider"))
    external = (
        values.value("global", "caAddress"),
        values.value("global", "caName"),
        provider if provider != "istiod" else "",
    )
    env = (subject.env.get(name) for name in ("EXTERNAL_CA", "CA_ADDR", "CA_ADDRESS"))
    if any(external) or any(found is not None and found.value for found in env):
        return
    yield Hit(subject.path, {"namespace": subject.namespace}, on_key=True)


def registry_missing(
    subject: MeshNetworks, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Networks whose endpoints come from a cluster that istiod does not know."""
    known = known_registries(world)
    if known is None:
        return
    for network, name, place in subject.registries():
        if name not in known and not is_templated(name):
            yield at(place, {"registry": name, "network": network})
