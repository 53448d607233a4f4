"""Roles and bindings that give more than their holder needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import listed
from meshlint.findings import Hit, Related
from meshlint.mesh.rbac import (
    ADMIN_ROLE,
    CORE,
    RBAC,
    Permission,
    is_of_istio,
    permissions,
    role_of,
    subjects_of,
)
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import text

_FIELDS = {"verbs": "verb", "resources": "resource", "apiGroups": "API group"}


def wildcard(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Rules that grow with every API that the cluster gets, by one of `fields`."""
    if is_of_istio(subject):
        return
    for permission in permissions(subject):
        wild = [f for f in params["fields"] if any("*" in name for name in permission.names(f))]
        if wild:
            yield Hit(
                (*permission.path, wild[0]),
                {"role": subject.name, "what": listed([f"every {_FIELDS[f]}" for f in wild])},
                on_key=True,
            )


def cluster_admin(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Bindings to a role that may do everything."""
    path = (*subject.path, "roleRef", "name")
    args = {"subjects": _subjects(subject), "role": text(subject.value, "roleRef", "name")}
    if args["role"] == ADMIN_ROLE and text(subject.value, "roleRef", "kind") != "Role":
        yield Hit(path, args)
        return
    role = role_of(subject, world.index)
    if role is None:
        return
    for permission in permissions(role):
        if permission.is_for_everything:
            related = Related(role.document, permission.path, "everything is allowed here", True)
            yield Hit(path, args, (related,), message="role")
            return


def system_group(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Bindings for callers that nobody has authenticated, and for those that may do all anyway."""
    for index, kind, name in subjects_of(subject):
        message = _SYSTEM.get(name)
        if message is not None and kind != "ServiceAccount":
            path = (*subject.path, "subjects", index, "name")
            args = {"name": name, "role": text(subject.value, "roleRef", "name")}
            yield Hit(path, args, message=message)


_SYSTEM = {
    "system:unauthenticated": "default",
    "system:anonymous": "default",
    "system:masters": "masters",
}

# ------------------------------------------------------------------------------------- powers

_Power = Callable[[Permission, Mapping[str, Any]], str]
"""What a rule grants of a kind of power, in words; empty for nothing."""


def pod_exec(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Roles that open a shell in pods, and their bindings."""
    yield from _granted(subject, world, params, _exec)


def secret_read(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Roles that read all Secrets of a namespace or of the cluster, and their bindings."""
    yield from _granted(subject, world, params, _secrets)


def escalation(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Roles whose holder can get any other right, and their bindings."""
    yield from _granted(subject, world, params, _escalates)


def _granted(
    subject: Resource, world: World, params: Mapping[str, Any], power: _Power
) -> Iterator[Hit]:
    if is_of_istio(subject):
        return  # istiod reads keys and edits its webhook: that is what it is there for
    if subject.kind in ("Role", "ClusterRole"):
        for permission in permissions(subject):
            what = power(permission, params)
            if what:
                args = {"role": subject.name, "what": what, "scope": _scope(permission)}
                yield Hit(permission.path, args, on_key=True)
        return
    kinds = {kind for _, kind, _ in subjects_of(subject)}
    role = role_of(subject, world.index)
    if role is None or kinds.isdisjoint(params["subject_kinds"]):
        return
    for permission in permissions(role):
        what = power(permission, params)
        if what:
            args = {
                "role": role.name,
                "subjects": _subjects(subject),
                "what": what,
                "scope": _scope(permission),
            }
            related = Related(role.document, permission.path, "granted here", True)
            yield Hit((*subject.path, "roleRef", "name"), args, (related,), message="binding")
            return


def _scope(permission: Permission) -> str:
    return "the Secrets it names" if permission.is_limited_to_names else "every Secret there"


def _exec(permission: Permission, params: Mapping[str, Any]) -> str:
    verbs = tuple(params["verbs"])
    return _words(permission, [(CORE, name, verbs) for name in params["resources"]], params)


def _secrets(permission: Permission, params: Mapping[str, Any]) -> str:
    if permission.is_limited_to_names and not params["names_count"]:
        return ""
    found = _words(permission, [(CORE, "secrets", ("get", "list", "watch"))], params)
    return (
        f"{found} without resourceNames" if found and not permission.is_limited_to_names else found
    )


def _escalates(permission: Permission, params: Mapping[str, Any]) -> str:
    if permission.is_limited_to_names and not params["names_count"]:
        return ""
    found = _words(permission, _ESCALATIONS, params)
    # Who writes * for the verbs of ServiceAccounts hardly thinks of this one; see rbac-wildcard.
    if not found and "impersonate" in permission.names("verbs"):
        found = _words(permission, _IMPERSONATIONS, params)
    return found


_Grant = tuple[str, str, tuple[str, ...]]
_WEBHOOKS = "admissionregistration.k8s.io"
_CERTIFICATES = "certificates.k8s.io"
_ESCALATIONS: tuple[_Grant, ...] = (
    *(
        (RBAC, resource, ("bind", "escalate"))
        for resource in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    ),
    (_WEBHOOKS, "mutatingwebhookconfigurations", ("create", "update", "patch")),
    (_WEBHOOKS, "validatingwebhookconfigurations", ("create", "update", "patch")),
    (_CERTIFICATES, "certificatesigningrequests/approval", ("update", "patch")),
    (_CERTIFICATES, "signers", ("approve",)),
    (CORE, "services/status", ("update", "patch")),
)
_IMPERSONATIONS: tuple[_Grant, ...] = (
    *((CORE, resource, ("impersonate",)) for resource in ("users", "groups", "serviceaccounts")),
    *(("authentication.k8s.io", f, ("impersonate",)) for f in ("userextras", "uids")),
)


def _words(permission: Permission, grants: Sequence[_Grant], params: Mapping[str, Any]) -> str:
    """The first of some grants that a rule makes."""
    for group, resource, verbs in grants:
        found = permission.granted(None if params["any_group"] else group, resource, verbs)
        if found:
            return f"{listed(found)} on {resource}"
    return ""


def _subjects(binding: Resource) -> str:
    named = [f"{kind} {name}".strip() for _, kind, name in subjects_of(binding)]
    if len(named) > 3:
        named = [*named[:2], f"{len(named) - 2} others"]
    return listed(named) or "nobody yet"
