"""MeshConfig in every form it comes in, and the extension providers it defines.

Source: `mesh/v1alpha1/config.proto` of istio/api; defaults from `pkg/config/mesh/mesh.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path
from meshlint.mesh.installations.helm import embedded_values
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.provenance import Place
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

TRACING_TYPES = (
    "zipkin", "datadog", "opentelemetry", "skywalking", "lightstep", "stackdriver", "opencensus"
)  # fmt: skip
"""Types of extension providers that spans can be sent to."""
ACCESS_LOG_TYPES = ("envoyFileAccessLog", "envoyHttpAls", "envoyTcpAls", "envoyOtelAls")
AUTHORIZATION_TYPES = ("envoyExtAuthzHttp", "envoyExtAuthzGrpc")
_TYPES = (*TRACING_TYPES, *ACCESS_LOG_TYPES, *AUTHORIZATION_TYPES, "prometheus", "sds")

BUILT_IN = {"prometheus": "prometheus", "stackdriver": "stackdriver", "envoy": "envoyFileAccessLog"}
"""Providers that istiod has without any configuration, with their types."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An extension provider; `place` is None for one that a profile of Istio brings."""

    name: str
    type: str
    settings: Mapping[str, Any]
    place: Place | None


@dataclass(frozen=True, slots=True, eq=False)
class MeshConfig:
    """One MeshConfig: of an installation, of a ConfigMap `istio`, or of a file given for it."""

    config: Layers
    home: Place
    resource: Resource | None
    plane: ControlPlane | None

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path

    @property
    def known(self) -> bool:
        """Whether all of it is in the input."""
        return is_known(self.config)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Extension providers, those of istiod itself left out."""
        return tuple(_providers(self.config))

    def provider(self, name: str) -> Provider | None:
        """The extension provider of that name; of several the last one counts."""
        found = next((p for p in reversed(self.providers) if p.name == name), None)
        if found is None and name in BUILT_IN:
            return Provider(name, BUILT_IN[name], {}, None)
        return found

    def defaults(self, use: str) -> tuple[str, ...]:
        """Names in `defaultProviders` for a use: tracing, metrics or accessLogging."""
        listed = self.config.value("defaultProviders", use)
        return tuple(name for name in items(listed) if isinstance(name, str))


def is_known(config: Layers) -> bool:
    """Whether nothing that could set a field is missing from the input."""
    return bool(config) and not any(layer.opaque for layer in config.layers)


def _providers(config: Layers) -> Iterator[Provider]:
    listed = config.get("extensionProviders")
    if listed is None:
        return
    for at, value in mappings(listed.value):
        kind = next((name for name in _TYPES if name in value), "")
        place = listed.place.below(at) if listed.place is not None else None
        yield Provider(text(value, "name"), kind, mapping(value, kind) if kind else {}, place)


def mesh_configs(world: World) -> list[MeshConfig]:
    """Every MeshConfig of the input: of installations first, then those that stand alone."""
    found = []
    used = set()
    for plane in world.installations.control_planes:
        if plane.mesh_config:
            home = plane.mesh_config.home or plane.home
            found.append(MeshConfig(plane.mesh_config, home, plane.resource, plane))
            used |= {layer.place for layer in plane.mesh_config.layers}
    for resource in world.index.of_kind("core/ConfigMap"):
        if resource.name != "istio" and not resource.name.startswith("istio-"):
            continue
        place = Place(resource.document, (*resource.path, "data", "mesh"))
        layer = embedded_values(mapping(resource.value, "data").get("mesh"), place)
        if layer is None or layer.opaque or layer.place in used:
            continue
        found.append(MeshConfig(Layers((layer,), layer.place), place, resource, None))
    document = world.index.mesh_config
    if document is not None and isinstance(document.value, dict):
        place = Place(document, ())
        layers = Layers((Layer(document.value, place),), place)
        found.append(MeshConfig(layers, place, None, None))
    return found


def is_reported(world: World, config: MeshConfig) -> bool:
    """Whether findings on a MeshConfig are reported; False for one that is context only."""
    if config.resource is not None:
        return config.resource.reported
    return config.document.file.path not in world.index.context_files
