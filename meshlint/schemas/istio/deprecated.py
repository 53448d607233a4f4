"""Fields and values of Istio's API that have a successor, or no effect.

Source: the fields marked as deprecated in istio/api, and what istiod makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping

FIELDS: Mapping[str, Mapping[str, str]] = {
    "networking/HTTPRoute": {"mirrorPercent": "mirrorPercentage.value"},
    "networking/HTTPFaultInjection.Delay": {"percent": "percentage.value"},
    "networking/CorsPolicy": {"allowOrigin": "allowOrigins"},
    "networking/L4MatchAttributes": {"sourceSubnet": ""},
    "networking/OutlierDetection": {"consecutiveErrors": "consecutive5xxErrors"},
    "networking/LoadBalancerSettings.ConsistentHashLB": {
        "minimumRingSize": "ringHash.minimumRingSize"
    },
    "networking/OutboundTrafficPolicy": {"egressProxy": ""},
    "mesh/MeshConfig": {"certificates": "", "verifyCertificateAtClient": ""},
    "mesh/ExtensionProvider": {"lightstep": "opentelemetry", "opencensus": "opentelemetry"},
    "mesh/ExtensionProvider.ExtAuthzHttpProvider": {
        "includeHeadersInCheck": "includeRequestHeadersInCheck"
    },
    "mesh/ProxyConfig": {
        "zipkinAddress": "tracing.zipkin.address",
        "discoveryRefreshDelay": "",
        "envoyMetricsServiceAddress": "envoyMetricsService.address",
        "availabilityZone": "",
        "sds": "",
    },
}
"""Fields by their message, each with its successor; empty where it does nothing."""

VALUES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "networking/LoadBalancerSettings": {"simple": {"LEAST_CONN": "LEAST_REQUEST"}}
}
"""Values of an enumeration by message and field, each with its successor."""
