"""Who may call whom: authorization policies, tokens and the identities behind both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from meshlint.checks.hits import at, listed
from meshlint.checks.mending import added_to_mesh
from meshlint.findings import Hit, Related
from meshlint.mesh import policies
from meshlint.mesh.host_names import service_parts
from meshlint.mesh.injection import plane_version
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mtls import PEER_AUTHENTICATION
from meshlint.mesh.provenance import Place
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mappings, text
from meshlint.operations import Remove, Set

# ---------------------------------------------------------------------------------- what is allowed


def default_deny_missing(
    subject: ControlPlane | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh in which whatever no policy mentions is allowed."""
    root = world.root_namespace
    if policies.default_deny(world, root) is not None:
        return
    joined = policies.mesh_namespaces(world)
    uncovered = [name for name in joined if policies.default_deny(world, name) is None]
    if joined and not uncovered:
        return
    kinds = (
        policies.AUTHORIZATION_POLICY,
        PEER_AUTHENTICATION,
        policies.REQUEST_AUTHENTICATION,
    )
    if subject is not policies.first_reported(world, world.index.of_kind(*kinds)):
        return
    named = listed(uncovered[:3])
    if len(uncovered) > 3:
        named = f"{', '.join(uncovered[:3])} and {len(uncovered) - 3} more"
    message = "namespaces" if uncovered else "default"
    args = {"root": root, "namespaces": named}
    fix = added_to_mesh(world, subject, _allow_nothing(root))
    yield Hit(subject.path, args, message=message, on_key=True, fix=fix)


def _allow_nothing(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "allow-nothing", "namespace": namespace},
        "spec": {},
    }


def allows_everything(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that allow every request."""
    if subject.spec.get("action", "ALLOW") != "ALLOW":
        return
    for number, rule in mappings(subject.spec, "rules"):
        if policies.asks_nothing(rule):
            message = "default" if rule else "empty"
            path = (*subject.path, "spec", "rules", number)
            yield Hit(path, {"policy": subject.name}, message=message)


def dry_run_left(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Policies that are logged instead of enforced."""
    if policies.is_dry_run(subject):
        path = (*subject.path, "metadata", "annotations", "istio.io/dry-run")
        yield Hit(path, {"policy": subject.name}, fix=(Remove(path),))


# ------------------------------------------------------------------------------------------ tokens


def tokens_unused(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Tokens that are checked where they come, and asked for nowhere."""
    if not any(True for _ in mappings(subject.spec, "jwtRules")):
        return
    if policies.routes_by_claims(world, subject):
        return
    for policy in world.index.of_kind(policies.AUTHORIZATION_POLICY):
        judged = policies.judges_tokens(policy)
        if judged and policies.share_workloads(world, subject, policy):
            return
    yield Hit((*subject.path, "spec", "jwtRules"), {"name": subject.name}, on_key=True)


def jwks_insecure(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Keys of tokens that are fetched in plain text from outside of the cluster."""
    for number, rule in mappings(subject.spec, "jwtRules"):
        for field in ("jwksUri", "jwks_uri"):
            host = _plain_host(text(rule, field))
            if host and not _is_inside(world, host, subject.namespace):
                path = (*subject.path, "spec", "jwtRules", number, field)
                uri = text(rule, field)
                # A port that speaks http will not speak https.
                fix = (Set(path, f"https{uri[4:]}"),) if urlsplit(uri).netloc == host else ()
                yield Hit(path, {"host": host, "field": field}, fix=fix)


def _plain_host(uri: str) -> str:
    """The host of an http:// address; empty for anything else."""
    if not uri.lower().startswith("http://"):
        return ""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def _is_inside(world: World, host: str, namespace: str) -> bool:
    suffixes = (".svc", f".{world.cluster_domain}")
    if "." not in host or host.rstrip(".").endswith(suffixes):
        return True
    target = service_parts(host, namespace, world.cluster_domain)
    if target is None:
        return False
    index = world.index
    shown = index.in_namespace("core/Service", target[0]) or index.workloads_in(target[0])
    return bool(shown) or index.namespace(target[0]) is not None


_BLOCKED = "BLOCKED_CIDRS_IN_JWKS_URIS"


def jwks_fetch_unrestricted(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An istiod that fetches keys from wherever a RequestAuthentication says."""
    if plane_version(subject, world.settings).before("1.28"):
        return
    if any(layer.opaque for layer in subject.values.layers):
        return
    found = subject.env.get(_BLOCKED)
    if found is not None and found.value not in (None, ""):
        return
    fetched = next(
        (
            Related(r.document, (*r.path, "spec", "jwtRules"), "keys are fetched for this", True)
            for r in world.index.of_kind(policies.REQUEST_AUTHENTICATION)
            if any(not rule.get("jwks") for _, rule in mappings(r.spec, "jwtRules"))
        ),
        None,
    )
    if fetched is None:
        return
    place = found.place if found is not None else _env_place(subject, world)
    if place is not None:
        yield at(place, {}, (fetched,), on_key=found is None)
    else:
        yield Hit(subject.path, {}, (fetched,), on_key=True)


def _env_place(plane: ControlPlane, world: World) -> Place | None:
    """Where the environment of istiod is set, or would be."""
    if plane.workload is None or plane.form != "rendered":
        return plane.values.site("pilot", "env")
    istiod = world.index.workload_of(plane.workload)
    for container in istiod.containers if istiod is not None else ():
        if container.name == "discovery":
            return Place(plane.workload.document, (*container.path, "env"))
    return None
