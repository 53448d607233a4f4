"""Ranges of whole numbers, as parameters of rules give them."""

from __future__ import annotations

from collections.abc import Iterable


def in_ranges(number: int, ranges: Iterable[int | str]) -> bool:
    """Whether a number is one of some numbers and ranges such as `100-200`, ends included."""
    for entry in ranges:
        first, _, last = str(entry).partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False
