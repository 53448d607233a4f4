"""One line for each finding, for grep and for editors that read compiler output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.places import place_of
from meshlint.reporters.terminal import BOLD, SEVERITY_COLORS, one_line, paint, visible

if TYPE_CHECKING:
    from meshlint.findings import Finding, Report
    from meshlint.reporters.context import ReportContext


def render(report: Report, context: ReportContext) -> str:
    """`path:line:column: severity[rule] message`; the closing summary only when verbose."""
    lines = [_line(finding, context.color) for finding in report.findings]
    if context.verbosity > 0:
        from meshlint.reporters.summary import summary_lines

        if lines:
            lines.append("")
        lines += summary_lines(report, context)
    return "".join(f"{line}\n" for line in lines)


def _line(finding: Finding, color: bool) -> str:
    place = place_of(finding.location)
    where = paint(visible(finding.location.file.path), BOLD, color)
    kind = paint(f"{finding.severity}[{finding.rule}]", SEVERITY_COLORS[finding.severity], color)
    return f"{where}:{place.line}:{place.column}: {kind} {one_line(finding.message)}"
