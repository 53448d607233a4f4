"""Code frames: lines of a file with places underlined and labeled."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass
from meshlint.patterns import regexp
from meshlint.reporters.terminal import (
    BLUE,
    TAB,
    Glyph,
    char_width,
    one_line,
    paint,
    visible,
    width_of,
    wrap,
)

if TYPE_CHECKING:
    from meshlint.findings import Location
    from meshlint.reporters.places import Place
    from meshlint.text import SourceFile

HIDDEN = f"{Glyph.left_quote}not shown: Secret{Glyph.right_quote}"

# Room a label needs before it is worth starting it below its underline instead of further left.
_LABEL_ROOM = 32

_KEY = regexp(
    r"""\s* (?:-\s+)* (?P<quote>["']?) (?P<key>[^\s"':{}\[\],&*\#|>]+) (?P=quote) \s*:(?=\s|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Label:
    """A place to underline."""

    location: Location
    place: Place
    primary: bool
    hidden: bool
    """The text of the line must not be shown."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """An underline in columns of the line as it is printed, from 0."""

    start: int
    end: int
    text: str
    primary: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """Half-open range of characters of a line, with what is said about it."""

    start: int
    end: int
    label: Label


def frame_lines(
    file: SourceFile, labels: Sequence[Label], digits: int, width: int, color: str | None
) -> list[str]:
    """The frame of one file.

    `digits` is the width of the line numbers, `width` that of the terminal. `color` is the color of
    the primary underline, None for a frame without colors.
    """
    painter = _Painter(digits, color)
    room = max(_LABEL_ROOM, width - digits - 3)
    hidden = any(label.hidden for label in labels)
    one_document = len({label.location.document for label in labels}) == 1
    by_line: dict[int, list[Label]] = {}
    for label in labels:
        by_line.setdefault(label.place.line, []).append(label)
    lines = [painter.gutter()]
    previous = 0
    for number in sorted(by_line):
        if previous and number - previous == 2 and one_document and not hidden:
            text, _, _ = _visible_part(file.line(number - 1), [], room)
            lines.append(painter.gutter(number - 1, text))
        elif previous and number - previous > 1:
            lines.append(painter.gap())
        lines += _line_rows(painter, file, number, by_line[number], room)
        previous = number
    return lines


@dataclass(frozen=True, slots=True)
class _Painter:
    digits: int
    color: str | None

    def gutter(self, number: int | None = None, text: str = "") -> str:
        shown = "" if number is None else str(number)
        bar = paint(f"{shown:>{self.digits}} |", BLUE, self.color is not None)
        return f"{bar} {text}" if text else bar

    def gap(self) -> str:
        return paint("...", BLUE, self.color is not None)

    def segments(self, segments: Iterable[tuple[int, str, _Mark]]) -> str:
        """Texts at columns, in ascending order, each in the color of its mark."""
        row = ""
        at = 0
        for column, text, mark in segments:
            color = self.color if mark.primary else BLUE
            row += " " * (column - at) + paint(text, color or "", self.color is not None)
            at = column + width_of(text)
        return row


def _line_rows(
    painter: _Painter, file: SourceFile, number: int, labels: Sequence[Label], room: int
) -> list[str]:
    line = file.line(number)
    if any(label.hidden for label in labels):
        line, spans = _redacted(line, labels)
    else:
        spans = [_span(label) for label in labels]
    rows = []
    pending = sorted(spans, key=lambda span: (not span.label.primary, span.start))
    while pending:
        text, marks, pending = _visible_part(line, pending, room)
        rows.append(painter.gutter(number, text))
        rows += [painter.gutter(text=row) for row in _underlines(painter, marks, room)]
    return rows


def _span(label: Label) -> _Span:
    return _Span(label.place.column - 1, label.place.end_column - 1, label)


def _redacted(line: str, labels: Sequence[Label]) -> tuple[str, list[_Span]]:
    # Only a key that the pointer of the place names anyway is shown: a line that looks like a key
    # and a value can be part of a longer value.
    named = {
        step.replace("~1", "/").replace("~0", "~")
        for label in labels
        for step in label.location.pointer.split("/")[1:]
    }
    found = _KEY.match(line)
    if found is None or found["key"] not in named:
        return HIDDEN, [_Span(0, len(HIDDEN), label) for label in labels]
    shown = f"{found.group()} {HIDDEN}"
    spans = []
    for label in labels:
        span = _span(label)
        if span.end > found.end():
            span = _Span(found.end() + 1, len(shown), label)
        spans.append(span)
    return shown, spans


def _layout(line: str) -> tuple[Sequence[str], Sequence[int]]:
    """What is printed for each character of a line, and the column at which each begins and the
    last one ends."""
    if line.isascii() and line.isprintable():
        return line, range(len(line) + 1)
    shown: list[str] = []
    columns = [0]
    for char in line:
        at = columns[-1]
        piece = " " * (TAB - at % TAB) if char == "\t" else visible(char)
        shown.append(piece)
        columns.append(at + (char_width(piece) if len(piece) == 1 else len(piece)))
    return shown, columns


def _visible_part(
    line: str, spans: Sequence[_Span], room: int
) -> tuple[str, list[_Mark], list[_Span]]:
    """The part of a line that fits, the marks in it, and the spans that lie outside of it.

    The first of the spans is always inside.
    """
    line += " " * (max((span.end for span in spans), default=0) - len(line))
    shown, columns = _layout(line)
    first, last = 0, len(shown)
    if columns[-1] > room:
        start = min((span.start for span in spans), default=0)
        end = max((span.end for span in spans), default=0)
        if spans and columns[end] - columns[start] > room - 2:
            start, end = spans[0].start, spans[0].end
        first, last = _window(columns, start, end, room)
    shift = columns[first] - (1 if first else 0)
    limit = columns[last] - shift
    before = Glyph.more if first else ""
    after = Glyph.more if last < len(shown) else ""
    text = before + "".join(shown[first:last]) + after
    marks = []
    outside = []
    for span in spans:
        if first <= span.start < last:
            begin = columns[span.start] - shift
            finish = max(begin + 1, min(columns[span.end] - shift, limit))
            said = one_line(span.label.location.message)
            marks.append(_Mark(begin, finish, said, span.label.primary))
        else:
            outside.append(span)
    return text.rstrip(), marks, outside


def _window(columns: Sequence[int], start: int, end: int, room: int) -> tuple[int, int]:
    """Range of characters to show of a line: around the span if it does not fit from the start."""
    total = len(columns) - 1
    first = 0
    if columns[end] > room - 1:
        lead = max(room // 4, min(room // 2, room - 2 - (columns[end] - columns[start])))
        left = min(columns[start] - lead, columns[-1] - room + 1)
        if left > 0:
            first = bisect_left(columns, left)
            while first < start and columns[first] == columns[first + 1]:
                first += 1
    right = columns[first] - (1 if first else 0) + room
    if columns[-1] <= right:
        return first, total
    return first, bisect_right(columns, right - 1) - 1


def _underlines(painter: _Painter, marks: Sequence[_Mark], room: int) -> list[str]:
    """Rows below a line: the underlines, and the labels, the last one beside its underline."""
    owners: list[_Mark | None] = [None] * max(mark.end for mark in marks)
    for mark in sorted(marks, key=lambda mark: mark.primary):
        owners[mark.start : mark.end] = [mark] * (mark.end - mark.start)
    segments = []
    at = 0
    for owner, cells in groupby(owners):
        length = len(list(cells))
        if owner is not None:
            segments.append((at, ("^" if owner.primary else "-") * length, owner))
        at += length

    beside = max(marks, key=lambda mark: (mark.start, mark.end, mark.primary))
    below = sorted((mark for mark in marks if mark.text), key=lambda mark: -mark.start)
    if beside.end == len(owners) and beside.end + 1 + width_of(beside.text) <= room:
        below = [mark for mark in below if mark is not beside]
        if beside.text:
            segments.append((beside.end + 1, beside.text, beside))
    rows = [painter.segments(segments)]
    if below and len(marks) > 1:
        rows.append(_connectors(painter, below, room))
    for index, mark in enumerate(below):
        column = mark.start
        if room - column < min(width_of(mark.text), _LABEL_ROOM):
            column = max(0, room - max(_LABEL_ROOM, min(width_of(mark.text), room // 2)))
        rest = below[index + 1 :]
        rows += [
            _connectors(painter, rest, column, said=(line, mark))
            for line in wrap(mark.text, room - column)
        ]
    return rows


def _connectors(
    painter: _Painter, marks: Sequence[_Mark], before: int, said: tuple[str, _Mark] | None = None
) -> str:
    """Bars that lead down to labels still to come, left of a column, and a label at that column."""
    bars = {mark.start: mark for mark in marks if mark.start < before}
    segments = [(column, "|", bars[column]) for column in sorted(bars)]
    if said is not None:
        segments.append((before, *said))
    return painter.segments(segments)
