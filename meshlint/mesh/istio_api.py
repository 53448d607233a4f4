"""What the schemas of Istio make of the objects and the MeshConfig of the input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.installations.records import Form
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.provenance import Place
from meshlint.mesh.versions import NEWEST_ISTIO, Version
from meshlint.model.resources import Resource
from meshlint.model.values import get
from meshlint.schemas.istio import Dated, Reading, mesh_config, of_kind

if TYPE_CHECKING:
    from meshlint.mesh.world import World


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A value that was compared with a schema. Paths of the reading lead on from `place`."""

    kind: str
    """Kind of the object, or `MeshConfig`."""
    place: Place
    value: Any
    reading: Reading
    version: Version
    """The Istio that the value is for."""
    form: Form | None = None
    """Form of the installation that the MeshConfig belongs to; None for any other value."""

    @property
    def in_settings(self) -> bool:
        """Whether it is MeshConfig among the settings of an installation: of an IstioOperator, a
        resource of Sail, values of a chart."""
        return self.form is not None and self.form != "rendered"

    def state(self, dated: Dated) -> Literal["there", "later", "gone"]:
        """Whether the version has a field or value that comes or goes with a minor."""
        if dated.before and self.version.at_least(dated.before):
            return "gone"
        # A mesh at the newest known minor may be ahead of what is known of it.
        newest = self.version.at_least(str(NEWEST_ISTIO))
        if dated.since and self.version.before(dated.since) and not newest:
            return "later"
        return "there"


class IstioApi:
    """Compares each object of Istio, and each MeshConfig, once with its schema."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects: dict[Resource, Sequence[Part]] = {}

    def parts(self, subject: Resource | MeshConfig) -> Sequence[Part]:
        """What a subject says by a schema; nothing for a kind without one."""
        if isinstance(subject, MeshConfig):
            return self._meshes.get(subject, ())
        known = self._objects.get(subject)
        if known is None:
            known = self._objects[subject] = self._object(subject)
        return known

    def _object(self, resource: Resource) -> Sequence[Part]:
        api = of_kind(resource.group_kind)
        if api is None:
            return ()
        reading = api.read(resource.value)
        place = Place(resource.document, resource.path)
        return (Part(resource.kind, place, resource.value, reading, self._world.istio_version),)

    @cached_property
    def _meshes(self) -> dict[MeshConfig, Sequence[Part]]:
        # Two installations may share a values file, whose MeshConfig is then looked at once.
        seen: set[Place] = set()
        found: dict[MeshConfig, Sequence[Part]] = {}
        for config in self._world.subjects("mesh-config"):
            parts = []
            for layer in config.config.layers:
                place = layer.place
                if place is None or layer.opaque or layer.mount or place in seen:
                    continue
                seen.add(place)
                parts.append(self._mesh_part(config, place, layer.value))
            found[config] = parts
        return found

    def _mesh_part(self, config: MeshConfig, place: Place, value: Any) -> Part:
        plane = config.plane
        version = plane.version if plane is not None else self._world.istio_version
        form = plane.form if plane is not None else None
        return Part("MeshConfig", place, value, mesh_config().read(value), version, form)


def at_part(part: Part, path: Sequence[str | int]) -> Any:
    """The value that a path of a part's reading leads to."""
    return get(part.value, *path)
