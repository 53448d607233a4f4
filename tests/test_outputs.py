"""`--format NAME[=FILE]` as CI jobs use it: where reports go, and what they are told of the job."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from github_log import read
from test_cli import BAD, Run

from meshlint.reporters import FORMATS

CI_FORMATS = ("github", "github-summary", "gitlab", "junit", "checkstyle", "sarif")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "cart.yaml").write_text(BAD)
    return tmp_path


def test_one_run_writes_every_format(tree: Path) -> None:
    given = [f"--format={name}={name}.out" for name in FORMATS]
    run = Run(tree, "apps", *given)
    assert (run.code, run.out) == (1, "")
    findings = json.loads((tree / "json.out").read_text())["findings"]
    assert findings
    issues = json.loads((tree / "gitlab.out").read_text())
    assert [issue["fingerprint"] for issue in issues] == [f["fingerprint"] for f in findings]
    assert len(list(ET.parse(tree / "checkstyle.out").iter("error"))) == len(findings)
    assert ET.parse(tree / "junit.out").getroot().get("failures") != "0"
    commands, _ = read((tree / "github.out").read_text())
    assert {command.properties.get("file") for command in commands} == {"apps/cart.yaml"}
    assert "<details>" in (tree / "github-summary.out").read_text()


def test_a_file_that_ends_in_gz_is_compressed_and_always_the_same(tree: Path) -> None:
    for name in ("a.sarif.gz", "b.sarif.gz"):
        assert Run(tree, "apps", f"--format=sarif={name}").code == 1
    data = (tree / "a.sarif.gz").read_bytes()
    assert json.loads(gzip.decompress(data))["runs"][0]["results"]
    assert data == (tree / "b.sarif.gz").read_bytes()


def test_the_summary_of_a_step_is_added_to_what_is_there(tree: Path) -> None:
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tree / "step.md"),
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "bank/mesh",
        "GITHUB_SHA": "0123abcd",
    }
    (tree / "step.md").write_text("before\n")
    Run(tree, "apps", f"--format=github-summary={tree / 'step.md'}", **job)
    text = (tree / "step.md").read_text()
    assert text.startswith("before\n## meshlint\n")
    assert "(https://github.example/bank/mesh/blob/0123abcd/apps/cart.yaml#L" in text
    (tree / "other.md").write_text("what was there\n")
    Run(tree, "apps", "--format=github-summary=other.md", **job)
    assert (tree / "other.md").read_text().startswith("## meshlint\n")


def test_a_ci_job_changes_nothing_by_itself(tree: Path) -> None:
    here = Run(tree, "apps")
    there = Run(tree, "apps", CI="true", GITHUB_ACTIONS="true", GITLAB_CI="true")
    assert here.out == there.out


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_the_workspace_is_the_root_where_git_is_not(tree: Path, variable: str) -> None:
    run = Run(tree / "apps", "cart.yaml", "--format", "gitlab", **{variable: str(tree)})
    assert {issue["location"]["path"] for issue in json.loads(run.out)} == {"apps/cart.yaml"}


def test_the_category_tells_sarif_files_apart(tree: Path) -> None:
    run = Run(tree, "apps", "--format", "sarif", "--sarif-category", "mesh/east")
    assert json.loads(run.out)["runs"][0]["automationDetails"] == {"id": "mesh/east/"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("githb", "did you mean 'github'"),
        ("checkstlye=x.xml", "did you mean 'checkstyle'"),
        ("junit=", "the name of the file is missing"),
    ],
)
def test_a_format_that_is_not_one(tree: Path, given: str, words: str) -> None:
    run = Run(tree, "apps", "--format", given)
    assert run.code == 2
    assert words in run.err


def test_values_of_secrets_are_in_no_format(tree: Path) -> None:
    (tree / "secret.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\n"
        "stringData:\n  password: hunter2hunter2\n  password: hunter3hunter3\n  broken: [hunter4\n"
    )
    run = Run(tree, ".", *[f"--format={name}={name}.out" for name in CI_FORMATS])
    assert run.code == 1
    for name in CI_FORMATS:
        text = (tree / f"{name}.out").read_text()
        assert "secret.yaml" in text
        assert "hunter" not in text
