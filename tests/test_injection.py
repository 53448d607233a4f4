"""Who gets a sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from mesh_input import make_world, only_workload, shown

from meshlint.mesh.injection import Injection
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version

DEFAULT = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec: {profile: minimal}
"""
CANARY = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: canary}
spec: {profile: minimal, revision: canary}
"""


def namespace(labels: Mapping[str, Any] | None, name: str = "shop") -> str:
    if labels is None:
        return ""
    shown_labels = "".join(f"\n    {key}: {value!r}" for key, value in labels.items())
    return f"""
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:{shown_labels or " {}"}
"""


def deployment(
    labels: Mapping[str, Any] | None = None,
    annotations: Mapping[str, Any] | None = None,
    spec: str = "containers: [{name: app}]",
    name: str = "shop",
) -> str:
    def block(values: Mapping[str, Any] | None) -> str:
        return "".join(f"\n        {key}: {value!r}" for key, value in (values or {}).items())

    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: orders, namespace: {name}}}
spec:
  template:
    metadata:
      labels:
        app: orders{block(labels)}
      annotations:
        note: plain{block(annotations)}
    spec:
      {spec}
"""


def injection(*texts: str, **settings: Any) -> Injection:
    world = make_world(*texts, settings=Settings(**settings))
    return world.injection(only_workload(world))


# --------------------------------------------------------------------------------------- gate 1

NONE: dict[str, str] = {}
ENABLED = {"istio-injection": "enabled"}
DISABLED = {"istio-injection": "disabled"}
IN_CANARY = {"istio.io/rev": "canary"}
TRUE = {"sidecar.istio.io/inject": "true"}
FALSE = {"sidecar.istio.io/inject": "false"}


@pytest.mark.parametrize(
    ("namespace_labels", "pod_labels", "revision"),
    [
        (NONE, NONE, None),
        (NONE, IN_CANARY, "canary"),
        (NONE, TRUE, "default"),
        (NONE, TRUE | IN_CANARY, "canary"),
        (NONE, FALSE, None),
        (NONE, FALSE | IN_CANARY, None),
        (IN_CANARY, NONE, "canary"),
        (IN_CANARY, TRUE, "canary"),
        (IN_CANARY, {"istio.io/rev": "other"}, "canary"),
        (IN_CANARY, FALSE, None),
        (ENABLED, NONE, "default"),
        (ENABLED, TRUE, "default"),
        (ENABLED, IN_CANARY, "default"),
        (ENABLED | IN_CANARY, IN_CANARY, "default"),
        (ENABLED, FALSE, None),
        (DISABLED, NONE, None),
        (DISABLED, TRUE, None),
        (DISABLED, IN_CANARY, None),
        (DISABLED | IN_CANARY, TRUE, None),
        ({"istio-injection": "true"}, TRUE, None),
        ({"istio.io/rev": "default"}, NONE, "default"),
        ({"istio.io/rev": "absent"}, NONE, None),
        (NONE, {"istio.io/rev": "absent"}, None),
        (NONE, TRUE | {"istio.io/rev": "absent"}, None),
    ],
)
def test_labels_choose_the_revision(
    namespace_labels: dict[str, str], pod_labels: dict[str, str], revision: str | None
) -> None:
    found = injection(DEFAULT, CANARY, namespace(namespace_labels), deployment(pod_labels))
    assert found.injected is (revision is not None)
    assert found.answer == ("yes" if revision else "no")
    assert found.mode == ("sidecar" if revision else "none")
    assert found.revision == revision


@pytest.mark.parametrize(
    ("namespace_labels", "pod_labels", "expected"),
    [
        (NONE, NONE, True),
        (NONE, FALSE, False),
        (NONE, {"sidecar.istio.io/inject": "maybe"}, False),
        (NONE, {"istio.io/rev": "canary"}, False),
        (DISABLED, NONE, False),
        (ENABLED, NONE, True),
    ],
)
def test_namespaces_can_be_enrolled_by_default(
    namespace_labels: dict[str, str], pod_labels: dict[str, str], expected: bool
) -> None:
    everywhere = DEFAULT.replace(
        "profile: minimal",
        "values: {sidecarInjectorWebhook: {enableNamespacesByDefault: true}}",
    )
    found = injection(everywhere, namespace(namespace_labels), deployment(pod_labels))
    assert found.injected is expected


def test_only_a_named_revision_serves_no_default() -> None:
    found = injection(CANARY, namespace(ENABLED), deployment())
    assert found.injected is False
    assert "only revision canary" in found.reason
    assert shown(found.place) == "1.yaml:7: istio-injection: 'enabled'"


@pytest.mark.parametrize(
    ("tag", "labels", "expected"),
    [
        ("default", ENABLED, "canary"),
        ("default", {"istio.io/rev": "default"}, "canary"),
        ("prod", {"istio.io/rev": "prod"}, "canary"),
        ("prod", ENABLED, None),
    ],
)
def test_tags_lead_to_their_revision(
    tag: str, labels: dict[str, str], expected: str | None
) -> None:
    tagged = CANARY.replace("profile: minimal", f"values: {{revisionTags: [{tag}]}}")
    assert injection(tagged, namespace(labels), deployment()).revision == expected


WEBHOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: istio-sidecar-injector-blue
  labels: {istio.io/rev: blue}
webhooks:
- name: rev.namespace.sidecar-injector.istio.io
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
  namespaceSelector:
    matchLabels: {team: payments}
  objectSelector:
    matchExpressions: [{key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}]
"""


def test_webhooks_of_the_input_are_taken_as_they_are() -> None:
    found = injection(WEBHOOK, namespace({"team": "payments"}), deployment())
    assert (found.injected, found.revision) == (True, "blue")
    assert shown(found.place) == "0.yaml:8: - name: rev.namespace.sidecar-injector.istio.io"
    assert injection(WEBHOOK, namespace(ENABLED), deployment()).injected is False


def test_webhooks_for_other_objects_do_not_count() -> None:
    other = WEBHOOK.replace("resources: [pods]", "resources: [services]")
    found = injection(other, namespace({"team": "payments"}), deployment())
    assert found.injected is False


# --------------------------------------------------------------------------------------- gate 2


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        (NONE, FALSE, False),
        (NONE, TRUE, True),
        (TRUE, FALSE, True),
        (NONE, {"sidecar.istio.io/inject": "False"}, True),
        (NONE, {"sidecar.istio.io/inject": "no"}, True),
        ({"sidecar.istio.io/inject": "False"}, FALSE, True),
        ({"sidecar.istio.io/inject": ""}, FALSE, True),
    ],
)
def test_the_label_beats_the_annotation(
    labels: dict[str, str], annotations: dict[str, str], expected: bool
) -> None:
    found = injection(DEFAULT, namespace(ENABLED), deployment(labels, annotations))
    assert found.injected is expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [("yes", True), ("ON", True), ("y", True), ("true", True), ("", True), ("nope", False)],
)
def test_up_to_1_11_the_annotation_alone_counts(annotation: str, expected: bool) -> None:
    annotations = {"sidecar.istio.io/inject": annotation}
    app = deployment({"sidecar.istio.io/inject": "true"}, annotations)
    found = injection(DEFAULT, namespace(ENABLED), app, istio_version=Version(1, 11))
    assert found.injected is expected


def test_an_annotation_does_not_reach_the_webhook() -> None:
    found = injection(DEFAULT, namespace(NONE), deployment(annotations=TRUE))
    assert (found.injected, found.answer) == (False, "no")
    assert shown(found.place) == "1.yaml:6: labels: {}"


def test_host_network_is_never_injected() -> None:
    app = deployment(TRUE, spec="hostNetwork: true")
    found = injection(DEFAULT, namespace(ENABLED), app)
    assert found.injected is False
    assert shown(found.place) == "2.yaml:14: hostNetwork: true"


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "local-path-storage"])
def test_ignored_namespaces(name: str) -> None:
    found = injection(DEFAULT, namespace(ENABLED, name), deployment(TRUE, name=name))
    assert found.injected is False


def test_istio_system_is_not_ignored() -> None:
    app = deployment(name="istio-system")
    assert injection(DEFAULT, namespace(ENABLED, "istio-system"), app).injected is True


def with_values(values: str) -> str:
    return DEFAULT.replace("profile: minimal", f"values: {values}")


DISABLED_BUT_ALWAYS = """{
    global: {proxy: {autoInject: disabled}},
    sidecarInjectorWebhook: {
      alwaysInjectSelector: [{matchExpressions: [{key: app, operator: Exists}]}],
    },
  }"""
ALWAYS_AND_NEVER = """{sidecarInjectorWebhook: {
    neverInjectSelector: [{matchLabels: {app: orders}}],
    alwaysInjectSelector: [{matchLabels: {app: orders}}],
  }}"""


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        ("{global: {proxy: {autoInject: disabled}}}", NONE, False),
        ("{global: {proxy: {autoInject: disabled}}}", TRUE, True),
        ("{global: {proxy: {autoInject: sometimes}}}", TRUE, False),
        (
            "{sidecarInjectorWebhook: {neverInjectSelector: [{matchLabels: {app: orders}}]}}",
            NONE,
            False,
        ),
        (
            "{sidecarInjectorWebhook: {neverInjectSelector: [{matchLabels: {app: orders}}]}}",
            TRUE,
            True,
        ),
        ("{sidecarInjectorWebhook: {neverInjectSelector: [{}]}}", NONE, True),
        (DISABLED_BUT_ALWAYS, NONE, True),
        (ALWAYS_AND_NEVER, NONE, False),
    ],
)
def test_policy_and_selectors(values: str, labels: dict[str, str], expected: bool) -> None:
    found = injection(with_values(values), namespace(ENABLED), deployment(labels))
    assert found.injected is expected


def test_reasons_name_the_deciding_place() -> None:
    found = injection(DEFAULT, namespace(ENABLED), deployment())
    assert found.reason == "namespace shop is labelled istio-injection=enabled"
    assert shown(found.place) == "1.yaml:7: istio-injection: 'enabled'"
    found = injection(
        with_values("{global: {proxy: {autoInject: disabled}}}"), namespace(ENABLED), deployment()
    )
    assert found.reason == "the installation's autoInject is disabled"
    assert (
        shown(found.place) == "0.yaml:4: spec: {values: {global: {proxy: {autoInject: disabled}}}}"
    )


# ----------------------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    ("labels", "annotations", "answer", "injected"),
    [
        (NONE, NONE, "unknown", None),
        (TRUE, NONE, "yes", True),
        (IN_CANARY, NONE, "yes", True),
        (FALSE, NONE, "no", False),
        (NONE, FALSE, "no", False),
        (NONE, {"sidecar.istio.io/proxyCPU": "100m"}, "intended", None),
        (NONE, {"proxy.istio.io/config": "{}"}, "intended", None),
        (NONE, {"traffic.sidecar.istio.io/excludeOutboundPorts": "3306"}, "intended", None),
        (NONE, TRUE, "intended", None),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_without_the_namespace(
    labels: dict[str, str],
    annotations: dict[str, str],
    answer: str,
    injected: bool | None,
    installed: bool,
) -> None:
    planes = (DEFAULT, CANARY) if installed else ()
    found = injection(*planes, deployment(labels, annotations))
    assert (found.answer, found.injected) == (answer, injected)


def test_host_network_is_no_without_the_namespace() -> None:
    assert injection(deployment(spec="hostNetwork: true")).answer == "no"


def test_configured_namespaces_are_enrolled() -> None:
    enrolled = frozenset({"shop"})
    found = injection(deployment(), injected_namespaces=enrolled)
    assert (found.answer, found.revision) == ("yes", "default")
    found = injection(CANARY, deployment(), injected_namespaces=enrolled)
    assert (found.answer, found.revision) == ("yes", "canary")
    found = injection(namespace(DISABLED), deployment(), injected_namespaces=enrolled)
    assert found.answer == "no"


def test_without_an_installation_every_revision_is_taken_to_exist() -> None:
    assert injection(namespace(IN_CANARY), deployment()).revision == "canary"
    assert injection(namespace(ENABLED), deployment()).revision == "default"
    assert injection(namespace(NONE), deployment()).injected is False


def test_an_incomplete_input_may_lack_the_revision() -> None:
    settings: dict[str, Any] = {"complete": {"installation": False}}
    found = injection(DEFAULT, namespace(IN_CANARY), deployment(), **settings)
    assert (found.answer, found.revision) == ("yes", "canary")
    assert found.planes == ()


def test_installations_that_differ_leave_it_open() -> None:
    other = with_values("{global: {proxy: {autoInject: disabled}}}") + "metadata: {name: other}"
    found = injection(DEFAULT, other, namespace(ENABLED), deployment())
    assert (found.answer, found.injected) == ("unknown", None)


# ----------------------------------------------------------------------- gateways and templates


@pytest.mark.parametrize(
    ("templates", "mode", "answer"),
    [
        ("gateway", "gateway", "no"),
        ("gateway, spire", "gateway", "no"),
        ("sidecar", "sidecar", "yes"),
        ("sidecar,custom", "sidecar", "yes"),
        ("grpc-agent", "grpc", "yes"),
        ("custom", "custom", "yes"),
    ],
)
def test_templates(templates: str, mode: str, answer: str) -> None:
    app = deployment(annotations={"inject.istio.io/templates": templates})
    found = injection(DEFAULT, namespace(ENABLED), app)
    assert (found.mode, found.answer, found.injected) == (mode, answer, True)
    assert found.templates == tuple(name.strip() for name in templates.split(","))


def test_a_gateway_that_nothing_injects() -> None:
    annotations = {"inject.istio.io/templates": "gateway"} | TRUE
    found = injection(DEFAULT, namespace(NONE), deployment(annotations=annotations))
    assert (found.mode, found.answer, found.injected) == ("none", "no", False)
    assert found.templates == ()


def test_default_templates_of_the_installation() -> None:
    values = "{sidecarInjectorWebhook: {defaultTemplates: [sidecar, custom]}}"
    found = injection(with_values(values), namespace(ENABLED), deployment())
    assert found.templates == ("sidecar", "custom")


def test_a_template_that_was_injected_before() -> None:
    status = '{"initContainers":["istio-init"],"containers":["istio-proxy"],"revision":"blue"}'
    spec = "containers: [{name: app}, {name: istio-proxy, image: proxyv2}]"
    app = deployment(annotations={"sidecar.istio.io/status": status}, spec=spec)
    found = injection(namespace(NONE), app)
    assert (found.answer, found.manual, found.revision) == ("yes", True, "blue")
    again = injection(namespace(ENABLED), app)
    assert (again.answer, again.manual, again.revision) == ("yes", False, "default")


# -------------------------------------------------------------------------------------- ambient

AMBIENT = {"istio.io/dataplane-mode": "ambient"}


@pytest.mark.parametrize(
    ("namespace_labels", "pod_labels", "spec", "mode"),
    [
        (AMBIENT, NONE, "{}", "ambient"),
        (NONE, AMBIENT, "{}", "ambient"),
        (AMBIENT, {"istio.io/dataplane-mode": "none"}, "{}", "none"),
        (AMBIENT, {"istio.io/dataplane-mode": "sidecar"}, "{}", "ambient"),
        (AMBIENT | ENABLED, NONE, "{}", "sidecar"),
        (AMBIENT | ENABLED, FALSE, "{}", "ambient"),
        (AMBIENT, NONE, "{hostNetwork: true}", "none"),
        (NONE, NONE, "{}", "none"),
    ],
)
def test_ambient(
    namespace_labels: dict[str, str], pod_labels: dict[str, str], spec: str, mode: str
) -> None:
    app = (
        deployment(pod_labels)
        .replace("containers: [{name: app}]", spec)
        .replace("spec:\n      {", "spec: {")
    )
    found = injection(DEFAULT, namespace(namespace_labels), app)
    assert found.mode == mode
    assert found.ambient == ("yes" if mode == "ambient" else "no")


def test_ambient_leaves_out_what_was_injected_and_kube_system() -> None:
    status = {"sidecar.istio.io/status": "by hand"}
    assert injection(namespace(AMBIENT), deployment(annotations=status)).mode == "none"
    app = deployment(name="kube-system")
    assert injection(namespace(AMBIENT, "kube-system"), app).mode == "none"


def test_ambient_without_the_namespace() -> None:
    assert injection(deployment(AMBIENT)).ambient == "yes"
    assert injection(deployment()).ambient == "unknown"
    assert injection(deployment({"istio.io/dataplane-mode": "none"})).ambient == "no"


# ----------------------------------------------------------------------------------- robustness

ODD = ["null", "1", "2.5", "true", "text", "[]", "[1, null]", "{}", "{a: {b: [c]}}"]

ANYTHING_ANYWHERE = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: ODD}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: ODD, istio.io/dataplane-mode: ODD}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: ODD, annotations: ODD}
---
apiVersion: v1
kind: Pod
metadata: ODD
spec: ODD
---
apiVersion: v1
kind: Pod
metadata:
  name: b
  namespace: shop
  annotations: {sidecar.istio.io/status: ODD, inject.istio.io/templates: ODD}
spec: {hostNetwork: ODD, containers: ODD, initContainers: [ODD]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: c}
spec: {template: ODD}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {labels: ODD}
webhooks: ODD
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
webhooks:
- {name: ODD}
- name: x.istio.io
  rules: ODD
  namespaceSelector: ODD
  objectSelector: {matchLabels: ODD, matchExpressions: ODD}
  clientConfig: ODD
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec: {values: {sidecarInjectorWebhook: ODD, global: ODD}}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  revision: ODD
  values:
    sidecarInjectorWebhook: {neverInjectSelector: ODD, templates: ODD, defaultTemplates: ODD}
    global: {proxy: {autoInject: ODD}}
"""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("status", ["", "null", "[]", "{containers: 1}", '{"containers": [1]}'])
def test_no_shape_of_a_manifest_raises(odd: str, status: str) -> None:
    texts = ANYTHING_ANYWHERE.replace("ODD", odd).split("---")
    annotated = deployment(annotations={"sidecar.istio.io/status": status})
    for first in range(len(texts)):
        world = make_world(*texts[first:], annotated)
        for workload in world.index.workloads:
            assert world.injection(workload).answer in ("yes", "no", "intended", "unknown")
