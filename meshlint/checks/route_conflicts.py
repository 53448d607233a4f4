"""VirtualServices that get in each other's way, or that leave one another out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Related
from meshlint.mesh import routes
from meshlint.mesh.policies import REQUEST_AUTHENTICATION, namespace_wide
from meshlint.mesh.route_matches import claims
from meshlint.mesh.routing import ISTIO_GATEWAY, gateway_name
from meshlint.mesh.selection import target_references
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import mapping, text
from meshlint.model.workloads import Workload

# ------------------------------------------------------------------------------------- same hosts


_SHOWN = 3


def host_conflict(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Hosts of the mesh for which there are several VirtualServices."""
    if not routes.is_bound_to_mesh(subject) or world.routing.is_delegate(subject):
        return
    for number, host in world.routing.hosts(subject):
        found = (
            other
            for other in world.routing.of_mesh(host, overlapping=params["overlapping"])
            if _is_another(other, subject)
            and world.presence.surely_together(subject, other)
            and world.routing.share_readers(subject, other)
        )
        others = list(islice(found, _SHOWN + 1))
        if others:
            written = subject.spec["hosts"][number]
            args = {"host": written, "others": _named(others)}
            path = (*subject.path, "spec", "hosts", number)
            yield Hit(path, args, _related(others, "the same host"))


def _is_another(other: Resource, subject: Resource) -> bool:
    """Whether two objects can be in one cluster: an input may hold several environments."""
    return (other.namespace, other.name) != (subject.namespace, subject.name)


def _named(others: Sequence[Resource]) -> str:
    shown = list(dict.fromkeys(f"{other.namespace}/{other.name}" for other in others))
    return listed([*shown[:_SHOWN], "others"] if len(shown) > _SHOWN else shown)


def _related(others: Sequence[Resource], words: str) -> tuple[Related, ...]:
    return tuple(
        Related(other.document, (*other.path, "spec", "hosts"), words, True)
        for other in others[:_SHOWN]
    )


def gateway_host_conflict(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Matches on a gateway that another VirtualService of the same host has as well."""
    told: set[tuple[str, str]] = set()
    for gateway, host in world.routing.shared_gateways(subject):
        for clash in world.routing.clashes(gateway, host, subject):
            other = clash.theirs.service
            identity = (other.namespace, other.name)
            if identity in told or not world.routing.share_readers(subject, other):
                continue
            if not world.presence.surely_together(subject, other):
                continue
            told.add(identity)
            args = {
                "rule": clash.ours.rule.label,
                "host": host,
                "gateway": f"{gateway.namespace}/{gateway.name}",
                "other": f"{other.namespace}/{other.name}",
                "theirs": clash.theirs.rule.label,
            }
            there = Related(other.document, clash.theirs.path, "takes the same requests", True)
            message = "all" if clash.takes_all else "default"
            yield Hit(clash.ours.path, args, (there,), message=message, on_key=True)


# --------------------------------------------------------------------------------------- subsets


def subset_bypassed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Routes of a gateway to a host whose subsets only routes of the mesh choose."""
    if not routes.is_bound_to_gateway(subject) or routes.is_bound_to_mesh(subject):
        return
    for rule in routes.rules(subject):
        for found in routes.routed(rule):
            if found.subset or not found.host:
                continue
            name = world.hosts.full_name(found.host, subject.namespace)
            choosing = world.routing.choosing_subsets(name)
            near = (c for c in choosing if world.presence.surely_together(subject, c[0]))
            for other, there in islice(near, 1):
                args = {"host": found.host, "other": f"{other.namespace}/{other.name}"}
                place = Related(other.document, (*there.path, "subset"), "a subset is chosen here")
                yield Hit((*found.path, "host"), args, (place,))


# ---------------------------------------------------------------------------------------- claims


def claims_unauthenticated(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Matches on claims of tokens at a gateway where nobody checks tokens."""
    asked = [
        (*match.path, field, name)
        for rule in routes.rules(subject, "http")
        for match in routes.matches(rule)
        for field, name in claims(match)
    ]
    if not asked:
        return
    for written in routes.gateways(subject):
        if written == routes.MESH:
            continue
        for gateway in world.routing.gateways(gateway_name(written, subject.namespace)):
            pods = _unauthenticated(gateway, world)
            if pods is not None:
                args = {"header": asked[0][-1], "gateway": written, "pods": pods}
                there = Related(
                    gateway.document, (*gateway.path, "metadata", "name"), "its gateway"
                )
                yield Hit(asked[0], args, (there,), on_key=True)
                return


def _unauthenticated(gateway: Resource, world: World) -> str | None:
    """A workload of a gateway that no RequestAuthentication is for; None for none in the input."""
    if gateway.group_kind != ISTIO_GATEWAY:
        return None
    for pods in world.index.workloads_anywhere(mapping(gateway.spec, "selector")):
        if not _is_authenticated(pods, gateway, world):
            return pods.name
    return None


def _is_authenticated(pods: Workload, gateway: Resource, world: World) -> bool:
    for namespace in dict.fromkeys((pods.namespace, world.root_namespace)):
        if namespace_wide(world, REQUEST_AUTHENTICATION, namespace):
            return True
        for policy in world.index.in_namespace(REQUEST_AUTHENTICATION, namespace):
            if matches_labels(mapping(policy.spec, "selector", "matchLabels"), pods.labels):
                return True
            if any(text(target, "name") == gateway.name for _, target in target_references(policy)):
                return True
    return False
