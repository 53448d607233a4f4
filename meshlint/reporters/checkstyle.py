"""Checkstyle's XML, which many review tools and CI servers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.places import place_of
from meshlint.reporters.terminal import one_line
from meshlint.reporters.xml import DECLARATION, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshlint.findings import Finding, Report
    from meshlint.reporters.context import ReportContext

_FORMAT = "4.3"
"""Version of Checkstyle whose report has this shape; readers expect one."""


def render(report: Report, context: ReportContext) -> Iterator[str]:  # noqa: ARG001 - all formats have one signature
    """The findings by file, in the order of the report."""
    by_file: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_file.setdefault(finding.location.file.path, []).append(finding)
    yield f"{DECLARATION}<checkstyle{attributes({'version': _FORMAT})}>\n"
    for path, findings in by_file.items():
        yield f"  <file{attributes({'name': path})}>\n"
        for finding in findings:
            yield f"    <error{attributes(_error(finding))}/>\n"
        yield "  </file>\n"
    yield "</checkstyle>\n"


def _error(finding: Finding) -> dict[str, object]:
    place = place_of(finding.location)
    return {
        "line": place.line,
        "column": place.column,
        "severity": finding.severity,
        "message": one_line(finding.message),
        "source": f"meshlint.{finding.rule}",
    }
