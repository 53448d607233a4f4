"""Small YAML and JSON texts with all that is read from them, one pair of files for each.

A `.json` file holds the values of the documents by their numbers, how many documents there are, and
the problems as `document line:column-line:column kind: message`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshlint.documents import ParsedFile, parse
from meshlint.text import SourceFile, Span

SUITE = Path(__file__).parent / "yaml_suite"
TEXTS = sorted(SUITE.glob("*.yaml"))


def summary(parsed: ParsedFile) -> dict[str, Any]:
    def place(span: Span) -> str:
        start, end = parsed.file.position(span.start), parsed.file.position(span.end)
        return f"{start.line}:{start.column}-{end.line}:{end.column}"

    problems = []
    for problem in parsed.problems:
        secret = " (secret)" if problem.secret else ""
        problems.append(
            f"{problem.document} {place(problem.span)} {problem.kind}: {problem.message}{secret}"
        )
        problems += [f"  {place(span)} {message}" for span, message in problem.related]
    return {
        "documents": {str(document.index): document.value for document in parsed.documents},
        "count": parsed.document_count,
        "problems": problems,
    }


@pytest.mark.parametrize("native", [True, False], ids=["native", "pure"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_everything_is_read_as_expected(text: Path, native: bool, update_golden: bool) -> None:
    file = SourceFile(text.name, text.read_bytes().decode())
    found = summary(parse(file, native=native))
    expected = text.with_suffix(".json")
    if update_golden and native:
        expected.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(expected.read_text("utf-8"))


def test_texts_and_expectations_come_in_pairs() -> None:
    assert {path.stem for path in SUITE.glob("*.json")} == {path.stem for path in TEXTS}
    assert TEXTS
