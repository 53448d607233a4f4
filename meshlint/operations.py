"""What a fix does to a value, in terms of paths; how that looks as text is `meshlint.edits`.

Every operation is on one document. `applied` is what the value becomes, and what an edit of the
text has to parse to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from meshlint.dataclass import dataclass

Path = tuple[str | int, ...]


class OperationError(Exception):
    """The value has no place for an operation; the text says why."""


@dataclass(frozen=True, slots=True)
class Set:
    """Puts a value at a path; mappings on the way that are missing or null are made.

    A mapping over a mapping, and a list over a list of the same length, change only what differs.
    """

    path: Path
    value: Any
    before: str = ""
    """The sibling that a key which is missing is put in front of; else it comes last."""


@dataclass(frozen=True, slots=True)
class Append:
    """Adds an item to the list at a path, which is made where it is missing or null."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Remove:
    """Takes a key or an item away, and with `prune` the blocks that are empty then.

    The document itself and its top-level blocks stay.
    """

    path: Path
    prune: bool = True


@dataclass(frozen=True, slots=True)
class Rename:
    """Gives a key another name, in the same place."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Move:
    """Takes a value from one path to another that is free, with the comments inside of it.

    Mappings on the way are made, and blocks that are empty then go, as for `Set` and `Remove`.
    """

    path: Path
    to: Path
    before: str = ""
    """As for `Set`."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Makes a scalar the text that it is written as: `1.10` becomes "1.10"."""

    path: Path
    text: str
    """The scalar as it is written."""


@dataclass(frozen=True, slots=True)
class Reword:
    """Writes another word wherever one stands in a text by itself, as names do in queries."""

    path: Path
    word: str
    other: str


Operation = Set | Append | Remove | Rename | Move | Quote | Reword


def reworded(text: str, operation: Reword) -> tuple[str, int]:
    """A text with the other word, and how often that was put in."""
    # In PromQL a colon is a letter of names; other words may follow one.
    letter = r"[\w:]" if operation.word.isidentifier() else r"\w"
    word = rf"(?<!{letter}){re.escape(operation.word)}(?!{letter})"
    return re.subn(word, lambda _: operation.other, text)


def applied(value: Any, operations: Sequence[Operation]) -> Any:
    """A copy of a value with the operations done one after the other. Raises `OperationError`."""
    done = _copy(value, [_MOST_VALUES])
    for operation in operations:
        for step in steps(done, operation):
            done = _apply(done, step)
    return done


_MOST_VALUES = 1_000_000


def _copy(value: Any, left: list[int]) -> Any:
    """A copy in which nothing is shared, so that a change in one place shows in no other."""
    left[0] -= 1
    if left[0] < 0:
        raise OperationError("the document is too large")
    if isinstance(value, dict):
        return {key: _copy(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, left) for item in value]
    return value


def steps(value: Any, operation: Operation) -> list[Operation]:
    """An operation as single changes: each sets, appends, removes or renames one thing."""
    if isinstance(operation, Set):
        return list(_set_steps(value, operation.path, operation.value, operation.before))
    if isinstance(operation, Append):
        found, depth = _reach(value, operation.path)
        if depth == len(operation.path) and isinstance(found, list):
            return [operation]
        return list(_set_steps(value, operation.path, [operation.value]))
    if isinstance(operation, Remove):
        return [Remove(_pruned(value, operation), prune=False)]
    if isinstance(operation, Move):
        return _move_steps(value, operation)
    return [operation]


def _move_steps(value: Any, operation: Move) -> list[Operation]:
    moved, depth = _reach(value, operation.path)
    if depth < len(operation.path):
        raise OperationError(f"there is nothing at {_shown(operation.path)}")
    if _reach(value, operation.to)[1] == len(operation.to):
        raise OperationError(f"there already is something at {_shown(operation.to)}")
    made = list(_set_steps(value, operation.to, moved, operation.before))
    after = value
    for step in made:
        after = _apply(_copy(after, [_MOST_VALUES]), step)
    return [*made, Remove(_pruned(after, Remove(operation.path)), prune=False)]


def _set_steps(value: Any, path: Path, wanted: Any, before: str = "") -> list[Operation]:
    found, depth = _reach(value, path)
    if depth < len(path):
        rest = path[depth:]
        if found is not None and not isinstance(found, dict):
            raise OperationError(f"{_shown(path[:depth])} is no mapping")
        for step in reversed(rest[1:]):
            if not isinstance(step, str):
                raise OperationError(f"{_shown(path)} has no such item")
            wanted = {step: wanted}
        if not isinstance(rest[0], str):
            raise OperationError(f"{_shown(path)} has no such item")
        if found is None and depth > 0:
            return [Set(path[:depth], {rest[0]: wanted})]
        return [Set(path[: depth + 1], wanted, before)]
    if isinstance(found, dict) and isinstance(wanted, dict) and found and wanted:
        listed: list[Operation] = [
            Remove((*path, key), prune=False) for key in found if key not in wanted
        ]
        for key, item in wanted.items():
            listed += _set_steps(value, (*path, key), item)
        return listed
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted) > 0:
        return [
            step for at, item in enumerate(wanted) for step in _set_steps(value, (*path, at), item)
        ]
    return [] if _same(found, wanted) else [Set(path, wanted)]


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and type(one) is type(other)


def _reach(value: Any, path: Path) -> tuple[Any, int]:
    """The last value on the way to a path that exists, and how many steps lead to it."""
    for depth, step in enumerate(path):
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return value, depth
            value = value[step]
        else:
            if not isinstance(value, list) or not 0 <= step < len(value):
                return value, depth
            value = value[step]
    return value, len(path)


def _pruned(value: Any, operation: Remove) -> Path:
    path = operation.path
    if _reach(value, path)[1] < len(path) or not path:
        raise OperationError(f"there is nothing at {_shown(path)}")
    while operation.prune and len(path) > 2 and len(_reach(value, path[:-1])[0]) == 1:
        path = path[:-1]
    return path


def _apply(value: Any, operation: Operation) -> Any:
    path = operation.path
    if not path:
        if isinstance(operation, Set):
            return deepcopy(operation.value)
        if isinstance(operation, Append) and isinstance(value, list):
            return [*value, deepcopy(operation.value)]
        raise OperationError("the document itself cannot be removed or renamed")
    parent, depth = _reach(value, path[:-1])
    if depth < len(path) - 1:
        raise OperationError(f"there is nothing at {_shown(path[:-1])}")
    last = path[-1]
    if isinstance(operation, Set):
        parent[last] = deepcopy(operation.value)
    elif isinstance(operation, Quote):
        parent[last] = operation.text
    elif isinstance(operation, Reword):
        parent[last] = _reworded(parent[last], operation)
    elif isinstance(operation, Append):
        parent[last].append(deepcopy(operation.value))
    elif isinstance(operation, Remove):
        del parent[last]
    elif isinstance(operation, Rename):
        _rename(parent, last, operation.name)
    return value


def _reworded(value: Any, operation: Reword) -> str:
    if not isinstance(value, str):
        raise OperationError(f"there is no text at {_shown(operation.path)}")
    return reworded(value, operation)[0]


def _rename(parent: Any, key: str | int, name: str) -> None:
    if not isinstance(parent, dict) or key not in parent:
        raise OperationError(f"there is no key {key!r}")
    if name in parent:
        raise OperationError(f"there already is a key {name!r}")
    items = [(name if k == key else k, v) for k, v in parent.items()]
    parent.clear()
    parent.update(items)


def _shown(path: Path) -> str:
    return ".".join(map(str, path)) or "the document"
