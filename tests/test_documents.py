"""What is read from YAML and JSON: values, places, document numbers, problems."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meshlint.documents import (
    MAX_ALIASED_NODES,
    MAX_DEPTH,
    Document,
    ParsedFile,
    parse,
    plain_scalar,
)
from meshlint.text import SourceFile

Steps = tuple[str | int, ...]

both_parsers = pytest.mark.parametrize("native", [True, False], ids=["native", "pure"])


def read(text: str, *, native: bool = True) -> ParsedFile:
    return parse(SourceFile("a.yaml", text), native=native)


def only(text: str, *, native: bool = True) -> Document:
    parsed = read(text, native=native)
    assert not parsed.problems
    (document,) = parsed.documents
    return document


def reasons(parsed: ParsedFile) -> list[str]:
    return [problem.message for problem in parsed.problems]


def paths(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, held in value.items():
            yield from paths(held, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


def at(document: Document, *path: str | int) -> str:
    span = document.span_of(path)
    assert span is not None
    return document.file.text[span.start : span.end]


def key_at(document: Document, *path: str | int) -> str:
    span = document.key_span(path)
    assert span is not None
    return document.file.text[span.start : span.end]


# ------------------------------------------------------------------------------------- scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("y", True),
        ("Y", True),
        ("yes", True),
        ("on", True),
        ("ON", True),
        ("true", True),
        ("n", False),
        ("No", False),
        ("off", False),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("oN", "oN"),
        ("0", 0),
        ("-0", 0),
        ("+1", 1),
        ("-12", -12),
        ("1_000", 1000),
        ("1__0_", 10),
        ("0644", 420),
        ("-0644", -420),
        ("0o17", 15),
        ("0O17", 15),
        ("0o18", "0o18"),
        ("0x1F", 31),
        ("0X1f", 31),
        ("0x_1_F", 31),
        ("+0x1F", 31),
        ("0x", "0x"),
        ("0b101", 5),
        ("-0b101", -5),
        ("0b102", "0b102"),
        ("9223372036854775808", 2**63),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -float(2**63)),
        ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
        ("08", 8.0),
        ("1.", 1.0),
        ("1.10", 1.1),
        ("-.5", -0.5),
        ("+.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        ("1_0.5_0", 10.5),
        (".5_0", ".5_0"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("1e-400", 0.0),
        (".inf", math.inf),
        ("+.Inf", math.inf),
        ("-.INF", -math.inf),
        ("inf", "inf"),
        ("+inf", "+inf"),
        (".", "."),
        ("-", "-"),
        ("+", "+"),
        ("...", "..."),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("1-2", "1-2"),
        ("_1", "_1"),
        ("12:30:45", "12:30:45"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("=", "="),
        ("<<", "<<"),
        ("100m", "100m"),
        ("1Gi", "1Gi"),
        ("٣", "٣"),
        ("1٣", "1٣"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    assert math.isnan(plain_scalar(text))


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_in_every_notation(number: int) -> None:
    sign = "-" if number < 0 else ""
    size = abs(number)
    for text in (f"{size}", f"{size:_}", f"0x{size:x}", f"0o{size:o}", f"0{size:o}", f"0b{size:b}"):
        assert plain_scalar(sign + text) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats(number: float) -> None:
    assert plain_scalar(repr(number)) == number
    assert plain_scalar(f"{number:.17e}") == number


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", "a"),
        ("'1'", "1"),
        ("1", "1"),
        ("0x10", "16"),
        ("yes", "true"),
        ("off", "false"),
        ("null", "null"),
        ("1.10", "1.1"),
        ("1.0", "1"),
        ("-0.5", "-0.5"),
        ("100000.0", "100000"),
        ("1e6", "1e+06"),
        ("1.5e-7", "1.5e-07"),
        ("0.0001", "0.0001"),
        ("0.1", "0.1"),
        ("3.4028235e+38", "3.4028235e+38"),
        ("1e39", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("16777217.0", "1.6777216e+07"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ('"a\\nb"', "a\nb"),
    ],
)
def test_keys_are_texts(text: str, key: str) -> None:
    assert only(f"{text}: x\n").value == {key: "x"}


@both_parsers
def test_equal_collections_are_kept_once(native: bool) -> None:
    document = only(
        "a: {x: 1, z: [p, q]}\nb:\n  x: 1\n  z:\n  - p\n  - q\nc: {x: true, z: [p, q]}\n"
        "d: {x: '1', z: [p, q]}\ne: {x: 1.0, z: [p, q]}\nf: {z: [p, q], x: 1}\ng: {}\nh: []\n",
        native=native,
    )
    value = document.value
    assert value["a"] is value["b"]
    assert len({id(value[key]["z"]) for key in "abcdef"}) == 1
    assert [repr(value[key]["x"]) for key in "abcdef"] == ["1", "1", "True", "'1'", "1.0", "1"]
    assert list(value["f"]) == ["z", "x"]
    assert (value["g"], value["h"]) == ({}, [])
    for path in (("a", "z", 1), ("b", "z", 1), ("c", "z", 1)):
        span = document.span_of(path)
        assert span is not None
        assert document.file.text[span.start : span.end] == "q"
        assert document.file.position(span.start).line == {"a": 1, "b": 6, "c": 7}[path[0]]


@both_parsers
@pytest.mark.parametrize("line_end", ["\n", "\x85", "\u2028"])
def test_text_after_a_directive_is_not_lost(line_end: str, native: bool) -> None:
    text = line_end.join(("kind: Pod", "%YAML 1.1", "# why", "spec: 1", ""))
    assert len(parse(SourceFile("a.yaml", text), native=native).problems) == 1
    alone = line_end.join(("kind: Pod", "%YAML 1.1", "# why", ""))
    assert not parse(SourceFile("a.yaml", alone), native=native).problems


# ------------------------------------------------------------------- anchors, aliases, merge keys


@both_parsers
def test_aliases_are_the_same_object(native: bool) -> None:
    value = only("a: &x {b: 1}\nc: *x\nd: [*x]\n", native=native).value
    assert value["a"] is value["c"] is value["d"][0]


@both_parsers
def test_places_of_aliases(native: bool) -> None:
    document = only("a: &x {b: 1}\nc: *x\nd: [*x]\n", native=native)
    assert at(document, "a") == "&x {b: 1}"
    assert at(document, "c") == "*x"
    assert at(document, "d", 0) == "*x"
    assert at(document, "c", "b") == at(document, "d", 0, "b") == "1"
    assert document.span_of(("c", "b")) == document.span_of(("a", "b"))


@both_parsers
def test_places_of_merged_keys(native: bool) -> None:
    document = only(
        "x: &x\n  a: 1\n  b: 2\nw: &w\n  <<: *x\n  b: 3\nz:\n  c: 4\n  <<: [*w, {d: 5}]\n",
        native=native,
    )
    assert document.value["z"] == {"c": 4, "b": 3, "a": 1, "d": 5}
    assert [document.file.position(s.start).line for s in places(document, "z")] == [8, 6, 2, 9]
    assert at(document, "z", "d") == "5"
    assert key_at(document, "z", "a") == "a"
    assert at(document, "w", "a") == "1"


def places(document: Document, key: str) -> Iterator[Any]:
    for name in document.value[key]:
        yield document.span_of((key, name))


@both_parsers
def test_places_beside_duplicate_keys(native: bool) -> None:
    parsed = read("a: 1\nb: [x]\na: {c: 2}\nd: 3\n", native=native)
    (document,) = parsed.documents
    assert document.value == {"a": {"c": 2}, "b": ["x"], "d": 3}
    assert at(document, "a") == "{c: 2}"
    assert at(document, "a", "c") == "2"
    assert at(document, "b", 0) == "x"
    assert at(document, "d") == "3"
    (problem,) = parsed.problems
    assert (problem.kind, problem.message, problem.document) == ("duplicate-key", "a", 0)
    assert parsed.file.position(problem.span.start).line == 3
    ((first, _),) = problem.related
    assert parsed.file.position(first.start).line == 1


@both_parsers
def test_merged_keys_may_repeat(native: bool) -> None:
    assert not read("a: &a {x: 1}\nb: {<<: *a, x: 2}\n", native=native).problems


@both_parsers
def test_alias_bomb(native: bool) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
    for level in range(1, 30):
        before = ", ".join([f"*a{level - 1}"] * 10)
        levels.append(f"a{level}: &a{level} [{before}]\n")
    parsed = read("".join(levels) + "---\nok: 1\n", native=native)
    assert [document.value for document in parsed.documents] == [{"ok": 1}]
    assert reasons(parsed) == [f"the aliases stand for more than {MAX_ALIASED_NODES:,} values"]


@both_parsers
def test_merge_bomb(native: bool) -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(500))
    levels = [f"a0: &a0 {{{keys}}}\n"]
    levels += [
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}], x{n}: 1}}\n" for n in range(1, 30)
    ]
    assert reasons(read("".join(levels), native=native)) == [
        f"the aliases stand for more than {MAX_ALIASED_NODES:,} values"
    ]


@both_parsers
def test_many_aliases_are_no_bomb(native: bool) -> None:
    value = only("a: &a [1, 2]\nb:\n" + "- *a\n" * 3000, native=native).value
    assert value["b"] == [[1, 2]] * 3000


# -------------------------------------------------------------------------------------- nesting


@both_parsers
@pytest.mark.parametrize(
    ("start", "end"), [("[", "]"), ("{a: ", "}"), ('{"a":', "}")], ids=["list", "map", "json"]
)
def test_depth_is_bounded(start: str, end: str, native: bool) -> None:
    assert only(start * MAX_DEPTH + "1" + end * MAX_DEPTH, native=native)
    for levels in (MAX_DEPTH + 1, 50_000):
        parsed = read(start * levels + "1" + end * levels + "\n---\nok: 1\n", native=native)
        assert reasons(parsed) == [f"nested more than {MAX_DEPTH} levels deep"]
        assert [document.value for document in parsed.documents] == [{"ok": 1}]


@both_parsers
def test_depth_of_blocks_is_bounded(native: bool) -> None:
    parsed = read("".join(f"{' ' * level}a:\n" for level in range(MAX_DEPTH + 1)), native=native)
    assert reasons(parsed) == [f"nested more than {MAX_DEPTH} levels deep"]


# --------------------------------------------------------------------------------------- places


@both_parsers
def test_places(native: bool) -> None:
    document = only(
        "# before\nspec:\n  text: |\n    a\n\n    b\n\n\n  # comment\n"
        "  'quoted key' : \"x\" # y\n  list:\n  - a\n  -   b: {c: d}\n      e:\n"
        "\n  none:\n# after\n",
        native=native,
    )
    assert key_at(document) == at(document)
    assert at(document).startswith("spec:")
    assert at(document).endswith("none:")
    assert at(document, "spec", "text") == "|\n    a\n\n    b"
    assert key_at(document, "spec", "quoted key") == "'quoted key'"
    assert at(document, "spec", "quoted key") == '"x"'
    assert at(document, "spec", "list") == "- a\n  -   b: {c: d}\n      e:"
    assert at(document, "spec", "list", 1) == "b: {c: d}\n      e:"
    assert key_at(document, "spec", "list", 1) == at(document, "spec", "list", 1)
    assert at(document, "spec", "list", 1, "b") == "{c: d}"
    assert at(document, "spec", "list", 1, "e") == ""
    assert key_at(document, "spec", "list", 1, "e") == "e"
    none = document.span_of(("spec", "none"))
    assert none is not None
    assert document.file.text[: none.start].endswith("none:")


def test_places_that_are_not_there() -> None:
    document = only("a: {b: [1]}\n1: x\n")
    missing: list[Steps] = [
        ("c",),
        ("a", "c"),
        ("a", "b", 1),
        ("a", "b", -1),
        ("a", 0),
        ("a", "b", "0"),
    ]
    missing += [("a", "b", 0, "x"), (1,)]
    for path in missing:
        assert document.span_of(path) is None
        assert document.key_span(path) is None
        assert document.nearest(path) != (path, True)


def test_nearest() -> None:
    document = only("a: {b: [1, {c: d}]}\n")
    assert document.nearest(()) == ((), True)
    assert document.nearest(("a", "b", 1, "c")) == (("a", "b", 1, "c"), True)
    assert document.nearest(("a", "b", 1, "x", "y")) == (("a", "b", 1), False)
    assert document.nearest(("a", "b", 2)) == (("a", "b"), False)
    assert document.nearest(("x",)) == ((), False)


@both_parsers
def test_places_in_large_collections(native: bool) -> None:
    text = "".join(f"k{number}:\n- a: {number}\n- {number}\n" for number in range(300))
    text += "list: [" + ", ".join(f"{{x: {number}}}" for number in range(300)) + "]\n"
    document = only(text, native=native)
    for number in (0, 15, 16, 17, 299):
        assert at(document, f"k{number}", 0, "a") == str(number)
        assert at(document, f"k{number}", 1) == str(number)
        assert at(document, "list", number, "x") == str(number)


def test_finding_places_in_large_lists_takes_linear_time() -> None:
    document = only("items:\n" + "- {a: {b: 1}}\n" * 20_000)
    started = time.process_time()
    for index in range(20_000):
        assert document.span_of(("items", index, "a", "b")) is not None
    assert time.process_time() - started < 5


@both_parsers
@pytest.mark.parametrize("separator", ["---\n", "--- # x\n", "%YAML 1.1\n---\n", "# x\n---\n"])
def test_span_of_a_document_begins_at_its_separator(separator: str, native: bool) -> None:
    document = only(f"{separator}a: 1\n\n# end\n", native=native)
    text = document.file.text[document.span.start : document.span.end]
    assert text == separator[separator.index("---") :] + "a: 1"


# ---------------------------------------------------------------------------- numbers of documents


def composed(text: str) -> int:
    return len(list(YAML(typ="safe", pure=True).compose_all(text)))


@both_parsers
@pytest.mark.parametrize(
    ("text", "numbers", "count"),
    [
        ("", [], 0),
        ("\n# x\n", [], 0),
        ("---\n", [], 1),
        ("a: 1\n---\n", [0], 2),
        ("a: 1\n---\n---\nb: 1\n", [0, 2], 3),
        ("# x\n---\na: 1\n", [0], 1),
        ("---\n# x\n---\na: 1\n", [1], 2),
        ("a: 1\n...\n", [0], 1),
        ("a: 1\n...\n# x\n---\nb: 1\n...\n---\n", [0, 1], 3),
        ("--- a\n--- b\n", [0, 1], 2),
        ("---\nnull\n---\na: 1\n", [0, 1], 2),
        ("a: |\n  ---\n---\nb: 1\n", [0, 1], 2),
        ("a: '---'\n--- \nb: 1\n--- c\n", [0, 1, 2], 3),
    ],
)
def test_documents_are_counted_as_yaml_does(
    text: str, numbers: list[int], count: int, native: bool
) -> None:
    parsed = read(text, native=native)
    assert [document.index for document in parsed.documents] == numbers
    assert parsed.document_count == count == composed(text)


@both_parsers
@pytest.mark.parametrize(
    "broken",
    [
        "a: b: c\n",
        "a: [\n",
        "a: {{ x }}\n",
        "a: *x\n",
        "? [a]\n: b\n",
        "\ta: 1\n",
        'a: "\n',
        "a: @\n",
        "  a: 1\nb: 2\n",
        "{a: 1}\nb: 2\n",
        "a: \x00\n",
        '{"a": 1 "b": 2}\n',
        "{{ x }}\n",
        "a: !!int x\n",
        "a: b\n}\n",
    ],
)
@pytest.mark.parametrize("before", ["", "x: 1\n---\n", "---\n---\nx: 1\n--- # y\n"])
def test_broken_documents_are_counted_and_the_next_is_read(
    before: str, broken: str, native: bool
) -> None:
    number = before.count("---") if not before.startswith("---") else before.count("---") - 1
    parsed = read(f"{before}{broken}---\nok: 1\n---\n{broken}---\nok: 2\n", native=native)
    good = {
        document.index: document.value for document in parsed.documents if document.index >= number
    }
    assert good == {number + 1: {"ok": 1}, number + 3: {"ok": 2}}
    assert [problem.document for problem in parsed.problems] == [number, number + 2]
    assert parsed.document_count == number + 4
    for problem in parsed.problems:
        assert problem.kind == "syntax"
        assert parsed.file.text[problem.span.start : problem.span.end].strip("\n")


# ------------------------------------------------------------------------------------- problems


@both_parsers
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("kind: Secret\na: b: c\n", True),
        ('{"apiVersion": "v1", "kind":"Secret", "data": {"a": "b}\n', True),
        ("kind: 'Secret'\ndata: {a: b, a: c}\n", True),
        ("items:\n- kind: Secret\n  data: {a: b, a: c}\n", True),
        ("kind: ConfigMap\na: b: c\n", False),
        ("kind: !!str Secret\na: b: c\n", True),
        ("kind: &kind Secret\na: b: c\n", True),
        ("kind: SecretList\na: b: c\n", True),
        ("secretGenerator: [{literals: [a=b], literals: [a=c]}]\n", True),
        ("kind: SecretProviderClass\na: b: c\n", False),
        ("kind: ConfigMap\na: b: c\n---\nkind: Secret\n", False),
        ("kind: Secret\n---\na: {b: 1, b: 2}\n", False),
    ],
)
def test_problems_in_secrets_are_marked(text: str, secret: bool, native: bool) -> None:
    (problem,) = read(text, native=native).problems
    assert problem.secret is secret


def test_problems_come_in_the_order_of_the_text() -> None:
    parsed = read("b: {c: {x: 1, x: 2}, c: 2}\nb: 1\n---\na: [\n---\na: 1\na: 2\n")
    assert [problem.span for problem in parsed.problems] == sorted(
        problem.span for problem in parsed.problems
    )


def test_a_broken_document_reports_nothing_but_why_it_is_broken() -> None:
    assert len(read("a: 1\na: 2\nb: [\n").problems) == 1
    assert len(read("a: 1\na: 2\nb: [c:d, e\n").problems) == 1


def test_the_position_of_a_broken_escape_in_json() -> None:
    parsed = read('{"a": "\\ud83d\\ude00",\n "b": tru}\n')
    (problem,) = parsed.problems
    assert parsed.file.position(problem.span.start).line == 2


def test_only_some_text_is_given_to_the_slow_parser() -> None:
    parsed = read("a: [b:c, d\n---\n" * 5000 + "a: [b:c]\n")
    assert len(parsed.problems) > 5000 - 1
    assert parsed.document_count == 5001


# ------------------------------------------------------------------ texts made from their values


@dataclass(frozen=True)
class Node:
    """A piece of YAML in a certain style. `text` is that of a scalar, ready to be written."""

    style: str
    value: Any
    text: str = ""
    children: tuple[tuple[Node | None, Node], ...] = ()
    gap: int = 0


# Everything that a quoted or literal text can hold as it is.
TEXT = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"), exclude_characters="\ufeff"
    ),
    max_size=12,
)
PLAIN = st.sampled_from(
    [
        ("cart", "cart"),
        ("two words", "two words"),
        ("a-b.c/d", "a-b.c/d"),
        ("it's", "it's"),
        ("-x", "-x"),
        ("--port", "--port"),
        ("100m", "100m"),
        ("1.27.3", "1.27.3"),
        ("$(X)", "$(X)"),
        ("a#b", "a#b"),
        ("é😀", "é😀"),
        ("80", 80),
        ("-1", -1),
        ("1_000", 1000),
        ("0644", 420),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("true", True),
        ("False", False),
        ("yes", True),
        ("off", False),
        ("null", None),
        ("~", None),
    ]
)


def literal(lines: list[str]) -> Node:
    body = "\n".join(lines).strip("\n")
    return Node("literal", body + "\n", body)


SCALARS = st.one_of(
    PLAIN.map(lambda pair: Node("plain", pair[1], pair[0])),
    TEXT.map(lambda text: Node("single", text, "'" + text.replace("'", "''") + "'")),
    TEXT.map(lambda text: Node("double", text, json.dumps(text, ensure_ascii=False))),
)
LITERALS = st.lists(
    st.sampled_from(["a: b", "# no comment", "", "  more", "{{ x }}", "- é😀", "text", "'"]),
    min_size=1,
    max_size=4,
).map(lambda lines: literal(["first", *lines, "last"]))
KEYS = st.one_of(
    PLAIN.filter(lambda pair: isinstance(pair[1], str)).map(
        lambda pair: Node("plain", pair[1], pair[0])
    ),
    TEXT.map(lambda text: Node("single", text, "'" + text.replace("'", "''") + "'")),
    TEXT.map(lambda text: Node("double", text, json.dumps(text, ensure_ascii=False))),
)


def collection(style: str, children: list[tuple[Node, Node]]) -> Node:
    if style.endswith("map"):
        value: Any = {key.value: node.value for key, node in children}
    else:
        value = [node.value for _, node in children]
    return Node(style, value, children=tuple(children))


def collections(children: st.SearchStrategy[Node], styles: list[str]) -> st.SearchStrategy[Node]:
    pairs = st.lists(st.tuples(KEYS, children), max_size=4, unique_by=lambda pair: pair[0].value)
    return st.builds(collection, st.sampled_from(styles), pairs)


FLOW = st.recursive(
    SCALARS, lambda inner: collections(inner, ["flow map", "flow list"]), max_leaves=5
)
BLOCK = st.recursive(
    st.one_of(FLOW, LITERALS),
    lambda inner: collections(inner, ["block map", "block list"]),
    max_leaves=12,
).flatmap(
    lambda node: st.integers(0, 3).map(
        lambda gap: Node(node.style, node.value, node.text, node.children, gap)
    )
)
GAPS = ["", "\n", "# a comment: - 'x\n", "\n    # more\n\n"]


def inline(node: Node) -> str:
    if node.style == "flow map":
        return (
            "{" + ", ".join(f"{inline(key)}: {inline(held)}" for key, held in node.children) + "}"
        )
    if node.style == "flow list":
        return "[" + ", ".join(inline(held) for _, held in node.children) + "]"
    return node.text


def is_block(node: Node) -> bool:
    return node.style.startswith("block") and bool(node.children)


def block(node: Node, indent: int) -> str:
    """What follows a ':' or a '-', to the end of the last line."""
    if node.style == "literal":
        lines = [" " * indent + line if line else "" for line in node.text.split("\n")]
        return " |\n" + "\n".join(lines) + "\n"
    if not is_block(node):
        return " " + (inline(node) or ("{}" if node.style.endswith("map") else "[]")) + "\n"
    return "\n" + lines_of(node, indent)


def lines_of(node: Node, indent: int) -> str:
    out = []
    for key, held in node.children:
        out.append(GAPS[held.gap])
        start = "-" if node.style == "block list" else f"{inline(key)}:"
        out.append(" " * indent + start + block(held, indent + 2))
    return "".join(out)


def written(node: Node) -> str:
    return lines_of(node, 0) if is_block(node) else "---" + block(node, 2)


def reread(document: Document, path: Steps, *, key: bool = False) -> Any:
    """Value of the text at a path, read on its own at the same column."""
    span = document.key_span(path) if key else document.span_of(path)
    assert span is not None
    column = document.file.position(span.start).column
    text = " " * (column - 1) + document.file.text[span.start : span.end] + "\n"
    parsed = read(text)
    assert not parsed.problems
    return parsed.documents[0].value if parsed.documents else None


def all_spans(document: Document) -> list[Any]:
    return [
        (path, document.span_of(path), document.key_span(path)) for path, _ in paths(document.value)
    ]


quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(BLOCK)
def test_texts_give_the_values_that_they_were_made_from(node: Node) -> None:
    assert only(written(node)).value == node.value


@quick
@given(BLOCK)
def test_the_text_at_every_place_has_the_value_of_that_place(node: Node) -> None:
    document = only(written(node))
    for path, value in paths(document.value):
        assert reread(document, path) == value
        if path and isinstance(path[-1], str):
            assert reread(document, path, key=True) == path[-1]


@quick
@given(BLOCK)
def test_places_lie_inside_one_another_and_side_by_side(node: Node) -> None:
    document = only(written(node))
    ends: dict[Steps, int] = {}
    for path, _ in paths(document.value):
        span, key = document.span_of(path), document.key_span(path)
        assert span is not None
        assert key is not None
        if not path:
            continue
        around = document.span_of(path[:-1])
        assert around is not None
        assert around.start <= key.start <= key.end
        assert key.start <= span.start <= span.end <= around.end
        assert ends.get(path[:-1], 0) <= key.start
        ends[path[:-1]] = span.end


@quick
@given(BLOCK)
def test_both_parsers_read_the_same(node: Node) -> None:
    text = written(node)
    native, pure = only(text), only(text, native=False)
    assert native.value == pure.value
    assert native.span == pure.span
    assert all_spans(native) == all_spans(pure)


@quick
@given(BLOCK, st.sampled_from(["\r\n", "\r"]))
def test_line_ends_make_no_difference(node: Node, line_end: str) -> None:
    text = written(node)
    document, other = only(text), only(text.replace("\n", line_end))
    assert other.value == document.value
    for path, _ in paths(document.value):
        here, there = document.span_of(path), other.span_of(path)
        assert here is not None
        assert there is not None
        assert document.file.position(here.start) == other.file.position(there.start)
        assert document.file.position(here.end) == other.file.position(there.end)


@quick
@given(st.lists(BLOCK, min_size=1, max_size=4))
def test_documents_of_a_stream(nodes: list[Node]) -> None:
    text = "".join(map(separated, nodes))
    parsed = read(text)
    assert not parsed.problems
    assert [document.value for document in parsed.documents] == [node.value for node in nodes]
    assert [document.index for document in parsed.documents] == list(range(len(nodes)))


def separated(node: Node) -> str:
    text = written(node)
    return text if text.startswith("---") else f"---\n{text}"


# YAML breaks lines at three characters more than JSON, so that they are blanks in quoted texts.
JSON_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"))
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        JSON_TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(JSON_TEXT, inner)),
    max_leaves=10,
)


@quick
@given(st.dictionaries(JSON_TEXT, JSON, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_json_is_read_as_json(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = only(text)
    assert document.value == json.loads(text)
    assert at(document) == text
    for path, held in paths(document.value):
        assert json.loads(at(document, *path)) == held
    assert [d.value for d in read(text + "\n" + text).documents] == [value, value]


# ------------------------------------------------------------------------- beside other readers

# Pieces of YAML that ruamel.yaml resolves as kubectl does. It takes `yes` and its kind for texts
# behind a '---', even when it is told to read YAML 1.1.
PIECES = st.sampled_from(
    [
        *(
            "a: ",
            "b: ",
            "c:\n",
            "- ",
            "-\n",
            "? ",
            "\n",
            "\n",
            "\n  ",
            "\n    ",
            "  ",
            "# x\n",
            " # y\n",
        ),
        *(
            "text",
            "two words",
            "'quoted'",
            '"double"',
            "1",
            "0x1F",
            "true",
            "null",
            "~",
            "1.5",
        ),
        *(
            "{",
            "}",
            "[",
            "]",
            ", ",
            "{d: e}",
            "[f, g]",
            "|\n",
            ">\n",
            "|-\n  ",
            "&x ",
            "*x",
            "<<: ",
        ),
        *(
            "---\n",
            "--- ",
            "...\n",
            "a: 1\n",
            "  b: 2\n",
            "- 3\n",
            "    c: 4\n",
            "d:\n",
            "!!str ",
            "é",
        ),
    ]
)


# Only ruamel.yaml lets the lines of a literal at the root stand without indentation.
ROOT_LITERAL = re.compile(r"^ *(---\s+)?((!!str|&x|-|\?) *)*[|>]", re.MULTILINE)


def ruamel(text: str) -> list[Any] | None:
    """Values that ruamel.yaml's safe loader gives, keys as JSON has them; None for an error."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return [as_json(value) for value in yaml.load_all(text)]
        except (YAMLError, ValueError, TypeError, AttributeError, AssertionError, LookupError):
            return None


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key_text(key): as_json(held) for key, held in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value


def key_text(key: Any) -> str:
    words = {True: "true", False: "false", None: "null"}
    return words[key] if key is None or isinstance(key, bool) else str(key)


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_agrees_with_the_loader_of_ruamel_yaml(text: str) -> None:
    assume(not ROOT_LITERAL.search(text))
    parsed = read(text)
    expected = ruamel(text)
    assume(expected is not None and not parsed.problems)
    assert expected is not None
    values: list[Any] = [None] * parsed.document_count
    for document in parsed.documents:
        values[document.index] = document.value
    assert values == expected


@pytest.mark.parametrize(
    ("text", "value", "theirs"),
    [
        ("0o17", 15, "0o17"),
        ("08", 8.0, "08"),
        ("1:30", "1:30", 90),
        ("18446744073709551616", float(2**64), 2**64),
        ("2024-01-01", "2024-01-01", dt.date(2024, 1, 1)),
    ],
)
def test_where_kubectl_and_ruamel_yaml_differ(text: str, value: object, theirs: object) -> None:
    here, there = only(f"a: {text}\n").value["a"], ruamel(f"a: {text}\n")
    assert there is not None
    assert (here, type(here)) == (value, type(value))
    assert (there[0]["a"], type(there[0]["a"])) == (theirs, type(theirs))


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_both_parsers_agree_wherever_both_take_a_text(text: str) -> None:
    # For ruamel.yaml a value begins at its anchor even where a tag stands before that.
    assume(not ROOT_LITERAL.search(text) and not re.search(r"!!str\s+&x", text))
    native, pure = read(text), read(text, native=False)
    assume(not native.problems and not pure.problems)
    assert [(d.index, d.value) for d in native.documents] == [
        (d.index, d.value) for d in pure.documents
    ]
    assert native.document_count == pure.document_count
    for one, other in zip(native.documents, pure.documents, strict=True):
        assert all_spans(one) == all_spans(other)


# --------------------------------------------------------------------------------------- any text

ANYTHING = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(
        st.one_of(
            PIECES,
            st.sampled_from(
                [
                    "{{",
                    "}}",
                    "{%",
                    "\t",
                    "\r",
                    "\x00",
                    "\x07",
                    "\x7f",
                    "\x85",
                    "\u2028",
                    "\ufeff",
                    "\\",
                ]
            ),
            st.sampled_from(
                ['"', "'", '{"a": ', "%YAML 1.1\n", "%", "@", "`", "!", "!!int ", "\ud800"]
            ),
        ),
        max_size=14,
    ).map("".join),
)


@both_parsers
@settings(max_examples=500, deadline=None)
@given(text=ANYTHING)
def test_no_text_makes_reading_fail(text: str, native: bool) -> None:
    parsed = read(text, native=native)
    numbers = [document.index for document in parsed.documents]
    assert numbers == sorted(set(numbers))
    assert all(number < parsed.document_count for number in numbers)
    for document in parsed.documents:
        for _, span, key in all_spans(document):
            assert 0 <= span.start <= span.end <= len(text)
            assert 0 <= key.start <= key.end <= len(text)
    for problem in parsed.problems:
        assert problem.document < parsed.document_count
        assert 0 <= problem.span.start < problem.span.end <= len(text)
        assert problem.message


NASTY = {
    "broken documents": "a: b: c\n---\n",
    "open brackets in documents": "a: [\n---\n",
    "text behind documents": "  a: 1\n  a: 1\nb: 2\n---\n",
    "colons in flow": "a: [b:c, d\n---\n",
    "placeholders": "a: {{ x }}\n---\n",
    "placeholders in a line": "{{ x }} '{{ y",
    "brackets": "[",
    "braces": "{",
    "dashes": "- ",
    "question marks": "? ",
    "colons": ": ",
    "open mappings": "{a:\n",
    "items": "[[], ",
    "quotes": '"a\n',
    "plain lines": "a\n",
    "empty lines": "\n",
    "keys": "a: b\n",
    "tabs": "a: b\t\n",
    "tab": "\t",
    "comments": "# a\n",
    "hashes": "# ",
    "directives": "%YAML 1.1\n",
    "separators": "---\n",
    "ends": "...\n",
    "json": '{"a": 1}',
    "json lists": '{"a": [',
    "json escapes": '{"a": "\\ud83d',
    "control characters": "a: \x01\n---\n",
    "literals": "a: |\n  x\n\n\n",
    "digits": "1",
    "digits and underscores": "1_",
    "zeros": "0.0",
    "anchors": "- &a b\n",
    "tags": "- !a b\n",
    "byte order marks": "---\n\ufeff",
    "line separators": "a: b\u2028",
    "secrets": "kind:\t\t\t",
}


@both_parsers
@pytest.mark.parametrize("name", NASTY)
def test_no_text_takes_long(name: str, native: bool) -> None:
    piece = NASTY[name]
    text = piece * ((100_000 if native else 10_000) // len(piece))
    started = time.process_time()
    for start in ("", "a: ", "a: [x, ", 'x: "', "a: 1\n---\n? "):
        read(start + text, native=native)
    # What takes linear time takes a tenth of this, and what takes quadratic time minutes.
    assert time.process_time() - started < 20


def test_the_slow_parser_gets_no_deep_nesting() -> None:
    started = time.process_time()
    parsed = read(("a: " + "[" * 1000 + "b:c\n---\n") * 100)
    assert len(parsed.problems) == 100
    assert time.process_time() - started < 20


# ------------------------------------------------------------------------------- real manifests


def manifests(shared: Path) -> Iterator[SourceFile]:
    for path in sorted(shared.rglob("*")):
        if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
            text = path.read_bytes().decode("utf-8-sig", "replace")
            yield SourceFile(path.relative_to(shared).as_posix(), text)


def test_real_manifests(shared: Path) -> None:
    count = 0
    for file in manifests(shared / "corpus"):
        parsed = parse(file)
        count += 1
        assert parsed.document_count >= len(parsed.documents)
        for document in parsed.documents:
            # Looking at every place of every file would take most of the time of all tests.
            for path, _ in islice(paths(document.value), 0, None, 20):
                span = document.span_of(path)
                assert span is not None
                assert 0 <= span.start <= span.end <= len(file.text)
    assert count


def test_document_numbers_of_labelled_manifests(shared: Path) -> None:
    compared = 0
    for cases in sorted(shared.glob("conformance/*/cases.json")):
        objects = json.loads(cases.read_text("utf-8"))["objects"]
        for name, entries in objects.items():
            text = (cases.parent / name).read_bytes().decode("utf-8-sig")
            documents = {d.index: d for d in parse(SourceFile(name, text)).documents}
            for number, item, first_line, _, _, kind, _, _ in entries:
                path: Steps = () if item is None else ("items", item)
                document = documents[number]
                span = document.span_of(path)
                assert span is not None
                assert document.file.position(span.start).line == first_line
                value = document.value if item is None else document.value["items"][item]
                assert value["kind"] == kind
                compared += 1
    assert compared


@both_parsers
@pytest.mark.parametrize(
    "text", ["a: 1\n---\n" * 6, "a: 1\n---\nb: [\n---\n" + "a: 1\n---\n" * 4, '{"a": 1}' * 6]
)
def test_documents_without_number(text: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshlint.documents.MAX_DOCUMENTS", 3)
    parsed = parse(SourceFile("a.yaml", text), native=native)
    assert parsed.document_count == 4
    assert [document.value for document in parsed.documents][-1] == {"a": 1}
    last = parsed.problems[-1]
    assert last.message == "more than 3 documents in one file; from here on none is read"
    assert last.document == 3
    assert text[last.span.start : last.span.end].startswith(("---", "a", "{"))
