"""The proxy that pods end up with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from mesh_input import make_world, only_workload, shown

from meshlint.mesh.inspection_workloads import inspect_workloads
from meshlint.mesh.proxy import EffectiveProxy
from meshlint.mesh.proxy_resources import Quantity
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {istio-injection: enabled}
"""
CPU, MEMORY = "sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory"
CPU_LIMIT, MEMORY_LIMIT = "sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyMemoryLimit"
CONFIG = "proxy.istio.io/config"
DEFAULTS = {
    "cpu-request": "100m",
    "memory-request": "128Mi",
    "cpu-limit": "2000m",
    "memory-limit": "1024Mi",
}


def installation(spec: str = "{}", name: str = "istio") -> str:
    return f"""
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {{name: {name}}}
spec: {spec}
"""


def deployment(annotations: Mapping[str, Any] | None = None, spec: str = "containers: []") -> str:
    block = "".join(f"\n        {key}: {value!r}" for key, value in (annotations or {}).items())
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: orders, namespace: shop}}
spec:
  template:
    metadata:
      labels: {{app: orders}}
      annotations:
        note: plain{block}
    spec:
      {spec}
"""


def find_proxy(*texts: str, **settings: Any) -> EffectiveProxy | None:
    world = make_world(*texts, settings=Settings(**settings))
    return world.proxy(only_workload(world))


def proxy(*texts: str, **settings: Any) -> EffectiveProxy:
    found = find_proxy(NAMESPACE, *texts, **settings)
    assert found is not None
    return found


def values(found: EffectiveProxy) -> dict[str, Any]:
    return {
        **{f"{name}-request": quantity.value for name, quantity in found.requests.items()},
        **{f"{name}-limit": quantity.value for name, quantity in found.limits.items()},
    }


def step(quantity: Quantity) -> str:
    return quantity.step


# ------------------------------------------------------------------------------------- resources


def test_defaults_without_an_installation() -> None:
    found = proxy(deployment(), istio_version=Version(1, 27))
    assert values(found) == DEFAULTS
    assert {step(q) for q in (*found.requests.values(), *found.limits.values())} == {"global"}
    assert found.requests["cpu"].origin.default == "default of the istiod chart, Istio 1.27"
    assert found.unknown == frozenset()
    assert found.workers is not None
    assert found.workers.value == 2


def test_values_of_the_installation_are_merged_over_the_defaults() -> None:
    spec = """
  values:
    global:
      proxy:
        resources:
          requests: {cpu: 200m}
          limits: {cpu: null}
"""
    found = proxy(installation(spec), deployment())
    assert values(found) == {
        "cpu-request": "200m",
        "memory-request": "128Mi",
        "memory-limit": "1024Mi",
    }
    assert shown(found.requests["cpu"].origin.place) == "1.yaml:10: requests: {cpu: 200m}"
    assert found.workers is not None
    assert found.workers.value is None
    assert found.why_unset("limits", "cpu") is not None
    assert found.why_unset("requests", "cpu") is None


@pytest.mark.parametrize(
    ("annotations", "expected", "lost", "workers"),
    [
        (
            {CPU: "300m"},
            {"cpu-request": "300m"},
            {"memory-request", "cpu-limit", "memory-limit"},
            None,
        ),
        (
            {MEMORY: "256Mi"},
            {"memory-request": "256Mi"},
            {"cpu-request", "cpu-limit", "memory-limit"},
            None,
        ),
        (
            {CPU_LIMIT: "1500m"},
            {"cpu-request": "1500m", "cpu-limit": "1500m"},
            {"memory-request", "memory-limit"},
            2,
        ),
        (
            {MEMORY_LIMIT: "1Gi"},
            {"memory-request": "1Gi", "memory-limit": "1Gi"},
            {"cpu-request", "cpu-limit"},
            None,
        ),
        (
            {CPU: "300m", MEMORY: "256Mi"},
            {"cpu-request": "300m", "memory-request": "256Mi"},
            {"cpu-limit", "memory-limit"},
            None,
        ),
        (
            {CPU: "300m", CPU_LIMIT: "3", MEMORY_LIMIT: "1Gi"},
            {
                "cpu-request": "300m",
                "cpu-limit": "3",
                "memory-request": "1Gi",
                "memory-limit": "1Gi",
            },
            set(),
            3,
        ),
        (
            {CPU: "1", MEMORY: "1Gi", CPU_LIMIT: "1", MEMORY_LIMIT: "1Gi"},
            {"cpu-request": "1", "cpu-limit": "1", "memory-request": "1Gi", "memory-limit": "1Gi"},
            set(),
            1,
        ),
    ],
)
def test_one_annotation_discards_every_default(
    annotations: dict[str, str], expected: dict[str, str], lost: set[str], workers: int | None
) -> None:
    found = proxy(deployment(annotations))
    assert values(found) == expected
    assert {name: origin.value for name, origin in found.lost.items()} == {
        name: DEFAULTS[name] for name in lost
    }
    assert found.annotations == annotations
    assert found.workers is not None
    assert found.workers.value == workers


def test_steps_and_places_of_annotations() -> None:
    found = proxy(deployment({CPU: "300m", MEMORY_LIMIT: "1Gi"}))
    assert step(found.requests["cpu"]) == "annotation"
    assert step(found.requests["memory"]) == "limit-copied"
    assert shown(found.requests["cpu"].origin.place) == f"1.yaml:11: {CPU}: '300m'"
    assert shown(found.requests["memory"].origin.place) == f"1.yaml:12: {MEMORY_LIMIT}: '1Gi'"
    cause = found.why_unset("limits", "cpu")
    assert cause is not None
    assert shown(cause) == f"1.yaml:11: {CPU}: '300m'"


def test_names_of_annotations_are_case_sensitive() -> None:
    found = proxy(deployment({"sidecar.istio.io/proxyCpu": "300m"}))
    assert values(found) == DEFAULTS
    assert found.annotations == {}


@pytest.mark.parametrize("home", ["containers", "initContainers"])
def test_the_own_container_overrides_key_by_key(home: str) -> None:
    container = (
        "{name: istio-proxy, image: auto, resources: {requests: {cpu: 50m}, limits: {cpu: 750m}}}"
    )
    found = proxy(deployment(spec=f"{home}: [{container}]"))
    assert values(found) == DEFAULTS | {"cpu-request": "50m", "cpu-limit": "750m"}
    assert step(found.requests["cpu"]) == "container"
    assert step(found.requests["memory"]) == "global"
    assert found.workers is not None
    assert found.workers.value == 1
    assert found.init is not None
    assert found.init.requests["cpu"].value == "100m"
    assert found.init.limits["cpu"].value == "2000m"


def test_the_own_container_over_annotations() -> None:
    container = "{name: istio-proxy, resources: {requests: {cpu: 400m}}}"
    annotated = {CPU: "200m", MEMORY: "100Mi"}
    found = proxy(deployment(annotated, spec=f"containers: [{container}]"))
    assert values(found) == {"cpu-request": "400m", "memory-request": "100Mi"}
    assert found.init is not None
    assert found.init.requests["cpu"].value == "200m"
    assert set(found.lost) == {"cpu-limit", "memory-limit"}


def test_null_and_empty_resources_change_nothing() -> None:
    for resources in ("{}", "null", "{requests: {cpu: null}}", "{limits: null}"):
        spec = f"containers: [{{name: istio-proxy, resources: {resources}}}]"
        assert values(proxy(deployment(spec=spec))) == DEFAULTS


def test_a_new_injection_replaces_what_an_earlier_one_left() -> None:
    status = '{"containers": ["istio-proxy"], "initContainers": ["istio-init"]}'
    spec = "containers: [{name: istio-proxy, resources: {requests: {cpu: 5, storage: 1Gi}}}]"
    found = proxy(deployment({"sidecar.istio.io/status": status}, spec=spec))
    assert values(found) == DEFAULTS | {"storage-request": "1Gi"}


def test_a_proxy_that_only_stands_in_the_template() -> None:
    status = '{"containers": ["istio-proxy"], "revision": "blue"}'
    spec = """
      containers:
      - name: istio-proxy
        args: [proxy, sidecar, --concurrency, "3"]
        resources: {requests: {cpu: 10m}}
        lifecycle: {postStart: {exec: {command: [pilot-agent, wait]}}}
      terminationGracePeriodSeconds: 45
"""
    plain = NAMESPACE.replace("enabled", "disabled")
    found = find_proxy(plain, deployment({"sidecar.istio.io/status": status}, spec=spec))
    assert found is not None
    assert values(found) == {"cpu-request": "10m"}
    assert found.workers is not None
    assert found.workers.value == 3
    assert found.hold_application is not None
    assert found.hold_application.value is True
    assert found.native is not None
    assert found.native.value is False
    assert found.termination_grace_period.value == 45


LIMIT_RANGE = """
apiVersion: v1
kind: LimitRange
metadata: {name: NAME, namespace: shop}
spec:
  limits:
  - {type: Pod, default: {cpu: 9}}
  - type: Container
    max: {cpu: 4, memory: 2Gi}
    default: {cpu: 500m}
    defaultRequest: {memory: 64Mi}
"""


def test_limit_ranges_fill_what_is_unset() -> None:
    found = proxy(LIMIT_RANGE, deployment({CPU: "300m"}))
    assert values(found) == {
        "cpu-request": "300m",
        "memory-request": "64Mi",
        "cpu-limit": "500m",
        "memory-limit": "2Gi",
    }
    assert step(found.limits["cpu"]) == "limitrange"
    assert shown(found.limits["cpu"].origin.place) == "1.yaml:10: default: {cpu: 500m}"
    assert found.lost == {}
    assert found.workers is not None
    assert found.workers.value == 1


def test_limit_ranges_of_other_namespaces_do_not_count() -> None:
    other = LIMIT_RANGE.replace("shop", "other")
    assert values(proxy(other, deployment({CPU: "300m"}))) == {"cpu-request": "300m"}


def test_limit_ranges_that_differ() -> None:
    other = LIMIT_RANGE.replace("500m", "250m").replace("NAME", "other")
    found = proxy(LIMIT_RANGE, other, deployment({CPU: "300m"}))
    assert "cpu" not in found.limits
    assert found.unknown == frozenset({"cpu-limit"})
    assert found.workers is None
    assert found.why_unset("limits", "cpu") is None


# -------------------------------------------------------------------------- gateways, no proxy


def test_the_gateway_template_has_no_resources_of_its_own() -> None:
    annotations = {"inject.istio.io/templates": "gateway", CPU: "300m"}
    bare = "containers: [{name: istio-proxy, image: auto}]"
    found = proxy(installation(), deployment(annotations, spec=bare))
    assert values(found) == {}
    assert found.annotations == {}
    assert found.init is None
    assert found.native is not None
    assert found.native.value is False
    assert found.hold_application is not None
    assert found.hold_application.value is False
    assert found.workers is not None
    assert found.workers.value is None
    sized = "containers: [{name: istio-proxy, image: auto, resources: {limits: {cpu: 3}}}]"
    found = proxy(installation(), deployment(annotations, spec=sized))
    assert values(found) == {"cpu-request": 3, "cpu-limit": 3}
    assert found.workers is not None
    assert found.workers.value == 3


def test_no_proxy() -> None:
    plain = NAMESPACE.replace("enabled", "disabled")
    assert find_proxy(plain, deployment()) is None
    assert find_proxy(deployment()) is None
    custom = {"inject.istio.io/templates": "grpc-simple"}
    assert find_proxy(NAMESPACE, deployment(custom)) is None


def test_an_intended_proxy() -> None:
    found = find_proxy(deployment({CPU: "300m"}))
    assert found is not None
    assert values(found) == {"cpu-request": "300m"}


def test_a_template_of_the_installation_may_decide() -> None:
    spec = """
  values:
    sidecarInjectorWebhook:
      templates:
        spire: "spec: {containers: [{name: istio-proxy, volumeMounts: []}]}"
        sized: "spec: {containers: [{name: istio-proxy, resources: {}}]}"
"""
    templates = {"inject.istio.io/templates": "sidecar,spire"}
    assert values(proxy(installation(spec), deployment(templates))) == DEFAULTS
    templates = {"inject.istio.io/templates": "sidecar,sized"}
    found = proxy(installation(spec), deployment(templates))
    assert values(found) == {}
    assert len(found.unknown) == 4


# -------------------------------------------------------------------------------- ProxyConfig


def config_object(spec: str, namespace: str = "shop", name: str = "config") -> str:
    return f"""
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


MESH = installation("{meshConfig: {defaultConfig: {concurrency: 1}}}")
ROOT = config_object("{concurrency: 2}", "istio-system")
IN_NAMESPACE = config_object("{concurrency: 3}")
FOR_WORKLOAD = config_object("{selector: {matchLabels: {app: orders}}, concurrency: 5}")
ANNOTATED = deployment({CONFIG: "concurrency: 4"})


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([MESH, deployment()], 1),
        ([MESH, ROOT, deployment()], 2),
        ([MESH, ROOT, IN_NAMESPACE, deployment()], 3),
        ([MESH, ROOT, IN_NAMESPACE, ANNOTATED], 4),
        ([MESH, ROOT, IN_NAMESPACE, FOR_WORKLOAD, ANNOTATED], 5),
        ([FOR_WORKLOAD.replace("orders", "other"), ANNOTATED], 4),
        ([config_object("{selector: {}, concurrency: 5}"), ANNOTATED], 4),
        ([deployment({CONFIG: "concurrency: '6'"})], 6),
        ([MESH, deployment({CONFIG: "concurrency: 0"})], None),
        ([MESH, deployment({CONFIG: "- not a mapping"})], 1),
        ([config_object("{concurrency: 3}"), config_object("{concurrency: 3}"), deployment()], 3),
    ],
)
def test_concurrency_by_rank(texts: list[str], expected: int | None) -> None:
    found = proxy(*texts)
    assert found.workers is not None
    assert found.workers.value == expected


def test_objects_that_contradict_each_other() -> None:
    other = config_object("{concurrency: 7}", name="other")
    found = proxy(IN_NAMESPACE, other, deployment())
    assert found.concurrency is None
    assert found.workers is None
    assert values(found) == DEFAULTS


def test_explicit_zero_means_all_cores_whatever_the_limit() -> None:
    found = proxy(deployment({CONFIG: "{concurrency: 0}"}))
    assert found.concurrency is not None
    assert found.concurrency.value == 0
    assert found.workers is not None
    assert found.workers.value is None


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, 2),
        ({CPU_LIMIT: "4"}, 2),
        ({CONFIG: "concurrency: 3"}, 3),
        ({CONFIG: "concurrency: 0"}, 2),
        ({CONFIG: "concurrency: 0", CPU_LIMIT: "3500m"}, 4),
        ({CONFIG: "concurrency: 0", CPU: "5"}, 5),
    ],
)
def test_workers_up_to_1_17(annotations: dict[str, str], expected: int) -> None:
    found = proxy(deployment(annotations), istio_version=Version(1, 17))
    assert found.workers is not None
    assert found.workers.value == expected


def test_objects_do_not_count_before_1_13() -> None:
    found = proxy(FOR_WORKLOAD, deployment(), istio_version=Version(1, 12))
    assert found.concurrency is not None
    assert found.concurrency.value is None


# ------------------------------------------------------------------------------ native sidecars

NATIVE = "sidecar.istio.io/nativeSidecar"
NATIVE_ON = installation('{values: {pilot: {env: {ENABLE_NATIVE_SIDECARS: "true"}}}}')
NATIVE_OFF = installation('{values: {pilot: {env: {ENABLE_NATIVE_SIDECARS: "false"}}}}')


@pytest.mark.parametrize(
    ("texts", "settings", "expected"),
    [
        ([deployment()], {}, True),
        ([deployment()], {"kubernetes_version": Version(1, 32)}, False),
        ([deployment()], {"istio_version": Version(1, 26)}, False),
        ([deployment()], {"native_sidecars": False}, False),
        ([deployment()], {"istio_version": Version(1, 26), "native_sidecars": True}, True),
        ([deployment()], {"istio_version": Version(1, 18), "native_sidecars": True}, False),
        ([NATIVE_OFF, deployment()], {}, False),
        ([NATIVE_OFF, deployment()], {"native_sidecars": True}, False),
        ([NATIVE_ON, deployment()], {"istio_version": Version(1, 20)}, True),
        ([NATIVE_OFF, deployment({NATIVE: "true"})], {}, True),
        ([NATIVE_OFF, deployment({NATIVE: "true"})], {"istio_version": Version(1, 23)}, False),
        ([NATIVE_ON, deployment({NATIVE: "false"})], {}, False),
        ([NATIVE_OFF, deployment({NATIVE: ""})], {}, False),
        ([NATIVE_OFF, deployment({"sidecar.istio.io/native-side": "true"})], {}, False),
        ([installation('{compatibilityVersion: "1.26"}'), deployment()], {}, False),
    ],
)
def test_native_sidecars(texts: list[str], settings: dict[str, Any], expected: bool) -> None:
    found = proxy(*texts, **settings)
    assert found.native is not None
    assert found.native.value is expected


# ------------------------------------------------------------------------------- start and stop

HOLD = installation("{meshConfig: {defaultConfig: {holdApplicationUntilProxyStarts: true}}}")
HOLD_VALUES = installation("{values: {global: {proxy: {holdApplicationUntilProxyStarts: true}}}}")
LIFECYCLE = installation(
    "{meshConfig: {defaultConfig: {holdApplicationUntilProxyStarts: true}},"
    " values: {global: {proxy: {lifecycle: {preStop: {exec: {command: [sleep, '5']}}}}}}}"
)
OWN_HOOK = "containers: [{name: istio-proxy, lifecycle: {postStart: {exec: {command: [true]}}}}]"
OWN_WAIT = (
    "containers: [{name: istio-proxy, lifecycle: {postStart: {exec: {command:"
    " [/usr/local/bin/pilot-agent, wait]}}}}]"
)


@pytest.mark.parametrize(
    ("texts", "native", "expected"),
    [
        ([deployment()], False, False),
        ([HOLD, deployment()], False, True),
        ([HOLD, deployment()], True, False),
        ([HOLD_VALUES, deployment()], False, True),
        ([deployment({CONFIG: "holdApplicationUntilProxyStarts: true"})], False, True),
        ([HOLD, deployment({CONFIG: "holdApplicationUntilProxyStarts: false"})], False, True),
        (
            [HOLD_VALUES, deployment({CONFIG: "holdApplicationUntilProxyStarts: false"})],
            False,
            True,
        ),
        ([LIFECYCLE, deployment()], False, False),
        ([HOLD, deployment(spec=OWN_HOOK)], False, False),
        ([deployment(spec=OWN_WAIT)], False, True),
    ],
)
def test_hold_application(texts: list[str], native: bool, expected: bool) -> None:
    found = proxy(*texts, native_sidecars=native)
    assert found.hold_application is not None
    assert found.hold_application.value is expected


def test_up_to_1_12_the_annotation_switches_the_hold_off() -> None:
    app = deployment({CONFIG: "holdApplicationUntilProxyStarts: false"})
    found = proxy(HOLD, app, istio_version=Version(1, 12))
    assert found.hold_application is not None
    assert found.hold_application.value is False


def test_pre_stop() -> None:
    hook = proxy(LIFECYCLE, deployment()).pre_stop
    assert hook.value == {"exec": {"command": ["sleep", "5"]}}
    assert proxy(deployment(), native_sidecars=False).pre_stop.value is None
    assert proxy(deployment(), native_sidecars=True).pre_stop.value is not None
    own = "containers: [{name: istio-proxy, lifecycle: {preStop: {sleep: {seconds: 7}}}}]"
    assert proxy(deployment(spec=own)).pre_stop.value == {"sleep": {"seconds": 7}}


def test_drain() -> None:
    drain = proxy(deployment()).drain
    assert (drain.duration, drain.minimum) != (None, None)
    assert drain.duration is not None
    assert drain.duration.value == 5
    assert drain.exit_on_zero is not None
    assert drain.exit_on_zero.value is False
    config = (
        "{terminationDrainDuration: 1m30s, proxyMetadata:"
        ' {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true", MINIMUM_DRAIN_DURATION: 500ms}}'
    )
    drain = proxy(deployment({CONFIG: config})).drain
    assert drain.duration is not None
    assert drain.duration.value == 90
    assert drain.minimum is not None
    assert drain.minimum.value == Decimal("0.5")
    assert drain.exit_on_zero is not None
    assert drain.exit_on_zero.value is True
    old = proxy(deployment({CONFIG: config}), istio_version=Version(1, 11)).drain
    assert old.exit_on_zero is not None
    assert old.exit_on_zero.value is False
    assert proxy(deployment({CONFIG: "terminationDrainDuration: soon"})).drain.duration is None


def test_drain_from_objects_and_the_own_container() -> None:
    spec = "{environmentVariables: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'}}"
    drain = proxy(config_object(spec), deployment()).drain
    assert drain.exit_on_zero is not None
    assert drain.exit_on_zero.value is True
    assert drain.exit_on_zero.place is not None
    assert drain.exit_on_zero.place.path[-1] == "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
    own = """containers:
      - name: istio-proxy
        env: [{name: EXIT_ON_ZERO_ACTIVE_CONNECTIONS, value: "false"}]
"""
    drain = proxy(config_object(spec), deployment(spec=own)).drain
    assert drain.exit_on_zero is not None
    assert drain.exit_on_zero.value is False


def test_grace_period() -> None:
    assert proxy(deployment()).termination_grace_period.value == 30
    found = proxy(deployment(spec="terminationGracePeriodSeconds: 120"))
    assert found.termination_grace_period.value == 120


def test_the_init_container() -> None:
    found = proxy(installation("{components: {cni: {enabled: true}}}"), deployment())
    assert found.init_name == "istio-validation"
    assert proxy(deployment()).init_name == "istio-init"
    assert proxy(deployment({"sidecar.istio.io/interceptionMode": "NONE"})).init is None
    own = "initContainers: [{name: istio-init, resources: {limits: {cpu: 1}}}]"
    init = proxy(deployment(spec=own)).init
    assert init is not None
    assert init.limits["cpu"].value == 1


# -------------------------------------------------------------------- several control planes


def test_control_planes_that_differ_leave_it_open() -> None:
    small = installation("{profile: demo}", "small")
    found = proxy(installation("{profile: default}"), small, deployment())
    assert found.unknown == frozenset({"cpu-request", "memory-request"})
    assert values(found) == {"cpu-limit": "2000m", "memory-limit": "1024Mi"}
    assert found.plane is None
    assert found.why_unset("requests", "cpu") is None
    annotated = proxy(installation(), small, deployment({CPU: "300m", MEMORY: "1Gi"}))
    assert values(annotated) == {"cpu-request": "300m", "memory-request": "1Gi"}
    assert annotated.unknown == frozenset()


def test_the_revision_tells_control_planes_apart() -> None:
    small = installation("{profile: demo, revision: small}", "small")
    found = proxy(installation("{profile: default}"), small, deployment())
    assert values(found) == DEFAULTS
    assert found.plane is not None


def test_a_revision_that_is_not_in_the_input() -> None:
    plain = NAMESPACE.replace("istio-injection: enabled", "istio.io/rev: elsewhere")
    settings: dict[str, Any] = {"complete": {"installation": False}}
    found = find_proxy(plain, installation(), deployment(), **settings)
    assert found is not None
    assert len(found.unknown) == 4
    assert found.native is None
    assert found.workers is None
    found = find_proxy(plain, installation(), deployment({CPU: "300m"}), **settings)
    assert found is not None
    assert values(found) == {"cpu-request": "300m"}
    assert found.unknown == frozenset()


# -------------------------------------------------------------------------------------- inspect


def test_inspect_describes_workloads() -> None:
    world = make_world(
        NAMESPACE,
        deployment({CPU: "300m", CPU_LIMIT: "500m"}, spec="terminationGracePeriodSeconds: 45"),
        settings=Settings(istio_version=Version(1, 27)),
    )
    (found,) = inspect_workloads(world.index, world.injector, world.proxies)
    assert found["resource"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "orders",
    }
    assert (found["injected"], found["mode"], found["revision"]) == (True, "sidecar", "default")
    assert found["terminationGracePeriodSeconds"] == 45
    described = found["proxy"]
    assert described["requests"] == {"cpu": "300m"}
    assert described["limits"] == {"cpu": "500m"}
    assert described["concurrency"] == 1
    assert described["lost"] == {"memory-limit": "1024Mi", "memory-request": "128Mi"}
    origins = found["origins"]
    assert origins["injected"] == "0.yaml:6"
    assert origins["proxy.requests.cpu"] == "1.yaml:11"
    assert origins["proxy.concurrency"] == "1.yaml:12 (the CPU limit, rounded up)"
    assert origins["proxy.lost.memory-limit"] == "default of the istiod chart, Istio 1.27"


def test_inspect_lists_pods_that_have_an_owner() -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: b}]}
spec: {containers: [{name: app}]}
"""
    world = make_world(NAMESPACE, pod)
    (found,) = inspect_workloads(world.index, world.injector, world.proxies)
    assert found["injected"] is True


# ----------------------------------------------------------------------------------- robustness

ANYTHING_ANYWHERE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: shop}
spec:
  template:
    metadata:
      annotations:
        sidecar.istio.io/proxyCPU: ODD
        sidecar.istio.io/nativeSidecar: ODD
        sidecar.istio.io/interceptionMode: ODD
        proxy.istio.io/config: ODD
    spec:
      terminationGracePeriodSeconds: ODD
      containers:
      - {name: istio-proxy, resources: ODD, lifecycle: ODD, env: ODD, args: ODD}
      initContainers:
      - {name: istio-init, resources: {requests: ODD, limits: {cpu: ODD}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: shop}
spec:
  template:
    metadata:
      annotations:
        proxy.istio.io/config: "{concurrency: ODD, proxyMetadata: ODD, interceptionMode: ODD}"
    spec:
      containers:
      - name: istio-proxy
        resources: {requests: {cpu: ODD}, limits: ODD}
        lifecycle: {postStart: ODD, preStop: ODD}
        env: [{name: MINIMUM_DRAIN_DURATION, value: ODD}, {name: ODD}, ODD]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: c, namespace: shop}
spec:
  template:
    metadata:
      annotations:
        proxy.istio.io/config: |
          terminationDrainDuration: ODD
          holdApplicationUntilProxyStarts: ODD
        sidecar.istio.io/status: '{"containers": ["istio-proxy"], "initContainers": ODD}'
    spec:
      containers:
      - name: istio-proxy
        lifecycle: {postStart: {exec: {command: ODD}}}
        env: [{name: PROXY_CONFIG, value: "concurrency: ODD"}]
---
apiVersion: v1
kind: LimitRange
metadata: {name: a, namespace: shop}
spec: {limits: ODD}
---
apiVersion: v1
kind: LimitRange
metadata: {name: b, namespace: shop}
spec: {limits: [ODD, {type: Container, max: ODD, default: {cpu: ODD}}]}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: a, namespace: shop}
spec: {concurrency: ODD, environmentVariables: ODD, selector: ODD, image: ODD}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  compatibilityVersion: ODD
  meshConfig: {defaultConfig: ODD, rootNamespace: ODD}
  values:
    pilot: {env: {ENABLE_NATIVE_SIDECARS: ODD}, cni: {enabled: ODD}}
    global: {proxy: {resources: ODD, lifecycle: ODD, holdApplicationUntilProxyStarts: ODD}}
"""
ODD = ["null", "1", "-1", "1e9999", "true", "text", "[]", "[1, null]", "{}", "{cpu: [c], a: 1}"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("version", [None, Version(1, 10), Version(1, 20)])
@pytest.mark.parametrize("label", ["enabled", "disabled"])
def test_no_shape_of_a_manifest_raises(odd: str, version: Version | None, label: str) -> None:
    texts = ANYTHING_ANYWHERE.replace("ODD", odd).split("---")
    enrolled = NAMESPACE.replace("enabled", label)
    for last in range(1, len(texts) + 1):
        world = make_world(enrolled, *texts[:last], settings=Settings(istio_version=version))
        inspect_workloads(world.index, world.injector, world.proxies)
