"""Which findings to show where a code host does not take all of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meshlint.findings import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meshlint.findings import Finding


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Most severe first, then by place."""
    return sorted(findings, key=_place)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Most severe first, and of one severity every rule's first before any rule's second.

    A list that ends early thus still tells of as many different defects as possible. What could
    not be linted at all comes before its equals, because it hides others.
    """
    seen: Counter[tuple[str, str]] = Counter()
    keyed = []
    for finding in in_order(findings):
        of_rule = (finding.severity, finding.rule)
        seen[of_rule] += 1
        rank = (SEVERITIES.index(finding.severity), seen[of_rule], not finding.about_run)
        keyed.append((rank, finding))
    return [finding for _, finding in sorted(keyed, key=lambda pair: pair[0])]


def _place(finding: Finding) -> tuple[int, str, int, str, str]:
    location = finding.location
    severity = SEVERITIES.index(finding.severity)
    return severity, location.file.path, location.span.start, finding.rule, finding.message
