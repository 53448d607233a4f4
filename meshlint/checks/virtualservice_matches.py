"""What rules of VirtualServices match, and which of them never get a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path, Related
from meshlint.mesh import routes
from meshlint.mesh.host_names import covers
from meshlint.mesh.route_matches import covers_paths, is_claim, is_same, takes_all
from meshlint.mesh.routes import Match, Rule, string_match
from meshlint.mesh.world import World
from meshlint.model.names import (
    is_any_case_label,
    is_cidr,
    is_ip,
    is_label_key,
    is_label_value,
    is_plain_header_name,
    is_port,
    is_wildcard_host,
)
from meshlint.model.resources import Resource
from meshlint.model.values import integer, is_templated, items, mapping

_Fault = tuple[Path, str, Mapping[str, object]]


def match_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Matches that istiod refuses."""
    for rule in routes.rules(subject):
        if rule.protocol == "tls" and not rule.value.get("match"):
            yield Hit((*rule.path, "match"), {"rule": rule.label}, message="unmatched")
        for match in routes.matches(rule):
            for path, message, args in _faults(subject, match):
                if is_templated(args.get("value")):
                    continue
                on_key = message in ("header", "label-key", "nothing")
                yield Hit(path, {"rule": rule.label, **args}, message=message, on_key=on_key)


def _faults(service: Resource, match: Match) -> Iterator[_Fault]:
    if match.rule.protocol == "http":
        yield from _http_faults(match)
    else:
        for number, block in enumerate(items(match.value, "destinationSubnets")):
            if isinstance(block, str) and not (is_ip(block) or is_cidr(block)):
                yield (*match.path, "destinationSubnets", number), "subnet", {"value": block}
    if match.rule.protocol == "tls":
        yield from _sni_faults(service, match)
    port = integer(match.value, "port")
    if port is not None and port != 0 and not is_port(port):
        yield (*match.path, "port"), "port", {"value": port}
    namespace = match.value.get("sourceNamespace")
    if isinstance(namespace, str) and namespace and not is_any_case_label(namespace):
        yield (*match.path, "sourceNamespace"), "namespace", {"value": namespace}
    for key, value in mapping(match.value, "sourceLabels").items():
        path = (*match.path, "sourceLabels", key)
        if not is_label_key(key):
            yield path, "label-key", {"value": key}
        elif isinstance(value, str) and not is_label_value(value):
            yield path, "label-value", {"value": value}


def _http_faults(match: Match) -> Iterator[_Fault]:
    for field in ("headers", "withoutHeaders", "queryParams"):
        for name, value in mapping(match.value, field).items():
            path = (*match.path, field, name)
            if field != "queryParams" and not (is_claim(name) or is_plain_header_name(name)):
                yield path, "header", {"value": name}
            elif value is None and field == "headers":
                yield path, "nothing", {"value": name}
            else:
                yield from _empty(path, value)
    for field in ("uri", "scheme", "method", "authority"):
        yield from _empty((*match.path, field), match.value.get(field))


def _empty(path: Path, value: Any) -> Iterator[_Fault]:
    # An empty prefix of a path is every path; elsewhere the proxy refuses it.
    found = string_match(value)
    if found == ("regex", "") or (found == ("prefix", "") and path[-1] != "uri"):
        yield (*path, found[0]), "empty", {"field": path[-1], "kind": found[0]}


def _sni_faults(service: Resource, match: Match) -> Iterator[_Fault]:
    if not match.value.get("sniHosts"):
        yield (*match.path, "sniHosts"), "sni-missing", {}
    hosts = [host for host in items(service.spec, "hosts") if isinstance(host, str)]
    for number, host in enumerate(items(match.value, "sniHosts")):
        if not isinstance(host, str) or is_ip(host):
            continue
        path = (*match.path, "sniHosts", number)
        if not (is_wildcard_host(host) or routes.is_generated_host(service, host)):
            yield path, "sni", {"value": host}
        elif hosts and not any(covers(pattern, host) for pattern in hosts):
            yield path, "sni-outside", {"value": host, "hosts": hosts[:3]}


# ------------------------------------------------------------------------------ what is reached


def rule_unreachable(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules behind others that leave nothing for them."""
    for protocol in routes.PROTOCOLS:
        before: list[Rule] = []
        for rule in routes.rules(subject, protocol):
            found = _leaves_nothing(before, rule)
            if found is not None:
                earlier, message = found
                args = {"rule": rule.label, "earlier": earlier.label}
                related = (Related(subject.document, earlier.path, "the rule that applies"),)
                yield Hit(_head(rule), args, related, message=message, on_key=_on_key(rule))
            # What a delegate leaves is known only once its own matches are.
            if not rule.delegates:
                before.append(rule)


def _head(rule: Rule) -> Path:
    return (*rule.path, "match") if routes.has_match(rule) else rule.path


def _on_key(rule: Rule) -> bool:
    return routes.has_match(rule)


def _leaves_nothing(before: list[Rule], rule: Rule) -> tuple[Rule, str] | None:
    for earlier in before:
        if _takes_all_of(earlier, rule):
            return earlier, "default"
    found = list(routes.matches(rule))
    if not found or len(found) != len(items(rule.value, "match")):
        return None
    sources = []
    for match in found:
        source = next(
            (r for r in before if any(is_same(other, match) for other in routes.matches(r))), None
        )
        if source is None:
            return None
        sources.append(source)
    return sources[0], "repeated"


def _takes_all_of(earlier: Rule, rule: Rule) -> bool:
    """Whether a rule takes every request, at least of the gateways that another is limited to."""
    if not routes.has_match(earlier):
        return True
    gateways = {
        str(name)
        for match in routes.matches(rule)
        for name in items(match.value, "gateways") or [""]
    }
    return any(
        "uri" not in match.value and takes_all(match, gateways=gateways)
        for match in routes.matches(earlier)
    )


def match_shadowed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Matches whose requests an earlier match takes."""
    for protocol in routes.PROTOCOLS:
        before: list[Match] = []
        for rule in routes.rules(subject, protocol):
            for match in routes.matches(rule):
                found = _shadow(before, match)
                if found is not None:
                    earlier, message = found
                    args = {
                        "rule": rule.label,
                        "number": match.number + 1,
                        "earlier": f"match {earlier.number + 1} of {earlier.rule.label}",
                    }
                    if message == "covered":
                        args["prefix"] = (string_match(earlier.value.get("uri")) or ("", ""))[1]
                        args["path"] = (string_match(match.value.get("uri")) or ("", ""))[1]
                    related = (Related(subject.document, earlier.path, "the match that applies"),)
                    path = (*match.path, "uri") if message == "covered" else match.path
                    on_key = message == "covered"
                    yield Hit(path, args, related, message=message, on_key=on_key)
                if not rule.delegates:
                    before.append(match)


def _shadow(before: list[Match], match: Match) -> tuple[Match, str] | None:
    for earlier in before:
        if is_same(earlier, match):
            return earlier, "default"
        if match.rule.protocol == "http" and covers_paths(earlier, match):
            return earlier, "covered"
    return None


def catch_all_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts of the mesh of which some requests get no answer but 404."""
    if not routes.is_bound_to_mesh(subject) or routes.is_rootless(subject):
        return
    found = list(routes.rules(subject, "http"))
    if not found or len(found) != len(items(subject.spec, "http")):
        return
    for rule in found:
        if not routes.has_match(rule):
            return
        if any(takes_all(match, gateways=(routes.MESH,)) for match in routes.matches(rule)):
            return
    hosts = [host for host in items(subject.spec, "hosts") if isinstance(host, str)]
    path = (*subject.path, "spec", "http")
    yield Hit(path, {"hosts": hosts[:3]}, on_key=True)
