"""Every rule against its fixtures, and what holds for every rule.

A rule brings `fixtures/<id>/pass-*` and `fail-*`, files or folders. `fail-*.out` holds the exact
output. A `.meshlint.yaml` in a folder holds settings for the case.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from meshlint import __version__
from meshlint.config import Config, load_config
from meshlint.enablement import enable
from meshlint.findings import Report, RuleInfo
from meshlint.lint import Request, lint
from meshlint.reporters.context import ReportContext
from meshlint.reporters.text import diagnostics
from meshlint.ruleset import Rule, load_builtin

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
RULES = load_builtin()
TODAY = date(2026, 6, 30)


def cases(rule: Rule, kind: str) -> list[Path]:
    return sorted(
        path
        for path in (FIXTURES / rule.id).glob(f"{kind}-*")
        if path.suffix != ".out" and ".fixed" not in path.suffixes
    )


def run(rule: Rule, case: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Lints a case with all rules enabled, and keeps what the one rule says."""
    monkeypatch.chdir(FIXTURES / rule.id)
    settings_file = case / ".meshlint.yaml"
    config = load_config(settings_file, case.name) if settings_file.is_file() else Config()
    enabled = []
    for other in RULES:
        entry = config.rules.get(other.id, {})
        enabled.append(enable(other, entry.get("severity"), entry.get("params")))
    from dataclasses import replace

    request = Request(
        [case.name],
        enabled,
        replace(config.settings, today=TODAY),
        waivers=config.waivers,
        known_rules=RULES,
    )
    result = lint(request)
    assert not result.bad_paths
    assert not result.crashes, result.crashes[0]
    if "any-file" not in rule.subjects:
        broken = [f for f in result.report.findings if f.rule == "yaml-syntax-invalid"]
        assert not broken, f"{case.name}: {broken[0].message}"
    own = tuple(finding for finding in result.report.findings if finding.rule == rule.id)
    return replace(result.report, findings=own)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_good_manifests_pass(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    passing = cases(rule, "pass")
    assert passing, f"fixtures/{rule.id} has no pass-* case"
    for case in passing:
        report = run(rule, case, monkeypatch)
        assert not report.findings, f"{case.name}: {report.findings[0].message}"
        assert report.documents or report.skipped, f"{case.name} holds nothing"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_bad_manifests_are_reported(
    rule: Rule, monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    failing = cases(rule, "fail")
    assert failing, f"fixtures/{rule.id} has no fail-* case"
    for case in failing:
        report = run(rule, case, monkeypatch)
        assert report.findings, f"{case.name}: nothing reported"
        info = RuleInfo(
            id=rule.id,
            title=rule.title,
            severity=rule.severity,
            category=rule.category,
            rationale=rule.rationale,
            remediation=rule.remediation,
        )
        output = diagnostics(report, ReportContext(version=__version__, rules=[info]))
        name = case.name if case.is_dir() else case.name.removesuffix(case.suffix)
        golden = case.parent / f"{name}.out"
        if update_golden:
            golden.write_text(output, encoding="utf-8")
        expected = golden.read_text(encoding="utf-8") if golden.is_file() else ""
        assert output == expected, f"{golden} differs; --update-golden writes it, review the diff"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_finding_can_be_filled_in_and_placed(
    rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in cases(rule, "fail"):
        for finding in run(rule, case, monkeypatch).findings:
            assert not re.search(r"\{[a-z_]+\}", finding.message), finding.message
            assert finding.message[0].isupper() or not finding.message[0].isalpha()
            assert finding.message.endswith((".", "?")), finding.message
            span = finding.location.span
            text = finding.location.file.text[span.start : span.end]
            assert "\n" not in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_declaration_reads_well(rule: Rule) -> None:
    assert Path(rule.source).parent.name == rule.category
    assert not re.match(r"(use|prefer|avoid|no|missing|require)-", rule.id), (
        "an id names the defect"
    )
    assert rule.remediation.strip().endswith((".", "```")), "a remediation is a sentence"
    assert rule.rationale.strip().endswith((".", "```")), "a rationale is a sentence"
    assert callable(rule.check)
    for name, declared in rule.params.items():
        assert declared["description"].endswith("."), f"parameter {name}: a sentence"


def test_fixtures_belong_to_rules() -> None:
    ids = {rule.id for rule in RULES}
    known = {*ids, "shop", "shop-twin"}
    strays = [p.name for p in FIXTURES.iterdir() if p.is_dir() and p.name not in known]
    assert not strays, f"fixtures without a rule: {strays}"


def test_golden_files_belong_to_cases() -> None:
    for golden in FIXTURES.glob("*/fail-*.out"):
        stem = golden.name.removesuffix(".out")
        assert (
            list(golden.parent.glob(f"{stem}.y*ml"))
            or (golden.parent / stem).is_dir()
            or list(golden.parent.glob(f"{stem}.json"))
        ), f"{golden} has no case"
