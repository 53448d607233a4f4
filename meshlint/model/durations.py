"""Durations as Go and protobuf write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from meshlint.patterns import regexp

_PART = regexp(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DURATION = regexp(f"([-+]?)((?:{_PART.pattern})+)")
_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_LONGEST = 40


def signed_seconds(value: Any) -> Decimal | None:
    """Seconds of a duration such as `30s`, `1m30s` or `-5s`; None when it is none.

    A bare `0` is a duration, any other number without unit is not (Go, `time.ParseDuration`).
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    if value in ("0", "+0", "-0"):
        return Decimal(0)
    found = _DURATION.fullmatch(value)
    if found is None:
        return None
    parts = (Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(found[2]))
    total = sum(parts, Decimal(0))
    return -total if found[1] == "-" else total


def seconds(value: Any) -> Decimal | None:
    """Seconds of a duration that is not negative; None for anything else."""
    found = signed_seconds(value)
    return found if found is not None and not found.is_signed() else None
