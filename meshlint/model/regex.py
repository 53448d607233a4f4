"""Regular expressions in the dialect of RE2, which Go and Envoy use.

Source: RE2 syntax, https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
import warnings

_LACKING = (
    (re.compile(r"\(\?<?[=!]"), "uses look-around, which RE2 does not have"),
    (re.compile(r"\(\?P="), "refers back to a group, which RE2 does not have"),
    (re.compile(r"\\[1-9]"), "refers back to a group, which RE2 does not have"),
    (re.compile(r"\(\?>"), "uses an atomic group, which RE2 does not have"),
    (re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+"), "uses a possessive quantifier, which RE2 lacks"),
    (re.compile(r"\(\?#"), "holds a comment, which RE2 does not have"),
)

# What RE2 has and Python writes differently, as something that is alike in structure.
_OWN = (
    (re.compile(r"\\Q.*?(?:\\E|$)", re.DOTALL), "q"),
    (re.compile(r"\\[pP](?:\{\^?\w+\}|\w)"), r"\\w"),
    (re.compile(r"\\x\{[0-9A-Fa-f]+\}"), "x"),
    (re.compile(r"\\C"), "c"),
    (re.compile(r"\\z"), r"\\Z"),
    (re.compile(r"\[:\^?[a-z]+:\]"), "a-z"),
    (re.compile(r"\(\?<(?=[A-Za-z_])"), "(?P<"),
    (re.compile(r"\(\?[imsU]*(?:-[imsU]+)?:"), "(?:"),
    (re.compile(r"\(\?[imsU]*(?:-[imsU]+)?\)"), ""),
)
_ESCAPED = re.compile(r"\\\\")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]", re.DOTALL)
_MOST_REPEATS = 1000
_REPEATS = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def regex_fault(pattern: str) -> str:
    """What keeps a pattern from being compiled by RE2, to follow its name; empty for nothing."""
    plain = _ESCAPED.sub("b", pattern)
    outside = _CLASS.sub("c", plain)
    for construct, problem in _LACKING:
        if construct.search(outside):
            return problem
    for least, most in _REPEATS.findall(outside):
        if len(least) > 4 or len(most) > 4 or int(most or least) > _MOST_REPEATS:
            return f"repeats more than {_MOST_REPEATS} times, which RE2 refuses"
    for own, alike in _OWN:
        plain = own.sub(alike, plain)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(plain)
    except (re.error, OverflowError, RecursionError) as error:
        reason = error.msg if isinstance(error, re.error) else "too much of it"
        return f"does not compile as a regular expression: {reason}"
    return ""
