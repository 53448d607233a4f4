"""The schemas of Istio's API, alone and against the definitions that Istio ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshlint.documents import parse
from meshlint.model.regex import regex_fault
from meshlint.schemas.istio import KINDS, Api, Reading, Type, mesh_config, message, of_kind
from meshlint.text import SourceFile

DEFINITIONS = "corpus/istio/manifests/charts/base/files/crd-all.gen.yaml"


def api(kind: str) -> Api:
    found = of_kind(kind)
    assert found is not None
    return found


def read(kind: str, spec: Any) -> Reading:
    value = {"apiVersion": "any", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    return api(kind).read(value)


def said(reading: Reading) -> list[tuple[str, str]]:
    return [(".".join(map(str, v.path)), v.kind) for v in reading.violations]


# ------------------------------------------------------------------------------- the notation


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_compiles(kind: str) -> None:
    api(kind).schema.compile()
    assert said(read(kind, None)) == []
    assert said(read(kind, {})) == []
    assert said(read(kind, [])) == [("spec", "wrong-type")]


def test_mesh_config_compiles() -> None:
    mesh_config().schema.compile()
    assert said(mesh_config().read({})) == []
    assert said(mesh_config().read("text")) == [("", "wrong-type")]


def test_a_kind_of_another_group_has_no_schema() -> None:
    assert of_kind("gateway.networking.k8s.io/Gateway") is None
    assert of_kind("networking.istio.io/Server") is None


# --------------------------------------------------------------------------------- what is read

ROUTE = [{"destination": {"host": "basket"}}]


def http(**rule: Any) -> Reading:
    return read("networking.istio.io/VirtualService", {"http": [{"route": ROUTE, **rule}]})


def test_null_is_absent_in_mappings_and_wrong_in_lists() -> None:
    assert said(http(timeout=None, mirror=None)) == []
    assert said(http(match=[None])) == [("spec.http.0.match.0", "wrong-type")]


def test_both_spellings_are_known_and_paths_keep_the_one_written() -> None:
    reading = http(retries={"per_try_timeout": "2s", "retry_remote_localities": "yes"})
    assert said(reading) == [("spec.http.0.retries.retry_remote_localities", "wrong-type")]
    assert [leaf.path[-1] for leaf in reading.durations] == ["per_try_timeout"]


def test_durations_and_expressions_are_found_wherever_they_stand() -> None:
    reading = read(
        "networking.istio.io/DestinationRule",
        {
            "trafficPolicy": {"outlierDetection": {"interval": "5s"}},
            "subsets": [{"trafficPolicy": {"portLevelSettings": [{"loadBalancer": {}}]}}],
        },
    )
    assert [leaf.value for leaf in reading.durations] == ["5s"]
    rewrite = {"uriRegexRewrite": {"match": "^/a", "rewrite": "/b"}}
    reading = http(match=[{"headers": {"x": {"regex": ".*"}}}], rewrite=rewrite)
    assert [leaf.value for leaf in reading.regexes] == [".*", "^/a"]


def test_fields_and_values_know_the_minor_that_brings_them() -> None:
    reading = read("networking.istio.io/ServiceEntry", {"resolution": "DYNAMIC_DNS"})
    assert [(dated.value, dated.since) for dated in reading.dated] == [("DYNAMIC_DNS", "1.28")]
    reading = http(retries={"backoff": "1s"})
    assert [(dated.path[-1], dated.since) for dated in reading.dated] == [("backoff", "1.26")]


def test_one_of_a_group_may_be_set() -> None:
    both: dict[str, Any] = {"simple": "RANDOM", "consistentHash": {"useSourceIp": True}}
    spec: dict[str, Any] = {"trafficPolicy": {"loadBalancer": both}}
    found = said(read("networking.istio.io/DestinationRule", spec))
    assert found == [("spec.trafficPolicy.loadBalancer", "several-of-one")]
    spec["trafficPolicy"]["loadBalancer"] = {**both, "simple": None}
    assert said(read("networking.istio.io/DestinationRule", spec)) == []


def test_mesh_config_takes_what_protobuf_takes() -> None:
    lenient = {"proxyListenPort": "15001", "accessLogEncoding": 1}
    assert said(mesh_config().read({**lenient, "defaultConfig": {"concurrency": "2"}})) == []
    found = mesh_config().read({"proxyListenPort": "many", "defaultConfig": {"concurrency": 1.5}})
    assert said(found) == [
        ("defaultConfig.concurrency", "wrong-type"),
        ("proxyListenPort", "wrong-type"),
    ]
    assert said(http(retries={"attempts": "2"})) == [("spec.http.0.retries.attempts", "wrong-type")]


ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "text",
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"a": {"b": []}},
    {1: 2},
)


def _with_each_odd(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by each odd value in turn."""
    yield from ODD
    if isinstance(value, dict):
        for key in value:
            for changed in _with_each_odd(value[key]):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for at, item in enumerate(value):
            for changed in _with_each_odd(item):
                yield [*value[:at], changed, *value[at + 1 :]]


def test_values_of_any_type_anywhere_do_no_harm() -> None:
    spec = {
        "host": "basket",
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
        "trafficPolicy": {"loadBalancer": {"consistentHash": {"httpCookie": {"ttl": "0s"}}}},
    }
    for changed in _with_each_odd(spec):
        read("networking.istio.io/DestinationRule", changed)
        api("networking.istio.io/DestinationRule").read(changed)


# ---------------------------------------------------------------------------------------- RE2


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^/v[12]/(items|orders)(?:/.*)?$",
        r"(?P<shop>[a-z]{2,3})-(?<year>\d{4})",
        r"(?i)^bearer\s+\S+?$",
        r"[]a-z[:digit:]^-]+",
        r"\Q*.example.com\E|\x{1F600}|\pL|\P{Greek}",
        "a{,5}{x}",
        "(?s-i:a.b)",
    ],
)
def test_expressions_that_re2_takes(pattern: str) -> None:
    assert regex_fault(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?!internal)",
        "(?<=/v1)/items",
        r"(\w+)-\1",
        "a++",
        "(?>a|b)",
        "*.example.com",
        "[a-z",
        "[z-a]",
        "(a",
        "a)",
        "a{2,1}",
        "a{1001}",
        "(a{100}){100}",
        r"\Z",
        r"\e",
        "a\\",
        "(?P<a>x)(?P<a>y)",
        "[[:letters:]]",
        r"\p{IsGreek}",
        "a**",
    ],
)
def test_expressions_that_re2_refuses(pattern: str) -> None:
    assert regex_fault(pattern)


# ---------------------------------------------------------------- against Istio's definitions

# An integer of the notation, and what a definition says of it.
_PLAIN = {
    "string": "string",
    "regex": "string",
    "bytes": "string",
    "duration": "string",
    "enum": "string",
    "bool": "boolean",
    "double": "number",
    "struct": "object",
}
# That exactly one of wasm and lua is set is judged by `wasmplugin-setting-invalid`.
_ELSEWHERE = {("extensions/TrafficExtension", ("wasm", "lua"))}


def _definitions(file: Path) -> dict[str, dict[str, Any]]:
    found = {}
    text = file.read_text(encoding="utf-8")
    for document in parse(SourceFile(file.name, text)).documents:
        spec = document.value["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            found[f"{spec['group']}/{spec['names']['kind']} {version['name']}"] = schema
    return found


def _one_ofs(schema: dict[str, Any]) -> set[tuple[str, ...]]:
    found = set()
    for part in (schema, *schema.get("allOf", ())):
        group = tuple(b["required"][0] for b in part.get("oneOf", ()) if "required" in b)
        if len(group) > 1:
            found.add(group)
    return found


def _differences(schema: dict[str, Any], type_: Type, path: str) -> Iterator[str]:
    if type_.item is not None:
        inner = schema.get("items" if type_.shape == "list" else "additionalProperties")
        if isinstance(inner, dict):
            yield from _differences(inner, type_.item, f"{path}[]")
        else:
            yield f"{path}: a {type_.shape} here, {schema.get('type')} there"
        return
    if "/" not in type_.base:
        expected = _PLAIN.get(type_.base, "integer")
        if schema.get("type") != expected:
            yield f"{path}: {type_.base} here, {schema.get('type')} there"
        if set(schema.get("enum", ())) != set(type_.values):
            yield f"{path}: other values"
        return
    here = message(type_.base)
    there = schema.get("properties", {})
    known = {key for key in there if here.find(key) is not None}
    for key in sorted(set(there) - known):
        yield f"{path}.{key}: only there"
    for name in sorted(set(here.fields) - set(there)):
        yield f"{path}.{name}: only here"
    left = {(type_.base, group) for group in _one_ofs(schema)} - _ELSEWHERE
    if {tuple(sorted(g)) for _, g in left} != {tuple(sorted(g)) for g in here.one_of}:
        yield f"{path}: other groups of fields that exclude each other"
    for name in here.fields:
        if name in there:
            yield from _differences(there[name], here.fields[name].type, f"{path}.{name}")


def test_fields_types_values_and_groups_are_those_of_the_definitions(shared: Path) -> None:
    definitions = _definitions(shared / DEFINITIONS)
    assert {key.split()[0] for key in definitions} == KINDS
    for key, schema in definitions.items():
        kind = key.split()[0]
        file = kind.partition(".")[0]
        root = Type(f"{file}/{kind.rpartition('/')[2]}")
        assert list(_differences(schema, root, key)) == []
