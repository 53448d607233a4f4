"""Rules for tokens in a RequestAuthentication."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from meshlint.checks.hits import fault, listed
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model import jwks
from meshlint.model.names import is_port
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text

_HEADER_CHARACTERS = frozenset("-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def is_plain_header(name: str) -> bool:
    """Whether istiod takes a name for that of a header; it knows fewer than HTTP does."""
    return bool(name) and set(name) <= _HEADER_CHARACTERS


def rule_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules for tokens that istiod refuses."""
    for number, rule in enumerate(items(subject.spec, "jwtRules")):
        path = (*subject.path, "spec", "jwtRules", number)
        if rule is not None and not isinstance(rule, dict):
            continue
        rule = mapping(rule)
        given = (rule.get("issuer"), rule.get("jwksUri"), rule.get("jwks_uri"))
        if not any(value not in (None, "") for value in given):
            problem = "The rule has neither an issuer nor a jwksUri, so it cannot tell any token"
            yield fault(path, problem)
        keys = [name for name in ("jwksUri", "jwks_uri", "jwks") if rule.get(name) is not None]
        if len(keys) > 1:
            problem = f"The rule has both {listed(keys)}, and its keys can come from one place only"
            yield fault((*path, keys[1]), problem, on_key=True)
        yield from _addresses(path, rule)
        if text(rule, "jwks") and jwks.keys(text(rule, "jwks")) is None:
            problem = "The text in jwks is no JSON Web Key Set, so no token can be verified with it"
            yield fault((*path, "jwks"), problem, on_key=True)
        for field in ("audiences", "fromParams", "fromCookies", "spaceDelimitedClaims"):
            for at, value in enumerate(items(rule, field)):
                if value == "":
                    yield fault((*path, field, at), f"Field {field} holds an empty text")
        for at, header in mappings(rule, "fromHeaders"):
            if header.get("name") in (None, ""):
                problem = "An entry of fromHeaders has no name of a header"
                yield fault((*path, "fromHeaders", at, "name"), problem)
        yield from _outputs((*path, "outputClaimToHeaders"), rule)


def _addresses(path: Path, rule: dict[str, Any]) -> Iterator[Hit]:
    for field in ("jwksUri", "jwks_uri"):
        uri = rule.get(field)
        problem = _address_problem(uri) if isinstance(uri, str) else ""
        if problem:
            yield fault((*path, field), f"The address in {field} {problem}")


def _address_problem(uri: str) -> str:
    if not uri:
        return "is an empty text"
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


def private_key_exposed(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Key sets that give away what signs tokens."""
    for number, rule in mappings(subject.spec, "jwtRules"):
        for key in jwks.keys(text(rule, "jwks")) or ():
            private = jwks.private_members(key)
            if private:
                # The engine shows nothing of a document that holds a secret.
                path = (*subject.path, "spec", "jwtRules", number, "jwks")
                kind = "oct (symmetric)" if key.get("kty") == "oct" else str(key.get("kty"))
                yield Hit(path, {"members": listed(private), "kind": kind}, on_key=True)
                break
