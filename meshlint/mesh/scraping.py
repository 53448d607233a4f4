"""What the monitors of Prometheus and its relatives select and scrape.

Source: API reference of prometheus-operator (`ServiceMonitor`, `PodMonitor`, `Prometheus`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.mesh.installations.records import ControlPlane
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text

SERVICE_MONITORS = (
    "monitoring.coreos.com/ServiceMonitor",
    "operator.victoriametrics.com/VMServiceScrape",
)
POD_MONITORS = (
    "monitoring.coreos.com/PodMonitor",
    "operator.victoriametrics.com/VMPodScrape",
    "monitoring.googleapis.com/PodMonitoring",
    "monitoring.googleapis.com/ClusterPodMonitoring",
)
_RULE_READERS = ("monitoring.coreos.com/Prometheus", "monitoring.coreos.com/ThanosRuler")
_MAKERS = ("helm.toolkit.fluxcd.io/HelmRelease", "argoproj.io/Application")

ISTIOD_PORT, ISTIOD_PORT_NAME = 15014, "http-monitoring"
PROXY_PORTS = (15020, 15090)
PROXY_PATH = "/stats/prometheus"


def namespaces(monitor: Resource) -> frozenset[str] | None:
    """Namespaces a monitor looks into; None for all of them."""
    selector = mapping(monitor.spec, "namespaceSelector")
    if selector.get("any") is True or monitor.kind == "ClusterPodMonitoring":
        return None
    names = frozenset(name for name in items(selector, "matchNames") if isinstance(name, str))
    return names or frozenset({monitor.namespace})


def looks_into(monitor: Resource, namespace: str) -> bool:
    """Whether a monitor looks into a namespace; one that is not known counts as looked into."""
    selected = namespaces(monitor)
    return selected is None or not namespace or namespace in selected


def candidates(index: Index, monitor: Resource) -> Sequence[Resource]:
    """Services of the input in the namespaces a monitor looks into."""
    selected = namespaces(monitor)
    if selected is None:
        return index.of_kind("core/Service")
    return [s for name in sorted(selected) for s in index.in_namespace("core/Service", name)]


def selects(monitor: Resource, labels: Mapping[str, Any]) -> bool:
    """Whether the label selector of a monitor selects labels; an absent one selects all."""
    return matches_selector(mapping(monitor.spec, "selector"), labels)


def selector_keys(monitor: Resource) -> frozenset[str]:
    """Labels that the selector of a monitor asks for."""
    selector = mapping(monitor.spec, "selector")
    asked = {text(expression, "key") for _, expression in mappings(selector, "matchExpressions")}
    return frozenset({*mapping(selector, "matchLabels"), *asked})


def may_be_made(index: Index, monitor: Resource) -> bool:
    """Whether a Helm release of the input may make Services a monitor looks at."""
    for maker in index.of_kind(*_MAKERS):
        target = (
            text(maker.spec, "destination", "namespace")
            or text(maker.spec, "targetNamespace")
            or maker.namespace
        )
        if looks_into(monitor, target):
            return True
    return False


def endpoints(monitor: Resource) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Endpoints of a monitor with their paths from the object."""
    for key in ("endpoints", "podMetricsEndpoints"):
        for at, endpoint in mappings(monitor.spec, key):
            yield ("spec", key, at), endpoint


def _ports(endpoint: Mapping[str, Any]) -> Iterator[str]:
    for key in ("port", "targetPort", "portNumber"):
        value = endpoint.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)


def is_known_completely(index: Index) -> bool:
    """Whether all scraping goes through monitors; scrape configurations may scrape anything."""
    if index.of_kind(
        "monitoring.coreos.com/ScrapeConfig", "operator.victoriametrics.com/VMScrapeConfig"
    ):
        return False
    servers = index.of_kind(
        "monitoring.coreos.com/Prometheus", "monitoring.coreos.com/PrometheusAgent"
    )
    return not any(server.spec.get("additionalScrapeConfigs") for server in servers)


# --------------------------------------------------------------------------------------- istiod


def scrapes_istiod(index: Index, plane: ControlPlane) -> bool:
    """Whether a monitor of the input scrapes the istiod of an installation."""
    service = {
        "app": "istiod",
        "istio": "pilot",
        "istio.io/rev": plane.revision or "default",
        "operator.istio.io/component": "Pilot",
        "app.kubernetes.io/name": "istiod",
        "app.kubernetes.io/part-of": "istio",
    }
    workload = index.workload_of(plane.workload) if plane.workload is not None else None
    pods = dict(workload.labels) if workload is not None else service
    if workload is None and plane.revision:
        pods = {**pods, "istio": "istiod"}
    services = [
        found
        for found in index.in_namespace("core/Service", plane.namespace)
        if found.labels.get("app") == "istiod" or found.labels.get("istio") == "pilot"
    ]
    for monitor in index.of_kind(*SERVICE_MONITORS):
        known = [found.labels for found in services] or [service]
        if _scrapes(monitor, plane.namespace, known, complete=bool(services)):
            return True
    return any(
        _scrapes(monitor, plane.namespace, [pods], complete=workload is not None)
        for monitor in index.of_kind(*POD_MONITORS)
    )


def _scrapes(
    monitor: Resource, namespace: str, known: Sequence[Mapping[str, Any]], *, complete: bool
) -> bool:
    if not looks_into(monitor, namespace):
        return False
    wanted = {str(ISTIOD_PORT), ISTIOD_PORT_NAME}
    if not any(wanted & set(_ports(endpoint)) for _, endpoint in endpoints(monitor)):
        return False
    return any(
        selects(monitor, labels) or (not complete and _may_select(monitor, labels))
        for labels in known
    )


def _may_select(monitor: Resource, labels: Mapping[str, Any]) -> bool:
    """Whether a monitor selects an object that has these labels and others that are not known."""
    selector = mapping(monitor.spec, "selector")
    keys = selector_keys(monitor)
    if not keys & labels.keys():
        return False
    pairs = mapping(selector, "matchLabels")
    asked = [e for _, e in mappings(selector, "matchExpressions") if text(e, "key") in labels]
    return matches_selector(
        {
            "matchLabels": {key: pairs[key] for key in pairs if key in labels},
            "matchExpressions": asked,
        },
        labels,
    )


def scrapes_proxies(index: Index) -> bool:
    """Whether a monitor of the input scrapes the metrics of proxies."""
    wanted = {str(port) for port in PROXY_PORTS}
    return any(
        endpoint.get("path") == PROXY_PATH
        or any(port in wanted or port.endswith("-envoy-prom") for port in _ports(endpoint))
        for monitor in index.of_kind(*SERVICE_MONITORS, *POD_MONITORS)
        for _, endpoint in endpoints(monitor)
    )


# ---------------------------------------------------------------------------------------- rules


def rule_readers(index: Index) -> Sequence[Resource]:
    """Servers of the input that evaluate PrometheusRules."""
    return index.of_kind(*_RULE_READERS)


def may_have_more_readers(index: Index) -> bool:
    """Whether a Helm release of the input may make a Prometheus that evaluates rules."""
    return any(
        "prometheus" in chart.lower()
        for maker in index.of_kind(*_MAKERS)
        for chart in (
            text(maker.spec, "chart", "spec", "chart"),
            text(maker.spec, "source", "chart"),
            *(text(source, "chart") for _, source in mappings(maker.spec, "sources")),
        )
    )


def reads_rule(index: Index, server: Resource, rule: Resource) -> bool | None:
    """Whether a server evaluates a PrometheusRule; None where labels of a namespace decide that
    are not in the input. Without a ruleSelector a server evaluates no rule.
    """
    if not matches_selector(server.spec.get("ruleSelector"), rule.labels):
        return False
    if server.spec.get("ruleNamespaceSelector") is None:
        return server.namespace == rule.namespace
    selector = mapping(server.spec, "ruleNamespaceSelector")
    labels: dict[str, Any] = {"kubernetes.io/metadata.name": rule.namespace}
    namespace = index.namespace(rule.namespace)
    asked = {text(e, "key") for _, e in mappings(selector, "matchExpressions")}
    if namespace is None and not {*mapping(selector, "matchLabels"), *asked} <= labels.keys():
        return None
    if namespace is not None:
        labels |= namespace.labels
    return matches_selector(selector, labels)


def scrape_annotation(index: Index, plane: ControlPlane) -> Any:
    """`prometheus.io/scrape` of istiod's pods, which every chart sets; None where it is absent."""
    if plane.workload is None:
        return "true"
    workload = index.workload_of(plane.workload)
    return get(workload.annotations, "prometheus.io/scrape") if workload is not None else "true"
