"""Reports as text: for people, for programs, for code hosts.

A reporter is a plain function from a report to text, `render` of its module. The module is imported
when the format is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from meshlint.reporters.context import CI_VARIABLES, ReportContext

if TYPE_CHECKING:
    from meshlint.findings import Report

__all__ = ["CI_VARIABLES", "FORMATS", "ReportContext", "Reporter"]

Reporter = Callable[["Report", ReportContext], str]


def _reporter(module: str) -> Reporter:
    def report_as_text(report: Report, context: ReportContext) -> str:
        render: Reporter = import_module(f"meshlint.reporters.{module}").render
        return render(report, context)

    return report_as_text


FORMATS: dict[str, Reporter] = {
    "text": _reporter("text"),
    "concise": _reporter("concise"),
    "json": _reporter("json"),
    "sarif": _reporter("sarif"),
    "github": _reporter("github"),
    "github-summary": _reporter("github_summary"),
    "gitlab": _reporter("gitlab"),
    "junit": _reporter("junit"),
    "checkstyle": _reporter("checkstyle"),
}
