"""The line hashes by which GitHub code scanning recognizes an alert again.

The algorithm is that of `fingerprints.ts` of github/codeql-action. An upload whose hashes differ
keeps them, but every result then logs a warning, so they must be the same to the bit.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import mul

_WINDOW = 100
_BASE = 37
_MASK = (1 << 64) - 1
_END_OF_FILE = "\uffff"

_POWERS = [pow(_BASE, _WINDOW - 1 - index, 1 << 64) for index in range(_WINDOW)]

# To take 128 bytes of a large number for digits to the base 37: the two of each pair are put
# together, then the pairs, and so on, all of them in one operation. Width in bits, every other
# field of that width, weight of the left one.
_FOLDS: list[tuple[int, int, int]] = [
    (
        width,
        sum(((1 << width) - 1) << at for at in range(0, 1024, 2 * width)),
        _BASE ** (width // 8),
    )
    for width in (8, 16, 32, 64, 128, 256, 512)
]


def line_hashes(text: str, lines: Collection[int]) -> dict[int, str]:
    """Hashes of some lines of a file, counted from 1.

    The hash of a line covers 100 UTF-16 code units from its start, blanks and tabs left out and the
    lines below included. The number behind it says how often the hash has come up so far.
    """
    units = text.replace("\r\n", "\n").replace("\r", "\n").replace(" ", "").replace("\t", "")
    if not units.isascii() and max(units) > "\uffff":
        raw = units.encode("utf-16-le", "surrogatepass")
        units = "".join(map(chr, memoryview(raw).cast("H")))
    units += _END_OF_FILE + "\0" * _WINDOW

    hashes: dict[int, str] = {}
    of_window: dict[str, int] = {}
    seen: dict[int, int] = {}
    start = 0
    for number in range(1, max(lines, default=0) + 1):
        window = units[start : start + _WINDOW]
        value = of_window.get(window)
        if value is None:
            # Different windows can have the same hash, so the window itself cannot be counted.
            of_window[window] = value = _hash(window)
        seen[value] = count = seen.get(value, 0) + 1
        if number in lines:
            hashes[number] = f"{value:x}:{count}"
        start = units.find("\n", start) + 1
        if not start:
            break
    return hashes


def _hash(window: str) -> int:
    value: int
    try:
        value = int.from_bytes(window.encode("latin-1"), "big")
    except UnicodeEncodeError:
        value = sum(map(mul, map(ord, window), _POWERS))
    else:
        for width, fields, weight in _FOLDS:
            value = (value & fields) + (value >> width & fields) * weight
    return value & _MASK
