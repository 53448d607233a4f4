"""Kubernetes resource quantities, in exact decimal arithmetic.

Source: Kubernetes API, `k8s.io/apimachinery/pkg/api/resource` (grammar in the comment of Quantity).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

from meshlint.patterns import regexp

_GRAMMAR = regexp(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]))?\Z"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_MAX_EXPONENT = 40


def parse_quantity(value: Any) -> Decimal | None:
    """The number a quantity stands for (cores, bytes); None when it is not a quantity.

    Numbers are quantities too, as YAML turns `cpu: 2` into one.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _GRAMMAR.match(str(value))
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    if len(number) > _MAX_EXPONENT:
        return None
    result = Decimal(number)
    if exponent:
        power = int(exponent[1:])
        return None if abs(power) > _MAX_EXPONENT else result.scaleb(power)
    if suffix in _BINARY:
        return result * Decimal(1024 ** _BINARY[suffix])
    return result.scaleb(_DECIMAL[suffix]) if suffix else result


def is_finer_than_milli(amount: Decimal) -> bool:
    """Whether an amount is no whole number of thousandths."""
    thousandths = amount.scaleb(3)
    return thousandths != thousandths.to_integral_value()


def suffix_of(value: Any) -> str:
    """The unit as written (`Mi`, `m`, ...), empty for a bare number or an exponent."""
    match = _GRAMMAR.match(str(value))
    return (match.group(3) or "") if match else ""


def format_cpu(cores: Decimal) -> str:
    """CPU as people write it: whole cores plain, everything else in millicores, rounded up."""
    if cores == cores.to_integral_value():
        return str(int(cores))
    return f"{int((cores * 1000).to_integral_value(ROUND_CEILING))}m"


def format_memory(size: Decimal) -> str:
    """Memory in the largest binary unit that shows it exactly, else in bytes rounded up."""
    whole = int(size.to_integral_value(ROUND_CEILING))
    for unit, power in reversed(_BINARY.items()):
        if whole and whole % 1024**power == 0:
            return f"{whole // 1024**power}{unit}"
    for unit, tens in (("G", 9), ("M", 6), ("k", 3)):
        if whole and whole % 10**tens == 0:
            return f"{whole // 10**tens}{unit}"
    return str(whole)
