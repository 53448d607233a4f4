"""Tokens of ServiceAccounts, and the security level of namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mappings, string_map, text
from meshlint.model.workloads import Workload
from meshlint.operations import Set

_FIELD = "automountServiceAccountToken"
_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type, no token


def token_mounted(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pods that get a token for the API server, and with `accounts` what gives it to them."""
    if isinstance(subject, Resource):
        path = (*subject.path, _FIELD)
        if params["accounts"] and subject.value.get(_FIELD) is not False:
            yield Hit(
                path,
                {"name": subject.name},
                message="account",
                on_key=True,
                fix=(Set(path, False),),
            )
        return
    spec = subject.pod_spec
    if spec.get(_FIELD) is False or not subject.template:
        return
    labels = {**string_map(subject.resource.labels), **string_map(subject.labels)}
    if any(f"{key}={value}" in params["exempt_labels"] for key, value in labels.items()):
        return
    name = text(spec, "serviceAccountName") or text(spec, "serviceAccount") or "default"
    account = world.index.find("core/ServiceAccount", subject.namespace, name)
    if spec.get(_FIELD) is None and account is not None and account.value.get(_FIELD) is False:
        return
    path = (*subject.pod_spec_path, _FIELD)
    related: tuple[Related, ...] = ()
    if account is not None:
        related = (Related(account.document, (*account.path, _FIELD), "the account", True),)
    yield Hit(
        path,
        {"workload": str(subject.resource.ref), "account": name},
        related,
        on_key=True,
        fix=(Set(path, False),),
    )


def token_legacy(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Secrets with a token that never expires, and accounts that list such."""
    if subject.kind == "Secret":
        if text(subject.value, "type") == _TOKEN_TYPE:
            yield Hit((*subject.path, "type"), {"name": subject.name})
        return
    names = [
        name
        for name in (text(entry, "name") for _, entry in mappings(subject.value, "secrets"))
        if name and _may_be_token(name, subject, world)
    ]
    if names:
        args = {"name": subject.name, "secrets": names}
        yield Hit((*subject.path, "secrets"), args, message="account", on_key=True)


def _may_be_token(name: str, account: Resource, world: World) -> bool:
    """Whether a Secret is not one that the input shows to be something else."""
    secret = world.index.find("core/Secret", account.namespace, name)
    return secret is None or text(secret.value, "type") == _TOKEN_TYPE


# ------------------------------------------------------------------------------------ namespaces

_MODES = ("enforce", "audit", "warn")
_PREFIX = "pod-security.kubernetes.io/"
_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def level_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Namespaces in which every pod may do everything, as nobody has said otherwise."""
    if subject.name in _SYSTEM or any(f"{_PREFIX}{mode}" in subject.labels for mode in _MODES):
        return
    path = (*subject.path, "metadata", "labels", f"{_PREFIX}enforce")
    yield Hit(path, {"namespace": subject.name}, on_key=True)


def level_privileged(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Namespaces in which every pod may do everything, on purpose."""
    if subject.name not in _SYSTEM and subject.labels.get(f"{_PREFIX}enforce") == "privileged":
        path = (*subject.path, "metadata", "labels", f"{_PREFIX}enforce")
        yield Hit(path, {"namespace": subject.name})
