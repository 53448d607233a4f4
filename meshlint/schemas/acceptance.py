"""Whether a schema surely accepts a value, told without the validator.

Loading and compiling the validator takes longer than all else that a file of a few objects needs,
and nearly every object is valid. What is not surely accepted here the validator judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SILENT = frozenset(
    {"$defs", "$schema", "default", "description", "examples", "title", "x-kubernetes-map-type"}
    | {f"x-kubernetes-list-{what}" for what in ("map-keys", "type")}
    | {f"x-kubernetes-{what}" for what in ("int-or-string", "group-version-kind", "patch-strategy")}
)
"""Keywords that refuse nothing."""

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) is int or type(value) is float,
    "null": lambda value: value is None,
}


def surely_accepts(root: Mapping[str, Any], value: Any) -> bool:
    """True only where a JSON Schema (draft 2020-12) with references to its `$defs` is satisfied."""
    return _accepts(root, value, root.get("$defs") or {})


def _accepts(schema: Any, value: Any, definitions: Mapping[str, Any]) -> bool:
    if schema is True:
        return True
    if type(schema) is not dict:
        return False
    for keyword, limit in schema.items():
        if keyword == "type":
            allowed = limit if type(limit) is list else [limit]
            if not any(_TYPES[name](value) for name in allowed):
                return False
        elif keyword == "properties":
            if type(value) is dict:
                for name, inner in value.items():
                    if name in limit and not _accepts(limit[name], inner, definitions):
                        return False
        elif keyword == "$ref":
            name = limit.removeprefix("#/$defs/")
            if name not in definitions or not _accepts(definitions[name], value, definitions):
                return False
        elif keyword == "items":
            if type(value) is list and not all(_accepts(limit, v, definitions) for v in value):
                return False
        elif keyword == "additionalProperties":
            if limit is not True and type(value) is dict:
                known = schema.get("properties") or {}
                for name, inner in value.items():
                    if name not in known and not _accepts(limit, inner, definitions):
                        return False
        elif keyword == "required":
            if type(value) is dict and not all(name in value for name in limit):
                return False
        elif keyword == "enum":
            if type(value) is not str or value not in limit:
                return False
        elif keyword == "anyOf":
            if not any(_accepts(branch, value, definitions) for branch in limit):
                return False
        elif keyword == "allOf":
            if not all(_accepts(branch, value, definitions) for branch in limit):
                return False
        elif keyword in ("minimum", "maximum"):
            if type(value) is not int or (value < limit if keyword == "minimum" else value > limit):
                return False
        elif keyword not in _SILENT:
            return False
    return True
