"""Findings that were there before: a file of them, and what is new and gone since.

An entry is known by its fingerprint, which holds neither lines nor, for a finding on an object, the
path of the file: it survives edits above and renamed files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Finding

VERSION = 1
DEFAULT_BASELINE = ".meshlint-baseline.json"


class BaselineError(Exception):
    """A baseline that cannot be used; the text names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Known:
    """A finding of a baseline."""

    fingerprint: str
    rule: str
    file: str
    resource: str
    """Kind, namespace and name of the object; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings of a run beside those of a baseline."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    gone: tuple[Known, ...]


def load_baseline(path: Path) -> tuple[Known, ...]:
    """Reads a baseline. Raises `BaselineError`."""
    try:
        value: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise BaselineError(f"{path}: is no baseline: {error}") from None
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise BaselineError(f"{path}: is no baseline of version {VERSION}; write it again")
    entries = value.get("findings")
    fields = ("fingerprint", "rule", "file", "resource")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in fields)
        for entry in entries
    ):
        raise BaselineError(f"{path}: is no baseline: findings are malformed; write it again")
    return tuple(Known(*(entry[key] for key in fields)) for entry in entries)


def known(findings: Iterable[Finding]) -> tuple[Known, ...]:
    """Findings as entries of a baseline."""
    return tuple(
        Known(
            finding.fingerprint,
            finding.rule,
            finding.location.file.path,
            str(finding.location.resource or ""),
        )
        for finding in findings
    )


def dump_baseline(entries: Iterable[Known]) -> str:
    """The text of a baseline: one entry a line, in an order that changes little."""
    lines = sorted(
        json.dumps(
            {
                "file": entry.file,
                "resource": entry.resource,
                "rule": entry.rule,
                "fingerprint": entry.fingerprint,
            },
            ensure_ascii=False,
        )
        for entry in entries
    )
    body = ",\n".join(f"    {line}" for line in lines)
    listed = f"[\n{body}\n  ]" if lines else "[]"
    return f'{{\n  "version": {VERSION},\n  "findings": {listed}\n}}\n'


def compare(
    findings: Sequence[Finding],
    baseline: Sequence[Known],
    *,
    rules: Iterable[str],
    files: Iterable[str],
) -> Comparison:
    """What is new, known and gone.

    An entry can be gone only if its rule ran (`rules`) and its file was linted (`files`) or is no
    longer there. Equal findings are counted: of three known ones a fourth is new.
    """
    left = Counter(entry.fingerprint for entry in baseline)
    new, old = [], []
    for finding in findings:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
            old.append(finding)
        else:
            new.append(finding)
    ran, linted = frozenset(rules), frozenset(files)
    gone = []
    for entry in baseline:
        if left[entry.fingerprint] <= 0:
            continue
        if entry.rule in ran and (entry.file in linted or not Path(entry.file).exists()):
            left[entry.fingerprint] -= 1
            gone.append(entry)
    return Comparison(tuple(new), tuple(old), tuple(gone))
