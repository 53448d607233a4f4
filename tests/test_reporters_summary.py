"""The closing summary, and the concise format that ends with it on request."""

from __future__ import annotations

from textwrap import dedent

import pytest
from report_samples import DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Assumption, ItemState, Readiness, Report, ResourceRef, Skipped
from meshlint.reporters import ReportContext, whole

CONTEXT = ReportContext("1.2.3", RULES)


def summary(report: Report, context: ReportContext = CONTEXT) -> str:
    """What is printed when nothing was found."""
    return whole("text", replace(report, findings=()), context)


def shown(text: str) -> str:
    return dedent(text).removeprefix("\n")


def workload(name: str, **items: ItemState) -> Readiness:
    states = {item.replace("_", "-"): state for item, state in items.items()}
    return Readiness(ResourceRef("apps/v1", "Deployment", "shop", name), "workload", states)


# ------------------------------------------------------------------------------------ counts


def test_nothing_found() -> None:
    report = Report(files=3, documents=5, resources=1234, rules=1)
    assert summary(report) == (
        "✔ No findings: checked 1,234 resources in 3 files (5 documents) with 1 rule\n"
    )


def test_nothing_linted_is_not_a_success() -> None:
    assert summary(Report(files=3, documents=5, rules=28)) == (
        "Nothing was linted: checked 0 resources in 3 files (5 documents) with 28 rules\n"
    )


def test_findings_are_counted_by_severity() -> None:
    place = at(DEPLOYMENT, "kind")
    found = [finding(place, severity=severity) for severity in ("info", "error", "info")]
    output = whole("text", Report(tuple(found), resources=1), CONTEXT)
    assert "\n3 findings: 1 error, 2 info\n" in output


def test_findings_in_a_file_without_objects_are_not_nothing() -> None:
    output = whole("text", Report((finding(at(DEPLOYMENT, "kind")),)), CONTEXT)
    assert "Nothing was linted" not in output


# --------------------------------------------------------------------------------- readiness


def test_few_workloads_are_listed_worst_first() -> None:
    report = Report(
        resources=5,
        readiness=(
            workload("web", autoscaling="passed", resource_limits="passed"),
            workload("ads", autoscaling="not-checked", resource_limits="passed"),
            workload("cart", autoscaling="passed", resource_limits="failed"),
            workload("mail", autoscaling="failed", resource_limits="failed"),
            workload("bare"),
        ),
    )
    assert summary(report).partition("\n\n")[2] == shown("""
        Readiness
          4 workloads: 1 ready, 2 not ready, 1 not fully checked
            ✗ 0/2 Deployment shop/mail — missing: autoscaling, resource-limits
            ✗ 1/2 Deployment shop/cart — missing: resource-limits
            ? 1/2 Deployment shop/ads — not checked: autoscaling
            ✔ 2/2 Deployment shop/web
          not checked, input may be incomplete
            ? autoscaling of 1 workload
        """)


def many_workloads() -> Report:
    readiness = [
        workload(
            f"app-{number:03}",
            resource_limits="failed" if number % 20 == 0 else "passed",
            node_affinity="failed" if number % 3 == 0 else "passed",
            monitoring="not-checked",
        )
        for number in range(300)
    ]
    alerts = Assumption("alerts", False, "no alert names a mesh metric")
    return Report(resources=300, readiness=tuple(readiness), assumptions=(alerts,))


def test_many_workloads_are_tallied_and_the_worst_named() -> None:
    assert summary(many_workloads()).partition("\n\n")[2] == shown("""
        Readiness
          300 workloads: 0 ready, 110 not ready, 190 not fully checked
              node-affinity    200 of 300 pass
              resource-limits  285 of 300 pass
              monitoring         0 of 300 pass, 300 not checked
            ✗ 0/3 Deployment shop/app-000 — missing: resource-limits, node-affinity
            ✗ 0/3 Deployment shop/app-060 — missing: resource-limits, node-affinity
            ✗ 0/3 Deployment shop/app-120 — missing: resource-limits, node-affinity
            ✗ 0/3 Deployment shop/app-180 — missing: resource-limits, node-affinity
            ✗ 0/3 Deployment shop/app-240 — missing: resource-limits, node-affinity
            ✗ 1/3 Deployment shop/app-003 — missing: node-affinity
            ✗ 1/3 Deployment shop/app-006 — missing: node-affinity
            ✗ 1/3 Deployment shop/app-009 — missing: node-affinity
            ✗ 1/3 Deployment shop/app-012 — missing: node-affinity
            ✗ 1/3 Deployment shop/app-015 — missing: node-affinity
            … 100 more (-v lists all)
          not checked, input may be incomplete
            ? monitoring of 300 workloads — alerts: no alert names a mesh metric

        Input taken as incomplete for alerts; -v says why
        """)


def test_verbose_lists_every_workload() -> None:
    output = summary(many_workloads(), replace(CONTEXT, verbosity=1))
    assert output.count("Deployment shop/app-") == 300
    assert "of 300 pass" not in output


def test_items_that_do_not_fit_are_counted_unless_verbose() -> None:
    items: dict[str, ItemState] = {f"item-number-{number}": "failed" for number in range(8)}
    report = Report(resources=1, readiness=(workload("cart", **items),))
    assert (
        "    ✗ 0/8 Deployment shop/cart — missing: item-number-0, item-number-1, +6\n"
        in summary(report)
    )
    verbose = summary(report, replace(CONTEXT, verbosity=1))
    assert all(item in verbose for item in items)
    assert "+6" not in verbose


def test_readiness_of_gateways_and_control_planes() -> None:
    gateway = ResourceRef("apps/v1", "Deployment", "istio-ingress", "ingress")
    plane = ResourceRef("sailoperator.io/v1", "Istio", "", "default")
    report = Report(
        resources=2,
        readiness=(
            Readiness(plane, "control-plane", {"control-plane": "failed"}),
            Readiness(gateway, "gateway", {"gateways": "passed"}),
        ),
    )
    assert summary(report).partition("\n\n")[2] == shown("""
        Readiness
          1 gateway: 1 ready
            ✔ 1/1 Deployment istio-ingress/ingress
          1 control plane: 0 ready, 1 not ready
            ✗ 0/1 Istio default — missing: control-plane
        """)


def test_no_readiness_no_heading() -> None:
    assert "Readiness" not in summary(Report(resources=1))
    assert "Readiness" not in summary(Report(resources=1, readiness=(workload("bare"),)))


# -------------------------------------------------------------------------- skipped, assumed

LEFT_OUT = Report(
    resources=1,
    skipped=(
        Skipped("chart/templates/b.yaml", "Helm template"),
        Skipped("overlay/patch.yaml", "kustomize patch", 2),
        Skipped("chart/templates/a\x1b.yaml", "Helm template"),
    ),
    assumptions=(
        Assumption("alerts", False, "no alert names a mesh metric"),
        Assumption("autoscalers", True, "nothing denies it"),
    ),
)


def test_skipped_and_assumed_in_short() -> None:
    assert summary(LEFT_OUT).partition("\n\n")[2] == shown("""
        Skipped: Helm template (2), kustomize patch (1); -v lists them
        Input taken as complete for autoscalers; incomplete for alerts; -v says why
        """)


def test_skipped_and_assumed_in_full() -> None:
    output = summary(LEFT_OUT, replace(CONTEXT, verbosity=1))
    assert output.partition("\n\n")[2] == shown("""
        Skipped
          Helm template (2)
            chart/templates/b.yaml
            chart/templates/a\\x1b.yaml
          kustomize patch (1)
            overlay/patch.yaml, document 3

        What the input was taken as complete for
          ✔ autoscalers — nothing denies it
          ? alerts — no alert names a mesh metric
        """)


@pytest.mark.parametrize("width", [57, 80, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    for report in (shop_report(), many_workloads(), LEFT_OUT):
        for verbosity in (0, 1):
            context = replace(CONTEXT, width=width, verbosity=verbosity)
            assert all(len(line) <= width for line in summary(report, context).splitlines())


# ----------------------------------------------------------------------------------- concise


def test_concise_is_one_line_for_each_finding() -> None:
    assert whole("concise", shop_report(), CONTEXT) == (
        "mesh/istio.yaml:5:3: error[mesh-mtls-not-strict] "
        "the mesh of istio-system accepts plain text\n"
        "shop/cart.yaml:17:17: warning[cpu-limit-missing] container server has no CPU limit\n"
        "shop/cart.yaml:27:16: warning[hpa-min-replicas-low] HorizontalPodAutoscaler shop/cart "
        "may scale Deployment shop/cart down to 1 replica\n"
    )
    assert whole("concise", Report(), CONTEXT) == ""


def test_concise_message_never_spreads_over_lines() -> None:
    found = finding(at(DEPLOYMENT, "kind"), message="one\n  two\r\nthree")
    assert whole("concise", Report((found,)), CONTEXT) == (
        "shop/cart.yaml:2:1: warning[cpu-limit-missing] one two three\n"
    )


def test_concise_in_color() -> None:
    found = finding(at(DEPLOYMENT, "kind"), message="m", severity="info")
    assert whole("concise", Report((found,)), replace(CONTEXT, color=True)) == (
        "\x1b[1mshop/cart.yaml\x1b[0m:2:1: \x1b[1;36minfo[cpu-limit-missing]\x1b[0m m\n"
    )


def test_concise_ends_with_the_summary_when_verbose() -> None:
    output = whole("concise", shop_report(), replace(CONTEXT, verbosity=1))
    assert "1 replica\n\n3 findings: 1 error, 2 warnings\n" in output
    assert output.endswith("alerts — no alert that names a mesh metric is in the input\n")
