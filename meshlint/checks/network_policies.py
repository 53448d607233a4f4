"""Network policies: pods without one, policies without pods, and proxies cut off from istiod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Related
from meshlint.mesh.budgets import narrows
from meshlint.mesh.network_policies import XDS_PORT, Policy, directions, peer_selectors
from meshlint.mesh.roles import is_gateway_proxy
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Append


def missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods that no policy isolates."""
    if subject.pod_spec.get("hostNetwork") is True:
        return
    policies = list(world.network_policies.of(subject.namespace, subject.labels))
    wanted = params["directions"]
    lacking = [name for name in wanted if not _isolated(policies, name, params)]
    if not lacking and (wanted or policies):
        return
    args = {
        "kind": subject.kind,
        "name": subject.name,
        "namespace": subject.namespace,
        "direction": listed([_PLAIN.get(name, name) for name in lacking]),
    }
    message = "default" if lacking else "any"
    yield Hit(subject.labels_path, args, message=message, on_key=True)


_PLAIN = {"Ingress": "ingress", "Egress": "egress"}


def _isolated(policies: Sequence[Policy], direction: str, params: Mapping[str, Any]) -> bool:
    return any(
        direction in policy.directions and (params["deny_all_counts"] or direction in policy.ruled)
        for policy in policies
    )


def selects_nothing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Selectors of pods and peers that no pods of the namespace match."""
    namespace = subject.namespace
    if not params["everywhere"] and not world.presence.shows_workloads(subject):
        return
    own = mapping(subject.spec, "podSelector")
    if narrows(own) and not world.pods.may_match(subject, own):
        args = {"selector": _words(own), "namespace": namespace}
        yield Hit((*subject.path, "spec", "podSelector"), args, on_key=True)
    for path, selector in peer_selectors(subject):
        if narrows(selector) and not world.pods.may_match(subject, selector):
            args = {"selector": _words(selector), "namespace": namespace}
            yield Hit(path, args, message="peer", on_key=True)


def _words(selector: Mapping[str, Any]) -> str:
    words = [f"{key}: {value}" for key, value in mapping(selector, "matchLabels").items()]
    for _, expression in mappings(selector, "matchExpressions"):
        values = expression.get("values")
        shown = f" ({', '.join(map(str, values))})" if isinstance(values, list) and values else ""
        words.append(f"{text(expression, 'key')} {text(expression, 'operator')}{shown}")
    return ", ".join(words)


def blocks_control_plane(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Policies that keep proxies from reaching istiod, with nothing else that lets them."""
    if "Egress" not in directions(subject):
        return
    selector = mapping(subject.spec, "podSelector")
    for pods in world.index.workloads_selected(subject.namespace, selector):
        if not (is_gateway_proxy(pods) or world.injection(pods).answer in ("yes", "intended")):
            continue
        if not world.presence.together(subject, pods.resource):
            continue
        policy = world.network_policies.cutting_off(pods)
        if policy is None or policy.resource is not subject:
            continue
        args = {"kind": pods.kind, "name": pods.name, "namespaces": world.network_policies.planes}
        related = (
            Related(pods.resource.document, pods.labels_path, "the pods it cuts off", on_key=True),
        )
        path = (*subject.path, "spec", "egress")
        message = "default" if "Egress" in policy.ruled else "nothing"
        fix = (Append(path, _to_istiod(world)),)
        yield Hit(path, args, related, message=message, on_key=True, fix=fix)
        return


def _to_istiod(world: World) -> dict[str, Any]:
    """A rule that lets pods send to the namespaces of istiod, on its port for proxies."""
    spaces = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        for namespace in world.network_policies.planes
    ]
    return {"to": spaces, "ports": [{"protocol": "TCP", "port": XDS_PORT}]}
