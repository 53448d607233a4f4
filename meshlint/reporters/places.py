"""Places as people and code hosts count them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass

if TYPE_CHECKING:
    from meshlint.findings import Location
    from meshlint.reporters.context import ReportContext


@dataclass(frozen=True, slots=True)
class Place:
    """Part of one line; line and columns from 1, the end exclusive, at least one column wide."""

    line: int
    column: int
    end_column: int


def place_of(location: Location) -> Place:
    """Where to point: the first line of the location's span.

    What stands behind the last line end, such as the end of a file that breaks off, is shown at the
    end of the last line, because editors and code hosts have no line after it.
    """
    file, span = location.file, location.span
    start = file.position(span.start)
    if start.line > file.line_count:
        column = len(file.line(file.line_count)) + 1
        return Place(file.line_count, column, column + 1)
    on_line = file.line_span(span.start)
    length = min(span.end, on_line.end) - span.start
    return Place(start.line, start.column, start.column + max(1, length))


def repository_path(path: str, context: ReportContext) -> str:
    """The path of a file relative to the root of the repository, with `/`.

    Code hosts know files by it. It is absolute where no relative path exists: on another drive.
    """
    full = os.path.normpath(os.path.join(context.working_directory, path))  # noqa: PTH118
    root = context.repository or context.working_directory
    if os.path.isabs(full) and root:  # noqa: PTH117
        try:
            full = os.path.relpath(full, root)
        except ValueError:
            return full
    return full.replace(os.sep, "/")


def quoted(path: str) -> str:
    """A path as part of a URI."""
    from urllib.parse import quote

    try:
        # Names that are no UTF-8 come from the file system with their bytes as lone surrogates.
        return quote(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return quote(path.encode("utf-8", "surrogatepass"))
