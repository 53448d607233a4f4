"""What a run finds that was there before: in a baseline, or in a revision of git."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from meshlint.baseline import BaselineError, Known, compare, dump_baseline, known, load_baseline
from meshlint.dataclass import replace
from meshlint.findings import Gone, Suppressed
from meshlint.lint import Request, Result, lint
from meshlint.revisions import RevisionError, checked_out
from meshlint.writing import write_whole

__all__ = [
    "BaselineError",
    "RevisionError",
    "without_baseline",
    "without_revision",
    "write_baseline",
]


def write_baseline(result: Result, path: Path) -> tuple[Result, int]:
    """Writes the findings of a run to a baseline: the result without them, and their number.

    What could not be linted is never accepted. Raises `BaselineError`.
    """
    accepted = known(finding for finding in result.report.findings if not finding.about_run)
    try:
        write_whole(path, dump_baseline(accepted).encode())
    except OSError as error:
        reason = error.strerror or error
        raise BaselineError(f"{path}: cannot be written: {reason}") from None
    return _compared(result, accepted, "baseline", (), ()), len(accepted)


def without_baseline(request: Request, result: Result, path: Path) -> Result:
    """The result without the findings of a baseline. Raises `BaselineError`."""
    index = result.world.index
    linted = [f.file.path for f in index.files if f.file.path not in index.context_files]
    ran = [enabled.rule.id for enabled in request.rules]
    return _compared(result, load_baseline(path), "baseline", ran, linted)


def without_revision(request: Request, result: Result, revision: str) -> Result:
    """The result without what a revision has too, judged by the same rules and settings.

    Raises `RevisionError`.
    """
    if "-" in request.paths:
        raise RevisionError("--since has no use for standard input")
    here = Path.cwd()
    with checked_out(revision, here) as (root, copy):

        def moved(path: str) -> str:
            absolute = Path(path).resolve()
            inside = absolute.is_relative_to(root)
            return str(copy / absolute.relative_to(root)) if inside else path

        there = Path(moved(str(here)))
        there.mkdir(parents=True, exist_ok=True)
        os.chdir(there)
        try:
            before = lint(_moved(request, moved)).report
        finally:
            os.chdir(here)
    # What is suppressed there and shown here is no new defect either.
    older = (*before.findings, *(entry.finding for entry in before.suppressed))
    return _compared(result, known(older), "revision", (), ())


def _moved(request: Request, moved: Callable[[str], str]) -> Request:
    """A request for a copy of the tree; relative paths stay, as they are seen from there."""

    def path_of(path: str) -> str:
        return moved(path) if Path(path).is_absolute() else path

    return replace(
        request,
        paths=[path_of(path) for path in request.paths],
        context=[path_of(path) for path in request.context],
        crds=[path_of(path) for path in request.crds],
        root=Path(moved(str(request.root))) if request.root is not None else None,
        mesh_config=path_of(request.mesh_config) if request.mesh_config else None,
        mesh_networks=path_of(request.mesh_networks) if request.mesh_networks else None,
        overrides=request.overrides.moved(moved),
        waivers=[replace(entry, directory=moved(entry.directory)) for entry in request.waivers],
        overlays={},
        progress=None,
    )


def _compared(
    result: Result,
    entries: Sequence[Known],
    by: Literal["baseline", "revision"],
    ran: Sequence[str],
    linted: Sequence[str],
) -> Result:
    report = result.report
    judged = [finding for finding in report.findings if not finding.about_run]
    compared = compare(judged, entries, rules=ran, files=linted)
    hidden = {id(finding) for finding in compared.known}
    apart = replace(
        report,
        findings=tuple(finding for finding in report.findings if id(finding) not in hidden),
        suppressed=(*report.suppressed, *(Suppressed(f, by) for f in compared.known)),
        gone=(*report.gone, *(Gone(g.rule, g.file, g.resource) for g in compared.gone)),
    )
    return replace(result, report=apart)
