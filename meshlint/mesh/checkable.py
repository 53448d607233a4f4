"""Where the input would hold what is referred to, so that its absence says something.

A reference is judged only where its target would be in the input (catalogue, term `checkable`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.model.resources import Resource
from meshlint.model.values import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meshlint.findings import Path
    from meshlint.mesh.world import World

SECRET_SOURCES: Mapping[str, Path] = {
    "core/Secret": ("metadata", "name"),
    "bitnami.com/SealedSecret": ("metadata", "name"),
    "external-secrets.io/ExternalSecret": ("spec", "target", "name"),
    "cert-manager.io/Certificate": ("spec", "secretName"),
}
"""What is or becomes a Secret, by the way to the name of that Secret."""


def workloads_known(world: World, namespace: str | None) -> bool:
    """Whether pods of a namespace (of any, for None) are in the input."""
    index = world.index
    return bool(index.workloads if namespace is None else index.workloads_in(namespace))


def services_known(world: World, namespace: str) -> bool:
    """Whether Services of a namespace would be in the input.

    Namespaces of Kubernetes itself hold Services that no manifest creates.
    """
    if namespace.startswith("kube-"):
        return False
    index = world.index
    return bool(index.in_namespace("core/Service", namespace) or index.workloads_in(namespace))


def kind_known(world: World, group_kind: str, namespace: str) -> bool:
    """Whether the namespace has an object of the kind in the input."""
    return bool(world.index.in_namespace(group_kind, namespace))


def namespaces_known(world: World, own: str = "") -> bool:
    """Whether the input has a Namespace object other than the referrer's own."""
    return any(found.name != own for found in world.index.of_kind("core/Namespace"))


def secrets_known(world: World, namespace: str) -> bool:
    """Whether the namespace has a Secret in the input, or what becomes one."""
    return any(kind_known(world, kind, namespace) for kind in SECRET_SOURCES)


def secret_named(world: World, namespace: str, name: str) -> Resource | None:
    """The Secret of that name, or what becomes one, such as a Certificate of cert-manager.

    An ExternalSecret without target name makes a Secret of its own name.
    """
    for kind, steps in SECRET_SOURCES.items():
        for found in world.index.in_namespace(kind, namespace):
            if (text(found.value, *steps) or found.name) == name:
                return found
    return None
