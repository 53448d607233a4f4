"""What policies of Istio hold for: the mesh, a namespace, or selected workloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.tracing import is_namespace_wide
from meshlint.model.resources import Resource
from meshlint.model.values import items, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

AUTHORIZATION_POLICY = "security.istio.io/AuthorizationPolicy"
REQUEST_AUTHENTICATION = "security.istio.io/RequestAuthentication"
EXPORT_TO = "networking.istio.io/exportTo"


def first_reported(world: World, others: Iterable[Resource]) -> ControlPlane | Resource | None:
    """What a policy that the whole mesh lacks is reported on.

    The first reported installation, one that runs istiod before one that does not, else the first
    reported one of the other objects.
    """
    for plane in sorted(world.installations.control_planes, key=lambda plane: not plane.istiod):
        if plane.document.file.path not in world.index.context_files:
            return plane
    return next((other for other in others if other.reported), None)


def mesh_namespaces(world: World) -> tuple[str, ...]:
    """Namespaces with workloads of the mesh, in input order."""
    return tuple(dict.fromkeys(found.namespace for found in world.subjects("mesh-workload")))


def namespace_wide(world: World, kind: str, namespace: str) -> list[Resource]:
    """Policies of a kind that hold for a whole namespace; for the mesh, in the root namespace."""
    return [r for r in world.index.in_namespace(kind, namespace) if is_namespace_wide(r)]


def exports(resource: Resource) -> tuple[str, ...] | None:
    """Namespaces that an object is exported to, `.`, `*` or `~` as written; None for the default.

    Source: Istio API, `exportTo` of ServiceEntry; the annotation is its counterpart of Services.
    """
    listed: list[Any] = items(resource.spec, "exportTo")
    if resource.kind == "Service":
        listed = [name.strip() for name in text(resource.annotations, EXPORT_TO).split(",")]
    return tuple(name for name in listed if isinstance(name, str) and name) or None


def is_exported(resource: Resource, namespace: str, default: Iterable[str] = ("*",)) -> bool:
    """Whether proxies of a namespace are told of an object."""
    return any(
        name in ("*", namespace) or (name == "." and resource.namespace == namespace)
        for name in exports(resource) or default
    )
