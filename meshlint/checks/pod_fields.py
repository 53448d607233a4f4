"""Fields of pods that Kubernetes takes otherwise than they look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.mending import renamed
from meshlint.findings import Hit, Related
from meshlint.mesh.world import World
from meshlint.model.resources import DEFAULT_NAMESPACE, Resource
from meshlint.model.values import items, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Remove

_SERVICE_ACCOUNT = "core/ServiceAccount"
# Kubernetes makes the first in every namespace, OpenShift the others.
_GIVEN_ACCOUNTS = frozenset({"default", "builder", "deployer"})


def service_account_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """ServiceAccounts that are not there."""
    field = (
        "serviceAccountName" if text(subject.pod_spec, "serviceAccountName") else "serviceAccount"
    )
    name = text(subject.pod_spec, field)
    if not name or name in _GIVEN_ACCOUNTS or "{{" in name or "$" in name:
        return
    if not world.presence.shows(_SERVICE_ACCOUNT, subject.resource):
        return
    found = world.index.find(_SERVICE_ACCOUNT, subject.namespace, name)
    if found is not None or world.presence.may_exist(_SERVICE_ACCOUNT, subject.resource, name):
        return
    args = {"name": name, "namespace": subject.namespace}
    yield Hit((*subject.pod_spec_path, field), args)


def service_account_deprecated(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """The old name of a field, alone or against the new one."""
    old, new = (text(subject.pod_spec, key) for key in ("serviceAccount", "serviceAccountName"))
    if not old or old == new:
        return
    path = (*subject.pod_spec_path, "serviceAccount")
    if not new:
        fix = renamed(subject.resource.document, path, "serviceAccountName")
        yield Hit(path, {"name": old}, on_key=True, fix=fix)
        return
    related = Related(
        subject.resource.document, (*subject.pod_spec_path, "serviceAccountName"), "the other name"
    )
    yield Hit(path, {"name": old, "other": new}, (related,), message="both")


def environment_duplicate(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Environment variables given twice to a container."""
    for container in subject.containers:
        first: dict[str, int] = {}
        for index, variable in mappings(container.value, "env"):
            name = text(variable, "name")
            if not name or first.setdefault(name, index) == index:
                continue
            before = (*container.path, "env", first[name], "name")
            related = (Related(subject.resource.document, before, "given here before"),)
            args = {"name": name, "container": container.name}
            path = (*container.path, "env", index)
            equal = variable == items(container.value, "env")[first[name]]
            fix = (Remove(path),) if equal else ()
            yield Hit((*path, "name"), args, related, fix=fix)


def default_namespace(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Objects in the namespace default."""
    if isinstance(subject, Resource) and world.index.workload_of(subject) is not None:
        return
    resource = subject.resource if isinstance(subject, Workload) else subject
    if (resource.group_kind, resource.name) == ("core/Service", "kubernetes"):
        return  # the API server's own
    written = text(resource.metadata, "namespace")
    args = {"kind": resource.kind, "name": resource.name}
    path = (*resource.path, "metadata", "namespace")
    if written == DEFAULT_NAMESPACE:
        yield Hit(path, args)
    elif not written and params["implicit"]:
        yield Hit(path, args, message="implicit", on_key=True)
