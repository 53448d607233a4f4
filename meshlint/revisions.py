"""Files of a git revision, laid out in a directory of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RevisionError(Exception):
    """A revision that cannot be read; the text says why."""


@contextmanager
def checked_out(revision: str, directory: Path) -> Iterator[tuple[Path, Path]]:
    """The root of the repository that holds `directory`, and a copy of it at a revision.

    The working tree, the index and the configuration of the repository stay untouched. Raises
    `RevisionError`.
    """
    root = Path(_git(directory, "rev-parse", "--show-toplevel").strip())
    commit = f"{revision}^{{commit}}"
    found = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", commit)
    try:
        made = tempfile.TemporaryDirectory(prefix="meshlint-")
    except OSError as error:
        raise RevisionError(f"no temporary directory: {error.strerror or error}") from None
    with made as folder:
        target = Path(folder).resolve() / "tree"
        target.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(root, "read-tree", found.strip(), **index)
        _git(root, "checkout-index", "--all", "--force", f"--prefix={target}/", **index)
        yield root, target


def _git(directory: Path, *arguments: str, **variables: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a revision cannot be an option
            ["git", *arguments],  # noqa: S607 - git is whatever the user's shell finds
            cwd=directory,
            env={**os.environ, **variables},
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise RevisionError(f"git cannot be run: {error.strerror or error}") from None
    if done.returncode == 0:
        return done.stdout
    if arguments[0] == "rev-parse" and "--verify" in arguments:
        name = arguments[-1].removesuffix("^{commit}")
        raise RevisionError(
            f"git knows no revision {name!r} here; in a shallow clone it has to be fetched first"
        )
    reason = done.stderr.strip().splitlines()
    raise RevisionError(reason[-1] if reason else f"git {arguments[0]} failed")
