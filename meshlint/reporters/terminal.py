"""Text for a terminal: what may be shown, how wide it is, how it is colored."""

from __future__ import annotations

import unicodedata

from meshlint.findings import Severity, printable
from meshlint.patterns import regexp


class Glyph:
    """Every character outside ASCII that text output adds of its own accord."""

    passed = "✔"
    failed = "✗"
    unknown = "?"
    more = "…"
    dash = "—"
    separator = "·"
    left_quote = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
    right_quote = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


TO_ASCII = str.maketrans(
    {
        Glyph.passed: "+",
        Glyph.failed: "x",
        Glyph.more: "~",
        Glyph.dash: "-",
        Glyph.separator: "|",
        Glyph.left_quote: "<",
        Glyph.right_quote: ">",
    }
)
"""For `str.translate` where the output's encoding lacks the glyphs. One column each, so that what
is aligned stays aligned."""

MIN_WIDTH = 40
"""A narrower terminal is treated as one of this many columns."""

TAB = 4
"""Columns between tab stops in code frames."""

# Beyond the control characters: what reorders or hides text, line ends that few programs know, lone
# surrogates, which cannot be encoded, and what XML cannot hold.
UNSAFE = (
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff"
)
"""Part of a character class of a regular expression."""

_UNSAFE = regexp(f"[{UNSAFE}]")


def visible(text: str) -> str:
    """Text with everything escaped that could drive a terminal or mislead its reader."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", printable(text))


def one_line(text: str) -> str:
    """`visible` text with every run of white space, line ends included, made one blank."""
    return visible(" ".join(text.split()))


def char_width(char: str) -> int:
    """Columns of one visible character."""
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def width_of(text: str) -> int:
    """Columns of visible text without colors."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def wrap(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of `width` columns, all but the first indented.

    They break at blanks. A longer word, such as a path, stays whole so that it can be copied; one
    that is not ASCII is broken, because many scripts have no blanks.
    """
    words = text.split()
    whole = " ".join(words)
    if width_of(whole) <= width:
        return [whole] if words else []
    lines = []
    line: list[str] = []
    margin = used = 0
    for word in words:
        length = width_of(word)
        if line and used + 1 + length <= width:
            line.append(word)
            used += 1 + length
            continue
        if line:
            lines.append(" " * margin + " ".join(line))
            margin = indent
        while margin + length > width and not word.isascii():
            head = _head(word, width - margin)
            lines.append(" " * margin + head)
            margin = indent
            word = word[len(head) :]
            length = width_of(word)
        line = [word]
        used = margin + length
    return [*lines, " " * margin + " ".join(line)]


def _head(word: str, width: int) -> str:
    used = 0
    for index, char in enumerate(word):
        used += char_width(char)
        if used > width and index:
            return word[:index]
    return word


def shorten(text: str, width: int) -> str:
    """The text, or as many of its words as fit with a mark at the end that says there is more."""
    if width_of(text) <= width:
        return text
    head = _head(text, max(1, width - 1))
    whole, blank, _ = head.rpartition(" ")
    return (whole if blank else head) + Glyph.more


BOLD = "1"
DIM = "2"
GREEN = "32"
BLUE = "1;34"
SEVERITY_COLORS: dict[Severity, str] = {"error": "1;31", "warning": "1;33", "info": "1;36"}


def paint(text: str, color: str, enabled: bool) -> str:
    """The text in a color (SGR parameters), or as it is."""
    return f"\x1b[{color}m{text}\x1b[0m" if enabled and color and text else text
