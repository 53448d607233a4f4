"""Diagnostics for people: the place in its file, why it matters, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.frame import Label, frame_lines
from meshlint.reporters.places import place_of
from meshlint.reporters.terminal import (
    BLUE,
    BOLD,
    DIM,
    GREEN,
    MIN_WIDTH,
    SEVERITY_COLORS,
    Glyph,
    one_line,
    paint,
    shorten,
    visible,
    width_of,
    wrap,
)
from meshlint.reporters.wording import first_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshlint.findings import Finding, Fix, Report, RuleInfo
    from meshlint.reporters.context import ReportContext

_MAX_RELATED = 5
_NOTE_LINES = 3
_FIX_LINES = 8


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """Diagnostics and a closing summary; when quiet, what the concise format gives."""
    if context.verbosity < 0:
        from meshlint.reporters.concise import render as concise

        yield from concise(report, context)
        return
    from meshlint.reporters.summary import summary_lines

    yield from diagnostics(report, context)
    for line in summary_lines(report, context):
        yield f"{line}\n"


def diagnostics(report: Report, context: ReportContext) -> Iterator[str]:
    """The findings alone, without a summary."""
    rules = {rule.id: rule for rule in context.rules}
    for finding in report.findings:
        # Why and how are said once a run: the same paragraph a hundred times hides the findings.
        lines = _diagnostic(finding, rules.pop(finding.rule, None), context)
        yield "".join(f"{line}\n" for line in [*lines, ""])


def _diagnostic(finding: Finding, rule: RuleInfo | None, context: ReportContext) -> list[str]:
    color = context.color
    width = max(MIN_WIDTH, context.width)
    shown = finding.related
    if context.verbosity == 0 and len(shown) > _MAX_RELATED:
        shown = shown[:_MAX_RELATED]
    locations = (finding.location, *shown)
    hidden = {(found.file.path, found.document) for found in locations if found.hide_text}
    labels = [
        Label(
            location,
            place_of(location),
            primary=index == 0,
            hidden=(location.file.path, location.document) in hidden,
        )
        for index, location in enumerate(locations)
    ]
    by_file: dict[str, list[Label]] = {}
    for label in labels:
        by_file.setdefault(label.location.file.path, []).append(label)
    digits = len(str(max(label.place.line for label in labels)))

    lines = _headline(finding, width, color)
    underline = SEVERITY_COLORS[finding.severity] if color else None
    for labels in by_file.values():
        arrow = "-->" if labels[0].primary else ":::"
        if not labels[0].primary:
            lines.append(paint(" " * digits + " |", BLUE, color))
        lines += _file_header(arrow, labels[0], digits, width, color)
        lines += frame_lines(labels[0].location.file, labels, digits, width, underline)

    notes = []
    if len(shown) < len(finding.related):
        left = len(finding.related) - len(shown)
        notes.append(("note", f"{left} more related places (-v shows all)"))
    if rule is not None:
        notes += [
            ("why", first_sentence(rule.rationale)),
            ("help", first_sentence(rule.remediation)),
        ]
        notes.append(("more", f"meshlint explain {rule.id}"))
    fix = finding.fix if finding.fix is not None and finding.fix.edits else None
    notes = [(name, text) for name, text in notes if text]
    if notes or fix is not None:
        lines.append(paint(" " * digits + " |", BLUE, color))
    for name, text in notes:
        lines += _note(name, text, digits, width, color)
    if fix is not None:
        lines += _fix_lines(fix, digits, width, color)
    return lines


def _fix_lines(fix: Fix, digits: int, width: int, color: bool) -> list[str]:
    """What a fix does, and the lines it changes."""
    from meshlint.edits import changed_lines

    option = "--fix" if fix.safety == "safe" else "--unsafe-fixes"
    lines = _note("fix", f"{fix.description} ({option})", digits, width, color)
    changed = changed_lines(fix.edits or ())
    margin = " " * (digits + 3)
    for line in changed[:_FIX_LINES]:
        shown = shorten(visible(line), width - len(margin))
        lines.append(
            margin + paint(shown, GREEN if line[0] == "+" else SEVERITY_COLORS["error"], color)
        )
    if len(changed) > _FIX_LINES:
        left = len(changed) - _FIX_LINES
        lines.append(margin + paint(f"{Glyph.more} {left} more lines (--diff)", DIM, color))
    return lines


def _headline(finding: Finding, width: int, color: bool) -> list[str]:
    kind = f"{finding.severity}[{finding.rule}]"
    first, *more = wrap(f"{kind}: {one_line(finding.message)}", width, indent=4)
    painted = paint(kind, SEVERITY_COLORS[finding.severity], color)
    return [
        painted + paint(first[len(kind) :], BOLD, color),
        *(paint(line, BOLD, color) for line in more),
    ]


def _file_header(arrow: str, label: Label, digits: int, width: int, color: bool) -> list[str]:
    location, place = label.location, label.place
    where = f"{visible(location.file.path)}:{place.line}:{place.column}"
    head = " " * digits + paint(arrow, BLUE, color) + " " + where
    if location.resource is None or not str(location.resource):
        return [head]
    resource = one_line(str(location.resource))
    margin = digits + len(arrow) + 1
    if margin + width_of(where) + 3 + width_of(resource) <= width:
        return [head + paint(f" {Glyph.separator} {resource}", DIM, color)]
    return [head, " " * margin + paint(shorten(resource, width - margin), DIM, color)]


def _note(name: str, text: str, digits: int, width: int, color: bool) -> list[str]:
    lead = " " * (digits + 1) + f"= {name}: "
    room = width - len(lead)
    first, *more = wrap(text, room)
    if len(more) >= _NOTE_LINES:
        more[_NOTE_LINES - 2 :] = [shorten(" ".join(more[_NOTE_LINES - 2 :]), room)]
    mark = paint("=", BLUE, color)
    return [
        " " * (digits + 1) + f"{mark} {paint(name + ':', BOLD, color)} {first}",
        *(" " * len(lead) + line for line in more),
    ]
