"""What kind of gateway a gateway is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlint.mesh.installations.records import GatewayClass

_EAST_WEST = ("eastwest", "east-west")
NETWORK_VIEW = "ISTIO_META_REQUESTED_NETWORK_VIEW"


def gateway_class(
    declared: GatewayClass | None,
    name: str,
    labels: Mapping[str, Any],
    env: Mapping[str, Any],
    network: object = None,
) -> GatewayClass:
    """Class of a gateway from how it is declared, from its name and from its label `istio`.

    A gateway that serves another network is an east-west gateway whatever it is declared as.
    """
    names = (name, str(labels.get("istio", "")))
    if declared == "waypoint":
        return "waypoint"
    if network or NETWORK_VIEW in env or any(part in n for part in _EAST_WEST for n in names):
        return "east-west"
    if declared is not None:
        return declared
    return "egress" if any("egress" in n for n in names) else "ingress"
