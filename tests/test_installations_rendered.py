"""Installations that stand in the input as Kubernetes objects."""

from __future__ import annotations

import pytest
from installation_samples import gateway, installations, line, plane, value

from meshlint.mesh.versions import Version

ISTIOD = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: anything
  namespace: istio-system
  labels: {app: istiod, istio.io/rev: default}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: istiod, istio: pilot, istio.io/rev: default}}
    spec:
      nodeSelector: {pool: mesh}
      containers:
      - name: discovery
        image: registry.example.org/istio/pilot:1.28.3-distroless
        resources: {requests: {cpu: 500m, memory: 2Gi}, limits: {memory: null}}
        env:
        - {name: PILOT_TRACE_SAMPLING, value: "5"}
        - {name: REVISION, value: default}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
"""
SCALER = """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: some-scaler, namespace: istio-system}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: anything}
  maxReplicas: 4
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
"""
BUDGET = """---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: any, namespace: istio-system}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: istiod}}
"""


def config_map(name: str, key: str, content: str) -> str:
    inner = "".join(f"    {row}\n" for row in content.splitlines())
    return f"""---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: istio-system}}
data:
  {key}: |-
{inner}"""


# --------------------------------------------------------------------------------------- istiod


def test_istiod_is_told_by_label_and_container() -> None:
    found = plane(ISTIOD)
    assert (found.form, found.deployment_name, found.namespace) == (
        "rendered",
        "anything",
        "istio-system",
    )
    assert found.version == Version(1, 28, 3)
    assert found.revision == ""
    assert value(found.replicas) == 2
    assert value(found.minimum) == 2
    assert value(found.autoscaling.enabled) is False
    assert value(found.budget) is None
    assert value(found.trace_sampling) == 5
    assert value(found.profile) is None
    assert found.scheduling is not None
    assert found.scheduling.node_selector.value == {"pool": "mesh"}
    assert not installations(ISTIOD.replace("name: discovery", "name: pilot")).control_planes
    assert not installations(ISTIOD.replace("app: istiod, istio: pilot", "app: x")).control_planes


def test_resources_of_istiod() -> None:
    found = plane(ISTIOD).resources
    assert found is not None
    assert {key: item.value for key, item in found.requests.items()} == {
        "cpu": "500m",
        "memory": "2Gi",
    }
    assert line(found.requests["cpu"]) == 16
    assert not found.limits
    assert ("limits", "memory") in found.removed


def test_what_scales_and_protects_istiod_is_found_by_reference_and_selector() -> None:
    found = plane(ISTIOD + SCALER + BUDGET)
    assert value(found.autoscaling.enabled) is True
    assert value(found.autoscaling.minimum) == 1
    assert found.autoscaling.minimum is not None
    assert found.autoscaling.minimum.default
    assert value(found.autoscaling.maximum) == 4
    assert value(found.autoscaling.cpu_target) == 70
    assert value(found.autoscaling.memory_target) is None
    assert value(value(found.budget).min_available) == 1
    other = plane(ISTIOD + SCALER.replace("name: anything}", "name: other}") + BUDGET)
    assert value(other.autoscaling.enabled) is False


def test_a_scaled_object_scales_istiod() -> None:
    scaler = """---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: istiod, namespace: istio-system}
spec:
  scaleTargetRef: {name: anything}
  minReplicaCount: 2
  maxReplicaCount: 6
  triggers:
  - {type: cpu, metricType: Utilization, metadata: {value: "60"}}
"""
    found = plane(ISTIOD + scaler)
    assert value(found.autoscaling.minimum) == 2
    assert value(found.autoscaling.maximum) == 6
    assert value(found.autoscaling.cpu_target) == 60


def test_the_config_maps_of_the_revision_count() -> None:
    canary = ISTIOD.replace("istio.io/rev: default", "istio.io/rev: canary")
    text = canary + config_map("istio", "mesh", "accessLogFile: /dev/null")
    text += config_map("istio-canary", "mesh", "accessLogFile: /dev/stdout\ntrustDomain: shop")
    text += config_map(
        "istio-sidecar-injector-canary",
        "values",
        '{"global": {"proxy": {"resources": {"requests": {"cpu": "50m"}}}}}',
    )
    found = plane(text)
    assert found.revision == "canary"
    assert found.mesh == {"accessLogFile": "/dev/stdout", "trustDomain": "shop"}
    origin = found.mesh_config.get("trustDomain")
    assert origin is not None
    assert origin.place is not None
    assert origin.place.embedded
    assert found.proxy_resources is not None
    assert value(found.proxy_resources.requests["cpu"]) == "50m"
    assert not found.proxy_resources.limits
    assert value(found.values.get("global", "proxy", "resources", "requests", "cpu")) == "50m"


def test_without_config_maps_settings_are_not_known() -> None:
    found = plane(ISTIOD)
    assert found.proxy_resources is None
    assert found.mesh == {}
    assert not found.mesh_config
    assert found.values.get("global", "proxy", "autoInject") is None


def test_merged_values_have_the_settings_of_istiod() -> None:
    merged = '{"autoscaleMin": 3, "global": {"hub": "x"}, "pilot": {"autoscaleMax": 7}}'
    found = plane(ISTIOD + config_map("values", "merged-values", merged))
    assert value(found.values.get("pilot", "autoscaleMin")) == 3
    assert value(found.values.get("pilot", "autoscaleMax")) == 7
    assert found.proxy_resources is None


def test_of_two_environments_the_nearest_counts() -> None:
    files = {}
    for folder, cpu in (("prod", "70"), ("test", "50")):
        files[f"{folder}/istiod.yaml"] = ISTIOD
        files[f"{folder}/scaler.yaml"] = SCALER[4:].replace("70", cpu)
        files[f"{folder}/budget.yaml"] = BUDGET[4:].replace(
            "minAvailable: 1", f"maxUnavailable: {cpu}%"
        )
        mesh = config_map("istio", "mesh", f"accessLogFile: /{folder}")
        files[f"{folder}/mesh.yaml"] = mesh[4:]
    prod, test = installations(files).control_planes
    assert (prod.mesh["accessLogFile"], test.mesh["accessLogFile"]) == ("/prod", "/test")
    assert value(value(prod.budget).max_unavailable) == "70%"
    assert value(value(test.budget).max_unavailable) == "50%"


@pytest.mark.parametrize(
    ("image", "labels", "version"),
    [
        ("istio/pilot:1.27.1", "app: istiod", "1.27"),
        ("istio/pilot@sha256:0123", "helm.sh/chart: istiod-1.26.2", "1.26"),
        ("istio/pilot:latest", "app.kubernetes.io/version: 1.25.0", "1.25"),
        ("localhost:5000/istio/pilot", "app: istiod", "1.31"),
    ],
)
def test_the_version_of_istiod(image: str, labels: str, version: str) -> None:
    text = ISTIOD.replace("registry.example.org/istio/pilot:1.28.3-distroless", image)
    found = plane(text.replace("labels: {app: istiod, istio.io/rev", f"labels: {{{labels}, x"))
    assert str(found.version) == version


def test_images_are_split() -> None:
    (image,) = plane(ISTIOD).images
    assert (value(image.hub), value(image.tag)) == (
        "registry.example.org/istio",
        "1.28.3-distroless",
    )


# ------------------------------------------------------------------------------------- webhooks


def test_webhooks_name_tags() -> None:
    webhooks = ""
    for name, labels in (
        ("istio-sidecar-injector-canary", "istio.io/rev: canary"),
        ("istio-revision-tag-prod", "istio.io/rev: canary, istio.io/tag: prod"),
        ("istio-revision-tag-old", "istio.io/rev: gone"),
        ("istio-revision-tag-default", "istio.io/rev: default, istio.io/tag: default"),
    ):
        webhooks += f"""---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: {name}, labels: {{{labels}}}}}
webhooks: []
"""
    canary = ISTIOD.replace("istio.io/rev: default", "istio.io/rev: canary")
    found = installations({"a.yaml": ISTIOD, "b.yaml": canary, "c.yaml": webhooks[4:]})
    default, second = found.control_planes
    assert default.tags == {"default"}
    assert second.tags == {"prod"}
    assert [hook.name for hook in second.webhooks] == [
        "istio-sidecar-injector-canary",
        "istio-revision-tag-prod",
    ]
    assert found.tags["old"] == {"gone"}


# ------------------------------------------------------------------------------------- gateways


def deployment(pod: str, kind: str = "Deployment", name: str = "edge") -> str:
    return f"""apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: edge}}
spec:
  template:
{pod}"""


INJECTED = """    metadata:
      labels: {istio: shop, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: "gateway", readiness.meshlint.io/x: "1"}
    spec:
      containers:
      - {name: istio-proxy, image: auto, resources: {requests: {cpu: 1}}}
"""


@pytest.mark.parametrize(
    ("labels", "arguments", "kind"),
    [
        ("istio: egressgateway", "", "egress"),
        ("istio: ingressgateway", "", "ingress"),
        ("istio: ingressgateway, topology.istio.io/network: shop", "", "east-west"),
        ("app: x", "router", "ingress"),
        ("app: x", "waypoint", "waypoint"),
    ],
)
def test_gateways_are_told_by_label_or_argument(labels: str, arguments: str, kind: str) -> None:
    pod = (
        f"    metadata: {{labels: {{{labels}}}}}\n"
        f"    spec: {{containers: [{{name: istio-proxy, args: [proxy, {arguments}]}}]}}\n"
    )
    assert gateway(deployment(pod)).gateway_class == kind


def test_a_name_makes_no_gateway() -> None:
    pod = "    metadata: {labels: {app: x}}\n    spec: {containers: [{name: istio-proxy}]}\n"
    assert not installations(deployment(pod, name="istio-ingressgateway")).gateways


def test_an_injected_gateway() -> None:
    found = gateway(deployment(INJECTED))
    assert found.gateway_class == "ingress"
    assert found.images == ()
    assert found.resources is not None
    assert value(found.resources.requests["cpu"]) == 1
    assert found.annotations["readiness.meshlint.io/x"] == "1"
    assert value(found.minimum) == 1
    bare = deployment(
        INJECTED.replace("containers:\n      - {name: istio-proxy, ", "x:\n      - {")
    )
    resources = gateway(bare).resources
    assert resources is not None
    assert not resources.requests
    assert resources.place is not None


def test_a_gateway_as_a_daemon_set() -> None:
    found = gateway(deployment(INJECTED, "DaemonSet"))
    assert (found.kind, value(found.autoscaling.enabled)) == ("DaemonSet", False)


def test_node_agents_of_the_input() -> None:
    cni = """    metadata: {labels: {k8s-app: istio-cni-node}}
    spec:
      containers:
      - name: install-cni
        image: istio/install-cni:1.27.0
        resources: {requests: {cpu: 100m}}
"""
    ztunnel = """    metadata: {labels: {app: ztunnel}}
    spec: {containers: [{name: istio-proxy, image: "istio/ztunnel:1.27.0"}]}
"""
    found = installations(
        {"a.yaml": deployment(cni, "DaemonSet"), "b.yaml": deployment(ztunnel, "DaemonSet")}
    ).node_agents
    assert [(agent.agent, str(agent.version)) for agent in found] == [
        ("istio-cni", "1.27"),
        ("ztunnel", "1.27"),
    ]
    assert found[0].resources is not None
    assert value(found[0].resources.requests["cpu"]) == "100m"
    assert found[1].resources is not None
    assert not found[1].resources.requests
