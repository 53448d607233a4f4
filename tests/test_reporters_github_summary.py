"""The summary of a job: Markdown that says all of it, parsed as GitHub parses it, and its size."""

from __future__ import annotations

import re

import pytest
from hostile_samples import LARGE, LARGE_RULES, SECRET, hostile_report, large_report
from markdown_it import MarkdownIt
from report_samples import CART, DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Location, Readiness, Report, ResourceRef, RuleInfo
from meshlint.reporters import ReportContext, whole
from meshlint.text import SourceFile, Span

JOB = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "bank/mesh",
    "GITHUB_SHA": "0123abcd",
}
CONTEXT = ReportContext("1.2.3", RULES, environment=JOB)
LIMIT = 1024 * 1024
"""What GitHub takes from one step."""


def summary_of(report: Report, context: ReportContext = CONTEXT) -> str:
    return whole("github-summary", report, context)


def html_of(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def test_it_begins_with_the_counts() -> None:
    lines = summary_of(shop_report()).split("\n")
    assert lines[0] == "## meshlint"
    assert lines[2] == (
        "**3 findings: 1 error, 2 warnings** (checked 6 resources in 7 files (9 documents) with 5"
        " rules)"
    )
    clean = summary_of(Report(files=2, documents=2, resources=1, rules=5))
    assert "No findings" in clean
    assert "Nothing was linted" in summary_of(Report())


def test_readiness_is_a_table_with_the_worst_first() -> None:
    html = html_of(summary_of(shop_report()))
    tables = html.count("<table>")
    assert tables == 2
    rows = re.findall(r"<tr>\s*<td[^>]*>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r">([^<]*)</td>", f"<td>{row}") for row in rows]
    assert cells == [
        ["Deployment shop/cart", "✗ not ready", "1 of 3", "resource-limits, autoscaling", ""],
        ["Deployment shop/web", "✔ ready", "3 of 3", "", ""],
        [
            "IstioOperator istio-system/mesh",
            "✗ not ready",
            "0 of 3",
            "control-plane, mesh-security",
            "monitoring",
        ],
    ]


def test_findings_stand_by_rule_with_links_to_their_lines() -> None:
    html = html_of(summary_of(shop_report()))
    names = re.findall(r"<summary><b>(.*?)</b> <code>(.*?)</code>", html)
    assert names == [
        ("1 error", "mesh-mtls-not-strict"),
        ("1 warning", "cpu-limit-missing"),
        ("1 warning", "hpa-min-replicas-low"),
    ]
    url = "https://github.example/bank/mesh/blob/0123abcd"
    assert re.findall(r'<li><a href="(.*?)">', html) == [
        f"{url}/mesh/istio.yaml#L5",
        f"{url}/shop/cart.yaml#L17",
        f"{url}/shop/cart.yaml#L27",
    ]
    assert f'<a href="{url}/mesh/istio.yaml#L9"><code>mesh/istio.yaml:9</code></a> istiod' in html
    assert "<p>Set <code>minReplicas</code> to 2 or more." in html


@pytest.mark.parametrize("missing", sorted(JOB))
def test_no_links_where_the_commit_is_not_known(missing: str) -> None:
    context = replace(CONTEXT, environment={**JOB, missing: ""})
    text = summary_of(shop_report(), context)
    assert "- <code>shop/cart.yaml:17</code> container server" in text
    assert "/blob/" not in text


def test_links_lead_from_the_root_of_the_repository_and_not_out_of_it() -> None:
    context = replace(CONTEXT, working_directory="/repo/deploy", repository="/repo")
    found = [
        finding(Location(SourceFile(path, "a: 1\n"), Span(0, 1)))
        for path in ("a b#(1).yaml", "../x.yaml", "/elsewhere/y.yaml")
    ]
    links = re.findall(r'href="([^"]*?)"', html_of(summary_of(Report(tuple(found)), context)))
    url = "https://github.example/bank/mesh/blob/0123abcd"
    assert sorted(links) == [f"{url}/deploy/a%20b%23%281%29.yaml#L1", f"{url}/x.yaml#L1"]


def test_what_was_left_out_is_told() -> None:
    text = summary_of(shop_report())
    assert "- Skipped 2: Helm template" in text
    assert "- Input taken as incomplete for alerts: no alert that names a mesh metric" in text


def test_a_manifest_cannot_bring_markup_of_its_own() -> None:
    text = summary_of(hostile_report())
    html = html_of(text)
    assert SECRET not in text
    assert text.encode("utf-8")
    allowed = {"h2", "h3", "p", "ul", "li", "strong", "b", "a", "code", "details", "summary"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"<([a-z][a-z0-9]*)", html)) <= allowed
    links = re.findall(r'href="([^"]*)"', html)
    assert [
        url for url in links if not url.startswith(("https://github.example/", RULES[1].help_uri))
    ] == []
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    assert {row.count("<td") + row.count("<th") for row in rows} == {5}
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    shown = "100% of a,b: c::d ::error::injected ##[error]x &lt;b&gt;&amp;amp;&lt;/b&gt;"
    assert shown in html


def test_code_of_a_message_is_shown_as_code() -> None:
    found = finding(at(DEPLOYMENT, "kind"), message="set `a|b_<c>` to `1` or *2*")
    html = html_of(summary_of(Report((found,))))
    assert "set <code>a|b_&lt;c&gt;</code> to <code>1</code> or *2*" in html


def test_a_large_report_fits_and_says_what_was_cut() -> None:
    text = summary_of(large_report(), replace(CONTEXT, rules=LARGE_RULES))
    assert len(text.encode("utf-8")) <= LIMIT * 0.9
    (left,) = re.findall(r"\*\*([\d,]+) findings not listed\*\*", text)
    listed = len(re.findall(r"(?m)^- \[<code>", text))
    assert int(left.replace(",", "")) == LARGE - listed
    assert listed > 1_000
    of_rules = [
        int(n.replace(",", "")) for n in re.findall(r"- … ([\d,]+) more of this rule", text)
    ]
    assert sum(of_rules) == LARGE - listed
    for rule in LARGE_RULES:
        assert f"<code>{rule.id}</code>" in text
    assert "… 450 more, none of them worse" in text
    # Those of rules that find little are all told, however mild.
    assert len(of_rules) <= 3


def test_size_holds_whatever_the_report_is_made_of() -> None:
    wide = "\U0001f600|" * 1_000
    rules = tuple(
        RuleInfo(f"rule-{number}", wide, "warning", "x", remediation=wide) for number in range(900)
    )
    report = replace(
        hostile_report(),
        findings=tuple(
            finding(at(DEPLOYMENT, "kind", resource=CART), rule=rule.id, message=wide)
            for rule in rules
        ),
        readiness=tuple(
            Readiness(ResourceRef("v1", wide, wide, wide), role, {wide: "failed"}, wide)
            for role in ("workload", "gateway", "control-plane")
            for _ in range(200)
        ),
        notices=(wide,) * 100,
    )
    text = summary_of(report, replace(CONTEXT, rules=rules))
    assert len(text.encode("utf-8")) <= LIMIT * 0.9
    assert "not listed**" in text
