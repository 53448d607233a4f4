"""How many pods a PodDisruptionBudget lets go (Kubernetes, disruption controller)."""

from __future__ import annotations

from typing import Any


def scaled(value: Any, count: int) -> int | None:
    """A number, or a percentage of `count` rounded up; None for anything else.

    Both fields of a budget are rounded up
    (`GetScaledValueFromIntOrPercent` in the disruption controller).
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.endswith("%"):
        digits = value[:-1]
        if digits.isascii() and digits.isdigit() and len(digits) < 7:
            return -(-int(digits) * count // 100)
    return None


def evictions_allowed(count: int, min_available: Any, max_unavailable: Any) -> int | None:
    """Pods of `count` that may be evicted at a time; None where the budget sets no number."""
    if min_available is not None:
        kept = scaled(min_available, count)
        return None if kept is None else max(count - kept, 0)
    if max_unavailable is not None:
        lost = scaled(max_unavailable, count)
        return None if lost is None else min(max(lost, 0), count)
    return None
