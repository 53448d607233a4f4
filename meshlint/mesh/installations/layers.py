"""Settings merged from layers, each value with its origin.

Merging follows Helm and istioctl alike: maps merge, everything else replaces, null unsets
(Helm `mustMergeOverwrite` in the charts' `zzz_profile.yaml`; istioctl `values.Map.MergeFrom`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meshlint.dataclass import dataclass, replace
from meshlint.findings import Path
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.values import get


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: from a place in the input, or a named default.

    `mount` is where the value hangs in the merged tree; its place says nothing about that, so a
    field of an IstioOperator can be a layer of the chart values it is translated to. An `opaque`
    layer may set anything: a values file that is not in the input.
    """

    value: Any
    place: Place | None = None
    default: str = ""
    mount: tuple[str, ...] = ()
    opaque: bool = False

    def step(self, key: str | int) -> Layer | None:
        """The part of the layer below a key; None where it has none."""
        mount = self.mount
        if mount:
            if mount[0] != key:
                return None
            return Layer(self.value, self.place, self.default, mount[1:], self.opaque)
        if self.opaque:
            return self
        value = self.value
        if isinstance(value, list):
            there = isinstance(key, int) and 0 <= key < len(value)
        else:
            there = isinstance(value, dict) and key in value
        if not there:
            return None
        place = self.place.below(key) if self.place else None
        return Layer(value[key], place, self.default)

    def block(self, path: Sequence[str | int]) -> tuple[int, Place | None]:
        """How many steps of a path lead to maps of the layer, and where the last of these is.

        None for one that does not stand in the input the way it is.
        """
        layer, depth = self, 0
        for key in path:
            below = layer.step(key)
            if below is None or not below.is_map:
                break
            layer, depth = below, depth + 1
        place = None if layer.mount or layer.opaque else layer.place
        if place is not None and get(place.document.value, *place.path) is not layer.value:
            place = None
        return depth, place

    @property
    def is_map(self) -> bool:
        return bool(self.mount) or self.opaque or isinstance(self.value, dict)

    def keys(self) -> Iterator[str]:
        if self.mount:
            yield self.mount[0]
        elif isinstance(self.value, dict):
            yield from self.value

    def plain(self) -> Any:
        value = None if self.opaque else self.value
        for key in reversed(self.mount):
            value = {key: value}
        return value


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers from lowest to highest as one tree. Look-ups walk the layers; nothing is copied.

    `home` is where a person sets values that go into this tree; `prefix` names a first step that
    is left out there (the istiod chart takes `pilot.` settings without it from 1.24 on).
    """

    layers: tuple[Layer, ...]
    home: Place | None = None
    prefix: str = ""

    def _down(self, path: Sequence[str | int]) -> tuple[Layer, ...]:
        layers = self.layers
        for key in path:
            found: list[Layer] = []
            for layer in layers:
                below = layer.step(key)
                if below is None:
                    continue
                if not below.is_map or (found and not found[-1].is_map):
                    found.clear()
                found.append(below)
            layers = tuple(found)
            if not layers:
                break
        return layers

    def get(self, *path: str | int) -> Sourced[Any] | None:
        """The merged value at a path with its origin; None where no layer has one.

        None also when a layer that is not known has the last word. The value of an explicit null
        is None. A map has the origin of its topmost layer of the input, or that of a default.
        """
        layers = self._down(path)
        if not layers or layers[-1].opaque:
            return None
        deciding = next((layer for layer in reversed(layers) if layer.place), layers[-1])
        site = None if deciding.place else self.site(*path)
        return Sourced(_merged(layers), deciding.place, deciding.default, site)

    def value(self, *path: str | int) -> Any:
        """The merged plain value at a path; None where there is none."""
        return _merged(self._down(path))

    def given(self, *path: str | int) -> Sourced[Any] | None:
        """The value at a path as far as the input itself gives it, defaults left out."""
        layers = tuple(layer for layer in self.layers if layer.place and not layer.opaque)
        return Layers(layers, self.home, self.prefix).get(*path)

    def site(self, *path: str | int) -> Place | None:
        """Where in the input the value at a path stands or would be set.

        That is beside what is written of it already: `spec.meshConfig` of an IstioOperator is a
        home for `meshConfig` of the values as well.
        """
        if self.home is None:
            return None
        steps: Path = tuple(path)
        if self.prefix and steps[:1] == (self.prefix,):
            steps = steps[1:]
        site, deepest = self.home.below(*steps), 1
        plain = [layer.place for layer in self.layers if layer.place and not layer.mount]
        whole = {(id(place.document), place.path) for place in plain}
        for layer in self.layers:
            place = layer.place if layer.mount and not self.prefix else None
            # Values that a chart reads a second time, from where an operator does not take them.
            if place is not None and (id(place.document), place.path) in whole:
                continue
            depth, block = layer.block(path)
            if depth >= deepest and block is not None and block.document is self.home.document:
                site, deepest = block.below(*path[depth:]), depth
        return site

    def at(self, *path: str) -> Layers:
        """The tree below a path; empty where there is none."""
        return Layers(self._down(path), self.site(*path))

    def over(self, *layers: Layer) -> Layers:
        """This tree with more layers on top."""
        return replace(self, layers=(*self.layers, *layers))

    def mounted(self, *mount: str) -> tuple[Layer, ...]:
        """The layers, to be used at another place of another tree."""
        return tuple(replace(layer, mount=(*mount, *layer.mount)) for layer in self.layers)

    def known(self) -> Layers:
        """This tree without what is not known."""
        return replace(self, layers=tuple(layer for layer in self.layers if not layer.opaque))

    def keys(self) -> tuple[str, ...]:
        """Keys of the merged map, lowest layer first."""
        found: dict[str, None] = {}
        for layer in self._down(()):
            found.update(dict.fromkeys(layer.keys()))
        return tuple(found)

    def __bool__(self) -> bool:
        return bool(self.layers)


EMPTY = Layers(())


def _merged(layers: Sequence[Layer]) -> Any:
    if not layers:
        return None
    if len(layers) == 1:
        return layers[0].plain()
    if not layers[-1].is_map:
        return layers[-1].value
    layers = [layer for layer in layers if not layer.opaque or layer.mount]
    if not layers:
        return None
    first = next((i for i, layer in reversed(list(enumerate(layers))) if not layer.is_map), -1)
    maps = layers[first + 1 :]
    if len(maps) == 1:
        return maps[0].plain()
    keys: dict[str, None] = {}
    for layer in maps:
        keys.update(dict.fromkeys(layer.keys()))
    return {key: _merged(Layers(tuple(maps))._down((key,))) for key in keys}
