"""Reports as text: for people, for programs, for code hosts.

A reporter is a plain function from a report to pieces of text, `render` of its module. The module
is imported when the format is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from meshlint.reporters.context import CI_VARIABLES, ReportContext

if TYPE_CHECKING:
    from meshlint.findings import Report

__all__ = ["CI_VARIABLES", "FORMATS", "ReportContext", "Reporter", "whole"]

Reporter = Callable[["Report", ReportContext], Iterable[str]]
"""Pieces that follow each other, as a report on a large input may be larger than that."""


def _reporter(module: str) -> Reporter:
    def pieces(report: Report, context: ReportContext) -> Iterable[str]:
        render: Reporter = import_module(f"meshlint.reporters.{module}").render
        return render(report, context)

    return pieces


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


def whole(name: str, report: Report, context: ReportContext) -> str:
    """A report in one of the formats as a single text."""
    return "".join(FORMATS[name](report, context))
