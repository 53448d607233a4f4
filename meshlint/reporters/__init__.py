"""Reports as text: for people, for programs, for code hosts.

A reporter is a plain function from a report to text. Each format is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meshlint.reporters.context import ReportContext

if TYPE_CHECKING:
    from meshlint.findings import Report

__all__ = ["FORMATS", "ReportContext", "Reporter"]

Reporter = Callable[["Report", ReportContext], str]


def _text(report: Report, context: ReportContext) -> str:
    from meshlint.reporters.text import render

    return render(report, context)


def _concise(report: Report, context: ReportContext) -> str:
    from meshlint.reporters.concise import render

    return render(report, context)


def _json(report: Report, context: ReportContext) -> str:
    from meshlint.reporters.json import render

    return render(report, context)


def _sarif(report: Report, context: ReportContext) -> str:
    from meshlint.reporters.sarif import render

    return render(report, context)


FORMATS: dict[str, Reporter] = {
    "text": _text,
    "concise": _concise,
    "json": _json,
    "sarif": _sarif,
}
