"""Secrets that stand in manifests as plain text. Their values never reach a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.patterns import regexp

_PRIVATE_KEY = regexp(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_URL = regexp(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S")
_URL_PASSWORD = regexp(r"[A-Za-z]://[^\s/:@?#\"']{0,200}:(?P<password>[^\s/@?#\"']{1,200})@")
_PLACEHOLDER_STARTS = ("$", "{{", "<", "%", "*")
_PATH = regexp(r"(?:~|\.{0,2})/\S*|[A-Za-z]:\\\S*")
_NUMBER = regexp(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[a-z]{1,2})?")
_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off", "enabled", "disabled", "none"})

# Words after the name of a secret that make it the name of something about the secret.
_ABOUT = (
    "algorithm|algorithms|arn|audience|audiences|class|count|dir|directory|duration|enabled|"
    "endpoint|expiration|expiry|field|file|filename|header|host|id|issuer|key_name|keys_file|"
    "length|lifetime|limit|location|mode|mount|name|names|namespace|namespaces|path|paths|policy|"
    "prefix|provider|ref|refresh|regex|rotation|scope|server|service|store|ttl|type|uri|url|"
    "user|username|version"
)


def shown(subject: Workload | Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Literal values under the name of a secret, private keys, and URLs with a password."""
    patterns = tuple(params["patterns"])
    if isinstance(subject, Workload):
        for container in subject.containers:
            for index, variable in mappings(container.value, "env"):
                what = _exposed(text(variable, "name"), variable.get("value"), patterns)
                if what:
                    path = (*container.path, "env", index, "name")
                    args = {
                        "kind": "Variable",
                        "name": text(variable, "name"),
                        "owner": f"container {container.name or 'unnamed'}",
                    }
                    yield Hit(path, args, message=what, hide_text=True)
        return
    for key, value in mapping(subject.value, "data").items():
        what = _exposed(key, value, patterns)
        if what:
            args = {"kind": "Key", "name": key, "owner": f"ConfigMap {subject.name}"}
            path = (*subject.path, "data", key)
            yield Hit(path, args, message=what, on_key=True, hide_text=True)


def _exposed(name: Any, value: Any, patterns: Sequence[str]) -> str:
    """Name of the message for a value; empty for one that gives nothing away."""
    if not isinstance(name, str) or not isinstance(value, str):
        return ""
    if _PRIVATE_KEY.search(value):
        return "key"
    if any(not _is_placeholder(found["password"]) for found in _URL_PASSWORD.finditer(value)):
        return "url"
    if _is_secret_name(name, tuple(patterns)) and _is_literal(value):
        return "default"
    return ""


def _is_literal(value: str) -> bool:
    value = value.strip()
    if not value or "\n" in value or _is_placeholder(value):
        return False
    if value.lower() in _BOOLEANS or _NUMBER.fullmatch(value) or _PATH.fullmatch(value):
        return False
    return not _URL.match(value)


def _is_placeholder(value: str) -> bool:
    return value.startswith(_PLACEHOLDER_STARTS)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str, patterns: tuple[str, ...]) -> bool:
    # dbPassword, db-password and db.password are DB_PASSWORD in other spellings.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    words = re.sub(r"[^A-Za-z0-9]+", "_", words).lower().strip("_")
    return _matcher(patterns).search(words) is not None


@lru_cache(maxsize=32)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Patterns as words; `*` stands for anything. Run-together names end in them: PGPASSWORD."""
    named = "|".join(
        re.escape(pattern.lower().replace("-", "_")).replace(r"\*", ".*") for pattern in patterns
    )
    return (
        re.compile(rf"(?:{named})(?:_|$)(?!(?:.*_)?(?:{_ABOUT})$)") if named else re.compile("(?!)")
    )
