"""IstioOperator files, read as istioctl of each version reads them."""

from __future__ import annotations

import pytest
from installation_samples import gateway, installations, line, plane, value

from meshlint.mesh.installations.istiooperator import overlay_path
from meshlint.mesh.installations.records import Budget, ControlPlane
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version


def operator(spec: str, name: str = "", version: str = "") -> str:
    metadata = f"metadata: {{name: {name}}}\n" if name else ""
    tag = f"  tag: {version}\n" if version else ""
    return (
        f"apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n{metadata}spec:\n{tag}{spec}"
    )


def budget(found: ControlPlane) -> tuple[object, object] | None:
    held: Budget | None = value(found.budget)
    return (held.min_available.value, held.max_unavailable.value) if held else None


# ------------------------------------------------------------------------------------ profiles


def test_without_a_profile_the_default_one_is_installed() -> None:
    found = plane(operator("  hub: h\n"))
    assert (found.profile.value, found.istiod, found.revision) == ("default", True, "")
    assert value(found.autoscaling.enabled) is True
    assert (value(found.autoscaling.minimum), value(found.autoscaling.maximum)) == (1, 5)
    assert (value(found.autoscaling.cpu_target), value(found.autoscaling.memory_target)) == (
        80,
        None,
    )
    assert value(found.replicas) is None
    assert found.autoscaling.minimum is not None
    assert found.autoscaling.minimum.default == "default of the istiod chart, Istio 1.31"
    names = [g.name for g in installations(operator("  hub: h\n")).gateways]
    assert names == ["istio-ingressgateway"]


@pytest.mark.parametrize("version", ["1.10.3", "1.23.0", "1.31.0"])
def test_demo_has_one_istiod_without_autoscaler_and_samples_everything(version: str) -> None:
    found = plane(operator("  profile: demo\n", version=version))
    assert value(found.autoscaling.enabled) is False
    assert value(found.replicas) == 1
    assert value(found.trace_sampling) == 100
    assert found.resources is not None
    assert {k: v.value for k, v in found.resources.requests.items()} == {
        "cpu": "10m",
        "memory": "100Mi",
    }
    assert found.proxy_resources is not None
    assert {k: v.value for k, v in found.proxy_resources.requests.items()} == {
        "cpu": "10m",
        "memory": "40Mi",
    }
    assert {k: v.value for k, v in found.proxy_resources.limits.items()} == {
        "cpu": "2000m",
        "memory": "1024Mi",
    }
    assert found.mesh["accessLogFile"] == "/dev/stdout"
    gateways = installations(operator("  profile: demo\n", version=version)).gateways
    assert sorted(g.name for g in gateways) == ["istio-egressgateway", "istio-ingressgateway"]
    assert [value(g.autoscaling.enabled) for g in gateways] == [False, False]


def test_minimal_has_no_gateway() -> None:
    assert installations(operator("  profile: minimal\n")).gateways == ()


def test_empty_installs_no_control_plane() -> None:
    found = installations(operator("  profile: empty\n"))
    assert found.control_planes == ()
    assert [p.istiod for p in found.without_control_plane] == [False]


@pytest.mark.parametrize("version", ["1.20.0", "1.30.0"])
def test_remote_is_a_control_plane_without_istiod(version: str) -> None:
    found = installations(operator("  profile: remote\n", version=version))
    assert [p.istiod for p in found.control_planes] == [False]
    assert found.control_planes[0].autoscaling.enabled is None


def test_remote_was_the_default_profile_in_1_10() -> None:
    assert plane(operator("  profile: remote\n", version="1.10.0")).istiod is True


def test_ambient_installs_the_node_agents() -> None:
    found = installations(operator("  profile: ambient\n"))
    assert [a.agent for a in found.node_agents] == ["istio-cni", "ztunnel"]
    (istiod,) = found.control_planes
    assert istiod.values.value("pilot", "env", "PILOT_ENABLE_AMBIENT") == "true"
    assert istiod.mesh["defaultConfig"]["proxyMetadata"] == {"ISTIO_META_ENABLE_HBONE": "true"}
    ztunnel = found.node_agents[1]
    assert ztunnel.resources is not None
    assert ztunnel.resources.requests["memory"].value == "512Mi"


def test_preview_captures_dns() -> None:
    found = plane(operator("  profile: preview\n"))
    assert found.mesh["defaultConfig"]["proxyMetadata"]["ISTIO_META_DNS_CAPTURE"] == "true"


# ----------------------------------------------------------------------------------- merge order


def test_values_beat_mesh_config_and_the_rest_survives() -> None:
    found = plane(
        operator(
            "  meshConfig: {accessLogFile: '', enableTracing: true}\n"
            "  values:\n    meshConfig:\n      accessLogFile: /dev/stdout\n"
        )
    )
    assert found.mesh["accessLogFile"] == "/dev/stdout"
    assert found.mesh["enableTracing"] is True
    assert line(found.mesh_config.get("accessLogFile")) == 7
    assert line(found.mesh_config.get("enableTracing")) == 4


def test_unvalidated_values_come_last() -> None:
    found = plane(
        operator(
            "  values: {pilot: {autoscaleMin: 2}}\n"
            "  unvalidatedValues: {pilot: {autoscaleMin: 3}}\n"
        )
    )
    assert value(found.autoscaling.minimum) == 3


def test_fields_of_the_spec_become_values() -> None:
    found = plane(operator("  hub: example.org/istio\n  revision: canary\n", version="1.29.1"))
    assert found.revision == "canary"
    assert found.values.value("global", "hub") == "example.org/istio"
    assert [(i.component, i.hub.value, i.tag.value) for i in found.images] == [
        ("istiod", "example.org/istio", "1.29.1"),
        ("proxy", "example.org/istio", "1.29.1"),
    ]
    assert found.deployment_name == "istiod-canary"


def test_the_namespace_is_that_of_the_values() -> None:
    assert plane(operator("  namespace: a\n")).namespace == "a"
    in_values = "  namespace: a\n  values: {global: {istioNamespace: b}}\n"
    assert plane(operator(in_values)).namespace == "b"
    of_pilot = in_values + "  components: {pilot: {namespace: c}}\n"
    assert plane(operator(of_pilot)).namespace == "c"


def test_one_profile_and_overlays_of_a_folder_are_one_installation() -> None:
    found = installations(
        {
            "mesh/profile.yaml": operator("  profile: minimal\n", name="istio"),
            "mesh/overlay.yaml": operator("  values: {pilot: {autoscaleMin: 3}}\n"),
        }
    )
    (only,) = found.control_planes
    assert value(only.autoscaling.minimum) == 3
    assert only.autoscaling.minimum is not None
    assert only.autoscaling.minimum.place is not None
    assert only.autoscaling.minimum.place.document.file.path == "mesh/overlay.yaml"
    assert found.gateways == ()


@pytest.mark.parametrize(
    "second",
    [
        operator("  profile: demo\n"),
        operator("  revision: canary\n"),
        operator("  values: {}\n", name="other"),
    ],
)
def test_files_that_can_stand_alone_are_installations_of_their_own(second: str) -> None:
    found = installations(
        {"a.yaml": operator("  profile: minimal\n", name="istio"), "b.yaml": second}
    )
    assert len(found.control_planes) == 2


def test_fragments_below_an_installation_are_set_aside() -> None:
    found = installations(
        {
            "istio/base.yaml": operator("  profile: minimal\n", name="istio"),
            "istio/options/tracing.yaml": operator("  meshConfig: {enableTracing: true}\n"),
            "istio/options/cni.yaml": operator("  components: {cni: {enabled: true}}\n"),
        }
    )
    assert len(found.control_planes) == 1
    assert len(found.fragments) == 2
    assert found.node_agents == ()


# ------------------------------------------------------------------------------------- gateways


def test_a_list_of_gateways_replaces_that_of_the_profile() -> None:
    spec = "  components:\n    ingressGateways:\n    - {name: shop, enabled: true}\n"
    assert [g.name for g in installations(operator(spec)).gateways] == ["shop"]
    old = installations(operator(spec, version="1.23.0")).gateways
    assert [g.name for g in old] == ["istio-ingressgateway", "shop"]


def test_a_gateway_without_enabled_is_installed_from_1_24() -> None:
    spec = "  components:\n    ingressGateways:\n    - {name: shop}\n"
    assert "shop" in [g.name for g in installations(operator(spec)).gateways]
    old = installations(operator(spec, version="1.20.0")).gateways
    assert "shop" not in [g.name for g in old]


def test_values_of_the_ingress_gateway_reach_every_ingress_gateway() -> None:
    spec = (
        "  components:\n    ingressGateways:\n    - name: a\n    - name: b\n"
        "  values: {gateways: {istio-ingressgateway: {autoscaleMin: 2}, b: {autoscaleMin: 9}}}\n"
    )
    found = installations(operator(spec)).gateways
    assert [value(g.autoscaling.minimum) for g in found] == [2, 2]


def test_a_switch_in_values_installs_the_egress_gateway() -> None:
    spec = "  values: {gateways: {istio-egressgateway: {enabled: true}}}\n"
    names = [g.name for g in installations(operator(spec)).gateways]
    assert names == ["istio-ingressgateway", "istio-egressgateway"]


def test_a_gateway_has_no_memory_target_from_values() -> None:
    spec = (
        "  values: {gateways: {istio-ingressgateway: {memory: {targetAverageUtilization: 70}}}}\n"
    )
    found = gateway(operator(spec))
    assert value(found.autoscaling.memory_target) is None


def test_affinity_of_a_gateway_comes_from_its_selectors() -> None:
    spec = """  values:
    gateways:
      istio-ingressgateway:
        nodeSelector: {pool: edge}
        podAntiAffinityTermLabelSelector:
        - {key: istio, operator: In, values: "ingressgateway,other", topologyKey: zone}
"""
    found = gateway(operator(spec))
    assert found.scheduling is not None
    assert found.scheduling.node_selector.value is None
    affinity = found.scheduling.affinity.value
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"][0]["matchExpressions"] == [
        {"key": "pool", "operator": "In", "values": ["edge"]}
    ]
    (preferred,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = preferred["podAffinityTerm"]["labelSelector"]["matchExpressions"]
    assert expression["values"] == ["ingressgateway", "other"]


def test_gateways_of_the_profile_are_reported_on_the_profile() -> None:
    text = operator("  profile: default\n", name="istio")
    found = gateway(text)
    assert found.home.path == ("spec", "profile")
    assert gateway(operator("  hub: h\n", name="istio")).home.path == ("metadata", "name")


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("{name: istio-eastwestgateway}", "east-west"),
        ("{name: a, label: {istio: eastwestgateway}}", "east-west"),
        (
            "{name: a, k8s: {env: [{name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: n}]}}",
            "east-west",
        ),
        ("{name: shop}", "ingress"),
    ],
)
def test_the_class_of_a_gateway(item: str, kind: str) -> None:
    spec = f"  components:\n    ingressGateways:\n    - {item}\n"
    assert gateway(operator(spec)).gateway_class == kind


def test_a_gateway_in_its_own_namespace_with_its_annotations() -> None:
    spec = """  components:
    ingressGateways:
    - name: shop
      namespace: edge
      k8s:
        podAnnotations: {readiness.meshlint.io/rps-per-pod: "100"}
"""
    found = gateway(operator(spec))
    assert found.namespace == "edge"
    assert found.annotations == {"readiness.meshlint.io/rps-per-pod": "100"}
    assert found.annotations_place is not None
    steps = ("spec", "components", "ingressGateways", 0, "k8s", "podAnnotations")
    assert found.annotations_place.path == steps


# ------------------------------------------------------------------------------ settings in k8s


def pilot(k8s: str, values: str = "{}", profile: str = "minimal") -> str:
    return (
        f"  profile: {profile}\n  components: {{pilot: {{k8s: {k8s}}}}}\n"
        f"  values: {{pilot: {values}}}\n"
    )


def test_an_autoscaler_spec_patches_the_autoscaler() -> None:
    found = plane(operator(pilot("{hpaSpec: {minReplicas: 2, maxReplicas: 9}}")))
    assert value(found.autoscaling.minimum) == 2
    assert line(found.autoscaling.minimum) == 5
    assert value(found.autoscaling.maximum) == 9
    assert value(found.autoscaling.cpu_target) == 80


def test_an_autoscaler_spec_does_not_bring_an_autoscaler() -> None:
    found = plane(operator(pilot("{hpaSpec: {minReplicas: 2}}", profile="demo")))
    assert value(found.autoscaling.enabled) is False
    off = plane(operator(pilot("{hpaSpec: {maxReplicas: 9}}", "{autoscaleMin: 0}")))
    assert value(off.autoscaling.enabled) is False
    assert line(off.autoscaling.enabled) == 6


def test_metrics_of_an_autoscaler_spec_in_the_spelling_of_v2beta1() -> None:
    metrics = (
        "[{type: Resource, resource: {name: cpu, targetAverageUtilization: 60}},"
        " {type: Resource, resource: {name: memory, targetAverageUtilization: 70}}]"
    )
    found = plane(operator(pilot(f"{{hpaSpec: {{metrics: {metrics}}}}}"), version="1.10.3"))
    assert value(found.autoscaling.cpu_target) == 60
    assert value(found.autoscaling.memory_target) == 70


def test_an_autoscaler_pointed_elsewhere_does_not_scale_istiod() -> None:
    found = plane(operator(pilot("{hpaSpec: {scaleTargetRef: {name: other}}}")))
    assert value(found.autoscaling.enabled) is False
    assert value(found.autoscaling.target) == "other"


def test_a_memory_target_counts_from_1_21() -> None:
    spec = "  values: {pilot: {memory: {targetAverageUtilization: 75}}}\n"
    assert value(plane(operator(spec)).autoscaling.memory_target) == 75
    assert value(plane(operator(spec, version="1.20.1")).autoscaling.memory_target) is None


@pytest.mark.parametrize(
    ("version", "replicas"), [("1.10.0", 3), ("1.14.0", None), ("1.23.0", None), ("1.24.0", 3)]
)
def test_a_replica_count_beside_the_autoscaler(version: str, replicas: int | None) -> None:
    found = plane(operator(pilot("{replicaCount: 3}"), version=version))
    assert value(found.autoscaling.enabled) is True
    assert value(found.replicas) == replicas
    assert value(found.replica_count) == 3


def test_a_replica_count_in_values_is_ignored_beside_the_autoscaler() -> None:
    found = plane(operator(pilot("{}", "{replicaCount: 3}")))
    assert value(found.replicas) is None
    assert value(found.replica_count) == 3
    assert value(found.minimum) == 1


def test_a_fixed_number_of_replicas() -> None:
    found = plane(operator(pilot("{}", "{replicaCount: 3, autoscaleEnabled: false}")))
    assert value(found.replicas) == 3
    assert (value(found.minimum), value(found.maximum)) == (3, 3)


def test_resources_merge_key_by_key() -> None:
    found = plane(
        operator(pilot("{resources: {limits: {memory: 4Gi}}}", "{resources: {requests: {cpu: 1}}}"))
    )
    assert found.resources is not None
    assert {k: v.value for k, v in found.resources.requests.items()} == {
        "cpu": 1,
        "memory": "2048Mi",
    }
    assert {k: v.value for k, v in found.resources.limits.items()} == {"memory": "4Gi"}
    missing = found.resources.anchor("limits", "cpu")
    assert missing is not None
    assert missing.path == ("spec", "components", "pilot", "k8s", "resources", "limits", "cpu")


def test_values_win_over_k8s_of_the_profile_before_1_24() -> None:
    spec = pilot("{}", "{resources: {requests: {cpu: 700m}}}", profile="demo")
    for version in ("1.23.0", "1.24.0"):
        found = plane(operator(spec, version=version))
        assert found.resources is not None
        assert found.resources.requests["cpu"].value == "700m"
        assert found.resources.requests["memory"].value == "100Mi"


def test_values_win_over_k8s_of_the_same_file_before_1_24() -> None:
    spec = pilot("{resources: {requests: {cpu: 1}}}", "{resources: {requests: {cpu: 700m}}}")
    for version, cpu in (("1.23.0", "700m"), ("1.24.0", 1)):
        found = plane(operator(spec, version=version))
        assert found.resources is not None
        assert found.resources.requests["cpu"].value == cpu


def test_a_null_removes_a_request() -> None:
    found = plane(operator("  values: {pilot: {resources: {requests: {memory: null}}}}\n"))
    assert found.resources is not None
    assert set(found.resources.requests) == {"cpu"}
    removed = found.resources.anchor("requests", "memory")
    assert removed is not None
    assert removed.path == ("spec", "values", "pilot", "resources", "requests", "memory")


def test_resources_set_to_null_leave_the_small_default() -> None:
    found = plane(operator("  values: {pilot: {resources: null}}\n"))
    assert found.resources is not None
    assert {k: v.value for k, v in found.resources.requests.items()} == {"cpu": "10m"}


def test_variables_of_k8s_win_by_name() -> None:
    found = plane(
        operator(
            pilot(
                "{env: [{name: PILOT_TRACE_SAMPLING, value: '7'}, {name: A, value: x}]}",
                "{env: {A: w, B: z}}",
            )
        )
    )
    assert value(found.trace_sampling) == 7
    assert {name: item.value for name, item in found.env.items()}["A"] == "x"
    assert found.env["B"].value == "z"


def test_a_sampling_of_zero_is_not_written() -> None:
    assert value(plane(operator("  values: {pilot: {traceSampling: 0}}\n")).trace_sampling) is None


def test_scheduling_from_k8s_and_values() -> None:
    found = plane(
        operator(
            pilot(
                "{nodeSelector: {pool: infra}, tolerations: [{operator: Exists}]}",
                "{affinity: {nodeAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1}]}",
            )
        )
    )
    assert found.scheduling is not None
    assert found.scheduling.pod_spec() == {
        "affinity": {"nodeAffinity": {}},
        "nodeSelector": {"pool": "infra"},
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1}],
    }
    assert found.scheduling.pod_labels["app"] == "istiod"


@pytest.mark.parametrize(
    ("version", "affinity", "spread"),
    [("1.13.0", False, False), ("1.18.0", True, False), ("1.19.0", True, True)],
)
def test_the_chart_learned_to_schedule(version: str, affinity: bool, spread: bool) -> None:
    values = "{affinity: {podAntiAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1}]}"
    found = plane(operator(pilot("{}", values), version=version))
    assert found.scheduling is not None
    assert (found.scheduling.affinity.value is not None) is affinity
    assert (found.scheduling.topology_spread.value is not None) is spread


# -------------------------------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.10.0", (1, None)),
        ("1.27.9", (1, None)),
        ("1.28.0", None),
        ("1.31.0", None),
    ],
)
def test_one_replica_has_a_budget_up_to_1_27(
    version: str, expected: tuple[object, object] | None
) -> None:
    assert budget(plane(operator("  profile: minimal\n", version=version))) == expected


@pytest.mark.parametrize(
    ("version", "has_budget"),
    [
        ("1.27.9", True),
        ("1.28.6", False),
        ("1.28.10", True),
        ("1.28", True),
        ("1.29.2", False),
        ("1.30.3", False),
        ("1.31.0", True),
    ],
)
def test_an_autoscaler_spec_leads_to_a_budget_by_patch_level(
    version: str, has_budget: bool
) -> None:
    found = plane(operator(pilot("{hpaSpec: {minReplicas: 2}}"), version=version))
    assert value(found.autoscaling.minimum) == 2
    assert (budget(found) is not None) is has_budget


def test_a_minimum_in_values_leads_to_a_budget_in_every_version() -> None:
    for version in ("1.10.0", "1.28.6", "1.30.0", "1.31.0"):
        assert budget(plane(operator(pilot("{}", "{autoscaleMin: 2}"), version=version))) == (
            1,
            None,
        )


def test_the_switch_for_budgets() -> None:
    spec = (
        "  values:\n    pilot: {autoscaleMin: 2}\n"
        "    global: {defaultPodDisruptionBudget: {enabled: false}}\n"
    )
    found = plane(operator(spec))
    assert budget(found) is None
    assert line(found.budget) == 6


def test_a_budget_of_k8s_patches_a_rendered_budget_only() -> None:
    k8s = "{podDisruptionBudget: {maxUnavailable: 1}}"
    assert budget(plane(operator(pilot(k8s)))) is None
    assert budget(plane(operator(pilot(k8s, "{autoscaleMin: 2}")))) == (None, 1)
    both = "{podDisruptionBudget: {minAvailable: 50%, maxUnavailable: 1}}"
    assert budget(plane(operator(pilot(both, "{autoscaleMin: 2}")))) == ("50%", 1)


@pytest.mark.parametrize(
    ("version", "has_budget"), [("1.27.0", True), ("1.29.2", False), ("1.31.0", True)]
)
def test_a_gateway_gets_its_budget_in_the_same_way(version: str, has_budget: bool) -> None:
    spec = (
        "  components:\n    ingressGateways:\n"
        "    - {name: shop, k8s: {hpaSpec: {minReplicas: 2}}}\n"
    )
    found = gateway(operator(spec, version=version))
    assert value(found.autoscaling.minimum) == 2
    assert (value(found.budget) is not None) is has_budget


# ------------------------------------------------------------------------------------- overlays


def test_overlays_change_what_is_rendered_afterwards() -> None:
    block = "spec.template.spec.containers.[name:discovery].resources"
    overlays = f"""{{overlays: [
      {{kind: HorizontalPodAutoscaler, name: istiod,
        patches: [{{path: spec.minReplicas, value: 3}}]}},
      {{kind: Deployment, name: istiod, patches: [
        {{path: "{block}.limits.memory", value: 8Gi}}, {{path: "{block}.requests.cpu"}}]}}]}}"""
    found = plane(operator(pilot(overlays)))
    assert value(found.autoscaling.minimum) == 3
    assert budget(found) is None
    assert found.resources is not None
    assert {k: v.value for k, v in found.resources.limits.items()} == {"memory": "8Gi"}
    assert set(found.resources.requests) == {"memory"}


@pytest.mark.parametrize("overlay", ["kind: Service, name: istiod", "kind: Deployment, name: x"])
def test_an_overlay_on_another_object_does_nothing(overlay: str) -> None:
    patches = f"{{overlays: [{{{overlay}, patches: [{{path: spec.replicas, value: 3}}]}}]}}"
    assert value(plane(operator(pilot(patches))).replicas) is None


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec.minReplicas", ("spec", "minReplicas")),
        ("a.[name:b].c", ("a", ("name", "b"), "c")),
        ("a[0].b", ("a", 0, "b")),
        (r"a.b\.c/d", ("a", "b.c/d")),
        (r"a.[name:b.c].d", ("a", ("name", "b.c"), "d")),
        ("", ()),
    ],
)
def test_paths_of_overlays(path: str, steps: tuple[object, ...]) -> None:
    assert overlay_path(path) == steps


# ------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("  tag: 1.27.3\n", (1, 27, 3)),
        ("  tag: 1.30\n", (1, 30, None)),
        ("  tag: v1.26.0-distroless\n", (1, 26, 0)),
        ("  components: {pilot: {tag: 1.25.1}}\n", (1, 25, 1)),
        ("  values: {global: {tag: 1.24.0}}\n", (1, 24, 0)),
        ("  tag: 1.1.4\n", (1, 31, None)),
        ("  tag: latest\n", (1, 31, None)),
    ],
)
def test_the_version_is_that_of_the_images(spec: str, version: tuple[int, int, int | None]) -> None:
    found = plane(operator(spec))
    assert (found.version.major, found.version.minor, found.version.patch) == version
    assert (found.version_source is None) is (version == (1, 31, None))


def test_the_setting_wins_over_the_file() -> None:
    settings = Settings(istio_version=Version(1, 20))
    found = plane(operator("  tag: 1.30.0\n"), settings)
    assert str(found.version) == "1.20"
    assert found.version_source is None


def test_the_tracer_of_old_charts_is_a_default() -> None:
    old = plane(operator("  profile: minimal\n", version="1.20.0"))
    found = old.mesh_config.get("defaultConfig", "tracing", "zipkin", "address")
    assert found is not None
    assert found.value == "zipkin.istio-system:9411"
    assert found.is_default
    assert "tracing" not in plane(operator("  profile: minimal\n")).mesh["defaultConfig"]
