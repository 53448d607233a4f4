"""Helpers for what checks say: places of the mesh layer as parts of hits, and lists in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshlint.findings import Hit, Related
from meshlint.mesh.provenance import Place


def at(
    place: Place,
    args: Mapping[str, object],
    related: tuple[Related, ...] = (),
    *,
    message: str = "default",
    on_key: bool = False,
) -> Hit:
    """A hit at a place, which may lie in another document than the subject's.

    `on_key` has no meaning in a text that holds YAML of its own.
    """
    return Hit(
        place.path,
        args,
        related,
        message=message,
        on_key=on_key and not place.embedded,
        document=place.document,
    )


def there(place: Place | None, message: str, *, on_key: bool = False) -> tuple[Related, ...]:
    """A related location, or none where the place is not known."""
    if place is None:
        return ()
    return (Related(place.document, place.path, message, on_key and not place.embedded),)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
