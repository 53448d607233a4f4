"""What HTTP rules of VirtualServices do with a request: forward, redirect, answer, rewrite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.findings import Hit, Path
from meshlint.mesh import routes
from meshlint.mesh.header_values import is_header_value
from meshlint.mesh.routes import Rule, string_match
from meshlint.mesh.world import World
from meshlint.model.durations import seconds
from meshlint.model.names import is_header_name, is_plain_header_name, is_port
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, mappings, text

_ANSWERS = ("redirect", "directResponse")
_LARGE_BODY = 100 * 1024
_LARGEST_BODY = 1024 * 1024
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
)
_GRPC_CODES = frozenset(
    {
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    }
)  # fmt: skip


def _number(value: Any) -> Decimal | None:
    """A number as it is written; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(str(value))


def action_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """HTTP rules that do nothing, or several things of which only one can be done."""
    for rule in routes.rules(subject, "http"):
        for field, value in _mirror_percentages(rule):
            number = _number(value)
            if number is not None and not 0 <= number <= 100:
                path = (*rule.path, *field)
                yield Hit(path, {"rule": rule.label, "value": value}, message="percentage")
        if rule.delegates:
            continue
        actions = [field for field in ("route", *_ANSWERS) if _is_set(rule, field)]
        if not actions:
            yield Hit(rule.path, {"rule": rule.label}, message="nothing")
            continue
        for other in actions[1:]:
            args = {"rule": rule.label, "first": actions[0], "other": other}
            yield Hit((*rule.path, other), args, on_key=True)
        for answer in [field for field in actions if field in _ANSWERS][:1]:
            for other in ("fault", "rewrite"):
                if _is_set(rule, other):
                    args = {"rule": rule.label, "first": answer, "other": other}
                    yield Hit((*rule.path, other), args, on_key=True)
        if _is_set(rule, "mirror") and _is_set(rule, "mirrors"):
            args = {"rule": rule.label, "first": "mirror", "other": "mirrors"}
            yield Hit((*rule.path, "mirrors"), args, on_key=True)


def _is_set(rule: Rule, field: str) -> bool:
    return rule.value.get(field) not in (None, [])


def _mirror_percentages(rule: Rule) -> Iterator[tuple[Path, Any]]:
    percent = rule.value.get("mirrorPercent")
    if not (isinstance(percent, int) and percent < 0):  # no unsigned number at all
        yield ("mirrorPercent",), percent
    yield ("mirrorPercentage", "value"), get(rule.value, "mirrorPercentage", "value")
    for number, mirror in mappings(rule.value, "mirrors"):
        yield ("mirrors", number, "percentage", "value"), get(mirror, "percentage", "value")


# ----------------------------------------------------------------------------------- headers


def headers_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Header operations that the proxy cannot do."""
    for rule in routes.rules(subject, "http"):
        yield from _operations(rule.value, rule.path)
        for number, entry in mappings(rule.value, "route"):
            yield from _operations(entry, (*rule.path, "route", number))
        yield from _authority(rule)


def _operations(block: dict[str, Any], path: Path) -> Iterator[Hit]:
    for side in ("request", "response"):
        for operation in ("set", "add"):
            for name, value in mapping(block, "headers", side, operation).items():
                place = (*path, "headers", side, operation, name)
                fault = _name_fault(name, may_be_authority=side == "request")
                if fault:
                    yield Hit(place, {"header": name, "side": side}, message=fault, on_key=True)
                if isinstance(value, str) and not is_header_value(value):
                    yield Hit(place, {"header": name, "value": value}, message="value")
        for number, name in enumerate(items(block, "headers", side, "remove")):
            fault = _name_fault(name, may_be_authority=False) if isinstance(name, str) else ""
            if fault:
                place = (*path, "headers", side, "remove", number)
                yield Hit(place, {"header": name, "side": side}, message=fault)


def _is_authority(name: object) -> bool:
    return str(name).lower() in (":authority", "host")


def _name_fault(name: Any, *, may_be_authority: bool) -> str:
    if not isinstance(name, str):
        return ""
    if _is_authority(name) and may_be_authority:
        return ""
    if name.startswith(":") or _is_authority(name):
        return "default"
    return "" if is_header_name(name) else "name"


def _authority(rule: Rule) -> Iterator[Hit]:
    """The authority of a request, set in more than one place."""
    first = "rewrite.authority" if text(rule.value, "rewrite", "authority") else ""
    for operation in ("set", "add"):
        for name, value in mapping(rule.value, "headers", "request", operation).items():
            if not _is_authority(name):
                continue
            path = (*rule.path, "headers", "request", operation, name)
            if first:
                args = {"rule": rule.label, "first": first}
                yield Hit(path, args, message="authority", on_key=True)
                return
            if value:
                first = f"headers.request.{operation}.{name}"


# -------------------------------------------------------------------------- redirect, rewrite


def rewrite_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rewrites and redirects that change nothing, or the same part twice."""
    for rule in routes.rules(subject, "http"):
        for path, message, args in (*_rewrite_faults(rule), *_redirect_faults(rule)):
            block = message not in ("code", "scheme", "port")
            hit_path = (*rule.path, *path)
            yield Hit(hit_path, {"rule": rule.label, **args}, message=message, on_key=block)


_Fault = tuple[Path, str, Mapping[str, object]]


def _rewrite_faults(rule: Rule) -> Iterator[_Fault]:
    rewrite = rule.value.get("rewrite")
    if not isinstance(rewrite, dict):
        return
    regex = rewrite.get("uriRegexRewrite")
    if rewrite.get("uri") and regex is not None:
        yield ("rewrite", "uriRegexRewrite"), "both", {"first": "uri", "other": "uriRegexRewrite"}
    elif not rewrite.get("uri") and regex is None and not rewrite.get("authority"):
        yield ("rewrite",), "default", {}
    elif isinstance(regex, dict):
        for field in ("match", "rewrite"):
            if regex.get(field) in (None, ""):
                yield ("rewrite", "uriRegexRewrite", field), "incomplete", {"field": field}


def _redirect_faults(rule: Rule) -> Iterator[_Fault]:
    redirect = rule.value.get("redirect")
    if not isinstance(redirect, dict):
        return
    targets = ("uri", "prefixRewrite", "authority", "scheme")
    ports = ("port", "derivePort")
    if not any(redirect.get(f) for f in targets) and not any(f in redirect for f in ports):
        yield ("redirect",), "redirect", {}
    if redirect.get("prefixRewrite"):
        place = ("redirect", "prefixRewrite")
        if redirect.get("uri"):
            yield place, "both", {"first": "uri", "other": "prefixRewrite"}
        elif not _by_prefix(rule):
            yield place, "prefix", {}
    code = integer(redirect, "redirectCode")
    if code is not None and code != 0 and not 300 <= code <= 399:
        yield ("redirect", "redirectCode"), "code", {"value": code}
    scheme = text(redirect, "scheme")
    if scheme and scheme not in ("http", "https"):
        yield ("redirect", "scheme"), "scheme", {"value": scheme}
    port = integer(redirect, "port")
    if port is not None and port != 0 and not is_port(port):
        yield ("redirect", "port"), "port", {"value": port}


def _by_prefix(rule: Rule) -> bool:
    """Whether every match of a rule names a path prefix."""
    found = [string_match(match.value.get("uri")) for match in routes.matches(rule)]
    return bool(found) and all(uri is not None and uri[0] == "prefix" for uri in found)


# ------------------------------------------------------------------------------ direct response


def direct_response_invalid(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Answers of the proxy itself with an impossible status or a large body."""
    for rule in routes.rules(subject, "http"):
        response = rule.value.get("directResponse")
        if not isinstance(response, dict):
            continue
        path = (*rule.path, "directResponse")
        status = integer(response, "status")
        if response.get("status") is None:
            yield Hit((*path, "status"), {"rule": rule.label}, message="missing", on_key=True)
        elif status is not None and not 200 <= status <= 599:
            yield Hit((*path, "status"), {"rule": rule.label, "status": status})
        for field, size in _body_sizes(response):
            if size > _LARGE_BODY:
                args = {"rule": rule.label, "size": size // 1024}
                message = "refused" if size > _LARGEST_BODY else "large"
                yield Hit((*path, "body", field), args, message=message, on_key=True)


def _body_sizes(response: dict[str, Any]) -> Iterator[tuple[str, int]]:
    yield "string", len(text(response, "body", "string").encode("utf-8", "surrogatepass"))
    encoded = text(response, "body", "bytes").rstrip("=")
    yield "bytes", len(encoded) * 3 // 4


# --------------------------------------------------------------------------------------- fault


def fault_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Faults that the proxy cannot inject."""
    for rule in routes.rules(subject, "http"):
        fault = rule.value.get("fault")
        if not isinstance(fault, dict):
            continue
        for path, message, args in _fault_faults(fault):
            on_key = message in ("default", "untyped", "unsupported")
            hit_path = (*rule.path, "fault", *path)
            yield Hit(hit_path, {"rule": rule.label, **args}, message=message, on_key=on_key)


def _fault_faults(fault: dict[str, Any]) -> Iterator[_Fault]:
    abort, delay = fault.get("abort"), fault.get("delay")
    if abort is None and delay is None:
        yield (), "default", {}
    for kind, block in (("abort", abort), ("delay", delay)):
        share = _number(get(block, "percentage", "value"))
        if share is not None and not (share == 0 or Decimal("0.0001") <= share <= 100):
            yield (kind, "percentage", "value"), "percentage", {"value": share}
    share = _number(get(delay, "percent"))
    if share is not None and not 0 <= share <= 100:
        yield ("delay", "percent"), "percentage", {"value": share}
    if get(delay, "exponentialDelay") is not None:
        yield ("delay", "exponentialDelay"), "unsupported", {"field": "exponentialDelay"}
    if isinstance(abort, dict):
        yield from _abort_faults(abort)


def _abort_faults(abort: dict[str, Any]) -> Iterator[_Fault]:
    if not any(abort.get(f) is not None for f in ("httpStatus", "grpcStatus", "http2Error")):
        yield ("abort",), "untyped", {}
    if abort.get("http2Error") is not None:
        yield ("abort", "http2Error"), "unsupported", {"field": "http2Error"}
    status = integer(abort, "httpStatus")
    if status is not None and not 200 <= status <= 600:
        yield ("abort", "httpStatus"), "status", {"value": status}
    code = abort.get("grpcStatus")
    if isinstance(code, str) and code not in _GRPC_CODES:
        yield ("abort", "grpcStatus"), "code", {"value": code}


# ---------------------------------------------------------------------------------------- CORS


def cors_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """CORS policies that istiod refuses."""
    for rule in routes.rules(subject, "http"):
        policy = rule.value.get("corsPolicy")
        path = (*rule.path, "corsPolicy")
        for number, origin in mappings(policy, "allowOrigins"):
            found = string_match(origin)
            if found is None or not found[1]:
                place = (*path, "allowOrigins", number)
                yield Hit(place, {"rule": rule.label}, message="origin")
        for number, method in enumerate(items(policy, "allowMethods")):
            if isinstance(method, str) and method not in _METHODS and not is_templated(method):
                place = (*path, "allowMethods", number)
                yield Hit(place, {"rule": rule.label, "method": method})
        for field in ("allowHeaders", "exposeHeaders"):
            for number, name in enumerate(items(policy, field)):
                if isinstance(name, str) and name != "*" and not is_plain_header_name(name):
                    place = (*path, field, number)
                    args = {"rule": rule.label, "field": field, "header": name}
                    yield Hit(place, args, message="header")
        age = seconds(get(policy, "maxAge"))
        if age is not None and age % 1:
            args = {"rule": rule.label, "age": get(policy, "maxAge")}
            yield Hit((*path, "maxAge"), args, message="age")
