"""What each document is taken for, and the reason that is given for those that are not linted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlint.documents import parse
from meshlint.recognition import (
    Layout,
    PatchIndex,
    Place,
    Recognition,
    is_kustomization,
    recognize,
    template_language,
    unrendered,
)
from meshlint.sources import discover, read
from meshlint.text import SourceFile

OBJECT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n"


def value_of(text: str) -> Any:
    (document,) = parse(SourceFile("a.yaml", text)).documents
    return document.value


def taken(text: str, path: str = "a.yaml") -> Recognition:
    return recognize(value_of(text), Place(path))


def tree(tmp_path: Path, files: dict[str, str], *paths: str) -> dict[str, list[Recognition]]:
    """What the files of a directory are taken for, once all of it is known."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    discovery = discover(paths or ["."], cwd=tmp_path)
    parsed = {}
    for candidate in (*discovery.files, *discovery.kustomizations):
        source = read(candidate)
        assert isinstance(source, SourceFile)
        parsed[candidate] = source
    charts = Layout.build(discovery.charts, ())
    documents = {
        candidate: parse(source).documents
        for candidate, source in parsed.items()
        if not unrendered(source.text, charts.place(candidate.path, candidate.location))
    }
    layout = Layout.build(
        discovery.charts,
        [
            (candidate.location, document.value)
            for candidate, found in documents.items()
            for document in found
            if is_kustomization(document.value, candidate.path)
        ],
    )
    return {
        candidate.path: [
            recognize(document.value, layout.place(candidate.path, candidate.location))
            for document in documents[candidate]
        ]
        if candidate in documents
        else [
            Recognition(
                "other",
                unrendered(
                    parsed[candidate].text, layout.place(candidate.path, candidate.location)
                ),
            )
        ]
        for candidate in discovery.files
    }


def reason(found: dict[str, list[Recognition]], path: str) -> str:
    (recognition,) = found[path]
    return recognition.reason or recognition.role


# ----------------------------------------------------------------------------------------- objects


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        "apiVersion: v1\nkind: ConfigMap\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n",
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {}\n",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: a}\n",
        "apiVersion: example.org/v1\nkind: AllowList\nspec: {}\nitems: none\n",
        '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}',
    ],
)
def test_kubernetes_object(text: str) -> None:
    assert taken(text) == Recognition("object")


def test_names_of_files_do_not_matter_for_objects() -> None:
    for path in ("values.yaml", "kustomization.yaml", "docker-compose.yml", ".github/a.yaml"):
        assert taken(OBJECT, path).role == "object"


@pytest.mark.parametrize(
    ("text", "why", "path"),
    [
        ("kind: [Deployment]\napiVersion: v1\n", "kind is a list, not text", ("kind",)),
        ("kind: Pod\napiVersion: 1\n", "apiVersion is a number, not text", ("apiVersion",)),
        ("kind: Pod\napiVersion: true\n", "apiVersion is a boolean, not text", ("apiVersion",)),
        ("kind:\napiVersion: v1\n", "kind is empty", ("kind",)),
        ("kind: ''\napiVersion: v1\n", "kind is empty", ("kind",)),
        ("kind: Pod\nmetadata: {name: a}\n", "apiVersion is missing", ()),
        ("apiVersion: v1\nmetadata: {name: a}\n", "kind is missing", ()),
        ("metadata: {name: a}\nspec: {}\n", "apiVersion is missing", ()),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: []\n",
            "metadata is a list, not a mapping",
            ("metadata",),
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: web\n",
            "metadata is text, not a mapping",
            ("metadata",),
        ),
    ],
)
def test_object_that_no_server_takes(text: str, why: str, path: tuple[str, ...]) -> None:
    assert taken(text) == Recognition("malformed", why, path)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("text", "text, not a mapping"),
        (42, "a single value, not a mapping"),
        (True, "a single value, not a mapping"),
        ({}, "empty mapping"),
        ([], "empty list"),
        (["a", "b"], "other YAML"),
    ],
)
def test_roots_that_are_no_mapping(value: Any, why: str) -> None:
    assert recognize(value, Place("a.yaml")) == Recognition("other", why)


def test_nothing_at_all_is_not_counted() -> None:
    assert recognize(None, Place("a.yaml")).role == "empty"


# ------------------------------------------------------------------------------------------- lists


def test_members_of_a_list_have_their_own_place() -> None:
    found = taken(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: a}}\n"
        "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}\n"
    )
    assert found == Recognition(
        "list",
        members=((("items", 0), Recognition("object")), (("items", 1), Recognition("object"))),
    )


def test_typed_list_and_list_in_a_list() -> None:
    inner = "{apiVersion: apps/v1, kind: DeploymentList, items: [%s, %s]}"
    member = "{apiVersion: apps/v1, kind: Deployment}"
    found = taken(f"apiVersion: v1\nkind: List\nitems: [{inner % (member, member)}, {member}]\n")
    assert [path for path, _ in found.members] == [
        ("items", 0, "items", 0),
        ("items", 0, "items", 1),
        ("items", 1),
    ]


def test_bare_list_of_objects() -> None:
    found = taken(f'[{{"apiVersion": "v1", "kind": "Pod"}}, {value_of(OBJECT)}]', "dump.json")
    assert found.role == "list"
    assert [path for path, _ in found.members] == [(0,), (1,)]


def test_members_that_are_no_objects_are_named() -> None:
    found = taken(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- text\n"
        "- {kind: Pod, metadata: {name: a}}\n"
        "- {apiVersion: v1, kind: Pod, metadata: [a]}\n"
        "- {apiVersion: skaffold/v3, kind: Config}\n"
        "- null\n"
        "- {apiVersion: v1, kind: Pod}\n"
    )
    assert found.members == (
        (("items", 0), Recognition("malformed", "text in a List, not an object")),
        (("items", 1), Recognition("malformed", "apiVersion is missing")),
        (
            ("items", 2),
            Recognition("malformed", "metadata is a list, not a mapping", ("metadata",)),
        ),
        (("items", 3), Recognition("other", "configuration of Skaffold")),
        (("items", 5), Recognition("object")),
    )


@pytest.mark.parametrize("items", ["items: []", "items:", "items: [null]", ""])
def test_list_without_items(items: str) -> None:
    assert taken(f"apiVersion: v1\nkind: List\n{items}\n").reason == "list without items"


def test_deep_lists_do_not_overflow() -> None:
    value: Any = {"apiVersion": "v1", "kind": "Pod"}
    for _ in range(5000):
        value = {"apiVersion": "v1", "kind": "List", "items": [value]}
    ((path, member),) = recognize(value, Place("a.yaml")).members
    assert len(path) == 10_000
    assert member.role == "object"


# --------------------------------------------------------------------------- typed, but not objects


@pytest.mark.parametrize(
    ("api_version", "kind", "why"),
    [
        ("kind.x-k8s.io/v1alpha4", "Cluster", "configuration of kind"),
        ("skaffold/v4beta1", "Config", "configuration of Skaffold"),
        ("backstage.io/v1alpha1", "Component", "Backstage entity"),
        ("eksctl.io/v1alpha5", "ClusterConfig", "configuration of eksctl"),
        ("kubeadm.k8s.io/v1beta4", "InitConfiguration", "configuration of kubeadm"),
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", "component"),
        ("audit.k8s.io/v1", "Policy", "component"),
        ("client.authentication.k8s.io/v1", "ExecCredential", "kubectl credential"),
        ("v1", "Config", "kubeconfig"),
        ("kpt.dev/v1", "Kptfile", "configuration of kpt"),
        ("ctlptl.dev/v1alpha1", "Registry", "configuration of ctlptl"),
        ("tilt.dev/v1alpha1", "Cmd", "configuration of Tilt"),
        ("release-notes/v2", "feature", "Istio release note"),
        ("kuttl.dev/v1beta1", "TestStep", "test of KUTTL"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization", "kustomize configuration"),
        ("kustomize.config.k8s.io/v1alpha1", "Component", "kustomize configuration"),
        ("builtin", "LabelTransformer", "kustomize configuration"),
    ],
)
def test_configuration_of_other_programs(api_version: str, kind: str, why: str) -> None:
    found = taken(f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n")
    assert found.role in ("other", "kustomization")
    assert why in found.reason


# -------------------------------------------------------------------------------- other documents


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("docker-compose.yml", "services: {web: {image: a}}", "Docker Compose file"),
        ("compose.prod.yaml", "services: {web: {}}", "Docker Compose file"),
        ("stack.yaml", "version: '3'\nservices: {web: {build: .}}", "Docker Compose file"),
        (".github/workflows/a.yml", "on: push\njobs: {}", "GitHub workflow"),
        ("ci/a.yaml", "on: push\njobs: {build: {}}", "GitHub workflow"),
        ("action.yml", "name: a\nruns: {using: node20}", "GitHub action"),
        (".github/dependabot.yml", "version: 2\nupdates: []", "configuration of GitHub"),
        (".gitlab-ci.yml", "build: {script: make}", "GitLab CI pipeline"),
        ("ci/lib.yml", "stages: [a]\nbuild: {script: make}", "GitLab CI pipeline"),
        (".travis.yml", "language: go", "CI pipeline"),
        (".circleci/config.yml", "version: 2.1", "CI pipeline"),
        ("cloudbuild.yaml", "steps: [{name: gcr.io/a}]", "CI pipeline"),
        ("drone.yaml", "kind: pipeline\ntype: docker\nsteps: [{name: a}]", "CI pipeline"),
        ("site.yml", "- hosts: all\n  tasks: []", "Ansible playbook"),
        ("roles/web/tasks/main.yml", "- name: a\n  file: {path: b}", "Ansible tasks"),
        ("lib/a.yml", "- name: a\n  command: b\n  when: c", "Ansible tasks"),
        ("group_vars/all.yml", "port: 80", "Ansible variables"),
        ("api.yaml", "openapi: 3.1.0\ninfo: {title: a}\npaths: {}", "OpenAPI document"),
        ("api.yaml", "swagger: '2.0'\ninfo: {title: a}\npaths: {}", "OpenAPI document"),
        ("events.yaml", "asyncapi: 3.0.0\ninfo: {}", "AsyncAPI document"),
        (
            "a.json",
            '{"$schema": "https://json-schema.org/draft/2020-12/schema"}',
            "JSON Schema",
        ),
        ("values.schema.json", '{"type": "object", "properties": {}}', "JSON Schema"),
        (".pre-commit-config.yaml", "repos: []", "configuration of pre-commit"),
        ("mkdocs.yml", "site_name: a", "configuration of MkDocs"),
        (".meshlint.yaml", "profile: all", "configuration of meshlint"),
        ("package.json", '{"name": "a", "version": "1"}', "package metadata"),
        ("a/tsconfig.app.json", '{"compilerOptions": {}}', "configuration of TypeScript"),
        ("d.json", '{"panels": [], "schemaVersion": 39}', "Grafana dashboard"),
        ("ds.yml", "apiVersion: 1\ndatasources: []", "Grafana provisioning"),
        ("prometheus.yml", "scrape_configs: []", "configuration of Prometheus"),
        ("alerts.yml", "groups: [{name: a, rules: []}]", "Prometheus rules"),
        ("am.yml", "route: {}\nreceivers: []", "configuration of Alertmanager"),
        (
            "otel.yaml",
            "receivers: {}\nservice: {pipelines: {}}",
            "configuration of the OpenTelemetry Collector",
        ),
        ("envoy.yaml", "static_resources: {}", "configuration of Envoy"),
        ("t.yaml", "AWSTemplateFormatVersion: '2010-09-09'", "CloudFormation template"),
        ("helmfile.yaml", "releases: []", "Helmfile"),
        ("Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0", "Helm chart metadata"),
        ("Chart.lock", "dependencies: []\ndigest: a", "Helm chart metadata"),
        ("requirements.yaml", "dependencies: [{name: a}]", "Helm chart metadata"),
        ("p.yaml", "- {op: add, path: /a, value: 1}\n- {op: test, path: /b}", "kustomize patch"),
        ("a.yaml", "one: 1\ntwo: 2", "other YAML"),
        ("a.JSON", '{"one": 1}', "other JSON"),
    ],
)
def test_documents_of_other_programs(path: str, text: str, why: str) -> None:
    assert taken(text, path) == Recognition("other", why)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("values.yaml", "replicas: 1"),
        ("values-prod.yaml", "replicas: 1"),
        ("istiod.values.yml", "replicas: 1"),
        ("my_values.yaml", "kind: DaemonSet\nservices: {web: {image: a}}"),
        ("helm-values/web.yaml", "replicas: 1"),
        ("istiod.yaml", "pilot: {autoscaleMin: 2}\nglobal: {}"),
        ("mesh.yaml", "meshConfig: {}"),
        ("umbrella.yaml", "global: {}\nweb: {}\ndb: {}"),
    ],
)
def test_helm_values(path: str, text: str) -> None:
    assert taken(text, path) == Recognition("helm-values", "Helm values")


@pytest.mark.parametrize(
    "text", ["accessLogFile: /dev/stdout", "defaultConfig: {}\ningressService: a", "meshMTLS: {}"]
)
def test_bare_mesh_configuration(text: str) -> None:
    assert taken(text, "mesh.yaml") == Recognition("mesh-config", "Istio mesh configuration")


def test_mesh_configuration_with_unknown_keys_is_not_one() -> None:
    assert taken("trustDomain: a\nlisteners: []").role == "other"


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_kustomization_without_api_version(name: str) -> None:
    text = "resources: [a.yaml]"
    assert taken(text, f"base/{name}") == Recognition("kustomization", "kustomize configuration")
    assert is_kustomization(value_of(text), f"base/{name}")
    assert not is_kustomization(value_of(text), "base/other.yaml")


def test_kustomize_transformer_configuration() -> None:
    assert taken("varReference: [{path: spec/a, kind: B}]").role == "kustomization"


# --------------------------------------------------------------------------------------- kustomize


def test_every_way_to_name_a_patch(tmp_path: Path) -> None:
    files = {
        "app/kustomization.yaml": (
            "resources: [web.yaml, ../base]\n"
            "patches:\n- path: one.yaml\n- patch: |-\n    - {op: add}\n- legacy.yaml\n"
            "patchesStrategicMerge: [./sub/two.yaml, ../shared/three.yaml, '{kind: A}']\n"
            "patchesJson6902:\n- {path: four.yaml, target: {kind: Deployment, name: a}}\n"
            "replacements: [{path: five.yaml}]\n"
            "configurations: [six.yaml]\n"
            "transformers: [transform]\n"
            "configMapGenerator:\n- {name: a, files: [seven.yaml, key=eight.yaml]}\n"
            "helmCharts:\n- {name: a, valuesFile: nine.yaml}\n"
        ),
        "app/transform/label.yaml": "apiVersion: builtin\nkind: LabelTransformer\n",
        "app/transform/custom.yaml": "apiVersion: example.org/v1\nkind: Custom\n",
        "app/web.yaml": OBJECT,
        "app/unlisted.yaml": OBJECT,
        "app/one.yaml": OBJECT,
        "app/legacy.yaml": OBJECT,
        "app/sub/two.yaml": OBJECT,
        "shared/three.yaml": OBJECT,
        "app/four.yaml": "- {op: add, path: /a, value: 1}\n",
        "app/five.yaml": "- source: {kind: A}\n",
        "app/six.yaml": "images: [{path: a}]\n",
        "app/seven.yaml": OBJECT,
        "app/eight.yaml": "a: 1\n",
        "app/nine.yaml": "a: 1\n",
    }
    found = tree(tmp_path, files)
    patch, configuration = "kustomize patch", "kustomize configuration"
    assert {path: reason(found, path) for path in found} == {
        "app/kustomization.yaml": configuration,
        "app/web.yaml": "object",
        "app/unlisted.yaml": "object",
        "app/one.yaml": patch,
        "app/legacy.yaml": patch,
        "app/sub/two.yaml": patch,
        "shared/three.yaml": patch,
        "app/four.yaml": patch,
        "app/five.yaml": configuration,
        "app/six.yaml": configuration,
        "app/transform/label.yaml": configuration,
        "app/transform/custom.yaml": configuration,
        "app/seven.yaml": "data of a kustomize generator",
        "app/eight.yaml": "data of a kustomize generator",
        "app/nine.yaml": "Helm values",
    }


def test_resource_of_one_kustomization_is_linted_although_another_patches_with_it(
    tmp_path: Path,
) -> None:
    files = {
        "a/kustomization.yaml": "patches: [{path: ../shared.yaml}]",
        "b/kustomization.yaml": "resources: [../shared.yaml]",
        "shared.yaml": OBJECT,
    }
    assert reason(tree(tmp_path, files), "shared.yaml") == "object"


def test_patches_of_a_component(tmp_path: Path) -> None:
    files = {
        "c/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
            "patches: [{path: small.yaml}]\n"
        ),
        "c/small.yaml": OBJECT,
    }
    assert reason(tree(tmp_path, files), "c/small.yaml") == "kustomize patch"


def test_patch_is_known_although_its_kustomization_is_not_in_the_input(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    files = {"prod/kustomization.yaml": "patches: [{path: in/a.yaml}]", "prod/in/a.yaml": OBJECT}
    assert tree(tmp_path, files, "prod/in/a.yaml") == {
        "prod/in/a.yaml": [Recognition("other", "kustomize patch")]
    }


@pytest.mark.parametrize(
    "name", ["web-patch.yaml", "web_patch.yml", "patch.yaml", "web.patch.yaml", "patches/web.yaml"]
)
def test_file_called_patch_that_no_kustomization_lists(tmp_path: Path, name: str) -> None:
    found = tree(tmp_path, {"kustomization.yaml": "resources: []", name: OBJECT})
    assert reason(found, name) == "kustomize patch that no kustomization lists"


def test_file_called_patch_away_from_kustomizations_is_linted(tmp_path: Path) -> None:
    found = tree(tmp_path, {"web-patch.yaml": OBJECT, "k/kustomization.yaml": "resources: []"})
    assert reason(found, "web-patch.yaml") == "object"


def test_file_called_patch_that_is_a_resource_is_linted(tmp_path: Path) -> None:
    files = {"kustomization.yaml": "resources: [dispatch.yaml, patch.yaml]"}
    found = tree(tmp_path, files | {"dispatch.yaml": OBJECT, "patch.yaml": OBJECT})
    assert reason(found, "patch.yaml") == "object"


def test_values_and_mesh_configuration_that_kustomize_packs_up_stay_what_they_are(
    tmp_path: Path,
) -> None:
    files = {
        "kustomization.yaml": (
            "secretGenerator: [{name: a, files: [values.yaml=istiod-values.yaml]}]\n"
            "configMapGenerator: [{name: istio, files: [mesh=mesh.yaml]}]\n"
        ),
        "istiod-values.yaml": "autoscaleMin: 2",
        "mesh.yaml": "accessLogFile: /dev/stdout",
    }
    found = tree(tmp_path, files)
    assert found["istiod-values.yaml"][0].role == "helm-values"
    assert found["mesh.yaml"][0].role == "mesh-config"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {"patches": "a.yaml", "resources": None, "configMapGenerator": {"files": ["a"]}},
        {"patches": [None, 1, [], {"path": []}], "configMapGenerator": [None, {"files": [1]}]},
        {"openapi": [], "helmCharts": [1, {"additionalValuesFiles": "a"}], "transformers": [{}]},
    ],
)
def test_kustomization_of_any_shape(value: Any) -> None:
    assert PatchIndex.build([("/a/kustomization.yaml", value)]).files == {}


# -------------------------------------------------------------------------------------------- Helm


def test_files_of_a_chart(tmp_path: Path) -> None:
    template = "metadata:\n  name: {{ .Release.Name }}\n"
    files = {
        "chart/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n",
        "chart/values.yaml": "replicas: 1\n",
        "chart/ci/ipv6.yaml": "ipv6: true\n",
        "chart/templates/web.yaml": template,
        "chart/templates/deep/web.yaml": template,
        "chart/templates/static.yaml": OBJECT,
        "chart/files/inject.yaml": template,
        "chart/files/profile.yaml": "a: 1\n",
        "chart/crds/crd.yaml": OBJECT,
        "chart/charts/sub/Chart.yaml": "apiVersion: v2\nname: b\nversion: 1.0.0\n",
        "chart/charts/sub/templates/web.yaml": template,
        "templates/web.yaml": OBJECT.replace("name: a", "name: '{{ name }}'"),
    }
    found = tree(tmp_path, files)
    assert {path: reason(found, path) for path in found} == {
        "chart/Chart.yaml": "Helm chart metadata",
        "chart/values.yaml": "Helm values",
        "chart/ci/ipv6.yaml": "Helm values",
        "chart/templates/web.yaml": "Helm chart template",
        "chart/templates/deep/web.yaml": "Helm chart template",
        "chart/templates/static.yaml": "object",
        "chart/files/inject.yaml": "Helm chart template",
        "chart/files/profile.yaml": "file of a Helm chart",
        "chart/crds/crd.yaml": "object",
        "chart/charts/sub/Chart.yaml": "Helm chart metadata",
        "chart/charts/sub/templates/web.yaml": "Helm chart template",
        "templates/web.yaml": "object",
    }


def test_template_is_known_although_its_chart_is_not_in_the_input(tmp_path: Path) -> None:
    files = {"Chart.yaml": "name: a", "templates/web.yaml": "{{- if .Values.web }}\n{{- end }}\n"}
    found = tree(tmp_path, files, "templates/web.yaml")
    assert reason(found, "templates/web.yaml") == "Helm chart template"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("{{- if .Values.a }}\na: 1\n{{- end }}\n", "Go template"),
        ("a: 1\n{{ range .items }}\n", "Go template"),
        ("{% if a %}\na: 1\n{% endif %}\n", "Jinja template"),
        ("a: {{ b }}\n", ""),
        ("data:\n  t: |\n    {{ if a }}\n    {% if a %}\nb: [\n", ""),
        (OBJECT, ""),
    ],
)
def test_template_outside_of_a_chart(text: str, language: str) -> None:
    assert template_language(text) == language


def test_standard_input_has_no_place() -> None:
    layout = Layout.build(["/chart"], [("/kustomization.yaml", {"patches": ["a.yaml"]})])
    assert layout.place("<stdin>", "") == Place("<stdin>")


# --------------------------------------------------------------------------------------- any shape

KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "items",
        "spec",
        "services",
        "steps",
        "stages",
        "groups",
        "route",
        "receivers",
        "service",
        "global",
        "resources",
        "patches",
        "path",
        "files",
        "configMapGenerator",
        "name",
        "hosts",
        "tasks",
        "op",
        "$schema",
        "type",
        "properties",
        "pilot",
        "defaultConfig",
        "panels",
        "schemaVersion",
        "on",
        "jobs",
        "site",
        "content",
        "ui",
        "displayName",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "v1", "apps/v1", "List", "Pod", "a.yaml", "..", "/", "object", "a\nb"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)
)


@given(VALUES, VALUES)
def test_no_shape_is_too_odd(value: Any, kustomization: Any) -> None:
    layout = Layout.build(["/a/chart"], [("/a/kustomization.yaml", kustomization)])
    for path in ("a/a.yaml", "a/chart/ci/values.yaml", "a/kustomization.yaml"):
        is_kustomization(value, path)
        found = recognize(value, layout.place(path, f"/{path}"))
        assert found.reason or found.role in ("object", "list", "empty")
        assert bool(found.members) == (found.role == "list")


# ------------------------------------------------------------------------------------ real material


def test_every_document_of_real_projects_has_a_reason() -> None:
    shared = Path(os.environ.get("MESHLINT_SHARED", Path(__file__).parents[2] / "shared"))
    corpus = shared / "corpus"
    if not corpus.is_dir():
        pytest.skip("MESHLINT_SHARED names no folder with real manifests")
    discovery = discover(["."], cwd=corpus)
    charts = Layout.build(discovery.charts, ())
    unknown = total = 0
    for candidate in discovery.files:
        source = read(candidate)
        place = charts.place(candidate.path, candidate.location)
        if not isinstance(source, SourceFile) or unrendered(source.text, place):
            continue
        for document in parse(source).documents:
            found = recognize(document.value, place)
            assert found.reason or found.role in ("object", "list", "empty"), candidate.path
            total += 1
            unknown += found.reason in ("other YAML", "other JSON")
    assert unknown < total / 100
