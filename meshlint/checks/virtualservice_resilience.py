"""Retries, timeouts and faults that VirtualServices and the mesh give to requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.checks.fixing import set_at
from meshlint.checks.hits import at
from meshlint.findings import Hit, Path, Related
from meshlint.mesh import routes
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.routes import Destination, Match, Rule, string_match
from meshlint.mesh.world import World
from meshlint.model.durations import seconds
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, is_templated, items, mapping, text
from meshlint.operations import Remove, Set

_MESH_POLICY = "defaultHttpRetryPolicy"
_CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure",
        "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers",
        "envoy-ratelimited", "http3-post-connect-failure",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
"""Conditions of `retryOn` that the proxy knows, those for gRPC last."""
_UNSAFE_CONDITIONS = frozenset({"5xx", "gateway-error", "reset", "retriable-4xx"})
"""Conditions under which the server may have done the work already."""
_STATUS_CODES = frozenset(
    {
        *range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 419),
        *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511,
    }
)  # fmt: skip
"""Status codes with a name, which istiod takes in `retryOn`."""
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def _tokens(policy: Any) -> list[str]:
    return [token.strip() for token in text(policy, "retryOn").split(",") if token.strip()]


def _is_status_code(token: str) -> bool:
    return token.isascii() and token.isdigit() and int(token[:9]) in _STATUS_CODES


def _retries(subject: Resource) -> Iterator[tuple[Rule, dict[str, Any], Path]]:
    """Rules with retries, the block, and where it stands."""
    for rule in routes.rules(subject, "http"):
        policy = rule.value.get("retries")
        if isinstance(policy, dict):
            yield rule, policy, (*rule.path, "retries")


# ------------------------------------------------------------------------------------- retries


def retry_invalid(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Retries that istiod refuses, or that it was asked for in words it does not know."""
    if isinstance(subject, MeshConfig):
        policy = mapping(subject.config.value(_MESH_POLICY))
        for field, message, args in _retry_faults(policy, attempts=policy.get("attempts")):
            found = subject.config.given(_MESH_POLICY, field)
            if found is not None and found.place is not None:
                yield at(
                    found.place,
                    {"where": f"Retries of meshConfig.{_MESH_POLICY}", **args},
                    (),
                    message=message,
                )
        return
    for rule, policy, path in _retries(subject):
        attempts = policy.get("attempts")
        # Absent is 0 here; in MeshConfig it leaves the default of istiod.
        for field, message, args in _retry_faults(policy, attempts=attempts or 0):
            on_key = message == "disabled"
            hit_args = {"where": f"Retries of {rule.label}", **args}
            yield Hit((*path, field), hit_args, message=message, on_key=on_key)


def _retry_faults(
    policy: dict[str, Any], *, attempts: Any
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    number = integer(attempts)
    if number is not None and number < 0:
        yield "attempts", "default", {"attempts": number}
    if number == 0:
        for field, value in policy.items():
            if field != "attempts" and value not in (None, ""):
                yield field, "disabled", {"field": field}
                break
    for token in _tokens(policy):
        known = token in _CONDITIONS or _is_status_code(token) or is_templated(token)
        if not known:
            yield "retryOn", "condition", {"condition": token}


def retry_excessive(
    subject: Resource | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """More tries than a dependency in trouble can stand."""
    most = params["max"]
    if isinstance(subject, MeshConfig):
        found = subject.config.given(_MESH_POLICY, "attempts")
        if found is None or found.place is None:
            return
        attempts = integer(found.value)
        if attempts is not None and attempts > most:
            args = {"attempts": attempts, "max": most, "tries": attempts + 1}
            yield at(found.place, args, message="mesh", fix=set_at(found.place, most))
        return
    for rule, policy, path in _retries(subject):
        attempts = integer(policy, "attempts")
        if attempts is not None and attempts > most:
            args = {"rule": rule.label, "attempts": attempts, "max": most, "tries": attempts + 1}
            yield Hit((*path, "attempts"), args, fix=(Set((*path, "attempts"), most),))


def retry_exceeds_timeout(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Tries that the timeout of the whole request cuts off."""
    for rule, policy, path in _retries(subject):
        attempts = integer(policy, "attempts")
        timeout = seconds(rule.value.get("timeout"))
        if not attempts or attempts < 0 or not timeout:
            continue
        args = {"rule": rule.label, "attempts": attempts, "timeout": rule.value.get("timeout")}
        related = (Related(subject.document, (*rule.path, "timeout"), "the timeout"),)
        share = _whole_milliseconds(timeout / (attempts + 1))
        args["share"] = share
        fix = (Set((*path, "perTryTimeout"), share),) if share else ()
        each = seconds(policy.get("perTryTimeout"))
        if each is not None and each * (attempts + 1) > timeout:
            args["each"] = policy.get("perTryTimeout")
            args["needed"] = f"{(each * (attempts + 1)).normalize():f}s"
            args["tries"] = attempts + 1
            yield Hit((*path, "perTryTimeout"), args, related, fix=fix)
        elif policy.get("perTryTimeout") is None and params["strict"]:
            yield Hit((*path, "attempts"), args, related, message="unlimited", fix=fix)


def _whole_milliseconds(length: Decimal) -> str:
    """A duration without what is less than a millisecond; empty where nothing is left."""
    milliseconds = int(length * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else ""
    return f"{(Decimal(milliseconds) / 1000).normalize():f}s"


def retry_unsafe_method(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Requests that change something and may be carried out twice."""
    for rule, policy, path in _retries(subject):
        attempts = integer(policy, "attempts")
        if attempts is None or attempts <= 0 or _only_repeatable(rule):
            continue
        for token in _tokens(policy):
            if token in _UNSAFE_CONDITIONS or _is_status_code(token):
                yield Hit((*path, "retryOn"), {"rule": rule.label, "condition": token})
                break


def _only_repeatable(rule: Rule) -> bool:
    found = list(routes.matches(rule))
    return bool(found) and all(_methods(match) <= _REPEATABLE for match in found)


def _methods(match: Match) -> frozenset[str]:
    """Methods that a match takes, as far as it lists them; one of no meaning for all others."""
    asked = string_match(match.value.get("method"))
    if asked is None or asked[0] == "prefix":
        return frozenset({"*"})
    if asked[0] == "exact":
        return frozenset({asked[1]})
    words = asked[1].removeprefix("^").removesuffix("$")
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1].removeprefix("?:")
    return frozenset(words.split("|"))


# ------------------------------------------------------------------------------------ timeouts


def timeout_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Requests that may wait for ever."""
    for rule in routes.rules(subject, "http"):
        if not rule.value.get("route"):
            continue
        timeout = rule.value.get("timeout")
        if timeout is not None and seconds(timeout) != Decimal(0):
            continue
        if any(_is_streaming(match, params["exempt_paths"]) for match in routes.matches(rule)):
            continue
        found = list(routes.routed(rule))
        if not found or not all(_speaks_http(world, subject, d) for d in found):
            continue
        value = params["value"]
        args = {"rule": rule.label, "host": found[0].host, "value": value}
        fix = (Set((*rule.path, "timeout"), value),) if value else ()
        if timeout is None:
            yield Hit((*rule.path, "route"), args, on_key=True, fix=fix)
        else:
            args["timeout"] = timeout
            yield Hit((*rule.path, "timeout"), args, message="zero", fix=fix)


def _is_streaming(match: Match, prefixes: Any) -> bool:
    uri = string_match(match.value.get("uri"))
    if uri is None or uri[0] == "regex":
        return False
    return any(
        (uri[1] + "/").startswith(prefix.rstrip("/") + "/")
        for prefix in items(prefixes)
        if isinstance(prefix, str) and prefix
    )


def _speaks_http(world: World, subject: Resource, destination: Destination) -> bool:
    """Whether the port is in the input and is neither gRPC, whose streams last, nor TCP."""
    if not destination.host or destination.host.startswith("*"):
        return False
    targets = world.hosts.meaning(destination.host, subject.namespace).targets
    if not targets:
        return False
    ports = [port for port in world.hosts.ports(targets[0]) if not port.is_udp]
    if destination.port is not None:
        ports = [port for port in ports if port.number == destination.port]
    return len(ports) == 1 and ports[0].protocol in ("", "HTTP", "HTTP2", "HTTP_PROXY")


# -------------------------------------------------------------------------------------- faults


def fault_injected(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Faults that a test has left behind."""
    for rule in routes.rules(subject, "http"):
        if params["header_exempt"] and _only_with_header(rule):
            continue
        for kind, field in (
            ("abort", ("percentage", "value")),
            ("delay", ("percentage", "value")),
            ("delay", ("percent",)),
        ):
            share = get(rule.value, "fault", kind, *field)
            if isinstance(share, int | float) and not isinstance(share, bool) and share > 0:
                args = {"rule": rule.label, "share": share}
                path = (*rule.path, "fault")
                # Of a rule that does nothing else there would be nothing left.
                fix = (Remove(path),) if rule.value.keys() - {"fault", "match", "name"} else ()
                yield Hit((*path, kind, *field), args, message=kind, fix=fix)
                if kind == "delay":
                    break


def _only_with_header(rule: Rule) -> bool:
    found = list(routes.matches(rule))
    return bool(found) and all(mapping(match.value, "headers") for match in found)
