"""Rules for tokens in a RequestAuthentication."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from meshlint.checks.hits import fault, listed
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.names import is_port
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text

_HEADER_CHARACTERS = frozenset("-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def is_plain_header(name: str) -> bool:
    """Whether istiod takes a name for that of a header; it knows fewer than HTTP does."""
    return bool(name) and set(name) <= _HEADER_CHARACTERS


def rule_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules for tokens that istiod refuses."""
    for number, rule in mappings(subject.spec, "jwtRules"):
        path = (*subject.path, "spec", "jwtRules", number)
        given = (rule.get("issuer"), rule.get("jwksUri"), rule.get("jwks_uri"))
        if not any(value not in (None, "") for value in given):
            problem = "The rule has neither an issuer nor a jwksUri, so it cannot tell any token"
            yield fault(path, problem)
        yield from _addresses(path, rule)
        if text(rule, "jwks") and _keys(text(rule, "jwks")) is None:
            problem = "jwks is no JSON Web Key Set, so no token can be verified with it"
            yield fault((*path, "jwks"), problem, on_key=True)
        for field in ("audiences", "fromParams", "fromCookies", "spaceDelimitedClaims"):
            for at, value in enumerate(items(rule, field)):
                if value == "":
                    yield fault((*path, field, at), f"{field} holds an empty text")
        for at, header in mappings(rule, "fromHeaders"):
            if header.get("name") in (None, ""):
                problem = "An entry of fromHeaders has no name of a header"
                yield fault((*path, "fromHeaders", at, "name"), problem)
        yield from _outputs((*path, "outputClaimToHeaders"), rule)


def _addresses(path: Path, rule: dict[str, Any]) -> Iterator[Hit]:
    for field in ("jwksUri", "jwks_uri"):
        uri = text(rule, field)
        problem = _address_problem(uri) if uri else ""
        if problem:
            yield fault((*path, field), f"{field} {problem}")


def _address_problem(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https"):
        return f"has scheme {parts.scheme or '(none)'}, where http or https is needed"
    if not parts.hostname:
        return "names no host"
    if port is not None and not is_port(port):
        return f"has port {port}, outside 1 to 65535"
    return ""


def _outputs(path: Path, rule: dict[str, Any]) -> Iterator[Hit]:
    for at, output in mappings(rule, "outputClaimToHeaders"):
        missing = next((f for f in ("header", "claim") if output.get(f) in (None, "")), None)
        header = text(output, "header")
        if missing is not None:
            problem = f"An entry of outputClaimToHeaders has no {missing}"
            yield fault((*path, at, missing), problem)
        elif header and not is_plain_header(header):
            problem = f"Header {header} of outputClaimToHeaders is no name of a header"
            yield fault((*path, at, "header"), problem)


# ------------------------------------------------------------------------------------------ keys

_KEY_TYPES = frozenset({"RSA", "EC", "OKP", "oct"})
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")
_LONGEST = 1_000_000


def _keys(written: str) -> list[dict[str, Any]] | None:
    """The keys of a key set, or of a single key; None for a text that is neither."""
    if len(written) > _LONGEST:
        return None
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        return None
    keys = items(value, "keys") if "keys" in mapping(value) else [value]
    if not all(isinstance(key, dict) and key.get("kty") in _KEY_TYPES for key in keys):
        return None
    return keys


def private_key_exposed(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Key sets that give away what signs tokens."""
    for number, rule in mappings(subject.spec, "jwtRules"):
        for key in _keys(text(rule, "jwks")) or ():
            private = [name for name in _PRIVATE if key.get(name)]
            if private:
                # The value is never shown, nor is anything else of the key.
                path = (*subject.path, "spec", "jwtRules", number, "jwks")
                kind = "symmetric" if key.get("kty") == "oct" else str(key.get("kty"))
                yield Hit(path, {"members": listed(private), "kind": kind}, on_key=True)
                break
