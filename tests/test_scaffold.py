"""The start of a new rule, and the pages generated from rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from meshlint import docgen, scaffold
from meshlint.enablement import enable
from meshlint.lint import Request, lint
from meshlint.ruleset import RuleError, compile_rules, load_builtin, load_directory


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    monkeypatch.setattr(docgen, "ROOT", tmp_path)
    (tmp_path / "rules").mkdir()
    return tmp_path


def test_new_rule_works_at_once(checkout: Path) -> None:
    done = CliRunner().invoke(scaffold.main, ["resources", "image-missing"])
    assert done.exit_code == 0, done.output
    (rule,) = load_directory(checkout / "rules")
    assert (rule.id, rule.category) == ("image-missing", "resources")
    fixtures = checkout / "fixtures" / "image-missing"
    for name, count in (("fail-simple.yaml", 1), ("pass-simple.yaml", 0)):
        report = lint(Request([str(fixtures / name)], [enable(rule)])).report
        assert len(report.findings) == count
    assert "image-missing" in docgen.rule_page(rule)


def test_rule_is_not_written_over(checkout: Path) -> None:
    CliRunner().invoke(scaffold.main, ["resources", "image-missing"])
    again = CliRunner().invoke(scaffold.main, ["scheduling", "image-missing"])
    assert again.exit_code == 2
    assert "there already is a rule" in again.output


def test_names_are_checked(checkout: Path) -> None:
    done = CliRunner().invoke(scaffold.main, ["resources", "Image_Missing"])
    assert done.exit_code == 2


def test_pages_are_current() -> None:
    done = CliRunner().invoke(docgen.main, ["--check"])
    assert done.exit_code == 0, done.output


def test_stale_page_is_told(checkout: Path) -> None:
    (checkout / "docs" / "rules").mkdir(parents=True)
    (checkout / "docs" / "rules" / "gone.md").write_text("old")
    done = CliRunner().invoke(docgen.main, ["--check"])
    assert done.exit_code == 1
    assert "gone.md is out of date" in done.output
    written = CliRunner().invoke(docgen.main, [])
    assert written.exit_code == 0
    assert not (checkout / "docs" / "rules" / "gone.md").exists()
    assert CliRunner().invoke(docgen.main, ["--check"]).exit_code == 0


def test_compiled_rules_are_the_declared_ones(tmp_path: Path) -> None:
    import json

    source = Path(scaffold.__file__).parent.parent / "rules"
    compile_rules(source, tmp_path)
    heads, *rests = (tmp_path / "rules.jsonl").read_text().splitlines()
    compiled = {
        head["id"]: {**head, **json.loads(rest)}
        for head, rest in zip(json.loads(heads), rests, strict=True)
    }
    lines = (tmp_path / "docs.tsv").read_text().splitlines()
    prose = {line.split("\t")[0]: json.loads(line.split("\t")[1]) for line in lines}
    assert compiled.keys() == {rule.id for rule in load_builtin()} == prose.keys()
    assert all(entry["rationale"] for entry in prose.values())
    assert not any("source" in entry or "rationale" in entry for entry in compiled.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: other-name\n", "'title' is a required property"),
        ("- a\n", "one mapping"),
        ("id: [\n", "own-rule.yaml:1:"),
        ("id: own-rule\nid: own-rule\n", "duplicate key"),
    ],
)
def test_broken_declaration_is_refused_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "own-rule.yaml").write_text(text)
    with pytest.raises(RuleError, match=words.replace("[", r"\[")):
        load_directory(tmp_path)
