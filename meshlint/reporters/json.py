"""JSON for programs; json-output.schema.json describes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from meshlint.findings import SEVERITIES
from meshlint.patterns import regexp
from meshlint.reporters.places import place_of
from meshlint.reporters.terminal import UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meshlint.findings import FileEdit, Finding, Fix, Location, Report, ResourceRef
    from meshlint.reporters.context import ReportContext

# Inside strings only, where JSON allows an escape for every character: what cannot be encoded, and
# what a terminal would act on.
_ESCAPED = regexp(f"[\x7f-\x9f{UNSAFE}]")


def dump(value: object) -> str:
    """JSON on one line, with keys in the order given, safe to encode and to print."""
    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def listed(dumped: Iterable[str], indent: str) -> Iterator[str]:
    """A JSON list of values on a line of their own each: easy to compare, and quick to write."""
    between = f"[\n{indent}  "
    for value in dumped:
        yield f"{between}{value}"
        between = f",\n{indent}  "
    yield f"\n{indent}]" if between[0] == "," else "[]"


def render(report: Report, context: ReportContext) -> Iterator[str]:
    """The whole report, whatever the verbosity."""
    help_uris = {rule.id: rule.help_uri for rule in context.rules}
    findings = (_finding(finding, help_uris.get(finding.rule, "")) for finding in report.findings)
    summary = {
        "findings": {
            severity: sum(finding.severity == severity for finding in report.findings)
            for severity in SEVERITIES
        },
        "files": report.files,
        "documents": report.documents,
        "resources": report.resources,
        "rules": report.rules,
    }
    lists: dict[str, Iterable[Any]] = {
        "skipped": (
            {"file": entry.file, "document": entry.document, "reason": entry.reason}
            for entry in report.skipped
        ),
        "without_schema": (
            {"apiVersion": entry.api_version, "kind": entry.kind, "resources": entry.resources}
            for entry in report.without_schema
        ),
        "notices": report.notices,
        "suppressed": (
            {
                "rule": entry.finding.rule,
                "by": entry.by,
                "reason": entry.reason,
                "owner": entry.owner,
                **_location(entry.finding.location),
            }
            for entry in report.suppressed
        ),
        "gone": (
            {"rule": entry.rule, "file": entry.file, "resource": entry.resource}
            for entry in report.gone
        ),
        "assumptions": (
            {"concern": entry.concern, "complete": entry.complete, "reason": entry.reason}
            for entry in report.assumptions
        ),
        "readiness": (
            {
                "resource": _resource(entry.subject),
                "role": entry.role,
                "file": entry.file,
                "items": dict(entry.items),
            }
            for entry in report.readiness
        ),
    }
    yield f'{{\n  "version": {dump(context.version)},\n  "findings": '
    yield from listed(map(dump, findings), "  ")
    yield ',\n  "summary": {\n'
    yield ",\n".join(f'    "{key}": {dump(value)}' for key, value in summary.items())
    for key, values in lists.items():
        yield f',\n    "{key}": '
        yield from listed(map(dump, values), "    ")
    yield "\n  }\n}\n"


def _finding(finding: Finding, help_uri: str) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        **_location(finding.location),
        "related": [
            {**_location(location), "message": location.message} for location in finding.related
        ],
        "fingerprint": finding.fingerprint,
        "help": help_uri or f"meshlint explain {finding.rule}",
        "fix": _fix(finding.fix),
    }


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None or not fix.edits:
        return None
    return {
        "safety": fix.safety,
        "description": fix.description,
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: FileEdit) -> dict[str, Any]:
    start, end = edit.file.position(edit.span.start), edit.file.position(edit.span.end)
    return {
        "file": edit.file.path,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "text": edit.text,
    }


def _location(location: Location) -> dict[str, Any]:
    place = place_of(location)
    end_line, end_column = place.line, place.end_column
    end = location.file.position(location.span.end)
    if place.line < end.line <= location.file.line_count:
        end_line, end_column = end.line, end.column
    return {
        "file": location.file.path,
        "line": place.line,
        "column": place.column,
        "end_line": end_line,
        "end_column": end_column,
        "document": location.document,
        "pointer": location.pointer,
        "resource": None if location.resource is None else _resource(location.resource),
    }


def _resource(ref: ResourceRef) -> dict[str, str]:
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }
