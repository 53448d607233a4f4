"""Settings of a Telemetry that istiod refuses or passes over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from meshlint.checks.hits import fault
from meshlint.findings import Hit, Path
from meshlint.mesh import tracing
from meshlint.mesh.world import World
from meshlint.model.cel import is_expression
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text


def setting_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Settings that istiod refuses."""
    for use in ("tracing", "metrics", "accessLogging"):
        for path, entry in tracing.entries(subject, use):
            for at, provider in enumerate(items(entry, "providers")):
                if provider is None or _is_nameless(provider):
                    problem = "A provider has no name"
                    yield fault((*path, "providers", at, "name"), problem)
    for path, entry in tracing.entries(subject, "tracing"):
        yield from _tracing(path, entry)
    for path, entry in tracing.entries(subject, "metrics"):
        for at, override in mappings(entry, "overrides"):
            yield from _override((*path, "overrides", at), override)
    for path, entry in tracing.entries(subject, "accessLogging"):
        expression = text(entry, "filter", "expression")
        if expression and not is_expression(expression):
            problem = "The filter's expression is not in the syntax of CEL"
            yield fault((*path, "filter", "expression"), problem)


def _is_nameless(provider: Any) -> bool:
    return isinstance(provider, dict) and provider.get("name") in (None, "")


def _tracing(path: Path, entry: dict[str, Any]) -> Iterator[Hit]:
    share = percentage(entry.get("randomSamplingPercentage"))
    if share is not None and not 0 <= share <= 100:
        problem = f"A randomSamplingPercentage of {share} is outside 0 to 100"
        yield fault((*path, "randomSamplingPercentage"), problem)
    for name, tag in mapping(entry, "customTags").items():
        at = (*path, "customTags", name)
        if name == "":
            yield fault(at, "A custom tag has no name", on_key=True)
        elif tag is None or tag == {}:
            problem = f"Custom tag {name} says nothing of where its value comes from"
            yield fault(at, problem, on_key=True)
        for kind, field in _TAG_FIELDS.items():
            block = mapping(tag).get(kind)
            if isinstance(block, dict) and block.get(field) in (None, ""):
                problem = f"Custom tag {name} of type {kind} has no {field}"
                yield fault((*at, kind, field), problem)


_TAG_FIELDS = {"literal": "value", "header": "name", "environment": "name", "formatter": "value"}


def percentage(value: Any) -> Decimal | None:
    """A number as it is written; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _override(path: Path, override: dict[str, Any]) -> Iterator[Hit]:
    if mapping(override, "match").get("customMetric") == "":
        problem = "The customMetric is an empty text, which is no metric"
        yield fault((*path, "match", "customMetric"), problem)
    for name, tag in mapping(override, "tagOverrides").items():
        at = (*path, "tagOverrides", name)
        if name == "":
            yield fault(at, "An overridden tag has no name", on_key=True)
        elif tag is None:
            yield fault(at, f"Nothing is said of overridden tag {name}", on_key=True)
        if not isinstance(tag, dict):
            continue
        operation, value = tag.get("operation", "UPSERT"), tag.get("value")
        if operation == "UPSERT" and value in (None, ""):
            problem = f"Tag {name} is to be set (UPSERT) and has no value"
            yield fault((*at, "value"), problem, on_key="value" not in tag)
        elif operation == "REMOVE" and value not in (None, ""):
            problem = f"Tag {name} is to be removed (REMOVE) and has a value"
            yield fault((*at, "value"), problem)


def tracing_duplicate(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Tracing set up twice, of which once counts."""
    entries = list(tracing.entries(subject, "tracing"))
    if len(entries) > 1:
        yield Hit(entries[1][0], {"count": len(entries)}, message="entries")
    for path, entry in entries:
        providers = [text(provider, "name") for _, provider in mappings(entry, "providers")]
        if len(providers) > 1:
            args = {"used": providers[0] or "the first", "ignored": ", ".join(providers[1:])}
            yield Hit((*path, "providers", 1), args)
