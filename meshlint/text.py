"""Text of an input file and places in it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate

from meshlint.dataclass import dataclass, field
from meshlint.patterns import regexp

# Editors, git and code hosts break lines at these only; YAML 1.1 knows more (NEL, LS, PS),
# so the parser's own line numbers cannot be used.
_LINE_END = regexp(r"\r\n|\n|\r")
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of code points, counted from 0 at the start of the file's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Line and column, both from 1; columns count code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """One input file.

    `path` is what a person is shown: relative to the working directory where the file lies below
    it, with `/` on every platform. `text` has no byte order mark.
    """

    path: str
    text: str
    exact: bool = True
    """False where bytes of the file are no text and are missing here: it cannot be edited."""
    _line_starts: array[int] = field(default_factory=lambda: array("I"), repr=False)

    def _starts(self) -> array[int]:
        starts = self._line_starts
        if starts:
            return starts
        starts.append(0)
        text = self.text
        if text.count("\r") != text.count("\r\n"):
            starts.extend([match.end() for match in _LINE_END.finditer(text)])
            return starts
        # Without a step of Python for each line: a file may be nothing but line ends.
        for at in range(0, len(text), _CHUNK):
            *lines, _ = text[at : at + _CHUNK].split("\n")
            ends = accumulate(map((1).__add__, map(len, lines)))
            starts.extend(map(at.__add__, ends))
        return starts

    def position(self, offset: int) -> Position:
        """Line and column of an offset; an offset past the end counts as the end."""
        starts = self._starts()
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    def offset(self, position: Position) -> int:
        """Offset of a line and column; a place past the end of the text counts as the end."""
        starts = self._starts()
        line = max(1, min(position.line, len(starts)))
        return min(starts[line - 1] + position.column - 1, len(self.text))

    def line(self, number: int) -> str:
        """Text of a line without its line end; empty for a line that does not exist."""
        starts = self._starts()
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    @property
    def line_count(self) -> int:
        """Number of lines; a final line end does not open another line."""
        starts = self._starts()
        if starts[-1] == len(self.text) and len(starts) > 1:
            return len(starts) - 1
        return len(starts)

    def line_span(self, offset: int) -> Span:
        """The rest of the line from an offset on, without trailing blanks and the line end."""
        starts = self._starts()
        number = bisect_right(starts, max(0, min(offset, len(self.text))))
        end = starts[number] if number < len(starts) else len(self.text)
        stripped = self.text[offset:end].rstrip()
        return Span(offset, offset + len(stripped))
