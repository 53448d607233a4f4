"""Adopting meshlint on an old tree: baselines, and comparing with a revision of git."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meshlint.cli import main

BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: shop
spec:
  maxUnavailable: 0
  selector:
    matchLabels:
      app: {name}
"""
RULE = "pdb-blocks-eviction"


def run(*options: str) -> Result:
    return CliRunner().invoke(main, [*options])


def found(*options: str) -> set[str]:
    """Names of the objects that the rule reports."""
    result = run("--format", "json", *options)
    assert result.exit_code in (0, 1), result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return {f["resource"]["name"] for f in report["findings"] if f["rule"] == RULE}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("cart", "search"):
        Path(f"{name}.yaml").write_text(BUDGET.format(name=name))
    return tmp_path


# ------------------------------------------------------------------------------------ baselines


def test_baseline_hides_what_was_there_and_shows_what_is_new(tree: Path) -> None:
    assert run(".").exit_code == 1
    written = run("--write-baseline", ".")
    assert written.exit_code == 0
    assert "findings to .meshlint-baseline.json" in written.output
    baseline = ("--baseline", ".meshlint-baseline.json")
    assert run(*baseline, ".").exit_code == 0
    Path("pay.yaml").write_text(BUDGET.format(name="pay"))
    assert found(*baseline, ".") == {"pay"}


def test_configured_baseline_is_used_without_option(tree: Path) -> None:
    Path(".meshlint.yaml").write_text("baseline: old/known.json\n")
    Path("old").mkdir()
    assert run("--write-baseline", ".").exit_code == 0
    assert Path("old/known.json").is_file()
    assert found(".") == set()


def test_baseline_survives_shifted_lines_and_renamed_files(tree: Path) -> None:
    run("--write-baseline", ".")
    text = Path("cart.yaml").read_text()
    Path("cart.yaml").unlink()
    Path("renamed.yaml").write_text(f"# A comment.\n\n{text}")
    result = run("--baseline", ".meshlint-baseline.json", ".")
    assert result.exit_code == 0, result.output
    assert "Gone" not in result.output


def test_entries_that_are_gone_are_reported_and_forgotten(tree: Path) -> None:
    run("--write-baseline", ".")
    path = Path("cart.yaml")
    path.write_text(path.read_text().replace("maxUnavailable: 0", "maxUnavailable: 1"))
    baseline = ("--baseline", ".meshlint-baseline.json")
    assert "Gone since the baseline: 1 finding" in run(*baseline, ".").output
    assert f"{RULE} of PodDisruptionBudget shop/cart" in run(*baseline, "-v", ".").output
    # A part of the tree says nothing about the rest.
    assert "Gone" not in run(*baseline, "search.yaml").output
    # Nor does a run without the rule.
    assert "Gone" not in run(*baseline, "--ignore", RULE, ".").output
    run(*baseline, "--write-baseline", ".")
    assert "Gone" not in run(*baseline, ".").output
    path.write_text(path.read_text().replace("maxUnavailable: 1", "maxUnavailable: 0"))
    assert found(*baseline, ".") == {"cart"}


def test_equal_findings_are_counted(tree: Path) -> None:
    run("--write-baseline", ".")
    Path("twin.yaml").write_text(BUDGET.format(name="cart"))
    assert found("--baseline", ".meshlint-baseline.json", ".") == {"cart"}


def test_what_cannot_be_linted_is_never_accepted(tree: Path) -> None:
    Path("broken.yaml").write_text("a: [1\n")
    run("--write-baseline", ".")
    result = run("--baseline", ".meshlint-baseline.json", ".")
    assert result.exit_code == 1
    assert "broken.yaml" in result.output


def test_baseline_is_the_same_bytes_for_the_same_findings(tree: Path) -> None:
    run("--write-baseline", ".")
    first = Path(".meshlint-baseline.json").read_bytes()
    run("--write-baseline", "search.yaml", "cart.yaml")
    assert Path(".meshlint-baseline.json").read_bytes() == first


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9}', '{"version": 1, "findings": [{}]}'])
def test_bad_baselines_are_refused_with_a_reason(tree: Path, text: str) -> None:
    Path("b.json").write_text(text)
    result = run("--baseline", "b.json", ".")
    assert result.exit_code == 2
    assert "b.json: is no baseline" in result.output


def test_missing_baseline_is_refused(tree: Path) -> None:
    result = run("--baseline", "none.json", ".")
    assert result.exit_code == 2
    assert "none.json: cannot be read" in result.output


# ------------------------------------------------------------------------------------ revisions


def git(*arguments: str) -> None:
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    subprocess.run(["git", *arguments], check=True, capture_output=True, env=env)


@pytest.fixture
def repository(tree: Path) -> Path:
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return tree


def test_since_reports_only_what_the_revision_does_not_have(repository: Path) -> None:
    assert found("--since", "HEAD", ".") == set()
    Path("pay.yaml").write_text(BUDGET.format(name="pay"))
    git("mv", "cart.yaml", "basket.yaml")
    assert found("--since", "HEAD", ".") == {"pay"}
    status = subprocess.run(
        ["git", "status", "--short"], capture_output=True, text=True, check=True
    )
    assert "basket.yaml" in status.stdout
    assert "search.yaml" not in status.stdout


def test_since_works_below_the_root_with_overrides_and_waivers(repository: Path) -> None:
    Path(".meshlint.yaml").write_text(
        "overrides: [{paths: [sub/], ignore: [pdb-blocks-eviction]}]\n"
        "waivers: [{rules: [pdb-blocks-eviction], path: other/, reason: old}]\n"
    )
    for folder in ("sub", "other", "new"):
        Path(folder).mkdir()
        Path(folder, "a.yaml").write_text(BUDGET.format(name=folder))
    os.chdir("new")
    assert found("--since", "HEAD", ".") == {"new"}
    os.chdir("..")
    assert found("--since", "HEAD", ".") == {"new"}


def test_change_elsewhere_that_makes_a_finding_is_new(repository: Path) -> None:
    """The whole mesh is loaded: what breaks may stand in a file that did not change."""
    text = BUDGET.format(name="cart").replace("maxUnavailable: 0", "maxUnavailable: 1")
    Path("cart.yaml").write_text(text)
    git("commit", "-qam", "mended")
    Path("cart.yaml").write_text(BUDGET.format(name="cart"))
    assert found("--since", "HEAD", "--with-context", "cart.yaml") == {"cart"}
    assert found("--since", "HEAD~1", "cart.yaml") == set()


def test_unknown_revision_is_told(repository: Path) -> None:
    result = run("--since", "no-such-branch", ".")
    assert result.exit_code == 2
    assert "git knows no revision 'no-such-branch'" in result.output
    result = run("--since=--output=x", ".")
    assert result.exit_code == 2
    assert not Path("x").exists()


def test_since_outside_of_a_repository_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    Path("a.yaml").write_text(BUDGET.format(name="a"))
    result = run("--since", "HEAD", ".")
    assert result.exit_code == 2
    assert "not a git repository" in result.output
