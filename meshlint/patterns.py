"""Regular expressions that are compiled when they are first used.

Compiling all of meshlint's takes as long as linting a small file, which needs a fifth of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

_METHODS = ("finditer", "findall", "fullmatch", "match", "search", "split", "sub")


class _Pattern:
    """Stands in for a `re.Pattern`; from the first use on it holds the methods of a real one."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._source, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


if TYPE_CHECKING:
    from re import compile as regexp
else:
    regexp = _Pattern

__all__ = ["regexp"]
