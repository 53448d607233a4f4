"""Which input fields an installation has, and which of them a misspelt one stands for.

Source: istio/istio, operator/pkg/apis of 1.23 and 1.31, manifests/charts; istio/api,
operator/v1alpha1; Sail API. MeshConfig is described in `meshlint.schemas.istio`.

In `known_fields.json` `*` is a part that is not looked into, and `@name` stands for another tree;
`@mesh` is MeshConfig. A name may go on: `@1.24` is known from that minor on,
`@-1.24` up to the one before it, `@chart` is read by a chart but no field of the API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.versions import Version
from meshlint.schemas.istio import MESH_CONFIG, message

Tree = Literal["spec", "sail", "sail-cni", "sail-ztunnel", "mesh"]
Chart = Literal["istiod", "gateway", "cni", "ztunnel", "base"]
Steps = tuple[str | int, ...]

COMPLETE_FROM = "1.24"
"""First minor whose fields are all listed; the lists of older ones have gaps."""

_MOST_EDITS = 2


@dataclass(frozen=True, slots=True)
class Node:
    """One field. `below` names a tree, holds the fields below, or is None: not looked into."""

    below: str | Mapping[str, Node] | None = None
    since: str = ""
    before: str = ""
    chart_only: bool = False

    def fields(self) -> Mapping[str, Node] | None:
        """The fields below; None where nothing is to be looked into."""
        return _trees()[self.below] if isinstance(self.below, str) else self.below


@dataclass(frozen=True, slots=True)
class Target:
    """What fields are asked for: a version, of the API or of the charts."""

    version: Version
    charts: bool

    def has(self, node: Node) -> bool:
        """Whether a field exists there."""
        if node.since and self.version.before(node.since):
            return False
        if node.before and self.version.at_least(node.before):
            return False
        return self.charts or not node.chart_only or self.version.before(COMPLETE_FROM)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that a target does not have. Paths lead from the top of the tree."""

    path: Steps
    meant: Steps | None = None
    """The known field that is most likely meant."""
    since: str = ""
    """The minor that brings the field, where it is one of a later version."""
    gone: bool = False
    """Older releases had it."""


# ------------------------------------------------------------------------------------ the lists


@cache
def _trees() -> Mapping[str, Mapping[str, Node]]:
    text = (resources.files("meshlint.mesh.installations") / "known_fields.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return {**{name: _nodes(tree) for name, tree in found.items()}, "mesh": _fields(MESH_CONFIG)}


def _fields(name: str) -> dict[str, Node]:
    """Fields of a message of Istio's API. A mapping by any key is not looked into."""
    nodes = {}
    for field in message(name).fields.values():
        inner = field.type.item if field.type.shape == "list" else field.type
        below = _fields(inner.base) if inner is not None and "/" in inner.base else None
        nodes[field.name] = Node(below, field.since, field.before)
    return nodes


def _nodes(tree: Mapping[str, Any]) -> dict[str, Node]:
    nodes = {}
    for written, value in tree.items():
        name, *marks = written.split("@")
        since = next((mark for mark in marks if mark[0].isdigit()), "")
        before = next((mark[1:] for mark in marks if mark[0] == "-"), "")
        below: str | Mapping[str, Node] | None = None
        if isinstance(value, dict):
            below = _nodes(value)
        elif value.startswith("@"):
            below = value[1:]
        nodes[name] = Node(below, since, before, "chart" in marks)
    return nodes


def fields_of(tree: Tree) -> Mapping[str, Node]:
    """Fields of `spec` of an IstioOperator or a resource of Sail, or of MeshConfig."""
    return _trees()[tree]


@cache
def chart_fields(chart: Chart) -> Mapping[str, Node]:
    """Fields of the values of a chart.

    One values file often serves several charts of Istio, so each takes what is known of values as a
    whole. The gateway chart, which checks its values by a schema, does not.
    """
    if chart == "gateway":
        return _trees()["gateway"]
    values = _trees()["values"]
    if chart == "base":
        return values
    section = "pilot" if chart == "istiod" else chart
    flat = {
        name: Node(node.below, node.since or "1.24", node.before)
        if chart == "istiod"
        else Node(node.below)
        for name, node in _trees()[section].items()
    }
    kept = {name: node for name, node in values.items() if name not in flat or not node.before}
    return {**flat, **kept}


# ------------------------------------------------------------------------------------- the walk


def unknown_fields(
    value: Any,
    fields: Mapping[str, Node],
    target: Target,
    path: Steps = (),
    above: Mapping[str, Node] | None = None,
) -> Iterator[Unknown]:
    """Topmost fields of a value that a target does not have.

    Where the lists have gaps, only slips are told: fields with a known one near to them.
    """
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from unknown_fields(item, fields, target, (*path, number), above)
    if not isinstance(value, dict):
        return
    usable = {name: node for name, node in fields.items() if target.has(node)}
    for key, item in value.items():
        # Keys with such a start hold YAML anchors or belong to other tools.
        if not key or key.startswith(("x-", "_", ".")):
            continue
        name = key if key in fields else camel(key)
        node = fields.get(name)
        steps = (*path, key)
        if node is not None and name in usable:
            inner = node.fields()
            if inner is not None:
                yield from unknown_fields(item, inner, target, steps, usable)
        elif node is not None:
            later = node.since if node.since and target.version.before(node.since) else ""
            yield Unknown(steps, None, later, gone=not later)
        else:
            meant = _meant(steps, usable, above, target)
            if meant is not None or target.version.at_least(COMPLETE_FROM):
                yield Unknown(steps, meant)


def _meant(
    path: Steps,
    usable: Mapping[str, Node],
    above: Mapping[str, Node] | None,
    target: Target,
) -> Steps | None:
    """The known field nearest to an unknown one: here, one level down or one level up."""
    name = str(path[-1])
    here = nearest(name, usable)
    if here is not None:
        return (*path[:-1], here)
    down = []
    for key, node in usable.items():
        inner = (node.fields() or {}).get(name)
        if inner is not None and target.has(inner):
            down.append(key)
    if len(down) == 1:
        return (*path[:-1], down[0], name)
    if above is not None and name in above:
        upper = path[:-1]
        while upper and isinstance(upper[-1], int):
            upper = upper[:-1]
        return (*upper[:-1], name)
    return None


def camel(key: str) -> str:
    """`access_log_file` as `accessLogFile`; parsers of the API take both."""
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def same_letters(one: str, other: str) -> bool:
    """Whether two names differ in case, `-` and `_` at most."""
    return _letters(one) == _letters(other)


def nearest(key: str, known: Mapping[str, Node]) -> str | None:
    """The known field that a misspelt one most likely stands for."""
    for name in known:
        if same_letters(key, name):
            return name
    if len(key) < 4:
        return None
    most = _MOST_EDITS if len(key) > 6 else 1
    ranked = sorted((_edits(key, name, most), name) for name in known)
    return ranked[0][1] if ranked and ranked[0][0] <= most else None


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


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
