"""Traffic policies: of a host, its subsets, ports of either, and of the mesh.

Sources: Istio API, DestinationRule; `MergeTrafficPolicy` in `pilot/pkg/networking/core/util`: a
subset keeps what it does not set itself from the host, a port keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.provenance import Place
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, mappings, text

DESTINATION_RULE = "networking.istio.io/DestinationRule"


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """One level of traffic policy, or one entry of `portLevelSettings` of it."""

    place: Place
    value: dict[str, Any]
    scope: str
    """Plain words for what it holds for."""
    of_port: bool = False
    inherited: TrafficPolicy | None = None
    """The policy of the host, which the one of a subset keeps the rest from."""

    def block(self, *steps: str) -> tuple[Place, dict[str, Any]] | None:
        """A block of the policy with its place; None where it is missing or no mapping."""
        found = get(self.value, *steps)
        return (self.place.below(*steps), found) if isinstance(found, dict) else None

    def sets(self, field: str) -> bool:
        """Whether the policy has a field once the host's policy is merged in."""
        if self.value.get(field) is not None:
            return True
        return self.inherited is not None and self.inherited.sets(field)


def traffic_policies(rule: Resource) -> Iterator[TrafficPolicy]:
    """Every traffic policy of a DestinationRule: of the host, its subsets, and ports of either."""
    spec = Place(rule.document, (*rule.path, "spec"))
    top = rule.spec.get("trafficPolicy")
    host = None
    if isinstance(top, dict):
        host = TrafficPolicy(spec.below("trafficPolicy"), top, "all ports")
        yield host
        yield from _of_ports(host, "")
    for at, subset in mappings(rule.spec, "subsets"):
        value = subset.get("trafficPolicy")
        if isinstance(value, dict):
            name = f"subset {text(subset, 'name')}"
            place = spec.below("subsets", at, "trafficPolicy")
            found = TrafficPolicy(place, value, name, inherited=host)
            yield found
            yield from _of_ports(found, name)


def _of_ports(policy: TrafficPolicy, subset: str) -> Iterator[TrafficPolicy]:
    for at, entry in mappings(policy.value, "portLevelSettings"):
        port = f"port {get(entry, 'port', 'number')}"
        scope = f"{port} of {subset}" if subset else port
        yield TrafficPolicy(policy.place.below("portLevelSettings", at), entry, scope, of_port=True)


def mesh_policy(config: MeshConfig) -> TrafficPolicy | None:
    """What MeshConfig gives every host, in the form of a traffic policy; None for nothing."""
    default = config.config.given("defaultTrafficPolicy")
    if default is None or default.place is None or not isinstance(default.value, dict):
        return None
    return TrafficPolicy(default.place, mapping(default.value), "the mesh")


def policies_of(subject: Resource | MeshConfig) -> Iterator[TrafficPolicy]:
    """Traffic policies of a DestinationRule or of MeshConfig."""
    if isinstance(subject, Resource):
        yield from traffic_policies(subject)
    else:
        found = mesh_policy(subject)
        if found is not None:
            yield found
