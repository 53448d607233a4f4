"""Every rule against its fixtures, and what holds for every rule.

A rule brings `fixtures/<id>/pass-*` and `fail-*`, files or folders. `fail-*.out` holds the exact
output. A `.meshlint.yaml` in a folder holds settings for the case.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from meshlint import __version__
from meshlint.config import Config, load_config
from meshlint.documents import parse
from meshlint.enablement import enable
from meshlint.findings import Report, RuleInfo
from meshlint.fixes import fix_all, planned
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
        if path.suffix != ".out" and ".fixed" not in path.suffixes and path.suffix != ".fixed"
    )


def run(rule: Rule, case: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Lints a case with all rules enabled, and keeps what the one rule says."""
    return run_with(rule, case, monkeypatch, {})


def run_with(
    rule: Rule, case: Path, monkeypatch: pytest.MonkeyPatch, texts: Mapping[str, str]
) -> Report:
    """The same with other texts in the place of files."""
    monkeypatch.chdir(FIXTURES / rule.id)
    settings_file = case / ".meshlint.yaml"
    config = load_config(settings_file, case.name) if settings_file.is_file() else Config()
    enabled = []
    for other in RULES:
        entry = config.rules.get(other.id, {})
        enabled.append(enable(other, entry.get("severity"), entry.get("params")))
    from meshlint.dataclass import replace

    request = Request(
        [case.name],
        enabled,
        replace(config.settings, today=TODAY),
        waivers=config.waivers,
        known_rules=RULES,
        overlays={str(Path(path).resolve()): text.encode() for path, text in texts.items()},
    )
    result = lint(request)
    assert not result.bad_paths
    assert not result.crashes, result.crashes[0]
    if "any-file" not in rule.subjects:
        broken = [f for f in result.report.findings if f.rule == "yaml-syntax-invalid"]
        assert not broken, f"{case.name}: {broken[0].message}"
    for file in result.world.index.files:
        values = {document.index: repr(document.value) for document in parse(file.file).documents}
        for document in file.documents:
            # Values that are equal are one object: who changes one changes all.
            assert repr(document.value) == values[document.index], f"{case.name} was changed"
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
        context = ReportContext(version=__version__, rules=[info])
        output = "".join(diagnostics(planned(report), context))
        name = case.name if case.is_dir() else case.name.removesuffix(case.suffix)
        golden = case.parent / f"{name}.out"
        if update_golden:
            golden.write_text(output, encoding="utf-8")
        expected = golden.read_text(encoding="utf-8") if golden.is_file() else ""
        assert output == expected, f"{golden} differs; --update-golden writes it, review the diff"


@pytest.mark.parametrize("rule", [r for r in RULES if r.fix], ids=lambda rule: rule.id)
def test_fixes_mend_what_they_can(
    rule: Rule, monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    """`fail-x.fixed.yaml`, for a folder `fail-x.fixed/`, holds what fixing makes of `fail-x`."""
    mended = 0
    for case in cases(rule, "fail"):

        def again(texts: Mapping[str, str], case: Path = case) -> Report:
            return run_with(rule, case, monkeypatch, texts)

        outcome = fix_all(again({}), again, unsafe=True)
        mended += len(outcome.fixed)
        assert not [u for u in outcome.unfixed if u.reason == "the finding would not go"], case
        texts = {path: after for path, (_, after) in outcome.texts.items()}
        if update_golden:
            write_fixed(case, texts)
        assert read_fixed(case) == texts, f"{case.name}: --update-golden writes what fixing makes"
        if texts:
            repeated = fix_all(
                again(texts), lambda more, texts=texts: again({**texts, **more}), unsafe=True
            )
            assert not repeated.texts, f"{case.name}: fixing twice changes something"
    assert mended, f"no fail-* case of {rule.id} is mended by its fix"


def fixed_path(case: Path, path: str) -> Path:
    if case.is_dir():
        return case.with_name(f"{case.name}.fixed") / Path(path).relative_to(case.name)
    return case.with_name(f"{case.stem}.fixed{case.suffix}")


def write_fixed(case: Path, texts: Mapping[str, str]) -> None:
    if case.is_dir():
        shutil.rmtree(case.with_name(f"{case.name}.fixed"), ignore_errors=True)
    else:
        fixed_path(case, "").unlink(missing_ok=True)
    for path, text in texts.items():
        target = fixed_path(case, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")


def read_fixed(case: Path) -> dict[str, str]:
    if not case.is_dir():
        target = fixed_path(case, "")
        return {case.name: target.read_bytes().decode()} if target.is_file() else {}
    folder = case.with_name(f"{case.name}.fixed")
    return {
        f"{case.name}/{path.relative_to(folder).as_posix()}": path.read_bytes().decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


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
