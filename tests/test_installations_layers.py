"""Settings merged from layers, and objects that are read and patched with their origins."""

from __future__ import annotations

from typing import Any

from meshlint.documents import Document, parse
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.objects import Object, written
from meshlint.mesh.provenance import Place, Sourced
from meshlint.text import SourceFile


def document(text: str) -> Document:
    (only,) = parse(SourceFile("values.yaml", text)).documents
    return only


def layers(text: str, default: dict[str, Any]) -> Layers:
    values = document(text)
    home = Place(values, ())
    return Layers((Layer(default, None, "chart"), Layer(values.value, home)), home)


def test_maps_merge_and_lists_replace() -> None:
    tree = layers("a: {z: 2}\nl: [3]\n", {"a": {"x": 1, "z": 1}, "l": [1, 2]})
    assert tree.value() == {"a": {"x": 1, "z": 2}, "l": [3]}


def test_every_value_knows_its_layer() -> None:
    tree = layers("a: {z: 2}\n", {"a": {"x": 1, "z": 1}})
    given, default = tree.get("a", "z"), tree.get("a", "x")
    assert given is not None
    assert default is not None
    assert given.place is not None
    assert given.place.path == ("a", "z")
    assert (default.place, default.default) == (None, "chart")


def test_a_default_knows_where_it_would_be_set() -> None:
    tree = layers("b: 1\n", {"a": {"x": 1}})
    found = tree.get("a", "x")
    assert found is not None
    assert found.anchor is not None
    assert found.anchor.path == ("a", "x")


def test_a_value_would_be_set_beside_what_is_there() -> None:
    text = document("values: {a: {}}\nmesh: {x: 1}\n")
    home = Place(text, ("values",))
    mesh = Layer(text.value["mesh"], Place(text, ("mesh",)), mount=("mesh",))
    tree = Layers((mesh, Layer(text.value["values"], home)), home)
    assert tree.site("mesh", "y") == Place(text, ("mesh", "y"))
    assert tree.site("a", "y") == Place(text, ("values", "a", "y"))
    assert tree.site("b", "y") == Place(text, ("values", "b", "y"))


def test_values_that_are_read_twice_are_set_in_their_section() -> None:
    text = document("values: {tag: a}\n")
    home = Place(text, ("values",))
    given = Layer(text.value["values"], home)
    again = Layer(text.value["values"], home, mount=("pilot",))
    sectioned = Layers((again, given), home)
    assert sectioned.site("pilot", "x") == Place(text, ("values", "pilot", "x"))
    flat = Layers((again, given), home, prefix="pilot")
    assert flat.site("pilot", "x") == Place(text, ("values", "x"))


def test_null_unsets_and_keeps_its_place() -> None:
    tree = layers("a:\n  x: null\n", {"a": {"x": 1, "y": 1}})
    found = tree.get("a", "x")
    assert found is not None
    assert found.value is None
    assert found.place is not None
    assert found.place.path == ("a", "x")
    assert tree.value("a") == {"x": None, "y": 1}


def test_an_empty_map_changes_nothing() -> None:
    assert layers("a: {}\n", {"a": {"x": 1}}).value("a") == {"x": 1}


def test_another_type_replaces_what_is_below() -> None:
    tree = layers("a: 5\n", {"a": {"x": 1}})
    assert tree.value("a") == 5
    assert tree.get("a", "x") is None


def test_what_was_never_set_is_absent() -> None:
    assert layers("a: 1\n", {}).get("b", "c") is None


def test_an_opaque_layer_hides_what_lies_below_and_not_what_lies_above() -> None:
    default = Layer({"x": 1, "y": 1}, None, "chart")
    hidden = Layer(None, opaque=True)
    tree = Layers((default, hidden, Layer({"y": 2}, None, "values")))
    assert tree.get("x") is None
    found = tree.get("y")
    assert found is not None
    assert found.value == 2


def test_a_mounted_layer_hangs_elsewhere_in_the_tree() -> None:
    place = Place(document("spec: {hub: h}\n"), ("spec", "hub"))
    tree = Layers((Layer({"global": {"tag": "t"}}), Layer("h", place, mount=("global", "hub"))))
    assert tree.value("global") == {"tag": "t", "hub": "h"}
    found = tree.get("global", "hub")
    assert found is not None
    assert found.place == place


def test_an_object_of_the_input_gives_every_value_its_place() -> None:
    manifest = document("spec:\n  containers:\n  - name: a\n    image: i\n")
    found = written(manifest.value, Place(manifest, ())).get(
        "spec", "containers", ("name", "a"), "image"
    )
    assert found is not None
    assert found.place is not None
    assert found.place.path == ("spec", "containers", 0, "image")


def test_a_patch_merges_maps_and_replaces_lists() -> None:
    target = Object({"spec": {"a": Sourced(1), "l": Sourced([1, 2])}})
    target.merge(("spec",), Sourced({"b": 2, "l": [3]}))
    assert target.value("spec") == {"a": 1, "b": 2, "l": [3]}


def test_a_patch_takes_blocks_apart_and_removes_with_null() -> None:
    target = Object({"spec": Sourced({"x": {"y": 1, "z": 1}}, default="chart")})
    target.merge(("spec", "x"), Sourced({"y": None, "w": 2}))
    assert target.value("spec", "x") == {"z": 1, "w": 2}


def test_containers_and_variables_merge_by_name() -> None:
    target = Object({})
    target.put(("containers", ("name", "a"), "image"), Sourced("i"))
    target.merge(
        ("containers",),
        Sourced([{"name": "a", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]),
    )
    assert target.value("containers") == [
        {"name": "a", "image": "i", "env": [{"name": "E", "value": "1"}]},
        {"name": "b"},
    ]


def test_removing_what_is_not_there_changes_nothing() -> None:
    target = Object({"a": Sourced(1)})
    target.remove(("b", "c"))
    target.remove(("a", "c"))
    assert target.value() == {"a": 1}
