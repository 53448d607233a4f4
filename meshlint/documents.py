"""YAML and JSON text as plain values, with positions beside them.

Values are `dict`, `list`, `str`, `int`, `float`, `bool` and `None`, as kubectl would send them to
the API server. Values that an alias shares are the same objects: nobody may change a value.

Scalars resolve by the rules of sigs.k8s.io/yaml (go-yaml v2: YAML 1.1 words such as `yes` and `on`,
C-like octal numbers, no timestamps, no sexagesimals), and mapping keys become strings.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from sys import intern
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
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner, ScannerError

from meshlint.dataclass import dataclass, field, replace
from meshlint.findings import Path
from meshlint.patterns import regexp
from meshlint.text import SourceFile, Span

try:
    from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError:  # no wheel of ruamel.yaml.clib for this interpreter
    CParser = None

MAX_DEPTH = 200
"""Levels of nesting; the deepest known manifests (schemas in definitions) need about 60."""

MAX_ALIASED_NODES = 1_000_000
"""Nodes that all aliases of one document may stand for together; a bomb's stand for billions."""

MAX_DOCUMENTS = 1_000_000
"""Documents of one file that are read; a text of 100 MB can have 25 million that hold nothing."""

ProblemKind = Literal["syntax", "duplicate-key", "unreadable", "malformed"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the text itself. `document` counts from 0 in the file.

    The message is a reason in plain words; for a duplicate key it is the key.
    """

    kind: ProblemKind
    message: str
    span: Span
    document: int = 0
    related: tuple[tuple[Span, str], ...] = ()
    secret: bool = False
    """The text around the place may hold values of a Secret and must not be shown."""


# --------------------------------------------------------------------------- documents and places

_SCANNED = 16
# Where lines end for YAML 1.1, and what it takes for blank. Other white space, such as a no-break
# space, belongs to a value.
_BREAK = "\r\n\x85\u2028\u2029"
_BLANK = f" \t{_BREAK}"


@dataclass(slots=True)
class _Positions:
    # Offset of the parsed text in the file; the other numbers count from there.
    base: int
    # Two numbers a node, in the order the parser meets the nodes: where it starts, and where it
    # ends. A mapping or list holds `_around` the nodes in it instead, the last of which ends where
    # it does; with brackets, the closing one is a node of its own.
    nodes: array[int]
    # Alias -> the node it stands for.
    aliases: dict[int, int] | None = None
    # Mapping -> key -> (node of the key, node of the value). From the start for mappings with merge
    # keys or duplicate keys, whose children cannot be counted off against the keys of the value;
    # for other large mappings once somebody asks.
    # Sequence -> nodes of its items, for large sequences once somebody asks.
    tables: dict[int, Any] | None = None

    def span(self, node: int) -> Span:
        base, nodes = self.base, self.nodes
        start, end = nodes[2 * node], nodes[2 * node + 1]
        return Span(base + start, base + (end if end >= 0 else nodes[2 * (~end >> 1) - 1]))

    def target(self, node: int) -> int:
        """The node that an alias stands for; any other node itself."""
        return self.aliases.get(node, node) if self.aliases else node

    def after(self, node: int) -> int:
        """The node that follows the last one inside a node."""
        held = self.nodes[2 * node + 1]
        return node + 1 if held >= 0 else ~held >> 1

    def last(self, node: int) -> int:
        """The node that follows the last child of a mapping or sequence."""
        held = ~self.nodes[2 * node + 1]
        return (held >> 1) - (held & 1)

    def pairs(self, node: int) -> Iterator[tuple[int, int]]:
        """Nodes of the keys and values of a mapping."""
        key, end = node + 1, self.last(node)
        while key < end:
            held = key + 1
            yield key, held
            key = self.after(held)

    def items(self, node: int) -> Iterator[int]:
        """Nodes of the items of a sequence."""
        item, end = node + 1, self.last(node)
        while item < end:
            yield item
            item = self.after(item)

    def entry(self, node: int, mapping: dict[str, Any], name: str) -> tuple[int, int]:
        """Nodes of a key that is in a mapping and of its value."""
        table = self._table(node)
        if table is None:
            if len(mapping) <= _SCANNED:
                return next(
                    pair for pair, key in zip(self.pairs(node), mapping, strict=True) if key == name
                )
            table = dict(zip(mapping, self.pairs(node), strict=True))
            self.keep(node, table)
        found: tuple[int, int] = table[name]
        return found

    def table(self, node: int, mapping: dict[str, Any]) -> dict[str, tuple[int, int]]:
        """Nodes of every key of a mapping and of its value."""
        return self._table(node) or dict(zip(mapping, self.pairs(node), strict=True))

    def item(self, node: int, index: int) -> int:
        """Node of an item that is in a sequence."""
        if index < _SCANNED:
            return next(item for at, item in enumerate(self.items(node)) if at == index)
        table = self._table(node)
        if table is None:
            table = list(self.items(node))
            self.keep(node, table)
        found: int = table[index]
        return found

    def keep(self, node: int, table: Any) -> None:
        """Remembers the nodes of what a mapping or sequence holds."""
        if self.tables is None:
            self.tables = {}
        self.tables[node] = table

    def _table(self, node: int) -> Any:
        return None if self.tables is None else self.tables.get(node)


def _around(after: int, brackets: bool) -> int:
    """What a mapping or list has in place of its end: below 0, as no offset is."""
    return ~(2 * after + brackets)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One YAML or JSON document: its plain value, and where everything in it stands."""

    file: SourceFile
    index: int
    """Number of the document in its file, from 0."""
    value: Any
    _start: int = field(repr=False)
    _positions: _Positions = field(repr=False)

    @property
    def span(self) -> Span:
        """From the separator above the document, or its first character, to its last one."""
        end = self._positions.span(0).end
        return Span(self._start, _trimmed_end(self.file.text, self._start, end))

    def span_of(self, path: Path) -> Span | None:
        """Span of the value at a path, without blank lines below it; None where nothing stands.

        Of an alias this is the alias, not what it stands for; of a key that came with a merge key
        it is the value in the merged mapping.
        """
        found = self._find(path)
        return None if found is None else self._trimmed(found[1])

    def key_span(self, path: Path) -> Span | None:
        """Span of the key at the end of a path (for list items and the root, of the value)."""
        found = self._find(path)
        if found is None:
            return None
        key, value = found
        return self._trimmed(value if key is None else key)

    def nearest(self, path: Path) -> tuple[Path, bool]:
        """The longest part of a path that exists, and whether that is the whole path."""
        value = self.value
        for depth, step in enumerate(path):
            if not _has(value, step):
                return path[:depth], False
            value = value[step]
        return path, True

    def size(self, path: Path = ()) -> int:
        """Keys and values at a path, itself among them; 0 where nothing stands."""
        found = self._find(path)
        return 0 if found is None else self._positions.after(found[1]) - found[1]

    @property
    def has_aliases(self) -> bool:
        """Whether some value stands in several places."""
        return bool(self._positions.aliases)

    def scalar_spans(self) -> Iterator[Span]:
        """Spans of every scalar, alias and closing bracket, in no particular order."""
        nodes = self._positions.nodes
        for node in range(len(nodes) // 2):
            if nodes[2 * node + 1] >= 0:
                yield self._trimmed(node)

    def _trimmed(self, node: int) -> Span:
        # A block scalar ends for the parser after the blank lines below it.
        span = self._positions.span(node)
        return Span(span.start, _trimmed_end(self.file.text, span.start, span.end))

    def _find(self, path: Path) -> tuple[int | None, int] | None:
        positions = self._positions
        key: int | None = None
        node = 0
        value = self.value
        for step in path:
            if not _has(value, step):
                return None
            node = positions.target(node)
            if isinstance(step, str):
                key, node = positions.entry(node, value, step)
            else:
                key, node = None, positions.item(node, step)
            value = value[step]
        return key, node


def _has(value: Any, step: str | int) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and 0 <= step < len(value)


def _trimmed_end(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in _BLANK:
        end -= 1
    return end


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """Documents of a file, without those that hold nothing, and what is wrong with its text."""

    file: SourceFile
    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]
    document_count: int
    """Documents in the file, the empty and the broken ones counted as well."""


# ------------------------------------------------------------------------------------- scalars

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMERIC_START = frozenset("+-.0123456789")
# What Go's strconv.ParseInt takes with base 0.
_INTEGER = regexp(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)"
    r"|(?P<decimal>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FLOAT = regexp(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Enough for every 64-bit number in binary; it keeps a text of many digits from taking long.
_MAX_DIGITS = 400


def _integer(digits: str) -> int | None:
    match = _INTEGER.fullmatch(digits) if len(digits) <= _MAX_DIGITS else None
    if match is None or match.lastgroup is None:
        return None
    number = int(match[match.lastgroup], _BASES[match.lastgroup])
    if digits[0] == "-":
        number = -number
    # What fits neither int64 nor uint64 is a float for go-yaml.
    return number if -(2**63) <= number < 2**64 else None


def plain_scalar(text: str) -> Any:
    """Value of an unquoted scalar without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMERIC_START:
        # go-yaml looks at a leading dot before it drops the underscores.
        digits = text if text[0] == "." else text.replace("_", "")
        number = _integer(digits)
        if number is not None:
            return number
        if _FLOAT.fullmatch(digits) and math.isfinite(value := float(digits)):
            return value
    return text


_SHARED_LENGTH = 64
_SHARED_COUNT = 50_000


class _PlainScalars(dict[str, Any]):
    """Plain scalars met before and their values; texts that repeat are kept once for a run."""

    def __missing__(self, text: str) -> Any:
        value = plain_scalar(text)
        if len(text) <= _SHARED_LENGTH:
            if value is text:
                value = intern(text)
            if len(self) >= _SHARED_COUNT:
                self.clear()
            self[text] = value
        return value


_PLAIN_SCALARS = _PlainScalars()

_SHARED_ENTRIES = 16
_COLLECTIONS: dict[int, Any] = {}


def _shared(value: Any) -> Any:
    """The mapping or list of the very same values that was met before, else the one given."""
    if len(value) > _SHARED_ENTRIES:
        return value
    parts = _parts(value)
    key = hash(parts)
    known = _COLLECTIONS.get(key)
    if known is not None and known.__class__ is value.__class__ and _parts(known) == parts:
        return known
    if len(_COLLECTIONS) >= _SHARED_COUNT:
        _COLLECTIONS.clear()
    _COLLECTIONS[key] = value
    return value


def _parts(value: Any) -> tuple[Any, ...]:
    """What tells one mapping or list from another: values that are equal are not always the same.

    No other value can have the identity of one in here, as this keeps it alive.
    """
    return (*value, *map(id, value.values())) if value.__class__ is dict else (*map(id, value),)


_STANDARD_TAG = "tag:yaml.org,2002:"
_TAGGED_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


def _tagged_scalar(tag: str, text: str) -> Any:
    """Value of a scalar with a tag; raises ValueError where the text does not fit the tag."""
    name = tag.removeprefix(_STANDARD_TAG)
    if name == tag:
        return text
    if name == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
        except binascii.Error as error:
            raise ValueError(name) from error
    if name not in _TAGGED_TYPES:
        return text
    value = plain_scalar(text)
    if type(value) not in _TAGGED_TYPES[name]:
        raise ValueError(name)
    return float(value) if name == "float" else value


def _key_text(value: Any) -> str:
    """A mapping key as JSON has it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_key(value) if isinstance(value, float) else str(value)


def _float_key(value: float) -> str:
    """The shortest text with the same 32-bit value, as sigs.k8s.io/yaml writes such keys."""
    value = _float32(value)
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    digits = next(n for n in range(9) if _float32(float(f"{value:.{n}e}")) == value)
    text = f"{value:.{digits}e}"
    exponent = int(text.partition("e")[2])
    return text if not -4 <= exponent < 6 else f"{value:.{max(digits - exponent, 0)}f}"


def _float32(value: float) -> float:
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(narrow)


# --------------------------------------------------------------------------------------- events

_Events = Callable[[], Any]
"""Gives the parser's next event at each call; at the end StreamEndEvent or None."""


class _Refused(Exception):
    """A document that the parser takes but that cannot become a value."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.span = span


def _native_events(text: str) -> _Events:
    events: _Events = CParser(text).get_event
    return events


class _TabScanner(Scanner):
    """Takes tabs between tokens wherever no mapping key can start, as libyaml and go-yaml do."""

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.reader.peek() == "\t" and not (self.flow_level or self.allow_simple_key):
            self.reader.forward()
            super().scan_to_next_token()


def _pure_events(text: str) -> _Events:
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _TabScanner
    events = yaml.parse(text)

    def next_event() -> Any:
        try:
            event: Any = next(events, None)
        except AssertionError:
            # A version of YAML that ruamel.yaml does not know; libyaml's words for it.
            raise ScannerError(
                "while scanning a directive", None, "found incompatible YAML document", None
            ) from None
        # libyaml and go-yaml are stricter in these two points.
        name = getattr(event, "anchor", None)
        if name is not None and not _ANCHOR.fullmatch(name):
            raise ScannerError(
                f"while scanning {'an alias' if event.__class__ is AliasEvent else 'an anchor'}",
                event.start_mark,
                "did not find expected alphabetic or numeric character",
                event.start_mark,
            )
        if event.__class__ is ScalarEvent and _SURROGATE.search(event.value):
            raise ScannerError(
                "while scanning a quoted scalar",
                event.start_mark,
                "found invalid Unicode character escape code",
                event.start_mark,
            )
        return event

    return next_event


_ANCHOR = regexp(r"[0-9A-Za-z_-]+")
_SURROGATE = regexp("[\ud800-\udfff]")


_MERGE = object()
_NO_POSITIONS = _Positions(0, array("i"))
_COLLECTION_KEY = "a mapping key is a collection, which no Kubernetes object has"
_MERGE_VALUE = "the value of the merge key '<<' is neither a mapping nor a list of mappings"
# Characters of a text whose offsets and nodes still fit the numbers of 32 bits.
_WIDE = 1 << 29
_EMPTY_VALUE = regexp(r"\s*:")


def _merges(event: Any) -> bool:
    """Whether the key `<<` is a merge key: it is when unquoted, or tagged as one."""
    return event.implicit[0] or str(event.ctag) == _STANDARD_TAG + "merge"


class _TooMany(Exception):
    """A document too many, at an offset in the file."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start


class _Builder:
    """Makes documents of the events of one text. `base` is the offset of that text in the file."""

    def __init__(self, file: SourceFile, base: int) -> None:
        self.file = file
        self.base = base
        self._typecode = "i" if len(file.text) < _WIDE else "q"
        self.positions = _NO_POSITIONS
        self.problems: list[Problem] = []
        self.ended: Any = None

    def document(self, next_event: _Events, start: int, index: int) -> Document | None:
        """The document whose start event has just been read; None when it holds nothing.

        Raises `_Refused`, after which the rest of the document's events are still to come, and what
        the parser raises.
        """
        # This loop runs for every node of every file, and most of the run's time is spent in it.
        self.problems = []
        nodes = array(self._typecode)
        append = nodes.append
        aliases: dict[int, int] = {}
        self.positions = positions = _Positions(self.base, nodes)
        scalars = _PLAIN_SCALARS
        # Anchor -> node, value, nodes it stands for (0 while it is still open).
        anchors: dict[str, tuple[int, Any, int]] = {}
        # Mapping with merge keys or duplicate keys -> node of such a value -> key, value.
        irregular: dict[int, dict[int, tuple[Any, Any]]] = {}
        # What is being filled: the collection, its node, and the key that waits for its value.
        root: list[Any] = []
        container: Any = root
        within = 0
        key: Any = None
        in_mapping = False
        # The collections around it, and of the innermost its anchor, whether it has brackets, and
        # what `aliased` was at its start.
        stack: list[tuple[Any, int, Any, str | None, bool, int]] = []
        count = 0
        # Nodes that would stand there in addition if every alias were written out.
        aliased = 0
        last_end = 0
        while True:
            event = next_event()
            cls = event.__class__
            if cls is ScalarEvent:
                text = event.value
                node_start = event.start_mark.index
                last_end_before = last_end
                last_end = event.end_mark.index
                if event.ctag is not None:
                    value = self._tagged(event)
                elif event.style:
                    value = intern(text) if len(text) <= _SHARED_LENGTH else text
                else:
                    value = scalars[text]
                    if value is None and node_start == last_end and key is not None:
                        # Parsers differ in where they see a value that is not there.
                        colon = _EMPTY_VALUE.match(self.file.text, self.base + last_end_before)
                        node_start = last_end = (
                            colon.end() - self.base if colon else last_end_before
                        )
                node = count
                count += 1
                append(node_start)
                append(last_end)
                if event.anchor is not None:
                    anchors[event.anchor] = (node, value, 1)
                if in_mapping and key is None:
                    if value.__class__ is not str:
                        key = _key_text(value)
                    elif value == "<<" and _merges(event):
                        key = _MERGE
                    else:
                        key = value
                    continue
            elif cls is MappingStartEvent or cls is SequenceStartEvent:
                if in_mapping and key is None:
                    raise self._refused(_COLLECTION_KEY, event)
                if len(stack) >= MAX_DEPTH:
                    raise self._refused(f"nested more than {MAX_DEPTH} levels deep", event)
                anchor = event.anchor
                stack.append((container, within, key, anchor, event.flow_style, aliased))
                in_mapping = cls is MappingStartEvent
                container = {} if in_mapping else []
                within = count
                key = None
                if anchor is not None:
                    anchors[anchor] = (count, container, 0)
                count += 1
                append(event.start_mark.index)
                append(0)
                continue
            elif cls is MappingEndEvent or cls is SequenceEndEvent:
                value = container
                node = within
                container, within, key, anchor, brackets, aliased_before = stack.pop()
                in_mapping = container.__class__ is dict
                # Without brackets it ends for the parser where the next token starts, perhaps lines
                # below; its last descendant ends where a person would say.
                if brackets:
                    last_end = event.end_mark.index
                    append(event.start_mark.index)
                    append(last_end)
                    count += 1
                nodes[2 * node + 1] = _around(count, brackets)
                if irregular and node in irregular:
                    self._settle(value, node, irregular[node], index)
                if stack:
                    value = _shared(value)
                if anchor is not None:
                    anchors[anchor] = (node, value, count - node + aliased - aliased_before)
            elif cls is AliasEvent:
                name = event.anchor
                if name not in anchors:
                    raise self._refused(
                        f"the alias *{name} has no anchor &{name} before it in this document", event
                    )
                target, value, weight = anchors[name]
                if not weight:
                    raise self._refused(
                        f"the alias *{name} stands inside the value that it refers to", event
                    )
                aliased += weight
                if aliased > MAX_ALIASED_NODES:
                    raise self._refused(
                        f"the aliases stand for more than {MAX_ALIASED_NODES:,} values", event
                    )
                node = count
                count += 1
                last_end = event.end_mark.index
                append(event.start_mark.index)
                append(last_end)
                if not aliases:
                    positions.aliases = aliases
                aliases[node] = target
            elif cls is DocumentEndEvent:
                self.ended = event
                value = root[0]
                if value is None and nodes[0] == last_end:
                    return None
                positions.nodes = nodes[:]  # without the room to grow
                return Document(self.file, index, value, start, positions)
            else:
                continue

            # `value` is complete and stands at `node`: hand it to its container.
            if not in_mapping:
                container.append(value)
            elif key is None:
                if isinstance(value, (dict, list)):
                    raise self._refused(_COLLECTION_KEY, event)
                key = _key_text(value)
            else:
                if key is _MERGE:
                    self._check_merge(value, node)
                    irregular.setdefault(within, {})[node] = (key, value)
                else:
                    if key in container:
                        irregular.setdefault(within, {})[node] = (key, value)
                    container[key] = value
                key = None

    def _tagged(self, event: Any) -> Any:
        tag = str(event.ctag)
        try:
            return _tagged_scalar(tag, event.value)
        except ValueError as error:
            raise self._refused(f"the value does not fit its tag !!{error}", event) from error

    def _refused(self, message: str, event: Any) -> _Refused:
        start, end = self.base + event.start_mark.index, self.base + event.end_mark.index
        return _Refused(message, Span(start, end))

    def _check_merge(self, value: Any, node: int) -> None:
        inline = self.positions.target(node) == node
        if isinstance(value, dict) or (
            inline and isinstance(value, list) and all(isinstance(item, dict) for item in value)
        ):
            return
        raise _Refused(_MERGE_VALUE, self.positions.span(node))

    def _settle(
        self, value: dict[str, Any], node: int, odd: dict[int, tuple[Any, Any]], index: int
    ) -> None:
        """Reports duplicate keys of a mapping, fills in merge keys, notes where each key stands.

        The last of several equal keys counts, and every key of the mapping itself counts more than
        a merged one; among merged mappings the first counts.
        """
        positions = self.positions
        table: dict[str, tuple[int, int]] = {}
        first: dict[str, int] = {}
        merged: list[tuple[Any, int]] = []
        names = iter(value)
        for key, held in positions.pairs(node):
            name, source = odd.get(held, (None, None))
            if name is _MERGE:
                if isinstance(source, list):
                    merged += zip(source, positions.items(held), strict=True)
                else:
                    merged.append((source, held))
                continue
            if name is None:
                name = next(names)
                first[name] = key
            else:
                self.problems.append(
                    Problem(
                        "duplicate-key",
                        name,
                        positions.span(key),
                        index,
                        ((positions.span(first[name]), "first given here"),),
                    )
                )
            table[name] = (key, held)
        for mapping, at in merged:
            places = positions.table(positions.target(at), mapping)
            for name, held_value in mapping.items():
                if name not in value:
                    value[name] = held_value
                    table[name] = places[name]
        positions.keep(node, table)


# ---------------------------------------------------------------------------------------- files

_BOM = "\ufeff"
_BOM_AT_START = regexp(rf"^(---[^\r\n]*)(\r?\n){_BOM}", re.MULTILINE)
# The dashes come first so that they are searched for as a plain text.
_SEPARATOR = regexp(f"---(?<![^{_BREAK}]---)(?=[{_BLANK}]|\\Z)")
_DIRECTIVES_ONLY = regexp(rf"(?:[{_BLANK}]|[%#][^{_BREAK}]*(?:[{_BREAK}]|\Z))*\Z")
_JSON_START = regexp(r"\s*\{\s*[\"}]")
# A plain text comes first here as well; that more than the key `kind` may match does no harm.
_SECRET_KIND = regexp(r"""kind["']?\s*:\s*(?:[&!]\S*\s+)*["']?Secret(?:List)?\b""")
_GENERATOR = "secretGenerator"
# What messages say of the text itself: names of aliases, and the parser's own quotations.
_ALIAS_NAME = regexp(r" [*&]\S+")
_QUOTED = regexp(r"""\s*(["']).*\1""")
# YAML allows these in no place, not even in quotes. A surrogate is half a character.
_FORBIDDEN = regexp("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Characters of a file that may be read by the slow parser; starting it costs as much as a few more.
_SECOND_OPINION_LIMIT = 1_000_000
_SECOND_OPINION_START = 1_000
# The time that parser needs grows with the square of the brackets that are open at once.
_SECOND_OPINION_BRACKETS = 50


def parse(file: SourceFile, *, native: bool = True) -> ParsedFile:
    """Reads every document of a file; one that is broken does not keep the others from being read.

    With `native` false the parser written in Python reads the text, as it does wherever the one
    written in C is not installed.
    """
    reader = _Reader(file, native and CParser is not None)
    reader.read()
    reader.problems.sort(key=lambda problem: problem.span)
    return ParsedFile(file, tuple(reader.documents), tuple(reader.problems), reader.index)


def has_secret(text: str, start: int = 0, end: int = sys.maxsize) -> bool:
    """Whether a text may hold a Secret, or what kustomize makes one of, which must not be shown."""
    if _SECRET_KIND.search(text, start, end) is not None:
        return True
    return text.find(_GENERATOR, start, end) >= 0


@dataclass(frozen=True, slots=True)
class _Stop:
    """Why and where a document could not be read."""

    message: str
    span: Span
    start: int
    """Offset at which the document starts."""
    reason: str = ""
    """The parser's own words."""
    related: tuple[tuple[Span, str], ...] = ()


class _Reader:
    """Reads the documents of a file one after the other; `index` is the number of the next one."""

    def __init__(self, file: SourceFile, native: bool) -> None:
        self.file = file
        self.native = native
        self.index = 0
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self._patience = _SECOND_OPINION_LIMIT

    def read(self) -> None:
        try:
            self._read_all()
        except _TooMany as error:
            self._end_at(error.start)

    def _read_all(self) -> None:
        text = self.file.text
        offset = len(text) - len(text.lstrip(_BOM))
        end = len(text)
        while True:
            stop = self._stream(offset, end, self.native)
            offset = end
            if stop is not None:
                offset = self._next_separator(stop.start)
                self._broken(stop, offset)
            if offset == len(text):
                return
            # A file with one broken document may have many: from here on its documents are read
            # one by one, so that no text is read twice.
            end = self._next_separator(offset)

    def _end_at(self, start: int) -> None:
        reason = f"more than {MAX_DOCUMENTS:,} documents in one file; from here on none is read"
        secret = self._is_secret(Span(start, len(self.file.text)))
        line = self.file.line_span(start)
        self.problems.append(Problem("syntax", reason, line, self.index, (), secret))
        self.index += 1

    def _next_separator(self, start: int) -> int:
        """Where the document that follows the one at `start` begins, or the end of the text."""
        text = self.file.text
        own = _SEPARATOR.match(text, start)
        if own is None and text.startswith("%", start):
            own = _SEPARATOR.search(text, start)
        following = _SEPARATOR.search(text, own.end() if own else start)
        return following.start() if following else len(text)

    def _stream(self, start: int, end: int, native: bool) -> _Stop | None:
        """Reads the documents of a part of the text, up to the first that is broken."""
        text = self.file.text[start:end]
        if _BOM in text:
            # A mark that begins a document would shift its first line; a blank takes its place.
            text = _BOM_AT_START.sub(r"\1 \2", text)
        documents, problems, index = len(self.documents), len(self.problems), self.index
        try:
            events = _native_events(text) if native else _pure_events(text)
            return self._read(events, start, end)
        except (ReaderError, UnicodeEncodeError) as error:
            # The parser looks at characters long before it comes to them, so it has given up in
            # some document before the broken one.
            del self.documents[documents:], self.problems[problems:]
            self.index = index
            return self._forbidden(start, end, native, error)

    def _read(self, next_event: _Events, base: int, end: int) -> _Stop | None:
        """Keeps the documents of a stream of events whose text starts at `base`."""
        builder = _Builder(self.file, base)
        begin = base
        inside = False
        try:
            while True:
                event = next_event()
                cls = event.__class__
                if event is None or cls is StreamEndEvent:
                    return None
                if cls is DocumentStartEvent:
                    begin = base + event.start_mark.index
                    if self.index >= MAX_DOCUMENTS:
                        raise _TooMany(begin)
                    shown = base + event.end_mark.index - len("---") if event.explicit else begin
                    inside = True
                    document = builder.document(next_event, shown, self.index)
                    inside = False
                    self.index += 1
                    if document is not None:
                        self.documents.append(document)
                        if builder.problems:
                            self._note(builder.problems, document.span)
        except _Refused as refused:
            at = refused.span.start
            if "{{" in self.file.text[max(0, at - 1) : at + 2]:
                stop = _template_stop(self.file, at, begin)
                if stop is not None:
                    return stop
            span = refused.span if refused.span.start < refused.span.end else None
            return _Stop(str(refused), span or _line_from(self.file, at), begin)
        except ReaderError:
            raise
        except YAMLError as error:
            stop = _explain(self.file, error, base, begin)
            return (
                stop
                if inside or builder.ended is None
                else self._after(builder.ended, stop, base, end)
            )

    def _note(self, problems: list[Problem], document: Span) -> None:
        if self._is_secret(document):
            problems = [replace(problem, secret=True) for problem in problems]
        self.problems += problems

    def _is_secret(self, span: Span) -> bool:
        return has_secret(self.file.text, span.start, span.end)

    def _after(self, ended: Any, stop: _Stop, base: int, end: int) -> _Stop | None:
        """What a parser error between two documents means."""
        text = self.file.text
        after = base + ended.end_mark.index
        if _DIRECTIVES_ONLY.match(text, after, end):
            # The separator that they belong to is where this part of the text was cut off.
            return None
        if ended.explicit or text.startswith("%", after) or _JSON_START.match(text, after):
            return replace(stop, start=after)
        # Text without a separator before it belongs to the document above, which is broken by it.
        self.index -= 1
        if self.documents and self.documents[-1].index == self.index:
            self.documents.pop()
        while self.problems and self.problems[-1].document == self.index:
            self.problems.pop()
        return stop

    def _forbidden(self, start: int, end: int, native: bool, error: Exception) -> _Stop | None:
        """Reads up to the document that holds a character no YAML text may hold."""
        text = self.file.text
        found = _FORBIDDEN.search(text, start, end)
        if found is None:
            return _Stop(str(error), self.file.line_span(start), start)
        begin = start
        for separator in _SEPARATOR.finditer(text, start, found.start()):
            begin = separator.start()
        stop = self._stream(start, begin, native) if begin > start else None
        message = f"the control character U+{ord(found[0]):04X} stands in the text; remove it"
        return stop or _Stop(message, Span(*found.span()), begin)

    def _broken(self, stop: _Stop, end: int) -> None:
        """Another try at the broken document that ends at `end`, then its problem."""
        text = self.file.text
        start = stop.start
        separator = _SEPARATOR.match(text, start)
        body = separator.end() if separator else start
        if _JSON_START.match(text, body):
            # JSON values that follow each other, as kubectl accepts them, and JSON that YAML
            # parsers refuse, such as surrogate pairs in escapes.
            again = self._read(_json_events(text, body, end), 0, end)
            if again is None:
                return
            if again.span.start > stop.span.start:
                stop = again
        elif (
            self.native
            and stop.reason == _UNEXPECTED_COLON
            and end - start <= self._patience
            and _brackets(text, start, end) <= _SECOND_OPINION_BRACKETS
        ):
            # libyaml refuses an IPv6 address or a URL in a flow collection, which go-yaml takes;
            # ruamel.yaml's own parser takes it too, but is slow.
            self._patience -= end - start + _SECOND_OPINION_START
            again = self._stream(start, end, native=False)
            if again is None:
                return
            stop = again
        secret = self._is_secret(Span(start, end))
        if secret:
            # `*` and `!` may be how a password begins.
            said = _QUOTED if stop.message == stop.reason else _ALIAS_NAME
            stop = replace(stop, message=said.sub("", stop.message))
        self.problems.append(
            Problem("syntax", stop.message, stop.span, self.index, stop.related, secret)
        )
        self.index += 1


def _brackets(text: str, start: int, end: int) -> int:
    """How many brackets are open at once at most, those in texts and comments counted as well."""
    deepest = depth = 0
    for match in _BRACKET.finditer(text, start, end):
        depth = depth + 1 if match[0] in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


_BRACKET = regexp(r"[\[\]{}]")


# ----------------------------------------------------------------------------------------- JSON


@dataclass(frozen=True, slots=True)
class _Mark:
    index: int


_JSON_BLANK = regexp(r"[ \t\r\n]*")
_JSON_PIECE = regexp(
    r'[{}\[\],:]|"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null"
)
_VALUE, _ITEM, _KEY, _FIRST_KEY, _COLON, _MORE = range(6)
_JSON_EXPECTED = {
    _VALUE: "a value is missing here, or a quoted text is not closed",
    _ITEM: "a value or ']' is missing here",
    _KEY: "a key in double quotes is missing here",
    _FIRST_KEY: "a key in double quotes or '}' is missing here",
    _COLON: "a ':' is missing here",
    _MORE: "a ',' or the closing bracket is missing here",
}


def _json_events(text: str, start: int, end: int) -> _Events:
    """Events of JSON values that follow each other; their offsets are those in the whole text."""
    events = _json_values(text, start, end)
    return lambda: next(events, None)


def _json_values(text: str, start: int, end: int) -> Iterator[Any]:
    # Brackets that will close the open collections, the innermost last.
    closing: list[str] = []
    expected = _VALUE
    at = start
    while True:
        at = _end_of(_JSON_BLANK, text, at, end)
        if not closing and at == end:
            return
        mark, after = _Mark(at), _Mark(_end_of(_JSON_PIECE, text, at, end))
        piece = text[at : after.index]
        if not closing:
            yield DocumentStartEvent(mark, mark, explicit=False)
        if expected == _MORE and piece == ",":
            expected = _KEY if closing[-1] == "}" else _VALUE
        elif expected == _COLON and piece == ":":
            expected = _VALUE
        elif expected in (_KEY, _FIRST_KEY) and piece.startswith('"'):
            yield _json_scalar(piece, mark, after)
            expected = _COLON
        elif expected in (_VALUE, _ITEM) and piece == "{":
            yield MappingStartEvent(None, None, True, mark, after, flow_style=True)
            closing.append("}")
            expected = _FIRST_KEY
        elif expected in (_VALUE, _ITEM) and piece == "[":
            yield SequenceStartEvent(None, None, True, mark, after, flow_style=True)
            closing.append("]")
            expected = _ITEM
        elif expected in (_VALUE, _ITEM) and piece not in ("", ",", ":", "}", "]"):
            yield _json_scalar(piece, mark, after)
            expected = _MORE
        elif expected in (_MORE, _FIRST_KEY, _ITEM) and piece == closing[-1]:
            closing.pop()
            yield MappingEndEvent(mark, after) if piece == "}" else SequenceEndEvent(mark, after)
            expected = _MORE
        else:
            raise _Refused(
                f"not valid JSON: {_JSON_EXPECTED[expected]}", Span(at, min(at + 1, end))
            )
        if expected == _MORE and not closing:
            yield DocumentEndEvent(after, after, explicit=False)
            expected = _VALUE
        at = after.index


def _end_of(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start


def _json_scalar(piece: str, start: _Mark, end: _Mark) -> ScalarEvent:
    quoted = piece.startswith('"')
    value = _SURROGATE.sub("\ufffd", json.loads(piece)) if quoted else piece
    return ScalarEvent(None, None, (not quoted, quoted), value, start, end, piece[0] * quoted)


# --------------------------------------------------------------------------- reasons in plain words

_UNEXPECTED_COLON = "found unexpected ':'"

# Patterns for "context: problem" as libyaml and ruamel.yaml word them.
_PLAIN_WORDS = tuple(
    (regexp(pattern), words)
    for pattern, words in (
        (
            r"found a tab|found character '\\t'",
            "a tab stands where YAML takes only spaces for indentation",
        ),
        (
            r"mapping values are not allowed",
            "a ':' makes a key of what cannot be one; quote the value or mend the indentation",
        ),
        (
            r"could not find expected ':'",
            "this line is neither 'key: value' nor part of a value above; a ':' may be missing",
        ),
        (
            r"mapping keys are not allowed",
            "a '? ' starts a key where no key can stand; put the value in quotes",
        ),
        (
            r"sequence entries are not allowed",
            "a '- ' list item cannot start here; begin the list on a line of its own",
        ),
        (
            r"block mapping: (did not find expected key|expected <block end>)",
            "the indentation of this line fits no mapping above it",
        ),
        (
            r"did not find expected '-' indicator|block collection: expected <block end>",
            "the indentation of this line fits no list above it",
        ),
        (r"expected ',' or '\]'", "a '[' list is not closed, or a ',' is missing in it"),
        (r"expected ',' or '\}'", "a '{' mapping is not closed, or a ',' is missing in it"),
        (r"flow \w+: .*expected (the )?node content", "a value is missing in '[ ]' or '{ }'"),
        (
            r"expected (the )?node content",
            "no value can start here; put it in quotes if it is one",
        ),
        (
            _UNEXPECTED_COLON,
            "a ':' stands in an unquoted value in '[ ]' or '{ }'; put the value in quotes",
        ),
        (r"found unexpected end of stream", "a quoted text starts here and is never closed"),
        (
            r"found unexpected document",
            "a quoted text starts here and is not closed before the next document",
        ),
        (
            r"cannot start any token",
            "no value can start with this character; put the value in quotes",
        ),
        (
            r"found unknown escape",
            "YAML does not know this '\\' escape; put the text in single quotes, or write '\\\\'",
        ),
        (
            r"hexdecimal number|Unicode character",
            "an escape in this text names no character; '\\x' takes 2 digits, '\\u' 4, '\\U' 8",
        ),
        (
            r"(anchor|alias): .*alphabetic or numeric",
            "'*' and '&' start an alias or an anchor here; put the value in quotes",
        ),
        (
            r"block scalar",
            "after '|' or '>' only '+', '-', an indentation from 1 to 9 and a comment may follow",
        ),
        (
            r"undefined tag handle|scanning a tag|parsing a tag",
            "'!' starts a tag here, and it is not a valid one; put the value in quotes",
        ),
        (
            r"document start>",
            "this text follows the end of the document; separate documents with '---'",
        ),
        (
            r"directive|incompatible YAML",
            "a line that starts with '%' is a directive, and this one is not valid",
        ),
        (r"no separator", "a '---' must follow the lines that start with '%'"),
        (r"no opening bracket", "this bracket closes nothing"),
    )
)
# What began earlier and has no end tells a person more than the place where its end was missed.
_LOOK_BACK = regexp(
    r"could not find expected ':'|found unexpected (end of stream|document)|alphabetic or numeric"
    r"|hexdecimal number|Unicode character|directive:|(scanning|parsing) a tag"
)
_CONTEXTS = (
    (regexp(r"block mapping"), "the mapping starts here"),
    (regexp(r"block (collection|sequence)"), "the list starts here"),
    (regexp(r"flow mapping"), "the '{' stands here"),
    (regexp(r"flow sequence"), "the '[' stands here"),
)
_TEXT_END = regexp(rf"[{_BLANK}]*(?:\Z|(?:---|\.\.\.)(?:[{_BLANK}]|\Z))")
_TEMPLATE = regexp(r"(?:^[ \t]*|[:?-][ \t]+|[\[{,][ \t]*)(?P<opening>\{[{%])")
_LINE_WINDOW = 1000


def _explain(file: SourceFile, error: YAMLError, base: int, begin: int) -> _Stop:
    """What the parser found wrong, where, and in words for people who do not know YAML well."""
    text = file.text
    problem = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    reason = str(getattr(error, "problem", None) or error)
    at = begin if problem is None else base + problem.index
    began = at if context is None else base + context.index
    template = _template_stop(file, at, begin) or _template_stop(file, began, begin)
    if template is not None:
        return template
    said = f"{getattr(error, 'context', None)}: {reason}"
    if _LOOK_BACK.search(said) or ("flow" in said and _TEXT_END.match(text, at)):
        at = began
    elif "unknown escape" in reason and text[at - 1] == "\\":
        # ruamel.yaml points behind the backslash.
        at -= 1
    if "cannot start any token" in reason and text.startswith("\t", at):
        said = "found a tab"
    elif "document start>" in reason and text.startswith("%", begin):
        said = "no separator"
    elif "block" in said and text[at : at + 1] in ("]", "}"):
        said = "no opening bracket"
    message = next((words for pattern, words in _PLAIN_WORDS if pattern.search(said)), reason)
    related: tuple[tuple[Span, str], ...] = ()
    if file.position(began).line < file.position(at).line:
        related = tuple(
            (file.line_span(began), words) for pattern, words in _CONTEXTS if pattern.search(said)
        )
    return _Stop(message, _line_from(file, at), begin, reason, related)


def _template_stop(file: SourceFile, at: int, begin: int) -> _Stop | None:
    """The unquoted template placeholder that stands in the line of an offset, not after it."""
    start = at - min(file.position(at).column - 1, _LINE_WINDOW)
    line = file.text[start : at + 2]
    for match in _TEMPLATE.finditer(line):
        opening = match["opening"]
        before = line[: match.start("opening")]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return _Stop(
                f"an unquoted '{opening}' placeholder; render the template first, or put the value"
                " in quotes",
                file.line_span(start + len(before)),
                begin,
            )
    return None


def _line_from(file: SourceFile, at: int) -> Span:
    """The rest of the line from an offset on; at the end of the text, its last character."""
    span = file.line_span(at)
    if span.start < span.end:
        return span
    end = _trimmed_end(file.text, 0, span.start)
    return Span(end - 1, end) if end else Span(0, min(1, len(file.text)))
