"""One line for each finding, for grep and for editors that read compiler output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.places import place_of
from meshlint.reporters.terminal import BOLD, SEVERITY_COLORS, one_line, paint, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshlint.findings import Finding, Report
    from meshlint.reporters.context import ReportContext


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """`path:line:column: severity[rule] message`; the closing summary only when verbose."""
    for finding in report.findings:
        yield f"{_line(finding, context.color)}\n"
    if context.verbosity > 0:
        from meshlint.reporters.summary import summary_lines

        if report.findings:
            yield "\n"
        for line in summary_lines(report, context):
            yield f"{line}\n"


def _line(finding: Finding, color: bool) -> str:
    place = place_of(finding.location)
    where = paint(visible(finding.location.file.path), BOLD, color)
    kind = paint(f"{finding.severity}[{finding.rule}]", SEVERITY_COLORS[finding.severity], color)
    return f"{where}:{place.line}:{place.column}: {kind} {one_line(finding.message)}"
