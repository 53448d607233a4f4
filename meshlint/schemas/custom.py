"""JSON Schemas from CustomResourceDefinitions.

Source: the structural schemas of Kubernetes (apiextensions-apiserver, pkg/apiserver/schema): what a
schema does not specify is pruned, `x-kubernetes-*` extensions say where it is kept. Validation
rules in CEL (`x-kubernetes-validations`) are not evaluated, formats are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.model.values import items, mapping, mappings, text
from meshlint.schemas.violations import Schema

_PLAIN = (
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "uniqueItems",
    "x-kubernetes-list-map-keys",
)
_KEEPS = "x-kubernetes-preserve-unknown-fields"
_MOST_LEVELS = 100


def definitions(crd: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """What a CustomResourceDefinition serves.

    Yields each served kind (`example.com/v1/Widget`), its openAPIV3Schema, and whether fields that
    the schema does not specify are kept. Versions without a schema are left out.
    """
    spec = mapping(crd, "spec")
    group, kind = text(spec, "group"), text(spec, "names", "kind")
    if not group or not kind:
        return
    old = text(crd, "apiVersion").endswith("/v1beta1")
    keeps = spec.get("preserveUnknownFields", old) is not False
    shared = mapping(spec, "validation", "openAPIV3Schema")
    versions: list[Mapping[str, Any]] = [entry for _, entry in mappings(spec, "versions")]
    if not versions and text(spec, "version"):
        versions = [{"name": spec["version"], "served": True}]
    for version in versions:
        name = text(version, "name")
        schema = mapping(version, "schema", "openAPIV3Schema") or shared
        if name and schema and version.get("served") is not False:
            yield f"{group}/{name}/{kind}", schema, keeps


def custom_schema(
    schema: Mapping[str, Any], keeps: bool = False, metadata: Mapping[str, Any] | None = None
) -> Schema | None:
    """The schema of a kind from its openAPIV3Schema; None for one that cannot be used.

    `metadata` is a JSON Schema with `$defs` for what the API server demands of `metadata`.
    """
    try:
        converted = _structural(schema, keeps, 0)
        properties = converted.setdefault("properties", {})
        for field in ("apiVersion", "kind"):
            properties[field] = {"type": "string"}
        properties["metadata"] = {"$ref": metadata["$ref"]} if metadata else {"type": "object"}
        if "status" in properties:
            properties["status"] = {}
        if metadata:
            converted["$defs"] = metadata["$defs"]
        found = Schema(converted)
        found.compile()
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return found


def _structural(schema: Any, keeps: bool, depth: int) -> dict[str, Any]:
    """A schema whose unspecified fields are refused, where the API server would prune them."""
    if depth > _MOST_LEVELS:
        raise ValueError("a schema without end")
    schema = mapping(schema)
    # Below a mapping that keeps what it does not know, what is specified is pruned again.
    keeps_here = keeps or schema.get(_KEEPS) is True
    found = _values(schema, depth)
    properties = {
        name: _structural(inner, keeps, depth + 1)
        for name, inner in mapping(schema, "properties").items()
    }
    if schema.get("x-kubernetes-embedded-resource") is True:
        properties.setdefault("apiVersion", {"type": "string"})
        properties.setdefault("kind", {"type": "string"})
        properties.setdefault("metadata", {"type": "object"})
    if properties:
        found["properties"] = properties
    required = _required(schema)
    if required:
        found["required"] = required
    if "items" in schema:
        found["items"] = _structural(schema["items"], keeps, depth + 1)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        found["additionalProperties"] = _structural(others, keeps, depth + 1)
    elif others is None and not keeps_here and schema.get("type") == "object":
        found["additionalProperties"] = False
    return found


def _required(schema: Mapping[str, Any]) -> list[str]:
    """The fields that must be written: those with a default are filled in before validation."""
    known = mapping(schema, "properties")
    return [
        name
        for name in items(schema, "required")
        if isinstance(name, str) and "default" not in mapping(known, name)
    ]


def _values(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """What a schema says of a value itself."""
    found = {key: schema[key] for key in _PLAIN if key in schema}
    for limit, exclusive in (
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ):
        if schema.get(exclusive) is True and limit in found:
            found[exclusive] = found.pop(limit)
    nullable = schema.get("nullable") is True
    if schema.get("x-kubernetes-int-or-string") is True:
        found["type"] = ["integer", "string"]
    elif isinstance(schema.get("type"), str) and schema["type"]:
        found["type"] = schema["type"]
    if nullable and "type" in found:
        types = found["type"]
        found["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    options = items(schema, "enum")
    if options:
        found["enum"] = [*options, None] if nullable else list(options)
    for keyword in ("allOf", "anyOf", "oneOf"):
        branches = items(schema, keyword)
        if branches:
            found[keyword] = [_condition(branch, depth + 1) for branch in branches]
    if isinstance(schema.get("not"), dict):
        found["not"] = _condition(schema["not"], depth + 1)
    return found


def _condition(schema: Any, depth: int) -> dict[str, Any]:
    """A branch of allOf, anyOf, oneOf or not: it says nothing about fields it does not name."""
    if depth > _MOST_LEVELS:
        raise ValueError("a schema without end")
    schema = mapping(schema)
    found = _values(schema, depth)
    properties = mapping(schema, "properties")
    if properties:
        found["properties"] = {
            name: _condition(inner, depth + 1) for name, inner in properties.items()
        }
    if items(schema, "required"):
        found["required"] = [name for name in schema["required"] if isinstance(name, str)]
    if "items" in schema:
        found["items"] = _condition(schema["items"], depth + 1)
    if isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = _condition(schema["additionalProperties"], depth + 1)
    return found
