"""Whether the mesh itself gives addresses to hosts that have none.

Sources: Istio documentation, DNS proxying; `pilot/pkg/networking/serviceentry` (addresses from
istiod, on by default since 1.25) and ProxyConfig (`proxyMetadata`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.mesh.ambient import is_ambient_namespace
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.mesh_config import MeshConfig, mesh_configs
from meshlint.mesh.versions import Since
from meshlint.model.resources import Resource
from meshlint.model.values import text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

ADDRESSES_FROM_ISTIOD = Since("1.25")
"""istiod allocates an address unless told not to; before, proxies had to be told to."""

_OPT_OUT = "networking.istio.io/enable-autoallocate-ip"
_FLAG = "PILOT_ENABLE_IP_AUTOALLOCATE"


def allocates_addresses(world: World, entry: Resource) -> bool:
    """Whether pods reach the hosts of a ServiceEntry at an address that Istio makes up.

    Their DNS has to be captured for that. A MeshConfig outside of the input is taken for one that
    does not.
    """
    if text(entry.labels, _OPT_OUT).lower() == "false":
        return False
    if is_ambient_namespace(world.index, world.settings, entry.namespace):
        return True
    return any(_captures(world, config) for config in mesh_configs(world))


def _captures(world: World, config: MeshConfig) -> bool:
    metadata = ("defaultConfig", "proxyMetadata")
    if scalar_text(config.config.value(*metadata, "ISTIO_META_DNS_CAPTURE")) != "true":
        return False
    if scalar_text(config.config.value(*metadata, "ISTIO_META_DNS_AUTO_ALLOCATE")) == "true":
        return True
    plane = config.plane
    version = plane.version if plane is not None else world.istio_version
    flag = plane.env.get(_FLAG) if plane is not None else None
    switched_off = flag is not None and scalar_text(flag.value) == "false"
    return version in ADDRESSES_FROM_ISTIOD and not switched_off
