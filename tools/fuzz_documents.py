"""Guides changed texts by what they reach in the reader of documents. Needs atheris.

    pip install atheris      # into an environment of its own that has ruamel.yaml
    python tools/fuzz_documents.py [option of libFuzzer, such as -max_total_time=600]

Reading a text must end, raise nothing, and know where everything stands; see `misread`. libFuzzer
keeps the text that fails, in the working directory unless `-artifact_prefix=DIR/` says otherwise.
A file with such a text as an argument tries that one again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

try:
    import atheris
except ImportError:
    atheris = None
else:
    with atheris.instrument_imports(include=["meshlint.documents", "ruamel.yaml"]):
        import meshlint.documents  # noqa: F401

from meshlint.documents import Document, ParsedFile, parse  # noqa: E402
from meshlint.text import SourceFile, Span  # noqa: E402

MAX_LENGTH = 4_000
"""Bytes of the longest text."""
_MAX_PATHS = 2_000
_SEEDS = ("tests/yaml_suite", "fixtures/yaml-syntax-invalid", "fixtures/yaml-key-duplicate")


def misread(parsed: ParsedFile) -> Iterator[str]:
    """What is wrong with the places and values of a text that has been read.

    Every value has a span inside of its document, a plain one stands there as it is, and an alias
    stands where its star is. Problems have places in the text, and numbers of documents.
    """
    text = parsed.file.text
    for problem in parsed.problems:
        spans = [problem.span, *(span for span, _ in problem.related)]
        if not all(0 <= span.start <= span.end <= len(text) for span in spans):
            yield f"the place of a problem is outside of the text: {problem}"
        if not 0 <= problem.document < parsed.document_count:
            yield f"there is no document of that number: {problem}"
    for document in parsed.documents:
        whole = document.span
        if not 0 <= whole.start < whole.end <= len(text):
            yield f"document {document.index} has no place: {whole}"
        for path, value in _paths(document):
            span, key = document.span_of(path), document.key_span(path)
            if span is None or key is None:
                yield f"{path} has no place"
            elif not _within(span, whole) or not _within(key, whole):
                yield f"{path} stands outside of its document: {span}, {key}, {whole}"
            elif not _stands_there(text[span.start : span.end], value):
                yield f"{path} is {value!r}, and there stands {text[span.start : span.end]!r}"
            elif document.nearest(path) != (path, True):
                yield f"{path} is not found"


def _within(span: Span, whole: Span) -> bool:
    return whole.start <= span.start <= span.end <= whole.end


def _paths(document: Document) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), document.value)]
    for _ in range(_MAX_PATHS):
        if not stack:
            return
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack += [((*path, key), held) for key, held in value.items()]
        elif isinstance(value, list):
            stack += [((*path, index), held) for index, held in enumerate(value)]


def _stands_there(text: str, value: Any) -> bool:
    if not text or text[0] in "&!*|>?-%":
        return True  # a mark or a block stands before the value itself
    if isinstance(value, str) and text[0] not in "\"'":
        return text.split() == value.split()
    if isinstance(value, str):
        return len(text) >= 2 and text[-1] == text[0]
    return True


def read(data: bytes) -> None:
    """Reads a text with both parsers; raises where something is wrong."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return
    for native in (True, False):
        parsed = parse(SourceFile("fuzzed.yaml", text), native=native)
        complaint = next(misread(parsed), "")
        if complaint:
            raise AssertionError(f"{'libyaml' if native else 'ruamel.yaml'}: {complaint}")


def main() -> None:
    if atheris is None:
        raise SystemExit(
            "atheris is not installed in this environment; it is no dependency of meshlint, and has"
            " wheels for Linux only: pip install atheris"
        )
    options = sys.argv[1:]
    if not any(Path(option).is_file() for option in options):
        # libFuzzer adds what it finds to its first folder.
        folders = [tempfile.mkdtemp(prefix="meshlint-fuzz-")]
        folders += [str(ROOT / folder) for folder in _SEEDS]
        options = [f"-max_len={MAX_LENGTH}", "-timeout=5", *options, *folders]
    atheris.Setup([sys.argv[0], *options], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
