"""What istiod refuses in an AuthorizationPolicy, and what of one means more than it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault, listed
from meshlint.findings import Hit, Path
from meshlint.mesh.policy_ports import serves_http_only
from meshlint.mesh.world import World
from meshlint.model.names import is_cidr, is_ip
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.operations import Set
from meshlint.patterns import regexp

_SOURCE_FIELDS = (
    "principals",
    "requestPrincipals",
    "namespaces",
    "serviceAccounts",
    "ipBlocks",
    "remoteIpBlocks",
    "trustDomains",
)
_OPERATION_FIELDS = ("hosts", "ports", "methods", "paths")


def _negated(field: str) -> str:
    return f"not{field[0].upper()}{field[1:]}"


def _with_negated(*fields: str) -> tuple[str, ...]:
    return (*fields, *map(_negated, fields))


_SOURCE = _with_negated(*_SOURCE_FIELDS)
_OPERATION = _with_negated(*_OPERATION_FIELDS)

# ---------------------------------------------------------------------------------------- action

_NOT_WITH_CUSTOM = _with_negated(
    "namespaces", "principals", "requestPrincipals", "serviceAccounts", "trustDomains"
)
_KEYS_NOT_WITH_CUSTOM = (
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
)


def action_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Actions that go without what they need, or with what they cannot judge."""
    spec = (*subject.path, "spec")
    action = subject.spec.get("action", "ALLOW")
    without_rules = subject.spec.get("rules") in (None, [])
    if action in ("DENY", "CUSTOM") and without_rules:
        problem = f"Action {action} has no rules, so it never comes into effect"
        step = "rules" if "rules" in subject.spec else "action"
        yield fault((*spec, step), problem, on_key=step == "rules")
    if action != "CUSTOM":
        if isinstance(subject.spec.get("provider"), dict):
            problem = f"A provider stands beside action {action}, and only CUSTOM asks one"
            yield fault((*spec, "provider"), problem, on_key=True)
        return
    if not without_rules and not text(subject.spec, "provider", "name"):
        problem = "Action CUSTOM names no provider to ask"
        yield fault((*spec, "provider", "name"), problem, on_key=True)
    for number, rule in mappings(subject.spec, "rules"):
        path = (*spec, "rules", number)
        for at, entry in mappings(rule, "from"):
            for field in _NOT_WITH_CUSTOM:
                if items(entry, "source", field):
                    problem = f"Action CUSTOM cannot be chosen by {field}"
                    yield fault((*path, "from", at, "source", field), problem, on_key=True)
        for at, condition in mappings(rule, "when"):
            key = text(condition, "key")
            if key in _KEYS_NOT_WITH_CUSTOM or key.startswith("request.auth."):
                problem = f"Action CUSTOM cannot be chosen by {key}"
                yield fault((*path, "when", at, "key"), problem)


# ----------------------------------------------------------------------------------------- rules


def rule_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that say nothing where they must say something, or something that is no value."""
    for number, rule in enumerate(items(subject.spec, "rules")):
        path = (*subject.path, "spec", "rules", number)
        if rule is None:
            yield fault(path, "The rule is null; a rule for everything is written {}")
        for part, block, known in (
            ("from", "source", _SOURCE),
            ("to", "operation", _OPERATION),
        ):
            if isinstance(rule, dict) and part in rule:
                yield from _part((*path, part), rule[part], part, block, known)
        for at, condition in enumerate(items(rule, "when")):
            yield from _condition((*path, "when", at), condition)


def _part(path: Path, entries: Any, part: str, block: str, known: tuple[str, ...]) -> Iterator[Hit]:
    if entries in (None, []):
        problem = f"Part {part} of a rule is there and names nothing"
        yield fault(path, problem, on_key=True)
    for at, entry in enumerate(items(entries)):
        if entry is not None and not isinstance(entry, dict):
            continue
        found = get(entry, block)
        if found is None:
            problem = f"An entry of {part} has no {block}"
            yield fault((*path, at, block), problem, on_key=True)
        elif isinstance(found, dict):
            where = (*path, at, block)
            if not any(items(found, field) for field in known):
                yield fault(where, f"The {block} is empty", on_key=True)
            yield from _values(where, found, known)


def _values(path: Path, block: dict[str, Any], known: tuple[str, ...]) -> Iterator[Hit]:
    for field in known:
        for at, value in enumerate(items(block, field)):
            if value == "":
                yield fault((*path, field, at), f"Field {field} holds an empty text")
            elif isinstance(value, str):
                problem = _value_problem(field, value)
                if problem:
                    yield fault((*path, field, at), problem)
    accounts = next((field for field in _with_negated("serviceAccounts") if block.get(field)), None)
    others = _with_negated("principals", "namespaces")
    beside = next((field for field in others if block.get(field)), None)
    if accounts is not None and beside is not None:
        problem = f"Field {accounts} stands beside {beside}, and only one of them can name callers"
        yield fault((*path, accounts), problem, on_key=True)


_SERVICE_ACCOUNT_SLASHES = 1


def _value_problem(field: str, value: str) -> str:
    """What is wrong with a value of a source or an operation; empty for nothing."""
    name = field.lower()
    if name.endswith("ipblocks"):
        return _address_problem(value)
    if name.endswith("ports"):
        return _port_problem(value)
    if name.endswith("paths") and _has_bad_template(value):
        return (
            f"Path {value} mixes {{*}} or {{**}} with other wildcards or names, which templates "
            "do not know"
        )
    if name.endswith("serviceaccounts") and value.count("/") > _SERVICE_ACCOUNT_SLASHES:
        return f"Service account {value} is not of the form namespace/name"
    return ""


def _address_problem(value: str) -> str:
    if is_cidr(value) if "/" in value else is_ip(value):
        return ""
    return f"Value {value} is neither an IP address nor a block of such"


_HIGHEST_PORT = 65535


def _port_problem(value: str) -> str:
    if value.isascii() and value.isdigit() and int(value[:20]) <= _HIGHEST_PORT:
        return ""
    return f"Value {value} is no port"


_NOT_IN_TEMPLATES = regexp(r"/\{\w+=\*\*?\}|\{\w*\}|/\*\*?|\*\*?/")


def _has_bad_template(path: str) -> bool:
    return ("{*}" in path or "{**}" in path) and bool(_NOT_IN_TEMPLATES.search(path))


_PLAIN_KEYS = frozenset(
    {
        "source.ip",
        "remote.ip",
        "source.namespace",
        "source.principal",
        "source.serviceAccount",
        "source.trustDomain",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "destination.ip",
        "destination.port",
        "connection.sni",
    }
)
_KEYS_WITH_NAME = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")


def _condition(path: Path, condition: Any) -> Iterator[Hit]:
    if condition is not None and not isinstance(condition, dict):
        return
    key = get(condition, "key")
    if key in (None, ""):
        yield fault((*path, "key"), "A condition of when has no key", on_key=key is None)
        return
    if not isinstance(key, str):
        return
    both = ("values", "notValues")
    if not any(items(condition, field) for field in both):
        problem = f"The condition on {key} has neither values nor notValues"
        yield fault((*path, "key"), problem)
        return
    problem = _key_problem(key)
    if problem:
        yield fault((*path, "key"), problem)
        return
    for field in both:
        for at, value in enumerate(items(condition, field)):
            if isinstance(value, str):
                problem = _condition_value_problem(key, value)
                if problem:
                    yield fault((*path, field, at), problem)


def _key_problem(key: str) -> str:
    if key in _PLAIN_KEYS:
        return ""
    if key.startswith(_KEYS_WITH_NAME):
        start = key.find("[")
        if key.endswith("]") and 0 < start < len(key) - 2:
            return ""
        return f"Key {key} needs a name in brackets, such as request.headers[User-Agent]"
    return f"Key {key} of a condition is none that istiod knows"


def _condition_value_problem(key: str, value: str) -> str:
    if value == "":
        return f"The condition on {key} holds an empty text"
    if key in ("source.ip", "remote.ip", "destination.ip"):
        return _address_problem(value)
    if key == "destination.port":
        return _port_problem(value)
    return ""


# ------------------------------------------------------------------------------------------- TCP

_HTTP_OPERATION = _with_negated("hosts", "methods", "paths")
_HTTP_SOURCE = _with_negated("requestPrincipals")
_TCP_SOURCE = tuple(field for field in _SOURCE if field not in _HTTP_SOURCE)


def deny_http_only(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that deny by what only HTTP has, on ports that may speak something else."""
    if subject.spec.get("action") != "DENY":
        return
    for number, rule in mappings(subject.spec, "rules"):
        steps = _http_only(rule)
        if steps and not serves_http_only(world, subject):
            path = (*subject.path, "spec", "rules", number, *steps)
            yield Hit(path, {"field": _attribute(rule, steps)}, on_key=steps[-1] != "key")


def _attribute(rule: dict[str, Any], steps: Path) -> str:
    return text(rule, *steps) if steps[-1] == "key" else str(steps[-1])


def _http_only(rule: dict[str, Any]) -> Path:
    """The way to the first attribute of HTTP in a rule that has no port and no source of TCP."""
    operations = [(at, mapping(entry, "operation")) for at, entry in mappings(rule, "to")]
    sources = [(at, mapping(entry, "source")) for at, entry in mappings(rule, "from")]
    if any(items(block, field) for _, block in operations for field in ("ports", "notPorts")):
        return ()
    conditions = list(mappings(rule, "when"))
    if any(text(condition, "key") == "destination.port" for _, condition in conditions):
        return ()
    for at, block in operations:
        for field in _HTTP_OPERATION:
            if items(block, field):
                return ("to", at, "operation", field)
    if any(items(block, field) for _, block in sources for field in _TCP_SOURCE):
        return ()
    for at, block in sources:
        for field in _HTTP_SOURCE:
            if items(block, field):
                return ("from", at, "source", field)
    for at, condition in conditions:
        if text(condition, "key").startswith("request."):
            return ("when", at, "key")
    return ()


# --------------------------------------------------------------------------- methods, exclusions

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")


def method_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Methods that no request has."""
    known = (*_METHODS, *params["extra"])
    for number, rule in mappings(subject.spec, "rules"):
        for at, entry in mappings(rule, "to"):
            for field in ("methods", "notMethods"):
                for step, method in enumerate(items(entry, "operation", field)):
                    if not isinstance(method, str) or not method or _is_method(method, known):
                        continue
                    path = (*subject.path, "spec", "rules", number, "to", at, "operation", field)
                    args = {"method": method, "upper": method.upper()}
                    message = "case" if method.upper() in known else "default"
                    if method.startswith("/"):
                        message = "grpc"
                    fix = (Set((*path, step), method.upper()),) if message == "case" else ()
                    yield Hit((*path, step), args, message=message, fix=fix)


def _is_method(written: str, known: tuple[str, ...]) -> bool:
    if written.endswith("*"):
        return any(method.startswith(written[:-1]) for method in known)
    if written.startswith("*"):
        return any(method.endswith(written[1:]) for method in known)
    return written in known


def allow_by_exclusion(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that allow whatever they do not name."""
    if subject.spec.get("action", "ALLOW") != "ALLOW":
        return
    for number, rule in mappings(subject.spec, "rules"):
        for part, block, known in (
            ("from", "source", _SOURCE),
            ("to", "operation", _OPERATION),
        ):
            for at, entry in mappings(rule, part):
                found = mapping(entry, block)
                used = [field for field in known if items(found, field)]
                if used and all(field.startswith("not") for field in used):
                    path = (*subject.path, "spec", "rules", number, part, at, block)
                    yield Hit((*path, used[0]), {"fields": listed(used)}, on_key=True)
