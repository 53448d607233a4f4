"""GitLab's Code Quality report: its schema, and fingerprints that GitLab does not merge."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hostile_samples import SECRET, hostile_report, large_report
from report_samples import DEPLOYMENT, RULES, at, finding, shop_report

from meshlint.dataclass import replace
from meshlint.findings import Location, Report, Severity
from meshlint.reporters import ReportContext, whole
from meshlint.text import SourceFile, Span

CONTEXT = ReportContext("1.2.3", RULES)

# What GitLab demands of an issue; one that differs is dropped without a word. A path that is
# absolute or starts with a dot names no file for it.
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^(?!/|\\./)"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {
                            "begin": {"type": "integer", "minimum": 1},
                            "end": {"type": "integer", "minimum": 1},
                        },
                    },
                },
            },
        },
    },
}

REPORTS = {
    "shop": shop_report(),
    "hostile": hostile_report(),
    "clean": Report(),
    "large": large_report(),
}


def issues_of(report: Report, context: ReportContext = CONTEXT) -> list[dict[str, Any]]:
    found = json.loads(whole("gitlab", report, context))
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_fits_the_schema(name: str) -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert [error.message for error in validator.iter_errors(issues_of(REPORTS[name]))] == []


def test_fits_the_schema_that_others_wrote() -> None:
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("MESHLINT_SHARED", default)) / "sarif"
    path = folder / "gitlab-codequality.schema.json"
    if not path.is_file():
        pytest.skip("MESHLINT_SHARED has no gitlab-codequality.schema.json")
    validator = jsonschema_rs.validator_for(json.loads(path.read_text("utf-8")))
    for report in REPORTS.values():
        assert [error.message for error in validator.iter_errors(issues_of(report))] == []


@pytest.mark.parametrize("name", REPORTS)
def test_no_two_issues_have_one_fingerprint(name: str) -> None:
    issues = issues_of(REPORTS[name])
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert len(issues) == len(REPORTS[name].findings)


def test_equal_findings_are_told_apart_and_always_in_the_same_way() -> None:
    found = [finding(at(DEPLOYMENT, "kind"), fingerprint=given) for given in ("aa", "aa", "aa", "")]
    prints = [issue["fingerprint"] for issue in issues_of(Report(tuple(found)))]
    assert prints[0] == "aa"
    assert len(set(prints)) == 4
    assert prints == [issue["fingerprint"] for issue in issues_of(Report(tuple(found)))]


def test_an_issue() -> None:
    assert issues_of(shop_report())[0] == {
        "description": "mesh-mtls-not-strict: the mesh of istio-system accepts plain text",
        "check_name": "mesh-mtls-not-strict",
        "fingerprint": "0b7e5a0f",
        "severity": "major",
        "location": {"path": "mesh/istio.yaml", "lines": {"begin": 5, "end": 5}},
    }


@pytest.mark.parametrize(
    ("severity", "shown"), [("error", "major"), ("warning", "minor"), ("info", "info")]
)
def test_severities(severity: Severity, shown: str) -> None:
    (issue,) = issues_of(Report((finding(at(DEPLOYMENT, "kind"), severity=severity),)))
    assert issue["severity"] == shown


def test_paths_are_relative_to_the_root_of_the_repository() -> None:
    context = replace(CONTEXT, working_directory="/repo/deploy", repository="/repo")
    for given, path in (
        ("./a.yaml", "deploy/a.yaml"),
        ("../b.yaml", "b.yaml"),
        ("/repo/c.yaml", "c.yaml"),
    ):
        place = Location(SourceFile(given, "a: 1\n"), Span(0, 1))
        (issue,) = issues_of(Report((finding(place),)), context)
        assert issue["location"]["path"] == path


def test_text_is_safe_to_encode_and_to_print() -> None:
    text = whole("gitlab", hostile_report(), CONTEXT)
    assert text.isascii()
    assert SECRET not in text
    for issue in json.loads(text):
        assert issue["description"].isprintable()
        assert issue["location"]["path"].encode("utf-8")


def test_a_clean_run_is_an_empty_list() -> None:
    assert whole("gitlab", Report(), CONTEXT) == "[]\n"
