"""SARIF 2.1.0, as GitHub code scanning takes it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from meshlint.findings import RuleInfo
from meshlint.patterns import regexp
from meshlint.reporters.fingerprints import line_hashes
from meshlint.reporters.json import dump, listed
from meshlint.reporters.places import place_of, quoted, repository_path
from meshlint.reporters.ranking import in_order, ranked

if TYPE_CHECKING:
    from meshlint.findings import Finding, Fix, Location, Report, Severity
    from meshlint.reporters.context import ReportContext

MAX_RESULTS = 25_000
"""GitHub refuses a run with more."""
MAX_SHOWN = 5_000
"""GitHub shows no more of a run."""
MAX_GZIPPED = 10_000_000
"""Bytes of a compressed file; GitHub refuses a larger one."""

_MAX_RELATED = 20
_MAX_DESCRIPTION = 1_000  # GitHub takes 1,024 characters
_MAX_NAME = 255

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_PROBLEM_SEVERITIES: dict[Severity, str] = {
    "error": "error",
    "warning": "warning",
    "info": "recommendation",
}

# A score turns an alert into a security alert, so only rules that are about security by nature get
# one: high, medium and low on GitHub's scale.
_SECURITY_CATEGORIES = frozenset({"mesh-security", "pod-security", "rbac", "supply-chain"})
_SECURITY_SCORES: dict[Severity, str] = {"error": "8.0", "warning": "5.0", "info": "3.0"}

_RESERVED = regexp(r"[\\\[\]]")
_LINK_LIKE = regexp(r"\[(?=[^\[\]]*\]\()")

_BEGIN = """\
{
  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
  "version": "2.1.0",
  "runs": [
    {
      "tool": {
        "driver": {
          "name": "meshlint",
          "version": %s,
          "semanticVersion": %s,
          "informationUri": "https://github.com/meshlint/meshlint",
          "rules": %s
        }
      },
      "automationDetails": {"id": %s},
      "columnKind": "unicodeCodePoints",
      "invocations": [
        {
          "executionSuccessful": true,
          "toolExecutionNotifications": %s
        }
      ],
      "results": """
_END = """
    }
  ]
}
"""


def render(report: Report, context: ReportContext) -> list[str]:
    """One run with every enabled rule and the findings, most severe first.

    More findings than GitHub shows come in an order of which any beginning tells the most.
    """
    order = in_order if len(report.findings) <= MAX_SHOWN else ranked
    findings = order(report.findings)[:MAX_RESULTS]
    rules = _rules(report, context)
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    hashes = _hashes(findings)
    fixed = sum(_fix_of(finding) is not None for finding in findings)

    def results() -> Iterator[str]:
        for finding in findings:
            result = _result(finding, numbers[finding.rule], hashes, context)
            fix = _fix_of(finding) if fixed else None
            if fix is not None:
                result["fixes"] = [_fix(fix, context)]
            yield dump(result)

    pieces = [*_written(report, rules, results(), len(findings), fixed, context)]
    while findings and (size := _gzipped(pieces)) > MAX_GZIPPED:
        if fixed:
            fixed = 0  # GitHub does nothing with them
        else:
            findings = findings[: int(len(findings) * MAX_GZIPPED / size * 0.9)]
        pieces = [*_written(report, rules, results(), len(findings), fixed, context)]
    return pieces


def _written(
    report: Report,
    rules: Sequence[RuleInfo],
    results: Iterator[str],
    kept: int,
    fixed: int,
    context: ReportContext,
) -> Iterator[str]:
    version = dump(context.version)
    notifications = _notifications(report, rules, _cut_off(report, kept, fixed), context)
    yield _BEGIN % (
        version,
        version,
        "".join(listed((dump(_rule(rule)) for rule in rules), " " * 10)),
        # What follows the last slash would name a single run.
        dump(f"{context.category.rstrip('/')}/"),
        "".join(listed(map(dump, notifications), " " * 10)),
    )
    yield from listed(results, " " * 6)
    yield _END


def _gzipped(pieces: Sequence[str]) -> int:
    if sum(map(len, pieces)) < MAX_GZIPPED // 4:
        return 0  # so small that it fits as it is, whatever its characters are
    packed = zlib.compressobj()
    size = sum(len(packed.compress(piece.encode("utf-8"))) for piece in pieces)
    return size + len(packed.flush())


# ---------------------------------------------------------------------------------------- rules


def _rules(report: Report, context: ReportContext) -> list[RuleInfo]:
    rules = {rule.id: rule for rule in context.rules}
    for finding in report.findings:
        if finding.rule not in rules:
            rules[finding.rule] = RuleInfo(finding.rule, finding.rule, finding.severity, "")
    return [rules[rule_id] for rule_id in sorted(rules)]


def _rule(rule: RuleInfo) -> dict[str, Any]:
    security = rule.category in _SECURITY_CATEGORIES
    tags = ["security" if security else "", rule.category, rule.checklist]
    descriptor: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-"))[:_MAX_NAME],
        "shortDescription": {"text": _cut(rule.title)},
        "fullDescription": {"text": _cut(rule.rationale or rule.title)},
        "help": {"text": _help_text(rule), "markdown": _help_markdown(rule)},
    }
    if rule.help_uri:
        descriptor["helpUri"] = rule.help_uri
    descriptor["defaultConfiguration"] = {"level": _LEVELS[rule.severity]}
    properties: dict[str, Any] = {
        "tags": list(dict.fromkeys(filter(None, tags))),
        "precision": rule.precision,
        "problem.severity": _PROBLEM_SEVERITIES[rule.severity],
    }
    if security:
        properties["security-severity"] = _SECURITY_SCORES[rule.severity]
    descriptor["properties"] = properties
    return descriptor


def _cut(text: str) -> str:
    text = " ".join(text.split())
    if len(text) <= _MAX_DESCRIPTION:
        return text
    return text[:_MAX_DESCRIPTION].rsplit(" ", 1)[0] + " …"


def _help_text(rule: RuleInfo) -> str:
    parts = [rule.remediation.strip() or rule.title, *rule.references]
    return "\n".join([*parts, f"More: meshlint explain {rule.id}"])


def _help_markdown(rule: RuleInfo) -> str:
    parts = [rule.rationale.strip() or rule.title]
    if rule.remediation:
        parts.append(f"**What to do:** {rule.remediation.strip()}")
    if rule.references:
        parts.append("\n".join(f"- {reference}" for reference in rule.references))
    if rule.covers:
        parts.append("Includes " + ", ".join(f"`{check}`" for check in rule.covers) + ".")
    page = f"[{rule.id}]({rule.help_uri}), " if rule.help_uri else ""
    parts.append(f"More: {page}`meshlint explain {rule.id}`")
    return "\n\n".join(parts)


# -------------------------------------------------------------------------------------- results


def _result(
    finding: Finding,
    rule_number: int,
    hashes: Mapping[str, Mapping[int, str]],
    context: ReportContext,
) -> dict[str, Any]:
    location = finding.location
    related = finding.related[:_MAX_RELATED]
    fingerprints = {}
    if not location.hide_text:
        # A hash of lines that hold a secret can be used to try out guesses.
        line = place_of(location).line
        fingerprints["primaryLocationLineHash"] = hashes[location.file.path][line]
    if finding.fingerprint:
        fingerprints["meshlint/v1"] = finding.fingerprint
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_number,
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding, related)},
        "locations": [_location(location, context)],
    }
    if related:
        result["relatedLocations"] = [
            {
                "id": number,
                **_location(place, context),
                "message": {"text": _plain(_related_text(place))},
            }
            for number, place in enumerate(related, 1)
        ]
    if fingerprints:
        result["partialFingerprints"] = fingerprints
    return result


def _fix_of(finding: Finding) -> Fix | None:
    return finding.fix if finding.fix is not None and finding.fix.edits else None


def _fix(fix: Fix, context: ReportContext) -> dict[str, Any]:
    by_file: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits or ():
        start, end = edit.file.position(edit.span.start), edit.file.position(edit.span.end)
        replacement: dict[str, Any] = {
            "deletedRegion": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            }
        }
        if edit.text:
            replacement["insertedContent"] = {"text": edit.text}
        by_file.setdefault(edit.file.path, []).append(replacement)
    return {
        "description": {"text": _plain(fix.description)},
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(path, context)}, "replacements": replacements}
            for path, replacements in by_file.items()
        ],
    }


def _message(finding: Finding, related: Sequence[Location]) -> str:
    if not related:
        return _plain(finding.message)
    # GitHub shows a related location only where the message links to it.
    links = [
        f"[{_escape(_related_text(place))}]({number})" for number, place in enumerate(related, 1)
    ]
    left = len(finding.related) - len(related)
    if left:
        links.append(f"and {left} more places")
    message = _escape(finding.message)
    stop = "" if message.endswith((".", "!", "?")) else "."
    return f"{message}{stop} Related: {', '.join(links)}."


def _related_text(place: Location) -> str:
    return place.message or str(place.resource or "") or place.file.path


def _escape(text: str) -> str:
    return _RESERVED.sub(r"\\\g<0>", text)


def _plain(text: str) -> str:
    """Text that no viewer takes for one with links."""
    return _LINK_LIKE.sub(r"\\[", text)


def _location(location: Location, context: ReportContext) -> dict[str, Any]:
    # One line, because GitHub shows an alert in a pull request only if the whole region is part of
    # the change.
    place = place_of(location)
    found: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(location.file.path, context)},
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.line,
                "endColumn": place.end_column,
            },
        }
    }
    resource = location.resource
    if resource is not None and resource.name:
        found["logicalLocations"] = [
            {"name": resource.name, "fullyQualifiedName": str(resource), "kind": "resource"}
        ]
    return found


def _uri(path: str, context: ReportContext) -> str:
    """A percent-encoded URI relative to the root of the repository."""
    raw = repository_path(path, context)
    if PurePath(raw).drive:
        return PurePath(raw).as_uri()
    return quoted(raw)


def _hashes(findings: Sequence[Finding]) -> dict[str, dict[int, str]]:
    wanted: dict[str, set[int]] = {}
    texts = {}
    for finding in findings:
        location = finding.location
        wanted.setdefault(location.file.path, set()).add(place_of(location).line)
        texts[location.file.path] = location.file.text
    return {path: line_hashes(texts[path], lines) for path, lines in wanted.items()}


# -------------------------------------------------------------------------------- notifications


def _notifications(
    report: Report,
    rules: Sequence[RuleInfo],
    cut_off: Sequence[str],
    context: ReportContext,
) -> list[dict[str, Any]]:
    """What a reader of the file must know about the run itself."""
    about_run = {rule.id: number for number, rule in enumerate(rules) if rule.about_run}
    notifications: list[dict[str, Any]] = [
        {
            "level": _LEVELS[finding.severity],
            "message": {"text": _plain(finding.message)},
            "locations": [_location(finding.location, context)],
            "associatedRule": {"id": finding.rule, "index": about_run[finding.rule]},
        }
        for finding in report.findings
        if finding.rule in about_run
    ]
    reasons = Counter(entry.reason for entry in report.skipped)
    notifications += [
        {"level": "note", "message": {"text": _plain(f"Skipped {count}: {reason}")}}
        for reason, count in sorted(reasons.items())
    ]
    return [
        *notifications,
        *({"level": "warning", "message": {"text": said}} for said in cut_off),
    ]


def _cut_off(report: Report, kept: int, fixed: int) -> list[str]:
    """What was left out because of GitHub's limits, and what GitHub will leave out itself."""
    said = []
    total = len(report.findings)
    if total > kept:
        said.append(
            f"{total - kept:,} of {total:,} findings are left out, as GitHub refuses more; kept are"
            " the most severe ones, of as many rules as possible"
        )
    if kept > MAX_SHOWN:
        said.append(f"GitHub shows {MAX_SHOWN:,} of {kept:,} findings, the most severe ones")
    if not fixed and any(_fix_of(finding) for finding in report.findings):
        said.append("the fixes are left out, as GitHub refuses a larger file")
    return said
