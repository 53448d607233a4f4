"""Checks of Istio's objects and of MeshConfig against the schemas of Istio's API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.checks.hits import at, dotted
from meshlint.checks.mending import renamed
from meshlint.dataclass import replace
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.istio_api import Part, at_part
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.world import World
from meshlint.model.durations import signed_seconds
from meshlint.model.labels import string_maps
from meshlint.model.names import is_placeholder
from meshlint.model.regex import LONGEST, regex_fault
from meshlint.model.resources import Resource
from meshlint.model.values import get
from meshlint.operations import Rename, Set
from meshlint.schemas.istio import Deprecated, Leaf
from meshlint.schemas.spelling import nearest
from meshlint.schemas.violations import Violation, of_type

_LONGEST_VALUE = 60


def field_unknown(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Fields that the schema, or the target version, does not have.

    MeshConfig among the settings of an installation is left to
    `istio-installation-field-unknown`.
    """
    for part in world.istio_api.parts(subject):
        if part.in_settings:
            continue
        for violation in part.reading.violations:
            if violation.kind == "unknown-field" and not _told(subject, world, violation):
                place = part.place.below(*violation.path)
                args = {
                    **_args(part, violation.path),
                    "suggestion": _sentence(violation),
                    "rename": violation.rename,
                }
                fix = (
                    () if place.embedded else renamed(place.document, place.path, violation.rename)
                )
                yield at(place, args, message=_who(part), on_key=True, fix=fix)
        for dated in part.reading.dated:
            state = part.state(dated)
            if state != "there" and not dated.value:
                args = {**_args(part, dated.path), "since": dated.since}
                where = part.place.below(*dated.path)
                yield at(where, args, message=f"{_who(part)}-{state}", on_key=True)


def _told(subject: Resource | MeshConfig, world: World, violation: Violation) -> bool:
    """Whether a rule of its own speaks of the field: expressions in a selector by labels."""
    return violation.field == "matchExpressions" and world.reports(
        "istio-selector-invalid", subject
    )


def type_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Values that the schema, or the target version, refuses in a field that it has."""
    labels = _string_maps(subject)
    for part in world.istio_api.parts(subject):
        for violation in part.reading.violations:
            value = at_part(part, violation.path)
            if violation.kind == "unknown-field" or is_placeholder(value):
                continue
            if violation.path[:-1] in labels or _made_text(part, violation):
                continue
            args = {
                **_args(part, violation.path),
                "found": violation.found if isinstance(value, dict | list) else _shown(value),
                "expected": violation.expected,
                "suggestion": _meant(value, violation),
            }
            # An item that is left empty has no text to point at.
            empty = value is None and any(isinstance(s, int) for s in violation.path[-1:])
            where = part.place.below(*violation.path[: -1 if empty else None])
            on_key = empty or violation.kind == "several-of-one"
            yield at(where, args, message=violation.kind, on_key=on_key)
        for dated in part.reading.dated:
            if dated.value and part.state(dated) == "later":
                args = {**_args(part, dated.path), "found": dated.value, "since": dated.since}
                yield at(part.place.below(*dated.path), args, message="later")


def _string_maps(subject: Resource | MeshConfig) -> set[Path]:
    """Labels and annotations, whose values have rules of their own."""
    if isinstance(subject, MeshConfig):
        return set()
    return {place[len(subject.path) :] for _, place, _ in string_maps(subject)}


def _made_text(part: Part, violation: Violation) -> bool:
    """Whether istioctl writes a number or boolean as text: environment variables of proxies.

    Source: operator/pkg/util of istio/istio, test data `convention_*`.
    """
    named = violation.path[:2] == ("defaultConfig", "proxyMetadata") and len(violation.path) == 3
    scalar = not isinstance(at_part(part, violation.path), dict | list)
    return part.form == "istiooperator" and named and scalar


def duration_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Durations that are none, too short, or finer than what reads them."""
    for part in world.istio_api.parts(subject):
        for leaf in part.reading.durations:
            message = _duration_fault(leaf)
            if message:
                args = {
                    **_args(part, leaf.path),
                    "found": _shown(leaf.value),
                    "least": _seconds(leaf.type.least or Decimal(0)),
                    "step": _seconds(leaf.type.step),
                }
                yield at(part.place.below(*leaf.path), args, message=message)


def _duration_fault(leaf: Leaf) -> str:
    if is_placeholder(leaf.value):
        return ""
    length = signed_seconds(leaf.value)
    if length is None:
        return "malformed"
    if length < 0:
        return "negative"
    if leaf.type.least is not None and length < leaf.type.least:
        return "short"
    if leaf.type.step and length % leaf.type.step:
        return "fine" if leaf.type.least or leaf.type.step < 1 else "truncated"
    return ""


def regex_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Regular expressions that RE2 does not compile, or that are too long for istiod."""
    for part in world.istio_api.parts(subject):
        for leaf in part.reading.regexes:
            if is_placeholder(leaf.value):
                continue
            size = len(leaf.value.encode("utf-8", "replace"))
            long = size > LONGEST
            problem = "" if long else regex_fault(leaf.value)
            if long or problem:
                args = {
                    **_args(part, leaf.path),
                    "regex": _shown(leaf.value),
                    "problem": problem,
                    "size": size,
                    "most": LONGEST,
                }
                where = part.place.below(*leaf.path)
                yield at(where, args, message="long" if long else "default")


def field_deprecated(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Fields and values that have a successor, or no effect.

    What istiod refuses beside its successor is left to `destinationrule-load-balancer-invalid`.
    """
    for part in world.istio_api.parts(subject):
        for found in part.reading.deprecated:
            place = part.place.below(*found.path)
            if _is_refused(subject, world, place.path):
                continue
            args = {
                **_args(part, found.path),
                "value": found.value if found.of_value else "",
                "successor": found.successor,
            }
            message = "value" if found.of_value else "default" if found.successor else "none"
            fix = _succeeded(subject, found) if isinstance(subject, Resource) else ()
            hit = at(place, args, message=message, on_key=not found.of_value)
            yield replace(hit, fix=fix)


def _is_refused(subject: Resource | MeshConfig, world: World, path: Path) -> bool:
    if path[-1] != "minimumRingSize" or not isinstance(subject, Resource):
        return False
    rule = "destinationrule-load-balancer-invalid"
    return any(hit.path == path for hit in world.hits(rule, subject))


def _succeeded(subject: Resource, found: Deprecated) -> tuple[Change, ...]:
    """Moves the value to its successor, where that has the same shape and is not set yet."""
    path = (*subject.path, *found.path)
    if found.of_value:
        return (Set(path, found.successor),)
    steps = tuple(found.successor.split("."))
    block = get(subject.value, *found.path[:-1])
    if not found.successor or not isinstance(block, dict) or isinstance(found.value, list):
        return ()
    if steps[0] in block:
        return ()
    # In its place, with the comments around it.
    renamed = Rename(path, steps[0])
    if len(steps) == 1:
        return (renamed,)
    return (renamed, Set((*path[:-1], steps[0]), {steps[1]: found.value}))


# -------------------------------------------------------------------------------------- words


def _args(part: Part, path: tuple[str | int, ...]) -> dict[str, object]:
    mesh = part.kind == "MeshConfig"
    return {
        "kind": part.kind,
        "field": dotted(path) or "the whole of it",
        "version": str(part.version),
        "refused": "istiod does not load the MeshConfig" if mesh else "the object is refused",
    }


def _who(part: Part) -> str:
    return "mesh" if part.kind == "MeshConfig" else "object"


def _sentence(violation: Violation) -> str:
    words = violation.suggestion
    if not words:
        return ""
    return f" {words[0].upper()}{words[1:]}{'' if words.endswith('?') else '.'}"


def _meant(value: Any, violation: Violation) -> str:
    """The value of an enumeration that is near to the one found, as a question."""
    if violation.kind != "not-in-enumeration" or not isinstance(value, str):
        return ""
    known = violation.expected.removeprefix("one of ").replace("`", "").split(", ")
    near = nearest(value, known)
    return f" Did you mean {near}?" if near else ""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 3]}..."
        return f'"{short}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else of_type(value)


def _seconds(length: Decimal) -> str:
    if length and length < Decimal("0.001"):
        return f"{(length * 10**9).normalize():f}ns"
    if length % 1:
        return f"{(length * 1000).normalize():f}ms"
    return f"{length.normalize():f}s"
