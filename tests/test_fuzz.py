"""The fuzzer itself: a short run of it, that it sees what it looks for, and what it has found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshlint.dataclass import replace
from meshlint.documents import parse
from meshlint.enablement import enable
from meshlint.fixes import planned
from meshlint.lint import Request, Result, lint
from meshlint.ruleset import load_builtin
from meshlint.text import SourceFile

ROOT = Path(__file__).parent.parent
RULES = [enable(rule) for rule in load_builtin()]
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: cart\nspec: {}\n"


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "tools")
    import fuzz_oracles

    return fuzz_oracles


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "tools")
    import fuzz_mutations

    return fuzz_mutations


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "fuzz.py"), *arguments]
    # Whether a document takes 5 s depends on the machine, which may be a slow or a busy one.
    environment = {**os.environ, "MESHLINT_FUZZ_SECONDS": "30"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_changed_documents_and_those_made_by_hand_are_linted(tmp_path: Path) -> None:
    done = fuzz(
        *("--documents", "600", "--jobs", "2", "--seed", "ci", "--corpus", str(tmp_path / "none")),
        *("--keep", str(tmp_path)),
    )
    kept = "\n".join(path.read_text("utf-8") for path in tmp_path.rglob("failure.txt"))
    assert done.returncode == 0, done.stdout + done.stderr + kept
    assert "600 documents in" in done.stdout


def test_equal_numbers_make_equal_documents(mutations: Any) -> None:
    from random import Random

    seeds = mutations.load_seeds([ROOT / "tests" / "yaml_suite", ROOT / "examples"])
    first, again, other = (
        [mutations.make_document(Random(seed), seeds, [b""]) for seed in range(at, at + 100)]
        for at in (0, 0, 1_000)
    )
    assert first == again != other


def linted(folder: Path, **files: str) -> Result:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return lint(Request(["."], RULES))


def complaints(oracles: Any, result: Result, *names: str) -> list[str]:
    return list(oracles.complaints(result, names, oracles.Tally()))


def test_whatever_is_lost_is_noticed(
    oracles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = (
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- {kind: Pod}\n- 1\n"
    )
    result = linted(tmp_path, pods=POD + "---\na: [\n---\nx: y\n", listed=listed, none="# none\n")
    names = ("listed.yaml", "none.yaml", "pods.yaml")
    assert complaints(oracles, result, *names) == []
    report, index = result.report, result.world.index

    silent = replace(result, report=replace(report, skipped=()))
    assert any(
        "'none.yaml' is neither parsed nor skipped" in c
        for c in complaints(oracles, silent, *names)
    )
    assert any("document 2 of 'pods.yaml'" in c for c in complaints(oracles, silent, *names))

    untold = replace(result, report=replace(report, findings=()))
    assert any("no finding tells of a syntax" in c for c in complaints(oracles, untold, *names))
    assert any("no finding tells of a malformed" in c for c in complaints(oracles, untold, *names))

    first = index.resources[0]
    monkeypatch.setattr(index, "resources", (*index.resources[1:],))
    lost = complaints(oracles, result, *names)
    assert any(f"of '{first.document.file.path}' holds" in complaint for complaint in lost)


def test_text_that_no_document_holds_is_noticed(oracles: Any) -> None:
    parsed = parse(SourceFile("a.yaml", POD + "---\nb: 1\n---\nc: 2 # two\n...\n"))
    assert oracles.unread_text(parsed) == ""
    lost = replace(parsed, documents=parsed.documents[:1] + parsed.documents[2:])
    assert oracles.unread_text(lost) == "b: 1"


def test_what_takes_too_long_is_ended(oracles: Any) -> None:
    with pytest.raises(oracles.Hang):
        work_for_ever(oracles)


def work_for_ever(oracles: Any) -> None:
    with oracles.time_limit(0.05):
        while True:
            pass


def test_a_kind_with_a_slash_is_no_crash() -> None:
    text = b"apiVersion: gateway.networking.k8s.io/a/b\nkind: c/d\nmetadata: {name: a}\n"
    assert not lint(Request(["-"], RULES, stdin=lambda: text)).crashes


def test_the_fixes_of_one_large_document_have_an_end() -> None:
    text = POD.replace(" {}", "\n  containers:\n") + "  - name: a\n" * 300
    result = lint(Request(["-"], RULES, stdin=text.encode))
    report = planned(result.report)
    (notice,) = (n for n in report.notices if "fixes are not worked out" in n)
    assert "too large" in notice
    assert any(finding.fix is not None and finding.fix.edits for finding in report.findings)


@pytest.mark.parametrize("native", [True, False], ids=["native", "pure"])
def test_an_unknown_version_of_yaml_is_a_problem_of_the_text(native: bool) -> None:
    parsed = parse(SourceFile("a.yaml", "%YAML 1.5\n---\na: 1\n"), native=native)
    (problem,) = parsed.problems
    assert "directive" in problem.message


def test_a_file_that_is_no_text_is_not_edited(tmp_path: Path) -> None:
    file = tmp_path / "cart.yaml"
    file.write_bytes(b"\xa0 # meshlint: ignore[virtualservice-fault-injectd]\n")
    result = lint(Request([str(tmp_path)], RULES))
    assert {finding.rule for finding in result.report.findings} == {
        "yaml-syntax-invalid",
        "suppression-rule-unknown",
    }
    assert not any(finding.fix for finding in result.report.findings)
