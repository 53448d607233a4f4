"""Kubernetes objects as an installation renders them, each value with its origin.

The same facts are read from objects that stand in the input and from those that a chart would
render. An object is a tree of dicts and lists with `Sourced` values as leaves; a leaf may hold a
whole block (an affinity, say) as a plain value, which is taken apart only when something below it
is asked for or patched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from meshlint.mesh.provenance import Place, Sourced

Step: TypeAlias = str | int | tuple[str, str]
"""A key, an index, or the list item in which a key has a value: `("name", "discovery")`."""
Tree: TypeAlias = Any
"""`Sourced`, a dict of trees, or a list of trees; typed loosely, as the dict is recursive."""


class Unknown:
    """Stands for a value that meshlint cannot know; nothing is equal to it but itself."""

    def __repr__(self) -> str:
        return "unknown"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Sourced[Any] = Sourced(Unknown())


class Object:
    """An object that can be read and, while it is being built, patched."""

    def __init__(self, root: Tree) -> None:
        self._root = root

    def get(self, *path: Step) -> Sourced[Any] | None:
        """The plain value at a path with its origin; None where there is nothing.

        A map or list that was put together from several places has the origin of its first part
        that stands in the input.
        """
        tree = self._root
        for step in path:
            tree = _child(tree, step)
            if tree is None:
                return None
        return _flat(tree)

    def value(self, *path: Step) -> Any:
        found = self.get(*path)
        return found.value if found else None

    def put(self, path: tuple[Step, ...], value: Tree) -> None:
        """Sets the value at a path; maps on the way are made, a missing list item is added."""
        self._root = _put(self._root, path, value)

    def remove(self, path: tuple[Step, ...]) -> None:
        """Removes what stands at a path, if anything does."""
        if self.get(*path) is not None:
            self._root = _put(self._root, path, _GONE)

    def merge(self, path: tuple[Step, ...], value: Sourced[Any]) -> None:
        """Merges a plain map key by key; null removes a key, everything else replaces.

        As in a strategic merge patch, containers and environment variables merge by name.
        """
        if isinstance(value.value, list) and path[-1:] in _BY_NAME:
            for index, item in enumerate(value.value):
                inner = _child(value, index)
                if (
                    inner is not None
                    and isinstance(item, dict)
                    and isinstance(item.get("name"), str)
                ):
                    self.merge((*path, ("name", item["name"])), inner)
            return
        if not isinstance(value.value, dict):
            if value.value is None:
                self.remove(path)
            else:
                self.put(path, value)
            return
        if not value.value and self.get(*path) is None:
            self.put(path, value)
        for key in value.value:
            inner = _child(value, key)
            if inner is not None:
                self.merge((*path, key), inner)


_BY_NAME = {("containers",), ("initContainers",), ("env",)}


class _Gone:
    pass


_GONE = _Gone()


def _child(tree: Tree, step: Step) -> Tree | None:
    if isinstance(tree, Sourced):
        return _inside(tree, step)
    if isinstance(tree, dict):
        return tree.get(step) if isinstance(step, str) else None
    if isinstance(tree, list):
        index = _index(tree, step)
        return None if index is None else tree[index]
    return None


def _inside(leaf: Sourced[Any], step: Step) -> Sourced[Any] | None:
    value = leaf.value
    key: str | int | None = None
    if isinstance(value, dict):
        key = step if isinstance(step, str) and step in value else None
    elif isinstance(value, list):
        key = _index(value, step)
    if key is None:
        return None
    return Sourced(
        value[key],
        leaf.place.below(key) if leaf.place else None,
        leaf.default,
        leaf.site.below(key) if leaf.site else None,
    )


def _index(items: list[Any], step: Step) -> int | None:
    if isinstance(step, int):
        return step if 0 <= step < len(items) else None
    if isinstance(step, tuple):
        key, wanted = step
        for index, item in enumerate(items):
            if isinstance(item, Sourced):
                item = item.value
            found = item.get(key) if isinstance(item, dict) else None
            if isinstance(found, Sourced):
                found = found.value
            if found == wanted:
                return index
    return None


def _open(tree: Tree, step: Step) -> Tree:
    """A tree one level of which can be changed: leaves are taken apart, other things replaced."""
    as_list = not isinstance(step, str)
    if isinstance(tree, Sourced):
        value = tree.value
        if as_list and isinstance(value, list):
            return [_inside(tree, index) for index in range(len(value))]
        if not as_list and isinstance(value, dict):
            return {key: _inside(tree, key) for key in value}
    if isinstance(tree, list) and as_list:
        return list(tree)
    if isinstance(tree, dict) and not as_list:
        return dict(tree)
    return [] if as_list else {}


def _put(tree: Tree, path: tuple[Step, ...], value: Tree) -> Tree:
    if not path:
        return value
    step, rest = path[0], path[1:]
    opened = _open(tree, step)
    if isinstance(opened, list):
        index = _index(opened, step)
        if index is None:
            if value is _GONE or isinstance(step, int):
                return tree
            assert isinstance(step, tuple)
            item = {step[0]: Sourced(step[1])}
            opened.append(_put(item, rest, value) if rest else value)
            return opened
        changed = _put(opened[index], rest, value)
        if changed is _GONE:
            del opened[index]
        else:
            opened[index] = changed
        return opened
    assert isinstance(step, str)
    changed = _put(opened.get(step), rest, value)
    if changed is _GONE:
        opened.pop(step, None)
    else:
        opened[step] = changed
    return opened


def _flat(tree: Tree) -> Sourced[Any]:
    if isinstance(tree, Sourced):
        return tree
    if isinstance(tree, dict):
        parts = {key: _flat(item) for key, item in tree.items()}
        return _with_origin({key: part.value for key, part in parts.items()}, parts.values())
    parts_list = [_flat(item) for item in tree]
    return _with_origin([part.value for part in parts_list], parts_list)


def _with_origin(value: Any, parts: Any) -> Sourced[Any]:
    first: Sourced[Any] | None = None
    for part in parts:
        if part.place is not None:
            return Sourced(value, part.place)
        first = first or part
    return Sourced(value, None, first.default if first else "", first.site if first else None)


def written(value: Mapping[str, Any], place: Place) -> Object:
    """An object that stands in the input."""
    return Object(Sourced(value, place))
