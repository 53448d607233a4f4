"""Syntax of header values that the proxy fills in: `%DOWNSTREAM_REMOTE_ADDRESS%`, `100%%`.

Source: Envoy documentation, custom request and response headers; Istio `pkg/config/validation`.
"""

from __future__ import annotations

import re

from meshlint.patterns import regexp

_CONTROL = regexp(r"[\x00-\x08\x0a-\x1f\x7f]")
# A backslash in arguments takes what follows as it is.
_COMMAND = regexp(r"%(?:%|[^%(]+(?:\((?:\\.|[^\\)])*\) *)?%)", re.DOTALL)


def is_header_value(value: str) -> bool:
    """Whether every `%` of a value is doubled or belongs to a `%COMMAND%`, and it is one line."""
    if _CONTROL.search(value):
        return False
    position = 0
    while (start := value.find("%", position)) >= 0:
        found = _COMMAND.match(value, start)
        if found is None:
            return False
        position = found.end()
    return True
