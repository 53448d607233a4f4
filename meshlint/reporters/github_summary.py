"""Markdown for the summary of a GitHub job: readiness, and the findings by rule."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from meshlint.findings import SEVERITIES
from meshlint.patterns import regexp
from meshlint.reporters.context import CI_VARIABLES
from meshlint.reporters.places import place_of, quoted, repository_path
from meshlint.reporters.ranking import ranked
from meshlint.reporters.summary import ROLES, by_reason, state_of, with_state, worst_first
from meshlint.reporters.terminal import Glyph, one_line, shorten
from meshlint.reporters.wording import by_severity, checked, counted, first_sentence
from meshlint.reporters.xml import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from meshlint.findings import Finding, Location, Readiness, Report, RuleInfo
    from meshlint.reporters.context import ReportContext

MAX_BYTES = 900_000
"""GitHub takes 1 MiB from a step and nothing of more; other commands of the step write, too."""

_MAX_SUBJECTS = 50
_OF_EACH = 5
_MAX_REASONS = 20
_MAX_RELATED = 5
_MAX_TEXT = 500
_MAX_CELL = 150
_ROOM_FOR_REST = 200  # bytes: the end of a section, with what was cut of it

_MARKS = {
    "passed": f"{Glyph.passed} ready",
    "failed": f"{Glyph.failed} not ready",
    "not-checked": f"{Glyph.unknown} not fully checked",
}

# What means something to GitHub's Markdown within a line, and to the HTML in it.
_MARKUP = regexp(r"[\\`*_\[\]<>#|~$&]")


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """At most MAX_BYTES of UTF-8; what had no room is counted, by rule and as a whole."""
    readiness, about = _readiness(report), _about_run(report)
    room = MAX_BYTES - _size([*readiness, *about]) - 2_000  # for the counts above them
    sections, left = _findings(report, context, room)
    lines = ["## meshlint", "", *_counts(report), ""]
    if left:
        said = (
            f"**{counted(left, 'finding')} not listed**, as GitHub takes no more than 1 MiB from a"
            " step. Those listed are the first ones of each rule, and then the most severe ones;"
            " the formats `sarif` and `text` have all."
        )
        lines += [said, ""]
    for line in (*lines, *readiness, *sections, *about):
        yield f"{line}\n"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8")) + 1 for line in lines)


def _counts(report: Report) -> list[str]:
    found = by_severity(Counter(finding.severity for finding in report.findings))
    if found:
        total = counted(len(report.findings), "finding")
        return [f"**{total}: {', '.join(found)}** ({checked(report)})"]
    if report.resources == 0:
        return [f"**Nothing was linted** ({checked(report)})"]
    return [f"{Glyph.passed} **No findings** ({checked(report)})"]


# ------------------------------------------------------------------------------------- findings


def _findings(report: Report, context: ReportContext, room: int) -> tuple[list[str], int]:
    """A section for each rule, and how many findings had no room in any."""
    if not report.findings:
        return [], 0
    infos = {rule.id: rule for rule in context.rules}
    by_rule: dict[str, list[Finding]] = {}
    for finding in ranked(report.findings):
        by_rule.setdefault(finding.rule, []).append(finding)
    heads: dict[str, list[str]] = {}
    for rule, findings in sorted(by_rule.items(), key=_most_severe_first):
        head = _head(findings, infos.get(rule))
        room -= _size(head) + _ROOM_FOR_REST
        if room < 0:
            break
        heads[rule] = head
    base = _source_url(context)
    items: dict[str, list[str]] = {rule: [] for rule in heads}
    for finding in _fair(report.findings):
        if finding.rule in items:
            item = _item(finding, base, context)
            room -= _size([item])
            if room < 0:
                break
            items[finding.rule].append(item)
    lines = ["### Findings", ""]
    for rule, head in heads.items():
        lines += [*head, *items[rule]]
        left = len(by_rule[rule]) - len(items[rule])
        if left:
            lines.append(f"- {Glyph.more} {left:,} more of this rule, not listed")
        lines += ["", "</details>", ""]
    return lines, len(report.findings) - sum(map(len, items.values()))


def _fair(findings: Iterable[Finding]) -> list[Finding]:
    """What to list first: some findings of every rule, and only then the many of one."""
    seen: Counter[str] = Counter()
    first: list[Finding] = []
    others: list[Finding] = []
    for finding in ranked(findings):
        seen[finding.rule] += 1
        (first if seen[finding.rule] <= _OF_EACH else others).append(finding)
    return [*first, *others]


def _most_severe_first(entry: tuple[str, Sequence[Finding]]) -> tuple[int, int, str]:
    rule, findings = entry
    return SEVERITIES.index(findings[0].severity), -len(findings), rule


def _head(findings: Sequence[Finding], rule: RuleInfo | None) -> list[str]:
    found = ", ".join(by_severity(Counter(finding.severity for finding in findings)))
    # In this line GitHub sees HTML alone and no Markdown.
    name = f"<code>{escaped(findings[0].rule)}</code>"
    title = f" {escaped(_short(rule.title, _MAX_TEXT))}" if rule is not None else ""
    lines = [f"<details><summary><b>{found}</b> {name}{title}</summary>", ""]
    if rule is not None:
        remedy = first_sentence(rule.remediation)
        page = f"[More]({quote(rule.help_uri, safe=':/#?&=%')})." if rule.help_uri else ""
        page = page or f"More: `meshlint explain {rule.id}`"
        lines += [" ".join(filter(None, (_prose(remedy), page))), ""]
    return lines


def _item(finding: Finding, base: str, context: ReportContext) -> str:
    item = f"- {_where(finding.location, base, context)} {_prose(finding.message)}"
    related = finding.related[:_MAX_RELATED]
    if related:
        places = [
            f"{_where(place, base, context)} {_prose(place.message)}".rstrip() for place in related
        ]
        if len(finding.related) > len(related):
            places.append(f"and {len(finding.related) - len(related)} more places")
        stop = "" if item.endswith((".", "!", "?")) else "."
        item += f"{stop} Related: {'; '.join(places)}."
    return item


def _where(location: Location, base: str, context: ReportContext) -> str:
    line = place_of(location).line
    said = f"<code>{_text(location.file.path)}:{line}</code>"
    path = repository_path(location.file.path, context)
    if not base or path.startswith(("../", "/", "<")):
        return said
    return f"[{said}]({base}/{quoted(path)}#L{line})"


def _source_url(context: ReportContext) -> str:
    """Where GitHub shows the files of the commit, or nothing outside of GitHub Actions."""
    server, repository, commit = (context.environment.get(name, "") for name in CI_VARIABLES)
    if not (server and repository and commit):
        return ""
    return f"{quote(server, safe=':/')}/{quote(repository)}/blob/{quote(commit)}"


# ------------------------------------------------------------------------------------ readiness


def _readiness(report: Report) -> list[str]:
    lines: list[str] = []
    for role, nouns in ROLES.items():
        subjects = [entry for entry in report.readiness if entry.role == role and entry.items]
        if subjects:
            lines += _table(sorted(subjects, key=worst_first), nouns)
    return ["### Readiness", "", *lines] if lines else []


def _table(subjects: Sequence[Readiness], nouns: tuple[str, str]) -> list[str]:
    ready = sum(state_of(entry) == "passed" for entry in subjects)
    lines = [
        f"{counted(len(subjects), *nouns)}, {ready:,} ready",
        "",
        f"| {nouns[0].capitalize()} | State | Passed | Missing | Not checked |",
        "| :-- | :-- | --: | :-- | :-- |",
    ]
    names = Counter(str(entry.subject) for entry in subjects)
    for entry in subjects[:_MAX_SUBJECTS]:
        name = _text(str(entry.subject), _MAX_CELL)
        if names[str(entry.subject)] > 1 and entry.file:
            name += f" ({_text(entry.file, _MAX_CELL)})"
        cells = (
            name,
            _MARKS[state_of(entry)],
            f"{len(with_state(entry, 'passed'))} of {len(entry.items)}",
            _text(", ".join(with_state(entry, "failed"))),
            _text(", ".join(with_state(entry, "not-checked"))),
        )
        lines.append(f"| {' | '.join(cells)} |")
    left = len(subjects) - _MAX_SUBJECTS
    if left > 0:
        lines += ["", f"{Glyph.more} {left:,} more, none of them worse"]
    return [*lines, ""]


# ---------------------------------------------------------------------------------- run as such


def _about_run(report: Report) -> list[str]:
    """What the findings do not tell: what was left out, and what was not known."""
    lines = []
    if report.suppressed:
        by = Counter(entry.by for entry in report.suppressed)
        lines.append("Suppressed: " + ", ".join(f"{n:,} by {origin}" for origin, n in by.items()))
    if report.gone:
        lines.append(f"Gone since the baseline: {counted(len(report.gone), 'finding')}")
    lines += _listed(
        [f"Skipped {len(held):,}: {_text(why)}" for why, held in by_reason(report.skipped)]
    )
    if report.without_schema:
        objects = counted(sum(kind.resources for kind in report.without_schema), "resource")
        kinds = counted(len(report.without_schema), "kind")
        lines.append(f"{objects} of {kinds} judged by no schema: add `--crds`")
    lines += _listed(
        [
            f"Input taken as incomplete for {_text(entry.concern)}: {_text(entry.reason)}"
            for entry in report.assumptions
            if not entry.complete
        ]
    )
    lines += _listed([_text(notice) for notice in report.notices])
    return ["### About this run", "", *(f"- {line}" for line in lines), ""] if lines else []


def _listed(said: list[str]) -> list[str]:
    left = len(said) - _MAX_REASONS
    return [*said[:_MAX_REASONS], *([f"{Glyph.more} {left:,} more"] if left > 0 else [])]


# -------------------------------------------------------------------------------------- wording


def _text(text: str, length: int = _MAX_TEXT) -> str:
    """Text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\g<0>", _short(text, length))


def _prose(text: str) -> str:
    """Text in which only what stands between backticks is marked up, as code."""
    parts = _short(text, _MAX_TEXT).split("`")
    if len(parts) % 2 == 0:
        parts = ["`".join(parts)]
    marked = [_MARKUP.sub(r"\\\g<0>", part) for part in parts]
    marked[1::2] = [f"<code>{part}</code>" for part in marked[1::2]]
    return "".join(marked)


def _short(text: str, length: int) -> str:
    line = one_line(text)
    # A character can be zero columns wide, so that the width alone bounds nothing.
    return line if len(line) <= length else shorten(line[: length + 1], length)[:length]
