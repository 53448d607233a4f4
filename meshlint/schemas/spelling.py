"""The name that somebody meant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is the fewest edits away; empty where none is near.

    Case, dashes and underscores weigh nothing. A name of three or four letters may be one edit off,
    a longer one two or, from twelve letters on, three.
    """
    folded = _folded(name)
    allowed = bisect_right((3, 5, 12), len(folded))
    best = ""
    for candidate in sorted(known):
        distance = edits(folded, _folded(candidate), allowed)
        if distance <= allowed:
            best, allowed = candidate, distance - 1
        if allowed < 0:
            break
    return best


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def edits(one: str, other: str, limit: int) -> int:
    """Letters to insert, delete, replace or swap with their neighbor; above `limit` no longer
    counted exactly."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
