"""Releases of Istio's charts: what their values come to, and where the values come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from installation_samples import gateway, installations, line, plane, value

from meshlint.mesh.installations.helm import chart_by_path, chart_named
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.settings import HelmValues, Settings
from meshlint.mesh.versions import Version

ISTIOD = "istio/istiod-values.yaml"
GATEWAY = "istio/gateway-values.yaml"


def at(minor: str, patch: int | None = None) -> Settings:
    major, _, rest = minor.partition(".")
    return Settings(istio_version=Version(int(major), int(rest), patch))


def istiod(values: str, minor: str = "1.30") -> ControlPlane:
    return plane({ISTIOD: values}, at(minor))


def ingress(values: str, minor: str = "1.30") -> GatewayProxy:
    return gateway({GATEWAY: values}, settings=at(minor))


# ---------------------------------------------------------------------------------- chart istiod


def test_settings_of_istiod_stand_at_top_level_from_1_24() -> None:
    found = istiod("autoscaleMin: 2\n")
    assert value(found.autoscaling.minimum) == 2
    assert line(found.autoscaling.minimum) == 1
    assert value(istiod("autoscaleMin: 2\n", "1.23").autoscaling.minimum) == 1


def test_settings_below_pilot_win() -> None:
    values = "autoscaleMin: 2\npilot:\n  autoscaleMin: 3\n"
    for minor in ("1.23", "1.24", "1.30"):
        found = istiod(values, minor)
        assert value(found.autoscaling.minimum) == 3
        assert line(found.autoscaling.minimum) == 3


def test_a_profile_wins_over_settings_at_top_level() -> None:
    values = "profile: demo\nautoscaleEnabled: true\nreplicaCount: 2\n"
    found = istiod(values)
    assert value(found.autoscaling.enabled) is False
    assert value(found.replicas) == 2
    assert found.autoscaling.enabled is not None
    assert found.autoscaling.enabled.default == "profile demo, Istio 1.30"
    assert value(istiod("profile: demo\npilot: {autoscaleEnabled: true}\n").autoscaling.enabled)


def test_charts_before_1_20_know_no_profile() -> None:
    found = istiod("profile: demo\npilot: {}\n", "1.19")
    assert value(found.autoscaling.enabled) is True


def test_the_profile_may_stand_in_global() -> None:
    found = istiod("global: {profile: demo}\npilot: {}\n")
    assert value(found.profile) == "demo"
    assert value(found.trace_sampling) == 100


@pytest.mark.parametrize("wrapper", ["defaults", "_internal_defaults_do_not_set"])
def test_the_defaults_of_the_chart_may_be_repeated_in_its_wrapper(wrapper: str) -> None:
    found = istiod(f"{wrapper}:\n  autoscaleMin: 2\n  pilot: {{autoscaleMax: 7}}\n")
    assert value(found.autoscaling.minimum) == 2
    assert value(found.autoscaling.maximum) == 7
    found = istiod(f"{wrapper}:\n  autoscaleMin: 2\nautoscaleMin: 4\n")
    assert value(found.autoscaling.minimum) == 4


def test_null_takes_a_default_away_and_an_empty_map_does_not() -> None:
    removed = istiod("resources: {requests: {memory: null}}\n").resources
    assert removed is not None
    assert set(removed.requests) == {"cpu"}
    assert removed.anchor("requests", "memory") is not None
    kept = istiod("resources: {}\nautoscaleMin: 1\n").resources
    assert kept is not None
    assert {key: item.value for key, item in kept.requests.items()} == {
        "cpu": "500m",
        "memory": "2048Mi",
    }


def test_resources_set_to_null_leave_the_small_default() -> None:
    found = istiod("autoscaleMin: 1\nresources: null\n").resources
    assert found is not None
    assert {key: item.value for key, item in found.requests.items()} == {"cpu": "10m"}


@pytest.mark.parametrize(
    ("minor", "values", "budget"),
    [
        ("1.27", "autoscaleMin: 1\n", True),
        ("1.28", "autoscaleMin: 1\n", False),
        ("1.28", "autoscaleMin: 2\n", True),
        ("1.30", "autoscaleEnabled: false\nreplicaCount: 2\n", True),
        ("1.30", "autoscaleEnabled: false\nreplicaCount: 1\nautoscaleMin: 2\n", False),
        (
            "1.30",
            "autoscaleMin: 2\nglobal: {defaultPodDisruptionBudget: {enabled: false}}\n",
            False,
        ),
    ],
)
def test_the_budget_of_istiod(minor: str, values: str, budget: bool) -> None:
    assert (value(istiod(values, minor).budget) is not None) is budget


def test_the_values_of_a_budget_count_from_1_27() -> None:
    values = "pilot:\n  autoscaleMin: 3\n  pdb: {minAvailable: null, maxUnavailable: 1}\n"
    old, new = value(istiod(values, "1.26").budget), value(istiod(values, "1.27").budget)
    assert (value(old.min_available), value(old.max_unavailable)) == (1, None)
    assert (value(new.min_available), value(new.max_unavailable)) == (None, 1)


def test_a_count_beside_the_autoscaler_is_not_written() -> None:
    found = istiod("replicaCount: 3\n")
    assert value(found.replicas) is None
    assert value(found.replica_count) == 3
    assert value(found.minimum) == 1


def test_a_number_may_be_quoted_and_other_text_is_not_known() -> None:
    assert value(istiod("autoscaleMin: '2'\n").autoscaling.minimum) == 2
    assert istiod("autoscaleMin: '{{ .Values.min }}'\n").autoscaling.minimum is None


def test_the_mesh_config_has_what_the_chart_adds() -> None:
    values = "meshConfig: {accessLogFile: /dev/stdout}\nglobal: {meshID: shop}\n"
    found = istiod(values)
    assert found.mesh["accessLogFile"] == "/dev/stdout"
    assert found.mesh["trustDomain"] == "cluster.local"
    assert found.mesh["rootNamespace"] == "istio-system"
    assert found.mesh["defaultConfig"]["meshId"] == "shop"
    assert line(found.mesh_config.get("defaultConfig", "meshId")) == 2
    assert found.mesh["defaultProviders"] == {"metrics": ["prometheus"]}
    quiet = istiod("telemetry: {enabled: false}\nautoscaleMin: 1\n")
    assert "defaultProviders" not in quiet.mesh


def test_a_compatibility_version_takes_changes_back() -> None:
    found = istiod("compatibilityVersion: '1.26'\nautoscaleMin: 1\n")
    assert value(found.values.get("pilot", "env", "ENABLE_NATIVE_SIDECARS")) == "false"
    assert value(found.env["ENABLE_NATIVE_SIDECARS"]) == "false"


def test_values_are_found_below_pilot_in_either_spelling() -> None:
    for values in ("env: {A: x}\nautoscaleMin: 1\n", "pilot: {env: {A: x}}\n"):
        assert value(istiod(values).values.get("pilot", "env", "A")) == "x"


def test_settings_are_missed_where_they_would_be_written() -> None:
    flat = istiod("autoscaleMin: 1\n").values.site("pilot", "env")
    old = istiod("pilot: {autoscaleMin: 1}\n", "1.23").values.site("pilot", "env")
    assert flat is not None
    assert old is not None
    assert (flat.path, old.path) == (("env",), ("pilot", "env"))


def test_a_chart_may_install_no_istiod() -> None:
    found = istiod("istiodRemote: {enabled: true}\nprofile: remote\n")
    assert not found.istiod
    assert found.resources is None
    local = "istiodRemote: {enabled: true, enabledLocalInjectorIstiod: true}\n"
    assert istiod(local).istiod


def test_the_revision_and_its_tags() -> None:
    found = istiod("revision: canary\nrevisionTags: [prod, 3]\npilot: {}\n")
    assert found.revision == "canary"
    assert found.tags == {"prod"}
    assert istiod("revision: default\npilot: {}\n").revision == ""


def test_the_small_profile_of_the_proxy() -> None:
    found = istiod("global: {proxy: {resources: {limits: {cpu: null}}}}\n").proxy_resources
    assert found is not None
    assert {key: item.value for key, item in found.limits.items()} == {"memory": "1024Mi"}
    assert value(found.requests["cpu"]) == "100m"


# --------------------------------------------------------------------------------- chart gateway


def test_the_defaults_of_a_gateway() -> None:
    found = ingress("name: istio-ingressgateway\n")
    assert (found.name, found.kind, found.gateway_class) == (
        "istio-ingressgateway",
        "Deployment",
        "ingress",
    )
    assert value(found.autoscaling.enabled) is True
    assert value(found.autoscaling.minimum) == 1
    assert value(found.autoscaling.cpu_target) == 80
    assert value(found.autoscaling.memory_target) is None
    assert value(found.replicas) is None
    assert value(found.budget) is None


@pytest.mark.parametrize(
    ("minor", "values", "budget"),
    [
        ("1.18", "podDisruptionBudget: {minAvailable: 1}\nautoscaling: {minReplicas: 2}\n", False),
        ("1.19", "podDisruptionBudget: {minAvailable: 1}\n", True),
        ("1.27", "podDisruptionBudget: {minAvailable: 1}\n", True),
        ("1.28", "podDisruptionBudget: {minAvailable: 1}\n", False),
        ("1.28", "podDisruptionBudget: {minAvailable: 1}\nautoscaling: {minReplicas: 2}\n", True),
        (
            "1.30",
            (
                "podDisruptionBudget: {minAvailable: 1}\n"
                "autoscaling: {enabled: false, minReplicas: 2}\nreplicaCount: 1\n"
            ),
            False,
        ),
        ("1.30", "autoscaling: {minReplicas: 2}\n", False),
    ],
)
def test_the_budget_of_a_gateway(minor: str, values: str, budget: bool) -> None:
    assert (value(ingress(values, minor).budget) is not None) is budget


def test_a_daemon_set_has_no_autoscaler() -> None:
    found = ingress("kind: DaemonSet\nservice: {type: NodePort}\n")
    assert found.kind == "DaemonSet"
    assert value(found.autoscaling.enabled) is False


def test_a_fixed_number_of_gateways() -> None:
    found = ingress("autoscaling: {enabled: false}\nreplicaCount: 3\n")
    assert (value(found.replicas), value(found.minimum)) == (3, 3)
    assert value(ingress("autoscaling: {enabled: false}\n").minimum) == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("name: istio-egressgateway\n", "egress"),
        ("name: shop\nlabels: {istio: egressgateway}\n", "egress"),
        ("name: istio-eastwestgateway\n", "east-west"),
        ("networkGateway: network2\n", "east-west"),
        ("env: {ISTIO_META_REQUESTED_NETWORK_VIEW: network2}\n", "east-west"),
        ("name: shop\nlabels: {app: shop}\n", "ingress"),
    ],
)
def test_the_class_of_a_gateway(values: str, kind: str) -> None:
    assert ingress(values).gateway_class == kind


def test_pods_of_a_gateway() -> None:
    values = "name: istio-shop\nlabels: {team: web}\npodAnnotations: {a: b, c: 1}\n"
    found = ingress(values)
    assert found.scheduling is not None
    labels = found.scheduling.pod_labels
    assert (labels["app"], labels["istio"], labels["team"]) == ("istio-shop", "shop", "web")
    assert found.annotations["a"] == "b"
    assert "c" not in found.annotations
    assert found.annotations["inject.istio.io/templates"] == "gateway"


# ------------------------------------------------------------------------------ charts of agents


def test_node_agents() -> None:
    found = installations(
        {
            "istio/cni.yaml": "cni:\n  resources: {requests: {cpu: 20m}}\n",
            "istio/ztunnel.yaml": "resources: {requests: {cpu: 300m}}\n",
        },
        at("1.30"),
    ).node_agents
    assert [agent.agent for agent in found] == ["istio-cni", "ztunnel"]
    cni, ztunnel = (agent.resources for agent in found)
    assert cni is not None
    assert ztunnel is not None
    assert {key: item.value for key, item in cni.requests.items()} == {
        "cpu": "20m",
        "memory": "100Mi",
    }
    assert {key: item.value for key, item in ztunnel.requests.items()} == {
        "cpu": "300m",
        "memory": "512Mi",
    }


def test_the_chart_for_the_default_tag() -> None:
    found = installations(
        {
            "app.yaml": application(
                "default", "values: |\n        revision: canary\n        revisionTags: [prod]\n"
            ),
            "istiod.yaml": application("istiod", "values: 'revision: canary'\n"),
        }
    )
    assert [base.chart for base in found.base_charts] == ["default"]
    assert found.tags["default"] == {"canary"}
    assert found.control_planes[0].tags == {"default", "prod"}


# ----------------------------------------------------------------------------------- recognition


@pytest.mark.parametrize(
    ("path", "chart"),
    [
        ("istio/istiod-values.yaml", "istiod"),
        ("istio/values-istiod.yaml", "istiod"),
        ("istiod/values.yaml", "istiod"),
        ("istio/istiod/values.yaml", "istiod"),
        ("istio/base/values.yaml", "base"),
        ("istio/values/gateway.yaml", "gateway"),
        ("infra/istio-ingress/values.yaml", "gateway"),
        ("istio/cni/prod.yaml", "cni"),
        ("ztunnel-values.yaml", "ztunnel"),
        ("shop/gateway/values.yaml", None),
        ("istio/values.yaml", None),
    ],
)
def test_paths_that_speak_of_a_chart(path: str, chart: str | None) -> None:
    assert chart_by_path(path) == chart


@pytest.mark.parametrize(
    ("name", "origin", "chart"),
    [
        ("istiod", "", "istiod"),
        ("gateway", "https://istio-release.storage.googleapis.com/charts", "gateway"),
        ("gateway", "https://charts.example.org", None),
        ("istio/gateway", "", "gateway"),
        ("oci://registry.example.org/istio/charts/base", "", "base"),
        ("manifests/charts/istio-control/istio-discovery", "", "istiod"),
        ("cni", "", None),
        ("shop", "https://istio-release.storage.googleapis.com/charts", None),
    ],
)
def test_names_of_charts(name: str, origin: str, chart: str | None) -> None:
    assert chart_named(name, origin) == chart


def recognized(path: str, values: str) -> list[str]:
    found = installations({path: values})
    return [
        *("istiod" for _ in found.control_planes),
        *("gateway" for _ in found.gateways),
        *(agent.agent for agent in found.node_agents),
        *(base.chart for base in found.base_charts),
    ]


@pytest.mark.parametrize(
    ("path", "values", "charts"),
    [
        ("values.yaml", "meshConfig: {accessLogFile: /dev/stdout}\n", ["istiod"]),
        ("values.yaml", "pilot: {autoscaleMin: 2}\nglobal: {hub: x}\n", ["istiod"]),
        ("prod.yaml", "global: {proxy: {autoInject: disabled}}\n", ["istiod"]),
        ("values.yaml", "labels: {istio: ingress}\nreplicaCount: 2\n", ["gateway"]),
        ("values.yaml", "replicaCount: 2\nresources: {}\n", []),
        ("values.yaml", "pilot: {autoscaleMin: 2}\nshop: {}\n", []),
        ("istio/gateway.yaml", "shop: 1\nbasket: 2\nname: x\n", []),
        ("istio/istiod.yaml", "replicas: 3\n", []),
        ("values.yaml", "istiod:\n  pilot: {autoscaleMin: 2}\n", ["istiod"]),
    ],
)
def test_values_are_recognized_by_path_and_content(
    path: str, values: str, charts: list[str]
) -> None:
    assert recognized(path, values) == charts


def test_the_settings_say_which_files_are_values() -> None:
    settings = Settings(
        istio_version=Version(1, 30),
        helm_values=(
            HelmValues("mesh/*/front.yaml", "gateway"),
            HelmValues("*.mesh.yaml", "istiod"),
        ),
    )
    found = installations(
        {"mesh/prod/front.yaml": "name: front\n", "a.mesh.yaml": "anything: 1\n"}, settings
    )
    assert [g.name for g in found.gateways] == ["front"]
    assert len(found.control_planes) == 1


# -------------------------------------------------------------------------------- umbrella charts

CHART_YAML = """apiVersion: v2
name: mesh
dependencies:
- {name: istiod, version: 1.29.1, repository: https://istio-release.storage.googleapis.com/charts}
- name: gateway
  alias: front
  version: ~1.29.0
  repository: https://istio-release.storage.googleapis.com/charts
  condition: front.enabled
"""


def test_an_umbrella_chart_gives_values_by_name_and_alias() -> None:
    files = {
        "mesh/Chart.yaml": CHART_YAML,
        "mesh/values.yaml": "istiod: {autoscaleMin: 2}\nfront: {name: shop}\nglobal: {tag: x}\n",
    }
    found = installations(files)
    (control,) = found.control_planes
    assert value(control.autoscaling.minimum) == 2
    assert control.version == Version(1, 29, 1)
    assert value(control.values.get("global", "tag")) == "x"
    (front,) = found.gateways
    assert front.name == "shop"
    assert str(front.version) == "1.29"


def test_a_condition_leaves_a_chart_out() -> None:
    files = {
        "mesh/Chart.yaml": CHART_YAML,
        "mesh/values.yaml": "istiod: {}\nfront: {enabled: false}\n",
    }
    assert not installations(files).gateways


def test_values_files_inside_other_charts_are_left_alone() -> None:
    files = {
        "mesh/Chart.yaml": CHART_YAML,
        "mesh/values.yaml": "istiod: {}\n",
        "mesh/charts/istiod/values.yaml": "autoscaleMin: 1\npilot: {}\n",
        "mesh/files/profile-demo.yaml": "pilot: {autoscaleEnabled: false}\n",
    }
    assert len(installations(files).control_planes) == 1


# --------------------------------------------------------------------------------------- Argo CD


def application(chart: str, helm: str, more: str = "") -> str:
    return f"""apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {chart}, namespace: argocd}}
spec:
  destination: {{namespace: istio-system}}
  source:
    repoURL: https://istio-release.storage.googleapis.com/charts
    chart: {chart}
    targetRevision: 1.29.2
    helm:
      {helm}{more}"""


def test_an_application_with_values_as_text() -> None:
    text = application("istiod", "values: |\n        autoscaleMin: 2\n        replicaCount: 2\n")
    found = plane(text)
    assert found.version == Version(1, 29, 2)
    assert found.namespace == "istio-system"
    assert value(found.autoscaling.minimum) == 2
    place = found.autoscaling.minimum.place if found.autoscaling.minimum else None
    assert place is not None
    assert place.embedded
    assert place.path == ("spec", "source", "helm", "values")
    assert line(found.autoscaling.minimum) == 11


def test_an_application_with_values_as_an_object() -> None:
    text = application("istiod", "valuesObject:\n        autoscaleMin: 2\n")
    found = plane(text)
    assert line(found.autoscaling.minimum) == 12


def test_an_object_replaces_the_text_and_parameters_win() -> None:
    text = application(
        "istiod",
        "valuesObject: {autoscaleMin: 2, autoscaleMax: 6}\n",
        "      values: 'autoscaleMax: 9'\n"
        "      parameters:\n"
        "      - {name: autoscaleMin, value: '4'}\n"
        "      - {name: 'podLabels.a\\.b', value: 'true'}\n",
    )
    found = plane(text)
    assert value(found.autoscaling.minimum) == 4
    assert value(found.autoscaling.maximum) == 6
    assert value(found.values.get("pilot", "podLabels", "a.b")) is True


def test_values_files_of_an_application() -> None:
    text = application("istiod", "valueFiles: [istiod.yaml, $values/env/prod.yaml]\n")
    found = plane(
        {
            "apps/istiod-app.yaml": text,
            "apps/istiod.yaml": "autoscaleMin: 2\nautoscaleMax: 6\n",
            "env/prod.yaml": "autoscaleMin: 3\n",
        }
    )
    assert value(found.autoscaling.minimum) == 3
    assert value(found.autoscaling.maximum) == 6


def test_a_missing_values_file_may_set_anything_below_it() -> None:
    text = application(
        "istiod", "valueFiles: [missing.yaml]\n", "      values: 'pilot: {autoscaleMin: 3}'\n"
    )
    found = plane(text)
    assert value(found.autoscaling.minimum) == 3
    assert found.autoscaling.maximum is None
    assert found.autoscaling.enabled is None
    assert found.autoscaling.memory_target is None
    assert found.budget is None
    assert found.replicas is None
    assert found.trace_sampling is None
    assert found.scheduling is None


def test_an_application_set_and_several_sources() -> None:
    sources = """
      - repoURL: https://istio-release.storage.googleapis.com/charts
        chart: base
        targetRevision: 1.29.2
      - repoURL: https://istio-release.storage.googleapis.com/charts
        chart: gateway
        targetRevision: 1.29.2
        helm: {releaseName: front, valuesObject: {kind: DaemonSet}}
"""
    text = f"""apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: mesh}}
spec:
  template:
    metadata: {{name: mesh}}
    spec:
      destination: {{namespace: edge}}
      sources:{sources}"""
    found = installations(text)
    assert [base.chart for base in found.base_charts] == ["base"]
    (front,) = found.gateways
    assert (front.name, front.namespace, front.kind) == ("front", "edge", "DaemonSet")


def test_other_applications_are_none_of_istio() -> None:
    text = application("gateway", "values: 'name: x'\n").replace(
        "istio-release.storage.googleapis.com", "charts.example.org"
    )
    assert not installations(text).gateways


# ------------------------------------------------------------------------------------------ Flux

REPOSITORY = """apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: mesh-charts, namespace: flux-system}
spec: {url: https://istio-release.storage.googleapis.com/charts}
"""


def helm_release(chart: str, spec: str) -> str:
    return f"""apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: {chart}, namespace: istio-system}}
spec:
  chart:
    spec:
      chart: {chart}
      version: 1.29.x
      sourceRef: {{kind: HelmRepository, name: mesh-charts, namespace: flux-system}}
{spec}"""


def test_a_helm_release() -> None:
    found = plane(helm_release("istiod", "  values:\n    autoscaleMin: 2\n"))
    assert str(found.version) == "1.29"
    assert line(found.autoscaling.minimum) == 11


def test_the_repository_says_whose_gateway_it_is() -> None:
    release = helm_release("gateway", "  values: {}\n  targetNamespace: edge\n")
    assert not installations(release).gateways
    (found,) = installations(f"{REPOSITORY}---\n{release}").gateways
    assert (found.name, found.namespace) == ("gateway", "edge")


def test_values_from_a_config_map() -> None:
    release = helm_release(
        "istiod",
        "  valuesFrom: [{kind: ConfigMap, name: defaults}]\n  values: {pilot: {autoscaleMin: 2}}\n",
    )
    config = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: defaults, namespace: istio-system}
data: {values.yaml: "autoscaleMin: 4\\nautoscaleMax: 8"}
"""
    found = plane(release + config)
    assert value(found.autoscaling.minimum) == 2
    assert value(found.autoscaling.maximum) == 8
    unknown = plane(release)
    assert value(unknown.autoscaling.minimum) == 2
    assert unknown.autoscaling.maximum is None


def test_values_that_kustomize_puts_into_a_config_map() -> None:
    release = helm_release("istiod", "  valuesFrom: [{kind: ConfigMap, name: defaults}]\n")
    kustomization = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [release.yaml]
configMapGenerator:
- name: defaults
  files: [values.yaml=istiod.yaml]
"""
    found = plane(
        {
            "mesh/release.yaml": release,
            "mesh/kustomization.yaml": kustomization,
            "mesh/istiod.yaml": "autoscaleMax: 8\n",
        }
    )
    assert value(found.autoscaling.maximum) == 8


def test_values_of_a_secret_are_not_known() -> None:
    release = helm_release("istiod", "  valuesFrom: [{kind: Secret, name: s}]\n")
    assert plane(release).autoscaling.minimum is None


def test_a_chart_in_a_registry() -> None:
    text = """apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: charts, namespace: istio-system}
spec: {url: oci://registry.example.org/istio/istiod, ref: {tag: 1.28.3}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: mesh, namespace: istio-system}
spec:
  chartRef: {kind: OCIRepository, name: charts}
  values: {autoscaleMin: 2}
"""
    found = plane(text)
    assert found.version == Version(1, 28, 3)
    assert value(found.autoscaling.minimum) == 2


# ------------------------------------------------------------------------- Helmfile and kustomize

HELMFILE = """repositories:
- {name: mesh, url: https://istio-release.storage.googleapis.com/charts}
releases:
- name: istiod
  namespace: istio-system
  chart: mesh/istiod
  version: 1.29.2
  values:
  - istiod.yaml
  - autoscaleMax: 7
  set:
  - {name: replicaCount, value: 2}
- {name: front, chart: mesh/gateway, installed: false}
"""


def test_a_helmfile() -> None:
    found = installations({"helmfile.yaml": HELMFILE, "istiod.yaml": "autoscaleMin: 2\n"})
    (control,) = found.control_planes
    assert not found.gateways
    assert control.version == Version(1, 29, 2)
    assert value(control.autoscaling.minimum) == 2
    assert (value(control.autoscaling.maximum), line(control.autoscaling.maximum)) == (7, 10)
    assert value(control.replica_count) == 2


@pytest.mark.parametrize(
    ("merge", "minimum", "maximum"),
    [("", 3, 8), ("  valuesMerge: merge\n", 2, 8), ("  valuesMerge: replace\n", 3, 5)],
)
def test_charts_that_kustomize_inflates(merge: str, minimum: int, maximum: int) -> None:
    kustomization = f"""apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: istio-system
helmCharts:
- name: istiod
  repo: https://istio-release.storage.googleapis.com/charts
  version: 1.29.2
  releaseName: mesh
  valuesFile: istiod.yaml
{merge}  valuesInline: {{autoscaleMin: 3}}
"""
    files = {
        "mesh/kustomization.yaml": kustomization,
        "mesh/istiod.yaml": "autoscaleMin: 2\nautoscaleMax: 8\n",
    }
    found = plane(files)
    assert value(found.autoscaling.minimum) == minimum
    assert value(found.autoscaling.maximum) == maximum


# -------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({ISTIOD: "global: {tag: 1.27.4}\nautoscaleMin: 1\n"}, "1.27"),
        ({ISTIOD: "tag: 1.26.1-distroless\nautoscaleMin: 1\n"}, "1.26"),
        ({ISTIOD: "autoscaleMin: 1\n"}, "1.31"),
        ({"a.yaml": helm_release("istiod", "  values: {}\n")}, "1.29"),
        ({"a.yaml": helm_release("istiod", "").replace("1.29.x", "'>=1.27.0 <2'")}, "1.31"),
    ],
)
def test_the_version_of_a_release(files: Mapping[str, str], version: str) -> None:
    assert str(plane(files).version) == version


def test_every_field_knows_its_origin() -> None:
    found = istiod("autoscaleMin: 2\n")

    def origin(field: Any) -> str:
        return "file" if field.place else str(field.default)

    assert origin(found.autoscaling.minimum) == "file"
    assert origin(found.autoscaling.maximum) == "default of the istiod chart, Istio 1.30"
    assert found.autoscaling.maximum is not None
    assert found.autoscaling.maximum.anchor is not None
