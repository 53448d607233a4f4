"""Ports that the data plane binds in the pods it serves.

Source: Istio documentation, application requirements, ports used by Istio.
"""

from __future__ import annotations

from collections.abc import Mapping

SIDECAR_PORTS: Mapping[int, str] = {
    15000: "its administration interface",
    15001: "captured outbound traffic",
    15004: "its debug interface",
    15006: "captured inbound traffic",
    15008: "the mTLS tunnel",
    15020: "health and merged metrics",
    15021: "its health checks",
    15053: "its DNS proxy",
    15090: "its metrics",
}
"""TCP ports of istio-proxy, and what it uses them for."""

AMBIENT_PORTS: Mapping[int, str] = {
    port: SIDECAR_PORTS[port] for port in (15001, 15006, 15008, 15053)
}
"""Those that ztunnel binds inside the network namespace of an ambient pod."""
