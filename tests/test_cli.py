"""The command line as a user meets it: messages, exit codes, output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  greeting: hello
"""

BAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
spec:
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart}
    spec:
      containers:
        - name: cart
          image: registry.example/cart:1.0
"""


class Run:
    """One finished call of the command line."""

    def __init__(self, cwd: Path, *arguments: str, stdin: str | bytes = "", **env: str) -> None:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "meshlint", *arguments],
            cwd=cwd,
            input=data,
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **env},
        )
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()
        assert "Traceback" not in self.err, self.err

    @property
    def rules(self) -> list[str]:
        return [finding["rule"] for finding in json.loads(self.out)["findings"]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def test_clean_input_gives_0(tree: Path) -> None:
    run = Run(tree, ".")
    assert run.code == 0
    assert "No findings" in run.out


def test_findings_give_1(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    run = Run(tree, "check", ".")
    assert run.code == 1
    assert "warning[cpu-request-missing]" in run.out
    assert "cart.yaml:14:" in run.out


def test_check_may_be_left_out(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    with_word = Run(tree, "check", "cart.yaml")
    without = Run(tree, "cart.yaml")
    assert with_word.out == without.out
    assert with_word.code == without.code == 1


def test_options_may_precede_paths(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    run = Run(tree, "--format", "json", "cart.yaml")
    assert "cpu-request-missing" in run.rules


@pytest.mark.parametrize(
    ("threshold", "code"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_fail_on_decides_the_exit_code_in_every_format(
    tree: Path, threshold: str, code: int
) -> None:
    (tree / "cart.yaml").write_text(BAD)
    for name in ("text", "concise", "json", "sarif"):
        assert Run(tree, ".", "--fail-on", threshold, "--format", name).code == code


def test_broken_file_is_a_finding_and_the_rest_is_linted(tree: Path) -> None:
    (tree / "broken.yaml").write_text("kind: [\n---\n" + BAD)
    run = Run(tree, ".", "--format", "json")
    assert run.code == 1
    assert {"yaml-syntax-invalid", "cpu-request-missing"} <= set(run.rules)
    first = json.loads(run.out)["findings"][0]
    assert (first["file"], first["rule"]) == ("broken.yaml", "yaml-syntax-invalid")


def test_missing_path_is_bad_usage_and_the_rest_is_linted(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    run = Run(tree, "cart.yaml", "nowhere.yaml")
    assert run.code == 2
    assert "nowhere.yaml" in run.err
    assert "cpu-request-missing" in run.out


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_unreadable_file_is_a_finding(tree: Path) -> None:
    (tree / "secret.yaml").write_text(BAD)
    (tree / "secret.yaml").chmod(0)
    run = Run(tree, ".", "--format", "json")
    assert run.code == 1
    assert run.rules == ["file-unreadable"]


def test_undecodable_file_is_a_finding(tree: Path) -> None:
    (tree / "latin.yaml").write_bytes(b"# caf\xe9\n" + BAD.encode())
    run = Run(tree, ".", "--format", "json")
    assert run.code == 1
    assert run.rules == ["yaml-syntax-invalid"]
    finding = json.loads(run.out)["findings"][0]
    assert (finding["line"], finding["column"]) == (1, 6)


def test_empty_directory_gives_3(tmp_path: Path) -> None:
    run = Run(tmp_path, ".")
    assert run.code == 3
    assert "nothing was linted" in run.err


def test_tree_without_manifests_gives_3(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: nginx\n")
    run = Run(tmp_path, ".", "-v")
    assert run.code == 3
    assert "compose.yaml" in run.out


def test_unknown_configuration_key_names_line_and_proposes(tree: Path) -> None:
    (tree / ".meshlint.yaml").write_text("profile: all\nselct: [resources]\n")
    run = Run(tree, ".")
    assert run.code == 2
    assert ".meshlint.yaml:2:1" in run.err
    assert "selct" in run.err
    assert "did you mean 'select'" in run.err


def test_configuration_value_of_the_wrong_type(tree: Path) -> None:
    (tree / ".meshlint.yaml").write_text("exclude: charts\n")
    run = Run(tree, ".")
    assert run.code == 2
    assert ".meshlint.yaml:1:10" in run.err
    assert "'charts'" in run.err


def test_configuration_that_is_not_yaml(tree: Path) -> None:
    (tree / ".meshlint.yaml").write_text("exclude: [\n")
    run = Run(tree, ".")
    assert run.code == 2
    assert ".meshlint.yaml:" in run.err


def test_unknown_rule_is_proposed(tree: Path) -> None:
    run = Run(tree, ".", "--ignore", "cpu-request-mising")
    assert run.code == 2
    assert "did you mean 'cpu-request-missing'" in run.err


def test_unknown_parameter_in_configuration(tree: Path) -> None:
    (tree / ".meshlint.yaml").write_text(
        "rules:\n  hpa-min-replicas-low:\n    params:\n      minimum: 3\n"
    )
    run = Run(tree, ".")
    assert run.code == 2
    assert ".meshlint.yaml:4:7" in run.err
    assert "minimum" in run.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "sarf"], "did you mean 'sarif'"),
        (["--profile", "prod"], "profile"),
        (["--fail-on", "warnings"], "did you mean 'warning'"),
        (["--istio-version", "latest"], "version"),
        (["--format", "json", "--format", "sarif"], "standard output"),
        (["-v", "-q"], "exclude each other"),
        (["--rules", "no-such-folder"], "no-such-folder"),
        (["--config", "no-such-file.yaml"], "no-such-file.yaml"),
        (["--today", "tomorrow"], "tomorrow"),
    ],
)
def test_bad_usage_gives_2(tree: Path, arguments: list[str], words: str) -> None:
    run = Run(tree, ".", *arguments)
    assert run.code == 2
    assert words in run.err


def test_severity_and_parameters_come_from_the_configuration(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    (tree / ".meshlint.yaml").write_text(
        "rules:\n  cpu-request-missing:\n    severity: error\n"
        "  node-affinity-missing:\n    params:\n      kinds: [StatefulSet]\n"
    )
    run = Run(tree, ".", "--format", "json")
    findings = json.loads(run.out)["findings"]
    assert {f["severity"] for f in findings if f["rule"] == "cpu-request-missing"} == {"error"}
    assert "node-affinity-missing" not in run.rules


def test_include_and_context_of_the_configuration(tmp_path: Path) -> None:
    for folder, name in (("apps", "cart"), ("platform", "proxy")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "deployment.yaml").write_text(BAD.replace("cart", name))
    (tmp_path / ".meshlint.yaml").write_text("include: [apps]\ncontext: [platform]\n")
    run = Run(tmp_path, "check", "--format", "json")
    files = {finding["file"] for finding in json.loads(run.out)["findings"]}
    assert files == {"apps/deployment.yaml"}
    below = Run(tmp_path / "platform", "check", "--format", "json")
    assert {f["file"] for f in json.loads(below.out)["findings"]} == {
        str(tmp_path / "apps/deployment.yaml")
    }


def test_context_is_read_but_not_reported(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    scaler = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: cart
  namespace: shop
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: basket}
  minReplicas: 2
  maxReplicas: 5
"""
    (tree / "hpa.yaml").write_text(scaler)
    alone = Run(tree, "hpa.yaml", "--format", "json")
    assert "hpa-target-missing" not in alone.rules
    judged = Run(tree, "hpa.yaml", "--context", ".", "--format", "json")
    assert "hpa-target-missing" in judged.rules
    assert {f["file"] for f in json.loads(judged.out)["findings"]} == {"hpa.yaml"}


DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: trains.rail.example}
spec:
  group: rail.example
  scope: Namespaced
  names: {kind: Train, plural: trains}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                wagons: {type: integer}
"""
TRAIN = """\
apiVersion: rail.example/v1
kind: Train
metadata: {name: ice}
spec:
  wagons: twelve
  speed: 300
"""


def test_definitions_judge_custom_resources(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(TRAIN)
    (tmp_path / "crds").mkdir()
    # Beside definitions anything may stand; it is neither reported on nor looked at.
    (tmp_path / "crds" / "train.yaml").write_text(f"{DEFINITION}---\n{GOOD}")
    (tmp_path / "crds" / "broken.yaml").write_text("a: [")
    arguments = ("train.yaml", "--format", "json", "--crds", "crds")
    found = json.loads(Run(tmp_path, *arguments).out)
    assert [(f["rule"], f["pointer"]) for f in found["findings"]] == [
        ("custom-resource-schema-invalid", "/spec/wagons"),
        ("custom-resource-field-unknown", "/spec/speed"),
    ]
    assert found["summary"]["resources"] == 1
    assert found["summary"]["without_schema"] == []

    # A definition in the input serves as well, and so does one that the configuration names.
    assert len(Run(tmp_path, "train.yaml", "crds/train.yaml", "--format", "json").rules) >= 2
    (tmp_path / ".meshlint.yaml").write_text("crds: [crds]\n")
    assert len(Run(tmp_path, "train.yaml", "--format", "json").rules) == 2


def test_kinds_without_a_schema_are_said(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(TRAIN)
    run = Run(tmp_path, "train.yaml")
    assert run.code == 0
    assert "1 resource of 1 kind judged by no schema: add --crds" in run.out
    assert "Train of rail.example/v1 (1)" in Run(tmp_path, "train.yaml", "-v").out
    summary = json.loads(Run(tmp_path, "train.yaml", "--format", "json").out)["summary"]
    assert summary["without_schema"] == [
        {"apiVersion": "rail.example/v1", "kind": "Train", "resources": 1}
    ]


def test_version_of_kubernetes_without_schemas_is_said(tree: Path) -> None:
    run = Run(tree, "good.yaml", "-v", "--kubernetes-version", "1.99")
    assert "The schemas of Kubernetes 1.99 are not known" in run.out


def test_changed_files_are_judged_against_everything(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    (tree / "vendored.yaml").write_text(BAD.replace("cart", "vendored"))
    (tree / ".meshlint.yaml").write_text("exclude: [vendored.yaml]\n")
    run = Run(
        tree, "check", "--force-exclude", "--with-context", "cart.yaml", "vendored.yaml",
        "--format", "json",
    )  # fmt: skip
    assert {f["file"] for f in json.loads(run.out)["findings"]} == {"cart.yaml"}


def test_standard_input(tmp_path: Path) -> None:
    run = Run(tmp_path, "-", "--format", "json", stdin=BAD)
    assert run.code == 1
    assert {finding["file"] for finding in json.loads(run.out)["findings"]} == {"<stdin>"}


def test_several_formats_in_one_run(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    run = Run(
        tree, ".", "--format", "concise", "--format", "json=out.json", "--format", "sarif=out.sarif"
    )
    assert run.code == 1
    assert "cart.yaml:14:" in run.out
    assert json.loads((tree / "out.json").read_text())["findings"]
    assert json.loads((tree / "out.sarif").read_text())["runs"][0]["results"]


def test_output_that_cannot_be_written(tree: Path) -> None:
    run = Run(tree, ".", "--format", "json=nowhere/out.json")
    assert run.code == 2
    assert "nowhere/out.json" in run.err


def test_color_only_on_a_terminal(tree: Path) -> None:
    (tree / "cart.yaml").write_text(BAD)
    assert "\x1b" not in Run(tree, ".").out


def test_output_does_not_depend_on_the_order_of_paths(tree: Path) -> None:
    for name in ("cart", "orders", "users"):
        (tree / f"{name}.yaml").write_text(BAD.replace("cart", name))
    names = ["cart.yaml", "orders.yaml", "users.yaml"]
    one = Run(tree, *names, "--format", "json")
    other = Run(tree, *reversed(names), "--format", "json")
    assert one.out == other.out


def test_fingerprints_survive_a_shift_of_lines(tree: Path) -> None:
    def fingerprints() -> list[str]:
        run = Run(tree, ".", "--format", "json")
        return sorted(finding["fingerprint"] for finding in json.loads(run.out)["findings"])

    (tree / "cart.yaml").write_text(BAD)
    before = fingerprints()
    (tree / "cart.yaml").write_text("# a comment\n\n" + GOOD + "---\n" + BAD)
    assert fingerprints() == before
    assert len(set(before)) == len(before)


def test_own_rules(tree: Path) -> None:
    (tree / "policy").mkdir()
    (tree / "policy" / "team-label-missing.yaml").write_text(
        """\
id: team-label-missing
title: Deployment without the label team
severity: error
profiles: [production]
subjects: [apps/Deployment]
context: self
schema:
  at: resource
  must:
    properties:
      metadata:
        required: [labels]
        properties:
          labels: {required: [team]}
message: "The Deployment has no label team, so nobody can be called when it fails."
rationale: Alerts are routed by the label team of the workload they are about.
remediation: Add the label.
"""
    )
    (tree / "cart.yaml").write_text(BAD)
    run = Run(tree, "cart.yaml", "--rules", "policy", "--format", "json")
    assert "team-label-missing" in run.rules
    listed = Run(tree, "rules", "--rules", "policy", "--format", "json")
    assert "team-label-missing" in {rule["id"] for rule in json.loads(listed.out)}


def test_own_rule_that_is_not_valid_names_the_place(tree: Path) -> None:
    (tree / "policy").mkdir()
    (tree / "policy" / "team-label-missing.yaml").write_text(
        "id: team-label-missing\ntitle: Something is missing\nseverity: fatal\n"
    )
    run = Run(tree, ".", "--rules", "policy")
    assert run.code == 2
    assert "team-label-missing.yaml" in run.err


def test_rules_and_explain() -> None:
    here = Path(__file__).parent
    listed = json.loads(Run(here, "rules", "--format", "json").out)
    assert all({"id", "title", "severity", "covers", "profiles"} <= set(rule) for rule in listed)
    assert "| `cpu-request-missing` |" in Run(here, "rules", "--format", "markdown").out
    assert "cpu-request-missing" in Run(here, "rules").out
    page = Run(here, "explain", "cpu-request-missing")
    assert page.code == 0
    assert "limit_counts" in page.out
    wrong = Run(here, "explain", "cpu-request-mising")
    assert wrong.code == 2
    assert "did you mean" in wrong.err


def test_secret_values_are_never_shown(tree: Path) -> None:
    (tree / "secret.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\n"
        "stringData:\n  password: hunter2hunter2\n  password: hunter3hunter3\n  broken: [hunter4\n"
    )
    for name in ("text", "concise", "json", "sarif"):
        run = Run(tree, ".", "--format", name)
        assert run.code == 1
        assert "hunter" not in run.out + run.err
