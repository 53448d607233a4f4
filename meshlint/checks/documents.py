"""Checks of the text of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.documents import ParsedFile
from meshlint.findings import TextHit
from meshlint.mesh.world import World


def text_problem(subject: ParsedFile, world: World, params: Mapping[str, Any]) -> Iterator[TextHit]:
    """Problems of the kind `kind` that reading a file ran into; the message is `{reason}`."""
    for problem in subject.problems:
        if problem.kind == params["kind"]:
            yield TextHit(
                subject.file,
                problem.span,
                problem.document,
                {"reason": problem.message},
                problem.related,
                hide_text=problem.secret,
            )
