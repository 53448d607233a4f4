"""Fixes through the command line: what is shown, what is written, what is left alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshlint.cli import main

BUDGET = """\
# Billing runs one pod.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: billing
  namespace: shop
spec:
  maxUnavailable: 0   # never
  selector: {matchLabels: {app: billing}}
"""
FIXED = BUDGET.replace("maxUnavailable: 0", "maxUnavailable: 1")


@pytest.fixture
def budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pdb.yaml"
    path.write_text(BUDGET)
    return path


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["--select", "pdb-blocks-eviction", *options])


def test_diff_shows_and_writes_nothing(budget: Path) -> None:
    result = run("--diff", "--unsafe-fixes", ".")
    assert result.exit_code == 1
    assert "-  maxUnavailable: 0   # never\n+  maxUnavailable: 1   # never\n" in result.stdout
    assert budget.read_text() == BUDGET
    patch = result.stdout
    applied = subprocess.run(
        ["git", "apply", "-"], input=patch.encode(), capture_output=True, check=False
    )
    assert applied.returncode == 0, applied.stderr
    assert budget.read_text() == FIXED


def test_unsafe_fixes_are_carried_out_only_when_asked_for(budget: Path) -> None:
    assert run("--fix", ".").exit_code == 1
    assert budget.read_text() == BUDGET
    result = run("--unsafe-fixes", ".")
    assert result.exit_code == 0
    assert "fixed 1 finding in 1 file" in result.stderr
    assert budget.read_text() == FIXED
    assert "fixed" not in run("--unsafe-fixes", ".").stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n"),
        lambda data: b"a: 1\n---\n" + data + b"---\n# end\nb: [1,  2]\n",
    ],
    ids=["crlf", "byte order mark", "no final line end", "several documents"],
)
def test_everything_else_keeps_its_bytes(budget: Path, change: object) -> None:
    assert callable(change)
    before = change(BUDGET.encode())
    budget.write_bytes(before)
    run("--unsafe-fixes", ".")
    assert budget.read_bytes() == before.replace(b"Unavailable: 0", b"Unavailable: 1")


def test_mode_of_the_file_is_kept_and_links_stay_links(budget: Path) -> None:
    budget.chmod(0o640)
    real = budget.rename(budget.with_name("real.yml"))
    budget.symlink_to(real)
    run("--unsafe-fixes", "pdb.yaml")
    assert budget.is_symlink()
    assert real.read_text() == FIXED
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(p.name for p in budget.parent.iterdir()) == ["pdb.yaml", "real.yml"]


def test_what_is_shared_by_an_alias_is_left_and_said(budget: Path) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "  - apiVersion: policy/v1\n    kind: PodDisruptionBudget\n    metadata: {name: a}\n"
        "    spec: &spec {maxUnavailable: 0, selector: {matchLabels: {app: a}}}\n"
        "  - apiVersion: policy/v1\n    kind: PodDisruptionBudget\n    metadata: {name: b}\n"
        "    spec: *spec\n"
    )
    budget.write_text(text)
    result = run("--unsafe-fixes", "-v", ".")
    assert "1 fix not carried out" in result.stderr
    assert "not fixed: the value is shared by an alias" in result.stderr
    assert budget.read_text() == text


def test_hidden_findings_are_not_fixed(budget: Path) -> None:
    text = BUDGET.replace("# never", "# meshlint: ignore[pdb-blocks-eviction] on purpose")
    budget.write_text(text)
    assert run("--unsafe-fixes", ".").exit_code == 0
    assert budget.read_text() == text


def test_context_is_not_edited(budget: Path) -> None:
    (budget.parent / "a.yaml").write_text(BUDGET.replace("billing", "cart"))
    run("--unsafe-fixes", "--context", "pdb.yaml", "a.yaml")
    assert budget.read_text() == BUDGET


def test_standard_input_cannot_be_fixed(budget: Path) -> None:
    result = CliRunner().invoke(main, ["--fix", "-"], input=BUDGET)
    assert result.exit_code == 2
    assert "cannot be fixed" in result.output


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_file_that_cannot_be_written_is_named(budget: Path) -> None:
    budget.parent.chmod(0o555)
    try:
        result = run("--unsafe-fixes", ".")
    finally:
        budget.parent.chmod(0o755)
    assert result.exit_code == 2
    assert "pdb.yaml: cannot be written" in result.output


def test_formats_show_the_same_edit(budget: Path) -> None:
    text = run(".").stdout
    assert "= fix: Let one pod be evicted at a time" in text
    assert "+  maxUnavailable: 1   # never" in text
    report = json.loads(run("--format", "json", ".").stdout)
    (finding,) = [f for f in report["findings"] if f["rule"] == "pdb-blocks-eviction"]
    (edit,) = finding["fix"]["edits"]
    assert (edit["line"], edit["column"], edit["end_column"], edit["text"]) == (8, 19, 20, "1")
    assert finding["fix"]["safety"] == "unsafe"
    sarif = json.loads(run("--format", "sarif", ".").stdout)
    (result,) = [r for r in sarif["runs"][0]["results"] if r["ruleId"] == "pdb-blocks-eviction"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"].endswith("pdb.yaml")
    (replacement,) = change["replacements"]
    assert replacement["insertedContent"]["text"] == "1"
    assert replacement["deletedRegion"] == {
        "startLine": 8,
        "startColumn": 19,
        "endLine": 8,
        "endColumn": 20,
    }


def test_a_new_object_joins_the_list_that_a_json_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = {"app": "billing"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "billing", "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": []}},
        },
    }
    path = tmp_path / "list.json"
    before = {"apiVersion": "v1", "kind": "List", "items": [deployment]}
    path.write_text(json.dumps(before, indent=2))
    (tmp_path / ".meshlint.yaml").write_text("complete: {disruption-budgets: true}\n")
    CliRunner().invoke(main, ["--select", "pdb-missing", "--unsafe-fixes", "."])
    after = json.loads(path.read_text())
    assert path.read_text() == json.dumps(after, indent=2)
    assert after["items"][0]["metadata"] == deployment["metadata"]
    assert "PodDisruptionBudget" in [item["kind"] for item in after["items"]]
