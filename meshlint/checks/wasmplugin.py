"""WebAssembly and Lua in proxies: WasmPlugin and TrafficExtension."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.names import is_port
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text
from meshlint.patterns import regexp

_LONGEST = {"imagePullSecret": 253, "pluginName": 256}
_LONGEST_VARIABLE = 256
_LONGEST_SCRIPT = 64 * 1024
_DIGEST = regexp(r"[a-f0-9]{64}")
_SCHEME = regexp(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SCHEMES = ("file", "http", "https", "oci")


def setting_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Extensions that istiod refuses."""
    path = (*subject.path, "spec")
    block: Any = subject.spec
    if subject.kind == "TrafficExtension":
        given = [kind for kind in ("wasm", "lua") if isinstance(block.get(kind), dict)]
        if len(given) != 1:
            problem = "The extension has both wasm and lua, of which one is to be set"
            if not given:
                problem = "The extension has neither wasm nor lua, so it does nothing"
            yield fault((*path, given[-1]) if given else path, problem, on_key=True)
        yield from _lua((*path, "lua"), block.get("lua"))
        block, path = mapping(block, "wasm"), (*path, "wasm")
        yield from _ports((*subject.path, "spec"), subject.spec)
        if "wasm" not in given:
            return
    else:
        yield from _ports(path, block)
    yield from _module(path, block)
    yield from _variables((*path, "vmConfig", "env"), block)


def _ports(path: Path, block: dict[str, Any]) -> Iterator[Hit]:
    for at, match in mappings(block, "match"):
        for step, port in mappings(match, "ports"):
            where = (*path, "match", at, "ports", step, "number")
            number = integer(port, "number")
            if port.get("number") is None:
                yield fault(where, "A port of match has no number")
            elif number is not None and not is_port(number):
                yield fault(where, f"Port {number} of match is outside 1 to 65535")


def _lua(path: Path, block: Any) -> Iterator[Hit]:
    if not isinstance(block, dict):
        return
    script = block.get("inlineCode")
    if script in (None, ""):
        problem = "The Lua extension has no code"
        yield fault((*path, "inlineCode"), problem, on_key=True)
    elif isinstance(script, str) and len(script) > _LONGEST_SCRIPT:
        problem = f"The Lua code has {len(script)} characters, above {_LONGEST_SCRIPT}"
        yield fault((*path, "inlineCode"), problem, on_key=True)


def _module(path: Path, block: dict[str, Any]) -> Iterator[Hit]:
    url = block.get("url")
    if url in (None, ""):
        yield fault((*path, "url"), "The plugin has no url to load its module from", on_key=True)
    elif isinstance(url, str):
        problem = _url_problem(url)
        if problem:
            yield fault((*path, "url"), problem)
    digest = text(block, "sha256")
    if digest and not _DIGEST.fullmatch(digest):
        problem = f"Digest {digest[:80]} in sha256 is not made of 64 digits 0 to 9 and a to f"
        yield fault((*path, "sha256"), problem)
    for field, longest in _LONGEST.items():
        written = block.get(field)
        if written == "":
            yield fault((*path, field), f"Field {field} is an empty text")
        elif isinstance(written, str) and len(written) > longest:
            problem = f"Field {field} has {len(written)} characters, above {longest}"
            yield fault((*path, field), problem)


def _url_problem(url: str) -> str:
    """What is wrong with where a module comes from; empty for nothing.

    Without `//` a colon belongs to the port of a registry or to a tag.
    """
    if any(character.isspace() for character in url):
        return f"Address {url} holds a blank"
    scheme = _SCHEME.match(url)
    if scheme is not None and "://" in url and scheme[1].lower() not in _SCHEMES:
        return f"Address {url} has scheme {scheme[1]}, where file, http, https or oci is needed"
    return ""


def _variables(path: Path, block: dict[str, Any]) -> Iterator[Hit]:
    names: set[str] = set()
    for at, variable in mappings(get(block, "vmConfig"), "env"):
        name = variable.get("name")
        if name in (None, ""):
            yield fault((*path, at, "name"), "An environment variable has no name")
        elif isinstance(name, str):
            if len(name) > _LONGEST_VARIABLE:
                problem = f"The name of a variable has {len(name)} characters, above 256"
                yield fault((*path, at, "name"), problem)
            if name in names:
                yield fault((*path, at, "name"), f"Variable {name} is set twice")
            names.add(name)
        if variable.get("valueFrom") == "HOST" and variable.get("value") is not None:
            problem = f"Variable {name} comes from the proxy (HOST) and has a value as well"
            yield fault((*path, at, "value"), problem)


# --------------------------------------------------------------------------------- supply chain


def image_mutable(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Modules that may be another one tomorrow."""
    url = text(subject.spec, "url")
    if not url or text(subject.spec, "sha256") or "@sha256:" in url:
        return
    scheme = _SCHEME.match(url) if "://" in url else None
    kind = scheme[1].lower() if scheme is not None else "oci"
    path = (*subject.path, "spec", "url")
    if kind in ("http", "https"):
        yield Hit(path, {"url": _without_password(url)}, message="download")
    elif kind == "oci":
        tag = url.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            args = {"url": _without_password(url), "tag": tag or "no tag"}
            yield Hit(path, args, message="latest" if tag else "default")


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def fails_open(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Modules that guard, and let everybody in where they are missing."""
    phase = subject.spec.get("phase")
    if subject.spec.get("failStrategy") == "FAIL_OPEN" and phase in ("AUTHN", "AUTHZ"):
        yield Hit((*subject.path, "spec", "failStrategy"), {"phase": phase})
