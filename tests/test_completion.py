"""What a shell is offered, asked in the way its completion script asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meshlint.reporters import FORMATS
from meshlint.ruleset import PROFILES, load_builtin


def meshlint(cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "meshlint"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def offered(cwd: Path, typed: str) -> list[str]:
    """Words that bash is offered for the last word of a line."""
    text = meshlint(
        cwd,
        COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split(" ")) - 1),
        _MESHLINT_COMPLETE="bash_complete",
    )
    return [line.partition(",")[2] for line in text.splitlines() if line.startswith("plain,")]


RULES = [rule.id for rule in load_builtin()]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("meshlint expl", ["explain"]),
        ("meshlint explain hpa-", [rule for rule in RULES if rule.startswith("hpa-")]),
        ("meshlint --profile ", sorted(PROFILES)),
        ("meshlint manifests --format ", sorted(FORMATS)),
        ("meshlint check --fail-on w", ["warning"]),
        ("meshlint check --write", ["--write-baseline"]),
        ("meshlint check --ignore mesh-sec", ["mesh-security"]),
    ],
)
def test_words(tmp_path: Path, typed: str, words: list[str]) -> None:
    assert offered(tmp_path, typed) == words


def test_the_first_word_may_be_a_path(tmp_path: Path) -> None:
    text = meshlint(
        tmp_path, COMP_WORDS="meshlint mani", COMP_CWORD="1", _MESHLINT_COMPLETE="bash_complete"
    )
    assert text == "file,mani\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_valid(tmp_path: Path, shell: str) -> None:
    script = tmp_path / "completion"
    script.write_text(meshlint(tmp_path, _MESHLINT_COMPLETE=f"{shell}_source"))
    assert "_MESHLINT_COMPLETE" in script.read_text()
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([program, "-n", script], check=True)
