"""JUnit XML: a suite for each file, a test case for each rule that found something in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.places import place_of
from meshlint.reporters.ranking import in_order
from meshlint.reporters.terminal import one_line
from meshlint.reporters.xml import DECLARATION, attributes, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meshlint.findings import Finding, Report, RuleInfo
    from meshlint.reporters.context import ReportContext

_CLEAN = "no findings"


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """Errors and warnings are failures; what could not be linted is an error.

    Something of severity info passes, with the findings in its output. A name holds no line
    numbers, so that servers recognize a test case in the next run; they take two test cases of one
    name for the same, so all findings of a rule in a file share one.
    """
    rules = {rule.id: rule for rule in context.rules}
    by_file: dict[str, dict[str, list[Finding]]] = {}
    for finding in in_order(report.findings):
        by_rule = by_file.setdefault(finding.location.file.path, {})
        by_rule.setdefault(finding.rule, []).append(finding)
    suites = [_suite(path, by_file[path], rules) for path in sorted(by_file)]
    if not suites:
        # Several servers take a report without any test for a failure.
        suites = [_clean()]
    tests, failures, errors = map(sum, zip(*(numbers for numbers, _ in suites), strict=True))
    head = {"name": "meshlint", "tests": tests, "failures": failures, "errors": errors, "time": 0}
    yield f"{DECLARATION}<testsuites{attributes(head)}>\n"
    for _, suite in suites:
        for line in suite:
            yield f"{line}\n"
    yield "</testsuites>\n"


_Numbers = tuple[int, int, int]
"""Test cases, failures, errors."""


def _clean() -> tuple[_Numbers, list[str]]:
    suite = {"name": "meshlint", "tests": 1, "failures": 0, "errors": 0, "skipped": 0, "time": 0}
    case = {"classname": "meshlint", "name": _CLEAN, "time": 0}
    lines = [f"  <testsuite{attributes(suite)}>", f"    <testcase{attributes(case)}/>"]
    return (1, 0, 0), [*lines, "  </testsuite>"]


def _suite(
    path: str, by_rule: dict[str, list[Finding]], rules: dict[str, RuleInfo]
) -> tuple[_Numbers, list[str]]:
    outcomes = [_outcome(findings) for findings in by_rule.values()]
    numbers = (len(outcomes), outcomes.count("failure"), outcomes.count("error"))
    head = {
        "name": path,
        "tests": numbers[0],
        "failures": numbers[1],
        "errors": numbers[2],
        "skipped": 0,
        "time": 0,
        # Strict schemas allow it here and not on a test case.
        "file": path,
    }
    lines = [f"  <testsuite{attributes(head)}>"]
    for (rule, findings), outcome in zip(by_rule.items(), outcomes, strict=True):
        case = {"classname": path, "name": rule, "time": 0}
        lines.append(f"    <testcase{attributes(case)}>")
        said = "\n".join(escaped(line) for line in _told(findings, rules.get(rule)))
        if outcome == "system-out":
            lines.append(f"      <system-out>{said}</system-out>")
        else:
            about = {"type": findings[0].severity, "message": _message(findings)}
            lines.append(f"      <{outcome}{attributes(about)}>{said}</{outcome}>")
        lines.append("    </testcase>")
    return numbers, [*lines, "  </testsuite>"]


def _outcome(findings: Sequence[Finding]) -> str:
    if any(finding.about_run for finding in findings):
        return "error"
    return "system-out" if findings[0].severity == "info" else "failure"


def _message(findings: Sequence[Finding]) -> str:
    first = one_line(findings[0].message)
    return first if len(findings) == 1 else f"{first} (and {len(findings) - 1:,} more)"


def _told(findings: Sequence[Finding], rule: RuleInfo | None) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{_where(finding)}: {finding.severity}: {one_line(finding.message)}")
        for related in finding.related:
            place = place_of(related)
            at = f"{related.file.path}:{place.line}:{place.column}"
            lines.append(f"  {at}: {one_line(related.message or str(related.resource or ''))}")
    if rule is not None and rule.remediation:
        lines.append(f"help: {one_line(rule.remediation)}")
    return [*lines, f"more: meshlint explain {findings[0].rule}"]


def _where(finding: Finding) -> str:
    place = place_of(finding.location)
    return f"{finding.location.file.path}:{place.line}:{place.column}"
