"""YAML and JSON text as plain values, with positions beside them.

Values are `dict`, `list`, `str`, `int`, `float`, `bool` and `None`, as kubectl would send them to the
API server. Values that an alias shares are the same objects: nobody may change a value.

Scalars resolve by the rules of sigs.k8s.io/yaml (go-yaml v2: YAML 1.1 words such as `yes` and `on`,
C-like octal numbers, no timestamps, no sexagesimals), and mapping keys become strings.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from meshlint.findings import Path
from meshlint.text import SourceFile, Span

try:
    from ruamel.yaml.cyaml import CParser
except ImportError:  # no wheel of ruamel.yaml.clib for this interpreter
    CParser = None

MAX_DEPTH = 200
"""Levels of nesting; the deepest known manifests (schemas in definitions) need about 60."""

MAX_ALIASED_NODES = 1_000_000
"""Nodes that all aliases of one document may stand for together; an alias bomb stands for billions."""

ProblemKind = Literal["syntax", "duplicate-key", "unreadable", "malformed"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the text itself. `document` counts from 0 in the file."""

    kind: ProblemKind
    message: str
    span: Span
    document: int = 0
    related: tuple[tuple[Span, str], ...] = ()
    secret: bool = False
    """The text around the place may hold values of a Secret and must not be shown."""


_WIDTH = 3


@dataclass(slots=True)
class _Positions:
    # Three numbers a node, in the order the parser meets the nodes: start offset, end offset, and
    # the number of the node that follows its last descendant.
    nodes: array[int] = field(default_factory=lambda: array("I"))
    # Mappings whose children cannot be counted off against the keys of the value: those with merge
    # keys or duplicate keys. Node -> key -> (node of the key, node of the value).
    irregular: dict[int, dict[str, tuple[int, int]]] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)

    def span(self, node: int) -> Span:
        return Span(self.nodes[node * _WIDTH], self.nodes[node * _WIDTH + 1])


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One YAML or JSON document: its plain value, and where everything in it stands."""

    file: SourceFile
    index: int
    value: Any
    span: Span
    _positions: _Positions | None

    def span_of(self, path: Path) -> Span | None:
        """Span of the value at a path; None where nothing stands there."""
        positions = self._positions
        found = self._find(path)
        return None if found is None or positions is None else self._trimmed(positions, found[1])

    def key_span(self, path: Path) -> Span | None:
        """Span of the key at the end of a path (for list items, of the item)."""
        positions = self._positions
        found = self._find(path)
        if found is None or positions is None:
            return None
        key, value = found
        return self._trimmed(positions, value if key is None else key)

    def _trimmed(self, positions: _Positions, node: int) -> Span:
        # A block scalar ends for the parser after the blank lines below it.
        span = positions.span(node)
        text = self.file.text[span.start : span.end]
        return Span(span.start, span.start + len(text.rstrip()))

    def nearest(self, path: Path) -> tuple[Path, bool]:
        """The longest part of a path that exists, and whether that is the whole path."""
        value = self.value
        for depth, step in enumerate(path):
            if isinstance(value, dict):
                if step not in value:
                    return path[:depth], False
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return path[:depth], False
        return path, True

    def _find(self, path: Path) -> tuple[int | None, int] | None:
        positions = self._positions
        if positions is None:
            return None
        nodes, irregular, aliases = positions.nodes, positions.irregular, positions.aliases
        if not nodes:
            return None
        key: int | None = None
        node = 0
        value = self.value
        for step in path:
            node = aliases.get(node, node)
            if isinstance(value, dict):
                if step not in value:
                    return None
                if node in irregular:
                    key, node = irregular[node][str(step)]
                else:
                    key = node + 1
                    for name in value:
                        if name == step:
                            break
                        key = nodes[nodes[key * _WIDTH + 2] * _WIDTH + 2]
                    node = nodes[key * _WIDTH + 2]
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                node += 1
                for _ in range(step):
                    node = nodes[node * _WIDTH + 2]
                key = None
                value = value[step]
            else:
                return None
        return key, node


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """Documents of a file and what is wrong with its text. Documents that hold nothing are left out."""

    file: SourceFile
    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]
    document_count: int


# ------------------------------------------------------------------------------------- scalars

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
}
_WORDS: dict[str, Any] = {
    **dict.fromkeys(_NULLS),
    **_BOOLS,
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# As strconv.ParseInt with base 0 after underscores are dropped, which is what go-yaml v2 does.
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_MAX_DIGITS = 400
_NUMERIC_START = frozenset("+-.0123456789")


def _integer(text: str) -> int | None:
    digits = text.replace("_", "")
    if len(digits) > _MAX_DIGITS or not _INT.match(digits):
        return None
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-").lower()
    if body.startswith("0x"):
        number = int(body, 16)
    elif body.startswith("0b"):
        number = int(body, 2)
    elif body.startswith("0o"):
        number = int(body[2:], 8)
    elif len(body) > 1 and body[0] == "0":
        number = int(body, 8)
    else:
        number = int(body)
    # What fits neither int64 nor uint64 is a float for go-yaml.
    return sign * number if -(2**63) <= sign * number < 2**64 else None


def plain_scalar(text: str) -> Any:
    """Value of an unquoted scalar without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMERIC_START:
        number = _integer(text)
        if number is not None:
            return number
        if _FLOAT.match(text.replace("_", "")):
            return float(text.replace("_", ""))
    return text


_TAG = "tag:yaml.org,2002:"


def _tagged_scalar(tag: str, text: str) -> Any:
    if tag == _TAG + "str" or not tag.startswith(_TAG):
        return text
    if tag == _TAG + "binary":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return text
    value = plain_scalar(text) if text else None
    if tag == _TAG + "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _key_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --------------------------------------------------------------------------------------- events


class _Refused(Exception):
    """A document that cannot become a value; its text is well-formed YAML."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.span = start, end


_MERGE = object()


class _Builder:
    """Makes documents of one event stream. `base` is the offset of the stream's text in the file."""

    def __init__(self, file: SourceFile, base: int, strings: dict[str, str]) -> None:
        self.file = file
        self.base = base
        self.strings = strings
        self.problems: list[Problem] = []

    def document(self, next_event: Callable[[], Any], start: int, index: int) -> Document | None:
        """The document whose start event has just been read; None when it holds nothing.

        Raises `_Refused`, after which the rest of the document's events are still in the stream,
        and what the parser raises.
        """
        base = self.base
        positions = _Positions()
        nodes = positions.nodes
        add = nodes.append
        strings = self.strings
        # Anchor -> node, value, nodes it stands for (0 while it is still open).
        anchors: dict[str, tuple[int, Any, int]] = {}
        # Open collections: value, node, anchor, number of nodes before it with aliases written out.
        stack: list[tuple[Any, int, str | None, int]] = []
        keys: list[Any] = []
        irregular: dict[int, list[tuple[Any, int]]] = {}
        container: Any = None
        is_map = False
        count = 0
        expanded = 0
        last_end = start
        root: Any = None
        while True:
            event = next_event()
            cls = event.__class__
            if cls is ScalarEvent:
                text = event.value
                tag = event.tag
                if tag is not None and tag != "!":
                    value = _tagged_scalar(tag, text)
                elif tag is None and event.implicit[0]:
                    if text in strings:
                        value = strings[text]
                    elif text in _WORDS:
                        value = _WORDS[text]
                    elif text[0] in _NUMERIC_START:
                        value = plain_scalar(text)
                    else:
                        value = text
                        if len(text) < _SHARED_LENGTH:
                            strings[text] = text
                else:
                    value = text
                node = count
                count += 1
                expanded += 1
                last_end = base + event.end_mark.index
                add(base + event.start_mark.index)
                add(last_end)
                add(count)
                if event.anchor is not None:
                    anchors[event.anchor] = (node, value, 1)
            elif cls is MappingStartEvent or cls is SequenceStartEvent:
                if is_map and keys[-1] is None:
                    raise self._refused(_COLLECTION_KEY, event)
                if len(stack) >= MAX_DEPTH:
                    raise self._refused(f"nested more than {MAX_DEPTH} levels deep", event)
                is_map = cls is MappingStartEvent
                container = {} if is_map else []
                last_end = base + event.end_mark.index
                add(base + event.start_mark.index)
                add(last_end)
                add(0)
                stack.append((container, count, event.anchor, expanded))
                if event.anchor is not None:
                    anchors[event.anchor] = (count, container, 0)
                count += 1
                expanded += 1
                keys.append(None)
                continue
            elif cls is MappingEndEvent or cls is SequenceEndEvent:
                value, node, anchor, before = stack.pop()
                keys.pop()
                nodes[node * _WIDTH + 2] = count
                end = event.end_mark.index
                if end > event.start_mark.index:
                    nodes[node * _WIDTH + 1] = last_end = base + end
                elif count > node + 1:
                    # A block collection ends for the parser where the next token starts, perhaps
                    # lines below; its last descendant ends where a person would say.
                    nodes[node * _WIDTH + 1] = last_end
                if node in irregular:
                    self._settle(value, node, irregular[node], positions, index)
                if anchor is not None:
                    anchors[anchor] = (node, value, expanded - before)
                if stack:
                    container = stack[-1][0]
                    is_map = container.__class__ is dict
                else:
                    container, is_map = None, False
            elif cls is AliasEvent:
                if event.anchor not in anchors:
                    raise self._refused(
                        f"alias *{event.anchor} has no anchor before it in this document", event
                    )
                target, value, weight = anchors[event.anchor]
                if not weight:
                    raise self._refused(
                        f"alias *{event.anchor} stands inside the value it refers to", event
                    )
                expanded += weight
                if expanded - count > MAX_ALIASED_NODES:
                    raise self._refused(
                        f"its aliases stand for more than {MAX_ALIASED_NODES:,} values", event
                    )
                node = count
                count += 1
                last_end = base + event.end_mark.index
                add(base + event.start_mark.index)
                add(last_end)
                add(count)
                positions.aliases[node] = target
            elif cls is DocumentEndEvent:
                if not count or (root is None and nodes[0] == nodes[1]):
                    return None
                return Document(self.file, index, root, Span(start, nodes[1]), positions)
            else:
                continue

            # `value` is complete and stands at `node`: hand it to its container.
            if is_map:
                key = keys[-1]
                if key is None:
                    if value.__class__ is str:
                        if value == "<<" and cls is ScalarEvent and event.implicit[0]:
                            keys[-1] = _MERGE
                        else:
                            keys[-1] = strings.setdefault(value, value)
                    elif isinstance(value, (dict, list)):
                        raise self._refused(_COLLECTION_KEY, event)
                    else:
                        keys[-1] = _key_text(value)
                else:
                    keys[-1] = None
                    if key is _MERGE:
                        irregular.setdefault(stack[-1][1], []).append((value, node))
                    else:
                        if key in container:
                            irregular.setdefault(stack[-1][1], [])
                        container[key] = value
            elif container is not None:
                container.append(value)
            else:
                root = value

    def _refused(self, message: str, event: Any) -> _Refused:
        return _Refused(
            message, self.base + event.start_mark.index, self.base + event.end_mark.index
        )

    def _settle(
        self,
        value: dict[str, Any],
        node: int,
        merged: list[tuple[Any, int]],
        positions: _Positions,
        index: int,
    ) -> None:
        """Reports duplicate keys of a mapping, fills in merge keys, notes where each key stands."""
        merge_nodes = {source for _, source in merged}
        table: dict[str, tuple[int, int]] = {}
        for key, held in _pairs(positions.nodes, node):
            if held in merge_nodes:
                continue
            name = self._key_name(key, positions)
            if name in table:
                first = table[name][0]
                self.problems.append(
                    Problem(
                        "duplicate-key",
                        name,
                        positions.span(key),
                        index,
                        ((positions.span(first), "first given here"),),
                    )
                )
            table[name] = (key, held)
        for source, at in merged:
            at = positions.aliases.get(at, at)
            if isinstance(source, list):
                sources = list(zip(source, _items(positions.nodes, at), strict=False))
            else:
                sources = [(source, at)]
            for mapping, where in sources:
                if isinstance(mapping, dict):
                    places = self._places(mapping, positions.aliases.get(where, where), positions)
                    for name, held_value in mapping.items():
                        if name not in value:
                            value[name] = held_value
                            table[name] = places[name]
        positions.irregular[node] = table

    @staticmethod
    def _places(
        mapping: dict[str, Any], node: int, positions: _Positions
    ) -> dict[str, tuple[int, int]]:
        known = positions.irregular.get(node)
        return known or dict(zip(mapping, _pairs(positions.nodes, node), strict=False))

    def _key_name(self, key: int, positions: _Positions) -> str:
        span = positions.span(positions.aliases.get(key, key))
        text = self.file.text[span.start : span.end]
        if text[:1] in _INDICATORS:
            events = YAML(typ="safe", pure=True).parse(text)
            scalar = next(event for event in events if isinstance(event, ScalarEvent))
            if not scalar.implicit[0]:
                tag = scalar.tag
                return _key_text(_tagged_scalar(tag, scalar.value) if tag else scalar.value)
            text = scalar.value
        return _key_text(plain_scalar(text))


_SHARED_LENGTH = 64
_INDICATORS = frozenset("\"'&!|>?")
_COLLECTION_KEY = "a mapping key is a collection, which no Kubernetes object has"


def _pairs(nodes: array[int], node: int) -> Iterator[tuple[int, int]]:
    """Nodes of the keys and values of a mapping."""
    key, end = node + 1, nodes[node * _WIDTH + 2]
    while key < end:
        held = nodes[key * _WIDTH + 2]
        yield key, held
        key = nodes[held * _WIDTH + 2]


def _items(nodes: array[int], node: int) -> Iterator[int]:
    """Nodes of the items of a sequence."""
    item, end = node + 1, nodes[node * _WIDTH + 2]
    while item < end:
        yield item
        item = nodes[item * _WIDTH + 2]


# ---------------------------------------------------------------------------------------- files

_DOCUMENT_START = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_SECRET_KIND = re.compile(r"""^\s*["']?kind["']?\s*:\s*["']?Secret\b""", re.MULTILINE)


def parse(file: SourceFile) -> ParsedFile:
    """Reads every document of a file. What is wrong with one does not keep the others from being read."""
    text = file.text
    strings: dict[str, str] = {}
    documents: list[Document] = []
    problems: list[Problem] = []
    offset = 0
    index = 0
    while offset < len(text):
        part = _Part(file, offset, index, strings)
        parser = _native_events if CParser is not None else _pure_events
        stop = part.read(parser(text[offset:] if offset else text))
        if stop is None:
            documents += part.documents
            problems += part.problems
            index = part.index
            break
        # The parser gave up inside the document that starts at `start`. Documents before it are
        # fine; the text goes on being read at the next document separator.
        documents += part.documents
        problems += part.problems
        start, index = part.start, part.index
        following = _DOCUMENT_START.search(text, _after_separator(text, start))
        end = following.start() if following else len(text)
        body = text[start:end]
        if text[_after_separator(text, start) : end].lstrip().startswith("{"):
            more, trouble, start = _json_values(file, start, end, index, strings)
            documents += more
            index += len(more)
            if trouble is None:
                offset = end
                continue
            stop, body = trouble, text[start:end]
        elif CParser is not None and stop.syntax:
            # libyaml refuses some text that go-yaml takes, such as an IPv6 address in a flow
            # sequence; ruamel.yaml's own parser has the second say.
            second = _Part(file, start, index, strings)
            again = second.read(_pure_events(body))
            if again is None:
                documents += second.documents
                problems += second.problems
                index = second.index
                offset = end
                continue
            if again.syntax and again.span.start > stop.span.start:
                stop = again
        problems.append(
            Problem(
                "syntax",
                stop.message,
                stop.span,
                index,
                secret=bool(_SECRET_KIND.search(body)),
            )
        )
        index += 1
        offset = end
    return ParsedFile(file, tuple(documents), tuple(problems), index)


def _after_separator(text: str, start: int) -> int:
    separator = _DOCUMENT_START.match(text, start)
    return separator.end() if separator else start


@dataclass(frozen=True, slots=True)
class _Stop:
    """Why and where a document could not be read. `syntax`: the parser refused the text."""

    message: str
    span: Span
    syntax: bool


class _Part:
    """Reading of a file's text from `offset` on, up to its end or to the first broken document."""

    def __init__(
        self, file: SourceFile, offset: int, index: int, strings: dict[str, str]
    ) -> None:
        self.file = file
        self.offset = offset
        self.start = offset
        self.index = index
        self.documents: list[Document] = []
        self._builder = _Builder(file, offset, strings)

    @property
    def problems(self) -> list[Problem]:
        return self._builder.problems

    def read(self, next_event: Callable[[], Any]) -> _Stop | None:
        document_ended = True
        try:
            while True:
                event = next_event()
                if event is None or event.__class__ is StreamEndEvent:
                    return None
                if event.__class__ is DocumentStartEvent:
                    document_ended = False
                    self.start = self.offset + event.start_mark.index
                    document = self._builder.document(next_event, self.start, self.index)
                    document_ended = True
                    if document is not None:
                        self.documents.append(document)
                        self.index += 1
                    elif event.explicit:
                        self.index += 1
        except _Refused as refused:
            return _Stop(str(refused), Span(*refused.span), False)
        except (YAMLError, ValueError) as error:
            if document_ended:
                # Between documents: what comes next belongs to a document of its own.
                self.start = max(self.start, self._end_of_last())
            return _explain(self.file, self.offset, error)

    def _end_of_last(self) -> int:
        return self.documents[-1].span.end if self.documents else self.offset


def _native_events(text: str) -> Callable[[], Any]:
    get: Callable[[], Any] = CParser(text).get_event
    return get


def _pure_events(text: str) -> Callable[[], Any]:
    events = YAML(typ="safe", pure=True).parse(text)
    return lambda: next(events, None)


def _json_values(
    file: SourceFile, start: int, end: int, index: int, strings: dict[str, str]
) -> tuple[list[Document], _Stop | None, int]:
    """JSON values that follow each other without a separator, as `kubectl` accepts them.

    Also JSON that YAML parsers refuse, such as surrogate pairs in escapes. Returns the documents
    before the first error, that error, and where the broken value starts.
    """
    text = file.text
    decoder = json.JSONDecoder()
    documents: list[Document] = []
    start = _after_separator(text, start)
    while True:
        while start < end and text[start].isspace():
            start += 1
        if start >= end:
            return documents, None, start
        try:
            value, stop = decoder.raw_decode(text[:end], start)
        except (json.JSONDecodeError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else start
            why = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            return documents, _Stop(f"not valid JSON: {why}", Span(at, at + 1), True), start
        part = _Part(file, start, index + len(documents), strings)
        parser = _native_events if CParser is not None else _pure_events
        if part.read(parser(text[start:stop])) is None and part.documents:
            documents += part.documents
        else:
            documents.append(
                Document(file, index + len(documents), value, Span(start, stop), None)
            )
        start = stop


# --------------------------------------------------------------------------- reasons in plain words

_PLAIN_WORDS = (
    (r"found character '\\t'", "a tab stands where YAML takes only spaces for indentation"),
    (r"found a tab character", "a tab stands where YAML takes only spaces for indentation"),
    (
        r"mapping values are not allowed",
        "a ':' stands where no mapping can start; indent the line like its siblings, or quote the"
        " value that contains ': '",
    ),
    (
        r"could not find expected ':'",
        "this line is neither 'key: value' nor the continuation of a value; a ':' or its"
        " indentation is missing",
    ),
    (
        r"did not find expected key",
        "the indentation of this line fits no mapping above it",
    ),
    (
        r"did not find expected '-' indicator",
        "the indentation of this line fits no list above it",
    ),
    (r"did not find expected ',' or '\]'", "a '[' list is not closed, or a ',' is missing"),
    (r"did not find expected ',' or '\}'", "a '{' mapping is not closed, or a ',' is missing"),
    (r"found unexpected end of stream", "the file ends inside a quoted text"),
    (
        r"found character that cannot start any token",
        "this character cannot start a value; put the value in quotes",
    ),
    (r"found unknown escape character", "an escape that YAML does not know, in double quotes"),
    (
        r"did not find expected alphabetic or numeric character",
        "'*' or '&' stands for an alias or anchor here and has no name; quote the value",
    ),
    (r"found undefined tag handle", "a '!' tag uses a handle that is not declared"),
    (
        r"did not find expected <document start>",
        "text follows the end of the document; separate documents with '---'",
    ),
    (r"control characters are not allowed", "a control character stands in the text"),
    (r"block sequence entries are not allowed", "a '-' list item cannot start here"),
)


def _explain(file: SourceFile, offset: int, error: Exception) -> _Stop:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if mark is not None:
        at = offset + mark.index
    else:
        at = offset + (getattr(error, "position", 0) or 0)
    at = max(0, min(at, len(file.text)))
    plain = str(reason)
    if "cannot start any token" in plain and file.text[at : at + 1] == "\t":
        plain = "found a tab character"
    for pattern, words in _PLAIN_WORDS:
        if re.search(pattern, plain):
            plain = words
            break
    span = file.line_span(at)
    return _Stop(plain, Span(span.start, max(span.end, min(at + 1, len(file.text)))), True)
