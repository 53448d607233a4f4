"""The service account `default`: who runs as it, and what it may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.gateway_security import service_account_default
from meshlint.findings import Hit
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mappings, text
from meshlint.model.workloads import Workload


def shared(subject: Workload | Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that run as the account, and with `account` what gives it rights or a token."""
    if isinstance(subject, Workload):
        yield from service_account_default(subject, world, params)
        return
    if not params["account"]:
        return
    if subject.group_kind == "core/ServiceAccount":
        token = (*subject.path, "automountServiceAccountToken")
        if (
            subject.name == "default"
            and subject.value.get("automountServiceAccountToken") is not False
        ):
            args = {"namespace": subject.namespace}
            yield Hit(token, args, message="token", on_key=True)
        return
    for number, bound in mappings(subject.value, "subjects"):
        if text(bound, "kind") == "ServiceAccount" and text(bound, "name") == "default":
            args = {
                "binding": str(subject.ref),
                "namespace": text(bound, "namespace") or subject.namespace,
            }
            yield Hit((*subject.path, "subjects", number, "name"), args, message="bound")
