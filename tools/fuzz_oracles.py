"""What must hold for every input: no crash, no hang, nothing passed over in silence."""

# ruff: noqa: S314

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any
from xml.etree import ElementTree as ET

from meshlint import __version__
from meshlint.documents import Document, ParsedFile
from meshlint.enablement import EnabledRule, enable
from meshlint.findings import Location, Report, RuleInfo
from meshlint.fixes import fix_all, planned
from meshlint.lint import Request, Result, lint
from meshlint.reporters import ReportContext, whole
from meshlint.ruleset import load_builtin

TIME_LIMIT = float(os.environ.get("MESHLINT_FUZZ_SECONDS", "5"))
"""Seconds of processor time that one document may take: the load of the machine does not count."""

Files = Mapping[str, bytes]
"""Contents by the path below the directory that is linted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What does not hold. Equal kinds of failures have equal signatures."""

    signature: str
    text: str


@dataclass(slots=True)
class Tally:
    """What became of the documents of some runs, and how long they took."""

    documents: int = 0
    """Documents that were made."""
    read: int = 0
    """Documents that the parser saw in them: one that is broken may fall into several."""
    objects: int = 0
    """Documents with at least one Kubernetes object."""
    broken: int = 0
    skipped: int = 0
    empty: int = 0
    resources: int = 0
    findings: int = 0
    fixed: int = 0
    slow: int = 0
    """Runs that took longer than one document may, none of their documents being the reason."""
    slowest_run: float = 0.0
    slowest_file: float = 0.0
    """Seconds that reading the slowest file took."""

    def add(self, other: Tally) -> None:
        for name in self.__dataclass_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            both = max(mine, theirs) if name.startswith("slowest") else mine + theirs
            setattr(self, name, both)


class Hang(BaseException):
    """The time is over. No Exception, so that nobody who catches all of those holds it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `Hang` in the block after a time of work, wherever it is by then in code of Python."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"not done after {seconds:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass(frozen=True, slots=True)
class Extra:
    """What is done with the report of a run beside making it."""

    formats: tuple[str, ...] = ()
    fix: bool = False


@dataclass(slots=True)
class Linter:
    """Every rule, ready to run."""

    rules: Sequence[EnabledRule] = field(default_factory=lambda: [*map(enable, load_builtin())])
    infos: tuple[RuleInfo, ...] = ()

    def __post_init__(self) -> None:
        for entry in self.rules:
            _ = entry.rule.check
        self.infos = tuple(
            RuleInfo(entry.rule.id, entry.rule.title, entry.severity, entry.rule.category)
            for entry in self.rules
        )

    def run(self, directory: Path, extra: Extra, tally: Tally) -> Failure | None:
        """Lints a directory, which is the working directory; what does not hold, if anything."""
        times: list[float] = []
        request = Request(
            ["."],
            self.rules,
            known_rules=[entry.rule for entry in self.rules],
            progress=lambda *_: times.append(time.process_time()),
        )
        start = time.process_time()
        try:
            result = lint(request)
            done = time.process_time()
            failure = self._judged(directory, result, extra, request, tally)
        except Exception as error:  # noqa: BLE001 - any is a finding of the fuzzer
            return crash(error)
        tally.slowest_run = max(tally.slowest_run, done - start)
        steps = [after - before for before, after in pairwise(times)]
        tally.slowest_file = max(tally.slowest_file, *steps, 0.0)
        return failure

    def _judged(
        self, directory: Path, result: Result, extra: Extra, request: Request, tally: Tally
    ) -> Failure | None:
        if result.crashes:
            return Failure(_last_line(result.crashes[0]), result.crashes[0])
        names = sorted(
            p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()
        )
        complaint = next(complaints(result, names, tally), "")
        if complaint:
            return Failure(re.sub(r"'[^']*'|\d+", "*", complaint), complaint)
        report = result.report
        for name in extra.formats:
            context = ReportContext(__version__, self.infos, working_directory=str(directory))
            if name in _WITH_EDITS and report is result.report:
                report = planned(report)
            render(name, report, context)
        if extra.fix:
            tally.fixed += _fixed(result, request)
        return None


_WITH_EDITS = ("text", "json", "sarif")


def crash(error: BaseException) -> Failure:
    """The failure that an exception is."""
    text = "".join(traceback.format_exception(error))
    return Failure(_last_line(text), text)


def _last_line(text: str) -> str:
    """Kind of the exception and the function it comes from."""
    frames = re.findall(r'File "[^"]*?(\w+)\.py", line \d+, in (\w+)', text)
    kind = text.strip().splitlines()[-1].partition(":")[0]
    return f"{kind} in {'.'.join(frames[-1]) if frames else '?'}"


def render(name: str, report: Report, context: ReportContext) -> None:
    """Writes a report in a format and reads it again, where the format has a grammar."""
    text = whole(name, report, context)
    text.encode("utf-8")
    if name in ("json", "sarif", "gitlab"):
        json.loads(text)
    elif name in ("junit", "checkstyle"):
        ET.fromstring(text)


def _fixed(result: Result, request: Request) -> int:
    def again(texts: Mapping[str, str]) -> Report:
        overlays = {result.locations[path]: text.encode() for path, text in texts.items()}
        following = lint(Request(request.paths, request.rules, overlays=overlays))
        if following.crashes:
            raise RuntimeError(following.crashes[0])
        return following.report

    return len(fix_all(result.report, again, unsafe=True).fixed)


# -------------------------------------------------------------------------------- bookkeeping

_RULE_OF = {
    "syntax": "yaml-syntax-invalid",
    "duplicate-key": "yaml-key-duplicate",
    "malformed": "manifest-malformed",
    "unreadable": "file-unreadable",
}


def complaints(result: Result, names: Sequence[str], tally: Tally) -> Iterator[str]:
    """What was lost between the files and the report, and what of the report makes no sense.

    For every file: it is skipped as a whole, with a reason, or it was parsed. For every document of
    a parsed file, by its number: it is broken, and a finding says so; or it is empty; or it was
    read, and then it is an object, skipped with a reason, malformed by a finding, or configuration
    that the model uses. A list counts by its members. All text of a parsed file belongs to one of
    its documents, or to a broken one, or means nothing.
    """
    report, index = result.report, result.world.index
    parsed = {file.file.path: file for file in index.files}
    skips = Counter((entry.file, entry.document) for entry in report.skipped)
    linted = Counter(id(resource.document) for resource in index.resources)
    inside = {id(resource.document) for resource in index.resources if resource.path}
    used = {id(document) for document in _used(result)}
    places = {
        (finding.rule, finding.location.file.path, finding.location.span.start)
        for finding in report.findings
        if finding.about_run
    }
    tally.resources += len(index.resources)
    tally.findings += len(report.findings)

    if len(parsed) != len(index.files):
        yield "a file was parsed twice"
    if result.bad_paths:
        yield f"a path is called wrong: {result.bad_paths[0]}"
    if report.files != len(names):
        yield f"{len(names)} files were given, {report.files} were read"
    if report.documents != sum(len(file.documents) for file in index.files):
        yield "the documents of the report are not those of the files"
    if report.resources != len(index.resources):
        yield "the resources of the report are not those of the index"
    for name in names:
        file = parsed.get(name)
        if file is None:
            tally.skipped += 1
            if not skips[name, None]:
                yield f"the file '{name}' is neither parsed nor skipped"
            continue
        tally.read += file.document_count
        broken = {p.document for p in file.problems if p.kind in ("syntax", "unreadable")}
        tally.broken += len(broken)
        for problem in file.problems:
            rule = _RULE_OF[problem.kind]
            if (rule, name, problem.span.start) not in places:
                yield f"no finding tells of a {problem.kind} problem: '{name}' {problem.message!r}"
        numbers = [document.index for document in file.documents]
        if numbers != sorted(set(numbers) - broken):
            yield f"documents of '{name}' are out of order, or broken and read at once"
        if numbers and numbers[-1] >= file.document_count:
            yield f"'{name}' has more documents than are counted"
        tally.empty += len(set(range(file.document_count)) - broken - set(numbers))
        lost = unread_text(file)
        if lost:
            yield f"text of '{name}' belongs to no document: {lost!r}"
        for document in file.documents:
            number = document.index if file.document_count > 1 else None
            malformed = sum(
                p.kind == "malformed" and p.document == document.index for p in file.problems
            )
            objects, skipped = linted[id(document)], skips[name, number]
            tally.objects += objects > 0
            tally.broken += not objects and malformed > 0
            tally.skipped += not objects and not malformed and skipped > 0
            known = objects + malformed + skipped + (id(document) in used)
            if document.value is None:
                tally.empty += 1
                if known:
                    yield f"an empty document of '{name}' counts as something"
                continue
            expected = {len(_members(document.value))} if id(document) in inside else {1}
            if isinstance(document.value, (dict, list)) and not objects:
                expected.add(len(_members(document.value)))
            if known not in expected:
                yield (
                    f"document {document.index} of '{name}' holds {expected} entries; {objects} are"
                    f" linted, {malformed} malformed, {skipped} skipped"
                )
    yield from _misplaced(report)


def _used(result: Result) -> Iterator[Document]:
    """Documents that are no objects but say how the mesh is set up."""
    index, installed = result.world.index, result.world.installations
    values = {id(document) for document in index.values_files}
    for config in (index.mesh_config, index.mesh_networks):
        if config is not None:
            yield config
    found = {
        id(record.document): record.document
        for records in (
            installed.control_planes,
            installed.without_control_plane,
            installed.gateways,
            installed.node_agents,
            installed.base_charts,
        )
        for record in records
    }
    yield from (document for key, document in found.items() if key in values)


def _members(value: Any) -> list[Any]:
    """Objects and other things in a list, those of lists in it as well; nothing counts as none."""
    found: list[Any] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if item is value and isinstance(item, list):
            stack += item
        elif isinstance(item, dict) and _is_list(item):
            stack += item["items"]
        elif item is not None:
            found.append(item)
    return found


def _is_list(value: dict[str, Any]) -> bool:
    kind, version = value.get("kind"), value.get("apiVersion")
    return (
        isinstance(kind, str)
        and kind.endswith("List")
        and isinstance(version, str)
        and version != ""
        and isinstance(value.get("items"), list)
    )


_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NOTHING = re.compile(
    "[ \t\ufeff]*(?:#.*)?|(?:---|\\.\\.\\.)(?:[ \t]+\ufeff?(?:#.*)?)?|%.*|\ufeff+---"
)
_EMPTY_NODE = re.compile(r"(?:---)?[ \t]*(?:(?:![^ \t]*|&[^ \t]+)[ \t]*)+(?:#.*)?")


def unread_text(parsed: ParsedFile) -> str:
    """The first line of a file that is in no document, though none of its neighbors is broken."""
    if not parsed.document_count and parsed.problems:
        return ""  # nothing of it could be read at all
    text = parsed.file.text
    broken = {p.document for p in parsed.problems if p.kind == "syntax"}
    at, after = 0, -1
    ends = [(document.index, document.span) for document in parsed.documents]
    for number, span in [*ends, (parsed.document_count, None)]:
        start = len(text) if span is None else span.start
        between = range(after + 1, number)
        if start < at:
            return f"(documents {after} and {number} overlap)"
        if broken.isdisjoint(between):
            for line in _LINE_END.split(text[at:start].strip("\r\n")):
                if not _NOTHING.fullmatch(line) and not (between and _EMPTY_NODE.fullmatch(line)):
                    return line
        at, after = (start if span is None else span.end), number
    return ""


def _misplaced(report: Report) -> Iterator[str]:
    seen: set[str] = set()
    for finding in report.findings:
        if finding.fingerprint in seen:
            yield f"two findings of {finding.rule} have one fingerprint"
        seen.add(finding.fingerprint)
        for location in (finding.location, *finding.related):
            if not _inside(location):
                yield f"a place of {finding.rule} is outside of its file"


def _inside(location: Location) -> bool:
    span = location.span
    return 0 <= span.start <= span.end <= len(location.file.text)


def peak_memory() -> int:
    """Megabytes of memory that this process has held at most; 0 where nobody tells."""
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1_000_000
