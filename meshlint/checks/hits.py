"""Helpers for what checks say: places of the mesh layer as parts of hits, and lists in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshlint.findings import Change, Hit, Path, Related
from meshlint.mesh.provenance import Place
from meshlint.model.values import text


def at(
    place: Place,
    args: Mapping[str, object],
    related: tuple[Related, ...] = (),
    *,
    message: str = "default",
    on_key: bool = False,
    fix: tuple[Change, ...] = (),
) -> Hit:
    """A hit at a place, which may lie in another document than the subject's."""
    return Hit(
        place.path,
        args,
        related,
        message=message,
        on_key=on_key or _is_block(place),
        document=place.document,
        fix=fix,
    )


def there(place: Place | None, message: str, *, on_key: bool = False) -> tuple[Related, ...]:
    """A related location, or none where the place is not known."""
    if place is None:
        return ()
    return (Related(place.document, place.path, message, on_key or _is_block(place)),)


def _is_block(place: Place) -> bool:
    # The first line of a text of several lines is but its `|`.
    return "\n" in text(place.document.value, *place.path)


def fault(
    path: Path, problem: str, *, related: tuple[Related, ...] = (), on_key: bool = False
) -> Hit:
    """A hit of a rule with many cases of one kind: its message says `{problem}`, a statement."""
    return Hit(path, {"problem": problem}, related, on_key=on_key)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: `spec.http[0].timeout`."""
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).removeprefix(".")
