"""What `meshlint inspect` tells about installations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from installation_samples import installations

from meshlint.loading import load
from meshlint.mesh.inspection import inspect_installations
from meshlint.mesh.installations.read import read_installations
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version

OPERATOR = """apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  tag: 1.27.1
  components:
    cni: {enabled: true}
    pilot:
      k8s:
        hpaSpec: {minReplicas: 2}
        affinity: {nodeAffinity: {}}
        tolerations: [{operator: Exists}]
  meshConfig: {accessLogFile: /dev/stdout, defaultConfig: {concurrency: 2}}
"""


def inspect(
    files: str | Mapping[str, str], settings: Settings | None = None
) -> list[dict[str, Any]]:
    entries = inspect_installations(installations(files, settings), settings or Settings())
    return json.loads(json.dumps(entries))  # type: ignore[no-any-return]


def test_a_control_plane_with_its_gateways_and_agents() -> None:
    (entry,) = inspect(OPERATOR)
    assert entry["form"] == "IstioOperator"
    assert entry["resource"]["name"] == "mesh"
    assert entry["version"] == "1.27"
    assert entry["revision"] == "default"
    assert entry["istiod"]["autoscaling"]["min"] == 2
    assert [gateway["name"] for gateway in entry["gateways"]] == ["istio-ingressgateway"]
    assert [agent["agent"] for agent in entry["nodeAgents"]] == ["istio-cni"]
    assert entry["meshConfig"]["accessLogFile"] == "/dev/stdout"
    assert entry["proxyDefaults"]["requests"] == {"cpu": "100m", "memory": "128Mi"}


def test_every_value_says_where_it_comes_from() -> None:
    (entry,) = inspect(OPERATOR)
    origins = entry["origins"]
    assert origins[""] == "istio.yaml:1"
    assert origins["version"] == "istio.yaml:5"
    assert origins["istiod.autoscaling.min"] == "istio.yaml:10"
    assert origins["istiod.autoscaling.max"] == "default of the istiod chart, Istio 1.27"
    assert origins["meshConfig.accessLogFile"] == "istio.yaml:13"
    assert origins["meshConfig.defaultConfig.concurrency"] == "istio.yaml:13"
    assert origins["profile"] == "default of istioctl"


def test_the_origin_of_a_version_that_is_set_or_assumed() -> None:
    (entry,) = inspect(OPERATOR, Settings(istio_version=Version(1, 24)))
    assert (entry["version"], entry["origins"]["version"]) == ("1.24", "setting istio-version")
    (entry,) = inspect(OPERATOR.replace("  tag: 1.27.1\n", ""))
    assert entry["origins"]["version"] == "newest version that meshlint knows"


def test_scheduling_without_content_is_none() -> None:
    (entry,) = inspect(OPERATOR)
    scheduling = entry["istiod"]["scheduling"]
    assert scheduling == {
        "nodeSelector": False,
        "affinity": False,
        "tolerations": True,
        "topologySpread": False,
    }


def test_null_means_unset_and_unknown_is_left_out() -> None:
    text = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: istiod}
spec:
  source:
    repoURL: https://istio-release.storage.googleapis.com/charts
    chart: istiod
    targetRevision: 1.28.0
    helm:
      valueFiles: [elsewhere.yaml]
      values: "pilot: {autoscaleMin: 1}"
"""
    (entry,) = inspect(text)
    autoscaling = entry["istiod"]["autoscaling"]
    assert autoscaling == {"min": 1}
    assert "pdb" not in entry["istiod"]
    (entry,) = inspect(text.replace("valueFiles: [elsewhere.yaml]", "valueFiles: []"))
    assert entry["istiod"]["autoscaling"]["memoryTarget"] is None
    assert entry["istiod"]["pdb"] is None


def test_rendered_gateways_without_istiod_are_one_entry() -> None:
    text = "".join(
        f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: edge}}
spec: {{template: {{metadata: {{labels: {{istio: ingressgateway}}}}, spec: {{}}}}}}
"""
        for name in ("one", "two")
    )
    (entry,) = inspect(text)
    assert entry["istiod"] is None
    assert [gateway["name"] for gateway in entry["gateways"]] == ["one", "two"]
    assert entry["origins"]["gateways.1"].startswith("istio.yaml:")


def test_values_files_reach_it_through_the_loader(tmp_path: Path) -> None:
    (tmp_path / "istio").mkdir()
    path = tmp_path / "istio" / "istiod-values.yaml"
    path.write_text("autoscaleMin: 2\n")
    settings = Settings()
    found = read_installations(load([str(path)]).index, settings)
    (entry,) = inspect_installations(found, settings)
    assert entry["form"] == "HelmValues"
    assert entry["istiod"]["autoscaling"]["min"] == 2
