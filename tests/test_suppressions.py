"""Findings that a comment, an annotation or a waiver hides, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshlint.cli import main

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ledger
  namespace: bank
  annotations:
    sidecar.istio.io/proxyCPU: 100m{comment}
{annotations}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: ledger
  template:
    metadata:
      labels:
        app: ledger
    spec:
      containers:
        - name: ledger
          image: registry.bank.example/ledger@sha256:{digest}
          resources:
            requests:
              cpu: 100m
"""
RULE = "proxy-annotation-misplaced"


def lint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **parts: str
) -> dict[str, Any]:
    (folder / "ledger.yaml").write_text(
        DEPLOYMENT.format(
            comment=parts.get("comment", ""),
            annotations="".join(
                f"    {line}" for line in parts.get("annotations", "").splitlines()
            ),
            digest="0" * 64,
        )
    )
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(
        main, ["--profile", "all", "--format", "json", "--today", "2026-06-30", *options, "."]
    )
    assert result.exit_code in (0, 1), result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def rules_of(report: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in report["findings"]}


def suppressed(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["rule"], entry["by"]) for entry in report["summary"]["suppressed"]]


def test_without_suppression_the_finding_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = lint(tmp_path, monkeypatch)
    assert RULE in rules_of(report)
    assert suppressed(report) == []


@pytest.mark.parametrize(
    ("annotation", "by"),
    [
        (f"ignore.meshlint.io/{RULE}: left for the old operator", "annotation"),
        ("ignore.meshlint.io/data-plane: left for the old operator", "annotation"),
        ("galley.istio.io/analyze-suppress: IST0107", "other tool"),
        ("galley.istio.io/analyze-suppress: IST0101,IST0107", "other tool"),
        ("galley.istio.io/analyze-suppress: '*'", "other tool"),
    ],
)
def test_annotations_hide_what_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotation: str, by: str
) -> None:
    report = lint(tmp_path, monkeypatch, annotations=annotation)
    assert RULE not in rules_of(report)
    assert (RULE, by) in suppressed(report)
    # Nothing else is hidden but what the annotation names.
    shown = rules_of(lint(tmp_path, monkeypatch, annotations="owner: core-banking"))
    hidden = {rule for rule, _ in suppressed(report)}
    assert shown - {RULE} <= rules_of(report) | hidden
    assert "memory-limit-missing" in rules_of(report)


@pytest.mark.parametrize(
    "annotation",
    [
        "galley.istio.io/analyze-suppress: IST0101",
        "ignore.meshlint.io/hpa-missing: another rule",
        f"ignore.meshlint.io/{RULE}: too late, until=2026-06-29",
        f"ignore.meshlint.io/{RULE}: no date, until=tomorrow",
    ],
)
def test_other_annotations_hide_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotation: str
) -> None:
    assert RULE in rules_of(lint(tmp_path, monkeypatch, annotations=annotation))


@pytest.mark.parametrize(
    ("annotation", "rule"),
    [
        ("ignore-check.kube-linter.io/unset-memory-requirements: a job", "memory-limit-missing"),
        ("kube-linter.io/ignore-all: a job", "memory-limit-missing"),
        ("kube-score/ignore: container-resources", "memory-limit-missing"),
        ("polaris.fairwinds.com/memoryLimitsMissing-exempt: 'true'", "memory-limit-missing"),
        ("polaris.fairwinds.com/exempt: 'true'", "memory-limit-missing"),
        ("checkov.io/skip1: CKV_K8S_13=measured", "memory-limit-missing"),
    ],
)
def test_annotations_of_other_tools_count_by_what_rules_cover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotation: str, rule: str
) -> None:
    assert rule in rules_of(lint(tmp_path, monkeypatch))
    report = lint(tmp_path, monkeypatch, annotations=annotation)
    assert rule not in rules_of(report)
    assert (rule, "other tool") in suppressed(report)
    off = annotation.replace("'true'", "'false'").replace("memory", "cpu").replace("_13", "_99")
    off = off.replace("container-resources", "pod-probes").replace("/ignore-all", "/ignore-none")
    assert rule in rules_of(lint(tmp_path, monkeypatch, annotations=off))


def test_comment_hides_findings_of_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment = f" # meshlint: ignore[{RULE}] left for the old operator, owner=core until=2026-06-30"
    report = lint(tmp_path, monkeypatch, comment=comment)
    assert RULE not in rules_of(report)
    (entry,) = report["summary"]["suppressed"]
    assert (entry["by"], entry["owner"]) == ("comment", "core")
    assert entry["reason"] == "left for the old operator"
    assert "suppression-unused" not in rules_of(report)


def test_comment_of_another_rule_is_unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = lint(tmp_path, monkeypatch, comment=" # meshlint: ignore[hpa-missing]")
    assert {RULE, "suppression-unused"} <= rules_of(report)
    # A rule that did not run is not called unused.
    report = lint(
        tmp_path, monkeypatch, "--ignore", "hpa-missing", comment=" # meshlint: ignore[hpa-missing]"
    )
    assert "suppression-unused" not in rules_of(report)


@pytest.mark.parametrize(
    ("entry", "hides"),
    [
        ("{rules: [RULE], reason: old}", True),
        ("{rules: [RULE], reason: old, path: '*.yaml'}", True),
        ("{rules: [RULE], reason: old, path: 'sub/**'}", False),
        ("{rules: [RULE], reason: old, kind: Deploy*, name: led*, namespace: bank}", True),
        ("{rules: [RULE], reason: old, namespace: shop}", False),
        ("{rules: [RULE], reason: old, container: ledger}", False),
        ("{rules: [RULE], reason: old, until: '2026-06-30'}", True),
        ("{rules: [RULE], reason: old, until: '2026-06-29'}", False),
        ("{rules: ['istioctl:IST0107'], reason: old}", True),
    ],
)
def test_waivers_hide_what_matches_all_of_their_globs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, hides: bool
) -> None:
    (tmp_path / ".meshlint.yaml").write_text(f"waivers:\n  - {entry.replace('RULE', RULE)}\n")
    report = lint(tmp_path, monkeypatch)
    assert (RULE in rules_of(report)) is not hides
    assert (RULE, "configuration") in suppressed(report) or not hides


def test_waiver_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, hides in (("led*", True), ("other", False)):
        (tmp_path / ".meshlint.yaml").write_text(
            f"waivers:\n  - {{rules: [memory-limit-missing], reason: old, container: '{name}'}}\n"
        )
        report = lint(tmp_path, monkeypatch)
        assert ("memory-limit-missing" in rules_of(report)) is not hides


def test_summary_counts_what_is_suppressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lint(tmp_path, monkeypatch, comment=f" # meshlint: ignore[{RULE}] left for the old operator")
    plain = CliRunner().invoke(main, ["--profile", "all", "."])
    assert "Suppressed: 1 by comment; -v lists them" in plain.output
    told = CliRunner().invoke(main, ["--profile", "all", "-v", "."])
    assert f"{RULE} by comment: left for the old operator" in told.output


def test_accepted_items_are_told_apart_from_passed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = lint(tmp_path, monkeypatch, annotations="ignore.meshlint.io/resources: a trial")
    (entry,) = report["summary"]["readiness"]
    assert entry["items"]["resource-limits"] == "waived"
