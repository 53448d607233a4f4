"""JUnit XML, judged by a schema as strict as the strictest reader."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hostile_samples import LARGE, LARGE_RULES, SECRET, hostile_report, large_report
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import DEPLOYMENT, INSTALLATION, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Location, Report
from meshlint.reporters import ReportContext, whole
from meshlint.text import SourceFile, Span

CONTEXT = ReportContext("1.2.3", RULES)
SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))

REPORTS = {
    "shop": shop_report(),
    "hostile": hostile_report(),
    "clean": Report(files=1, resources=1),
    "large": large_report(),
}


def tree_of(report: Report, context: ReportContext = CONTEXT) -> ET.Element:
    return ET.fromstring(whole("junit", report, context).encode())


@pytest.mark.parametrize("name", REPORTS)
def test_fits_the_schema(name: str) -> None:
    text = whole("junit", REPORTS[name], CONTEXT)
    assert [error.reason for error in SCHEMA.iter_errors(ET.fromstring(text.encode()))] == []
    assert text.isascii()


def test_the_schema_does_find_what_is_wrong() -> None:
    tree = tree_of(shop_report())
    case = tree.find("testsuite/testcase")
    assert case is not None
    case.set("file", "shop/cart.yaml")
    assert not SCHEMA.is_valid(tree)


@pytest.mark.parametrize("name", REPORTS)
def test_the_numbers_are_those_of_the_test_cases(name: str) -> None:
    tree = tree_of(REPORTS[name])
    for element in (tree, *tree.iter("testsuite")):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for outcome, attribute in (("failure", "failures"), ("error", "errors")):
            having = [case for case in cases if case.find(outcome) is not None]
            assert element.get(attribute) == str(len(having))


def test_a_suite_for_each_file_and_a_case_for_each_rule() -> None:
    tree = tree_of(shop_report())
    cases = [(case.get("classname"), case.get("name")) for case in tree.iter("testcase")]
    assert cases == [
        ("mesh/istio.yaml", "mesh-mtls-not-strict"),
        ("shop/cart.yaml", "cpu-limit-missing"),
        ("shop/cart.yaml", "hpa-min-replicas-low"),
    ]
    assert [suite.get("file") for suite in tree] == ["mesh/istio.yaml", "shop/cart.yaml"]
    failure = tree.find("testsuite/testcase[@name='hpa-min-replicas-low']/failure")
    assert failure is not None
    assert failure.get("message") == shop_report().findings[2].message
    assert (failure.text or "").split("\n") == [
        f"shop/cart.yaml:27:16: warning: {failure.get('message')}",
        "  shop/cart.yaml:4:9: the workload it scales",
        "  mesh/istio.yaml:9:7: istiod itself has the same minimum",
        "help: Set `minReplicas` to 2 or more.",
        "more: meshlint explain hpa-min-replicas-low",
    ]


def test_two_findings_of_a_rule_in_a_file_are_one_case_and_both_told() -> None:
    found = [finding(at(DEPLOYMENT, marked), message=marked) for marked in ("kind", "server")]
    tree = tree_of(Report((*found, finding(at(INSTALLATION, "kind")))))
    cases = list(tree.iter("testcase"))
    assert len(cases) == 2
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "kind (and 1 more)"
    assert "shop/cart.yaml:17:17: warning: server" in (failure.text or "")


def test_info_passes_and_what_could_not_be_linted_is_an_error() -> None:
    info = finding(at(DEPLOYMENT, "kind"), rule="a", severity="info")
    broken = replace(finding(at(DEPLOYMENT, "kind"), rule="b", severity="error"), about_run=True)
    tree = tree_of(Report((info, broken)))
    outcomes = {case.get("name"): [part.tag for part in case] for case in tree.iter("testcase")}
    assert outcomes == {"a": ["system-out"], "b": ["error"]}


def test_a_clean_run_is_a_test_that_passes() -> None:
    (case,) = tree_of(Report(files=1, resources=1)).iter("testcase")
    assert case.get("name") == "no findings"
    assert list(case) == []


def test_what_xml_cannot_hold_is_shown_escaped() -> None:
    text = whole("junit", hostile_report(), CONTEXT)
    told = "".join(ET.fromstring(text).itertext())
    assert r"\x00\x1b[31m \u202e\ufffe\uffff\ud800" in told
    assert "<b>&amp;</b>" in told
    assert "]]> -->" in told
    assert "\U0001f600\u00e4" in told
    assert SECRET not in text


@settings(deadline=None)
@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_no_text_whatever_breaks_the_xml(message: str, path: str) -> None:
    place = Location(SourceFile(path, "a: 1\n"), Span(0, 1), message=message)
    report = Report((finding(place, place, message=message),))
    for name in ("junit", "checkstyle"):
        ET.fromstring(whole(name, report, CONTEXT).encode("ascii"))


def test_a_large_report_tells_of_every_finding() -> None:
    tree = tree_of(large_report(), replace(CONTEXT, rules=LARGE_RULES))
    told = "".join(tree.itertext())
    assert told.count("replicas and the traffic of") == LARGE
