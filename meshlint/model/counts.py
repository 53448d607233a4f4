"""Numbers of pods, given as such or as a percentage (`IntOrString` of the Kubernetes API)."""

from __future__ import annotations

from typing import Any

from meshlint.model.values import integer
from meshlint.patterns import regexp

_PERCENT = regexp(r"([0-9]{1,9})%\Z")


def percentage(value: Any) -> int | None:
    """The percentage that a field gives; None for anything else."""
    match = _PERCENT.match(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def pod_count(value: Any, total: int, *, round_up: bool) -> int | None:
    """The number of pods that a field stands for, of `total`; None where it is none."""
    percent = percentage(value)
    if percent is None:
        count = integer(value)
        return count if count is not None and count >= 0 else None
    return -(-total * percent // 100) if round_up else total * percent // 100


def is_zero(value: Any) -> bool:
    """Whether a field is written as 0 or 0%."""
    return percentage(value) == 0 or integer(value) == 0
