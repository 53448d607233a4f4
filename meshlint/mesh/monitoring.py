"""Alerts and dashboards of the input, and the metrics they name.

Prometheus names come from the exporters themselves, Datadog names from its Istio integration,
which has two spellings: OpenMetrics V1 keeps `_total`, V2 replaces it by `.count`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path, ResourceRef
from meshlint.mesh.queries import Query, Selector, read_query
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, mapping, mappings, text
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

RULE_KINDS = ("monitoring.coreos.com/PrometheusRule", "operator.victoriametrics.com/VMRule")
ALERT_KINDS = (
    *RULE_KINDS,
    "datadoghq.com/DatadogMonitor",
    "datadoghq.com/DatadogGenericResource",
)
DASHBOARD_KINDS = (
    "grafana.integreatly.org/GrafanaDashboard",
    "integreatly.org/GrafanaDashboard",
    "core/ConfigMap",
    "datadoghq.com/DatadogDashboard",
    "datadoghq.com/DatadogGenericResource",
)
OBJECTIVE_KINDS = (
    "datadoghq.com/DatadogSLO",
    "sloth.slok.dev/PrometheusServiceLevel",
    "pyrra.dev/ServiceLevelObjective",
)
"""Service level objectives, from which operators make alerts of their own."""

DASHBOARD_LABEL = "grafana_dashboard"
"""Label of ConfigMaps that the sidecar of the Grafana chart imports."""
DASHBOARD_SOURCES = (
    "json", "gzipJson", "url", "jsonnet", "jsonnetLib", "configMapRef", "grafanaCom"
)  # fmt: skip
"""Fields of a GrafanaDashboard that hold the dashboard or say where it is."""
ISTIO_DASHBOARDS = frozenset({7630, 7636, 7639, 7645, 11829, 13277, 21306})
"""Ids on grafana.com of the dashboards that Istio publishes."""

MAX_JSON = 16 * 1024 * 1024
"""Characters of a JSON text that are read; beyond it nothing is said about the text."""

MESH_METRIC = regexp(
    r"\b(?:(?:istio|pilot|galley|citadel|sidecar_injection|istiod)_[a-z]|istio\.(?!io\b)[a-z]"
    r"|trace\.envoy\.proxy\b)"
)
"""Start of a metric of the mesh, in the spelling of Prometheus or of Datadog."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its place in the document."""

    content: str
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Alert:
    """One alerting rule of Prometheus, or one monitor of Datadog."""

    resource: Resource
    path: Path
    system: Literal["prometheus", "datadog"]
    name: str
    query: Text
    definition: Mapping[str, Any]
    """The rule, or the monitor as Datadog's API takes it, as written."""
    group: Mapping[str, Any]
    """The group of the rule; empty for Datadog."""
    text: str
    """Where metrics are looked for: expression, query or JSON."""

    @property
    def document(self) -> Document:
        return self.resource.document


@dataclass(frozen=True, slots=True, eq=False)
class Dashboard:
    """One object that holds dashboards."""

    resource: Resource
    texts: tuple[Text, ...]
    """Contents as far as they are in the input."""
    elsewhere: bool
    """A part of the content is not in the input."""

    @property
    def document(self) -> Document:
        return self.resource.document

    @property
    def path(self) -> Path:
        return self.resource.path


class Monitoring:
    """Alerts, dashboards and recorded series of the input."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._queries: dict[str, Query] = {}
        self._of_dashboard: dict[Dashboard, tuple[tuple[Text, Query], ...]] = {}

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """Every alerting rule and monitor, in input order kind by kind."""
        return tuple(a for r in self._index.of_kind(*ALERT_KINDS) for a in _alerts_of(r))

    @cached_property
    def dashboards(self) -> tuple[Dashboard, ...]:
        """Every object that holds dashboards, in input order kind by kind."""
        made = (_dashboard(r, self._index) for r in self._index.of_kind(*DASHBOARD_KINDS))
        return tuple(dashboard for dashboard in made if dashboard is not None)

    @cached_property
    def objectives(self) -> tuple[Resource, ...]:
        """Service level objectives."""
        generic = self._index.of_kind("datadoghq.com/DatadogGenericResource")
        return (
            *self._index.of_kind(*OBJECTIVE_KINDS),
            *(resource for resource in generic if resource.spec.get("type") == "slo"),
        )

    @cached_property
    def counts_spans(self) -> bool:
        """Whether an alert or dashboard derives numbers from spans, for which all are needed."""
        texts = (
            *(alert.text for alert in self.alerts),
            *(part.content for dashboard in self.dashboards for part in dashboard.texts),
        )
        return any("trace.envoy.proxy" in content for content in texts)

    @cached_property
    def routes_by_rule(self) -> bool:
        """Whether Datadog sends monitors by notification rules, without handles in messages."""
        return any(
            resource.spec.get("type") == "notification_rule"
            for resource in self._index.of_kind("datadoghq.com/DatadogGenericResource")
        )

    @cached_property
    def _charts(self) -> tuple[tuple[Resource, dict[str, Any]], ...]:
        """Values that the input hands to charts, whichever those are, with what holds them."""
        releases = [
            (release, get(release.spec, *path))
            for kind, path in _CHART_VALUES.items()
            for release in self._index.of_kind(kind)
        ]
        kind = "HelmValues"
        ref = ResourceRef("", kind, "", "")
        files = [
            (Resource(file, (), file.value, "", "", kind, "", "", kind, ref), file.value)
            for file in self._index.values_files
        ]
        return tuple(found for found in (*releases, *files) if isinstance(found[1], dict))

    @cached_property
    def _charted_rules(self) -> tuple[tuple[Resource, dict[str, Any], dict[str, Any]], ...]:
        """Rules in values of the Prometheus charts, with their groups."""
        return tuple(
            (resource, group, rule)
            for resource, values in self._charts
            for holder in _rule_holders(values)
            for _, group in mappings(holder, "groups")
            for _, rule in mappings(group, "rules")
        )

    @cached_property
    def charted_alerts(self) -> tuple[Alert, ...]:
        """Alerts in values of the Prometheus charts: nothing to report on, but they do watch."""
        return tuple(
            _alert(resource, resource.path, group, rule)
            for resource, group, rule in self._charted_rules
            if text(rule, "alert")
        )

    @cached_property
    def charted_dashboards(self) -> tuple[dict[str, Any], ...]:
        """Dashboards in values of the Grafana chart, alone or inside of another chart."""
        return tuple(
            {"name": name, **mapping(dashboard)}
            for _, values in self._charts
            for grafana in (values, mapping(values, "grafana"))
            for folder in mapping(grafana, "dashboards").values()
            for name, dashboard in mapping(folder).items()
        )

    @cached_property
    def recorded(self) -> Mapping[str, tuple[str, ...]]:
        """Expressions of recorded series by name."""
        found: dict[str, list[str]] = {}
        for resource in self._index.of_kind(*RULE_KINDS):
            for _, _, rule in _rules(resource):
                if text(rule, "record"):
                    found.setdefault(rule["record"], []).append(text(rule, "expr"))
        for _, _, rule in self._charted_rules:
            if text(rule, "record"):
                found.setdefault(rule["record"], []).append(text(rule, "expr"))
        return {name: tuple(expressions) for name, expressions in found.items()}

    def query(self, content: str) -> Query:
        """A query, read once."""
        known = self._queries.get(content)
        if known is None:
            known = self._queries[content] = read_query(content)
        return known

    def queries(self, alert: Alert) -> Iterator[Query]:
        """The queries of an alert: its own, and those of the recorded series it is made of."""
        yield from self._with_recorded(alert.query.content)
        for _, variable in mappings(alert.definition, "options", "variables"):
            yield self.query(text(variable, "query"))

    def _with_recorded(self, content: str) -> Iterator[Query]:
        pending, seen = [content], set()
        while pending:
            query = self.query(pending.pop())
            yield query
            for selector in query.selectors:
                if selector.name in self.recorded and selector.name not in seen:
                    seen.add(selector.name)
                    pending.extend(self.recorded[selector.name])

    def selectors(self, selectors: Sequence[Selector]) -> Iterator[Selector]:
        """Selectors, those of recorded series resolved to what they were recorded from."""
        for selector in selectors:
            if selector.name not in self.recorded:
                yield selector
                continue
            for expression in self.recorded[selector.name]:
                for query in self._with_recorded(expression):
                    yield from query.selectors

    def names(self, alert: Alert) -> Iterator[str]:
        """Texts in which the metrics of an alert are found, recorded series resolved."""
        yield alert.text
        queries = self._with_recorded(alert.query.content)
        next(queries)
        for query in queries:
            yield query.text

    def panels(self, dashboard: Dashboard) -> tuple[tuple[Text, Query], ...]:
        """The queries of a dashboard with the texts that they stand in."""
        known = self._of_dashboard.get(dashboard)
        if known is None:
            known = self._of_dashboard[dashboard] = tuple(
                (part, self.query(content))
                for part in dashboard.texts
                for content in _queries_in(parse_json(part.content))
            )
        return known


_CHART_VALUES = {
    "helm.toolkit.fluxcd.io/HelmRelease": ("values",),
    "argoproj.io/Application": ("source", "helm", "valuesObject"),
}


def _rule_holders(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Parts of chart values that hold rule groups: of kube-prometheus-stack and prometheus."""
    yield from mapping(values, "additionalPrometheusRulesMap").values()
    for _, holder in mappings(values, "additionalPrometheusRules"):
        yield holder
    yield from mapping(values, "serverFiles").values()


# -------------------------------------------------------------------------------------- reading


def parse_json(content: str) -> Any:
    """The value of a JSON text; None where it is none, or too large to be read."""
    if len(content) > MAX_JSON:
        return None
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def json_fault(content: str) -> str | None:
    """What keeps a text from being JSON, with the place in it; None where nothing is known to."""
    if len(content) > MAX_JSON:
        return None
    try:
        json.loads(content, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return None
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _rules(resource: Resource) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    for at, group in mappings(resource.spec, "groups"):
        for index, rule in mappings(group, "rules"):
            yield (*resource.path, "spec", "groups", at, "rules", index), group, rule


def _alert(resource: Resource, path: Path, group: dict[str, Any], rule: dict[str, Any]) -> Alert:
    query = Text(text(rule, "expr"), (*path, "expr"))
    name = text(rule, "alert")
    return Alert(resource, path, "prometheus", name, query, rule, group, query.content)


def _alerts_of(resource: Resource) -> Iterator[Alert]:
    if resource.kind in ("PrometheusRule", "VMRule"):
        for path, group, rule in _rules(resource):
            if text(rule, "alert"):
                yield _alert(resource, path, group, rule)
        return
    spec, path = resource.spec, (*resource.path, "spec")
    if resource.kind == "DatadogMonitor":
        query = Text(text(spec, "query"), (*path, "query"))
        name = text(spec, "name") or resource.name
        yield Alert(resource, resource.path, "datadog", name, query, spec, {}, query.content)
    elif spec.get("type") == "monitor":
        content = text(spec, "jsonSpec")
        monitor = mapping(parse_json(content))
        query = Text(text(monitor, "query"), (*path, "jsonSpec"))
        name = text(monitor, "name") or resource.name
        yield Alert(resource, resource.path, "datadog", name, query, monitor, {}, content)


def _dashboard(resource: Resource, index: Index) -> Dashboard | None:
    spec, path = resource.spec, (*resource.path, "spec")
    if resource.kind == "ConfigMap":
        if DASHBOARD_LABEL not in resource.labels:
            return None
        data = mapping(resource.value, "data")
        texts = [
            Text(content, (*resource.path, "data", key))
            for key, content in data.items()
            if isinstance(content, str) and str(key).endswith(".json")
        ]
        return Dashboard(resource, tuple(texts), elsewhere=len(texts) < len(data) or not texts)
    if resource.kind == "GrafanaDashboard":
        found = _grafana_json(resource, index)
        return Dashboard(resource, (found,) if found else (), elsewhere=found is None)
    if resource.kind != "DatadogDashboard" and spec.get("type") != "dashboard":
        return None
    key = "widgets" if resource.kind == "DatadogDashboard" else "jsonSpec"
    content = text(spec, key)
    return Dashboard(resource, (Text(content, (*path, key)),) if content else (), elsewhere=False)


def _grafana_json(resource: Resource, index: Index) -> Text | None:
    """The dashboard of a GrafanaDashboard; None where it is not in the input."""
    spec, path = resource.spec, (*resource.path, "spec")
    if text(spec, "json"):
        return Text(text(spec, "json"), (*path, "json"))
    if text(spec, "gzipJson"):
        content = _unzipped(text(spec, "gzipJson"))
        return None if content is None else Text(content, (*path, "gzipJson"))
    name, key = text(spec, "configMapRef", "name"), text(spec, "configMapRef", "key")
    source = index.find("core/ConfigMap", resource.namespace, name) if name else None
    content = text(source.value, "data", key) if source and key else ""
    return Text(content, (*path, "configMapRef")) if content else None


def _unzipped(content: str) -> str | None:
    try:
        packed = base64.b64decode(content, validate=False)
        plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, MAX_JSON)
        return plain.decode("utf-8")
    except (binascii.Error, zlib.error, ValueError):
        return None


_QUERY_KEYS = frozenset({"expr", "query", "q", "definition"})


def _queries_in(value: Any) -> Iterator[str]:
    """Queries of a dashboard of Grafana or Datadog: what stands under the usual keys."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, list):
            pending.extend(reversed(found))
        elif isinstance(found, dict):
            for key, inner in found.items():
                if isinstance(inner, str) and key in _QUERY_KEYS:
                    yield inner
            pending.extend(reversed([v for v in found.values() if isinstance(v, dict | list)]))


def may_show_the_mesh(dashboard: Dashboard) -> bool:
    """Whether a dashboard whose content is not in the input is about Istio by its description."""
    spec = dashboard.resource.spec
    number = get(spec, "grafanaCom", "id")
    described = f"{dashboard.resource.name} {dashboard.resource.labels} {spec}"
    return dashboard.elsewhere and _about_istio(number, described)


def _about_istio(number: Any, described: str) -> bool:
    if isinstance(number, int) and number in ISTIO_DASHBOARDS:
        return True
    return any(word in described.lower() for word in ("istio", "envoy", "mesh"))


def chart_may_show_the_mesh(monitoring: Monitoring) -> bool:
    """Whether values of a chart bring a dashboard that is about Istio by its description."""
    return any(
        _about_istio(dashboard.get("gnetId"), str(dashboard))
        for dashboard in monitoring.charted_dashboards
    )


def placed_once(world: World, role: str) -> Any:
    """What a finding about the mesh as a whole is reported on; None where nothing is reported on.

    The first reported installation, one that runs istiod before one that does not, else the first
    reported subject of the role.
    """
    for plane in sorted(world.installations.control_planes, key=lambda plane: not plane.istiod):
        reported = plane.resource.reported if plane.resource is not None else None
        if reported is None:
            reported = plane.document.file.path not in world.index.context_files
        if reported:
            return plane
    return next((found for found in world.subjects(role) if found.resource.reported), None)


# A filter for 5xx: 500, 5.., 5.*, [45].., 5xx, 5*; or one that leaves successful answers out.
_ERROR_FILTER = regexp(
    r"""(?:response_code|status_code)\w{0,20}\s*(?:=~?\s*["'][^"']*5|!=|!~|:[^,}\s]*5)
    |grpc_response_status
    |(?:response_code|status_code)\w{0,20}\s+(?:NOT\s+)?IN\s*\([^)]*5
    |(?:!|NOT\s+)(?:response_code|status_code)\w{0,20}:""",
    re.VERBOSE,
)


def counts_errors(selector: Selector) -> bool:
    """Whether a selector counts failed requests only (or, by negation, all others)."""
    return "error" in selector.name or _ERROR_FILTER.search(selector.filters) is not None
