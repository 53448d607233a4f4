"""What a query of Prometheus or Datadog says: metrics, filters, groups, ratios.

No query is evaluated, so a light reading is enough: unknown syntax is passed over, and nothing
raises. One reader serves both languages, which agree on names, braces and arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from meshlint.dataclass import dataclass
from meshlint.patterns import regexp

MAX_QUERY = 100_000
"""Characters of a query that are read; longer ones are cut there."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric with the text between its braces: label matchers, or tags of Datadog.

    `name` is empty where no name selects; `functions` are those around it, outermost first.
    """

    name: str
    filters: str = ""
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One query as far as it is read."""

    text: str
    selectors: tuple[Selector, ...]
    groups: frozenset[str]
    """Labels or tags that results are grouped by."""
    ratios: tuple[tuple[tuple[Selector, ...], tuple[Selector, ...]], ...]
    """Numerator and denominator of every division."""


_TOKEN = regexp(
    r"""
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<unclosed>["'`])
    |(?P<comment>\#[^\n]*)
    |(?P<name>[A-Za-z_:][\w:.]*)
    |(?P<number>[0-9][\w.]*)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<operator>==|!=|>=|<=|=~|!~|[-+*/%^<>=,])
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME_FILTER = regexp(
    r"""__name__\s*=~?\s*["']([A-Za-z_:][\w:.]*)["']|\s*"([A-Za-z_:][\w:.]*)"\s*(?:,|\Z)"""
)

_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2"})
_LOWER = frozenset({"+", "-", "==", "!=", ">", "<", ">=", "<=", ",", "and", "or", "unless"})
_EQUAL = frozenset({"/", "*", "%"})
_GROUPS_NEXT = regexp(r"\s+(?:by|without)\s*\(", re.IGNORECASE)
_LABEL = regexp(r"[A-Za-z_@][\w.@-]*")
_QUOTES = frozenset("\"'`")
_MAX_UNCLOSED = 8
_MAX_DIVISIONS = 32


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    depth: int
    selector: Selector | None = None


def read_query(text: str) -> Query:
    """Reads a query of PromQL, MetricsQL or Datadog."""
    groups: set[str] = set()
    tokens = list(_tokens(text[:MAX_QUERY], groups))
    divisions = [at for at, token in enumerate(tokens) if token.text == "/"]
    return Query(
        text=text,
        selectors=tuple(token.selector for token in tokens if token.selector is not None),
        groups=frozenset(groups),
        ratios=tuple(
            (_operand(tokens, at, -1), _operand(tokens, at, 1)) for at in divisions[:_MAX_DIVISIONS]
        ),
    )


def _tokens(text: str, groups: set[str]) -> Iterator[_Token]:
    functions: list[str] = []
    position = unclosed = 0
    while (match := _TOKEN.search(text, position)) is not None:
        kind, word = match.lastgroup, match.group()
        keyword = word.lower()
        position = match.end()
        if kind == "unclosed":
            unclosed += 1
            if unclosed > _MAX_UNCLOSED:
                return
        elif kind == "operator" or keyword in _WORDS:
            yield _Token(keyword, len(functions))
        elif kind == "open" and word != "{":
            functions.append("")
        elif kind == "close" and functions:
            functions.pop()
        elif kind == "name" and keyword in _GROUPING:
            start = _opening(text, position, "({")
            if start is not None:
                position = _closing(text, start)
                if keyword == "by":
                    groups.update(_LABEL.findall(text, start, position))
        elif kind == "name" and _GROUPS_NEXT.match(text, position):
            continue  # an aggregation that says its labels first: sum by (service) (...)
        elif kind == "name" and ":" not in word and _opening(text, position, "(") is not None:
            functions.append(word)
            position = text.index("(", position) + 1
        elif (kind == "name" and text[match.start() - 1 : match.start()] != "$") or word == "{":
            start = match.start() if word == "{" else _opening(text, position, "{")
            name, filters = "" if word == "{" else word, ""
            if start is not None:
                position = _closing(text, start)
                filters = text[start + 1 : position - 1]
            yield _Token("", len(functions), _selector(name, filters, functions))


def _selector(name: str, filters: str, functions: Sequence[str]) -> Selector:
    if not name and (named := _NAME_FILTER.search(filters)):
        name = named[1] or named[2]
    # Datadog puts the aggregator before the name: sum:istio.pilot.xds{*}
    name = name.rpartition(":")[2] if "." in name else name
    return Selector(name, filters, tuple(function for function in functions if function))


def _opening(text: str, position: int, brackets: str) -> int | None:
    """Where one of the brackets stands, if it is what comes next."""
    while position < len(text) and text[position].isspace():
        position += 1
    return position if position < len(text) and text[position] in brackets else None


_BRACKETS = regexp(r"""[(){}\[\]]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|["'`]""", re.DOTALL)


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` is closed; the end of the text where it is not."""
    depth = unclosed = 0
    for match in _BRACKETS.finditer(text, start):
        if match.group() in "({[":
            depth += 1
        elif match.group() in ")}]":
            depth -= 1
            if depth == 0:
                return match.end()
        elif match.group() in _QUOTES:
            unclosed += 1
            if unclosed > _MAX_UNCLOSED:
                break
    return len(text)


def _operand(tokens: Sequence[_Token], at: int, step: int) -> tuple[Selector, ...]:
    """Selectors of what stands left (-1) or right (1) of a division."""
    depth = tokens[at].depth
    found = []
    index = at + step
    while 0 <= index < len(tokens) and tokens[index].depth >= depth:
        token = tokens[index]
        if token.depth == depth and token.selector is None:
            if token.text in _LOWER or (step > 0 and token.text in _EQUAL):
                break
        elif token.selector is not None:
            found.append(token.selector)
        index += step
    return tuple(found)
