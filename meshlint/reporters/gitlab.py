"""GitLab's Code Quality report: a list of issues in JSON."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from meshlint.reporters.places import place_of, repository_path
from meshlint.reporters.ranking import in_order
from meshlint.reporters.terminal import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshlint.findings import Finding, Report, Severity
    from meshlint.reporters.context import ReportContext

_SEVERITIES: dict[Severity, str] = {"error": "major", "warning": "minor", "info": "info"}


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """One issue for each finding, most severe first."""
    used: set[str] = set()
    between = "[\n  "
    for finding in in_order(report.findings):
        issue = _issue(finding, context, used)
        used.add(issue["fingerprint"])
        yield f"{between}{json.dumps(issue)}"
        between = ",\n  "
    yield "\n]\n" if used else "[]\n"


def _issue(finding: Finding, context: ReportContext, used: set[str]) -> dict[str, Any]:
    place = place_of(finding.location)
    path = visible(repository_path(finding.location.file.path, context))
    return {
        # GitLab does not show the name of the check.
        "description": f"{finding.rule}: {one_line(finding.message)}",
        "check_name": finding.rule,
        "fingerprint": _fingerprint(finding, path, used),
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": path, "lines": {"begin": place.line, "end": place.line}},
    }


def _fingerprint(finding: Finding, path: str, used: set[str]) -> str:
    """A fingerprint that no other issue has, because GitLab keeps one issue of each."""
    found = finding.fingerprint or _digest(finding.rule, path, finding.message)
    while found in used:
        found = _digest(found)
    return found


def _digest(*parts: str) -> str:
    data = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest()[:32]
