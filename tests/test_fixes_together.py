"""Fixes that meet: in one block, in one comment, in a file that is only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshlint.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(text: str, rule: str, *options: str) -> Result:
    with Path("x.yaml").open("w", newline="") as stream:
        stream.write(text)
    arguments = ["--profile", "recommended", "--select", rule, "--unsafe-fixes", *options, "x.yaml"]
    return CliRunner().invoke(main, arguments)


def after() -> str:
    return Path("x.yaml").read_bytes().decode()


def test_no_key_is_made_twice() -> None:
    text = """\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh, namespace: istio-system}
spec:
  tag: 1.27.3
  values:
    global:
      meshID: railway
      enableTracing: true   # for now
      proxy:
        accessLogFile: /dev/stdout
        privileged: false
"""
    run(text, "istio-installation-field-deprecated")
    assert after().count("meshConfig:") == 1
    assert after().endswith(
        "  meshConfig:\n    enableTracing: true   # for now\n    accessLogFile: /dev/stdout\n"
    )


def test_what_is_emptied_by_two_fixes_goes() -> None:
    text = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: bank
  annotations:
    internal.istio.io/a: x

    internal.istio.io/b: y
spec: {}
"""
    run(text, "istio-internal-annotation-set")
    assert "annotations" not in after()
    assert after().endswith("  namespace: bank\nspec: {}\n")


BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: billing, namespace: shop}
spec:
  maxUnavailable: 1@
  selector: {matchLabels: {app: billing}}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("  # meshlint: ignore[pdb-blocks-eviction] why", ""),
        (" # two # meshlint: ignore[pdb-blocks-eviction]", " # two"),
        ("\n  # meshlint: ignore[pdb-selects-nothing]  ", ""),
        (
            "\n\n  # three\n  # meshlint: ignore[pdb-blocks-eviction, pdb-overlapping]",
            "\n\n  # three",
        ),
    ],
)
def test_comments_that_hide_nothing_go(comment: str, left: str, end: str) -> None:
    text = BUDGET.replace("@", comment).replace("\n", end)
    rules = ["pdb-blocks-eviction", "pdb-overlapping", "pdb-selects-nothing"]
    run(text, "suppression-unused", *(part for rule in rules for part in ("--select", rule)))
    assert after() == BUDGET.replace("@", left).replace("\n", end)


def test_misspelt_names_of_a_comment_are_mended() -> None:
    comment = "  # meshlint: ignore[pdb-overlaping,pdb-block-eviction, nothing-like-it] why"
    unused = ("--ignore", "suppression-unused")
    run(BUDGET.replace("@", comment), "suppression-rule-unknown", *unused)
    mended = "  # meshlint: ignore[pdb-overlapping,pdb-blocks-eviction, nothing-like-it] why"
    assert after() == BUDGET.replace("@", mended)


def test_files_that_are_only_read_are_not_edited() -> None:
    installation = """\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh, namespace: istio-system}
spec:
  meshConfig: {accessLogFile: /dev/stdout}
"""
    Path("mesh.yaml").write_text(installation)
    run(BUDGET.replace("@", ""), "mesh-egress-unrestricted", "--context", "mesh.yaml")
    assert Path("mesh.yaml").read_text() == installation


@pytest.mark.parametrize("namespace", ["", ", namespace: bank"])
def test_one_object_for_two_findings(namespace: str) -> None:
    parts = [
        f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web{namespace}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web, sidecar.istio.io/inject: "true"}}
    spec:
      containers:
        - {{name: web, image: "registry.example/web:1.0.0"}}
"""
        for kind in ("Deployment", "StatefulSet")
    ]
    run("---\n".join(parts), "workload-service-account-default")
    assert after().count("serviceAccountName: web") == 2
    assert after().count("kind: ServiceAccount\n") == 1


def test_what_has_to_wait_is_not_tried() -> None:
    # Four fixes add to each container: each is tried once, and not once more for each before it.
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: cart}\nspec:\n  containers:\n"
    result = run(head + "  - name: a\n" * 100, "pod-security")
    assert int(result.stderr.split()[1]) >= 300, result.stderr
