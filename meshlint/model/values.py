"""Access to values of any shape: a manifest may hold anything anywhere.

Nothing here raises; a value of the wrong type counts as absent. Schema rules report wrong types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def get(value: Any, *path: str | int) -> Any:
    """The value at a path, or None where a step is missing or meets the wrong type."""
    for step in path:
        if value.__class__ is dict:
            value = value.get(step)
        elif value.__class__ is list and step.__class__ is int and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def mapping(value: Any, *path: str | int) -> dict[str, Any]:
    """The mapping at a path, empty where there is none."""
    found = get(value, *path) if path else value
    return found if isinstance(found, dict) else {}


def items(value: Any, *path: str | int) -> list[Any]:
    """The list at a path, empty where there is none."""
    found = get(value, *path) if path else value
    return found if isinstance(found, list) else []


def text(value: Any, *path: str | int) -> str:
    """The string at a path, empty where there is none."""
    found = get(value, *path) if path else value
    return found if isinstance(found, str) else ""


def integer(value: Any, *path: str | int) -> int | None:
    """The whole number at a path; None for anything else, booleans included."""
    found = get(value, *path) if path else value
    if isinstance(found, bool):
        return None
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if isinstance(found, int) else None


def mappings(value: Any, *path: str | int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Members of the list at a path that are mappings, each with its index."""
    for index, item in enumerate(items(value, *path)):
        if isinstance(item, dict):
            yield index, item


def string_map(value: Any, *path: str | int) -> dict[str, str]:
    """Members of the mapping at a path whose values are strings, such as labels."""
    return {key: item for key, item in mapping(value, *path).items() if isinstance(item, str)}


_PLACEHOLDERS = ("{{", "${", "$(")


def is_templated(value: Any) -> bool:
    """Whether a text has a placeholder that another tool fills in before it is applied."""
    return isinstance(value, str) and any(opening in value for opening in _PLACEHOLDERS)
