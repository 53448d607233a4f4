"""The same bytes whatever the order of the paths and the number of processes."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from meshlint.cli import main
from meshlint.processes import CAN_FORK, gather

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="this system has no fork")


@pytest.fixture(scope="module")
def paths() -> list[str]:
    """A mesh and many objects that do not belong to it, some of them broken."""
    shop = (ROOT / "fixtures" / "shop").rglob("*.yaml")
    others = (ROOT / "fixtures").glob("[a-f]*/fail-*.yaml")
    found = [*shop, *(path for path in others if not path.name.endswith(".fixed.yaml"))]
    assert len(found) > 150
    return sorted(str(path.relative_to(ROOT)) for path in found)


def outputs(paths: list[str], jobs: int, folder: Path) -> dict[str, bytes]:
    formats = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "checkstyle")
    options = [f"--format={name}={folder / name}" for name in formats]
    command = ["check", "--profile=all", "--today=2026-06-30", f"--jobs={jobs}", "-v", *options]
    done = CliRunner().invoke(main, [*command, *paths])
    assert done.exit_code == 1, done.output
    return {name: (folder / name).read_bytes() for name in formats}


def test_same_bytes_whatever_the_order_and_the_jobs(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    first = outputs(paths, 1, tmp_path)
    assert all(first.values())
    chance = random.Random(20)
    for number in range(20):
        shuffled = chance.sample(paths, len(paths))
        again = outputs(shuffled, 1 + number % 4, tmp_path)
        assert [name for name in first if again[name] != first[name]] == [], number


def test_what_processes_give_refers_to_the_objects_of_this_one() -> None:
    shared = Path("shared")

    def work(numbers: Iterator[int]) -> list[tuple[int, Path, Path, int]]:
        return [(number, shared, Path("own"), os.getpid()) for number in numbers]

    parts = gather(range(100), work, 3, [shared])
    assert parts is not None
    taken = [entry for part in parts for entry in part]
    assert sorted(number for number, *_ in taken) == list(range(100))
    assert all(ours is shared for _, ours, _, _ in taken)
    assert all(own == Path("own") for _, _, own, _ in taken)
    assert os.getpid() not in {process for *_, process in taken}


def test_a_process_that_dies_is_noticed() -> None:
    def work(numbers: Iterator[int]) -> list[int]:
        taken = list(numbers)
        if taken:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    assert gather(range(10), work, 2) is None


def test_an_error_in_a_process_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    def work(numbers: Iterator[int]) -> list[int]:
        raise ValueError(sum(numbers))

    assert gather(range(10), work, 2) is None
