"""Checks of objects against the schema of their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.mending import renamed
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.labels import string_maps
from meshlint.model.names import is_placeholder
from meshlint.model.resources import Resource
from meshlint.model.values import get
from meshlint.schemas.violations import Violation

_LONGEST_VALUE = 40


def schema_violation(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values that the schema of the kind refuses, in objects of the origin `origin`.

    Values of labels, annotations and their like are left to `annotation-value-not-string`, and
    what a rule about ports or spread constraints reports to that.
    """
    for violation in _violations(subject, world, params["origin"]):
        if violation.kind == "unknown-field" or _is_string_map(subject, violation.path[:-1]):
            continue
        if is_placeholder(get(subject.value, *violation.path)):
            continue
        if violation.kind == "missing-field" and _may_be_added(subject, world, violation):
            continue
        if _is_said(subject, world, (*subject.path, *violation.path)):
            continue
        yield Hit(
            (*subject.path, *violation.path),
            {
                "field": _named(violation.path),
                "found": _found(subject, world, violation),
                "expected": violation.expected,
                "where": _where(violation.path),
            },
            message=violation.kind,
            # Of a null there is nothing to point at.
            on_key=violation.kind == "missing-field",
        )


def unknown_field(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Fields that the schema of the kind does not have, in objects of the origin `origin`."""
    for violation in _violations(subject, world, params["origin"]):
        if violation.kind == "unknown-field":
            outer = violation.path[:-1]
            yield Hit(
                (*subject.path, *violation.path),
                {
                    "field": violation.field,
                    "where": f"in {_where(violation.path)}" if outer else "at the top level",
                    "kind": subject.kind,
                    "suggestion": _sentence(violation.suggestion),
                    "rename": violation.rename,
                },
                on_key=True,
                fix=renamed(subject.document, (*subject.path, *violation.path), violation.rename),
            )


def _violations(subject: Resource, world: World, origin: str) -> Iterator[Violation]:
    found = world.schemas.of(subject)
    if found is not None and found[1] == origin:
        yield from world.schemas.violations(subject)


_CLOSER_RULES = ("port-definition-invalid", "topology-spread-invalid")


def _is_said(subject: Resource, world: World, path: Path) -> bool:
    """Whether a rule that knows more of a place reports it."""
    if not {"ports", "topologySpreadConstraints"} & set(path):
        return False
    workload = world.index.workload_of(subject)
    judged = workload or (subject if subject.group_kind == "core/Service" else None)
    if judged is None:
        return False
    return any(
        hit.path[: len(path)] == path or path[: len(hit.path)] == hit.path
        for rule in _CLOSER_RULES
        if workload is not None or rule == "port-definition-invalid"
        for hit in world.hits(rule, judged)
        if len(hit.path) > len(subject.path) + 3
    )


_ADDED_BY_KUSTOMIZE = frozenset({"selector", "matchLabels", "labels", "namespace"})


def _may_be_added(subject: Resource, world: World, violation: Violation) -> bool:
    """Whether a kustomization of the input may write a field that is missing."""
    kustomizations = world.kustomizations
    if violation.field in _ADDED_BY_KUSTOMIZE and kustomizations.lists(subject):
        return True
    return kustomizations.patches(subject)


def _sentence(words: str) -> str:
    if not words:
        return ""
    return f" {words[0].upper()}{words[1:]}{'' if words.endswith('?') else '.'}"


def _is_string_map(subject: Resource, path: Path) -> bool:
    whole = (*subject.path, *path)
    return any(whole == place for _, place, _ in string_maps(subject))


def _found(subject: Resource, world: World, violation: Violation) -> str:
    """The value and its type; of a Secret, and of what is long, the type alone."""
    value = get(subject.value, *violation.path)
    if violation.kind in ("several-of-one", "duplicate-key") or isinstance(
        value, dict | list | None
    ):
        return violation.found
    shown = {True: "true", False: "false"}.get(value, value) if value.__class__ is bool else value
    text = f'"{shown}"' if isinstance(value, str) else str(shown)
    if len(text) > _LONGEST_VALUE or "\n" in text or world.index.holds_secret(subject.document):
        return violation.found
    return f"{text}, {violation.found}" if violation.kind == "wrong-type" else text


def _named(path: Path) -> str:
    """The last field of a path, with the item of a list: `ports[0]`."""
    if path and isinstance(path[-1], int):
        return f"{path[-2]}[{path[-1]}]" if len(path) > 1 else f"[{path[-1]}]"
    return str(path[-1]) if path else "The object"


def _where(path: Path) -> str:
    return _named(path[:-1]) if len(path) > 1 else "the object"
