"""Dashboards: do they show what is asked first in an incident, and can they be imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.monitoring import (
    DASHBOARD_SOURCES,
    Dashboard,
    chart_may_show_the_mesh,
    counts_errors,
    json_fault,
    may_show_the_mesh,
    placed_once,
)
from meshlint.mesh.queries import Query, Selector
from meshlint.mesh.world import World
from meshlint.patterns import regexp

_SERVICE = (
    r"(?:destination_(?:service|workload|canonical_service|app)\w{0,20}|resource_name|service)"
)
_SERVICE_LABEL = regexp(_SERVICE + r"\Z")
# A dashboard of one service at a time: service=~"$service", {$service}, service:$service.value
_CHOSEN_SERVICE = regexp(_SERVICE + r"""\s*(?:=~?\s*["'][^"']*\$|:\$)|(?:\A|[,\s])\$service\b""")
_STATUS_LABELS = frozenset({"response_code", "grpc_response_status"})


def metric_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh without a dashboard that names one of the `metrics`, which are parts of names."""
    yield from _missing(
        subject,
        world,
        lambda dashboard: any(
            metric in part.content for part in dashboard.texts for metric in params["metrics"]
        ),
    )


def traffic_missing(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A mesh whose requests no dashboard shows service by service.

    With `errors`, only failed requests count, or requests by status.
    """

    def counts(selector: Selector, groups: frozenset[str]) -> bool:
        if not selector.name.startswith(tuple(params["metrics"])):
            return False
        return not params.get("errors") or counts_errors(selector) or bool(groups & _STATUS_LABELS)

    def shows(query: Query) -> bool:
        groups = _groups(query, world)
        selectors = list(world.monitoring.selectors(query.selectors))
        chosen = any(_CHOSEN_SERVICE.search(selector.filters) for selector in query.selectors)
        by_service = chosen or any(map(_SERVICE_LABEL.match, groups))
        return by_service and any(counts(selector, groups) for selector in selectors)

    yield from _missing(
        subject,
        world,
        lambda dashboard: any(shows(query) for _, query in world.monitoring.panels(dashboard)),
    )


def _groups(query: Query, world: World) -> frozenset[str]:
    groups = set(query.groups)
    for selector in query.selectors:
        for expression in world.monitoring.recorded.get(selector.name, ()):
            groups |= world.monitoring.query(expression).groups
    return frozenset(groups)


def _missing(subject: Any, world: World, good: Callable[[Dashboard], bool]) -> Iterator[Hit]:
    if subject is not placed_once(world, "dashboard"):
        return
    dashboards = world.monitoring.dashboards
    if any(may_show_the_mesh(dashboard) or good(dashboard) for dashboard in dashboards):
        return
    if chart_may_show_the_mesh(world.monitoring):
        return
    path = subject.resource.path if subject.resource is not None else subject.path
    yield Hit(path, {"count": len(dashboards)}, on_key=True)


# Fields of GrafanaDashboard that are no source; a field not known here may be a new one.
_OTHER_FIELDS = frozenset(
    {
        "allowCrossNamespaceImport", "contentCacheDuration", "customFolderName", "datasources",
        "envFrom", "envs", "folder", "folderRef", "folderUID", "instanceSelector", "name",
        "plugins", "resyncPeriod", "suspend", "title", "uid", "urlAuthorization",
        *DASHBOARD_SOURCES,
    }
)  # fmt: skip


def unreadable(subject: Dashboard, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Dashboards that their importer skips."""
    for part in subject.texts:
        fault = json_fault(part.content)
        if fault is not None:
            yield Hit(part.path, {"key": part.path[-1], "fault": fault}, on_key=True)
    resource = subject.resource
    if resource.kind != "GrafanaDashboard":
        return
    path = (*resource.path, "spec")
    given = [name for name in DASHBOARD_SOURCES if resource.spec.get(name)]
    if not given and not (set(resource.spec) - _OTHER_FIELDS):
        yield Hit(path, message="none", on_key=True)
    # The operator up to version 4 knows no instanceSelector, and takes one source after the other.
    if resource.group != "grafana.integreatly.org":
        return
    if len(given) > 1:
        names = " and ".join(given)
        yield Hit((*path, given[1]), {"sources": names}, message="several", on_key=True)
    if "instanceSelector" not in resource.spec:
        yield Hit((*path, "instanceSelector"), message="selector", on_key=True)
