"""What VirtualServices refer to: gateways, hosts, ports, subsets and delegates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Related
from meshlint.mesh import routes
from meshlint.mesh.hosts import DESTINATION_RULE
from meshlint.mesh.routing import GATEWAYS, gateway_name
from meshlint.mesh.world import World
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource, is_placed
from meshlint.model.values import get, is_templated, items, mapping, mappings, text

# ----------------------------------------------------------------------------------------- gateways


def gateway_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways that do not exist, and gateways in matches that the VirtualService is not for."""
    bound = {gateway_name(one, subject.namespace) for one in routes.gateways(subject)}
    inherits = routes.is_rootless(subject) or world.routing.is_delegate(subject)
    for path, written in routes.named_gateways(subject):
        name = gateway_name(written, subject.namespace)
        if written == routes.MESH or not written or name.is_generated or is_templated(written):
            continue
        args = {"gateway": written, "namespace": name.namespace}
        if world.routing.gateways_known(name.namespace) and not world.routing.gateways(name):
            if name.namespace != subject.namespace or _shows_gateway(name.name, subject, world):
                yield Hit(path, args)
        elif "match" in path and name not in bound and not inherits:
            yield Hit(path, args, message="unbound")


def _shows_gateway(name: str, subject: Resource, world: World) -> bool:
    """Whether a Gateway of the own namespace would be in the input."""
    presence = world.presence
    return any(presence.shows(kind, subject) for kind in GATEWAYS) and not any(
        presence.may_exist(kind, subject, name) for kind in GATEWAYS
    )


def host_unserved(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Gateways that have no server for any host of the VirtualService."""
    if routes.is_rootless(subject) or any(is_templated(h) for _, h in world.routing.hosts(subject)):
        return
    for number, written in enumerate(items(subject.spec, "gateways")):
        if not isinstance(written, str) or written == routes.MESH:
            continue
        gateways = world.routing.gateways(gateway_name(written, subject.namespace))
        if gateways and not any(world.routing.serves(one, subject) for one in gateways):
            hosts = listed([host for host in items(subject.spec, "hosts") if isinstance(host, str)])
            field = "servers" if get(gateways[0].spec, "servers") else "listeners"
            there = Related(
                gateways[0].document, (*gateways[0].path, "spec", field), "what it serves", True
            )
            args = {"gateway": written, "hosts": hosts}
            yield Hit((*subject.path, "spec", "gateways", number), args, (there,))


# --------------------------------------------------------------------------------- hosts and ports


def host_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Destinations that stand for no Service and no ServiceEntry."""
    readers = world.routing.readers(subject)
    for found in routes.destinations(subject):
        if not world.hosts.is_surely_missing(found.host, subject, readers):
            continue
        path = (*found.path, "host")
        args: dict[str, object] = {"host": found.host, "result": _loss(found)}
        hidden = world.hosts.anywhere(found.host, subject.namespace).targets
        if hidden:
            one = hidden[0]
            args |= {"kind": one.kind, "namespace": listed(readers or [subject.namespace])}
            there = Related(one.document, (*one.path, "metadata", "name"), "not exported")
            yield Hit(path, args, (there,), message="hidden")
            continue
        nearest = world.hosts.nearest(found.host, subject.namespace)
        if nearest is None:
            yield Hit(path, args)
        else:
            yield Hit(path, args | {"nearest": nearest}, message="nearest")


def _loss(found: routes.Destination) -> str:
    return "the copies are lost" if found.mirrored else "requests get a 503"


def port_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Destination ports that their host does not have."""
    readers = world.routing.readers(subject)
    for found in routes.destinations(subject):
        if found.port is None:
            continue
        meaning = world.hosts.meaning_beside(found.host, subject, readers)
        behind = world.hosts.ports_behind(meaning)
        if not behind or any(port.number == found.port for ports in behind for port in ports):
            continue
        numbers = sorted({port.number for ports in behind for port in ports})
        known = listed([str(number) for number in numbers]) or "none"
        args = {"host": found.host, "port": found.port, "known": known, "result": _loss(found)}
        yield Hit((*found.path, "port", "number"), args, (_its_ports(meaning.targets[0]),))


def port_ambiguous(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Destinations without a port whose host has several."""
    readers = world.routing.readers(subject)
    own = set()
    if not routes.is_bound_to_gateway(subject):
        # Requests keep their port on the way to the very host that they are for.
        own = {host for _, host in world.routing.hosts(subject)}
    for found in routes.destinations(subject):
        if mapping(found.value, "port") or not found.host:
            continue
        if world.hosts.full_name(found.host, subject.namespace) in own:
            continue
        meaning = world.hosts.meaning_beside(found.host, subject, readers)
        behind = [
            [port for port in ports if not port.is_udp]
            for ports in world.hosts.ports_behind(meaning)
        ]
        if behind and all(len(ports) > 1 for ports in behind):
            known = listed([str(port.number) for port in behind[0]])
            args = {"host": found.host, "known": known}
            yield Hit((*found.path, "host"), args, (_its_ports(meaning.targets[0]),))


def _its_ports(target: Resource) -> Related:
    return Related(target.document, (*target.path, "spec", "ports"), "its ports", True)


# ----------------------------------------------------------------------------------------- subsets


def subset_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Subsets that no DestinationRule of the host defines."""
    for found in routes.destinations(subject):
        if not found.subset or not found.host or is_templated(found.host + found.subset):
            continue
        rules = world.hosts.destination_rules(
            found.host, subject.namespace, anywhere=params["any_namespace"]
        )
        unplaced = _unplaced_rules(found.host, subject, world)
        if any(found.subset in _subsets(rule) for rule in (*rules, *unplaced)):
            continue
        # A rule for many hosts does not tell whether there is one for this host.
        rules = [
            rule
            for rule in rules
            if not text(rule.spec, "host").startswith("*")
            and world.presence.together(subject, rule)
        ]
        if not rules and not _rules_known(found.host, subject, world):
            continue
        args: dict[str, object] = {"host": found.host, "subset": found.subset}
        args["result"] = _loss(found)
        path = (*found.path, "subset")
        if not rules:
            yield Hit(path, args, message="none")
            continue
        args["known"] = listed([name for rule in rules for name in _subsets(rule)]) or "no subset"
        args["rule"] = rules[0].name
        there = Related(
            rules[0].document, (*rules[0].path, "spec", "subsets"), "subsets of the host", True
        )
        yield Hit(path, args, (there,))


def _unplaced_rules(host: str, subject: Resource, world: World) -> list[Resource]:
    """Rules that name no namespace, and may land where the Service of a host is."""
    service = world.hosts.service_of(host, subject.namespace)
    if service is None:
        return []
    name = world.hosts.full_name(service[1], DEFAULT_NAMESPACE)
    return [rule for rule in world.hosts.rules_on(name) if not is_placed(rule)]


def _subsets(rule: Resource) -> list[str]:
    return [text(subset, "name") for _, subset in mappings(rule.spec, "subsets")]


def _rules_known(host: str, subject: Resource, world: World) -> bool:
    """Whether DestinationRules of a host would be in the input."""
    if world.hosts.meaning_beside(host, subject).targets:
        return True
    service = world.hosts.service_of(host, subject.namespace)
    if service is None and host.count(".") == 1:
        return False  # a Service of a namespace that is not in the input, or a host outside
    home = service[0] if service is not None else subject.namespace
    if home != subject.namespace and world.index.in_namespace(DESTINATION_RULE, home):
        return True
    if home == subject.namespace and world.presence.shows(DESTINATION_RULE, subject):
        return True
    # Where other namespaces have theirs, and this one is in the input, it has none.
    shown = world.index.namespace(home) is not None and is_placed(subject)
    return shown and bool(world.index.of_kind(DESTINATION_RULE))


# --------------------------------------------------------------------------------------- delegates


def delegate_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Delegates that do not exist, or that are no delegates."""
    for rule in routes.rules(subject, "http"):
        block = mapping(rule.value, "delegate")
        namespace, name = world.routing.delegate(subject, block)
        if not name or is_templated(name):
            continue
        path = (*rule.path, "delegate", "name")
        args = {"name": name, "namespace": namespace, "rule": rule.label}
        known = world.index.named(routes.VIRTUAL_SERVICE, namespace, name)
        if not known:
            elsewhere = namespace != subject.namespace
            shown = world.index.in_namespace(routes.VIRTUAL_SERVICE, namespace)
            if shown and (elsewhere or world.presence.shows(routes.VIRTUAL_SERVICE, subject)):
                yield Hit(path, args)
            continue
        there = (Related(known[0].document, (*known[0].path, "spec"), "the delegate", True),)
        if all(not routes.is_rootless(one) for one in known):
            yield Hit(path, args, there, message="root")
        elif all(any(r.delegates for r in routes.rules(one, "http")) for one in known):
            yield Hit(path, args, there, message="delegating")
