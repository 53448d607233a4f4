"""Every field that a release of Istio or one of its charts has ever had.

Source: istio/istio, operator/pkg/apis, manifests/charts; istio/api, mesh/v1alpha1 and
operator/v1alpha1; Sail API. In `known_fields.json` a field that holds a plain value is null, `*`
is a part that is not looked into, and `@name` stands for another tree of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from meshlint.mesh.installations.field_tables import DEPRECATED, INEFFECTIVE, REMOVED

Tree = Literal["spec", "values", "mesh", "gateway", "sail", "istiod"]
Node = Mapping[str, object]

_MOST_EDITS = 2


@cache
def _file() -> dict[str, dict[str, object]]:
    text = (resources.files("meshlint.mesh.installations") / "known_fields.json").read_text("utf-8")
    found: dict[str, dict[str, object]] = json.loads(text)
    for field in (*REMOVED, *DEPRECATED, *INEFFECTIVE):
        if field.root in found:
            _add(found[field.root], tuple(step for step in field.path if step != "[]"))
    return found


def _add(node: dict[str, object], path: tuple[str, ...]) -> None:
    """Make a field of the tables known; a part with keys of any name is left as it is."""
    step = path[0]
    if step == "*":
        return
    below = node.setdefault(step, {} if path[1:] else "*")
    if isinstance(below, dict) and path[1:]:
        _add(below, path[1:])


@cache
def known(tree: Tree) -> Node:
    """Fields at the top of a tree.

    `istiod` is the chart of that name, which from 1.24 on takes the settings of istiod at top
    level as well.
    """
    if tree == "istiod":
        pilot = _file()["values"]["pilot"]
        assert isinstance(pilot, dict)
        return {**pilot, **_file()["values"]}
    return _file()[tree]


def below(node: Node, key: str) -> Node | None:
    """Fields below a known one; None where nothing is to be looked into."""
    found = node.get(key, node.get(camel(key)))
    if isinstance(found, str) and found.startswith("@"):
        return _file()[found[1:]]
    return found if isinstance(found, dict) else None


def has(node: Node, key: str) -> bool:
    """Whether a field is known, in either spelling that the parser takes."""
    return key in node or camel(key) in node


def camel(key: str) -> str:
    """`access_log_file` as `accessLogFile`."""
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def same_letters(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case and separators."""
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def nearest(key: str, node: Node) -> str | None:
    """The known field that a misspelt one most likely stands for."""
    for name in node:
        if same_letters(key, name):
            return name
    if len(key) < 4:
        return None
    most = _MOST_EDITS if len(key) > 6 else 1
    ranked = sorted((_edits(key, name, most), name) for name in node)
    return ranked[0][1] if ranked and ranked[0][0] <= most else None


def _edits(one: str, other: str, most: int) -> int:
    """Letters to change, add, drop or swap with the next; more than `most` where it is more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        current = [i]
        for j, right in enumerate(other, 1):
            cost = min(row[j] + 1, current[-1] + 1, row[j - 1] + (left != right))
            if i > 1 and j > 1 and one[i - 2] == right and left == other[j - 2]:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
