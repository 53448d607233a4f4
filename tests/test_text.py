"""Lines and columns as editors, git and code hosts count them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlint.text import Position, SourceFile, Span

LINES = st.text(alphabet=st.sampled_from("ab \t\r\n\x0b\x0c\x85\u2028é😀"), max_size=40)


def file(text: str) -> SourceFile:
    return SourceFile("a.yaml", text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("\n", [""]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\r", ["a", "b"]),
        ("a\n\rb\r\n\r\nc", ["a", "", "b", "", "c"]),
        ("a\x85b\u2028c\u2029d\x0be\x0cf\n", ["a\x85b\u2028c\u2029d\x0be\x0cf"]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    source = file(text)
    assert source.line_count == len(lines)
    assert [source.line(number) for number in range(1, len(lines) + 1)] == lines


@pytest.mark.parametrize("number", [0, -1, 3, 100])
def test_no_line(number: int) -> None:
    assert file("a\nb").line(number) == ""


@pytest.mark.parametrize(
    ("offset", "line", "column"),
    [(0, 1, 1), (1, 1, 2), (2, 1, 3), (3, 2, 1), (4, 2, 2), (5, 2, 3), (9, 2, 3), (-1, 1, 1)],
)
def test_columns_count_characters(offset: int, line: int, column: int) -> None:
    assert file("é😀\nab").position(offset) == Position(line, column)


def test_a_line_end_belongs_to_its_line() -> None:
    source = file("a\r\nb")
    assert [source.position(offset).line for offset in range(4)] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, Span(0, 4)), (2, Span(2, 4)), (5, Span(5, 5)), (7, Span(7, 9)), (9, Span(9, 9))],
)
def test_rest_of_a_line(offset: int, expected: Span) -> None:
    assert file("ab c \t\nde").line_span(offset) == expected


@given(LINES)
def test_positions_and_lines_agree(text: str) -> None:
    source = file(text)
    for offset, character in enumerate(text):
        position = source.position(offset)
        line = source.line(position.line)
        if character not in "\r\n":
            assert line[position.column - 1] == character
        else:
            assert position.column > len(line)
        span = source.line_span(offset)
        assert span.start == offset
        assert text[span.start : span.end] == line[position.column - 1 :].rstrip()


@given(LINES)
def test_lines_hold_the_whole_text(text: str) -> None:
    source = file(text)
    lines = [source.line(number) for number in range(1, source.line_count + 1)]
    breaks = text.replace("\r\n", "\n").replace("\r", "\n")
    assert "\n".join(lines) == breaks.removesuffix("\n")


def test_lines_of_a_long_text() -> None:
    text = "".join(f"{'x' * (number % 97)}\n" for number in range(6_000))
    assert len(text) > 200_000
    file = SourceFile("long.yaml", text)
    lines = text.split("\n")
    assert [file.line(number + 1) for number in range(len(lines))] == lines
    starts = [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    assert [file.position(start) for start in starts] == [
        Position(number + 1, 1) for number in range(len(lines))
    ]
