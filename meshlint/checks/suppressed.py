"""Suppressions that do not do what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.mending import renamed
from meshlint.findings import Change, Hit, TextHit
from meshlint.mesh.world import World
from meshlint.operations import Remove
from meshlint.text import Span

# Subjects are meshlint.suppressions.Suppression, which stands above this layer.


def unused(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit | TextHit]:
    """Names of a suppression that have hidden nothing in this run."""
    for name in subject.names:
        args = {"name": name.written, "origin": _ORIGINS[subject.origin]}
        if subject.resource is not None:
            yield _hit(subject, name.span, args, fix=(Remove(subject.path),))
        else:
            yield _hit(subject, name.span, args, edits=_without(subject, name.span))


def rule_unknown(subject: Any, world: World, params: Mapping[str, Any]) -> Iterator[Hit | TextHit]:
    """Names that no rule has."""
    if not subject.names:
        yield _hit(subject, subject.span, {}, "nameless")
    for name in subject.names:
        if name.rules:
            continue
        near = f"; did you mean {name.near}?" if name.near else "."
        args = {"name": name.written, "near": near, "meant": name.meant}
        if subject.resource is not None:
            key = str(subject.path[-1]).removesuffix(name.written) + name.meant
            fix = renamed(subject.resource.document, subject.path, key if name.meant else "")
            yield _hit(subject, name.span, args, fix=fix)
        else:
            edits = ((name.span, name.meant),) if name.meant else ()
            yield _hit(subject, name.span, args, edits=edits)


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


def _without(subject: Any, span: Span) -> tuple[tuple[Span, str], ...]:
    """A comment without one of its names, or no comment if that is the only one."""
    text = subject.file.text
    opening, closing = text.rfind("[", 0, span.start) + 1, text.find("]", span.end)
    before, after = text[opening : span.start], text[span.end : closing]
    if after.strip(" \t,"):
        behind = len(after) - len(after.lstrip(" \t,"))
        return ((Span(span.start, span.end + behind), ""),)
    if before.strip(" \t,"):
        return ((Span(opening + len(before.rstrip(" \t,")), span.end), ""),)
    start = subject.span.start
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    end = subject.span.end
    while end < len(text) and text[end] in " \t":
        end += 1
    if start == 0 or text[start - 1] in "\r\n":
        end += 2 if text.startswith("\r\n", end) else len(text[end : end + 1])
    return ((Span(start, end), ""),)


def _hit(
    subject: Any,
    span: Span,
    args: Mapping[str, object],
    message: str = "default",
    *,
    fix: tuple[Change, ...] = (),
    edits: tuple[tuple[Span, str], ...] = (),
) -> Hit | TextHit:
    if subject.resource is not None:
        return Hit(subject.path, args, message=message, on_key=True, fix=fix)
    # The configuration is not part of what is linted, and thus not of what is fixed.
    if subject.origin != "comment":
        edits = ()
    return TextHit(subject.file, span, args=args, message=message, fix=edits)
