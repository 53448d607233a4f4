"""JSON Web Key Sets, and which of their members nobody may see.

Sources: RFC 7517; RFC 7518, section 6; RFC 8037, section 2.
"""

from __future__ import annotations

import json
from typing import Any

from meshlint.model.values import items, mapping

_KEY_TYPES = frozenset({"RSA", "EC", "OKP", "oct"})
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")
_LONGEST = 1_000_000


def keys(written: str) -> list[dict[str, Any]] | None:
    """The keys of a key set, or of a single key; None for a text that is neither."""
    if len(written) > _LONGEST:
        return None
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        return None
    found = items(value, "keys") if "keys" in mapping(value) else [value]
    if not all(isinstance(key, dict) and key.get("kty") in _KEY_TYPES for key in found):
        return None
    return found


def private_members(key: dict[str, Any]) -> list[str]:
    """Names of the members of a key that make tokens instead of verifying them."""
    return [name for name in _PRIVATE if key.get(name)]


def is_secret(written: str) -> bool:
    """Whether a key set holds something that makes tokens."""
    return any(private_members(key) for key in keys(written) or ())
