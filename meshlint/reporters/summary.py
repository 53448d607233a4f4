"""The closing summary: findings, readiness, what was left out, what was taken for granted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshlint.findings import SEVERITIES
from meshlint.reporters.terminal import (
    BOLD,
    DIM,
    GREEN,
    MIN_WIDTH,
    SEVERITY_COLORS,
    Glyph,
    one_line,
    paint,
    visible,
    width_of,
    wrap,
)
from meshlint.reporters.wording import by_severity, checked, counted

if TYPE_CHECKING:
    from meshlint.findings import (
        Assumption,
        Gone,
        ItemState,
        KindWithoutSchema,
        Readiness,
        Report,
        Skipped,
        Suppressed,
    )
    from meshlint.reporters.context import ReportContext

_MAX_SUBJECTS = 10
ROLES = {
    "workload": ("workload", "workloads"),
    "gateway": ("gateway", "gateways"),
    "control-plane": ("control plane", "control planes"),
}
"""Roles in the order they are shown, each with its noun and plural."""


def summary_lines(report: Report, context: ReportContext) -> list[str]:
    """The summary, in lines that fit the terminal, names of files and the table of items apart."""
    width = max(MIN_WIDTH, context.width)
    verbose = context.verbosity > 0
    blocks = [
        _counts(report, context.color, width),
        _readiness(report, context, width),
        *(
            [
                _suppressed(report.suppressed, context.color, width),
                _gone(report.gone, context.color, width),
                _skipped(report.skipped, context.color),
                _without_schema(report.without_schema, context.color),
                _notices(report.notices, width),
                _assumed(report.assumptions, context, width),
            ]
            if verbose
            else [
                _suppressed_in_short(report.suppressed, width)
                + _gone_in_short(report.gone, width)
                + _skipped_in_short(report.skipped, width)
                + _without_schema_in_short(report.without_schema, width)
                + _assumed_in_short(report, width)
            ]
        ),
    ]
    lines: list[str] = []
    for block in filter(None, blocks):
        lines += ["", *block] if lines else block
    return lines


def _counts(report: Report, color: bool, width: int) -> list[str]:
    if not report.findings:
        mark, said = f"{Glyph.passed} ", "No findings"
        if report.resources == 0:
            mark, said = "", "Nothing was linted"
        first, *more = wrap(f"{mark}{said}: {checked(report)}", width, indent=2)
        rest = first.removeprefix(mark + said)
        return [paint(mark, GREEN, color) + paint(said, BOLD, color) + rest, *more]
    found = Counter(finding.severity for finding in report.findings)
    parts = [
        paint(part, SEVERITY_COLORS[severity], color)
        for severity in SEVERITIES
        for part in by_severity({severity: found[severity]})
    ]
    total = paint(counted(len(report.findings), "finding"), BOLD, color)
    return [f"{total}: {', '.join(parts)}", *wrap(checked(report), width, indent=2)]


# ------------------------------------------------------------------------------------ readiness


def _readiness(report: Report, context: ReportContext, width: int) -> list[str]:
    lines = []
    for role, nouns in ROLES.items():
        subjects = [entry for entry in report.readiness if entry.role == role and entry.items]
        if subjects:
            states = Counter(map(state_of, subjects))
            head = f"{counted(len(subjects), *nouns)}: {states['passed']:,} ready"
            if states["failed"]:
                head += f", {states['failed']:,} not ready"
            if states["not-checked"]:
                head += f", {states['not-checked']:,} not fully checked"
            lines += _indented(2, wrap(head, width - 2, indent=2))
            lines += _subjects(subjects, context, width)
    if not lines:
        return []
    title = paint("Readiness", BOLD, context.color)
    return [title, *lines, *_not_checked(report, context, width)]


def _subjects(subjects: Sequence[Readiness], context: ReportContext, width: int) -> list[str]:
    shown = sorted(subjects, key=worst_first)
    if context.verbosity > 0:
        return _rows(shown, context.color, width, in_full=True)
    if len(shown) <= _MAX_SUBJECTS:
        return _rows(shown, context.color, width)
    failed = [entry for entry in shown if state_of(entry) == "failed"]
    lines = _tally(subjects)
    lines += _rows(failed[:_MAX_SUBJECTS], context.color, width)
    if len(failed) > _MAX_SUBJECTS:
        lines.append(f"    {Glyph.more} {len(failed) - _MAX_SUBJECTS} more (-v lists all)")
    return lines


def _rows(
    subjects: Sequence[Readiness], color: bool, width: int, in_full: bool = False
) -> list[str]:
    marks = {
        "passed": paint(Glyph.passed, GREEN, color),
        "failed": paint(Glyph.failed, SEVERITY_COLORS["error"], color),
        "not-checked": paint(Glyph.unknown, SEVERITY_COLORS["warning"], color),
    }
    ratios = [f"{len(with_state(entry, 'passed'))}/{len(entry.items)}" for entry in subjects]
    ratio_width = max(map(len, ratios), default=0)
    margin = len("    x ") + ratio_width + 1
    lines = []
    names = Counter(str(entry.subject) for entry in subjects)
    for entry, ratio in zip(subjects, ratios, strict=True):
        said = one_line(str(entry.subject))
        if names[str(entry.subject)] > 1 and entry.file:
            said += f" ({one_line(entry.file)})"
        state = state_of(entry)
        if state != "passed":
            said += f" {Glyph.dash} {'missing' if state == 'failed' else 'not checked'}: "
            room = None if in_full else width - margin - width_of(said)
            said += _listed(with_state(entry, state), room)
        elif with_state(entry, "waived"):
            said += f" {Glyph.dash} accepted: {_listed(with_state(entry, 'waived'), None)}"
        first, *rest = wrap(said, width - margin, indent=2) or [""]
        lines.append(f"    {marks[state]} {ratio:>{ratio_width}} {first}")
        lines += _indented(margin, rest)
    return lines


def _tally(subjects: Sequence[Readiness]) -> list[str]:
    """How many of many subjects pass each item, the one that most of them miss first."""
    states: dict[str, Counter[ItemState]] = {}
    for entry in subjects:
        for item, state in entry.items.items():
            states.setdefault(item, Counter())[state] += 1
    name_width = max(map(len, states))
    number_width = len(str(len(subjects)))
    lines = []
    for item in sorted(states, key=lambda item: (-states[item]["failed"], item)):
        held = states[item]
        line = (
            f"      {item:<{name_width}}  {held['passed']:>{number_width}} of {held.total()} pass"
        )
        if held["waived"]:
            line += f", {held['waived']} accepted"
        if held["not-checked"]:
            line += f", {held['not-checked']} not checked"
        lines.append(line)
    return lines


def _not_checked(report: Report, context: ReportContext, width: int) -> list[str]:
    """The items that some subject could not be judged by, and what that would have taken."""
    held: dict[str, Counter[str]] = {}
    for entry in report.readiness:
        for item in with_state(entry, "not-checked"):
            held.setdefault(item, Counter())[entry.role] += 1
    if not held:
        return []
    unmet = {entry.concern: entry.reason for entry in report.assumptions if not entry.complete}
    title = "not checked, input may be incomplete"
    lines = _indented(2, wrap(title, width - 2, indent=2))
    for item in sorted(held):
        subjects = ", ".join(
            counted(held[item][role], *nouns) for role, nouns in ROLES.items() if held[item][role]
        )
        said = f"{Glyph.unknown} {item} of {subjects}"
        concerns = {rule.concern for rule in context.rules if rule.checklist == item} & set(unmet)
        if concerns:
            reasons = [f"{concern}: {one_line(unmet[concern])}" for concern in sorted(concerns)]
            said += f" {Glyph.dash} {'; '.join(reasons)}"
        lines += _indented(4, wrap(said, width - 4, indent=2))
    return lines


def with_state(entry: Readiness, state: ItemState) -> list[str]:
    """Items of a subject that are in a state."""
    return [item for item, found in entry.items.items() if found == state]


def state_of(entry: Readiness) -> ItemState:
    """State of a subject as a whole; one that is waived counts as passed."""
    states = entry.items.values()
    if "failed" in states:
        return "failed"
    return "not-checked" if "not-checked" in states else "passed"


def worst_first(entry: Readiness) -> tuple[int, int, int, str]:
    """To sort by: what is not ready comes first."""
    order = ("failed", "not-checked", "passed").index(state_of(entry))
    failed = len(with_state(entry, "failed"))
    return order, -failed, len(with_state(entry, "passed")), str(entry.subject)


# -------------------------------------------------------------------------- skipped and assumed


def by_reason(skipped: Sequence[Skipped]) -> list[tuple[str, list[Skipped]]]:
    """What was skipped, the most frequent reason first."""
    grouped: dict[str, list[Skipped]] = {}
    for entry in skipped:
        grouped.setdefault(entry.reason, []).append(entry)
    return sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0]))


def _suppressed_in_short(suppressed: Sequence[Suppressed], width: int) -> list[str]:
    if not suppressed:
        return []
    by = Counter(entry.by for entry in suppressed)
    parts = [f"{count} by {origin}" for origin, count in sorted(by.items())]
    return wrap(f"Suppressed: {', '.join(parts)}; -v lists them", width, indent=2)


def _suppressed(suppressed: Sequence[Suppressed], color: bool, width: int) -> list[str]:
    lines = []
    for entry in suppressed:
        location = entry.finding.location
        at = location.file.position(location.span.start)
        said = f"{entry.finding.rule} by {entry.by}"
        said += f": {one_line(entry.reason)}" if entry.reason else ""
        said += f" ({one_line(entry.owner)})" if entry.owner else ""
        lines += _indented(2, wrap(said, width - 2, indent=2))
        lines.append(paint(f"    {visible(location.file.path)}:{at.line}:{at.column}", DIM, color))
    return [paint(f"Suppressed ({len(suppressed)})", BOLD, color), *lines] if lines else []


def _gone_in_short(gone: Sequence[Gone], width: int) -> list[str]:
    if not gone:
        return []
    what = counted(len(gone), "finding")
    said = f"Gone since the baseline: {what}; --write-baseline forgets them, -v lists them"
    return wrap(said, width, indent=2)


def _gone(gone: Sequence[Gone], color: bool, width: int) -> list[str]:
    lines = []
    for entry in gone:
        said = f"{entry.rule} of {one_line(entry.resource)}" if entry.resource else entry.rule
        lines += _indented(2, wrap(said, width - 2, indent=2))
        lines.append(paint(f"    {visible(entry.file)}", DIM, color))
    title = f"Gone since the baseline ({len(gone)})"
    return [paint(title, BOLD, color), *lines] if lines else []


def _skipped_in_short(skipped: Sequence[Skipped], width: int) -> list[str]:
    if not skipped:
        return []
    parts = [f"{one_line(reason)} ({len(held)})" for reason, held in by_reason(skipped)]
    return wrap(f"Skipped: {', '.join(parts)}; -v lists them", width, indent=2)


def _skipped(skipped: Sequence[Skipped], color: bool) -> list[str]:
    lines = []
    for reason, held in by_reason(skipped):
        lines.append(f"  {one_line(reason)} ({len(held)})")
        for entry in held:
            document = "" if entry.document is None else f", document {entry.document + 1}"
            lines.append(paint(f"    {visible(entry.file)}{document}", DIM, color))
    return [paint("Skipped", BOLD, color), *lines] if lines else []


def _without_schema_in_short(kinds: Sequence[KindWithoutSchema], width: int) -> list[str]:
    if not kinds:
        return []
    objects = counted(sum(entry.resources for entry in kinds), "resource")
    said = f"{objects} of {counted(len(kinds), 'kind')} judged by no schema: add --crds"
    return wrap(f"{said}; -v lists the kinds", width, indent=2)


def _without_schema(kinds: Sequence[KindWithoutSchema], color: bool) -> list[str]:
    if not kinds:
        return []
    title = "Judged by no schema, as --crds gives none"
    lines = [
        f"  {one_line(entry.kind)} of {one_line(entry.api_version)} ({entry.resources:,})"
        for entry in kinds
    ]
    return [paint(title, BOLD, color), *lines]


def _notices(notices: Sequence[str], width: int) -> list[str]:
    return [line for notice in notices for line in wrap(one_line(notice), width, indent=2)]


def _assumed_in_short(report: Report, width: int) -> list[str]:
    parts = []
    for complete, label in ((True, "complete for"), (False, "incomplete for")):
        concerns = [entry.concern for entry in report.assumptions if entry.complete == complete]
        if concerns:
            parts.append(f"{label} {', '.join(concerns)}")
    if not parts:
        return []
    return wrap(f"Input taken as {'; '.join(parts)}; -v says why", width, indent=2)


def _assumed(assumptions: Sequence[Assumption], context: ReportContext, width: int) -> list[str]:
    lines = []
    for entry in sorted(assumptions, key=lambda entry: not entry.complete):
        mark, mark_color = (Glyph.passed, GREEN) if entry.complete else (Glyph.unknown, DIM)
        said = f"{one_line(entry.concern)} {Glyph.dash} {one_line(entry.reason)}"
        first, *rest = wrap(said, width - 4, indent=2)
        lines.append(f"  {paint(mark, mark_color, context.color)} {first}")
        lines += _indented(4, rest)
    if not lines:
        return []
    title = "What the input was taken as complete for"
    return [paint(title, BOLD, context.color), *lines]


# -------------------------------------------------------------------------------------- wording


def _indented(columns: int, lines: Sequence[str]) -> list[str]:
    return [" " * columns + line for line in lines]


def _listed(items: Sequence[str], room: int | None) -> str:
    """The items, or as many as fit beside the number of the others; never none."""
    shown = len(items)
    while True:
        left = len(items) - shown
        text = ", ".join([*items[:shown], *([f"+{left}"] if left else [])])
        if shown <= 1 or room is None or width_of(text) <= room:
            return text
        shown -= 1
