"""Manifests that nobody has written: what they are made of, and what is done to that."""

# Some texts made by hand are long.
# ruff: noqa: E501

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from meshlint.documents import parse
from meshlint.text import SourceFile

MAX_FILE = 20_000
"""Bytes of the largest file that documents are taken from; larger ones only cost time."""
MAX_DOCUMENT = 4_000
"""Characters of the largest document that is taken."""
MAX_PART = 300
"""Characters, as JSON, of the largest part that is put in another place."""
_MAX_POOL = 300


@dataclass(frozen=True, slots=True)
class Seed:
    """A document as it was found: its text, and its value as JSON where it has one."""

    name: str
    """Name of its file where that means something, otherwise empty."""
    text: bytes
    value: str = ""
    kind: str = ""


@dataclass(slots=True)
class Seeds:
    """All documents, and the parts that are put in other places."""

    all: list[Seed] = field(default_factory=list)
    with_values: list[Seed] = field(default_factory=list)
    of_kind: dict[str, list[Seed]] = field(default_factory=dict)
    by_key: dict[str, list[str]] = field(default_factory=dict)
    """Values as JSON that stand below a key somewhere."""
    keys: list[str] = field(default_factory=list)


_TELLING = re.compile(r"(?i)kustomization|values|^chart\.yaml$|mesh|patch|\.json$")


def load_seeds(folders: list[Path]) -> Seeds:
    """Every small document of the YAML and JSON files below some folders, in the order of paths."""
    seeds = Seeds()
    seen: set[bytes] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in (".yaml", ".yml", ".json") or not path.is_file():
                continue
            if path.stat().st_size > MAX_FILE:
                continue
            name = path.name if _TELLING.search(path.name) else ""
            for seed in _documents(path.read_bytes(), name):
                if seed.text not in seen:
                    seen.add(seed.text)
                    seeds.all.append(seed)
    for seed in seeds.all:
        if seed.value:
            seeds.with_values.append(seed)
            seeds.of_kind.setdefault(seed.kind, []).append(seed)
            for _, key, value in _slots(json.loads(seed.value)):
                text = json.dumps(value)
                if isinstance(key, str) and len(text) < MAX_PART:
                    pool = seeds.by_key.setdefault(key, [])
                    if len(pool) < _MAX_POOL:
                        pool.append(text)
    seeds.keys = sorted(seeds.by_key)
    return seeds


def _documents(data: bytes, name: str) -> Iterator[Seed]:
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        yield Seed(name, data)
        return
    parsed = parse(SourceFile(name, text))
    if parsed.problems and len(data) <= MAX_DOCUMENT:
        yield Seed(name, data)
    for document in parsed.documents:
        span = document.span
        if span.end - span.start > MAX_DOCUMENT:
            continue
        part = text[span.start : span.end] + "\n"
        value = json.dumps(document.value)
        if len(value) > 4 * MAX_DOCUMENT:
            value = ""
        kind = document.value.get("kind") if isinstance(document.value, dict) else None
        yield Seed(name, part.encode(), value, kind if isinstance(kind, str) else "")


# ---------------------------------------------------------------------------------- odd values

_TEXTS = (
    *("", " ", "0", "-1", "null", "~", "true", "yes", "1e3", "0x10", "0o7", "1_000", "12:30:45"),
    *("2001-01-01", "=", "<<", "*", "&a", "!", "%", "@", "`", "{{ x }}", "${X}", "$(X)", "{{"),
    *(
        "100m",
        "-100m",
        "1Gi",
        "9" * 30 + "Gi",
        "1e400",
        "0.0000000000001n",
        "NaN",
        "inf",
        "1E",
        "5s",
    ),
    *("-5s", "1h1h", "99999999999999h", "1.5.5s", "0ms", "*.example.com", "a/b/c", "../..", "ns/*"),
    *(
        "./*",
        "~/*",
        ".",
        "..",
        "/",
        ":",
        "a:b:c",
        "a" * 70,
        "a." * 40,
        "\u00e4",
        "\u202e",
        "\x1b[31m",
    ),
    *("\0", "\x85", "\u2028", "\ufeff", "\ufffe", "\U0001f600", "10.0.0.0/8", "::1", "0.0.0.0/0"),
    *(
        "::ffff:1.2.3.4/200",
        "256.1.1.1",
        "(a+)+$",
        "[",
        "(?P<",
        ".*.*.*.*x",
        "a{1000000}",
        "\\",
        "(?i",
    ),
    *("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", '{"a":', "a: [", "[]", "{}"),
    *('{"keys": [{}]}', '{"keys": 1}', "sum(rate(x[5m]", 'x{a="b"}[5m]) > (', "a.b(", "has(a) ? b"),
    *("image:tag@sha256:", "@", "registry/", "a@sha256:" + "0" * 64, ":latest", "a:b@c", "PT5M"),
    *("\n", "a\nb\n", "  a\n b", "#", "a: b", "- a", "---", "...", "%YAML 1.1", "'", '"', "\t"),
    *(
        "default",
        "istio-system",
        "cart",
        "shop",
        "ISTIO_MUTUAL",
        "http2",
        "tcp-x",
        "UNSET",
        "99999",
    ),
    *(
        "trustDomain: 1\nrootNamespace: []",
        "multiclusters: 1",
        "defaultConfig:\n  concurrency: x\n",
    ),
)
_NUMBERS = (
    *(0, 1, -1, 2, 7, 80, 443, 65535, 65536, 15001, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64),
    *(-(2**63), -(2**63) - 1, 10**30, 0.0, -0.0, 0.1, 1.5, -1.5, 1e308, 5e-324, 1e16, 100.0),
    *(float("nan"), float("inf"), float("-inf")),
)


class Raw(str):
    """Text that is written as it is, without quotes."""

    __slots__ = ()


class Twin(str):
    """A key that differs from every other of the same text, so that it can stand there twice."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A value with an anchor or a tag before it."""

    mark: str
    value: Any


_RAW = (
    *(
        "1" + "0" * 400,
        "-" + "9" * 5_000,
        "0x" + "f" * 500,
        "0b" + "1" * 65,
        "1e999999",
        ".",
        "-",
        "+",
    ),
    *(
        "1__0",
        "0_",
        "._1",
        "1.e+1",
        "-.inf",
        ".NaN",
        "+.inf",
        "0o8",
        "08",
        "0b2",
        "190:20:30",
        "=",
        "<<",
    ),
    *(
        "*none",
        "*a",
        "&a",
        "&a b",
        "!!binary x",
        "!!binary aGk=",
        "!!int x",
        "!!float 1",
        "!!null ''",
    ),
    *("!!set {a, b}", "!!omap [a: 1]", "!foo bar", "!<x> y", "!!timestamp 2001-01-01", "!!merge x"),
    *(
        "!!bool yes",
        "!!str 1",
        "!!map {}",
        "!!seq []",
        "!!seq {}",
        "!!map []",
        "! 1",
        "!e!x 1",
        "|",
        ">-",
    ),
    *(
        "? a",
        "{? a : b}",
        "{[a]: b}",
        "{{a: b}: c}",
        "[? a : b]",
        "[a: b]",
        "{a}",
        "{a, b}",
        "[,]",
        "{,}",
    ),
    *(
        "'",
        '"',
        "''",
        '"\\x00"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\U00110000"',
        '"\\q"',
        "'a''b'",
    ),
    *(
        "{<<: {a: 1}}",
        "{<<: [{a: 1}, {b: 2}]}",
        "{<<: x}",
        "{<<: [x]}",
        "{a: 1, a: 2}",
        "{1: a, 1.0: b}",
    ),
    *(
        "{null: a, ~: b}",
        "{true: 1, yes: 2}",
        "{.nan: 1}",
        "{1e5: x}",
        "{? : }",
        "{ : }",
        "{'': ''}",
    ),
    *(
        "&x [*x]",
        "&x {a: *x}",
        "&x {<<: *x}",
        "[&y 1, *y, &y 2, *y]",
        "{&k a: 1, *k : 2}",
        "a: b: c",
    ),
)
_TAGS = (
    "!!binary",
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!str",
    "!!set",
    "!!omap",
    "!x",
    "!",
    "!!map",
)
_NAMES = ("cart", "shop", "checkout", "default", "web", "istio-system", "istiod", "istio")


def odd_value(rnd: Random) -> Any:
    """Something that is no right value anywhere, or nearly so."""
    choice = rnd.randrange(12)
    if choice < 4:
        return rnd.choice(_TEXTS)
    if choice < 6:
        return rnd.choice(_NUMBERS)
    if choice == 6:
        return Raw(rnd.choice(_RAW))
    plain = (None, True, False, [], {}, [None], [[]], [{}], {"": None}, {"a": {}}, {"a": [{}]}, [0])
    if choice < 10:
        return rnd.choice(plain)
    if choice == 10:
        return [odd_value(rnd) for _ in range(rnd.randrange(4))]
    return {rnd.choice(("name", "a", "", "0", "kind")): odd_value(rnd)}


# --------------------------------------------------------------------------- changes of values

_Slot = tuple[Any, Any, Any]
"""A collection, a key or an index of it, and what stands there."""


def _slots(value: Any) -> list[_Slot]:
    found: list[_Slot] = []
    stack = [value]
    while stack:
        inner = stack.pop()
        if isinstance(inner, Marked):
            inner = inner.value
        if isinstance(inner, dict):
            pairs: Any = inner.items()
        elif isinstance(inner, list):
            pairs = enumerate(inner)
        else:
            continue
        for key, held in pairs:
            found.append((inner, key, held))
            if isinstance(held, (dict, list, Marked)):
                stack.append(held)
    return found


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_copy(held) for held in value]
    if isinstance(value, Marked):
        return Marked(value.mark, _copy(value.value))
    return value


def change_value(rnd: Random, seeds: Seeds, seed: Seed, value: Any) -> Any:
    """One change at a place by chance. May change `value` and gives what takes its place."""
    slots = _slots(value)
    if not slots:
        return odd_value(rnd)
    container, key, held = rnd.choice(slots)
    choice = rnd.randrange(24)
    if choice < 6:
        container[key] = odd_value(rnd)
    elif choice < 9:
        pool = seeds.by_key.get(key if isinstance(key, str) else rnd.choice(seeds.keys), ("null",))
        container[key] = json.loads(rnd.choice(pool))
    elif choice == 9:
        del container[key]
    elif choice == 10:
        if isinstance(container, dict):
            names = (rnd.choice(seeds.keys), key + "s", key[:-1], key.upper(), "", Raw("? {a: b}"))
            container[rnd.choice(names)] = container.pop(key)
    elif choice == 11:
        if isinstance(container, dict):
            container[Twin(key)] = odd_value(rnd) if rnd.random() < 0.5 else _copy(held)
        else:
            container.insert(rnd.randrange(len(container) + 1), _copy(held))
    elif choice == 12:
        other, other_key, other_held = rnd.choice(slots)
        container[key], other[other_key] = _copy(other_held), _copy(held)
    elif choice == 13:
        _graft(rnd, seeds, seed, value)
    elif choice == 14:
        if isinstance(container, dict):
            name = rnd.choice(seeds.keys)
            container[name] = json.loads(rnd.choice(seeds.by_key[name]))
        else:
            container.append(odd_value(rnd))
    elif choice == 15:
        deep = rnd.choice((1, 2, 5, 30)) if rnd.random() < 0.9 else rnd.randrange(150, 220)
        for _ in range(deep):
            held = [held] if rnd.random() < 0.5 else {"a": held}
        container[key] = held
    elif choice == 16:
        size = 10 ** rnd.choice((2, 2, 2, 3, 3, 4, 5) if rnd.random() < 0.1 else (1, 2))
        container[key] = rnd.choice(("a", "(", "[", "{", "9", "a.", "-", "x/", "*", "a ")) * size
    elif choice == 17:
        container[key] = Marked("&a", held)
        other, other_key, _ = rnd.choice(slots)
        if isinstance(other, dict) and rnd.random() < 0.5:
            other[Raw("<<")] = Raw(rnd.choice(("*a", "[*a, *a]", "[*a, {x: *a}]", "*b")))
        elif other is not container or other_key != key:
            other[other_key] = Raw("*a")
    elif choice == 18:
        container[key] = Marked(rnd.choice(_TAGS), held)
    elif choice == 19:
        if isinstance(held, list) and held:
            container[key] = rnd.choice(([], held[::-1], held * 3, [held], {"a": held}, held[0]))
    elif choice == 20:
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if isinstance(metadata, dict):
            metadata[rnd.choice(("name", "namespace", "generateName"))] = rnd.choice(_NAMES)
    else:
        texts = [slot for slot in slots if isinstance(slot[2], str) and slot[2].__class__ is str]
        if texts:
            container, key, held = rnd.choice(texts)
            container[key] = change_text(rnd, held)
    return value


def _graft(rnd: Random, seeds: Seeds, seed: Seed, value: Any) -> None:
    """A part of another document of the same kind at the same place."""
    theirs = json.loads(rnd.choice(seeds.of_kind.get(seed.kind, [seed])).value)
    while isinstance(value, dict) and isinstance(theirs, dict) and theirs:
        key = rnd.choice(list(theirs))
        if rnd.random() < 0.4 or not isinstance(value.get(key), dict):
            value[key] = theirs[key]
            return
        value, theirs = value[key], theirs[key]


_PIECES = (
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "\\",
    ",",
    ".",
    "/",
    ":",
    "*",
    "@",
    "-",
    "0",
    "9",
    "e",
)


def change_text(rnd: Random, text: str) -> str:
    """A text with a few characters changed: what parsers of embedded languages have to bear."""
    for _ in range(rnd.randrange(1, 4)):
        at = rnd.randrange(len(text) + 1)
        end = min(len(text), at + rnd.randrange(4))
        choice = rnd.randrange(6)
        if choice == 0:
            text = text[:at] + text[end:]
        elif choice == 1:
            text = text[:at] + rnd.choice(_PIECES) + text[at:]
        elif choice == 2:
            text = text[:at] + rnd.choice(_TEXTS) + text[end:]
        elif choice == 3:
            text = text[:at] + text[at:end] * rnd.choice((2, 3, 50)) + text[end:]
        elif choice == 4:
            text = (
                text[:at] + chr(rnd.choice((rnd.randrange(128), rnd.randrange(0xD800)))) + text[at:]
            )
        else:
            text = text[::-1] if rnd.random() < 0.2 else text[:at].upper() + text[at:]
    return text[:5_000]


# ------------------------------------------------------------------------------------- writing

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")


def write(rnd: Random, value: Any) -> str:
    """A value as YAML, in a style by chance."""
    ascii_only = rnd.random() < 0.5
    flow_from = rnd.choice((0, 3, 6, 1_000, 1_000, 1_000))
    step = rnd.choice((2, 2, 2, 1, 4))
    quoted = rnd.random() < 0.2
    out: list[str] = []

    def scalar(item: Any) -> str:
        if isinstance(item, Raw):
            return str(item)
        if isinstance(item, str):
            if not quoted and _PLAIN.fullmatch(item):
                return str(item)
            return json.dumps(str(item), ensure_ascii=ascii_only)
        if isinstance(item, float) and item != item:
            return ".nan"
        if isinstance(item, float) and item in (float("inf"), float("-inf")):
            return ".inf" if item > 0 else "-.inf"
        return json.dumps(item)

    def flow(item: Any) -> str:
        if isinstance(item, Marked):
            return f"{item.mark} {flow(item.value)}"
        if isinstance(item, dict):
            return (
                "{" + ", ".join(f"{scalar(key)}: {flow(held)}" for key, held in item.items()) + "}"
            )
        if isinstance(item, list):
            return "[" + ", ".join(map(flow, item)) + "]"
        return scalar(item)

    def block(item: Any, indent: int, depth: int) -> None:
        mark = ""
        while isinstance(item, Marked):
            mark, item = f"{mark} {item.mark}", item.value
        if depth >= flow_from or depth > 60 or not (isinstance(item, (dict, list)) and item):
            if (
                isinstance(item, str)
                and item.__class__ is str
                and "\n" in item
                and item.isprintable()
            ):
                body = item.replace("\n", "\n" + " " * (indent + step))
                out.append(f"{mark} |\n{' ' * (indent + step)}{body}\n")
            else:
                out.append(f"{mark} {flow(item)}\n")
            return
        out.append(f"{mark}\n")
        spaces = " " * indent
        for key, held in item.items() if isinstance(item, dict) else enumerate(item):
            out.append(f"{spaces}{scalar(key)}:" if isinstance(item, dict) else f"{spaces}-")
            block(held, indent + step, depth + 1)

    block(value, 0, 0)
    return "".join(out).removeprefix("\n").lstrip(" ")


def _is_plain(value: Any) -> bool:
    return not any(
        isinstance(held, (Raw, Marked)) or isinstance(key, Raw) for _, key, held in _slots(value)
    )


# ----------------------------------------------------------------------------- changes of text

_TOKENS = (
    *(
        b"---\n",
        b"\n---\n",
        b"...\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b"  ",
        b" ",
        b"- ",
        b"? ",
        b": ",
        b":",
    ),
    *(
        b"&a ",
        b"*a",
        b"<<: *a\n",
        b"!!binary ",
        b"!!int ",
        b"!x ",
        b"|\n",
        b">\n",
        b"|2-\n",
        b"#",
        b" # x",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b'"',
        b"'",
        b"\\",
        b"%YAML 1.2\n",
        b"%TAG ! x\n",
        b"@",
        b"`",
        b"{{ x }}",
    ),
    *(
        b"\0",
        b"\x01",
        b"\x1b",
        b"\x7f",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3",
    ),
    *(
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xef\xbf\xbe",
        b"\xc0\x80",
        b"{{- if x }}\n",
        b"{% if x %}\n",
    ),
    *(
        b"kind: List\n",
        b"apiVersion: v1\n",
        b"items:\n",
        b"null",
        b"~",
        b"9" * 400,
        b"0x",
        b"1e999",
    ),
    *(
        b"# meshlint: ignore\n",
        b"# meshlint: ignore=",
        b"# meshlint: ignore-file\n",
        b"--- # x\n",
        b"---x\n",
    ),
)
_ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "latin-1",
    "cp1252",
)


def change_bytes(rnd: Random, seeds: Seeds, data: bytes) -> bytes:
    """One change of a text that does not care what the text means."""
    at = rnd.randrange(len(data) + 1)
    choice = rnd.randrange(16)
    if choice == 0 and data:
        at = rnd.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << rnd.randrange(8))]) + data[at + 1 :]
    if choice == 1:
        return data[:at] + data[at + rnd.randrange(1, 20) :]
    if choice < 5:
        return data[:at] + rnd.choice(_TOKENS) + data[at:]
    if choice == 5:
        other = rnd.choice(seeds.all).text
        return data[:at] + other[rnd.randrange(len(other) + 1) :]
    if choice == 6:
        return _encoded(rnd, data)
    if choice == 7:
        return data.replace(
            b"\n", rnd.choice((b"\r\n", b"\r", b"\n\n", b" \n", b"\t\n", b"\xc2\x85"))
        )
    if choice == 8:
        return data[:at]
    if choice == 9:
        words = data.split(b" ")
        one, two = rnd.randrange(len(words)), rnd.randrange(len(words))
        words[one], words[two] = words[two], words[one]
        return b" ".join(words)
    if choice == 10:
        digits = list(re.finditer(rb"\d+", data))
        if digits:
            found = rnd.choice(digits)
            number = rnd.choice(
                (b"9" * 25, b"-1", b"0", b"1e999", b"0x1F", b"1_0", b"010", b"null")
            )
            return data[: found.start()] + number + data[found.end() :]
    return _changed_lines(rnd, data)


def _changed_lines(rnd: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rnd.randrange(len(lines))
    choice = rnd.randrange(7)
    if choice == 0:
        del lines[at]
    elif choice == 1:
        lines.insert(at, lines[at])
    elif choice == 2:
        lines.insert(rnd.randrange(len(lines)), lines.pop(at))
    elif choice == 3:
        lines[at] = b" " * rnd.randrange(1, 5) + lines[at]
    elif choice == 4:
        lines[at] = lines[at][rnd.randrange(1, 4) :]
    elif choice == 5:
        lines[at] = lines[at].replace(b" ", b"\t", 1)
    else:
        end = at + rnd.randrange(1, 5)
        lines[at:end] = [b"  " + line for line in lines[at:end]]
    return b"\n".join(lines)


def _encoded(rnd: Random, data: bytes) -> bytes:
    if rnd.random() < 0.3:
        return rnd.choice((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE)) + data
    text = data.decode("utf-8", "replace")
    return text.encode(rnd.choice(_ENCODINGS), "replace")


# -------------------------------------------------------------------------- whole documents

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: cart\nspec:\n"


def _bomb(start: str, link: Callable[[str], str], levels: int) -> str:
    lines = [f"a0: &a0 {start}\n"]
    lines += [f"a{n}: &a{n} {link(f'*a{n - 1}')}\n" for n in range(1, levels)]
    return "".join(lines)


def horrors() -> dict[str, bytes]:
    """Texts made by hand to break a reader, by a name that says how. Each is below 300 KB."""
    ten = ", ".join(["{0}"] * 10)
    made = {
        "alias-bomb": _bomb("[x, x, x, x, x]", lambda before: f"[{ten.format(before)}]", 12),
        # Stops where it stands for nearly as many values as an alias may.
        "alias-bomb-small": POD + "  containers: *c\nx:\n  " + "\n  ".join(
            _bomb("[{name: a}]", lambda before: f"[{ten.format(before)}]", 6).splitlines()
        ),
        "alias-bomb-object": "x:\n  "
        + "\n  ".join(_bomb("{name: a}", lambda b: f"[{ten.format(b)}]", 6).splitlines())
        + "\n" + POD + "  containers: *a5\n",
        "alias-bomb-members": "x:\n  - &o {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {}}\n"
        "apiVersion: v1\nkind: List\nitems: [" + ", ".join(["*o"] * 1_000) + "]\n",
        "merge-bomb": _bomb(
            "{" + ", ".join(f"k{n}: 1" for n in range(100)) + "}", lambda b: "{<<: [" + ", ".join([b] * 50) + "]}", 30
        ),
        "merge-chain": _bomb("{a: 1}", lambda before: f"{{<<: {before}, b: 1}}", 190),
        "levels-flow": "a: " + "[" * 10_000 + "]" * 10_000,
        "levels-flow-map": "a: " + '{"a":' * 10_000 + "1" + "}" * 10_000,
        "levels-json": "[" * 10_000,
        "levels-json-map": '{"a":' * 10_000,
        "levels-block": "".join(" " * n + "a:\n" for n in range(500)),
        "levels-dashes": "- " * 10_000 + "a",
        "levels-keys": "? " * 10_000 + "a",
        "levels-199": POD + "  x: " + "[" * 197 + "]" * 197,
        "levels-of-lists": "{apiVersion: v1, kind: List, items: [" * 90 + "]}" * 90,
        "levels-of-anchors": " ".join(f"&a{n}" for n in range(5_000)) + " x",
        "levels-of-tags": "!!str " * 5_000 + "x",
        "long-line": POD + "  x: " + "a " * 100_000,
        "long-key": "a" * 100_000 + ": 1\n",
        "long-quoted-key": '"' + "a" * 100_000 + '": 1\n',
        "many-documents": "---\na: 1\n" * 10_000,
        "many-separators": "---\n" * 50_000,
        "many-broken": "--- [\n" * 3_000,
        "many-broken-flow": "--- {a: b:c:d]\n" * 3_000,
        "many-keys": "".join(f"k{n}: {n}\n" for n in range(20_000)),
        "many-equal-keys": "a: 1\n" * 5_000,
        "many-items": POD + "  containers:\n" + "  - name: a\n" * 200,
        "many-comments": "# a\n" * 50_000 + "a: 1\n",
        "many-directives": "%YAML 1.1\n" * 10_000 + "--- a\n",
        "many-anchors": "".join(f"k{n}: &a{n} x\n" for n in range(10_000)) + "z: [*a1, *a9999]\n",
        "nul": POD.replace("cart", "ca\0rt"),
        "nul-only": "\0" * 1_000,
        "control": "".join(f"k: {chr(code)}\n---\n" for code in range(32)),
        "escapes": "".join(f'k: "\\x{code:02x}"\n---\n' for code in range(256)),
        "surrogates": 'a: "\\ud800\\udc00 \\udfff"\n---\n{"a": "\\ud83d\\ude00", "b": "\\ud800"}\n',
        "binary": POD + "  x: !!binary " + base64.b64encode(bytes(range(256))).decode() + "\n",
        "binary-broken": POD + "  x: !!binary =====\n",
        "numbers": "".join(f"k{n}: {raw}\n" for n, raw in enumerate((*_RAW[:8], "9" * 100_000))),
        "keys-that-are-maps": "? {a: b}\n: c\n---\n? [a]\n: b\n---\n{{a: b}: c}\n---\n? - a\n: - b\n",
        "keys-of-types": "1: a\n1.0: b\nnull: c\n~: d\ntrue: e\nyes: f\n'': g\n.nan: h\n0x1: i\n",
        "merges": "a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {<<: [*a, {y: 1}]}\nd: {<<: 1}\n",
        "merge-itself": "a: &a {<<: *a}\n",
        "merge-quoted": "a: {'<<': {x: 1}}\n",
        "tags": "\n".join(f"k{n}: {raw}" for n, raw in enumerate(raw for raw in _RAW if raw[0] == "!")),
        "templates": "a: {{ .Values.a }}\n{{- if x }}\nb: 1\n{{- end }}\n",
        "carriage-returns": POD.replace("\n", "\r") * 3,
        "tabs": POD.replace("  ", "\t"),
        "line-separators": POD.replace("\n", "\u2028"),
        "next-lines": POD.replace("\n", "\x85"),
        "spaces": " " * 200_000 + "a: 1",
        "brackets": "[{" * 5_000,
        "quotes": "'" * 100_001,
        "colons": ":" * 100_000,
        "question-marks": "? a\n" * 5_000,
        "block-scalar": POD + "  x: |\n" + "    a\n" * 30_000,
        "list-of-nothing": "apiVersion: v1\nkind: List\nitems: [null, 1, a, [], {}, {kind: Pod}, true]\n",
        "kinds-of-types": "\n---\n".join(
            f"apiVersion: {one}\nkind: {two}\nmetadata: {three}\nspec: {three}"
            for one in ("v1", "1", "[]", "''") for two in ("Pod", "1", "{}", "~") for three in ("1", "a", "[]")
        ),
    }  # fmt: skip
    found = {name: text.encode("utf-8", "surrogatepass") for name, text in made.items()}
    for encoding in _ENCODINGS:
        found[f"encoded-{encoding}"] = (POD + "  \u00e4: 1\n").encode(encoding, "replace")
    for mark in ("BOM_UTF8", "BOM_UTF16_LE", "BOM_UTF16_BE", "BOM_UTF32_LE", "BOM_UTF32_BE"):
        found[f"mark-{mark}"] = getattr(codecs, mark) + POD.encode()
        found[f"mark-only-{mark}"] = getattr(codecs, mark)
    found["marks"] = codecs.BOM_UTF8 * 3 + POD.encode() + b"---\n" + codecs.BOM_UTF8 + b"a: 1\n"
    found["every-byte"] = bytes(range(256))
    found["half-character"] = POD.encode() + b"  x: \xc3"
    return found


def large_horrors() -> dict[str, Callable[[], bytes]]:
    """Texts of 100 MB, made one at a time."""
    size = 100_000_000
    return {
        "large-text": lambda: b"a: " + b"x" * size,
        "large-comment": lambda: POD.encode() + b"# " + b"x" * size,
        "large-blank": lambda: b" " * size,
        "large-lines": lambda: b"\n" * size + POD.encode(),
        "large-nul": lambda: b"\0" * size,
        "large-brackets": lambda: b"[" * size,
        "large-json": lambda: b'{"a":' * (size // 5),
        "large-not-text": lambda: b"\xff" * size,
        "large-block-scalar": lambda: (
            b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: |\n"
            + b"    some text that goes on and on and on\n" * (size // 41)
        ),
        "large-separators": lambda: b"---\n" * (size // 4),
    }


def make_document(rnd: Random, seeds: Seeds, odd: list[bytes]) -> tuple[str, bytes]:
    """A name for the file (empty for any) and a document that nobody has written like this."""
    choice = rnd.random()
    if choice < 0.003:
        return "", rnd.choice(odd)
    if choice < 0.68:
        seed = rnd.choice(seeds.with_values)
        value = json.loads(seed.value)
        for _ in range(rnd.choice((1, 1, 1, 2, 2, 3, 5))):
            value = change_value(rnd, seeds, seed, value)
        try:
            if rnd.random() < 0.4 and _is_plain(value):
                indent = rnd.choice((None, 2))
                text = json.dumps(value, indent=indent, ensure_ascii=rnd.random() < 0.5)
            else:
                text = write(rnd, value)
        except RecursionError:  # changed again and again into something too deep to be written
            text = seed.value
        data = text.encode("utf-8", "surrogatepass")
        if rnd.random() < 0.05:
            data = change_bytes(rnd, seeds, data)
        return seed.name, data
    seed = rnd.choice(seeds.all)
    data = seed.text
    for _ in range(rnd.choice((1, 1, 2, 3))):
        data = change_bytes(rnd, seeds, data)
    return seed.name, data
