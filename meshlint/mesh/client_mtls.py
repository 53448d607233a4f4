"""What DestinationRules make clients send: to a host, to a namespace, to the whole mesh.

Sources: Istio API, DestinationRule (the one with the narrowest host holds, wider ones add nothing);
MeshConfig, `enableAutoMtls`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from meshlint.mesh.host_names import covers
from meshlint.mesh.hosts import DESTINATION_RULE
from meshlint.mesh.mtls import client_tls
from meshlint.model.resources import Resource
from meshlint.model.values import text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

MUTUAL = ("ISTIO_MUTUAL", "MUTUAL")

Sent = Literal["mtls", "plain", "unset", "mixed"]
"""What clients send: as a rule says; unset where none says anything, so auto mTLS decides."""


def uses_auto_mtls(world: World) -> bool:
    """Whether clients send mTLS by themselves to servers that take it."""
    if world.settings.auto_mtls is not None:
        return world.settings.auto_mtls
    configs = world.subjects("mesh-config")
    return all(found.config.value("enableAutoMtls") is not False for found in configs)


def scope_of(world: World, rule: Resource) -> str | None:
    """The namespace whose hosts a rule is for, empty for the whole mesh; None for other hosts."""
    name = world.hosts.full_name(text(rule.spec, "host"), rule.namespace)
    if not name.startswith("*"):
        return None
    if covers(name, wildcard(world, "")):
        return ""
    namespace = name.removeprefix("*.").removesuffix(f".svc.{world.cluster_domain}")
    return namespace if wildcard(world, namespace) == name and "." not in namespace else None


def wildcard(world: World, scope: str) -> str:
    """The host that stands for every Service of a namespace, or of the mesh for empty text."""
    return f"*.{scope}.svc.{world.cluster_domain}" if scope else f"*.svc.{world.cluster_domain}"


def top_mode(rule: Resource) -> str:
    """Mode of the `tls` block for all ports of the host; empty where there is none."""
    return text(rule.spec, "trafficPolicy", "tls", "mode")


def rules_by_host(world: World, name: str) -> Iterator[tuple[str, Sequence[Resource]]]:
    """DestinationRules over a full name or wildcard, by host, narrowest first."""
    group: list[Resource] = []
    host = ""
    for rule in world.hosts.rules_over(name):
        own = world.hosts.full_name(text(rule.spec, "host"), rule.namespace)
        if group and own != host:
            yield host, group
            group = []
        host = own
        group.append(rule)
    if group:
        yield host, group


def deciding(world: World, name: str) -> Sequence[Resource]:
    """The DestinationRules that hold for a full name or wildcard: those of the narrowest host."""
    return next((rules for _, rules in rules_by_host(world, name)), ())


def sent(rules: Iterable[Resource]) -> Sent:
    """What clients send where these rules hold, of which each alone may be the one that counts."""
    modes = {block.mode for rule in rules for block in client_tls(rule) if block.mode}
    whole = {top_mode(rule) for rule in rules}
    if modes & set(MUTUAL):
        return "mtls"
    if modes == {"DISABLE"} and whole == {"DISABLE"}:
        return "plain"
    return "mixed" if modes else "unset"


def mutual_rule(world: World, scope: str) -> Resource | None:
    """A DestinationRule by which clients send mTLS to every Service of a scope."""
    for _, rules in rules_by_host(world, wildcard(world, scope)):
        for rule in rules:
            if top_mode(rule) in MUTUAL:
                return rule
    return None


def sends_to(
    world: World, namespace: str, services: Sequence[Resource]
) -> tuple[Sent, Resource | None]:
    """What clients send to Services, or to a namespace for none, and a rule that says so.

    `mixed` where they are not treated alike, or where hosts of the namespace have rules of their
    own and the Services are not known.
    """
    domain = world.cluster_domain
    names = [f"{service.name}.{service.namespace}.svc.{domain}" for service in services]
    found = [deciding(world, name.lower()) for name in names or [wildcard(world, namespace)]]
    answers = {sent(rules) for rules in found}
    first = next((rule for rules in found for rule in rules), None)
    if len(answers) != 1:
        return "mixed", first
    if not services:
        own = world.index.in_namespace(DESTINATION_RULE, namespace)
        if any(scope_of(world, rule) is None for rule in own):
            return "mixed", first
    return answers.pop(), first
