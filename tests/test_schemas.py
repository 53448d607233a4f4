"""Schemas of Kubernetes, the Gateway API and custom resources, and what is said of violations."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlint.documents import parse
from meshlint.mesh.versions import NEWEST_KUBERNETES
from meshlint.schemas.acceptance import surely_accepts
from meshlint.schemas.custom import custom_schema, definitions
from meshlint.schemas.gateway_api import _VERSIONS, gateway_api_schema
from meshlint.schemas.kubernetes import NEWEST_MINOR, OLDEST_MINOR, bundle, nearest_minor
from meshlint.schemas.spelling import nearest
from meshlint.schemas.violations import Schema, Violation
from meshlint.text import SourceFile

ROOT = Path(__file__).parent.parent
CORPUS = Path(os.environ.get("MESHLINT_SHARED", ROOT.parent / "shared")) / "corpus"
MINORS = range(OLDEST_MINOR, NEWEST_MINOR + 1)


def said(schema: Schema, value: Any) -> list[tuple[str, str, str]]:
    return [
        ("/".join(map(str, v.path)), v.kind, v.suggestion or v.expected)
        for v in schema.violations(value)
    ]


# ------------------------------------------------------------------------------- violations

TRAIN = Schema(
    {
        "type": "object",
        "required": ["spec"],
        "additionalProperties": False,
        "properties": {
            "kind": {"type": "string"},
            "spec": {
                "type": "object",
                "required": ["wagons"],
                "additionalProperties": False,
                "properties": {
                    "operator": {"type": "string", "enum": ["SBB", "NSB"]},
                    "wagons": {
                        "type": "array",
                        "items": {"$ref": "#/$defs/wagon"},
                        "x-kubernetes-list-map-keys": ["number"],
                    },
                    "platform": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "speed": {"type": "integer", "minimum": 1, "maximum": 300},
                    "crew": {"oneOf": [{"required": ["driver"]}, {"required": ["computer"]}]},
                },
            },
        },
        "$defs": {
            "wagon": {
                "type": "object",
                "required": ["number"],
                "additionalProperties": False,
                "properties": {
                    "number": {"type": "integer"},
                    "seatNumbers": {"type": "array", "items": {"type": "integer"}},
                    "bistro": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"opensAt": {"type": "string"}},
                    },
                },
            }
        },
    }
)


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": {"wagons": [], **fields}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (spec(), []),
        (spec(operator=None, platform=None), []),
        (spec(operator="DSB"), [("spec/operator", "not-in-enumeration", "one of SBB, NSB")]),
        (spec(operator=1), [("spec/operator", "wrong-type", "a string")]),
        (spec(platform=[]), [("spec/platform", "wrong-type", "a whole number or a string")]),
        (spec(speed=301), [("spec/speed", "out-of-range", "300 or less")]),
        (spec(speed=0), [("spec/speed", "out-of-range", "1 or more")]),
        ({}, [("spec", "missing-field", "a mapping")]),
        ({"spec": None}, [("spec", "missing-field", "a mapping")]),
        ({"spec": {}}, [("spec/wagons", "missing-field", "a list")]),
        (spec(crew={}), [("spec/crew", "missing-field", "one of the fields driver or computer")]),
        (
            spec(crew={"driver": "x", "computer": "y"}),
            [("spec/crew", "several-of-one", "only one of driver and computer")],
        ),
        ("text", [("", "wrong-type", "a mapping")]),
        (
            {"spec": {"wagons": [{"number": 1}, {"number": 2}, {"number": 1}]}},
            [("spec/wagons/2/number", "duplicate-key", "another number")],
        ),
        # A misspelt field is not missing as well.
        ({"spec": {"wagon": []}}, [("spec/wagon", "unknown-field", "did you mean wagons?")]),
        (
            {"spec": {"wagons": [{"number": 1, "seatnumbers": []}]}},
            [("spec/wagons/0/seatnumbers", "unknown-field", "did you mean seatNumbers?")],
        ),
        (
            {"spec": {"wagons": [{"number": 1, "opensAt": "7", "bistro": {}}]}},
            [("spec/wagons/0/opensAt", "unknown-field", "it belongs under bistro")],
        ),
        (
            {"spec": {"wagons": [{"number": 1, "speed": 7}]}},
            [("spec/wagons/0/speed", "unknown-field", "it belongs one level up, beside wagons")],
        ),
        (
            {"spec": {"wagons": [{"number": 1, "bistro": {"platform": 7}}]}},
            [
                (
                    "spec/wagons/0/bistro/platform",
                    "unknown-field",
                    "it belongs 2 levels up, in spec, beside wagons",
                )
            ],
        ),
        (spec(zebra=None), [("spec/zebra", "unknown-field", "no such field")]),
        (spec(wagons=[None]), [("spec/wagons/0", "wrong-type", "a mapping")]),
    ],
)
def test_one_statement_a_place(value: Any, expected: list[tuple[str, str, str]]) -> None:
    assert said(TRAIN, value) == expected


def test_branch_that_was_meant() -> None:
    schema = Schema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "required": ["type", "number"],
                    "properties": {"type": {"enum": ["card"]}, "number": {"type": "string"}},
                },
                {
                    "type": "object",
                    "required": ["type", "coins"],
                    "properties": {"type": {"enum": ["cash"]}, "coins": {"type": "integer"}},
                },
            ]
        }
    )
    assert said(schema, {"type": "cash", "coins": "5"}) == [
        ("coins", "wrong-type", "a whole number")
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("contaners", "containers"),
        ("Containers", "containers"),
        ("con-tainers", "containers"),
        ("cotnainers", "containers"),
        ("volumes", ""),
        ("a", ""),
    ],
)
def test_nearest_name(name: str, meant: str) -> None:
    assert nearest(name, ["containers", "initContainers", "ab"]) == (meant or "")


def test_values_of_no_unicode_and_without_end_are_left_alone() -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"spec": deep}
    for value in ({"spec": "\ud800"}, {"\ud800": 1}, deep, {"spec": float("nan")}):
        list(TRAIN.violations(value))


# ------------------------------------------------------------------------------- Kubernetes


def test_newest_version_is_the_target_without_a_setting() -> None:
    assert (NEWEST_KUBERNETES.major, NEWEST_KUBERNETES.minor) == (1, NEWEST_MINOR)


@pytest.mark.parametrize("minor", MINORS)
def test_every_kind_of_every_version_compiles(minor: int) -> None:
    assert len(bundle(minor).kinds) > 60
    # Every version for the kinds that change most, every kind for the ends.
    everything = minor in (OLDEST_MINOR, NEWEST_MINOR)
    for kind in bundle(minor).kinds:
        if everything or kind in (
            "apps/v1/Deployment",
            "v1/Service",
            "networking.k8s.io/v1/Ingress",
        ):
            schema = bundle(minor).schema(kind)
            assert schema is not None
            schema.compile()
            assert "description" not in json.dumps(schema.schema.get("$ref"))


def test_version_that_is_not_bundled() -> None:
    assert nearest_minor(19) == OLDEST_MINOR
    assert nearest_minor(99) == NEWEST_MINOR
    assert bundle(NEWEST_MINOR).schema("apps/v1/Deploymnet") is None


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.y*ml")):
        try:
            content = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if "kind:" in content and "{{" not in content:
            for document in parse(SourceFile(path.name, content)).documents:
                if isinstance(document.value, dict):
                    yield document.value


@cache
def official(minor: int) -> dict[str, Any]:
    package = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not here")
    root = Path(package.__file__).parent / "kubernetes-json-schema"
    (folder,) = root.glob(f"v1.{minor}.*-local-strict")
    found: dict[str, Any] = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
    return found


@cache
def official_validators(minor: int) -> dict[str, Any]:
    import jsonschema_rs

    known = official(minor)
    found = {}
    for name, definition in known.items():
        declared = definition.get("x-kubernetes-group-version-kind", [])
        if len(declared) == 1:
            gvk = declared[0]
            group = f"{gvk['group']}/" if gvk["group"] else ""
            schema = {"$ref": f"#/$defs/{name}", "$defs": known}
            found[f"{group}{gvk['version']}/{gvk['kind']}"] = (jsonschema_rs, schema)
    return found


_COMPILED: dict[tuple[int, str], Any] = {}


def official_verdict(minor: int, kind: str, value: Any) -> bool:
    validator = _COMPILED.get((minor, kind))
    if validator is None:
        library, schema = official_validators(minor)[kind]
        validator = _COMPILED[minor, kind] = library.Draft202012Validator(schema)
    return bool(validator.is_valid(value))


def without_null(value: Any) -> Any:
    """What the API server makes of a value, as far as the two sets of schemas differ."""
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_null(item) for item in value if item is not None]
    return value


def agree(minor: int, kind: str, value: dict[str, Any]) -> bool:
    """Whether the slim schema says the same as the official one; True for unknown kinds."""
    schema = bundle(minor).schema(kind)
    if schema is None:
        return True
    value = without_null({key: item for key, item in value.items() if key != "status"})
    if surely_accepts(schema.schema, value) and not compiled(minor, kind).is_valid(value):
        return False
    ours = [
        violation
        for violation in schema.violations(value)
        if violation.kind not in ("not-in-enumeration", "duplicate-key")
    ]
    return official_verdict(minor, kind, value) == (not ours)


@cache
def compiled(minor: int, kind: str) -> Any:
    schema = bundle(minor).schema(kind)
    assert schema is not None
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema.schema)


def kind_of(value: dict[str, Any]) -> str:
    return f"{value.get('apiVersion')}/{value.get('kind')}"


def mutated(value: Any, chance: random.Random) -> Any:
    """A copy with one thing changed somewhere."""
    value = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        keys = inner if isinstance(inner, dict) else range(len(inner))
        for key in list(keys):
            if key not in ("apiVersion", "kind", "status"):
                places.append((inner, key))
                if isinstance(inner[key], dict | list):
                    walk(inner[key])

    walk(value)
    if not places:
        return value
    holder, key = chance.choice(places)
    change = chance.randrange(4)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder[key] = chance.choice([1, 1.5, "text", True, [], {}, [1], {"a": 1}, ["a"], "1Gi"])
    return value


@pytest.mark.parametrize("minor", [OLDEST_MINOR, 30, NEWEST_MINOR])
def test_same_verdicts_as_the_official_schemas(minor: int) -> None:
    official(minor)
    chance = random.Random(minor)
    known = bundle(minor).kinds
    seen = 0
    for value in documents(ROOT / "fixtures"):
        kind = kind_of(value)
        if kind not in known or chance.random() > 0.35:
            continue
        seen += 1
        assert agree(minor, kind, value), value
        for _ in range(3):
            changed = mutated(value, chance)
            assert agree(minor, kind, changed), changed
    assert seen > 100


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no real manifests; set MESHLINT_SHARED")
def test_same_verdicts_on_real_manifests() -> None:
    official(NEWEST_MINOR)
    chance = random.Random(7)
    for folder in ("kubernetes-examples", "microservices-demo", "neobank"):
        for value in documents(CORPUS / folder):
            if kind_of(value) in bundle(NEWEST_MINOR).kinds:
                assert agree(NEWEST_MINOR, kind_of(value), value), value
                changed = mutated(value, chance)
                assert agree(NEWEST_MINOR, kind_of(value), changed), changed


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "spec", "template", "containers", "ports", "name", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_most_valid_objects_need_no_validator() -> None:
    judged = accepted = 0
    for value in documents(ROOT / "fixtures"):
        schema = bundle(NEWEST_MINOR).schema(kind_of(value))
        if schema is not None and compiled(NEWEST_MINOR, kind_of(value)).is_valid(value):
            judged += 1
            accepted += surely_accepts(schema.schema, value)
    assert accepted > 0.95 * judged > 500


@given(ANYTHING, st.sampled_from(sorted(bundle(NEWEST_MINOR).kinds)))
@settings(max_examples=150, deadline=None)
def test_no_value_is_too_odd(value: Any, kind: str) -> None:
    schema = bundle(NEWEST_MINOR).schema(kind)
    assert schema is not None
    found = list(schema.violations(value))
    assert len({violation.path for violation in found}) == len(found)
    for violation in found:
        assert violation.expected
        assert violation.found


def deployment(container: dict[str, Any]) -> list[Violation]:
    schema = bundle(NEWEST_MINOR).schema("apps/v1/Deployment")
    assert schema is not None
    return list(
        schema.violations(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "a"},
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"spec": {"containers": [{"name": "a", **container}]}},
                },
            }
        )
    )


def test_enumerations_are_known_and_empty_texts_defaulted() -> None:
    (found,) = deployment({"imagePullPolicy": "ifNotPresent"})
    assert found.kind == "not-in-enumeration"
    assert found.expected == "one of Always, IfNotPresent, Never"
    assert not deployment({"imagePullPolicy": ""})
    assert not deployment({"resources": {"limits": {"cpu": 1.5, "memory": "1Gi"}}})
    assert not deployment({"env": [{"name": "A"}, {"name": "A"}]})


# ------------------------------------------------------------------------- custom resources


def crd(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"group": "rail.org", "names": {"kind": "Train"}, "versions": [version], **more},
    }


def converted(schema: dict[str, Any], keeps: bool = False) -> Schema:
    found = custom_schema({"type": "object", "properties": {"spec": schema}}, keeps)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"x-kubernetes-int-or-string": True}, [1, "1", None], [[], 1.5]),
        ({"type": "string", "nullable": True}, ["a", None], [1]),
        ({"type": "string", "enum": ["a"], "nullable": True}, ["a", None], ["b"]),
        ({"type": "object"}, [{}], [{"a": 1}]),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, [{"a": 1}], [1]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": ""}]),
        (
            {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {"b": {"type": "object", "properties": {"c": {"type": "string"}}}},
            },
            [{"a": 1, "b": {"c": "d"}}],
            [{"b": {"e": 1}}],
        ),
        (
            {
                "type": "object",
                "required": ["a", "b"],
                "properties": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}},
            },
            [{"a": "1"}],
            [{"b": "1"}, {"a": None}],
        ),
        (
            {
                "type": "object",
                "properties": {"pod": {"type": "object", "x-kubernetes-embedded-resource": True}},
            },
            [{"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}}],
            [{"pod": {"spec": 1}}],
        ),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, [1], [0]),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "anyOf": [{"required": ["a"]}],
            },
            [{"a": "1"}],
            [{}],
        ),
        (
            {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "properties": {"a": {"type": "string"}}},
            },
            [[{"a": "1"}, {"a": "2"}]],
            [[{"a": "1"}, {"a": "1"}]],
        ),
    ],
)
def test_definitions_are_read_as_the_api_server_reads_them(
    schema: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    judge = converted(schema)
    for value in good:
        assert not list(judge.violations({"spec": value})), value
    for value in bad:
        assert list(judge.violations({"spec": value})), value


def test_old_definitions_keep_what_they_do_not_know() -> None:
    old = crd({"type": "object", "properties": {"spec": {"type": "object"}}})
    old["apiVersion"] = "apiextensions.k8s.io/v1beta1"
    ((kind, schema, keeps),) = definitions(old)
    assert (kind, keeps) == ("rail.org/v1/Train", True)
    judge = custom_schema(schema, keeps)
    assert judge is not None
    assert not list(judge.violations({"spec": {"a": 1}}))


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "object", "properties": {"a": {"type": "strange"}}},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "properties": {"a": {"minLength": "x"}}},
        {"type": "object", "required": "a", "properties": []},
        {"type": "object", "allOf": {"a": 1}, "items": 3},
    ],
)
def test_broken_definitions_are_silent(broken: dict[str, Any]) -> None:
    for _, schema, keeps in definitions(crd(broken)):
        judge = custom_schema(schema, keeps)
        assert judge is None or not list(judge.violations({"metadata": {"name": "a"}}))


@given(ANYTHING)
@settings(max_examples=100, deadline=None)
def test_no_definition_is_too_odd(value: Any) -> None:
    for odd in (crd(value), {"spec": value}, crd({"type": "object", "properties": {"a": value}})):
        for _, schema, keeps in definitions(odd):
            judge = custom_schema(schema, keeps)
            if judge is not None:
                list(judge.violations({"a": value}))


@pytest.mark.parametrize("kind", sorted(_VERSIONS))
def test_every_kind_of_the_gateway_api_compiles(kind: str) -> None:
    metadata = bundle(NEWEST_MINOR).definition("meta.v1.ObjectMeta")
    for version in _VERSIONS[kind].split():
        schema = gateway_api_schema(f"gateway.networking.k8s.io/{version}/{kind}", metadata)
        assert schema is not None
        schema.compile()
        assert ("spex", "unknown-field", "did you mean spec?") in said(schema, {"spex": {}})
    assert gateway_api_schema(f"gateway.networking.k8s.io/v0/{kind}", metadata) is None
