"""A whole shop that is ready for production, and its twin with one defect for each rule.

`fixtures/shop` passes every rule of the readiness checklist. `fixtures/shop-twin/<rule>.yaml` lists
the edits that plant the rule's defect in a copy of it:

    - file: apps/cart.yaml      # text that stands there once is replaced
      replace: "minReplicas: 4"
      with: "minReplicas: 1"
    - file: apps/extra.yaml     # or a file is added
      text: |
        ...
    - file: apps/cart.yaml      # or deleted
      delete: true
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from meshlint.dataclass import replace
from meshlint.documents import parse
from meshlint.enablement import enable
from meshlint.findings import Report
from meshlint.lint import Request, lint
from meshlint.mesh.settings import Settings
from meshlint.ruleset import Rule, load_builtin
from meshlint.text import SourceFile

FIXTURES = Path(__file__).parent.parent / "fixtures"
SHOP = FIXTURES / "shop"
TWIN = FIXTURES / "shop-twin"
RULES = load_builtin()
CHECKLIST = [rule for rule in RULES if rule.checklist is not None]
SETTINGS = replace(Settings(), today=date(2026, 6, 30))


def check(folder: Path, profile: str = "production") -> Report:
    rules = [enable(rule) for rule in RULES if profile == "all" or profile in rule.profiles]
    result = lint(Request([str(folder)], rules, SETTINGS))
    assert not result.crashes, result.crashes[0]
    return result.report


def test_shop_is_ready() -> None:
    report = check(SHOP)
    assert not report.findings, [(f.rule, f.message) for f in report.findings]
    states = {state for entry in report.readiness for state in entry.items.values()}
    assert states == {"passed"}
    roles = [entry.role for entry in report.readiness]
    assert roles.count("workload") >= 10
    assert {"gateway", "control-plane"} <= set(roles)


def edits(rule: Rule) -> list[dict[str, Any]]:
    path = TWIN / f"{rule.id}.yaml"
    assert path.is_file(), f"fixtures/shop-twin has no defect for {rule.id}"
    found: list[dict[str, Any]] = parse(SourceFile(path.name, path.read_text())).documents[0].value
    return found


def apply(folder: Path, edit: dict[str, Any]) -> None:
    target = folder / edit["file"]
    if edit.get("delete"):
        target.unlink()
    elif "text" in edit:
        assert not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(edit["text"])
    else:
        text = target.read_text()
        count = text.count(edit["replace"])
        assert count == 1, f"{edit['replace']!r} stands {count} times in {edit['file']}"
        target.write_text(text.replace(edit["replace"], edit["with"]))


@pytest.mark.parametrize("rule", CHECKLIST, ids=lambda rule: rule.id)
def test_twin_is_caught(rule: Rule, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(SHOP, shop)
    for edit in edits(rule):
        apply(shop, edit)
    found = [finding for finding in check(shop).findings if finding.rule == rule.id]
    assert found, f"{rule.id} is not reported"


def test_twin_has_no_strays() -> None:
    ids = {rule.id for rule in CHECKLIST}
    assert not [path.name for path in TWIN.glob("*") if path.stem not in ids]
