"""What DestinationRules are for: hosts, subsets, and each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import set_at
from meshlint.checks.hits import at
from meshlint.findings import Hit, Related
from meshlint.mesh.checkable import workloads_known
from meshlint.mesh.mesh_config import mesh_configs
from meshlint.mesh.selection import selector
from meshlint.mesh.traffic_policies import traffic_policies
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import is_templated, items, mapping, mappings, text
from meshlint.operations import Set

_TOPOLOGY = ("topology.kubernetes.io/", "topology.istio.io/")
EXPORTS_DEFAULT = "defaultDestinationRuleExportTo"


def _host(rule: Resource) -> str:
    return text(rule.spec, "host")


def host_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules for a host that stands for nothing."""
    host, hosts = _host(subject), world.hosts
    readers = hosts.readers(subject, EXPORTS_DEFAULT)
    if not hosts.is_surely_missing(host, subject, readers) and not (
        params["everywhere"] and hosts.is_unknown(host, subject.namespace)
    ):
        return
    known = hosts.anywhere(host, subject.namespace).targets
    if any(target.namespace == subject.namespace for target in known):
        return  # its clients are elsewhere
    path = (*subject.path, "spec", "host")
    nearest = hosts.nearest(host, subject.namespace)
    if known:
        there = Related(known[0].document, (*known[0].path, "metadata", "name"), "not exported")
        yield Hit(path, {"host": host, "kind": known[0].kind}, (there,), message="hidden")
    elif nearest is None:
        yield Hit(path, {"host": host})
    else:
        yield Hit(path, {"host": host, "nearest": nearest}, message="nearest")


# ----------------------------------------------------------------------------------------- subsets


def subset_selects_nothing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Subsets with a route, and without pods."""
    host = world.hosts.full_name(_host(subject), subject.namespace)
    for number, subset in mappings(subject.spec, "subsets"):
        name = text(subset, "name")
        used = world.routing.naming_subset(host, name) if name and host else None
        written = mapping(subset, "labels")
        # Nodes and networks give these labels to pods; the input does not show which, but an empty
        # one is the name of no region, zone or network.
        labels = {
            key: value
            for key, value in written.items()
            if value == "" or not str(key).startswith(_TOPOLOGY)
        }
        nowhere = any(
            value == "" and str(key).startswith(_TOPOLOGY) for key, value in written.items()
        )
        if used is None and not nowhere and not params["unreferenced"]:
            continue
        if not labels or any(is_templated(value) for value in labels.values()):
            continue
        if _selects_nothing(subject, labels, world):
            args = {"subset": name, "host": _host(subject), "labels": _shown(labels)}
            related: tuple[Related, ...] = ()
            if used is not None:
                service, route = used
                path = (*route.path, "subset")
                related = (Related(service.document, path, "a route to it"),)
            path = (*subject.path, "spec", "subsets", number, "labels")
            message = "default" if related else "unreferenced"
            yield Hit(path, args, related, message=message, on_key=True)


def _shown(labels: Mapping[str, Any]) -> str:
    empty = '""'
    return ", ".join(f"{key}: {value or empty}" for key, value in labels.items())


def _selects_nothing(rule: Resource, labels: Mapping[str, Any], world: World) -> bool:
    if _host(rule).startswith("*"):
        return False
    meaning = world.hosts.meaning_beside(_host(rule), rule)
    if meaning.assumed or not meaning:
        return False
    return not any(_may_select(target, labels, world) for target in meaning.targets)


def _may_select(target: Resource, labels: Mapping[str, Any], world: World) -> bool:
    """Whether pods or endpoints behind a Service or ServiceEntry may have labels."""
    chosen = mapping(target.spec, "selector")
    if target.kind == "ServiceEntry":
        chosen = mapping(target.spec, "workloadSelector", "labels")
        endpoints = [mapping(one, "labels") for _, one in mappings(target.spec, "endpoints")]
        if not chosen:
            return not endpoints or any(matches_labels(labels, found) for found in endpoints)
    if not chosen or not workloads_known(world, target.namespace):
        return True
    if any(chosen.get(key, value) != value for key, value in labels.items()):
        return False
    return world.pods.may_match(target, {"matchLabels": {**chosen, **labels}})


def subset_unused(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Subsets that no route names."""
    host = world.hosts.full_name(_host(subject), subject.namespace)
    for number, subset in mappings(subject.spec, "subsets"):
        name = text(subset, "name")
        if not name or not host or is_templated(name) or is_templated(host):
            continue
        if world.routing.naming_subset(host, name) is not None:
            continue
        if world.routing.is_of_rollout(subject, name):
            continue
        message = "policy" if mapping(subset, "trafficPolicy") else "default"
        path = (*subject.path, "spec", "subsets", number, "name")
        yield Hit(path, {"subset": name, "host": _host(subject)}, message=message)


# -------------------------------------------------------------------------------- several rules


def conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules of one namespace that say two things about one host."""
    if not _is_whole(subject):
        return
    name = world.hosts.full_name(_host(subject), subject.namespace)
    told: set[str] = set()
    for other in world.hosts.rules_on(name) if name else ():
        if other.namespace != subject.namespace or other.name in {subject.name, *told}:
            continue
        if not _is_whole(other) or not _share_readers(subject, other, world):
            continue
        if not world.presence.surely_together(subject, other):
            continue
        path, there, args = _both(subject, other)
        if path:
            told.add(other.name)
            args |= {"host": _host(subject), "other": other.name}
            place = Related(other.document, (*other.path, *there), "the other one", True)
            message = "default" if "subset" in args else "policy"
            yield Hit((*subject.path, *path), args, (place,), message=message, on_key=True)


def _is_whole(rule: Resource) -> bool:
    """Whether a rule is for all workloads, and for more than mTLS of everybody."""
    if selector(rule) is not None:
        return False
    policy = mapping(rule.spec, "trafficPolicy")
    only_tls = set(policy) == {"tls"} and text(policy, "tls", "mode") == "ISTIO_MUTUAL"
    return not (_host(rule).startswith("*") and only_tls and not rule.spec.get("subsets"))


def _share_readers(one: Resource, other: Resource, world: World) -> bool:
    ours, theirs = (world.hosts.readers(rule, EXPORTS_DEFAULT) for rule in (one, other))
    return not ours or not theirs or not set(ours).isdisjoint(theirs)


def _both(
    one: Resource, other: Resource
) -> tuple[tuple[str | int, ...], tuple[str | int, ...], dict[str, object]]:
    """Where both rules say something about the same thing; empty paths where they do not."""
    theirs = {text(found, "name"): at for at, found in mappings(other.spec, "subsets")}
    for number, found in mappings(one.spec, "subsets"):
        name = text(found, "name")
        if name and name in theirs:
            there = ("spec", "subsets", theirs[name], "name")
            return ("spec", "subsets", number, "name"), there, {"subset": name}
    if mapping(one.spec, "trafficPolicy") and mapping(other.spec, "trafficPolicy"):
        return ("spec", "trafficPolicy"), ("spec", "trafficPolicy"), {}
    return (), (), {}


# ------------------------------------------------------------------------------- what is missing


def outlier_detection_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Rules for several instances of a host that keep sick ones in."""
    host = _host(subject)
    if not host or host.startswith("*"):
        return
    if any(c.config.value("defaultTrafficPolicy", "outlierDetection") for c in mesh_configs(world)):
        return
    targets = world.hosts.meaning_beside(host, subject).targets
    if not any(world.hosts.has_several_endpoints(target) for target in targets):
        return
    policies = list(traffic_policies(subject))
    subsets = items(subject.spec, "subsets")
    whole = mapping(subject.spec, "trafficPolicy")
    own = [mapping(subset, "trafficPolicy", "outlierDetection") for subset in subsets]
    if "outlierDetection" not in whole and not (own and all(own)):
        path = (*subject.path, "spec", "trafficPolicy" if whole else "host")
        block = (*subject.path, "spec", "trafficPolicy", "outlierDetection")
        fix = (Set(block, _EJECTION, before="subsets"),)
        yield Hit(path, {"host": host}, on_key=True, fix=fix)
        return
    for policy in policies:
        if policy.of_port and not policy.sets("outlierDetection"):
            fix_port = set_at(policy.place.below("outlierDetection"), _EJECTION)
            args = {"host": host, "scope": policy.scope}
            yield at(policy.place, args, message="port", fix=fix_port)


_EJECTION = {
    "consecutive5xxErrors": 5,
    "interval": "10s",
    "baseEjectionTime": "30s",
    "maxEjectionPercent": 50,
}


def namespace_inert(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules in a namespace where nobody looks for them."""
    host, namespace = _host(subject), subject.namespace
    if not host or host.startswith("*") or namespace == world.root_namespace:
        return
    homes = world.hosts.homes(host, namespace)
    if not homes or namespace in homes or not workloads_known(world, namespace):
        return
    if not world.hosts.has_clients(namespace):
        args = {"host": host, "namespace": namespace, "home": min(homes)}
        yield Hit((*subject.path, "metadata", "namespace"), args)
