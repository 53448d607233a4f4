"""Suppressions that do not do what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, TextHit
from meshlint.mesh.world import World
from meshlint.text import Span

# Subjects are meshlint.suppressions.Suppression, which stands above this layer.


def unused(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit | TextHit]:
    """Names of a suppression that have hidden nothing in this run."""
    for name in subject.names:
        yield _hit(subject, name.span, {"name": name.written, "origin": _ORIGINS[subject.origin]})


def rule_unknown(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit | TextHit]:
    """Names that no rule has."""
    if not subject.names:
        yield _hit(subject, subject.span, {}, "nameless")
    for name in subject.names:
        if not name.rules:
            near = f"; did you mean {name.near}?" if name.near else "."
            yield _hit(subject, name.span, {"name": name.written, "near": near})


def expired(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit | TextHit]:
    """Suppressions whose last day has passed, or cannot be read."""
    if not subject.is_expired(world.settings.today):
        return
    names = ", ".join(name.written for name in subject.names)
    if subject.until.year == 1:
        yield _hit(subject, subject.span, {"names": names}, "malformed")
    else:
        owner = f" Ask {subject.owner}." if subject.owner else ""
        args = {"names": names, "until": subject.until.isoformat(), "owner": owner}
        yield _hit(subject, subject.span, args)


_ORIGINS = {
    "comment": "comment",
    "annotation": "annotation",
    "configuration": "waiver",
}


def _hit(
    subject: Any, span: Span, args: Mapping[str, object], message: str = "default"
) -> Hit | TextHit:
    if subject.resource is not None:
        return Hit(subject.path, args, message=message, on_key=True)
    return TextHit(subject.file, span, args=args, message=message)
