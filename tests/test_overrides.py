"""What the configuration makes different for some files or namespaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshlint.cli import main

BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: {namespace}
spec:
  maxUnavailable: 0
  selector:
    matchLabels:
      app: {name}
"""
RULE = "pdb-blocks-eviction"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder, namespace in (("shop", "shop"), ("legacy", "legacy-billing")):
        (tmp_path / folder).mkdir()
        text = BUDGET.format(name=folder, namespace=namespace)
        (tmp_path / folder / "pdb.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(config: str, *options: str) -> dict[str, str]:
    """Severity of the rule's finding by namespace."""
    Path(".meshlint.yaml").write_text(config)
    result = CliRunner().invoke(main, ["--format", "json", *options, "."])
    assert result.exit_code in (0, 1), result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return {
        f["resource"]["namespace"]: f["severity"] for f in report["findings"] if f["rule"] == RULE
    }


def test_without_overrides_a_rule_holds_everywhere(tree: Path) -> None:
    assert set(findings("{}\n")) == {"shop", "legacy-billing"}


@pytest.mark.parametrize(
    "entry",
    [
        "{paths: [legacy/], ignore: [pdb-blocks-eviction]}",
        "{namespaces: [legacy-*], ignore: [availability]}",
        "{paths: ['**/pdb.yaml'], namespaces: [legacy-*], ignore: [pdb-blocks-eviction]}",
    ],
)
def test_rules_are_left_out_by_path_and_namespace(tree: Path, entry: str) -> None:
    assert set(findings(f"overrides:\n  - {entry}\n")) == {"shop"}


def test_rules_run_only_where_an_override_selects_them(tree: Path) -> None:
    config = (
        "ignore: [pdb-blocks-eviction]\n"
        "overrides:\n  - {paths: [shop/], select: [pdb-blocks-eviction]}\n"
    )
    assert set(findings(config)) == {"shop"}
    # The command line has the last word.
    assert not findings(config, "--ignore", RULE)


def test_severity_changes_in_places_and_the_last_override_wins(tree: Path) -> None:
    config = (
        "overrides:\n"
        "  - {paths: ['*'], rules: {pdb-blocks-eviction: {severity: info}}}\n"
        "  - {namespaces: [shop], rules: {pdb-blocks-eviction: {severity: error}}}\n"
    )
    assert findings(config) == {"shop": "error", "legacy-billing": "info"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("overrides: [{ignore: [hpa-missing]}]", "overrides.0"),
        ("overrides: [{paths: [a], ignore: [hpa-mising]}]", "did you mean 'hpa-missing'?"),
        ("overrides: [{paths: [a], rules: {hpa-mising: {}}}]", "did you mean 'hpa-missing'?"),
        ("sizing: {cpu-per-1000rps: 0}", "sizing.cpu-per-1000rps"),
        ("sizing: {cpu-per-1000: 1}", "there is no key 'cpu-per-1000'"),
        ("waivers: [{rules: [hpa-missing]}]", "waivers.0"),
        ("waivers: [{rules: [hpa-missing], reason: x, until: soon}]", "is no date"),
    ],
)
def test_mistakes_are_told_with_their_line(tree: Path, config: str, message: str) -> None:
    (tree / ".meshlint.yaml").write_text(config + "\n")
    result = CliRunner().invoke(main, ["."])
    assert result.exit_code == 2
    assert ".meshlint.yaml:1:" in result.output
    assert message in result.output


def test_measured_figures_stand_in_for_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cart.yaml").write_text(
        """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
  annotations:
    readiness.meshlint.io/rps-per-pod: "1000"
spec:
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart, sidecar.istio.io/inject: "true"}
      annotations:
        sidecar.istio.io/proxyCPU: 300m
        sidecar.istio.io/proxyCPULimit: "2"
        sidecar.istio.io/proxyMemory: 128Mi
        sidecar.istio.io/proxyMemoryLimit: 256Mi
    spec:
      containers:
        - name: cart
          image: registry.example/cart:1.0
"""
    )

    def rules(config: str) -> set[str]:
        Path(".meshlint.yaml").write_text(config)
        result = CliRunner().invoke(main, ["--format", "json", "."])
        return {finding["rule"] for finding in json.loads(result.stdout)["findings"]}

    wanted = {"proxy-cpu-request-below-load", "proxy-memory-limit-below-load"}
    assert not rules("{}\n") & wanted
    sizing = "sizing: {cpu-per-1000rps: 0.5, memory-per-1000rps: 100Mi, base-memory: 200Mi}\n"
    assert rules(sizing) >= wanted
