"""Gateways that istiod deploys for Gateways of the Gateway API."""

from __future__ import annotations

import pytest
from installation_samples import gateway, index_of, installations, line, value

from meshlint.mesh.installations.automatic import deployment_name, is_automatic
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version

ISTIOD = """apiVersion: sailoperator.io/v1
kind: Istio
metadata: {name: default}
spec:
  version: v1.28.2
  values:
"""


def listener(spec: str = "", class_name: str = "istio", metadata: str = "") -> str:
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: shop, namespace: edge{metadata}}}
spec:
  gatewayClassName: {class_name}
  listeners: []
{spec}"""


PARAMETERS = "  infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: shop}}\n"


def config_map(data: str, name: str = "shop", labels: str = "", namespace: str = "edge") -> str:
    return f"""---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
data:
{data}"""


SCALED = """  horizontalPodAutoscaler: |
    spec: {minReplicas: 2, maxReplicas: 4}
  podDisruptionBudget: |
    spec: {minAvailable: 1}
  deployment: |
    spec:
      replicas: 3
      template:
        spec:
          containers:
          - name: istio-proxy
            resources: {requests: {cpu: 250m}}
          tolerations: [{key: edge, operator: Exists}]
"""


def test_a_gateway_has_one_replica_and_no_autoscaler() -> None:
    found = gateway(listener())
    assert (found.form, found.name, found.deployment_name) == ("automatic", "shop", "shop-istio")
    assert (found.gateway_class, found.class_name) == ("ingress", "istio")
    assert value(found.autoscaling.enabled) is False
    assert value(found.minimum) == 1
    assert value(found.budget) is None
    assert found.resources is not None
    assert value(found.resources.requests["cpu"]) == "100m"


def test_a_config_map_is_laid_over_what_istiod_makes() -> None:
    found = gateway(listener(PARAMETERS) + config_map(SCALED))
    assert value(found.autoscaling.enabled) is True
    assert (value(found.minimum), value(found.maximum)) == (2, 4)
    assert value(found.autoscaling.cpu_target) == 80
    assert value(value(found.budget).min_available) == 1
    assert found.resources is not None
    assert {key: item.value for key, item in found.resources.requests.items()} == {
        "cpu": "250m",
        "memory": "128Mi",
    }
    assert found.scheduling is not None
    assert len(found.scheduling.tolerations.value) == 1
    assert line(found.autoscaling.minimum) == 13


def test_a_fixed_number_of_replicas() -> None:
    deployment = "  deployment: |\n    spec: {replicas: 3}\n"
    found = gateway(listener(PARAMETERS) + config_map(deployment))
    assert (value(found.replicas), value(found.minimum), value(found.maximum)) == (3, 3, 3)


def test_an_autoscaler_that_raises_no_maximum_scales_nothing() -> None:
    data = "  horizontalPodAutoscaler: |\n    spec: {minReplicas: 2}\n"
    assert value(gateway(listener(PARAMETERS) + config_map(data)).maximum) == 1


def test_only_deployments_could_be_changed_before_1_26() -> None:
    settings = Settings(istio_version=Version(1, 25))
    found = gateway(listener(PARAMETERS) + config_map(SCALED), settings=settings)
    assert value(found.autoscaling.enabled) is False
    assert value(found.budget) is None


def test_a_missing_config_map_may_set_anything() -> None:
    found = gateway(listener(PARAMETERS))
    assert found.autoscaling.enabled is None
    assert found.budget is None
    assert found.replicas is None
    assert found.resources is None
    assert found.scheduling is None


def test_settings_of_the_class_count_below_those_of_the_gateway() -> None:
    values = (
        "    gatewayClasses: {istio: {horizontalPodAutoscaler: {spec: {minReplicas: 3,"
        " maxReplicas: 9}}}}\n"
    )
    own = "  horizontalPodAutoscaler: |\n    spec: {minReplicas: 2}\n"
    found = gateway(f"{ISTIOD}{values}---\n{listener(PARAMETERS)}{config_map(own)}", "shop")
    assert (value(found.minimum), value(found.maximum)) == (2, 9)
    assert found.version == Version(1, 28, 2)


def test_a_config_map_may_be_for_a_whole_class() -> None:
    label = "gateway.istio.io/defaults-for-class: istio"
    text = f"{ISTIOD}    global: {{}}\n---\n{listener()}"
    found = gateway(text + config_map(SCALED, "defaults", label, "istio-system"))
    assert (value(found.minimum), value(found.maximum)) == (2, 4)
    elsewhere = gateway(text + config_map(SCALED, "defaults", label, "edge"))
    assert value(elsewhere.autoscaling.enabled) is False
    waypoint = gateway(
        text.replace(": istio\n", ": istio-waypoint\n")
        + config_map(SCALED, "defaults", label, "istio-system")
    )
    assert value(waypoint.autoscaling.enabled) is False


def test_objects_of_the_input_scale_and_protect_a_gateway() -> None:
    text = (
        listener()
        + """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: x, namespace: edge}
spec: {scaleTargetRef: {kind: Deployment, name: shop-istio}, minReplicas: 2, maxReplicas: 3}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: x, namespace: edge}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: shop}}
"""
    )
    found = gateway(text)
    assert (value(found.minimum), value(found.maximum)) == (2, 3)
    assert value(value(found.budget).max_unavailable) == 1


def test_defaults_of_the_mesh_are_those_of_a_gateway() -> None:
    values = """    global:
      proxy: {resources: {requests: {cpu: 300m}}}
      waypoint: {resources: {requests: {cpu: 400m}}, nodeSelector: {pool: mesh}}
"""
    ingress = gateway(f"{ISTIOD}{values}---\n{listener()}")
    waypoint = gateway(f"{ISTIOD}{values}---\n{listener('', 'istio-waypoint')}")
    assert ingress.resources is not None
    assert waypoint.resources is not None
    assert value(ingress.resources.requests["cpu"]) == "300m"
    assert value(waypoint.resources.requests["cpu"]) == "400m"
    assert waypoint.scheduling is not None
    assert waypoint.scheduling.node_selector.value == {"pool": "mesh"}
    assert line(waypoint.resources.requests["cpu"]) == 9


@pytest.mark.parametrize(
    ("class_name", "metadata", "kind", "name"),
    [
        ("istio", "", "ingress", "shop-istio"),
        ("istio-waypoint", "", "waypoint", "shop"),
        ("istio-east-west", "", "east-west", "shop"),
        ("istio", ", annotations: {gateway.istio.io/name-override: own}", "ingress", "own"),
    ],
)
def test_the_name_and_class(class_name: str, metadata: str, kind: str, name: str) -> None:
    found = gateway(listener("", class_name, metadata))
    assert (found.gateway_class, found.deployment_name) == (kind, name)


@pytest.mark.parametrize(
    ("spec", "class_name", "automatic"),
    [
        ("", "istio", True),
        ("", "nginx", False),
        ("", "istio-remote", False),
        ("  addresses: [{value: 192.0.2.1}]\n", "istio", True),
        ("  addresses: [{type: Hostname, value: gw.edge.svc.cluster.local}]\n", "istio", False),
        ("  addresses: [{value: 192.0.2.1}, {value: 192.0.2.2}]\n", "istio", False),
    ],
)
def test_some_gateways_have_a_deployment_of_their_own(
    spec: str, class_name: str, automatic: bool
) -> None:
    index = index_of({"a.yaml": listener(spec, class_name)})
    (found,) = index.resources
    assert is_automatic(index, found) is automatic
    assert len(installations(listener(spec, class_name)).gateways) == automatic
    if automatic:
        assert deployment_name(index, found) == "shop-istio"


def test_a_class_of_the_input_counts() -> None:
    declared = """---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: front}
spec: {controllerName: istio.io/gateway-controller}
"""
    found = gateway(listener("", "front") + declared)
    assert found.deployment_name == "shop-front"


def test_a_gateway_belongs_to_the_revision_it_names() -> None:
    istio = "apiVersion: sailoperator.io/v1\nkind: Istio\n"
    text = f"""{istio}metadata: {{name: default}}
spec: {{version: v1.27.0}}
---
{istio}metadata: {{name: canary}}
spec: {{version: v1.28.0}}
---
{listener("", "istio", ", labels: {istio.io/rev: canary}")}"""
    assert str(gateway(text).version) == "1.28"
    assert gateway(text).revision == "canary"
    default = text.replace(", labels: {istio.io/rev: canary}", "")
    assert str(gateway(default).version) == "1.27"
