"""`meshlint init`: the configuration it writes loads, fits the tree, and is never written over."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: timetable, namespace: rail}
spec:
  hosts: [timetable]
  http: [{route: [{destination: {host: timetable}}]}]
"""

CHART = "apiVersion: v2\nname: fares\nversion: 1.0.0\n"
TEMPLATE = "metadata:\n  name: {{ .Release.Name }}\n{{- if .Values.debug }}\nspec: {}\n{{- end }}\n"


def run(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "meshlint", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def put(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "deploy")
    return tmp_path


def test_written_file_loads_and_lints_the_same(shop: Path) -> None:
    before = run(shop, "check", "--format", "concise", "deploy")
    written = run(shop, "init")
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == "wrote .meshlint.yaml: deploy; Istio 1.27; profile production\n"
    after = run(shop, "check", "--format", "concise")
    assert (after.returncode, after.stdout) == (1, before.stdout)


def test_it_says_where_the_version_and_the_profile_come_from(shop: Path) -> None:
    text = run(shop, "init", "--stdout").stdout
    assert "# Istio 1.27, from deploy/istio/installation.yaml:9 (IstioOperator" in text
    assert "because the tree installs Istio (IstioOperator istio-system/shop)" in text
    assert re.search(r"^# There are \d+ findings today", text, re.MULTILINE)
    assert "#   mesh-policies: true # inferred from IstioOperator istio-system/shop" in text
    assert not (shop / ".meshlint.yaml").exists()


def test_every_comment_is_a_setting_that_loads(shop: Path) -> None:
    text = run(shop, "init", "--stdout").stdout
    setting = re.compile(r"# (?= *(?:- )?[a-z-]+:(?: |$))")
    enabled = "\n".join(setting.sub("", line, count=1) for line in text.splitlines())
    assert "\ncomplete:\n" in enabled
    assert "\nwaivers:\n" in enabled
    (shop / ".meshlint.yaml").write_text(enabled)
    baseline = run(shop, "check", "--write-baseline")
    assert "wrote" in baseline.stderr, baseline.stderr
    assert run(shop, "check").returncode in (0, 1)


def test_a_configuration_is_not_written_over(shop: Path) -> None:
    put(shop, **{".meshlint.yml": "profile: all\n"})
    refused = run(shop, "init")
    assert refused.returncode == 2
    assert ".meshlint.yml is there already; --force writes over it" in refused.stderr
    assert (shop / ".meshlint.yml").read_text() == "profile: all\n"
    assert run(shop, "init", "--force").returncode == 0
    assert "include:" in (shop / ".meshlint.yml").read_text()
    assert not (shop / ".meshlint.yaml").exists()


def test_charts_and_test_data_are_left_out(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{
            "mesh/routes.yaml": VIRTUAL_SERVICE,
            "mesh/testdata/broken.yaml": VIRTUAL_SERVICE,
            "charts/fares/Chart.yaml": CHART,
            "charts/fares/values.yaml": "debug: true\n",
            "charts/fares/templates/settings.yaml": TEMPLATE,
        },
    )
    assert run(tmp_path, "init").returncode == 0
    text = (tmp_path / ".meshlint.yaml").read_text()
    assert "include:\n  - mesh\n" in text
    assert "  - testdata/ # test data: 1 file\n" in text
    assert "  - /charts/fares/ # Helm chart; lint what `helm template` renders: 3 files\n" in text
    assert "profile: recommended" in text
    assert "Nothing in the tree tells the version of Istio" in text
    skipped = run(tmp_path, "check", "-v").stdout
    assert "checked 1 resource in 1 file" in skipped


def test_a_tree_of_nothing_but_tests_is_linted(tmp_path: Path) -> None:
    put(tmp_path, **{"e2e/routes.yaml": VIRTUAL_SERVICE})
    text = run(tmp_path, "init", "--stdout").stdout
    assert "include:\n  - e2e\n" in text
    assert "\nexclude:" not in text


def test_likely_values_of_istio_charts_are_named(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{
            "routes.yaml": VIRTUAL_SERVICE,
            "istio/egress/values.yaml": "debug: true\n",
            "payments/values.yaml": "replicas: 2\n",
        },
    )
    text = run(tmp_path, "init", "--stdout").stdout
    assert "include:\n  - .\n" in text
    assert "#   - {path: istio/egress/values.yaml, chart: gateway}\n" in text
    assert "payments" not in text


def test_names_of_objects_stay_inside_their_comment(tmp_path: Path) -> None:
    operator = (
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n"
        'metadata: {name: "x\\nfail-on: never", namespace: istio-system}\n'
    )
    put(tmp_path, **{"yes/mesh.yaml": operator})
    text = run(tmp_path, "init", "--stdout").stdout
    assert 'include:\n  - "yes"\n' in text
    assert not re.search(r"^fail-on", text, re.MULTILINE)


def test_nothing_to_lint(tmp_path: Path) -> None:
    empty = run(tmp_path, "init")
    assert (empty.returncode, empty.stdout) == (3, "")
    assert "there is no Kubernetes or Istio object in this tree" in empty.stderr
    put(tmp_path, **{"Chart.yaml": CHART, "templates/settings.yaml": TEMPLATE})
    assert "helm template . | meshlint -" in run(tmp_path, "init").stderr
    assert not (tmp_path / ".meshlint.yaml").exists()
