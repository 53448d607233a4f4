"""References between objects of the Gateway API that cross namespaces.

Source: Gateway API, ReferenceGrant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from meshlint.mesh.gateway_api import REFERENCE_GRANT
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

Referrer = tuple[str, str, str, str]
"""Namespace of a grant; group, kind and namespace of what it lets refer."""


def reference_grants(index: Index) -> Mapping[Referrer, list[Resource]]:
    """ReferenceGrants by the namespace they are in and by whom they are for."""
    table: dict[Referrer, list[Resource]] = defaultdict(list)
    for grant in index.of_kind(REFERENCE_GRANT):
        for _, entry in mappings(grant.spec, "from"):
            referrer = (text(entry, "group"), text(entry, "kind"), text(entry, "namespace"))
            table[(grant.namespace, *referrer)].append(grant)
    return table


def is_granted(
    world: World, referrer: Resource, namespace: str, target: tuple[str, str, str]
) -> bool:
    """Whether a ReferenceGrant of a namespace lets an object of another one refer to a target.

    The target is given by group (empty for the core group), kind and name.
    """
    group, kind, name = target
    key = (namespace, referrer.group, referrer.kind, referrer.namespace)
    return any(
        (text(to, "group"), text(to, "kind")) == (group, kind) and text(to, "name") in ("", name)
        for grant in world.reference_grants.get(key, ())
        for _, to in mappings(grant.spec, "to")
    )
