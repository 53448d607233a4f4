"""References between objects of the Gateway API that cross namespaces.

Source: Gateway API, ReferenceGrant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.model.resources import Resource
from meshlint.model.values import mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

REFERENCE_GRANT = "gateway.networking.k8s.io/ReferenceGrant"


def is_granted(
    world: World, referrer: Resource, namespace: str, target: tuple[str, str, str]
) -> bool:
    """Whether a ReferenceGrant of a namespace lets an object of another one refer to a target.

    The target is given by group (empty for the core group), kind and name.
    """
    group, kind, name = target
    return any(
        _has_from(grant, referrer)
        and any(
            (text(to, "group"), text(to, "kind")) == (group, kind)
            and text(to, "name") in ("", name)
            for _, to in mappings(grant.spec, "to")
        )
        for grant in world.index.in_namespace(REFERENCE_GRANT, namespace)
    )


def _has_from(grant: Resource, referrer: Resource) -> bool:
    wanted = (referrer.group, referrer.kind, referrer.namespace)
    return any(
        (text(entry, "group"), text(entry, "kind"), text(entry, "namespace")) == wanted
        for _, entry in mappings(grant.spec, "from")
    )
