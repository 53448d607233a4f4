"""Which requests the matches of VirtualServices take, and whether one leaves any for another.

Sources: Istio API, VirtualService; rules of a list are tried in order, the first match wins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from meshlint.mesh.routes import Match, string_match
from meshlint.model.values import items, mapping

_STRINGS = ("scheme", "method", "authority")
_MAPS = ("headers", "queryParams", "withoutHeaders")
_LABELS = ("name", "statPrefix")
"""Fields that say nothing about the request."""
_JWT_CLAIM = "@request.auth.claims"


def conditions(match: Match) -> Mapping[str, Any]:
    """What a match asks of a request, without what is empty or only names the match."""
    return {
        key: value
        for key, value in match.value.items()
        if key not in _LABELS and value not in (None, "", [], {}) and value is not False
    }


def is_same(one: Match, other: Match) -> bool:
    """Whether two matches take the same requests because they are written alike."""
    return conditions(one) == conditions(other)


def takes_all(match: Match, *, gateways: Collection[str] = ()) -> bool:
    """Whether a match takes every request, of the named gateways where it is bound to some."""
    asked = dict(conditions(match))
    bound = asked.pop("gateways", None)
    if bound is not None and not (gateways and set(gateways) <= set(map(str, items(bound)))):
        return False
    asked.pop("ignoreUriCase", None)
    uri = string_match(asked.pop("uri", None)) if "uri" in asked else None
    if asked:
        return False
    return "uri" not in conditions(match) or uri in _ANY_PATH


_ANY_PATH = (("prefix", "/"), ("prefix", ""), ("regex", ".*"), ("regex", "/.*"))


def covers_paths(earlier: Match, later: Match) -> bool:
    """Whether a uri prefix of an HTTP match leaves nothing for another match.

    All else that the earlier one asks, the later one has to ask as well.
    """
    first, second = conditions(earlier), conditions(later)
    prefix, path = string_match(first.get("uri")), string_match(second.get("uri"))
    if prefix is None or path is None or prefix[0] != "prefix" or not prefix[1]:
        return False
    if path[0] == "regex" or first.get("ignoreUriCase") != second.get("ignoreUriCase"):
        return False
    start, whole = prefix[1], path[1]
    if first.get("ignoreUriCase") is True:
        start, whole = start.lower(), whole.lower()
    if not whole.startswith(start):
        return False
    return all(
        _implied(key, value, second.get(key))
        for key, value in first.items()
        if key not in ("uri", "ignoreUriCase")
    )


def _implied(key: str, asked: Any, given: Any) -> bool:
    """Whether a request that meets the condition `given` surely meets `asked`."""
    if asked == given:
        return True
    if key in _STRINGS:
        return _string_implied(asked, given)
    if key == "gateways":
        return bool(items(given)) and all(name in items(asked) for name in items(given))
    if key == "sourceLabels":
        return all(mapping(given).get(name) == value for name, value in mapping(asked).items())
    if key in _MAPS:
        return all(
            name in mapping(given)
            and (value == mapping(given)[name] or _string_implied(value, mapping(given)[name]))
            for name, value in mapping(asked).items()
        )
    return False


def _string_implied(asked: Any, given: Any) -> bool:
    wanted, got = string_match(asked), string_match(given)
    if wanted is None or got is None or wanted[0] != "prefix" or got[0] == "regex":
        return False
    return got[1].startswith(wanted[1])


def is_claim(header: Any) -> bool:
    """Whether a header of a match stands for a claim of the caller's token."""
    if not isinstance(header, str) or not header.lower().startswith(_JWT_CLAIM):
        return False
    rest = header[len(_JWT_CLAIM) :]
    return rest.startswith(".") or (rest.startswith("[") and rest.endswith("]"))


def claims(match: Match) -> list[tuple[str, str]]:
    """Fields and names of headers in a match that stand for claims."""
    return [
        (field, name)
        for field in ("headers", "withoutHeaders")
        for name in mapping(match.value, field)
        if is_claim(name)
    ]
