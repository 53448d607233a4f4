"""Fields of an installation that no release of Istio has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh.installations.known_fields import (
    Node,
    below,
    has,
    known,
    nearest,
    same_letters,
)
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.provenance import Place
from meshlint.mesh.versions import Version
from meshlint.mesh.world import World
from meshlint.model.resources import Resource

Steps = tuple[str | int, ...]

_STRICT = "1.24"
"""First release whose istioctl refuses a file for a field that it does not know."""


def field_unknown(
    subject: Resource | ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Fields that neither the API nor a chart has ever had."""
    if isinstance(subject, Resource):
        sail = subject.kind == "Istio"
        place = Place(subject.document, (*subject.path, "spec"))
        root: Steps = ("spec",)
        layers: Sequence[Layer] = (Layer(subject.spec, place),)
        fields = known("sail" if sail else "spec")
        form = "sail" if sail else "istiooperator"
        version = _version_of(subject, world)
        if version is None:
            return
    elif subject.form == "helm":
        gateway = isinstance(subject, GatewayProxy)
        layers = _given(subject.values, "" if gateway else "pilot")
        fields = known("gateway" if gateway else "istiod")
        form, root, version = "helm", (), subject.version
    else:
        return
    certain = version.at_least(_STRICT)
    for path, place, node, parent in _unknown(Layers(tuple(layers)), fields):
        meant = _meant(path, node, parent)
        if meant is None and not certain:
            continue  # lists of old releases have gaps
        # `global` belongs to every chart of a release, some of which may not be Istio's.
        shared = form == "helm" and path[0] == "global" and len(path) == 2
        if shared and not (meant and same_letters(str(path[-1]), str(meant[-1]))):
            continue
        args = {"field": _shown((*root, *path)), "meant": _shown((*root, *(meant or ())))}
        # Both istioctl and istiod read MeshConfig with unknown fields allowed.
        message = "mesh" if "meshConfig" in path[:-1] and form != "sail" else form
        if meant is not None:
            message += "-near"
        yield at(place, args, message=message, on_key=True)


def _version_of(resource: Resource, world: World) -> Version | None:
    found = world.installations
    records: tuple[ControlPlane | GatewayProxy, ...] = (
        *found.control_planes,
        *found.without_control_plane,
        *found.gateways,
    )
    for record in records:
        if record.resource is resource:
            return record.version
    return None


def _given(values: Layers, section: str) -> list[Layer]:
    """What the input sets, each value once: the chart itself sees it also below its section."""
    layers = [layer for layer in values.layers if layer.place and not layer.opaque]
    plain = [(layer.mount, layer.place) for layer in layers]
    return [
        layer
        for layer in layers
        if not (layer.mount[:1] == (section,) and (layer.mount[1:], layer.place) in plain)
    ]


def _unknown(
    tree: Layers, node: Node, parent: Node | None = None, path: Steps = ()
) -> Iterator[tuple[Steps, Place, Node, Node | None]]:
    """Topmost keys that are not known, with the fields that are known beside and above them."""
    for layer in tree.layers:
        yield from _unknown_in(layer, node, parent, path)


def _unknown_in(
    layer: Layer, node: Node, parent: Node | None, path: Steps
) -> Iterator[tuple[Steps, Place, Node, Node | None]]:
    if isinstance(layer.value, list) and not layer.mount:
        for number in range(len(layer.value)):
            item = layer.step(number)
            if item is not None:
                yield from _unknown_in(item, node, parent, (*path, number))
        return
    for key in layer.keys():  # noqa: SIM118 - no mapping
        child = layer.step(key)
        # Keys with such a start hold YAML anchors or belong to other tools.
        if child is None or not _text(key) or key.startswith(("x-", "_", ".")):
            continue
        if not has(node, key):
            assert child.place is not None
            yield (*path, key), child.place, node, parent
            continue
        fields = below(node, key)
        if fields is not None:
            yield from _unknown_in(child, fields, node, (*path, key))


def _text(key: object) -> bool:
    return isinstance(key, str)  # YAML has keys of other types, whatever the annotation says


def _meant(path: Steps, node: Node, parent: Node | None) -> Steps | None:
    """The known field nearest to an unknown one: here, one level down or one level up."""
    name = str(path[-1])
    here = nearest(name, node)
    if here is not None:
        return (*path[:-1], here)
    down = [key for key in node if name in (below(node, key) or ())]
    if len(down) == 1:
        return (*path[:-1], down[0], name)
    if parent is not None and name in parent:
        upper = path[:-1]
        while isinstance(upper[-1], int):
            upper = upper[:-1]
        return (*upper[:-1], name)
    return None


def _shown(path: Sequence[str | int]) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).removeprefix(".")
