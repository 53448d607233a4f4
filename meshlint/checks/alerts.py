"""Alerts on the mesh: is somebody told when traffic fails, or the control plane does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.metrics import meant
from meshlint.mesh.monitoring import MESH_METRIC, Alert, Dashboard, counts_errors, placed_once
from meshlint.mesh.queries import Query, Selector
from meshlint.mesh.world import World
from meshlint.model.values import get, mapping, text
from meshlint.operations import Reword
from meshlint.patterns import regexp

# ------------------------------------------------------------------------------ missing alerts


def metric_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh without an alert on one of the `metrics`.

    Those are parts of names; `together` lists names that say the same when one alert has them all,
    `patterns` are expressions.
    """
    patterns = [re.compile(pattern) for pattern in params.get("patterns", ())]

    def names(content: str) -> bool:
        return (
            any(metric in content for metric in params.get("metrics", ()))
            or any(all(name in content for name in names) for names in params.get("together", ()))
            or any(pattern.search(content) for pattern in patterns)
        )

    yield from _missing(
        subject, world, lambda alert: any(map(names, world.monitoring.names(alert)))
    )


def _missing(subject: Any, world: World, good: Callable[[Alert], bool]) -> Iterator[Hit]:
    if subject is not placed_once(world, "alert"):
        return
    alerts = (*world.monitoring.alerts, *world.monitoring.charted_alerts)
    if not any(good(alert) for alert in alerts):
        path = subject.resource.path if subject.resource is not None else subject.path
        yield Hit(path, {"count": len(alerts)}, on_key=True)


def error_rate_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh without an alert on the share of failed requests."""
    metrics = params["metrics"]
    if any(
        metric in str(objective.spec)
        for objective in world.monitoring.objectives
        for metric in metrics
    ):
        return
    yield from _missing(subject, world, lambda alert: _watches_errors(alert, world, metrics))


def _watches_errors(alert: Alert, world: World, metrics: Sequence[str]) -> bool:
    if "trace-analytics" in text(alert.definition, "type"):
        return "envoy" in alert.query.content
    queries = list(world.monitoring.queries(alert))
    if any(_is_error_ratio(query, world, metrics) for query in queries):
        return True
    # A formula of Datadog names its queries: formula("errors / hits")
    selectors = [selector for query in queries for selector in query.selectors]
    formula = "formula(" in alert.query.content and "/" in alert.query.content
    return formula and _has_both_sides(selectors, selectors, metrics)


def _is_error_ratio(query: Query, world: World, metrics: Sequence[str]) -> bool:
    return any(
        _has_both_sides(
            list(world.monitoring.selectors(over)), list(world.monitoring.selectors(under)), metrics
        )
        for over, under in query.ratios
    )


def _has_both_sides(
    over: Sequence[Selector], under: Sequence[Selector], metrics: Sequence[str]
) -> bool:
    for metric in metrics:
        if not any(s.name.startswith(metric) and counts_errors(s) for s in over):
            continue
        total = metric.replace("errors", "hits")
        if any(s.name.startswith(total) and not counts_errors(s) for s in under):
            return True
    return False


_METRIC = regexp(r"[\w.]+")
_ISTIOD_EXPIRY = regexp(r"citadel[._]server[._](?:citadel_)?(?:root_cert|cert_chain)_expiry")


def certificate_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh in which nobody is told that its root certificate is about to expire."""
    yield from _missing(
        subject, world, lambda alert: any(map(_names_expiry, world.monitoring.names(alert)))
    )


def _names_expiry(content: str) -> bool:
    if _ISTIOD_EXPIRY.search(content):
        return True
    # Exporters of certificates in general, asked for those of the mesh.
    return "istio" in content and any(
        "cert" in name and ("expir" in name or "not_after" in name)
        for name in _METRIC.findall(content)
    )


_REPLICAS = regexp(r"kube_deployment_status_(?:replicas|condition)")
_WEBHOOK = regexp(r"apiserver_admission_webhook_(?:rejection|fail_open)_count")
_DATADOG_ISTIOD = regexp(r"istio\.pilot|istio\.(?:openmetrics|prometheus)\.health")


def absence_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh in which nobody is told that istiod is gone."""

    def notices(alert: Alert) -> bool:
        if alert.system == "datadog":
            return _notices_in_datadog(alert)
        queries = world.monitoring.queries(alert)
        return any(_notices_absence(s) for query in queries for s in query.selectors)

    yield from _missing(subject, world, notices)


def _notices_absence(selector: Selector) -> bool:
    if _WEBHOOK.match(selector.name):
        return "inject" in selector.filters or "istio" in selector.filters
    if selector.name == "up" or _REPLICAS.match(selector.name):
        return _is_istiod(selector.filters)
    absent = any(name.startswith("absent") for name in selector.functions)
    return absent and MESH_METRIC.match(selector.name) is not None


def _is_istiod(filters: str) -> bool:
    if "istiod" in filters or "pilot" in filters:
        return True
    # The namespace of istiod, but not another of its workloads.
    return "istio" in filters and not any(name in filters for name in ("gateway", "proxy", "cni"))


def _notices_in_datadog(alert: Alert) -> bool:
    content = alert.query.content
    deployment = "kubernetes_state.deployment" in content
    if deployment and "istiod" in content and "available" in content:
        return True
    options = mapping(alert.definition, "options")
    missing = text(options, "on_missing_data") or text(options, "onMissingData")
    told = (
        get(options, "notify_no_data") is True
        or get(options, "notifyNoData") is True
        or missing == "show_and_notify_no_data"
    )
    named = _DATADOG_ISTIOD.search(content) is not None or (deployment and "istiod" in content)
    return named and (told or "health" in content)


# ------------------------------------------------------------------------------ single alerts


def metric_misspelt(
    subject: Alert | Dashboard, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Metrics of the mesh that nobody exports, with a name like one that is exported."""
    if isinstance(subject, Alert):
        queries = [(subject.query, world.monitoring.query(subject.query.content))]
    elif any(MESH_METRIC.search(part.content) for part in subject.texts):
        queries = list(world.monitoring.panels(subject))
    else:
        return
    reported = set()
    for part, query in queries:
        for selector in query.selectors:
            name = selector.name
            if (name, part.path) in reported or name in world.monitoring.recorded:
                continue
            right = meant(name)
            if right is not None:
                reported.add((name, part.path))
                yield Hit(
                    part.path,
                    {"name": name, "right": right},
                    fix=(Reword(part.path, name, right),),
                    message="default" if isinstance(subject, Alert) else "dashboard",
                    on_key="\n" in part.content or isinstance(subject, Dashboard),
                )


_HANDLE = regexp(r"(?<![\w.])@[\w{(-]")


def notification_missing(subject: Alert, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Alerts on the mesh that reach nobody."""
    if not any(
        MESH_METRIC.match(selector.name)
        for query in world.monitoring.queries(subject)
        for selector in query.selectors
    ):
        return
    args = {"alert": subject.name, "label": params["route_label"]}
    if subject.system == "datadog":
        if world.monitoring.routes_by_rule or _HANDLE.search(text(subject.definition, "message")):
            return
        place = subject.query.path
        if subject.resource.kind == "DatadogMonitor":
            place = (*place[:-1], "message")
        yield Hit(place, args, message="datadog", on_key=subject.resource.kind != "DatadogMonitor")
        return
    labels = {**mapping(subject.group, "labels"), **mapping(subject.definition, "labels")}
    if not labels.get(params["route_label"]):
        yield Hit((*subject.path, "labels", params["route_label"]), args, on_key=True)
