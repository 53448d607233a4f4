"""Findings that somebody has decided to live with: who said so, where, and for how long.

A suppression is a comment, an annotation of an object, or a waiver of the configuration. It hides
exactly what it names. Annotations that other tools read for the same purpose count for the rules
that cover the check they name.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Finding, Path
from meshlint.mesh.annotations import edit_distance
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, text
from meshlint.patterns import regexp
from meshlint.ruleset import Rule
from meshlint.text import SourceFile, Span

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

ANNOTATION_PREFIX = "ignore.meshlint.io/"
"""Followed by the id of a rule or a category; the value is the reason."""

Origin = Literal["comment", "annotation", "configuration", "other tool"]


@dataclass(frozen=True, slots=True)
class Waiver:
    """An entry of `waivers` in the configuration. Empty fields hold for everything.

    Kind, name, namespace and container are globs; `files` is a pattern as in .gitignore, relative
    to `directory`, which is that of the configuration.
    """

    names: tuple[str, ...]
    """Rules, categories, or codes of other tools."""
    document: Document
    path: Path
    """Way to the entry in the configuration."""
    directory: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    container: str = ""
    files: str = ""
    reason: str = ""
    owner: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """One rule, category or code that a suppression names."""

    written: str
    rules: frozenset[str]
    """Ids of the rules it stands for; empty where nothing has that name."""
    span: Span
    near: str = ""
    """The nearest name that exists, where nothing has this one."""
    meant: str = ""
    """The only name that exists within two letters of it, where nothing has this one."""


@dataclass(frozen=True, slots=True, eq=False)
class Suppression:
    """One decision to hide findings."""

    origin: Origin
    names: tuple[Name, ...]
    file: SourceFile
    span: Span
    document: Document | None = None
    path: Path = ()
    """Way to the annotation, or to the entry of the configuration, in the document."""
    resource: Resource | None = None
    """The object that an annotation stands on."""
    line: int = 0
    """For a comment, the line whose findings it hides; 0 for the whole file."""
    waiver: Waiver | None = None
    reason: str = ""
    owner: str = ""
    until: date | None = None
    """Last day on which it holds."""

    def is_expired(self, today: date) -> bool:
        return self.until is not None and self.until < today

    def covers(self, rule: str) -> bool:
        """Whether it names a rule."""
        return any(rule in name.rules for name in self.names)


class Suppressions:
    """Every suppression of the input and of the configuration, by what it may hide."""

    def __init__(self, found: Iterable[Suppression] = ()) -> None:
        self.all = tuple(found)
        self._of_resource: dict[int, list[Suppression]] = defaultdict(list)
        self._of_line: dict[tuple[str, int], list[Suppression]] = defaultdict(list)
        self._waivers: list[Suppression] = []
        for suppression in self.all:
            if suppression.waiver is not None:
                self._waivers.append(suppression)
            elif suppression.resource is not None:
                self._of_resource[id(suppression.resource)].append(suppression)
            else:
                self._of_line[suppression.file.path, suppression.line].append(suppression)

    def hiding(
        self, finding: Finding, resource: Resource | None, document: Document | None, today: date
    ) -> Suppression | None:
        """What hides a finding; None for one that is shown. Expired ones hide nothing."""
        for suppression in self._candidates(finding, resource, document):
            if suppression.covers(finding.rule) and not suppression.is_expired(today):
                return suppression
        return None

    def _candidates(
        self, finding: Finding, resource: Resource | None, document: Document | None
    ) -> Iterator[Suppression]:
        if resource is not None:
            yield from self._of_resource.get(id(resource), ())
        if self._of_line:
            file = finding.location.file
            line = file.position(finding.location.span.start).line
            yield from self._of_line.get((file.path, line), ())
            yield from self._of_line.get((file.path, 0), ())
        for suppression in self._waivers:
            assert suppression.waiver is not None
            if _waives(suppression.waiver, finding, resource, document):
                yield suppression


NONE = Suppressions()


def _waives(
    waiver: Waiver, finding: Finding, resource: Resource | None, document: Document | None
) -> bool:
    if waiver.files and not _is_in(finding.location.file.path, waiver):
        return False
    if waiver.kind or waiver.name or waiver.namespace:
        if resource is None:
            return False
        pairs = (
            (waiver.kind, resource.kind),
            (waiver.name, resource.name),
            (waiver.namespace, resource.namespace),
        )
        if not all(not wanted or fnmatchcase(found, wanted) for wanted, found in pairs):
            return False
    if not waiver.container:
        return True
    name = _container(finding, document)
    return name is not None and fnmatchcase(name, waiver.container)


def _is_in(path: str, waiver: Waiver) -> bool:
    relative = os.path.relpath(path, waiver.directory) if waiver.directory else path
    return bool(_pattern(waiver.files).match_file(relative))


@cache
def _pattern(written: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([written])


_CONTAINER = regexp(r"(.*/(?:initC|ephemeralC|c)ontainers/\d+)(?:/.*)?\Z")


def _container(finding: Finding, document: Document | None) -> str | None:
    """Name of the container that a finding points into."""
    found = _CONTAINER.match(finding.location.pointer)
    if found is None or document is None:
        return None
    steps = [
        int(step) if step.isdigit() else step.replace("~1", "/").replace("~0", "~")
        for step in found[1].split("/")[1:]
    ]
    return text(get(document.value, *steps), "name")


# -------------------------------------------------------------------------------------- reading


def read_suppressions(
    index: Index, rules: Sequence[Rule], waivers: Sequence[Waiver] = ()
) -> Suppressions:
    """Every suppression, in the order in which one of them wins: annotation, comment, waiver."""
    names = _Names(rules)
    return Suppressions(
        [
            *_annotations(index, names),
            *_comments(index, names),
            *(_of_waiver(waiver, names) for waiver in waivers),
        ]
    )


class _Names:
    """What names in suppressions stand for: rules, categories, codes of other tools."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    @cached_property
    def _table(self) -> Mapping[str, set[str]]:
        # Made for the first suppression: most runs have none.
        table: dict[str, set[str]] = defaultdict(set)
        for rule in self._rules:
            table[rule.id].add(rule.id)
            table[rule.category].add(rule.id)
            for cover in rule.covers:
                tool, _, code = cover.partition(":")
                code = code.partition("(")[0]
                table[code].add(rule.id)
                table[f"{tool}:{code}"].add(rule.id)
        return table

    def name(self, written: str, span: Span) -> Name:
        rules = frozenset(self._table.get(written, ()))
        from difflib import get_close_matches

        near = [] if rules else get_close_matches(written, list(self._table), 1, 0.6)
        meant = [] if rules else [n for n in self._table if edit_distance(written, n, 2) <= 2]
        return Name(
            written,
            rules,
            span,
            near[0] if near else "",
            meant[0] if len(meant) == 1 else "",
        )

    def of_tool(self, tool: str, code: str) -> frozenset[str]:
        """Rules that cover a check of another tool; all that cover any, for `*`."""
        if code != "*":
            return frozenset(self._table.get(f"{tool}:{code}", ()))
        covering = (ids for name, ids in self._table.items() if name.startswith(f"{tool}:"))
        return frozenset[str]().union(*covering)


# ------------------------------------------------------------------------------------- comments

_COMMENT = regexp(
    r"(?P<before>^|[ \t])#[ \t]*meshlint:[ \t]*(?P<verb>ignore-file|ignore)(?P<rest>[^\r\n]*)",
    re.MULTILINE,
)
_BRACKETS = regexp(r"[ \t]*\[(?P<names>[^\]\r\n]*)\](?P<tail>[^\r\n]*)")
_WORD = regexp(r"[^\s,]+")
_ATTRIBUTE = regexp(r"(?:\A|(?<=[\s(;,]))(until|owner)=([^\s,;)]+)[,;)]?")


def _comments(index: Index, names: _Names) -> Iterator[Suppression]:
    for parsed in index.files:
        if "meshlint:" not in parsed.file.text:
            continue
        scalars: _Scalars | None = None
        for found in _COMMENT.finditer(parsed.file.text):
            scalars = scalars or _Scalars(parsed.documents)
            at = parsed.file.text.index("#", found.start())
            if not scalars.hold(at):
                yield _of_comment(parsed.file, found, at, names)


class _Scalars:
    """Where the scalars of a file stand: a `#` inside of one begins no comment."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._spans = sorted(span for document in documents for span in document.scalar_spans())
        self._starts = [span.start for span in self._spans]

    def hold(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and self._spans[at].start <= offset < self._spans[at].end


def _of_comment(file: SourceFile, found: re.Match[str], at: int, names: _Names) -> Suppression:
    brackets = _BRACKETS.match(found["rest"])
    start = found.start("rest")
    listed = []
    if brackets is not None:
        for word in _WORD.finditer(brackets["names"]):
            begin = start + brackets.start("names") + word.start()
            listed.append(names.name(word[0], Span(begin, begin + len(word[0]))))
    tail = brackets["tail"] if brackets is not None else found["rest"]
    reason, owner, until = _parted(tail)
    return Suppression(
        origin="comment",
        names=tuple(listed),
        file=file,
        span=Span(at, found.start() + len(found[0].rstrip())),
        line=0 if found["verb"] == "ignore-file" else _line_meant(file, at),
        reason=reason,
        owner=owner,
        until=until,
    )


def _line_meant(file: SourceFile, at: int) -> int:
    """The line that a comment speaks of: its own, or the next one where it stands alone."""
    number = file.position(at).line
    own = file.line(number)
    if own[: file.position(at).column - 1].strip():
        return number
    for line in range(number + 1, file.line_count + 1):
        written = file.line(line).strip()
        if written and not written.startswith("#"):
            return line
    return number


def _parted(tail: str) -> tuple[str, str, date | None]:
    """Reason, owner and last day of what stands behind the names."""
    said = {match[1]: match[2] for match in _ATTRIBUTE.finditer(tail)}
    reason = _ATTRIBUTE.sub("", tail).replace("()", " ").strip(" \t:;,-(")
    return " ".join(reason.split()), said.get("owner", ""), _day(said.get("until"))


def _day(written: object) -> date | None:
    """A date; one that cannot be read has passed, so that nothing is hidden by mistake."""
    if written is None:
        return None
    try:
        return date.fromisoformat(str(written))
    except ValueError:
        return date.min


# ---------------------------------------------------------------------------------- annotations


def _annotations(index: Index, names: _Names) -> Iterator[Suppression]:
    for resource in index.resources:
        for block, path in _annotated(index, resource):
            for key, value in block.items():
                if key.startswith(ANNOTATION_PREFIX):
                    yield _of_annotation(resource, (*path, key), key, value, names)
                elif _TOOLS.match(key):
                    yield from _of_tool(resource, (*path, key), key, value, names)


def _annotated(index: Index, resource: Resource) -> Iterator[tuple[dict[str, Any], Path]]:
    own = resource.annotations
    if own:
        yield own, (*resource.path, "metadata", "annotations")
    workload = index.workload_of(resource)
    if workload is not None and workload.annotations and workload.annotations is not own:
        yield workload.annotations, workload.annotations_path


def _of_annotation(
    resource: Resource, path: Path, key: str, value: Any, names: _Names
) -> Suppression:
    document = resource.document
    span = document.key_span(path) or document.span
    reason, owner, until = _parted(value if isinstance(value, str) else "")
    return Suppression(
        origin="annotation",
        names=(names.name(key.removeprefix(ANNOTATION_PREFIX), span),),
        file=document.file,
        span=span,
        document=document,
        path=path,
        resource=resource,
        reason=reason,
        owner=owner,
        until=until,
    )


# Annotations by which other tools are told to be silent. Sources: istioctl analyze, Kiali,
# kube-linter, kube-score, Polaris and Checkov documentation on suppressing checks.
_TOOLS = regexp(
    r"galley\.istio\.io/analyze-suppress\Z|kiali\.io/ignore-validations\Z"
    r"|ignore-check\.kube-linter\.io/|kube-linter\.io/ignore-all\Z|kube-score/ignore\Z"
    r"|polaris\.fairwinds\.com/(?:.+-)?exempt\Z|checkov\.io/skip"
)


def _of_tool(
    resource: Resource, path: Path, key: str, value: Any, names: _Names
) -> Iterator[Suppression]:
    written = value if isinstance(value, str) else ""
    tool, codes = _codes(key, written, value)
    document = resource.document
    span = document.key_span(path) or document.span
    listed = tuple(Name(code, names.of_tool(tool, code), span) for code in codes)
    if any(name.rules for name in listed):
        yield Suppression(
            origin="other tool",
            names=listed,
            file=document.file,
            span=span,
            document=document,
            path=path,
            resource=resource,
            reason=written.partition("=")[2] if tool == "checkov" else "",
        )


def _codes(key: str, written: str, value: Any) -> tuple[str, Sequence[str]]:
    """The tool that reads an annotation, and the checks it is told to leave out."""
    listed = [code.strip() for code in written.split(",") if code.strip()]
    if key.startswith("galley.istio.io/"):
        return "istioctl", listed
    if key.startswith("kiali.io/"):
        return "kiali", listed or ["*"]
    if key.startswith("ignore-check.kube-linter.io/"):
        return "kube-linter", [key.partition("/")[2]]
    if key.startswith("kube-linter.io/"):
        return "kube-linter", ["*"]
    if key.startswith("kube-score/"):
        return "kube-score", listed
    if key.startswith("checkov.io/"):
        return "checkov", [written.partition("=")[0].strip()]
    if value is not True and written.lower() != "true":
        return "polaris", []
    check = key.partition("/")[2].removesuffix("exempt").removesuffix("-")
    return "polaris", [check or "*"]


# ------------------------------------------------------------------------------------- waivers


def _of_waiver(waiver: Waiver, names: _Names) -> Suppression:
    document = waiver.document
    listed = []
    for at, written in enumerate(waiver.names):
        span = document.span_of((*waiver.path, "rules", at)) or document.span
        listed.append(names.name(written, span))
    span = document.span_of((*waiver.path, "rules")) or document.span
    return Suppression(
        origin="configuration",
        names=tuple(listed),
        file=document.file,
        span=span,
        document=document,
        path=waiver.path,
        waiver=waiver,
        reason=waiver.reason,
        owner=waiver.owner,
        until=waiver.until,
    )
