"""What a value does to violate a JSON Schema, in words.

Verdicts are those of the library jsonschema-rs; here its errors become one statement a place, the
one that a person needs. `null` in a mapping counts as absent, as for the Kubernetes API server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.values import get
from meshlint.schemas.acceptance import surely_accepts
from meshlint.schemas.spelling import edits, nearest

Kind = Literal[
    "unknown-field",
    "wrong-type",
    "missing-field",
    "not-in-enumeration",
    "several-of-one",
    "out-of-range",
    "malformed",
    "duplicate-key",
]

_RANK: dict[Kind, int] = {
    "unknown-field": 0,
    "wrong-type": 1,
    "not-in-enumeration": 2,
    "several-of-one": 3,
    "duplicate-key": 4,
    "out-of-range": 5,
    "malformed": 6,
    "missing-field": 7,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that a schema refuses."""

    path: Path
    """To the value; for a missing or unknown field to where it would be or is."""
    kind: Kind
    found: str
    """What stands there by type (`a string`, `a list`): never the value itself. Of several fields
    of which one may be set, their names; of an item that repeats another, what it repeats."""
    expected: str
    """What has to stand there: `a whole number or a string`, `one of A, B`."""
    suggestion: str = ""
    """For an unknown field: `did you mean x?` or `it belongs under y`; else empty."""
    nearest: str = ""
    """For an unknown field: the field beside it that was probably meant; else empty."""
    rename: str = ""
    """The same where no other field beside it is within two letters; else empty."""

    @property
    def field(self) -> str:
        """The last step of the path."""
        return str(self.path[-1]) if self.path else ""


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A part of a schema with lists below it whose items are told apart by fields."""

    fields: Mapping[str, _Keyed]
    items: _Keyed | None
    keys: tuple[str, ...]


_BEFORE_COMPILING = 5
"""Values that a schema is asked about before compiling it pays."""


class Schema:
    """A JSON Schema (draft 2020-12), compiled when it is first asked.

    References are to `#/$defs/...`. A field that `properties` does not list is refused where the
    schema says `additionalProperties: false`. `x-kubernetes-list-map-keys` names the fields that
    together tell the items of a list apart.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema: dict[str, Any] = dict(schema)
        self._asked = 0
        self._keyed_definitions: dict[str, _Keyed | None] = {}

    @cached_property
    def _validator(self) -> Any:
        import jsonschema_rs

        return jsonschema_rs.Draft202012Validator(self.schema)

    def compile(self) -> None:
        """Compiles now. Raises ValueError for a schema that is none."""
        self._validator.is_valid(None)

    def is_valid(self, value: Any) -> bool:
        """Whether the schema accepts a value as it is; quick, but `null` is not read as absent."""
        self._asked += 1
        if self._asked <= _BEFORE_COMPILING and surely_accepts(self.schema, value):
            return True
        try:
            return bool(self._validator.is_valid(value))
        except ValueError:  # text that is no Unicode, nesting without end: reported elsewhere
            return True

    def violations(self, value: Any) -> Iterator[Violation]:
        """What is wrong with a value, at most one statement a place, in the order of places."""
        repeated = list(_repeated(self._keyed, value, ())) if self._keyed else []
        errors: list[Any] = []
        if not self.is_valid(value):
            try:
                errors = list(self._validator.iter_errors(value))
            except ValueError:
                return
        if errors or repeated:
            yield from _chosen([*self._explained(value, errors), *repeated])

    @cached_property
    def _keyed(self) -> _Keyed | None:
        """The way to all lists whose items are told apart by fields."""
        return self._keyed_below(self.schema)

    def _keyed_below(self, schema: Any) -> _Keyed | None:
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str):
            return self._keyed_inside(schema)
        known = self._keyed_definitions
        if reference not in known:
            known[reference] = None  # for a schema of schemas, which has no such lists
            known[reference] = self._keyed_inside(self._resolved(schema))
        return known[reference]

    def _keyed_inside(self, schema: Any) -> _Keyed | None:
        if not isinstance(schema, dict):
            return None
        fields = {
            name: below
            for name, inner in (schema.get("properties") or {}).items()
            if (below := self._keyed_below(inner)) is not None
        }
        items = self._keyed_below(schema["items"]) if "items" in schema else None
        keys = tuple(_strings(schema.get("x-kubernetes-list-map-keys")))
        return _Keyed(fields, items, keys) if fields or items or keys else None

    def _explained(self, value: Any, errors: Iterable[Any]) -> Iterator[Violation]:
        for error in errors:
            yield from self._explain(value, error)

    # ------------------------------------------------------------------------- one error

    def _explain(self, value: Any, error: Any) -> Iterator[Violation]:
        kind = error.kind
        name: str = kind.name
        path: Path = tuple(error.instance_path)
        found = get(value, *path)
        if found is None and path and isinstance(path[-1], str):
            yield from self._null(value, path)
        elif name in ("additionalProperties", "unevaluatedProperties"):
            for key in kind.unexpected:
                yield self._unknown(value, path, key)
        elif name == "required":
            missing = str(kind.property)
            expected = self.words((*path, missing))
            yield Violation((*path, missing), "missing-field", "nothing", expected)
        elif name in ("anyOf", "oneOf") and hasattr(kind, "context"):
            yield from self._one_branch(value, path, error)
        else:
            yield self._plain(found, path, error)

    def _null(self, value: Any, path: Path) -> Iterator[Violation]:
        field = path[-1]
        owner = get(value, *path[:-1])
        for schema in self.at(path[:-1]):
            if field in _strings(schema.get("required")):
                yield Violation(path, "missing-field", "null", self.words(path))
                return
            known = schema.get("properties")
            if schema.get("additionalProperties") is False and isinstance(known, dict):
                if isinstance(owner, dict) and field not in known:
                    yield self._unknown(value, path[:-1], str(field))
                return

    def _plain(self, found: Any, path: Path, error: Any) -> Violation:
        keyword = str(error.schema_path[-1]) if error.schema_path else ""
        schema = self._schema_of(error)
        limit = schema.get(keyword) if isinstance(schema, dict) else None
        what = of_type(found)
        if keyword == "type":
            expected = _type_words(limit, schema)
            return Violation(path, "wrong-type", what, expected)
        if keyword in ("enum", "const"):
            options = limit if keyword == "enum" and isinstance(limit, list) else [limit]
            types = {type(option) for option in options}
            if type(found) not in types and isinstance(found, dict | list):
                return Violation(path, "wrong-type", what, _options(options))
            return Violation(path, "not-in-enumeration", what, _options(options))
        if keyword in _RANGES:
            words = _RANGES[keyword]
            return Violation(path, "out-of-range", what, words.format(_number(limit)))
        if keyword == "not":
            return _refused(found, path, limit)
        if schema is False or keyword not in _OTHERS:
            return Violation(path, "malformed", what, self.words(path))
        return Violation(path, "malformed", what, _OTHERS[keyword].format(limit))

    def _schema_of(self, error: Any) -> Any:
        return _walk(self.schema, error.schema_path[:-1])

    # -------------------------------------------------------------------------- branches

    def _one_branch(self, value: Any, path: Path, error: Any) -> Iterator[Violation]:
        found = get(value, *path)
        keyword = error.kind.name
        schema = self._schema_of(error)
        declared = schema.get(keyword, []) if isinstance(schema, dict) else []
        branches = [self._resolved(branch) for branch in declared]
        context: list[list[Any]] = list(error.kind.context)
        if error.schema_path[-1] == "oneOf" and not (context and all(context)):
            # A branch that accepts the value has no errors: several of them do.
            yield _several(found, path, branches)
            return
        meant = [
            (branch, errors)
            for branch, errors in zip(branches, context, strict=False)
            if not any(e.kind.name == "type" and tuple(e.instance_path) == path for e in errors)
        ]
        if not meant:
            expected = _joined([_branch_words(branch) for branch in branches])
            yield Violation(path, "wrong-type", of_type(found), expected)
            return
        if all(_only_required(errors, path) for _, errors in meant) and len(meant) > 1:
            names = [str(e.kind.property) for _, errors in meant for e in errors]
            names = list(dict.fromkeys(names))
            yield Violation(
                path, "missing-field", of_type(found), f"one of the fields {_named(names)}"
            )
            return
        yield from _chosen(self._explained(value, min(meant, key=_distance)[1]))

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(_MOST_REFERENCES):
            if not isinstance(schema, dict):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = _walk(self.schema, reference.removeprefix("#/").split("/"))
        return {}

    # --------------------------------------------------------------------------- schemas

    def at(self, path: Path) -> list[dict[str, Any]]:
        """The schemas that describe the place at a path; several with allOf, anyOf or oneOf."""
        schemas = self._parts(self.schema)
        for step in path:
            schemas = [
                part for schema in schemas for part in self._parts(_member_schema(schema, step))
            ]
        return schemas

    def _parts(self, schema: Any, depth: int = 0) -> list[dict[str, Any]]:
        schema = self._resolved(schema)
        if not schema or depth > _MOST_REFERENCES:
            return []
        parts = [schema]
        for keyword in ("allOf", "anyOf", "oneOf"):
            for branch in schema.get(keyword) or ():
                parts += self._parts(branch, depth + 1)
        return parts

    def fields(self, path: Path) -> dict[str, Any]:
        """The fields that the mapping at a path may have by name, each with its schema.

        Of a list those of its items.
        """
        schemas = self.at(path)
        items = [
            part for schema in schemas for part in self._parts(_member_schema(schema, 0)) if part
        ]
        found: dict[str, Any] = {}
        for schema in (*schemas, *items):
            found.update(schema.get("properties") or {})
        return found

    def words(self, path: Path) -> str:
        """What has to stand at a path: `a list`, `a whole number or a string`."""
        schemas = self.at(path)
        if not schemas:
            return "a value"
        first = schemas[0]
        if isinstance(first.get("enum"), list):
            return _options(first["enum"])
        branches = first.get("anyOf") or first.get("oneOf")
        if "type" not in first and isinstance(branches, list):
            return _joined([_branch_words(self._resolved(branch)) for branch in branches])
        return _branch_words(first)

    # --------------------------------------------------------------------- unknown fields

    def _unknown(self, value: Any, path: Path, key: str) -> Violation:
        suggestion, near = self._meant(value, path, key)
        what = of_type(get(value, *path, key))
        rename = near if near and self._is_sure(key, near, self.fields(path)) else ""
        return Violation(
            (*path, key), "unknown-field", what, "no such field", suggestion, near, rename
        )

    def _is_sure(self, key: str, near: str, siblings: Iterable[str]) -> bool:
        """Whether a name is a known one in other letters, or no third one is as good."""
        if near.lower() == key.lower():
            return True
        return [name for name in siblings if edits(key, name, 2) <= 2] == [near]

    def _meant(self, value: Any, path: Path, key: str) -> tuple[str, str]:
        """In words what was probably meant by a field that does not exist, and its name here."""
        present = get(value, *path)
        present = present if isinstance(present, dict) else {}
        siblings = self.fields(path)
        free = [name for name in siblings if name not in present]
        near = nearest(key, free)
        if near and near.lower() == key.lower():
            return f"did you mean {near}?", near
        for name, inner in present.items():
            inside = name in siblings and isinstance(inner, dict | list)
            if inside and key in self.fields((*path, name)):
                return f"it belongs under {name}", ""
        for depth in range(len(path) - 1, -1, -1):
            if isinstance(path[depth], str) and key in self.fields(path[:depth]):
                return _higher(path, depth), ""
        near = near or self._longer(path, present, key)
        if near:
            return f"did you mean {near}?", near
        below = [name for name in free if key in self.fields((*path, name))]
        if len(below) == 1:
            return f"it belongs under {below[0]}", ""
        return "", ""

    def _longer(self, path: Path, present: Mapping[str, Any], key: str) -> str:
        """The required field that is missing, where the unknown one is a part of its name."""
        required = {name for schema in self.at(path) for name in _strings(schema.get("required"))}
        found = [
            name
            for name in sorted(required - set(present))
            if len(key) > 2 and key.lower() in name.lower()
        ]
        return found[0] if len(found) == 1 else ""


_MOST_REFERENCES = 20

_RANGES = {
    "minimum": "{} or more",
    "maximum": "{} or less",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "a string of {} or more characters",
    "maxLength": "a string of {} or fewer characters",
    "minItems": "a list of {} or more items",
    "maxItems": "a list of {} or fewer items",
    "minProperties": "a mapping of {} or more fields",
    "maxProperties": "a mapping of {} or fewer fields",
}
_OTHERS = {
    "pattern": "a string that matches `{}`",
    "format": "a string in the format `{}`",
    "multipleOf": "a multiple of {}",
    "uniqueItems": "a list without repeated items",
    "propertyNames": "other keys",
}


def _walk(schema: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        if isinstance(schema, dict):
            schema = schema.get(_unescaped(step))
        elif isinstance(schema, list) and str(step).isdigit() and int(step) < len(schema):
            schema = schema[int(step)]
        else:
            return None
    return schema


def _unescaped(step: str | int) -> str:
    return str(step).replace("~1", "/").replace("~0", "~")


def _member_schema(schema: dict[str, Any], step: str | int) -> Any:
    if isinstance(step, int):
        return schema.get("items")
    known = schema.get("properties")
    if isinstance(known, dict) and step in known:
        return known[step]
    return schema.get("additionalProperties")


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


# ---------------------------------------------------------------------------- repeated items

_DEFAULT_KEYS = {"protocol": "TCP"}
"""What a field that tells items apart is where it is absent (Kubernetes API)."""


def _repeated(keyed: _Keyed, value: Any, path: Path) -> Iterator[Violation]:
    if isinstance(value, dict):
        for name, below in keyed.fields.items():
            inner = value.get(name)
            if inner:
                yield from _repeated(below, inner, (*path, name))
    elif isinstance(value, list):
        seen: set[tuple[str, ...]] = set()
        for index, item in enumerate(value):
            if keyed.items is not None:
                yield from _repeated(keyed.items, item, (*path, index))
            found = _key_of(item, keyed.keys)
            if found is not None and found in seen:
                written = next(key for key in keyed.keys if key in item)
                words = [f"{key} {part}" for key, part in zip(keyed.keys, found, strict=True)]
                yield Violation(
                    (*path, index, written),
                    "duplicate-key",
                    _named(words, "and"),
                    f"another {_named(keyed.keys)}",
                )
            elif found is not None:
                seen.add(found)


def _key_of(item: Any, keys: Sequence[str]) -> tuple[str, ...] | None:
    """The fields that tell an item apart; None where they are not all known."""
    if not keys or not isinstance(item, dict) or not any(key in item for key in keys):
        return None
    found = []
    for key in keys:
        part = item.get(key, _DEFAULT_KEYS.get(key))
        if part is None or isinstance(part, dict | list):
            return None
        found.append(str(part))
    return tuple(found)


# ------------------------------------------------------------------------------------ choice


def _chosen(violations: Iterable[Violation]) -> Iterator[Violation]:
    """One a place: the most telling one."""
    best: dict[Path, Violation] = {}
    for violation in violations:
        known = best.get(violation.path)
        if known is None or _RANK[violation.kind] < _RANK[known.kind]:
            best[violation.path] = violation
    # A required field that was misspelt is not missing as well.
    for violation in list(best.values()):
        meant = (*violation.path[:-1], violation.nearest)
        if violation.nearest and meant in best and best[meant].kind == "missing-field":
            del best[meant]
    yield from (best[path] for path in sorted(best, key=lambda path: [*map(_sort_key, path)]))


def _sort_key(step: str | int) -> tuple[int, int, str]:
    return (0, step, "") if isinstance(step, int) else (1, 0, step)


def _distance(branch: tuple[dict[str, Any], list[Any]]) -> tuple[int, int, int]:
    """How far a value is from a branch: one that its own type or kind rules out is the farthest."""
    errors = branch[1]
    names = [error.kind.name for error in errors]
    shape = sum(name in ("enum", "const") for name in names)
    fields = sum(name in ("additionalProperties", "required") for name in names)
    return shape, fields, len(errors)


def _only_required(errors: Sequence[Any], path: Path) -> bool:
    return len(errors) == 1 and all(
        error.kind.name == "required" and tuple(error.instance_path) == path for error in errors
    )


def _several(found: Any, path: Path, branches: Sequence[dict[str, Any]]) -> Violation:
    names: list[str] = []
    for branch in branches:
        names += [name for name in _strings(branch.get("required")) if name not in names]
    present = [name for name in names if isinstance(found, dict) and found.get(name) is not None]
    if len(present) > 1:
        return Violation(
            path,
            "several-of-one",
            _named(present, "and"),
            f"only one of {_named(present, 'and')}",
        )
    if names and not present:
        return Violation(
            path, "missing-field", of_type(found), f"one of the fields {_named(names)}"
        )
    return Violation(path, "several-of-one", of_type(found), "a value of one form only")


def _refused(found: Any, path: Path, schema: Any) -> Violation:
    wanted = schema.get("required") if isinstance(schema, dict) else None
    names = _strings(wanted)
    if len(names) > 1:
        words = _named(names, "and")
        return Violation(path, "several-of-one", words, f"only one of {words}")
    if names and isinstance(found, dict):
        return Violation((*path, names[0]), "several-of-one", of_type(found), "nothing here")
    return Violation(path, "malformed", of_type(found), "another value")


def _higher(path: Path, depth: int) -> str:
    names = [step for step in path[:depth] if isinstance(step, str)]
    up = sum(isinstance(step, str) for step in path[depth:])
    beside = f"beside {path[depth]}"
    if up == 1:
        return f"it belongs one level up, {beside}"
    return f"it belongs {up} levels up, {f'in {names[-1]}, ' if names else ''}{beside}"


# ------------------------------------------------------------------------------------- words


def of_type(value: Any) -> str:
    """A value's type in words; never the value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "a mapping"


_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _type_words(types: Any, schema: Any) -> str:
    names = types if isinstance(types, list) else [types]
    words = [_TYPES.get(name, "a value") for name in names if name != "null" or len(names) == 1]
    if "array" in names and isinstance(schema, dict):
        inner = schema.get("items")
        of = _PLURALS.get(str(inner.get("type"))) if isinstance(inner, dict) else None
        if of:
            words = [f"a list of {of}" if word == "a list" else word for word in words]
    return _joined(words)


_PLURALS = {
    "string": "strings",
    "integer": "whole numbers",
    "number": "numbers",
    "object": "mappings",
}


def _branch_words(schema: Mapping[str, Any]) -> str:
    if isinstance(schema.get("enum"), list):
        return _options(schema["enum"])
    if "type" in schema:
        return _type_words(schema["type"], schema)
    return "a mapping" if "properties" in schema else "a value"


def _joined(words: Sequence[str]) -> str:
    words = list(dict.fromkeys(words))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _options(options: Sequence[Any]) -> str:
    words = [_literal(option) for option in options if option not in (None, "")]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _named(names: Sequence[str], last: str = "or") -> str:
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
