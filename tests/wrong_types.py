"""Fixtures with a value of another type in the place of a field that a run reads.

`python tests/wrong_types.py [RULE...]` tries every field with every wrong value, one at a time,
which takes hours for all rules. The tests try every field with one of them, several at a time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from meshlint import __version__
from meshlint.config import Config, load_config
from meshlint.dataclass import replace
from meshlint.documents import Document, parse
from meshlint.enablement import EnabledRule, enable
from meshlint.engine import INTERNAL_ERROR, reporting
from meshlint.engine import run as run_rules
from meshlint.findings import Path as Steps
from meshlint.fixes import fix_all, planned
from meshlint.lint import Request, Result, lint, load_input
from meshlint.mesh.inspection import inspect_installations
from meshlint.mesh.inspection_workloads import inspect_workloads
from meshlint.mesh.world import World
from meshlint.model.index import Index
from meshlint.model.resources import make_resource
from meshlint.model.values import get
from meshlint.reporters import FORMATS, ReportContext, whole
from meshlint.reporters.inspection import render_inspection
from meshlint.ruleset import Rule, load_builtin
from meshlint.suppressions import NONE
from meshlint.text import SourceFile

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
TODAY = date(2026, 6, 30)
PATIENCE = 5.0
"""Seconds of work that one run may cost."""

NAN = float("nan")
PLAIN: tuple[Any, ...] = (None, "x", 7, ["x"], {"x": "y"})
"""One value of each type."""
ODD: tuple[Any, ...] = (
    *(
        True,
        1.5,
        -1,
        0,
        10**30,
        NAN,
        "",
        "-1",
        "(",
        "*",
        "9" * 30,
        "1e400",
        "\x00",
        "a\nb",
        "é:/@[",
    ),
    *([], [None], [7], [{}], [[]], [{"name": 1}], [{"name": None}, {"name": []}], ["x", "x", 7]),
    *({}, {"": None}, {"x": []}, {"x": {"x": 7}}, {"-1": True, "null": NAN, "é": "("}),
)
"""What the same types can hold that is seldom thought of."""


@dataclass(frozen=True)
class Case:
    """One fixture of a rule, as files with their texts."""

    rule: str
    name: str
    config: Config
    files: Mapping[str, SourceFile]
    """Files of YAML or JSON, by their path from the folder of the rule."""

    @property
    def folder(self) -> Path:
        return FIXTURES / self.rule


@dataclass(frozen=True)
class Field:
    """A place in a fixture at which a run looks, whether something stands there or not."""

    file: str
    document: int
    path: Steps
    kind: str
    """What the document is, so far as it says so."""
    holds: Literal["nothing", "a value", "a block"]

    @property
    def symbolic(self) -> str:
        """The same for the same field of every object of that kind."""
        return ".".join([self.kind, *("*" if isinstance(s, int) else s for s in self.path)])

    @property
    def is_identity(self) -> bool:
        """Whether what the object is hangs on it, so that little else is read without it."""
        return self.path in ((), ("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"))


@cache
def all_rules() -> tuple[Rule, ...]:
    return load_builtin()


def cases(rule: str) -> list[Case]:
    """Fixtures of a rule, those that pass and those that fail."""
    found = []
    for path in sorted((FIXTURES / rule).iterdir()):
        if path.suffix == ".out" or ".fixed" in path.suffixes:
            continue
        settings = path / ".meshlint.yaml"
        config = load_config(settings, path.name) if settings.is_file() else Config()
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        files = {}
        for file in below:
            if file.is_file() and file.suffix in (".yaml", ".yml", ".json") and file != settings:
                shown = file.relative_to(path.parent).as_posix()
                try:
                    files[shown] = SourceFile(shown, file.read_bytes().decode())
                except UnicodeDecodeError:
                    continue
        found.append(Case(rule, path.name, config, files))
    return found


# ------------------------------------------------------------------------------- what is read


class _ReadMapping(dict[str, Any]):
    """A mapping that notes the keys which somebody asks for and it does not have."""

    asked: set[str]

    # Readers tell plain mappings by their class, and shall do as they always do.
    __class__ = property(lambda _: dict)  # type: ignore[assignment]

    def _note(self, key: Any) -> None:
        if isinstance(key, str) and not dict.__contains__(self, key):
            self.asked.add(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return dict.get(self, key, default)

    def __contains__(self, key: Any) -> bool:
        self._note(key)
        return dict.__contains__(self, key)

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return dict.__getitem__(self, key)


def _observed(value: Any, path: Steps, seen: dict[Steps, set[str]]) -> Any:
    if isinstance(value, dict):
        made = _ReadMapping((k, _observed(v, (*path, k), seen)) for k, v in value.items())
        made.asked = seen.setdefault(path, set())
        return made
    if isinstance(value, list):
        return [_observed(item, (*path, at), seen) for at, item in enumerate(value)]
    return value


def _existing(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    yield path, value
    members = value.items() if isinstance(value, dict) else ()
    members = enumerate(value) if isinstance(value, list) else members
    for step, member in members:
        yield from _existing(member, (*path, step))


def fields(case: Case) -> list[Field]:
    """Every field that stands in a fixture, and those that the rule asks for besides."""
    request = _request(case, (case.rule,), {})
    loaded = load_input(request)
    index = loaded.index
    watched: dict[Document, Document] = {}
    asked: dict[Document, dict[Steps, set[str]]] = {}
    for document in {d: None for f in index.files for d in f.documents}:
        asked[document] = {}
        watched[document] = Document(
            file=document.file,
            index=document.index,
            value=_observed(document.value, (), asked[document]),
            _start=document._start,
            _positions=document._positions,
        )
    config, networks = index.mesh_config, index.mesh_networks
    again = Index(
        [
            make_resource(
                watched[r.document],
                r.path,
                get(watched[r.document].value, *r.path),
                reported=r.reported,
            )
            for r in index.resources
        ],
        values_files=[watched[document] for document in index.values_files],
        mesh_config=watched[config] if config else None,
        mesh_networks=watched[networks] if networks else None,
        files=[replace(f, documents=tuple(map(watched.get, f.documents))) for f in index.files],
        context_files=index.context_files,
    )
    run_rules(World(again, request.settings, reporting(request.rules)), request.rules, NONE)
    found: list[Field] = []
    for document, wanted in asked.items():
        path = document.file.path
        if path not in case.files:
            continue
        kind = get(document.value, "kind")
        kind = kind if isinstance(kind, str) else Path(path).name
        for place, value in _existing(document.value):
            holds = "a block" if isinstance(value, dict | list) else "a value"
            found.append(Field(path, document.index, place, kind, holds))
        for home, keys in wanted.items():
            places = [(*home, key) for key in sorted(keys)]
            found += [Field(path, document.index, place, kind, "nothing") for place in places]
    return found


# -------------------------------------------------------------------------------- wrong values


def with_wrong(
    case: Case, wrong: Sequence[tuple[Field, Any]], parsed: dict[str, Any]
) -> dict[str, str]:
    """Texts of a case's files with other values in them; none where nothing comes of it.

    What stands is replaced in the text, so that comments and positions stay as they are; what does
    not stand is put in by writing the whole file anew.
    """
    texts = {}
    for path in {place.file for place, _ in wrong}:
        file = case.files[path]
        documents: dict[int, Document] = parsed.setdefault(
            path, {d.index: d for d in parse(file).documents}
        )
        values = {number: document.value for number, document in documents.items()}
        spans = []
        here = [(place, value) for place, value in wrong if place.file == path]
        for place, value in here:
            document = documents[place.document]
            values[place.document] = _put(values[place.document], place.path, value)
            spans.append((document.span_of(place.path), value))
        text = ""
        if all(span is not None for span, _ in spans):
            text = file.text
            for span, value in sorted(spans, key=lambda pair: pair[0], reverse=True):
                text = f"{text[: span.start]}{' ' * 40}{_flow(value)}{text[span.end :]}"
            there = {d.index: d.value for d in parse(SourceFile(path, text)).documents}
            if {n: repr(v) for n, v in there.items()} != {n: repr(v) for n, v in values.items()}:
                text = ""
        texts[path] = text or "\n---\n".join(map(_flow, values.values())) + "\n"
    return texts


def _put(value: Any, path: Steps, wrong: Any) -> Any:
    if not path:
        return wrong
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        return [_put(item, rest, wrong) if at == step else item for at, item in enumerate(value)]
    return {**value, step: _put(value.get(step), rest, wrong)}


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, float) and value != value:
        return ".nan"
    text = json.dumps(value)
    return {"Infinity": ".inf", "-Infinity": "-.inf"}.get(text, text)


# ---------------------------------------------------------------------------------------- runs


@cache
def _enabled(rules: Sequence[str] | None, config: int) -> tuple[EnabledRule, ...]:
    entries = _CONFIGS[config].rules
    return tuple(
        enable(
            rule,
            entries.get(rule.id, {}).get("severity"),
            entries.get(rule.id, {}).get("params"),
        )
        for rule in all_rules()
        if rules is None or rule.id in rules
    )


_CONFIGS: dict[int, Config] = {}


def _request(case: Case, rules: Sequence[str] | None, texts: Mapping[str, str]) -> Request:
    _CONFIGS[id(case.config)] = case.config
    os.chdir(case.folder)
    return Request(
        [case.name],
        _enabled(rules, id(case.config)),
        replace(case.config.settings, today=TODAY),
        waivers=case.config.waivers,
        known_rules=all_rules(),
        overlays={str(Path(path).resolve()): text.encode() for path, text in texts.items()},
    )


@dataclass
class Tally:
    """What a series of runs has cost, and what went wrong."""

    runs: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


Effort = Literal["own rule", "all rules", "everything"]
"""How much is done with a case: the last one is with every report, the fixes and `inspect`."""


def attempt(case: Case, texts: Mapping[str, str], tally: Tally, effort: Effort) -> None:
    """Lints a case with wrong values; a failure is noted with what led to it."""
    started = time.process_time()
    try:
        said = _trouble(case, texts, effort)
    except Exception as error:  # noqa: BLE001 - whatever comes out is what is looked for
        import traceback

        said = "".join(traceback.format_exception(error))
    spent = time.process_time() - started
    tally.runs += 1
    tally.slowest = max(tally.slowest, spent)
    if spent > PATIENCE:
        said = said or f"took {spent:.1f} s"
    if said:
        tally.failures.append(f"{case.rule}/{case.name}: {said}")


def _trouble(case: Case, texts: Mapping[str, str], effort: Effort) -> str:
    request = _request(case, (case.rule,) if effort == "own rule" else None, texts)
    result = lint(request)
    if result.crashes:
        return result.crashes[0]
    if any(finding.rule == INTERNAL_ERROR for finding in result.report.findings):
        return "an internal error"
    report = planned(result.report)
    if effort != "everything":
        return ""
    context = ReportContext(version=__version__, rules=[])
    for name in FORMATS:
        whole(name, report, context)
    _inspected(result)

    def again(changed: Mapping[str, str]) -> Any:
        files = {str(Path(path).resolve()): text.encode() for path, text in changed.items()}
        repeated = lint(replace(request, overlays={**request.overlays, **files}))
        assert not repeated.crashes, repeated.crashes[0]
        return repeated.report

    fix_all(result.report, again, unsafe=True)
    return ""


def _inspected(result: Result) -> None:
    world = result.world
    data = {
        "installations": inspect_installations(world.installations, world.settings),
        "workloads": inspect_workloads(world.index, world.injector, world.proxies),
    }
    json.dumps(data)
    render_inspection(data, 80, color=False)


def number_of(*parts: object) -> int:
    """The same number for the same parts, in every run."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big")


# -------------------------------------------------------------------------------------- sample


def sample(rule: str, tally: Tally) -> int:
    """Every field of a rule's fixtures once with a wrong value, several fields in each run.

    The value depends on the rule and the field. Together in a run are fields of which none holds
    another: half of those that hold nothing, or the blocks of one depth. Returns their number.
    """
    places: dict[str, list[tuple[Case, Field]]] = {}
    for case in cases(rule):
        for place in fields(case):
            places.setdefault(place.symbolic, []).append((case, place))
    together: dict[tuple[str, object], tuple[Case, list[tuple[Field, Any]]]] = {}
    for symbolic, homes in places.items():
        # The same fixture for as many fields as possible, which makes for fewer runs.
        case, place = min(homes, key=lambda home: number_of(rule, home[0].name))
        drawn = number_of(rule, symbolic)
        values = PLAIN if drawn % 3 else ODD
        wrong = values[drawn // 3 % len(values)]
        depth = len(place.path) if place.holds == "a block" else 0
        group = (place.holds, place.is_identity, depth)
        together.setdefault((case.name, group), (case, []))[1].append((place, wrong))
    parsed: dict[str, dict[str, Any]] = {}
    for case, wrong in together.values():
        texts = with_wrong(case, wrong, parsed.setdefault(case.name, {}))
        drawn = number_of(rule, case.name, len(wrong)) % 30
        effort: Effort = "own rule" if drawn > 2 else "all rules" if drawn else "everything"
        attempt(case, texts, tally, effort)
    return len(places)


# --------------------------------------------------------------------------------- full search


_EVERYTHING = 25
"""Of so many runs with all rules, one is with everything."""


def search(rule: str, tally: Tally, seen: set[tuple[str, int]], share: int = 1) -> int:
    """Every field of a rule's fixtures with every plain value; how many fields those are.

    Of fixtures that have the same field, one is taken, by turns. All rules look at the first of all
    objects that have a field, with every plain value and each `share`-th of the odd ones; `seen`
    keeps which that were.
    """
    places: dict[str, list[tuple[Case, Field]]] = {}
    parsed: dict[str, dict[str, Any]] = {}
    for case in cases(rule):
        for place in fields(case):
            places.setdefault(place.symbolic, []).append((case, place))
    for symbolic, homes in places.items():
        tries: list[tuple[int, Any, Effort]] = []
        for number, value in enumerate((*PLAIN, *ODD)):
            odd = number >= len(PLAIN)
            if not odd:
                tries.append((number, value, "own rule"))
            drawn = number_of(symbolic, number)
            if (symbolic, number) not in seen and not (odd and drawn % share):
                effort: Effort = "all rules" if drawn // share % _EVERYTHING else "everything"
                tries.append((number, value, effort))
                seen.add((symbolic, number))
        for number, value, effort in tries:
            case, place = homes[number_of(rule, symbolic, number) % len(homes)]
            texts = with_wrong(case, [(place, value)], parsed.setdefault(case.name, {}))
            before = len(tally.failures)
            attempt(case, texts, tally, effort)
            if len(tally.failures) > before:
                tally.failures[-1] = f"{place.symbolic} = {value!r}: {tally.failures[-1]}"
    return len(places)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", metavar="RULE")
    parser.add_argument("--share", type=int, default=1, help="try one of so many odd values")
    given = parser.parse_args()
    tally, seen, count = Tally(), set[tuple[str, int]](), 0
    for rule in given.rules or [rule.id for rule in all_rules()]:
        before = len(tally.failures)
        count += search(rule, tally, seen, given.share)
        said = [f"{rule}: {count} fields, {tally.runs} runs, {tally.slowest:.1f} s"]
        sys.stdout.write("\n".join((*said, *tally.failures[before:][:20], "")))
        sys.stdout.flush()
    return bool(tally.failures)


if __name__ == "__main__":
    sys.exit(main())
