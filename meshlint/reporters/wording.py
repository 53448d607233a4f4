"""Words that several formats share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.findings import SEVERITIES, Severity
from meshlint.patterns import regexp
from meshlint.reporters.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meshlint.findings import Report

_NEXT_SENTENCE = regexp(r"(?<=[.!?])\s+(?=[^\sa-z])")
_NOUNS: dict[Severity, tuple[str, str]] = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("info", "info"),
}


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def by_severity(counts: Mapping[Severity, int]) -> list[str]:
    """`2 errors`, `1 warning`: what there is of each severity, most severe first."""
    return [
        counted(counts[severity], *_NOUNS[severity])
        for severity in SEVERITIES
        if counts.get(severity, 0) > 0
    ]


def checked(report: Report) -> str:
    """What the findings are of."""
    return (
        f"checked {counted(report.resources, 'resource')} in {counted(report.files, 'file')} "
        f"({counted(report.documents, 'document')}) with {counted(report.rules, 'rule')}"
    )


def first_sentence(prose: str) -> str:
    """The first sentence of a Markdown text."""
    paragraph = one_line(prose.strip().partition("\n\n")[0])
    return _NEXT_SENTENCE.split(paragraph, maxsplit=1)[0]
