"""Linux capabilities of containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.world import World
from meshlint.model.security import (
    DEFAULT_CAPABILITIES,
    author_containers,
    capabilities,
    is_of_mesh,
    is_windows,
    own_path,
)
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Append, Remove

# What the container that redirects traffic, or a proxy that does it itself, cannot do without.
_OF_PROXY = frozenset({"NET_ADMIN", "NET_RAW"})


def added(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Capabilities beyond those that every container may have; with `only` some of them."""
    only = params.get("only")
    allowed = frozenset(name.upper() for name in params["allowed"])
    for container in subject.containers:
        accepted = allowed
        if is_of_mesh(container, params["proxy_images"]):
            accepted = allowed | _OF_PROXY
        for index, name in capabilities(container, "add"):
            if name in accepted or (only is not None and name not in only):
                continue
            path = own_path(container, "capabilities", "add", index)
            yield Hit(
                path,
                {"container": container.name or "unnamed", "capability": name},
                message=_ADDED.get(name, "default"),
                fix=(Remove(path),),
            )


_ADDED = {"ALL": "all", "NET_ADMIN": "network", "NET_RAW": "network"}


def not_dropped(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers that keep capabilities they are to drop."""
    if is_windows(subject):
        return
    required = [name.upper() for name in params["required"]]
    prefix = params["prefix"]
    for container in author_containers(subject):
        lacking = [name for name in required if not _drops(container, name, prefix)]
        if lacking:
            yield Hit(
                own_path(container, "capabilities", "drop"),
                {"container": container.name or "unnamed", "capabilities": lacking},
                on_key=True,
                fix=tuple(
                    Append(own_path(container, "capabilities", "drop"), name) for name in lacking
                ),
            )


def _drops(container: Container, capability: str, prefix: bool) -> bool:
    """Whether a container is without a capability; who drops each by name has dropped them all.

    With `prefix` the name of a capability may begin with `CAP_`.
    """
    dropped = {name for _, name in capabilities(container, "drop")}
    if prefix:
        dropped |= {name.removeprefix("CAP_") for name in dropped}
    return (
        capability in dropped
        or "ALL" in dropped
        or (capability == "ALL" and dropped >= DEFAULT_CAPABILITIES)
    )
