"""Configuration, rules, baselines, definitions and suppressions with values of wrong types.

Whoever wrote them is told where and why; what stands in manifests stops no run.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from wrong_types import NAN, ODD, PLAIN, all_rules, number_of

from meshlint.cli import main
from meshlint.dataclass import replace
from meshlint.documents import parse
from meshlint.enablement import enable
from meshlint.lint import Request, lint
from meshlint.mesh.settings import HelmValues, Settings
from meshlint.ruleset import RuleError, load_directory
from meshlint.text import SourceFile

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {a: b}\n"

CONFIGURATION = """
include: [apps]
context: [around]
crds: [crds]
exclude: ["*.tmp"]
profile: production
select: [cpu-request-missing]
ignore: [supply-chain]
fail-on: error
rules:
  cpu-request-missing: {severity: info, params: {limit_counts: true}}
overrides:
- paths: [a]
  namespaces: [b]
  select: [routing]
  ignore: [rbac]
  rules: {env-duplicate: {severity: info}}
sizing: {cpu-per-1000rps: 0.2, memory-per-1000rps: 60Mi, base-memory: 80Mi}
baseline: known.json
waivers:
- {rules: [cpu-request-missing], kind: a, name: b, namespace: c, container: d, path: e, reason: f}
- {rules: [cpu-request-missing], reason: a, owner: b, until: "2027-01-31"}
istio-version: "1.27"
kubernetes-version: "1.34"
root-namespace: istio-system
cluster-domain: cluster.local
trust-domain: cluster.local
auto-mtls: true
native-sidecars: auto
istio-cni: true
injected-namespaces: [a]
annotation-prefix: example.com
complete: {autoscalers: true}
helm-values: [{path: values.yaml, chart: istiod}]
"""


def value_of(text: str) -> Any:
    return parse(SourceFile("a.yaml", text)).documents[0].value


def mutants(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """A value with each part of it replaced by one of each type and some odd ones, and where."""
    for number, wrong in enumerate((*PLAIN, *ODD)):
        if number < len(PLAIN) or number_of(where, number) % 8 == 0:
            yield f"{where} = {wrong!r}", wrong
    if isinstance(value, dict):
        for key, inner in value.items():
            for place, changed in mutants(inner, f"{where}.{key}"):
                yield place, {**value, key: changed}
    if isinstance(value, list):
        for at, inner in enumerate(value):
            for place, changed in mutants(inner, f"{where}.{at}"):
                yield place, [*value[:at], changed, *value[at + 1 :]]


def some(tried: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """One of six; all of them where MESHLINT_ALL_TYPES is set."""
    every = "MESHLINT_ALL_TYPES" in os.environ
    return (pair for pair in tried if every or number_of(pair[0]) % 6 == 0)


def written(value: Any) -> str:
    return json.dumps(value).replace("NaN", ".nan")


def call(*arguments: str) -> Result:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "this is a bug" not in done.output
    return done


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "a.yaml").write_text(MANIFEST)
    return tmp_path


def test_every_key_of_the_configuration_is_tried() -> None:
    schema = json.loads((Path(__file__).parent.parent / "meshlint/config.schema.json").read_bytes())
    assert set(value_of(CONFIGURATION)) == set(schema["properties"])


def test_configurations_of_wrong_types_are_bad_usage(tree: Path) -> None:
    file = tree / ".meshlint.yaml"
    refused = 0
    for where, changed in mutants(value_of(CONFIGURATION)):
        file.write_text(written(changed))
        done = call("check" if ".rules" in where else "inspect", "apps")
        if "a configuration is one mapping" in done.output or "no file" in done.output:
            continue
        if done.exit_code == 2:
            refused += 1
            place = r"\.meshlint\.yaml:1:\d+: \S|cannot be read|no such file"
            assert re.search(place, done.output), (where, done.output)
    assert refused > 300


RULE = """
id: workload-odd
category: custom
title: An odd workload
severity: error
profiles: [production]
checklist: resource-limits
subjects: [workload]
context: closed-world
concern: autoscalers
params: {most: {type: integer, default: 3, description: How many.}}
arguments: {kind: b}
schema: {at: spec, must: {type: object, properties: {a: {pattern: "^a$"}}}}
message: {default: Something is odd.}
fix: {safety: safe, description: Set it to three.}
rationale: It is odd, and odd things break.
remediation: Mend it, then all is well.
references: ["https://example.com"]
covers: ["tool:check"]
"""


def test_rules_of_wrong_types_are_bad_usage(tree: Path) -> None:
    (tree / "rules").mkdir()
    rule = value_of(RULE)
    assert not load_odd(tree, rule)
    refused = 0
    for where, changed in mutants(rule):
        said = load_odd(tree, changed)
        if said:
            refused += 1
            assert "workload-odd.yaml" in said, (where, said)
    assert refused > 200
    for must in ({"pattern": "("}, {"$ref": "#/$defs/no"}, {"$ref": "http://127.0.0.1:9/a"}):
        said = load_odd(tree, {**rule, "schema": {"at": "spec", "must": must}})
        assert "workload-odd" in said, must


def load_odd(tree: Path, declared: Any) -> str:
    """Why a declaration is refused, by everything that looks at one; empty where it is not."""
    (tree / "rules" / "workload-odd.yaml").write_text(written(declared))
    try:
        (rule,) = load_directory(tree / "rules")
        assert rule.check
        rule.defaults  # noqa: B018
    except RuleError as error:
        return str(error)
    result = lint(Request(["apps"], [enable(rule)], known_rules=[rule]))
    assert not result.crashes, (declared, result.crashes[0])
    return ""


def test_baselines_of_wrong_types_are_bad_usage(tree: Path) -> None:
    entry = {"file": "a", "resource": "b", "rule": "c", "fingerprint": "d"}
    for where, changed in some(mutants({"version": 1, "findings": [entry]})):
        (tree / "known.json").write_text(json.dumps(changed))
        done = call("apps", "--baseline=known.json", "--profile=security")
        assert done.exit_code in (0, 1, 2), where
        if done.exit_code == 2:
            assert "known.json" in done.output


OTHERS = {
    "mesh.yaml": """
accessLogFile: /dev/stdout
trustDomain: a
trustDomainAliases: [b]
rootNamespace: c
defaultConfig: {concurrency: 2, proxyMetadata: {A: b}, tracing: {sampling: 1}}
extensionProviders: [{name: a, zipkin: {service: b, port: 1}}]
outboundTrafficPolicy: {mode: ALLOW_ANY}
serviceSettings: [{settings: {clusterLocal: true}, hosts: ["*"]}]
discoverySelectors: [{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [b]}]}]
meshMTLS: {minProtocolVersion: TLSV1_3}
""",
    "networks.yaml": """
networks:
  one: {endpoints: [{fromRegistry: a, fromCidr: 10.0.0.0/8}], gateways: [{address: b, port: 1}]}
""",
    "values.yaml": """
pilot: {autoscaleMin: 2, resources: {requests: {cpu: 1}}, env: {A: b}}
global: {proxy: {resources: {limits: {cpu: 1}}}, hub: a, tag: 1.27.1, meshID: a}
meshConfig: {defaultConfig: {concurrency: 1}}
""",
    "apps/kustomization.yaml": """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: b
resources: [a.yaml, ../b]
components: [c]
patches: [{path: p.yaml, target: {kind: A, name: b, labelSelector: c}}, {patch: "a: b"}]
patchesStrategicMerge: [p.yaml]
patchesJson6902: [{target: {kind: A}, path: p.yaml}]
labels: [{pairs: {a: b}, includeSelectors: true}]
commonLabels: {a: b}
replacements: [{source: {kind: A}, targets: [{select: {kind: B}, fieldPaths: [a]}]}]
images: [{name: a, newTag: b}]
replicas: [{name: a, count: 1}]
secretGenerator: [{name: a, files: [values.yaml=b.yaml], literals: [a=b]}]
helmCharts: [{name: a, valuesFile: v.yaml}]
generatorOptions: {labels: {a: b}}
""",
    "chart/Chart.yaml": """
apiVersion: v2
name: a
version: 1.0.0
dependencies: [{name: istiod, version: 1.27.1, repository: "https://a.example", alias: b}]
""",
    "crds/crd.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            additionalProperties: {type: integer}
            properties:
              size: {type: integer, minimum: 1, exclusiveMinimum: true, maximum: 3, multipleOf: 2}
              name: {type: string, pattern: "^a+$", minLength: 1, maxLength: 9, enum: [a, aa]}
              list: {type: array, items: {type: string}, minItems: 1, uniqueItems: true}
              any: {x-kubernetes-int-or-string: true, nullable: true}
              one: {oneOf: [{required: [a]}, {properties: {b: {type: string}}}], not: {type: array}}
              keyed: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]}
""",
}
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: a, namespace: b}
spec: {size: 7, name: b, list: [], any: 1, one: {b: 1}, keyed: [{name: a}, {name: a}], more: x}
"""


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_read_beside_manifests_stops_no_run(tree: Path, name: str) -> None:
    for path, text in {**OTHERS, "apps/widget.yaml": WIDGET}.items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(text)
    (tree / "chart" / "templates").mkdir()
    (tree / "chart" / "values.yaml").write_text(OTHERS["values.yaml"])
    rules = [enable(rule) for rule in all_rules()]
    named = HelmValues("values.yaml", "istiod")
    request = Request(
        ["apps", "values.yaml", "chart"],
        rules,
        replace(Settings(), helm_values=(named,)),
        crds=["crds"],
        mesh_config="mesh.yaml",
        mesh_networks="networks.yaml",
        known_rules=all_rules(),
    )
    for where, changed in some(mutants(value_of(OTHERS[name]))):
        (tree / name).write_text(written(changed))
        result = lint(request)
        assert not result.crashes, (where, result.crashes[0])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"spec": {"pattern": "(" * 50}}},
        {"type": "object", "properties": {"spec": {"pattern": "(a+)+$"}}},
        {"type": "object", "properties": {"spec": {"pattern": "(?<=a)b"}}},
        {"type": "object", "properties": {"spec": {"pattern": "a{1,100000}{1,100000}"}}},
        {"type": "object", "properties": {"spec": {"$ref": "#"}}},
        {"type": "object", "$ref": "file:///etc/passwd"},
        {"type": "object", "$ref": "https://schemas.example/a.json"},
        {"type": "object", "$id": "https://schemas.example/", "$schema": "nonsense"},
        {"type": "object", "$defs": {"a": {"$ref": "#/$defs/a"}}, "allOf": [{"$ref": "#/$defs/a"}]},
        {"type": "object", "properties": {"spec": {"type": "nothing"}}},
        {"type": ["object", 7], "required": "spec", "properties": []},
        {"type": "object", "properties": {"spec": {"multipleOf": 0, "minimum": NAN}}},
        {"type": "object", "properties": {"spec": {"maxLength": -1, "minItems": 1.5}}},
    ],
)
def test_schemas_with_tricks_stop_no_run(tree: Path, schema: Any) -> None:
    definition = value_of(OTHERS["crds/crd.yaml"])
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    (tree / "crd.yaml").write_text(written(definition))
    (tree / "apps" / "widget.yaml").write_text(WIDGET)
    (tree / "apps" / "other.yaml").write_text(WIDGET.replace("spec: {", f"spec: {'a' * 40}! #"))
    started = time.process_time()
    done = call("apps", "--crds=crd.yaml", "--profile=all")
    assert time.process_time() - started < 5
    assert done.exit_code in (0, 1), done.output


def test_suppressions_of_wrong_types_stop_no_run(tree: Path) -> None:
    annotations = {
        "meshlint.dev/ignore": "cpu-request-missing",
        "meshlint.dev/ignore-until": "2027-01-31",
        "ignore-check.kube-linter.io/latest-tag": "a",
        "kube-score/ignore": "container-resources",
        "checkov.io/skip1": "CKV_K8S_1=a",
        "polaris.fairwinds.com/exempt": "true",
    }
    manifest = {**value_of(MANIFEST), "metadata": {"name": "a", "annotations": annotations}}
    rules = [enable(rule) for rule in all_rules()]
    for where, changed in mutants(manifest):
        (tree / "apps" / "a.yaml").write_text(written(changed))
        result = lint(Request(["apps"], rules, known_rules=all_rules()))
        assert not result.crashes, (where, result.crashes[0])
    words = ("", ":", "=", "[", ",,,", "7", "a b", "until", "until=x", "*", "é", "\x7f", "x" * 9999)
    for word in words:
        for form in ("meshlint: ignore", "meshlint: ignore=", "meshlint: ignore[", "checkov:skip="):
            (tree / "apps" / "a.yaml").write_text(f"# {form}{word}\n{MANIFEST}  # {form} {word}\n")
            result = lint(Request(["apps"], rules, known_rules=all_rules()))
            assert not result.crashes, (form, word, result.crashes[0])
