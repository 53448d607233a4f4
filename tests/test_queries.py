"""Reading of Prometheus and Datadog queries, and of metric names."""

from __future__ import annotations

import time

import pytest

from meshlint.mesh.metrics import meant
from meshlint.mesh.monitoring import counts_errors, json_fault, parse_json
from meshlint.mesh.queries import read_query

FAILED = 'istio_requests_total{response_code=~"5.."}'


def names(query: str) -> list[str]:
    return [selector.name for selector in read_query(query).selectors]


def test_metrics_are_told_from_functions_labels_and_words() -> None:
    query = (
        "sum by (destination_service) (rate(istio_requests_total[5m])) > bool 1"
        " and on (job) group_left (pod) up unless absent(pilot_info) # no metric"
    )
    assert names(query) == ["istio_requests_total", "up", "pilot_info"]
    assert read_query(query).groups == {"destination_service"}


def test_filters_are_kept_with_their_metric() -> None:
    failed, total = read_query(f"rate({FAILED}[1m]) / rate(istio_requests_total[1m])").selectors
    assert failed.filters == 'response_code=~"5.."'
    assert (failed.functions, total.filters) == (("rate",), "")


def test_a_metric_may_be_named_in_braces() -> None:
    assert names('{__name__="pilot_xds",type="cds"}') == ["pilot_xds"]
    assert names('{"pilot.xds", type="cds"}') == ["pilot.xds"]


def test_datadog_puts_the_aggregator_in_front() -> None:
    query = read_query(
        "sum(last_5m):sum:istio.mesh.request.count{response_code:5*} by {service}.as_count()"
        " / sum:istio.mesh.request.count{*}.as_count() > 0.1"
    )
    ((over, under),) = query.ratios
    assert "istio.mesh.request.count" in [selector.name for selector in over]
    assert [selector.filters for selector in under] == ["*"]
    assert query.groups == {"service"}


@pytest.mark.parametrize(
    ("query", "over", "under"),
    [
        ("100 * (1 - (sum(a) / sum(b))) > 5", ["a"], ["b"]),
        ("sum(a) by (x) / on (x) group_left sum(b) by (x) * 100", ["a"], ["b"]),
        ("(a + b) / (c - d) or e", ["b", "a"], ["c", "d"]),
        ("e > 1 and a / b < 2", ["a"], ["b"]),
    ],
)
def test_a_division_has_two_sides(query: str, over: list[str], under: list[str]) -> None:
    ((left, right),) = read_query(query).ratios
    assert [selector.name for selector in left] == over
    assert [selector.name for selector in right] == under


@pytest.mark.parametrize(
    "filters",
    [
        'response_code=~"5.."',
        'response_code=~"500|503"',
        'reporter="source", response_code !~ "2.*"',
        'grpc_response_status!="0"',
        "response_code:5*",
        "response_code:5xx,env:prod",
        "!response_code:200",
        "response_code IN (500, 503)",
    ],
)
def test_filters_on_failed_requests(filters: str) -> None:
    (selector,) = read_query(f"istio_requests_total{{{filters}}}").selectors
    assert counts_errors(selector)


@pytest.mark.parametrize("filters", ["", 'response_code="404"', "response_code:2*", 'code="500"'])
def test_filters_on_other_requests(filters: str) -> None:
    (selector,) = read_query(f"istio_requests_total{{{filters}}}").selectors
    assert not counts_errors(selector)


@pytest.mark.parametrize(
    "query",
    [
        '"' + '\\"' * 50_000,
        "'" * 100_000,
        "{" * 100_000,
        "(" * 50_000 + ")" * 50_000,
        "a/" * 50_000,
        "by(" * 30_000,
        "a{response_code" * 6_000,
        "response_code" * 7_000,
    ],
)
def test_hostile_queries_take_no_time(query: str) -> None:
    start = time.process_time()
    for selector in read_query(query).selectors:
        counts_errors(selector)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("galley_validation_failed_total", "galley_validation_failed"),
        ("pilot_xds_rejects", "pilot_total_xds_rejects"),
        ("istio_requests", "istio_requests_total"),
        ("istio_reqeusts_total", "istio_requests_total"),
        ("sidecar_injection_failures_total", "sidecar_injection_failure_total"),
        ("istio.sidecar_injection.failures.count", "istio.sidecar_injection.failure"),
        ("istio.mesh.requests.count", "istio.mesh.request.count"),
    ],
)
def test_names_that_nobody_exports(written: str, right: str) -> None:
    assert meant(written) == right


@pytest.mark.parametrize(
    "name",
    [
        "istio_requests_total",
        "pilot_proxy_convergence_time_bucket",
        "istio_request_duration_milliseconds",
        "istio_agent_pilot_xds",
        "istio.mesh.request.count.total",
        "istio.pilot.total_xds_rejects.count",
        "istio.pilot_xds_pushes",
        "pilot_ship_position",
        "workload:istio_requests:rate5m",
        "up",
        "istio_" + "x" * 10_000,
    ],
)
def test_names_that_are_left_alone(name: str) -> None:
    assert meant(name) is None


def test_json_is_read_strictly_and_never_raises() -> None:
    assert parse_json('{"a": 1}') == {"a": 1}
    assert json_fault('{"a": 1}') is None
    assert (json_fault('{"a": 1,}') or "").startswith("line 1, column ")
    assert json_fault("[NaN]") == "NaN is no JSON value"
    assert parse_json("[" * 200_000) is None
