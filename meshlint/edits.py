"""Operations on a document as the smallest edits of its text.

Comments, quoting, indentation, flow and block style, anchors, line ends and the order of everything
stay as they are. What an alias shares is never changed through the alias. Every plan is parsed
again; one that does not give the intended value is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from meshlint.dataclass import dataclass, replace
from meshlint.documents import Document, parse, plain_scalar
from meshlint.findings import FileEdit
from meshlint.operations import (
    Append,
    Move,
    Operation,
    OperationError,
    Path,
    Quote,
    Remove,
    Rename,
    Reword,
    applied,
    reworded,
    steps,
)
from meshlint.patterns import regexp
from meshlint.text import Position, SourceFile, Span


class Refused(Exception):
    """No edit of the text does what an operation wants; the text says why."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that takes the place of a span of a file."""

    span: Span
    text: str


def plan(document: Document, operations: Sequence[Operation]) -> tuple[Edit, ...]:
    """Edits of the document's file that do the operations. Raises `Refused`.

    The edits are in order and do not overlap.
    """
    span = _member(document, operations)
    if span is not None:
        text = document.file.text[span.start : span.end]
        found = parse(SourceFile(document.file.path, text))
        member = document.value["items"][operations[0].path[1]]
        if not found.problems and [one.value for one in found.documents] == [[member]]:
            within = plan(found.documents[0], [_in_member(operation) for operation in operations])
            return tuple(
                Edit(Span(edit.span.start + span.start, edit.span.end + span.start), edit.text)
                for edit in within
            )
    try:
        wanted = applied(document.value, operations)
    except OperationError as error:
        raise Refused(str(error)) from None
    whole = document.file.text
    start = document.span.start
    begin = whole.rfind("\n", 0, start) + 1
    if not whole[begin:start].strip():
        start = begin  # the first line is in by as much as those below it
    end = _end_of_document(document)
    text = whole[start:end]
    single = _single(document, operations)
    if single is not None and start <= single.span.start and single.span.end <= end:
        local = Edit(Span(single.span.start - start, single.span.end - start), single.text)
        _verify(document, _done(text, local), wanted)
        return (_trimmed(single, whole),)
    if parse(SourceFile(document.file.path, text)).problems:
        raise Refused("the document itself has faults of syntax")
    try:
        for operation in operations:
            now = _parsed(text, document)
            written = _Editor(now).written(operation.path) if isinstance(operation, Move) else None
            for step in steps(now.value, operation):
                if written is not None and isinstance(operation, Move) and isinstance(step, Remove):
                    text = _done(text, _Editor(now).rewritten(operation.to, written))
                    now = _parsed(text, document)
                text = _done(text, _Editor(now).edit(step))
                now = _parsed(text, document)
    except OperationError as error:
        raise Refused(str(error)) from None
    _verify(document, text, wanted)
    return tuple(_differences(whole[start:end], text, start))


def extent(document: Document, operations: Sequence[Operation]) -> int:
    """Keys and values that planning these operations reads, once or a few times."""
    alone = _member(document, operations) is not None
    return document.size(operations[0].path[:2] if alone else ())


_LARGE = 10_000
"""Characters of a document of which it pays to look at a part alone."""
_ITEM_START = regexp(r"[ ]*-[ ]+")


def _member(document: Document, operations: Sequence[Operation]) -> Span | None:
    """The lines of the one object of a List that operations are on; it is tried without the others.

    None for a small document, and where the object is not written as an item of its own lines.
    """
    whole = document.span
    if whole.end - whole.start < _LARGE or document.has_aliases or not operations:
        return None
    heads = {path[:2] for op in operations for path in (op.path, getattr(op, "to", op.path))}
    head = heads.pop()
    if heads or len(head) < 2 or head[0] != "items" or not isinstance(head[1], int):
        return None
    if any(len(operation.path) < 3 for operation in operations):
        return None
    span = document.span_of(head)
    if span is None:
        return None
    file = document.file
    start = span.start - file.position(span.start).column + 1
    if not _ITEM_START.fullmatch(file.text, start, span.start):
        return None
    if not file.text[span.start].isalpha():
        return None
    end = file.text.find("\n", span.end) + 1
    return Span(start, end or len(file.text))


def _in_member(operation: Operation) -> Operation:
    """An operation on an object of a List, for a list of that object alone."""
    path = (0, *operation.path[2:])
    if isinstance(operation, Move):
        return replace(operation, path=path, to=(0, *operation.to[2:]))
    return replace(operation, path=path)


def _single(document: Document, operations: Sequence[Operation]) -> Edit | None:
    """The edit of an operation that is a single change: most are, and need no text in between."""
    if len(operations) != 1 or isinstance(operations[0], Move):
        return None
    try:
        changes = steps(document.value, operations[0])
    except OperationError as error:
        raise Refused(str(error)) from None
    return _Editor(document).edit(changes[0]) if len(changes) == 1 else None


def _verify(document: Document, text: str, wanted: Any) -> None:
    """Raises `Refused` unless the text of the document means what is wanted."""
    if same(_parsed(text, document).value, wanted):
        return
    if document.has_aliases:
        raise Refused("the value is shared by an alias or a merge key")
    raise Refused("the edited text would not mean what is intended")


def _trimmed(edit: Edit, text: str) -> Edit:
    """The edit without what stays the same at its ends."""
    was, becomes = text[edit.span.start : edit.span.end], edit.text
    lead = _common(was, becomes)
    was, becomes = was[lead:], becomes[lead:]
    tail = _common(was[::-1], becomes[::-1])
    start, end = edit.span.start + lead, edit.span.end - tail
    return Edit(Span(start, end), becomes[: len(becomes) - tail])


def _done(text: str, edit: Edit) -> str:
    return text[: edit.span.start] + edit.text + text[edit.span.end :]


def append_document(file: SourceFile, value: Any) -> Edit:
    """An edit that adds a document at the end of a file. Raises `Refused` for JSON."""
    text = file.text
    if text.lstrip()[:1] in ("{", "["):
        raise Refused("a JSON file holds one document")
    newline = _line_end(text)
    body = text.rstrip()
    lead = "" if not body or body.endswith("---") else f"---{newline}"
    if text and not text.endswith(("\n", "\r")):
        lead = newline + lead
    made = "".join(line + newline for line in block_lines(value, indented=_indents(text)))
    return Edit(Span(len(text), len(text)), lead + made)


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Text with edits done that do not overlap."""
    pieces = []
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.span):
        pieces += [text[at : edit.span.start], edit.text]
        at = edit.span.end
    return "".join([*pieces, text[at:]])


def changed_lines(edits: Sequence[FileEdit]) -> list[str]:
    """What edits do to the lines they touch, each with `-` or `+` in front."""
    from difflib import unified_diff

    by_file: dict[str, list[FileEdit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file.path, []).append(edit)
    lines: list[str] = []
    for parts in by_file.values():
        # Only the lines around are compared: a file may be long.
        file = parts[0].file
        low = file.position(min(part.span.start for part in parts)).line - 1
        start = file.offset(Position(max(1, low), 1))
        end = file.line_span(max(part.span.end for part in parts)).end
        before = file.text[start:end]
        moved = [Edit(Span(p.span.start - start, p.span.end - start), p.text) for p in parts]
        after = apply_edits(before, moved)
        compared = list(unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
        lines += [line for line in compared[2:] if line[:1] in "+-"]
    return lines


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal to YAML: `1`, `1.0` and `true` are three different ones."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(item, other[k]) for k, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or one != one


def _parsed(text: str, document: Document) -> Document:
    found = parse(SourceFile(document.file.path, text))
    if found.problems or len(found.documents) != 1:
        raise Refused("the edited text would not parse")
    return found.documents[0]


def _end_of_document(document: Document) -> int:
    """The end of the last line of a document, with its line end."""
    text = document.file.text
    end = document.file.line_span(document.span.end).end
    while end < len(text) and text[end] not in "\r\n":
        end += 1
    if text.startswith("\r\n", end):
        return end + 2
    return min(end + 1, len(text))


def _line_end(text: str, at: int = -1) -> str:
    """How a line ends: the one that ends at an offset, else most likely the lines of a text."""
    if at >= 0:
        for end in ("\r\n", "\n", "\r"):
            if text.startswith(end, at):
                return end
    return next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")


def _differences(before: str, after: str, base: int) -> Iterator[Edit]:
    """What differs, line by line, and within a line without the parts that are equal."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, low, high, new_low, new_high in matcher.get_opcodes():
        if tag == "equal":
            continue
        was, becomes = "".join(old[low:high]), "".join(new[new_low:new_high])
        start, end = starts[low], starts[high]
        if low < high and new_low < new_high:
            lead = _common(was, becomes)
            was, becomes, start = was[lead:], becomes[lead:], start + lead
            tail = _common(was[::-1], becomes[::-1])
            if tail:
                becomes, end = becomes[: len(becomes) - tail], end - tail
        yield Edit(Span(base + start, base + end), becomes)


def _common(one: str, other: str) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


# ---------------------------------------------------------------------------------- single edits

_PROPERTIES = regexp(r"(?:[&!][^\s,\[\]{}]*\s*)*")


class _Editor:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.file.text
        self.newline = _line_end(self.text)

    def edit(self, operation: Operation) -> Edit:
        path = operation.path
        if not path:
            raise Refused("the document as a whole is not replaced")
        self._refuse_shared(path if isinstance(operation, Append) else path[:-1])
        if isinstance(operation, Rename):
            span = self._key(path)
            return Edit(span, self._scalar(operation.name, like=span, flow=True))
        if isinstance(operation, Move):
            raise Refused("a move is done step by step")
        if isinstance(operation, Quote):
            return self._quote(path, operation.text)
        if isinstance(operation, Reword):
            return self._reword(path, operation)
        if isinstance(operation, Append):
            return self._append(path, operation.value)
        if isinstance(operation, Remove):
            return self._remove(path)
        if self.document.span_of(path) is None:
            return self._add(path, operation.value, operation.before)
        return self._replace(path, operation.value)

    # ------------------------------------------------------------------------- looking around

    def _value(self, path: Path) -> Any:
        value = self.document.value
        for step in path:
            value = value[step]
        return value

    def _span(self, path: Path) -> Span:
        found = self.document.span_of(path)
        if found is None:
            raise Refused("there is nothing at that place")
        return found

    def _key(self, path: Path) -> Span:
        found = self.document.key_span(path)
        if found is None or not isinstance(path[-1], str):
            raise Refused("there is no such key")
        return found

    def _refuse_shared(self, path: Path) -> None:
        """What stands behind an alias or came with a merge key belongs to another place too."""
        for depth in range(1, len(path) + 1):
            outer, span = self._span(path[: depth - 1]), self._span(path[:depth])
            if not outer.start <= span.start <= span.end <= outer.end:
                raise Refused("the value is shared by an alias or a merge key")
            if self.text.startswith("*", span.start):
                raise Refused("the value is an alias")

    def _content(self, path: Path) -> int:
        """Where a value begins behind its anchor and tag."""
        span = self._span(path)
        found = _PROPERTIES.match(self.text, span.start, span.end)
        return found.end() if found is not None else span.start

    def _is_flow(self, path: Path) -> bool:
        return self.text[self._content(path) : self._content(path) + 1] in ("{", "[")

    def _in_flow(self, path: Path) -> bool:
        return any(self._is_flow(path[:depth]) for depth in range(len(path)))

    def _column(self, offset: int) -> int:
        """Characters before an offset in its line."""
        return self.document.file.position(offset).column - 1

    def _line_start(self, offset: int) -> int:
        return offset - self._column(offset)

    def _line_end(self, offset: int) -> int:
        """End of the line without its line end."""
        while offset < len(self.text) and self.text[offset] not in "\r\n":
            offset += 1
        return offset

    def _behind_line(self, offset: int) -> int:
        end = self._line_end(offset)
        return end + 2 if self.text.startswith("\r\n", end) else min(end + 1, len(self.text))

    def _blank_before(self, offset: int) -> bool:
        return not self.text[self._line_start(offset) : offset].strip()

    def _rest_is_comment(self, offset: int) -> bool:
        rest = self.text[offset : self._line_end(offset)].strip()
        return not rest or rest.startswith("#")

    def _after_value(self, path: Path) -> int:
        """Where text may be put behind a value on a line of its own."""
        span = self._span(path)
        if not self._rest_is_comment(span.end):
            raise Refused("something else stands on the same line")
        return self._line_end(span.end)

    # ------------------------------------------------------------------------------- rendering

    def _scalar(self, value: Any, like: Span | None = None, *, flow: bool = False) -> str:
        quote = self.text[like.start : like.start + 1] if like is not None else ""
        return scalar_text(value, quote if quote in ("'", '"') else "", flow=flow)

    def _lines(self, value: Any) -> list[str]:
        return block_lines(value, indented=_indents(self.text))

    def _json(self, path: Path) -> bool:
        """Whether keys of the flow mapping around are quoted, as in JSON."""
        for depth in range(len(path), -1, -1):
            value = self._value(path[:depth])
            if isinstance(value, dict) and value:
                key = self.document.key_span((*path[:depth], next(iter(value))))
                return key is not None and self.text.startswith('"', key.start)
        return self.text.lstrip()[:1] in ("{", "[")

    def _flow(self, value: Any, path: Path) -> str:
        if self._json(path):
            return json.dumps(value, ensure_ascii=False)
        return flow_text(value)

    def _indented(self, lines: Sequence[str], column: int) -> str:
        return self.newline.join(" " * column + line for line in lines)

    # -------------------------------------------------------------------------------- replacing

    def _replace(self, path: Path, value: Any) -> Edit:
        span = self._span(path)
        if self.text.startswith("*", span.start):
            raise Refused("the value is an alias")
        if self.text[span.start : span.start + 1] in ("&", "!"):
            raise Refused("the value has an anchor or a tag")
        old = self._value(path)
        if self.text.startswith("|", span.start) and isinstance(value, str) and _is_literal(value):
            return self._replace_literal(span, value)
        if self._in_flow(path) or not isinstance(value, dict | list) or not value:
            return self._replace_inline(path, span, old, value)
        if isinstance(path[-1], int):
            raise Refused("an item is not replaced by a block")
        return self._replace_by_block(path, span, old, value)

    def _replace_inline(self, path: Path, span: Span, old: Any, value: Any) -> Edit:
        if self._in_flow(path):
            return Edit(span, self._flow(value, path))
        if isinstance(value, dict | list):
            written = flow_text(value)
        elif self._json(path[:-1]):
            written = json.dumps(value, ensure_ascii=False)
        else:
            like = span if isinstance(old, str) and isinstance(value, str) else None
            written = self._scalar(value, like)
        if "#" in self.text[span.start : span.end] and isinstance(old, dict | list):
            raise Refused("the value that would go holds comments")
        if isinstance(path[-1], int):
            if isinstance(old, dict | list) and not self._is_flow(path):
                raise Refused("a block is not replaced by an item")
            return Edit(span, written if span.start < span.end else f" {written}")
        start = self._colon(path)
        if span.start == span.end:
            return Edit(Span(start, start), f" {written}")
        if "\n" not in self.text[start : span.start] and "\r" not in self.text[start : span.start]:
            return Edit(span, written)
        if self.text[start : span.start].strip():
            raise Refused("a comment stands between the key and its value")
        return Edit(Span(start, span.end), f" {written}")

    def _replace_literal(self, span: Span, value: str) -> Edit:
        """Another text for a literal block, as far in as the old one."""
        header_end = self._line_end(span.start)
        header = self.text[span.start : header_end]
        first = re.compile(r"[ \t]*\r?\n( +)\S").match(self.text, header_end)
        if first is None or not re.fullmatch(r"\|-?[ \t]*(?:#.*)?", header):
            raise Refused("the text is written in an unusual way")
        keeps = value.endswith("\n")
        if keeps and header.startswith("|-"):
            header = "|" + header[2:]
        elif not keeps and not header.startswith("|-"):
            header = "|-" + header[1:]
        lines = [
            " " * len(first[1]) + line if line else ""
            for line in value.removesuffix("\n").split("\n")
        ]
        end = span.start + len(self.text[span.start : span.end].rstrip())
        return Edit(Span(span.start, end), self.newline.join([header, *lines]))

    def _replace_by_block(self, path: Path, span: Span, old: Any, value: Any) -> Edit:
        if isinstance(old, dict | list) and old and not self._is_flow(path):
            raise Refused("a block is not replaced by another one")
        key = self._key(path)
        column = self._column(key.start) + self._step(value)
        body = self.newline + self._indented(self._lines(value), column)
        start = self._colon(path)
        tail = self.text[span.end : self._line_end(span.end)]
        if span.start < span.end and "\n" in self.text[span.start : span.end]:
            raise Refused("a value of several lines is not replaced by a block")
        if not self._rest_is_comment(span.end):
            raise Refused("something else stands on the same line")
        return Edit(Span(start, self._line_end(span.end)), tail.rstrip() + body)

    def _quote(self, path: Path, written: str) -> Edit:
        span = self._span(path)
        if isinstance(self._value(path), dict | list):
            raise Refused("the value is no scalar")
        if self.text[span.start : span.end] != written or written[:1] in ("&", "!", "*"):
            raise Refused("the value has an anchor, a tag or an alias")
        if span.start == span.end:
            start = self._colon(path)
            return Edit(Span(start, start), ' ""')
        return Edit(span, json.dumps(written, ensure_ascii=False))

    def _reword(self, path: Path, operation: Reword) -> Edit:
        span = self._span(path)
        written, count = reworded(self.text[span.start : span.end], operation)
        # A word that is broken over lines, or written with escapes, is found less often.
        if count != reworded(self._value(path), operation)[1]:
            raise Refused("the text is written in an unusual way")
        return Edit(span, written)

    # ---------------------------------------------------------------------------------- moving

    def written(self, path: Path) -> tuple[str, int] | None:
        """What stands behind the colon of a key, to the end of its last line, and its column.

        None where it is written in flow style.
        """
        if self._in_flow(path):
            return None
        self._refuse_shared(path)
        end = self._after_value(path) if self._span(path).start < self._span(path).end else -1
        start = self._colon(path)
        return self.text[start : max(end, self._line_end(start))], self._column(
            self._key(path).start
        )

    def rewritten(self, path: Path, written: tuple[str, int]) -> Edit:
        """An edit that writes the value of a key as it was written elsewhere."""
        text, column = written
        start = self._colon(path)
        if self._in_flow(path):
            if "#" in text:
                raise Refused("what would be moved holds comments")
            return Edit(Span(start, start), "")
        end = self._after_value(path) if self._span(path).start < self._span(path).end else start
        first, *rest = text.splitlines()
        indentation = " " * self._column(self._key(path).start)
        lines = [first]
        for line in rest:
            within = len(line) - len(line.lstrip(" "))
            kept = line[min(column, within) :]
            lines.append(indentation + kept if kept else "")
        return Edit(Span(start, end), self.newline.join(lines))

    def _step(self, value: Any) -> int:
        if isinstance(value, list) and not _indents(self.text):
            return 0
        return 2

    def _colon(self, path: Path) -> int:
        """The place behind the colon of a key."""
        key = self._key(path)
        at = self.text.find(":", key.end)
        if at < 0 or self.text[key.end : at].strip():
            raise Refused("the key is written in an unusual way")
        return at + 1

    # ----------------------------------------------------------------------------------- adding

    def _add(self, path: Path, value: Any, before: str = "") -> Edit:
        home, name = path[:-1], path[-1]
        around = self._value(home)
        if not isinstance(around, dict) or not isinstance(name, str):
            raise Refused("there is no mapping to add a key to")
        if home and self.text.startswith("*", self._span(home).start):
            raise Refused("the value is an alias")
        if self._is_flow(home) or self._in_flow(home):
            if not self._is_flow(home):
                raise Refused("the mapping is written in an unusual way")
            if not around and not self._in_flow(home) and home:
                return self._replace_by_block(home, self._span(home), around, {name: value})
            key = json.dumps(name) if self._json(home) else scalar_text(name, flow=True)
            return self._insert_flow(home, f"{key}: ", value)
        last = (*home, list(around)[-1])
        self._refuse_shared(last)
        at = self._after_value(last)
        column = self._column(self._key((*home, next(iter(around)))).start)
        lines = self._entry(name, value)
        keys = list(around)
        if before in keys[1:]:
            at = self._after_value((*home, keys[keys.index(before) - 1]))
        elif before in keys and self._below_key(home):
            at = self._line_end(self._colon(home))
        self.newline = _line_end(self.text, at)
        return Edit(Span(at, at), self.newline + self._indented(lines, column))

    def _below_key(self, home: Path) -> bool:
        """Whether a block begins on the line after its key."""
        if not home or not isinstance(home[-1], str):
            return False
        start, end = self._colon(home), self._span(home).start
        return self._rest_is_comment(start) and self._line_end(start) < end

    def _entry(self, name: str, value: Any) -> list[str]:
        return block_lines({name: value}, indented=_indents(self.text))

    def _insert_flow(self, home: Path, name: str, added: Any) -> Edit:
        value = self._value(home)
        span = self._span(home)
        entry = name + self._flow(added, home)
        if not value:
            opening = self._content(home)
            if "#" in self.text[opening : span.end]:
                raise Refused("a comment stands in the empty value")
            brackets = self.text[opening] + self.text[span.end - 1]
            return Edit(Span(opening, span.end), f"{brackets[0]}{entry}{brackets[1]}")
        last = list(value)[-1] if isinstance(value, dict) else len(value) - 1
        first = next(iter(value)) if isinstance(value, dict) else 0
        end = self._span((*home, last)).end
        begin_span = self.document.key_span((*home, first))
        assert begin_span is not None
        rest = self.text[end : span.end - 1]
        comma = rest.find(",")
        own_line = self._blank_before(begin_span.start)
        joint = self.newline + " " * self._column(begin_span.start) if own_line else " "
        if own_line and self._json(home):
            entry = name + self._json_lines(added, home, begin_span.start)
        if comma >= 0 and not rest[:comma].strip():
            at = end + comma + 1
            return Edit(Span(at, at), f"{joint}{entry}")
        return Edit(Span(end, end), f",{joint}{entry}")

    def _json_lines(self, value: Any, home: Path, sibling: int) -> str:
        """JSON over several lines, in by as much as a sibling is from the brackets around it."""
        opening = self._line_start(self._content(home))
        outer = re.compile(r"[ ]*").match(self.text, opening)
        column = self._column(sibling)
        step = column - len(outer[0]) if outer is not None else 0
        if step <= 0:
            return self._flow(value, home)
        lines = json.dumps(value, ensure_ascii=False, indent=step).split("\n")
        return (self.newline + " " * column).join(lines)

    def _append(self, path: Path, value: Any) -> Edit:
        listed = self._value(path)
        if not isinstance(listed, list):
            raise Refused("there is no list to append to")
        if self._is_flow(path) or self._in_flow(path):
            if not listed and not self._in_flow(path) and isinstance(path[-1], str):
                return self._replace_by_block(path, self._span(path), listed, [value])
            return self._insert_flow(path, "", value)
        at = self._after_value((*path, len(listed) - 1))
        column = self._column(self._dash((*path, 0)))
        # A flat item goes on one line where the last one does.
        flat = isinstance(value, dict) and not any(
            isinstance(v, dict | list) for v in value.values()
        )
        if flat and self._is_flow((*path, len(listed) - 1)):
            lines = [f"- {flow_text(value)}"]
        else:
            lines = block_lines([value], indented=_indents(self.text))
        self.newline = _line_end(self.text, at)
        return Edit(Span(at, at), self.newline + self._indented(lines, column))

    def _dash(self, path: Path) -> int:
        """The dash in front of an item."""
        at = self._span(path).start - 1
        while at >= 0 and self.text[at] in " \t":
            at -= 1
        if at < 0 or self.text[at] != "-":
            raise Refused("the item is written in an unusual way")
        return at

    # --------------------------------------------------------------------------------- removing

    def _remove(self, path: Path) -> Edit:
        home = path[:-1]
        siblings = self._value(home)
        if "&" in self.text[self._span(path).start : self._span(path).end]:
            raise Refused("what would go may have an anchor that is used elsewhere")
        if self._is_flow(home):
            return self._remove_flow(home, path)
        if len(siblings) == 1:
            return self._empty(home, "{}" if isinstance(siblings, dict) else "[]")
        start = self._key(path).start if isinstance(path[-1], str) else self._dash(path)
        end = max(self._span(path).end, start)
        if self._span(path).start == self._span(path).end and isinstance(path[-1], str):
            end = self._colon(path)
        if not self._rest_is_comment(end):
            raise Refused("something else stands on the same line")
        if self._blank_before(start):
            begin, finish = self._line_start(start), self._behind_line(end)
            if finish == self._line_end(end) and begin > 0:
                # The last line of a file without final line end.
                begin -= 2 if self.text.startswith("\r\n", begin - 2) else 1
            return Edit(Span(begin, finish), "")
        keys = list(siblings) if isinstance(siblings, dict) else []
        at = keys.index(path[-1]) if path[-1] in keys else -1
        if at != 0:
            raise Refused("the key does not stand on a line of its own")
        following = self._key((*home, keys[1])).start
        between = self.text[self._line_end(end) : following]
        if between.strip() or not self._blank_before(following):
            raise Refused("a comment stands between the key and the next one")
        return Edit(Span(start, following), "")

    def _remove_flow(self, home: Path, path: Path) -> Edit:
        siblings = self._value(home)
        keys = list(siblings) if isinstance(siblings, dict) else list(range(len(siblings)))
        at = keys.index(path[-1])
        begin_span = self.document.key_span(path)
        assert begin_span is not None
        start, end = begin_span.start, max(self._span(path).end, begin_span.end)
        if "#" in self.text[self._span(home).start : self._span(home).end]:
            raise Refused("the list in braces holds comments")
        if at + 1 < len(keys):
            following = self.document.key_span((*home, keys[at + 1]))
            assert following is not None
            return Edit(Span(start, following.start), "")
        if at > 0:
            previous = self._span((*home, keys[at - 1])).end
            return Edit(Span(previous, end), "")
        outer = self._span(home)
        opening = self._content(home)
        return Edit(Span(opening + 1, outer.end - 1), "")

    def _empty(self, home: Path, brackets: str) -> Edit:
        """Leaves an empty mapping or list where a block was."""
        if not home or not isinstance(home[-1], str):
            raise Refused("nothing would be left")
        span = self._span(home)
        start = self._colon(home)
        if "#" in self.text[start : span.start] or "#" in self.text[span.start : span.end]:
            raise Refused("the block that would be empty holds comments")
        return Edit(Span(start, span.end), f" {brackets}")


# ------------------------------------------------------------------------------------- rendering

_PLAIN = regexp(r"(?:[A-Za-z0-9_./$()+<~^;]|[^\x00-\xa0]|-{1,2}\w)[^\x00-\x1f\x7f]*")
_FORBIDDEN_IN_FLOW = frozenset(",[]{}?:")


def scalar_text(value: Any, quote: str = "", *, flow: bool = False) -> str:
    """A scalar as YAML: plain where that means the same, else in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return json.dumps(value)
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if quote == '"' or not _is_plain(value, flow):
        return json.dumps(value, ensure_ascii=False)
    return value


def _is_plain(value: str, flow: bool) -> bool:
    if not _PLAIN.fullmatch(value) or value != value.strip():
        return False
    if ": " in value or " #" in value or value.endswith(":"):
        return False
    if flow and not _FORBIDDEN_IN_FLOW.isdisjoint(value):
        return False
    return value.isprintable() and bool(plain_scalar(value) == value)


def flow_text(value: Any) -> str:
    """A value on one line, in flow style."""
    if isinstance(value, dict):
        pairs = (f"{scalar_text(k, flow=True)}: {flow_text(v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value, flow=True)


def block_lines(value: Any, *, indented: bool = True) -> list[str]:
    """A value in block style, line by line; `indented` for lists that stand in from their key."""
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            name = scalar_text(key)
            if isinstance(item, str) and "\n" in item and _is_literal(item):
                mark = "|" if item.endswith("\n") else "|-"
                lines += [f"{name}: {mark}"]
                lines += [
                    f"  {line}" if line else "" for line in item.removesuffix("\n").split("\n")
                ]
            elif isinstance(item, dict | list) and item:
                step = "" if isinstance(item, list) and not indented else "  "
                inner = block_lines(item, indented=indented)
                lines += [f"{name}:", *(f"{step}{line}" if line else "" for line in inner)]
            else:
                lines.append(
                    f"{name}: {flow_text(item) if item in ({}, []) else scalar_text(item)}"
                )
        return lines
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            first, *rest = block_lines(item, indented=indented)
            lines += [f"- {first}", *(f"  {line}" if line else "" for line in rest)]
        return lines
    return [flow_text(value) if isinstance(value, dict | list) else scalar_text(value)]


def _is_literal(value: str) -> bool:
    """Whether a text can stand in a literal block as it is."""
    lines = value.split("\n")
    return (
        not value.endswith("\n\n")
        and not lines[0].startswith((" ", "\t"))
        and bool(lines[0])
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )


_LIST_BELOW_KEY = regexp(r"^( *)(?:- )*[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\r?\n( *)- ", re.MULTILINE)


def _indents(text: str) -> bool:
    """Whether lists of a text stand in from their key; what the first one does, else yes."""
    found = _LIST_BELOW_KEY.search(text)
    if found is None:
        return True
    lead = len(found[1])
    between = text[found.start() + lead : found.end()]
    while between.startswith("- "):
        lead, between = lead + 2, between[2:]
    return len(found[2]) > lead
