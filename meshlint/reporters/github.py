"""GitHub workflow commands: annotations on the lines of a pull request, from the log of a step.

How commands are parsed is a fact of `ActionCommand.cs` of actions/runner, what of them is shown one
of GitHub's documentation of Actions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meshlint.findings import SEVERITIES
from meshlint.reporters.places import place_of, repository_path
from meshlint.reporters.ranking import ranked
from meshlint.reporters.terminal import one_line, shorten, visible
from meshlint.reporters.wording import by_severity, checked, counted, first_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meshlint.findings import Finding, Location, Report, RuleInfo, Severity
    from meshlint.reporters.context import ReportContext

MAX_OF_LEVEL = 10
"""GitHub shows no more errors of a step, no more warnings and no more notices."""

_MAX_RELATED = 5
_MAX_TITLE = 200  # GitHub takes 255
_MAX_LINE = 1_000
_MAX_MESSAGE = 4_000  # the runner cuts at 4,096

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}

# The per cent sign is the first: the escapes that follow bring more of them.
_DATA = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_DATA, (":", "%3A"), (",", "%2C"))


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """Commands for the findings that GitHub has room for, and a last one that says what it has not.

    The closing line for the log is no command and holds only numbers: the runner carries out what
    looks like a command anywhere in a line, so that no text of a manifest may stand there.
    """
    rules = {rule.id: rule for rule in context.rules}
    shown, cut = _shown(report)
    for finding in shown:
        yield f"{_command(finding, rules.get(finding.rule), context)}\n"
    if cut:
        yield f"{_cut(cut)}\n"
    yield f"{_closing(report)}\n"


def _shown(report: Report) -> tuple[list[Finding], dict[Severity, int]]:
    """The findings to show, the most severe first, and how many others there are by severity."""
    found = Counter(finding.severity for finding in report.findings)
    room = dict.fromkeys(SEVERITIES, MAX_OF_LEVEL)
    if any(found[severity] > room[severity] for severity in SEVERITIES):
        room["info"] -= 1  # taken by the notice about what was cut
    cut = {severity: found[severity] - room[severity] for severity in SEVERITIES}
    shown = []
    for finding in ranked(report.findings):
        room[finding.severity] -= 1
        if room[finding.severity] >= 0:
            shown.append(finding)
    return shown, {severity: count for severity, count in cut.items() if count > 0}


def _command(finding: Finding, rule: RuleInfo | None, context: ReportContext) -> str:
    place = place_of(finding.location)
    title = f"{one_line(rule.title)} [{finding.rule}]" if rule is not None else finding.rule
    properties = {
        "file": visible(repository_path(finding.location.file.path, context)),
        # The runner drops the columns of what goes over more than one line.
        "line": place.line,
        "endLine": place.line,
        "col": place.column,
        "endColumn": place.end_column,
        "title": shorten(title, _MAX_TITLE),
    }
    return _written(_COMMANDS[finding.severity], properties, _message(finding, rule))


def _message(finding: Finding, rule: RuleInfo | None) -> str:
    related = finding.related[:_MAX_RELATED]
    lines = [one_line(finding.message), *map(_related, related)]
    if len(finding.related) > len(related):
        lines.append(f"and {len(finding.related) - len(related)} more places")
    if rule is not None:
        if rule.remediation:
            lines.append(f"help: {first_sentence(rule.remediation)}")
        lines.append(f"more: {rule.help_uri or f'meshlint explain {rule.id}'}")
    return "\n".join(shorten(line, _MAX_LINE) for line in lines)[:_MAX_MESSAGE]


def _related(location: Location) -> str:
    place = place_of(location)
    said = one_line(location.message or str(location.resource or ""))
    return f"{visible(location.file.path)}:{place.line}:{place.column}: {said}"


def _cut(cut: Mapping[Severity, int]) -> str:
    total = counted(sum(cut.values()), "more finding")
    said = (
        f"{total} not shown here: {', '.join(by_severity(cut))}."
        f" GitHub shows {MAX_OF_LEVEL} annotations of each level for a step; the formats"
        " github-summary, sarif and text list the others."
    )
    return _written("notice", {"title": "meshlint: findings left out"}, said)


def _closing(report: Report) -> str:
    found = Counter(finding.severity for finding in report.findings)
    total = counted(len(report.findings), "finding") if report.findings else "no findings"
    parts = f" ({', '.join(by_severity(found))})" if report.findings else ""
    skipped = f", skipped {len(report.skipped):,}" if report.skipped else ""
    return f"meshlint: {total}{parts}, {checked(report)}{skipped}"


def _written(command: str, properties: Mapping[str, object], message: str) -> str:
    given = ",".join(
        f"{name}={_escaped(str(value), _PROPERTY)}" for name, value in properties.items()
    )
    return f"::{command} {given}::{_escaped(message, _DATA)}"


def _escaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for character, escape in escapes:
        text = text.replace(character, escape)
    return text
