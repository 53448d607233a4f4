"""Carries out the fixes of findings: planned as text, tried, verified, written.

A fix is kept only if the edited files parse, mean what was intended and no longer have the finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path as FilePath
from typing import Any

from meshlint.dataclass import dataclass, field, replace
from meshlint.documents import Document, has_secret
from meshlint.edits import Edit, Refused, append_document, apply_edits, extent, plan
from meshlint.findings import FileEdit, Finding, Fix, NewDocument, Path, Report
from meshlint.model.values import get
from meshlint.operations import (
    Append,
    Operation,
    OperationError,
    Remove,
    Rename,
    Set,
    steps,
)
from meshlint.writing import write_whole

_MAX_ROUNDS = 20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Unfixed:
    """A finding whose fix was not carried out, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What fixing has come to."""

    report: Report
    """What is left, as of the last round."""
    fixed: tuple[Finding, ...]
    unfixed: tuple[Unfixed, ...]
    texts: Mapping[str, tuple[str, str]]
    """Text before and after, by the path of each changed file."""


def planned(report: Report) -> Report:
    """The report with the fixes of its findings as text; fixes that cannot be written go."""
    findings = []
    tried: Counter[tuple[str, int]] = Counter()
    left_out = 0
    for finding in report.findings:
        if finding.fix is not None and (finding.fix.edits is None or finding.location.hide_text):
            fix = None
            if _is_affordable(tried, finding.fix, _MOST_PLANNED):
                fix = _planned(finding.fix, finding)
            else:
                left_out += 1
            findings.append(replace(finding, fix=fix))
        else:
            findings.append(finding)
    notices = report.notices
    if left_out:
        notices = (*notices, f"{left_out:,} fixes are not worked out: {_TOO_MUCH}.")
    return replace(report, findings=tuple(findings), notices=notices)


def _planned(fix: Fix, finding: Finding) -> Fix | None:
    if finding.location.hide_text:
        return None
    try:
        return replace(fix, edits=tuple(_edits(fix)))
    except Refused:
        return None


# Keys and values of one document. A fix is tried on all of it, or on one object of a List, so that
# many in a large one would take for ever.
_MOST_PLANNED = 100_000
_MOST_TRIED = 200_000  # in all rounds of fixing
_TOO_MUCH = "their document is too large for that many"


def _is_affordable(tried: Counter[tuple[str, int]], fix: Fix, most: int) -> bool:
    """Whether one more fix may be tried; `tried` counts what was read, by document."""
    for document, changes in fix.changes if fix.edits is None else ():
        place = (document.file.path, document.index)
        if tried[place] > most:
            return False
        operations = [change for change in changes if not isinstance(change, NewDocument)]
        tried[place] += extent(document, operations)
    return True


def _edits(fix: Fix) -> list[FileEdit]:
    """A fix as edits of files. Raises `Refused`."""
    if fix.edits is not None:
        return list(fix.edits)
    found = []
    for document, changes in fix.changes:
        assert isinstance(document, Document)
        operations = [change for change in changes if not isinstance(change, NewDocument)]
        added = [dict(change.value) for change in changes if isinstance(change, NewDocument)]
        if document.file.text.lstrip()[:1] == "{" and isinstance(
            get(document.value, "items"), list
        ):
            # One document is all that such a file holds, but this one is a list of objects.
            operations += [Append(("items",), value) for value in added]
            added = []
        edits = list(plan(document, operations)) if operations else []
        edits += [append_document(document.file, value) for value in added]
        found += [FileEdit(document.file, edit.span, edit.text) for edit in edits]
    if not found:
        raise Refused("there is nothing to edit")
    return found


# --------------------------------------------------------------------------------------- fixing


@dataclass(slots=True)
class _State:
    originals: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    fixed: list[Finding] = field(default_factory=list)
    unfixed: dict[str, Unfixed] = field(default_factory=dict)
    tried: Counter[tuple[str, int]] = field(default_factory=Counter)


def fix_all(
    report: Report, lint_again: Callable[[Mapping[str, str]], Report], *, unsafe: bool
) -> Outcome:
    """Carries out the fixes of a report, in rounds until there is nothing left to do.

    `lint_again` lints the same input with other texts for some files, by their path. Fixes that
    touch the same place wait for the next round. Nothing is written.
    """
    state = _State()
    for _ in range(_MAX_ROUNDS):
        batch = _batch(report, state, unsafe=unsafe)
        if not batch:
            break
        edits: dict[str, list[FileEdit]] = defaultdict(list)
        for _, parts in batch:
            for part in parts:
                edits[part.file.path].append(part)
        texts = dict(state.texts)
        for path, parts in edits.items():
            file = parts[0].file
            state.originals.setdefault(path, file.text)
            texts[path] = apply_edits(file.text, [Edit(part.span, part.text) for part in parts])
        again = lint_again(texts)
        bad = _not_gone(report, again, [finding for finding, _ in batch])
        broken = _broken_files(report, again)
        for finding, parts in batch:
            if finding.fingerprint in bad:
                state.unfixed[finding.fingerprint] = Unfixed(finding, "the finding would not go")
            elif any(part.file.path in broken for part in parts):
                reason = "the file could not be linted any more"
                state.unfixed[finding.fingerprint] = Unfixed(finding, reason)
                bad.add(finding.fingerprint)
        if bad:
            continue
        state.texts = texts
        state.fixed += [finding for finding, _ in batch]
        report = again
    changed = {
        path: (state.originals[path], text)
        for path, text in state.texts.items()
        if text != state.originals[path]
    }
    return Outcome(report, tuple(state.fixed), tuple(state.unfixed.values()), changed)


def _batch(
    report: Report, state: _State, *, unsafe: bool
) -> list[tuple[Finding, Sequence[FileEdit]]]:
    """Fixes that can be carried out together: no two touch the same place."""
    taken: dict[str, list[tuple[int, int]]] = defaultdict(list)
    claims = _Claims()
    batch: list[tuple[Finding, Sequence[FileEdit]]] = []
    for finding in report.findings:
        fix = finding.fix
        if fix is None or (fix.safety == "unsafe" and not unsafe):
            continue
        if finding.fingerprint in state.unfixed:
            continue
        claim = claims.of(fix)
        if claim is None:
            continue
        try:
            if finding.location.hide_text:
                raise Refused("the file holds a Secret")
            if not _is_affordable(state.tried, fix, _MOST_TRIED):
                raise Refused(_TOO_MUCH)
            edits = _edits(fix)
        except Refused as reason:
            state.unfixed[finding.fingerprint] = Unfixed(finding, str(reason))
            continue
        if all(_is_free(taken[edit.file.path], edit) for edit in edits):
            claims.take(claim)
            batch.append((finding, edits))
            for edit in edits:
                taken[edit.file.path].append((edit.span.start, edit.span.end))
    return batch


@dataclass(slots=True)
class _Claim:
    """What a fix makes and removes; a place is a document's identity and a path in it."""

    made: set[tuple[int, Path]] = field(default_factory=set)
    grown: set[tuple[int, Path]] = field(default_factory=set)
    """Mappings that keys are added to."""
    removed: dict[tuple[int, Path], set[Path]] = field(default_factory=dict)
    """Keys and items by the block that they are removed from, with those of earlier fixes."""
    added: set[tuple[str, str]] = field(default_factory=set)


class _Claims:
    """What fixes of one round do, so that no two do together what neither does.

    Two that make the same key would give it twice; two that each leave the other's key would leave
    an empty block. Two that add to one mapping would add at the same place: that one of them waits
    is known here without trying it.
    """

    def __init__(self) -> None:
        self._all = _Claim()

    def of(self, fix: Fix) -> _Claim | None:
        """What a fix claims; None if it does not go with those before it."""
        own, others = _Claim(), self._all
        removed: dict[tuple[int, Path], set[Path]] = defaultdict(set)
        for document, changes in fix.changes:
            for change in changes:
                if isinstance(change, NewDocument):
                    own.added.add((document.file.path, repr(change.value)))
                for step in _steps(document, change):
                    if isinstance(step, Remove):
                        removed[id(document), step.path[:-1]].add(step.path)
                    elif isinstance(step, Rename):
                        own.made.add((id(document), (*step.path[:-1], step.name)))
                    elif isinstance(step, Set):
                        reached, whole = document.nearest(step.path)
                        if not whole:
                            own.made.add((id(document), step.path))
                            own.grown.add((id(document), reached))
        if own.made & others.made or own.added & others.added or own.grown & others.grown:
            return None
        for home, paths in removed.items():
            document = next(found for found, _ in fix.changes if id(found) == home[0])
            together = paths | others.removed.get(home, set())
            if home in others.removed and len(together) >= len(get(document.value, *home[1]) or ()):
                return None
            own.removed[home] = together
        return own

    def take(self, claim: _Claim) -> None:
        """Counts a fix among those that others have to go with."""
        self._all.made |= claim.made
        self._all.grown |= claim.grown
        self._all.removed.update(claim.removed)
        self._all.added |= claim.added


def _steps(document: Document, change: Operation | NewDocument) -> list[Operation]:
    if isinstance(change, NewDocument):
        return []
    try:
        return steps(document.value, change)
    except OperationError:
        return []  # it goes by what another operation of the fix has done before


def _is_free(taken: Iterable[tuple[int, int]], edit: FileEdit) -> bool:
    # Edits that touch are left for the next round: which of two insertions comes first matters.
    return all(edit.span.end < start or edit.span.start > end for start, end in taken)


def _not_gone(before: Report, after: Report, fixed: Sequence[Finding]) -> set[str]:
    """Fingerprints of findings that are still there as often as before.

    Equal findings are told apart by number only, and move up when one of them goes. So do findings
    on items of a list that have no names; of these there are fewer on the object then.
    """
    stays = [_there_still(before, after, fixed, of) for of in (_kin, _rule_and_object)]
    return {f.fingerprint for f in fixed if _kin(f) in stays[0] and _rule_and_object(f) in stays[1]}


def _there_still(
    before: Report, after: Report, fixed: Sequence[Finding], of: Callable[[Finding], Any]
) -> set[Any]:
    was, now, done = (Counter(map(of, some)) for some in (before.findings, after.findings, fixed))
    return {mark for mark, count in done.items() if now[mark] > was[mark] - count}


def _kin(finding: Finding) -> str:
    return finding.kin


def _rule_and_object(finding: Finding) -> tuple[Any, ...]:
    location = finding.location
    return finding.rule, location.file.path, location.document, location.resource


def _broken_files(before: Report, after: Report) -> set[str]:
    was = {f.location.file.path for f in before.findings if f.about_run}
    return {f.location.file.path for f in after.findings if f.about_run} - was


# -------------------------------------------------------------------------------------- writing


def write(location: str, before: str, after: str) -> str:
    """Puts a text in the place of a file at once: empty, or why the file is left as it is.

    A file that has changed since it was read is not written. The byte order mark stays.
    """
    path = FilePath(location)
    try:
        found = path.read_bytes() if path.is_file() else b""
        mark = _BOM if found.startswith(_BOM) else b""
        if found != mark + before.encode():
            return "has changed since it was read; left as it is"
        write_whole(path, mark + after.encode())
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    return ""


def diff_lines(path: str, before: str, after: str) -> list[str]:
    """A unified diff of one file, as `git apply` takes it.

    Lines of Secrets beside what changes are left out.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    hidden = _secret_lines(before)
    lines = [f"--- a/{path}", f"+++ b/{path}"]
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes():
        for hunk in _without_hidden(group, hidden):
            first, last = hunk[0], hunk[-1]
            was = _range(first[1], last[2])
            lines.append(f"@@ -{was} +{_range(first[3], last[4])} @@")
            for tag, *(i, j, k, m) in hunk:
                lines += _marked(" " if tag == "equal" else "-", old[i:j])
                lines += _marked("+", new[k:m] if tag != "equal" else [])
    return lines if len(lines) > 2 else []


_OpCode = tuple[str, int, int, int, int]


def _without_hidden(group: Sequence[_OpCode], hidden: set[int]) -> Iterator[list[_OpCode]]:
    """The parts of a hunk between lines that must not be shown."""
    hunk: list[_OpCode] = []
    for tag, i, j, k, m in group:
        concealed = [line for line in range(i, j) if line in hidden] if tag == "equal" else []
        if not concealed:
            hunk.append((tag, i, j, k, m))
            continue
        first, last = concealed[0] - i, concealed[-1] + 1 - i
        if hunk:
            yield [*hunk, (tag, i, i + first, k, k + first)]
        hunk = [(tag, i + last, j, k + last, m)]
    if any(tag != "equal" for tag, *_ in hunk):
        yield hunk


def _secret_lines(text: str) -> set[int]:
    """Numbers, from 0, of the lines of documents with a Secret, without the separators."""
    found: set[int] = set()
    begin = 0
    lines = text.splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if line.startswith("---")]
    for end in (*ends, len(lines)):
        if has_secret("".join(lines[begin:end])):
            found.update(range(begin, end))
        begin = end
    return found.difference(ends)


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"


def _marked(mark: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield mark + line[:-1]
        else:
            yield from (mark + line, "\\ No newline at end of file")
