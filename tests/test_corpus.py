"""Real manifests: no crash, nothing passed over in silence, unique fingerprints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meshlint.enablement import enable
from meshlint.engine import INTERNAL_ERROR
from meshlint.lint import Request, Result, lint
from meshlint.ruleset import load_builtin
from meshlint.sources import discover

ROOT = Path(__file__).parent.parent
CORPUS = Path(os.environ.get("MESHLINT_SHARED", ROOT.parent / "shared")) / "corpus"
FOLDERS = sorted(p.name for p in CORPUS.iterdir() if p.is_dir()) if CORPUS.is_dir() else []

RULES = [enable(rule) for rule in load_builtin()]


def run(path: Path) -> Result:
    return lint(Request([str(path)], RULES))


def accounted_for(result: Result, path: Path) -> None:
    """Every file found is linted, named as broken, or named as skipped."""
    linted = {resource.document.file.path for resource in result.world.index.resources}
    broken = {f.file.path for f in result.world.index.files if f.problems}
    values = {document.file.path for document in result.world.index.values_files}
    skipped = {entry.file for entry in result.report.skipped}
    config = result.world.index.mesh_config
    used = {config.file.path} if config is not None else set()
    found = {candidate.path for candidate in discover([str(path)]).files}
    assert not found - linted - broken - values - skipped - used


@pytest.mark.skipif(not FOLDERS, reason="no folder with real manifests; set MESHLINT_SHARED")
@pytest.mark.parametrize("folder", FOLDERS or ["none"])
def test_folder_is_linted_without_a_crash_or_a_silent_skip(folder: str) -> None:
    result = run(CORPUS / folder)
    assert not result.crashes, result.crashes[0]
    assert not result.bad_paths
    assert all(finding.rule != INTERNAL_ERROR for finding in result.report.findings)
    accounted_for(result, CORPUS / folder)


@pytest.mark.parametrize("folder", ["examples/shop", "fixtures"])
def test_own_manifests_are_accounted_for(folder: str) -> None:
    result = run(ROOT / folder)
    assert not result.crashes, result.crashes[0]
    accounted_for(result, ROOT / folder)


def test_fingerprints_are_unique() -> None:
    result = run(ROOT / "fixtures")
    prints = [finding.fingerprint for finding in result.report.findings]
    assert len(set(prints)) == len(prints)
