"""What istiod makes of the patches of an EnvoyFilter.

Sources: Istio `pilot/pkg/networking/core/envoyfilter` (which operations are carried out),
`pkg/config/xds` (names of filters that Envoy has given up), istio/api `envoy_filter.proto`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings, text

ENVOY_FILTER = "networking.istio.io/EnvoyFilter"

RELATIVE = frozenset({"REMOVE", "REPLACE", "INSERT_BEFORE", "INSERT_AFTER"})
"""Operations that need another filter or route to be there already."""

_MERGES = frozenset({"MERGE", "MERGE_AND_REPLACE_LIST"})
_ALL = _MERGES | RELATIVE | {"ADD", "INSERT_FIRST"}
_CARRIED_OUT = {
    "VIRTUAL_HOST": _MERGES | {"ADD", "REMOVE", "REPLACE"},
    "HTTP_ROUTE": _MERGES | {"ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST"},
    "CLUSTER": _MERGES | {"ADD", "REMOVE"},
    "LISTENER": _MERGES | {"ADD", "REMOVE"},
    "FILTER_CHAIN": _MERGES | {"ADD", "REMOVE"},
    "LISTENER_FILTER": _ALL,
    "NETWORK_FILTER": _ALL,
    "HTTP_FILTER": _ALL,
    "EXTENSION_CONFIG": frozenset({"ADD"}),
    "ROUTE_CONFIGURATION": _MERGES,
    "BOOTSTRAP": _MERGES,
}

MATCH_FIELD = {
    "LISTENER": "listener",
    "LISTENER_FILTER": "listener",
    "FILTER_CHAIN": "listener",
    "NETWORK_FILTER": "listener",
    "HTTP_FILTER": "listener",
    "ROUTE_CONFIGURATION": "routeConfiguration",
    "VIRTUAL_HOST": "routeConfiguration",
    "HTTP_ROUTE": "routeConfiguration",
    "CLUSTER": "cluster",
}
"""The block of a match that finds the objects that `applyTo` names."""

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"

RENAMED_FILTERS = {
    "envoy.buffer": "envoy.filters.http.buffer",
    "envoy.client_ssl_auth": "envoy.filters.network.client_ssl_auth",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.csrf": "envoy.filters.http.csrf",
    "envoy.ext_authz": "envoy.filters.http.ext_authz",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.grpc_http1_bridge": "envoy.filters.http.grpc_http1_bridge",
    "envoy.grpc_json_transcoder": "envoy.filters.http.grpc_json_transcoder",
    "envoy.grpc_web": "envoy.filters.http.grpc_web",
    "envoy.gzip": "envoy.filters.http.compressor",
    "envoy.health_check": "envoy.filters.http.health_check",
    "envoy.http_connection_manager": HTTP_CONNECTION_MANAGER,
    "envoy.http_dynamo_filter": "envoy.filters.http.dynamo",
    "envoy.ip_tagging": "envoy.filters.http.ip_tagging",
    "envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
    "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
    "envoy.listener.original_src": "envoy.filters.listener.original_src",
    "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
    "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.mongo_proxy": "envoy.filters.network.mongo_proxy",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
    "envoy.ratelimit": "envoy.filters.network.ratelimit",
    "envoy.redis_proxy": "envoy.filters.network.redis_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.squash": "envoy.filters.http.squash",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
}
"""Names of filters that Envoy renamed in 1.14, with the names they have since."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One entry of `configPatches`."""

    path: Path
    entry: dict[str, Any]

    @property
    def apply_to(self) -> str:
        return text(self.entry, "applyTo")

    @property
    def match(self) -> dict[str, Any]:
        return mapping(self.entry, "match")

    @property
    def context(self) -> str:
        return text(self.match, "context") or "ANY"

    @property
    def operation(self) -> str:
        return text(self.entry, "patch", "operation")

    @property
    def value(self) -> Any:
        return mapping(self.entry, "patch").get("value")

    @property
    def proxy_version(self) -> str:
        return text(self.match, "proxy", "proxyVersion")

    @property
    def filter_name(self) -> str:
        """The filter that the patch is about: the one it brings, else the one it looks for."""
        return text(self.value, "name") or text(
            self.match, "listener", "filterChain", "filter", "name"
        )

    @property
    def is_carried_out(self) -> bool:
        """Whether istiod does what the operation says; yes for what it does not know at all."""
        known = _CARRIED_OUT.get(self.apply_to)
        return known is None or self.operation not in _ALL or self.operation in known


def possible_operations(apply_to: str) -> tuple[str, ...]:
    """Operations that istiod carries out on the objects that `applyTo` names."""
    return tuple(sorted(_CARRIED_OUT.get(apply_to, _ALL)))


def patches(resource: Resource) -> Iterator[Patch]:
    """The patches of an EnvoyFilter."""
    for number, entry in mappings(resource.spec, "configPatches"):
        yield Patch((*resource.path, "spec", "configPatches", number), entry)


def version_bound(index: Index) -> Mapping[str, Sequence[tuple[Resource, Patch]]]:
    """Patches that are for certain versions of the proxy only, by the filter they are about."""
    table: dict[str, list[tuple[Resource, Patch]]] = defaultdict(list)
    for resource in index.of_kind(ENVOY_FILTER):
        for patch in patches(resource):
            if patch.proxy_version and patch.filter_name:
                table[patch.filter_name].append((resource, patch))
    return table
