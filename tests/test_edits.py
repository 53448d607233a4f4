"""Operations on documents as edits of their text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlint.dataclass import replace
from meshlint.documents import Document, parse
from meshlint.edits import (
    Refused,
    append_document,
    apply_edits,
    block_lines,
    extent,
    flow_text,
    plan,
    same,
)
from meshlint.operations import (
    Append,
    Move,
    Operation,
    OperationError,
    Quote,
    Remove,
    Rename,
    Reword,
    Set,
    applied,
)
from meshlint.text import SourceFile


def documents(text: str) -> tuple[Document, ...]:
    parsed = parse(SourceFile("x.yaml", text))
    assert not parsed.problems, parsed.problems
    return parsed.documents


def edited(text: str, *operations: Operation, number: int = 0) -> str:
    document = documents(text)[number]
    result = apply_edits(text, plan(document, operations))
    after = documents(result)
    assert same(after[number].value, applied(document.value, operations))
    assert len(after) == len(documents(text))
    return result


DEPLOYMENT = """\
# The basket.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart   # short
  labels: {app: cart, tier: "web"}
spec:
  replicas: 1  # for now
  template:
    metadata:
      annotations:
        # Measured in May.
        sidecar.istio.io/proxyCPU: '50m'
    spec:
      containers:
      - name: cart
        image: registry.example/cart:1.0
        env:
        - {name: A, value: "1"}
        - name: B   # second
          value: two

        args: []
        resources:
      - image: registry.example/log
        name: log
"""


@pytest.mark.parametrize(
    ("operation", "old", "new"),
    [
        (Set(("spec", "replicas"), 3), "replicas: 1  # for now", "replicas: 3  # for now"),
        (
            Set(("metadata", "labels", "team"), "shop"),
            'tier: "web"}',
            'tier: "web", team: shop}',
        ),
        (
            Set(("metadata", "annotations", "a/b"), "yes"),
            '  labels: {app: cart, tier: "web"}\n',
            '  labels: {app: cart, tier: "web"}\n  annotations:\n    a/b: "yes"\n',
        ),
        (
            Set(
                (
                    "spec",
                    "template",
                    "metadata",
                    "annotations",
                    "sidecar.istio.io/proxyCPU",
                ),
                "100m",
            ),
            "'50m'",
            "'100m'",
        ),
        (
            Set(("spec", "template", "metadata", "annotations", "x"), "1"),
            "proxyCPU: '50m'\n",
            "proxyCPU: '50m'\n        x: \"1\"\n",
        ),
        (
            Set(
                (
                    "spec",
                    "template",
                    "spec",
                    "containers",
                    0,
                    "resources",
                    "limits",
                    "cpu",
                ),
                "1",
            ),
            "        resources:\n",
            '        resources:\n          limits:\n            cpu: "1"\n',
        ),
        (
            Append(("spec", "template", "spec", "containers", 0, "args"), "--fast"),
            "        args: []\n",
            "        args:\n        - --fast\n",
        ),
        (
            Append(
                ("spec", "template", "spec", "containers", 0, "env"), {"name": "C", "value": "x"}
            ),
            "          value: two\n",
            "          value: two\n        - name: C\n          value: x\n",
        ),
        (
            Set(("spec", "template", "spec", "tolerations"), [{"key": "a"}]),
            "        name: log\n",
            "        name: log\n      tolerations:\n      - key: a\n",
        ),
        (Remove(("spec", "replicas")), "  replicas: 1  # for now\n", ""),
        (Remove(("metadata", "labels", "tier")), ', tier: "web"}', "}"),
        (Remove(("metadata", "labels", "app")), "{app: cart, ", "{"),
        (
            Remove(("spec", "template", "spec", "containers", 0, "env", 0)),
            '        - {name: A, value: "1"}\n',
            "",
        ),
        (
            Remove(("spec", "template", "spec", "containers", 1, "image")),
            "      - image: registry.example/log\n        name: log\n",
            "      - name: log\n",
        ),
        (
            Rename(("spec", "template", "spec", "containers", 1, "image"), "img"),
            "- image: registry.example/log",
            "- img: registry.example/log",
        ),
        (Rename(("metadata", "labels", "tier"), "level"), 'tier: "web"', 'level: "web"'),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_named_place_changes(
    operation: Operation, old: str, new: str, newline: str
) -> None:
    text = DEPLOYMENT.replace("\n", newline)
    assert old in DEPLOYMENT
    expected = DEPLOYMENT.replace(old, new, 1).replace("\n", newline)
    assert edited(text, operation) == expected


def test_block_that_becomes_empty_goes_with_its_last_key() -> None:
    path = ("spec", "template", "metadata", "annotations", "a")
    text = "kind: A\nspec:\n  template:\n    metadata:\n      annotations:\n        a: b\n"
    text += "    spec: {}\n"
    assert edited(text, Remove(path)) == "kind: A\nspec:\n  template:\n    spec: {}\n"
    kept = edited(text, Remove(path, prune=False))
    assert "annotations: {}\n" in kept


def test_comments_above_what_goes_stay() -> None:
    path = ("a", "c")
    text = "a:\n  b: 1\n  # About c.\n  c: 2\n  d: 3\n"
    assert edited(text, Remove(path)) == "a:\n  b: 1\n  # About c.\n  d: 3\n"


def test_other_documents_and_the_final_line_end_stay() -> None:
    text = "a: 1\n---\n# two\nb:\n  c: 1\n...\n---\nd: 4"
    assert edited(text, Set(("b", "x"), "z"), number=1) == text.replace("c: 1", "c: 1\n  x: z")
    assert edited(text, Set(("e",), 5), number=2) == text + "\ne: 5"
    assert edited("a: 1\nb: 2", Remove(("b",))) == "a: 1"


def test_several_operations_on_one_document() -> None:
    text = "a: 1\nb: 2\n"
    result = edited(text, Set(("m", "x"), "1"), Set(("m", "z"), "2"), Remove(("a",)))
    assert result == 'b: 2\nm:\n  x: "1"\n  z: "2"\n'


def test_mapping_over_a_mapping_changes_what_differs() -> None:
    text = "a:\n  b: 1 # one\n  c: 2 # two\n  d: 3\n"
    assert edited(text, Set(("a",), {"b": 1, "c": 9, "e": 4})) == (
        "a:\n  b: 1 # one\n  c: 9 # two\n  e: 4\n"
    )


def test_lists_are_indented_as_the_file_does_it() -> None:
    indented = "a:\n  - 1\nb: 2\n"
    assert edited(indented, Set(("c",), ["x"])) == indented + "c:\n  - x\n"
    flush = "a:\n- 1\nb: 2\n"
    assert edited(flush, Set(("c",), ["x"])) == flush + "c:\n- x\n"
    nested = "s:\n  - name: x\n    l:\n    - 1\n"
    assert edited(nested, Append(("s", 0, "l"), 2)) == nested + "    - 2\n"


def test_json_stays_json() -> None:
    text = '{\n  "a": {"b": 1},\n  "c": [\n    1\n  ]\n}\n'
    assert edited(text, Set(("a", "d"), "x")) == text.replace('"b": 1', '"b": 1, "d": "x"')
    assert edited(text, Append(("c",), True)) == text.replace("    1\n", "    1,\n    true\n")
    assert edited(text, Set(("e",), {"f": None})) == text.replace(
        "  ]\n}", '  ],\n  "e": {\n    "f": null\n  }\n}'
    )
    with pytest.raises(Refused):
        append_document(SourceFile("x.json", text), {"a": 1})


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("a: &x {b: 1}\nc: *x\n", Set(("c", "b"), 2)),
        ("a: &x {b: 1}\nc: *x\n", Set(("c",), 2)),
        ("a: &x {b: 1}\nc: *x\n", Remove(("a",))),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 1\n", Set(("c", "b"), 2)),
        ("a: &x {b: 1}\nc: *x\n", Set(("a",), 2)),
        ("a: [1, # one\n  2]\n", Remove(("a", 0))),
        ("a: 1\n", Remove(("b",))),
        ("a: 1\n", Rename(("a",), "a")),
        ("a: 1\n", Set(("a", "b"), 1)),
    ],
)
def test_what_would_harm_is_refused(text: str, operation: Operation) -> None:
    with pytest.raises(Refused):
        plan(documents(text)[0], [operation])


def test_documents_are_appended() -> None:
    value = {"kind": "A", "spec": {"l": [1]}}
    file = SourceFile("x.yaml", "kind: B")
    text = apply_edits(file.text, [append_document(file, value)])
    assert text == "kind: B\n---\nkind: A\nspec:\n  l:\n    - 1\n"
    assert [d.value["kind"] for d in documents(text)] == ["B", "A"]


# --------------------------------------------------------------------------- for any document

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12
) | st.sampled_from(
    ["", "yes", "1.10", "0x1f", "null", "a: b", "a #b", "- a", "*a", "&a", "{{x}}", "a\nb\n", "~"]
)
_KEYS = st.sampled_from(["a", "b-c", "d/e", "on", "1", "key with space", "x.y", "ä", '"q"'])
_SCALARS = st.none() | st.booleans() | st.integers(-99, 9999) | _TEXT
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)
_ROOTS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, dict[str, Any], Operation]:
    root: dict[str, Any] = draw(_ROOTS)
    style = draw(st.sampled_from(["block", "flush", "flow"]))
    if style == "flow":
        text = flow_text(root) + "\n"
    else:
        text = "".join(f"{line}\n" for line in block_lines(root, indented=style == "block"))
    if draw(st.booleans()):
        text = (
            "".join(
                f"{line}   # note\n"
                if line and line[-1] not in "|-" and "\n" not in line
                else f"{line}\n"
                for line in text.splitlines()
            )
            if not any(isinstance(v, str) and "\n" in v for v in _leaves(root))
            else text
        )
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if draw(st.booleans()):
        text = text.removesuffix("\n").removesuffix("\r")
    paths = list(_paths(root))
    path = draw(st.sampled_from(paths))
    kind = draw(st.sampled_from(["set", "new", "append", "remove", "rename"]))
    operation: Operation
    if kind == "set":
        operation = Set(path, draw(_VALUES))
    elif kind == "new":
        operation = Set((*path, draw(_KEYS), draw(_KEYS)), draw(_VALUES))
    elif kind == "append":
        operation = Append(path, draw(_VALUES))
    elif kind == "remove":
        operation = Remove(path, prune=draw(st.booleans()))
    else:
        operation = Rename(path, draw(_KEYS))
    return text, root, operation


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            found += _paths(item, (*path, at))
    return found


@settings(max_examples=600, deadline=None)
@given(cases())
def test_edit_then_parse_equals_operate_then_compare(
    case: tuple[str, dict[str, Any], Operation],
) -> None:
    text, root, operation = case
    parsed = parse(SourceFile("x.yaml", text))
    if parsed.problems or len(parsed.documents) != 1 or not same(parsed.documents[0].value, root):
        return  # a value that needs more than the simple writer above
    document = parsed.documents[0]
    try:
        edits = plan(document, [operation])
    except Refused:
        return
    result = apply_edits(text, edits)
    again = parse(SourceFile("x.yaml", result))
    assert not again.problems
    wanted = applied(root, [operation])
    assert same(again.documents[0].value, wanted)
    # Bytes outside of the edits are untouched, and no comment is lost but with what it is about.
    end = 0
    for edit in edits:
        assert edit.span.start >= end
        end = edit.span.end
    if isinstance(operation, Set):
        assert plan(again.documents[0], [operation]) == ()
    if "\r\n" in text:
        assert "\n" not in result.replace("\r\n", "")


@settings(max_examples=300, deadline=None)
@given(_ROOTS, st.booleans())
def test_rendered_values_read_as_they_were(root: dict[str, Any], indented: bool) -> None:
    for text in ("\n".join(block_lines(root, indented=indented)) + "\n", flow_text(root) + "\n"):
        parsed = parse(SourceFile("x.yaml", text))
        assert not parsed.problems, text
        assert same(parsed.documents[0].value, root), text


def test_most_operations_on_plain_manifests_are_carried_out() -> None:
    """A guard against an editor that refuses too much."""
    document = documents(DEPLOYMENT)[0]
    refused = []
    for path in _paths(document.value):
        for operation in (Remove(path), Set(path, "x"), Set((*path, "k"), "v")):
            try:
                applied(document.value, [operation])
            except OperationError:
                continue
            try:
                plan(document, [operation])
            except Refused as reason:
                refused.append((operation, str(reason)))
    assert len(refused) <= 12, refused


MOVED = """\
metadata:
  name: cart
  labels:
    app: cart
    sidecar.istio.io/inject: 'true'   # since May
spec:
  template:
    metadata:
      annotations:
        a/b: c
    spec:
      affinity: {}   # none
      # About nodes.
      nodeAffinity:
        # First of all.
        required:   # always
        - one

        - two
      last: {deep: 1}
"""


@pytest.mark.parametrize(
    ("operation", "old", "new"),
    [
        (
            Move(
                ("metadata", "labels", "sidecar.istio.io/inject"),
                ("spec", "template", "metadata", "labels", "sidecar.istio.io/inject"),
            ),
            ("    sidecar.istio.io/inject: 'true'   # since May\n", "        a/b: c\n"),
            (
                "",
                (
                    "        a/b: c\n      labels:\n        "
                    "sidecar.istio.io/inject: 'true'   # since May\n"
                ),
            ),
        ),
        (
            Move(
                ("spec", "template", "spec", "nodeAffinity"),
                ("spec", "template", "spec", "affinity", "nodeAffinity"),
            ),
            (
                "      affinity: {}   # none\n",
                (
                    "      nodeAffinity:\n        # First of all.\n        required:   # always\n"
                    "        - one\n\n        - two\n"
                ),
            ),
            (
                (
                    "      affinity:   # none\n        nodeAffinity:\n          # First of all.\n"
                    "          required:   # always\n          - one\n\n          - two\n"
                ),
                "",
            ),
        ),
        (
            Move(("spec", "template", "spec", "last", "deep"), ("metadata", "deep")),
            ("since May\n", "      last: {deep: 1}\n"),
            ("since May\n  deep: 1\n", ""),
        ),
    ],
)
def test_what_is_moved_keeps_its_text(
    operation: Operation, old: tuple[str, str], new: tuple[str, str]
) -> None:
    expected = MOVED.replace(old[0], new[0]).replace(old[1], new[1])
    assert edited(MOVED, operation) == expected


def test_moving_over_something_is_refused() -> None:
    with pytest.raises(Refused, match="already"):
        edited("a: 1\nb: 2\n", Move(("a",), ("b",)))
    with pytest.raises(Refused, match="nothing"):
        edited("a: 1\nb: 2\n", Move(("c",), ("d",)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1.10 # x\n", 'a: "1.10" # x\n'),
        ("a: true\n", 'a: "true"\n'),
        ("a: 2026-01-31\n", 'a: "2026-01-31"\n'),
        ("a:   # nothing\n", 'a: ""   # nothing\n'),
        ("{a: yes, b: 1}\n", '{a: "yes", b: 1}\n'),
        ('{"a": 1, "b": 1}\n', '{"a": "1", "b": 1}\n'),
    ],
)
def test_quoting_keeps_the_text(text: str, expected: str) -> None:
    document = documents(text)[0]
    span = document.span_of(("a",))
    assert span is not None
    assert edited(text, Quote(("a",), text[span.start : span.end])) == expected


@pytest.mark.parametrize("text", ["a: !!int 1\n", "a: &x 1\nb: *x\n", "a: [1]\n"])
def test_quoting_is_refused(text: str) -> None:
    document = documents(text)[0]
    span = document.span_of(("a",))
    assert span is not None
    with pytest.raises(Refused):
        plan(document, [Quote(("a",), text[span.start : span.end])])


def test_a_new_key_may_go_in_front_of_a_sibling() -> None:
    text = "spec: # here\n  # Labels.\n  selector: {a: b}\n  # Pods.\n  template:\n    x: 1\n"
    assert edited(text, Set(("spec", "replicas"), 2, before="selector")) == text.replace(
        "  # Labels.", "  replicas: 2\n  # Labels."
    )
    assert edited(text, Set(("spec", "replicas"), 2, before="template")) == text.replace(
        "  # Pods.", "  replicas: 2\n  # Pods."
    )
    assert edited(text, Set(("spec", "replicas"), 2, before="none")) == f"{text}  replicas: 2\n"
    item = "a:\n- b: 1\n  d: 2\n"
    assert edited(item, Set(("a", 0, "c"), 2, before="d")) == "a:\n- b: 1\n  c: 2\n  d: 2\n"
    assert edited(item, Set(("a", 0, "c"), 2, before="b")) == "a:\n- b: 1\n  d: 2\n  c: 2\n"
    assert edited("a: {b: 1}\n", Set(("a", "c"), 2, before="b")) == "a: {b: 1, c: 2}\n"


def test_a_literal_block_stays_one() -> None:
    text = "a:\n  config: |  # read by the agent\n    # How long.\n    x: 1\n    y: 2\n\n  b: 1\n"
    assert edited(text, Set(("a", "config"), "# How long.\nx: 1\nz: 3\n")) == text.replace(
        "y: 2", "z: 3"
    )
    assert edited("a: |-\n  x: 1\nb: 2\n", Set(("a",), "x: 1\ny: 2\n")) == (
        "a: |\n  x: 1\n  y: 2\nb: 2\n"
    )
    assert edited("a: |\n  x: 1", Set(("a",), "y")) == "a: |-\n  y"


def test_flat_items_go_on_one_line_beside_others_that_do() -> None:
    text = "ports:\n- {port: 80}   # web\nrest: 1\n"
    expected = text.replace("web\n", "web\n- {protocol: TCP, port: 15008}\n")
    assert edited(text, Append(("ports",), {"protocol": "TCP", "port": 15008})) == expected
    nested = "- to:\n  - port: 1\n"
    assert nested in edited(text, Append(("ports",), {"to": [{"port": 1}]}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("e: |\n  rate(up)   # up\n  + up_total\n", "e: |\n  rate(top)   # top\n  + up_total\n"),
        ("e: 'rate(up) - 1'  # up\n", "e: 'rate(top) - 1'  # up\n"),
        ("e: >-\n  up +\n  x:up\n", "e: >-\n  top +\n  x:up\n"),
    ],
)
def test_words_of_a_text_change_and_nothing_else(text: str, expected: str) -> None:
    assert edited(text, Reword(("e",), "up", "top")) == expected


def test_words_that_are_not_written_as_they_are_stay() -> None:
    with pytest.raises(Refused, match="unusual"):
        edited('e: "u\\x70"\n', Reword(("e",), "up", "top"))
    with pytest.raises(Refused, match="no text"):
        edited("e: 1\n", Reword(("e",), "up", "top"))


def test_json_that_is_spread_over_lines_stays_so() -> None:
    text = '{\n  "spec": {\n    "a": [\n      1\n    ]\n  }\n}\n'
    assert edited(text, Set(("spec", "b"), {"c": [2]})) == (
        '{\n  "spec": {\n    "a": [\n      1\n    ],\n    "b": {\n'
        '      "c": [\n        2\n      ]\n    }\n  }\n}\n'
    )
    assert edited('{"spec": {"a": 1}}', Set(("spec", "b"), {"c": 2})) == (
        '{"spec": {"a": 1, "b": {"c": 2}}}'
    )


def test_a_new_line_ends_as_the_one_before_it() -> None:
    text = "a: 1\r\nspec:\n  b: 1\n  c: 2\r\n"
    assert edited(text, Set(("spec", "x"), 1, before="b")) == (
        "a: 1\r\nspec:\n  x: 1\n  b: 1\n  c: 2\r\n"
    )
    assert edited("a: 1\rb: 2\r", Set(("c",), 3)) == "a: 1\rb: 2\rc: 3\r"


ITEM = """\
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: shop-{0}}}  # number {0}
    spec:
      # at night one is enough
      replicas: 1
      template:
        spec:
          containers:
            - name: shop
              image: shop:1.{0}
"""


@pytest.mark.parametrize("indent", ["", "  "])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("at", [0, 40, 79])
@pytest.mark.parametrize(
    ("operation", "becomes"),
    [
        (Set(("spec", "replicas"), 2), "replicas: 2\n"),
        (Set(("spec", "strategy", "type"), "Recreate"), "strategy:\n        type: Recreate\n"),
        (Set(("metadata", "namespace"), "shop"), "namespace: shop}  # number"),
        (Remove(("apiVersion",)), "  - kind: Deployment\n"),
        (Remove(("spec", "replicas")), "spec:\n      # at night one is enough\n      template:"),
        (Rename(("spec", "replicas"), "count"), "count: 1\n"),
        (
            Append(("spec", "template", "spec", "containers"), {"name": "log"}),
            "- name: log\n",
        ),
    ],
)
def test_an_object_of_a_large_list_is_edited_alone(
    operation: Any, becomes: str, at: int, newline: str, indent: str
) -> None:
    items = "".join(ITEM.format(number) for number in range(80))
    text = "apiVersion: v1\nkind: List\nitems:\n" + items
    if not indent:
        text = text.replace("\n  ", "\n")
        becomes = becomes.replace("\n  ", "\n").removeprefix("  ")
    text, becomes = text.replace("\n", newline), becomes.replace("\n", newline)
    (document,) = parse(SourceFile("list.yaml", text)).documents
    operation = replace(operation, path=("items", at, *operation.path))
    edits = plan(document, [operation])
    after = apply_edits(text, edits)
    (changed,) = parse(SourceFile("list.yaml", after)).documents
    assert changed.value == applied(document.value, [operation])
    assert becomes in after
    start = f"image: shop:1.{at - 1}{newline}" if at else f"items:{newline}"
    assert after[: text.index(start)] == text[: text.index(start)]
    assert extent(document, [operation]) < 40
