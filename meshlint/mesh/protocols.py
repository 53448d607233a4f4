"""Protocols that ports declare.

Source: Istio `pkg/config/protocol`; Istio documentation, protocol selection.
"""

from __future__ import annotations

from typing import Any

HTTP_PROTOCOLS = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"})
TLS_PROTOCOLS = frozenset({"HTTPS", "TLS"})
TCP_PROTOCOLS = frozenset({"TCP", "MONGO", "REDIS", "MYSQL", "HBONE"})
PROTOCOLS = HTTP_PROTOCOLS | TLS_PROTOCOLS | TCP_PROTOCOLS | {"UDP"}
"""Values of `protocol` that istiod knows, in capitals."""

_APP_PROTOCOLS = {
    "kubernetes.io/h2c": "HTTP2",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "HTTPS",
}


def protocol(written: Any) -> str:
    """A protocol of a Gateway or ServiceEntry port in capitals; empty where istiod knows none.

    Case does not matter.
    """
    name = written.upper() if isinstance(written, str) else ""
    return name if name in PROTOCOLS else ""


def service_protocol(port: dict[str, Any]) -> str:
    """The protocol a port of a Service declares: `appProtocol`, else the first part of its name.

    Empty where it declares none, so that istiod has to sniff it.
    """
    if port.get("protocol") == "UDP":
        return "UDP"
    declared = port.get("appProtocol")
    if isinstance(declared, str) and declared:
        return _APP_PROTOCOLS.get(declared.lower(), protocol(declared))
    name = port.get("name")
    if not isinstance(name, str):
        return ""
    known = name.lower()
    if known == "grpc-web" or known.startswith("grpc-web-"):
        return "GRPC-WEB"
    return protocol(known.partition("-")[0])


def is_http(name: str) -> bool:
    return name in HTTP_PROTOCOLS


def is_tls(name: str) -> bool:
    return name in TLS_PROTOCOLS
