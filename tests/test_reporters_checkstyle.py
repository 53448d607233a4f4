"""Checkstyle's XML, read by an XML parser."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hostile_samples import SECRET, hostile_report, large_report
from report_samples import RULES, shop_report

from meshlint.findings import Report
from meshlint.reporters import ReportContext, whole

CONTEXT = ReportContext("1.2.3", RULES)

REPORTS = {"shop": shop_report(), "hostile": hostile_report(), "large": large_report()}


def tree_of(report: Report) -> ET.Element:
    return ET.fromstring(whole("checkstyle", report, CONTEXT).encode())


def test_findings_by_file() -> None:
    tree = tree_of(shop_report())
    assert tree.tag == "checkstyle"
    assert tree.get("version")
    assert [file.get("name") for file in tree] == ["mesh/istio.yaml", "shop/cart.yaml"]
    assert [error.attrib for error in tree.iter("error")][2] == {
        "line": "27",
        "column": "16",
        "severity": "warning",
        "message": "HorizontalPodAutoscaler shop/cart may scale Deployment shop/cart down to 1"
        " replica",
        "source": "meshlint.hpa-min-replicas-low",
    }


@pytest.mark.parametrize("name", REPORTS)
def test_shape(name: str) -> None:
    tree = tree_of(REPORTS[name])
    files = [file.get("name") for file in tree]
    assert len(files) == len(set(files))
    for file in tree:
        assert file.tag == "file"
        assert list(file)
        for error in file:
            assert error.tag == "error"
            assert set(error.attrib) == {"line", "column", "severity", "message", "source"}
            assert int(error.attrib["line"]) >= 1
            assert int(error.attrib["column"]) >= 1
            assert error.attrib["severity"] in ("error", "warning", "info")
    assert len(list(tree.iter("error"))) == len(REPORTS[name].findings)


def test_a_clean_run_is_a_report_without_files() -> None:
    assert list(tree_of(Report())) == []


def test_text_arrives_with_what_xml_cannot_hold_escaped() -> None:
    text = whole("checkstyle", hostile_report(), CONTEXT)
    messages = [error.attrib["message"] for error in ET.fromstring(text).iter("error")]
    (nasty,) = [message for message in messages if message.startswith("100%")]
    assert nasty == (
        "100% of a,b: c::d ::error::injected ##[error]x <b>&amp;</b> \"'` |[l](u) *_~$#@]]> -->"
        " \\x00\\x1b[31m \\u202e\\ufffe\\uffff\\ud800\U0001f600\u00e4"
    )
    assert text.isascii()
    assert SECRET not in text
