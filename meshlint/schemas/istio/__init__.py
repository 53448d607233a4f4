"""Istio's own kinds and MeshConfig: fields, types, and since when each is there.

The files beside this one hold one entry a protobuf message of istio/api, its fields by their JSON
names. A type is `string`, `bool`, `int`, `int32`, `uint32`, `uint64`, `int64`, `double`, `bytes`,
`regex`, `struct` (a mapping of any shape), `any`, `enum A B`, or a message, of the same file or of
`file/Message`. `[type]` is a list and `{type}` a mapping by any key; `1..5` behind it limits a
number, the length of a string or the items. `int` has its range judged by rules of its own.
`duration 1ms` is at least 1 ms and a multiple of it, `duration 0/1s` zero or more in whole
seconds. A name may go on: `@1.24` is there from that minor on, `@-1.24` up to the one before it.
A name with `!` has to be set; most of these are left to rules of their own.
Each text below `oneof` names fields of which at most one may be set.

Source: istio/api 1.19 to 1.31, and for what comes with 1.32 the definitions of resources in
manifests/charts/base of istio/istio. Minors before 1.19 are not told apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, cached_property
from importlib import resources
from typing import Any

from meshlint.dataclass import dataclass, field
from meshlint.findings import Path
from meshlint.model.durations import seconds
from meshlint.patterns import regexp
from meshlint.schemas.istio.deprecated import FIELDS, VALUES
from meshlint.schemas.violations import Schema, Violation

_KINDS = {
    "networking": (
        "DestinationRule",
        "EnvoyFilter",
        "Gateway",
        "ProxyConfig",
        "ServiceEntry",
        "Sidecar",
        "VirtualService",
        "WorkloadEntry",
        "WorkloadGroup",
    ),
    "security": ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
    "telemetry": ("Telemetry",),
    "extensions": ("TrafficExtension", "WasmPlugin"),
}
_MESSAGES = {
    f"{file}.istio.io/{kind}": f"{file}/{kind}" for file, kinds in _KINDS.items() for kind in kinds
}

KINDS = frozenset(_MESSAGES)
"""Every kind that has a schema: `networking.istio.io/Gateway`."""
MESH_CONFIG = "mesh/MeshConfig"
"""The message of MeshConfig."""

# ------------------------------------------------------------------------------------- notation


@dataclass(frozen=True, slots=True)
class Type:
    """What a field holds. `base` is a word of the notation or a message (`networking/Port`)."""

    base: str
    shape: str = ""
    """`list` or `map` for several of `item`; else empty."""
    item: Type | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    """Values of an enumeration, each with the minor that brings it, if known."""
    least: Decimal | None = None
    most: Decimal | None = None
    step: Decimal = Decimal(0)
    """What a duration is a multiple of, in seconds; 0 for anything."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `since` and `before` are minors, empty where not known."""

    name: str
    type: Type
    since: str = ""
    before: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a mapping with known fields."""

    fields: Mapping[str, Field]
    spellings: Mapping[str, str]
    """Fields by the spelling of the proto file (`jwks_uri`), which parsers take too."""
    one_of: tuple[tuple[str, ...], ...]

    def find(self, key: str) -> Field | None:
        """The field that a key stands for, in either spelling."""
        return self.fields.get(key) or self.fields.get(self.spellings.get(key, ""))


_SNAKE = regexp(r"(?<=[a-z0-9])(?=[A-Z])")
_LIMITS = regexp(r"(.+) (\d*)\.\.(\d*)")


@cache
def _file(name: str) -> dict[str, dict[str, Any]]:
    text = (resources.files(__name__) / f"{name}.json").read_text("utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


@cache
def message(name: str) -> Message:
    """The message of a name such as `networking/HTTPRoute`."""
    file, _, own = name.partition("/")
    fields = {}
    one_of: tuple[tuple[str, ...], ...] = ()
    for key, written in _file(file)[own].items():
        if key == "oneof":
            one_of = tuple(tuple(group.split()) for group in written)
            continue
        plain, *marks = key.split("@")
        since = next((mark for mark in marks if mark[0] != "-"), "")
        before = next((mark[1:] for mark in marks if mark[0] == "-"), "")
        name_ = plain.removesuffix("!")
        fields[name_] = Field(name_, _type(written, file), since, before, name_ != plain)
    spellings = {_SNAKE.sub("_", name).lower(): name for name in fields}
    return Message(fields, spellings, one_of)


def _type(written: str, file: str) -> Type:
    limits = _LIMITS.fullmatch(written)
    least = most = None
    if limits:
        written = limits[1]
        least = Decimal(limits[2]) if limits[2] else None
        most = Decimal(limits[3]) if limits[3] else None
    if written[0] in "[{":
        shape = "list" if written[0] == "[" else "map"
        return Type("", shape, _type(written[1:-1], file), least=least, most=most)
    word, *rest = written.split()
    if word == "enum":
        split = (value.partition("@") for value in rest)
        return Type(word, values={value: since for value, _, since in split})
    if word == "duration":
        low, _, step = rest[0].partition("/")
        return Type(word, least=seconds(low), step=seconds(step or low) or Decimal(0))
    if word[0].isupper() or "/" in word:
        word = word if "/" in word else f"{file}/{word}"
    return Type(word, least=least, most=most)


# ---------------------------------------------------------------------------------- JSON Schema

_INTEGERS = {
    "int": (None, None),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, None),
    "int64": (None, None),
}
_LIMITED = {"string": "Length", "list": "Items", "map": "Properties"}


def _json_schema(type_: Type) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    low, high = _INTEGERS.get(type_.base, (None, None))
    if type_.shape and type_.item is not None:
        inner = _json_schema(type_.item)
        schema = (
            {"type": "array", "items": inner}
            if type_.shape == "list"
            else {"type": "object", "additionalProperties": inner}
        )
    elif "/" in type_.base:
        return {"$ref": f"#/$defs/{_definition(type_.base)}"}
    elif type_.base in _INTEGERS:
        schema = {"type": "integer"}
    elif type_.base == "enum":
        return {"enum": list(type_.values)}
    elif type_.base == "duration":
        return {}  # judged as a leaf
    elif type_.base in _JSON_TYPES:
        schema = {"type": _JSON_TYPES[type_.base]}
    low = low if type_.least is None else int(type_.least)
    high = high if type_.most is None else int(type_.most)
    what = _LIMITED.get(type_.shape or type_.base, "imum")
    if low is not None:
        schema[f"min{what}"] = low
    if high is not None:
        schema[f"max{what}"] = high
    return schema


_JSON_TYPES = {
    "string": "string",
    "regex": "string",
    "bytes": "string",
    "bool": "boolean",
    "double": "number",
    "struct": "object",
}


def _definition(name: str) -> str:
    return name.replace("/", ".")


def _object(found: Message) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _json_schema(field.type) for name, field in found.fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, field in found.fields.items() if field.required]
    if required:
        schema["required"] = required
    groups = []
    for group in found.one_of:
        each = [{"required": [name]} for name in group]
        groups.append({"oneOf": [{"not": {"anyOf": each}}, *each]})
    if groups:
        schema["allOf"] = groups
    return schema


def _definitions(name: str, found: dict[str, Any]) -> None:
    if _definition(name) in found:
        return
    found[_definition(name)] = {}
    here = message(name)
    found[_definition(name)] = _object(here)
    for field_ in here.fields.values():
        type_ = field_.type
        while type_.item is not None:
            type_ = type_.item
        if "/" in type_.base:
            _definitions(type_.base, found)


# ---------------------------------------------------------------------------------- what is read


@dataclass(frozen=True, slots=True)
class Dated:
    """A field, or a value of an enumeration, that only some minors have."""

    path: Path
    since: str
    before: str = ""
    value: str = ""
    """The value of the enumeration; empty for a field."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is a duration or a regular expression by its schema."""

    path: Path
    value: Any
    type: Type


@dataclass(frozen=True, slots=True)
class Deprecated:
    """A field that is set, or a value of an enumeration, that has a successor or no effect."""

    path: Path
    value: Any
    successor: str
    """Field from the message on (`percentage.value`), or value; empty for none."""
    of_value: bool = False
    """Whether it is the value that is deprecated, and not the field."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a schema makes of a value. All paths are those of the value as it is written."""

    violations: tuple[Violation, ...]
    dated: tuple[Dated, ...]
    durations: tuple[Leaf, ...]
    regexes: tuple[Leaf, ...]
    deprecated: tuple[Deprecated, ...]


class Api:
    """The schema of one kind, or of MeshConfig.

    istiod reads MeshConfig by protobuf's JSON rules, which take numbers in quotes and enumerations
    by number (`lenient`); the API server, which checks the kinds first, does not.
    """

    def __init__(self, root: str, *, lenient: bool = False, whole: bool = False) -> None:
        self._root = Type(root)
        self._lenient = lenient
        self._whole = whole

    @cached_property
    def schema(self) -> Schema:
        """As a JSON Schema, of the object as a whole for a kind."""
        definitions: dict[str, Any] = {}
        _definitions(self._root.base, definitions)
        reference = _json_schema(self._root)
        if not self._whole:
            return Schema({**reference, "$defs": definitions})
        names = ("name", "namespace", "labels", "annotations")
        properties = {
            "apiVersion": {},
            "kind": {},
            "metadata": {"properties": {name: {} for name in names}},
            "spec": reference,
            "status": {},
        }
        return Schema(
            {
                "type": "object",
                "properties": properties,
                "additionalProperties": False,
                "$defs": definitions,
            }
        )

    def read(self, value: Any) -> Reading:
        """Compares a value with the schema. Any value will do; nothing raises."""
        reader = _Reader(self._lenient)
        if self._whole and isinstance(value, dict):
            # Keys with such a start hold YAML anchors or belong to other tools.
            plain = {k: v for k, v in value.items() if not str(k).startswith(("x-", "_", "."))}
            if plain.get("spec") is None:
                plain.pop("spec", None)
            else:
                plain["spec"] = reader.read(plain["spec"], self._root, ("spec",))
        else:
            plain = reader.read(value, self._root, ())
        violations = tuple(reader.as_written(v) for v in self.schema.violations(plain))
        return Reading(
            violations,
            tuple(reader.dated),
            tuple(reader.durations),
            tuple(reader.regexes),
            tuple(reader.deprecated),
        )


class _Reader:
    """Brings a value into the one form that the JSON Schema knows, and notes what lies on the way.

    In that form fields have their JSON names and null is absent.
    """

    def __init__(self, lenient: bool) -> None:
        self._lenient = lenient
        self._renamed: dict[Path, str] = {}
        self.dated: list[Dated] = []
        self.durations: list[Leaf] = []
        self.regexes: list[Leaf] = []
        self.deprecated: list[Deprecated] = []

    def as_written(self, violation: Violation) -> Violation:
        """A violation with its path in the spelling of the input."""
        if not self._renamed:
            return violation
        path = violation.path
        steps = tuple(self._renamed.get(path[: n + 1], step) for n, step in enumerate(path))
        return Violation(
            steps,
            violation.kind,
            violation.found,
            violation.expected,
            violation.suggestion,
            violation.nearest,
            violation.rename,
        )

    def read(self, value: Any, type_: Type, path: Path) -> Any:
        if type_.item is not None:
            if type_.shape == "list" and isinstance(value, list):
                return [self.read(v, type_.item, (*path, i)) for i, v in enumerate(value)]
            if type_.shape == "map" and isinstance(value, dict):
                return {
                    key: self.read(item, type_.item, (*path, key))
                    for key, item in value.items()
                    if item is not None
                }
            return value
        if "/" in type_.base:
            read = self._message(value, message(type_.base), path)
            if type_.base in FIELDS or type_.base in VALUES:
                self._note_deprecated(read, type_.base, path)
            return read
        return self._scalar(value, type_, path)

    def _message(self, value: Any, here: Message, path: Path) -> Any:
        if not isinstance(value, dict):
            return value
        found = {}
        for key, item in value.items():
            known = here.find(key) if isinstance(key, str) else None
            if known is None:
                found[str(key)] = item
                continue
            if item is None:
                continue
            steps = (*path, known.name)
            if known.name != key:
                self._renamed[steps] = key
            if known.since or known.before:
                self.dated.append(Dated(self._written(steps), known.since, known.before))
            found[known.name] = self.read(item, known.type, steps)
        return found

    def _note_deprecated(self, read: Any, name: str, path: Path) -> None:
        if not isinstance(read, dict):
            return
        for field_, successor in FIELDS.get(name, {}).items():
            # A zero value is what the field has when it is not set at all.
            found = read.get(field_)
            if found or isinstance(found, dict):
                where = self._written((*path, field_))
                self.deprecated.append(Deprecated(where, found, successor))
        for field_, values in VALUES.get(name, {}).items():
            found = read.get(field_)
            if isinstance(found, str) and found in values:
                where = self._written((*path, field_))
                self.deprecated.append(Deprecated(where, found, values[found], of_value=True))

    def _scalar(self, value: Any, type_: Type, path: Path) -> Any:
        base = type_.base
        if base == "duration":
            self.durations.append(Leaf(self._written(path), value, type_))
        elif base == "regex" and isinstance(value, str):
            self.regexes.append(Leaf(self._written(path), value, type_))
        elif base == "enum":
            if isinstance(value, str) and type_.values.get(value):
                self.dated.append(Dated(self._written(path), type_.values[value], value=value))
            if self._lenient and isinstance(value, int) and not isinstance(value, bool):
                return next(iter(type_.values))
        elif self._lenient and isinstance(value, str):
            return _number(value) if base in _INTEGERS or base == "double" else value
        return value

    def _written(self, path: Path) -> Path:
        if not self._renamed:
            return path
        return tuple(self._renamed.get(path[: n + 1], step) for n, step in enumerate(path))


_WHOLE = regexp(r"-?\d{1,19}")
_DECIMAL = regexp(r"-?\d{1,19}\.\d{1,19}")


def _number(text: str) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


@cache
def of_kind(group_kind: str) -> Api | None:
    """The schema of a kind in all of its versions, which share it; None for another kind."""
    name = _MESSAGES.get(group_kind)
    return Api(name, whole=True) if name is not None else None


@cache
def mesh_config() -> Api:
    """The schema of MeshConfig."""
    return Api(MESH_CONFIG, lenient=True)
