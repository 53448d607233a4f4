"""Fields of an installation that its version of Istio does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import at, dotted
from meshlint.checks.mending import renamed
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.annotations import edit_distance
from meshlint.mesh.installations.field_tables import DEPRECATED, INEFFECTIVE, REMOVED
from meshlint.mesh.installations.known_fields import (
    Chart,
    Steps,
    Target,
    Tree,
    Unknown,
    chart_fields,
    fields_of,
    same_letters,
    unknown_fields,
)
from meshlint.mesh.installations.layers import Layer, Layers
from meshlint.mesh.installations.records import (
    BaseChart,
    ControlPlane,
    Form,
    GatewayProxy,
    NodeAgent,
)
from meshlint.mesh.provenance import Place
from meshlint.mesh.versions import Version, parse_version
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import text

Record = ControlPlane | GatewayProxy | NodeAgent | BaseChart

_TREES: Mapping[str, Tree] = {
    "IstioOperator": "spec",
    "Istio": "sail",
    "IstioCNI": "sail-cni",
    "ZTunnel": "sail-ztunnel",
}


def field_unknown(
    subject: Resource | Record, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Fields that the target version does not have."""
    if isinstance(subject, Resource):
        yield from _of_object(subject, world)
    elif isinstance(subject, BaseChart) or subject.form == "helm":
        yield from _of_chart(subject)


def _of_object(subject: Resource, world: World) -> Iterator[Hit]:
    form: Form = "istiooperator" if subject.kind == "IstioOperator" else "sail"
    version = _version_of(subject, world)
    fields = fields_of(_TREES[subject.kind])
    place = Place(subject.document, (*subject.path, "spec"))
    for found in unknown_fields(subject.spec, fields, Target(version, charts=False)):
        names = _names(found.path)
        path = names[1:] if names[0] == "values" else ("spec", *names)
        if not _in_a_table(path, form):
            where = place.below(*found.path)
            yield _hit(where, found, form, version, ("spec",), subject.kind)


def _version_of(resource: Resource, world: World) -> Version:
    """The version that an object is for; of an overlay on another one that of the mesh."""
    if world.settings.istio_version is not None:
        return world.settings.istio_version
    found = world.installations
    records: list[ControlPlane | NodeAgent] = [*found.control_planes, *found.node_agents]
    records += found.without_control_plane
    for record in records:
        if record.resource is resource:
            return record.version
    written = text(resource.spec, "tag") or text(resource.spec, "version")
    return parse_version(written) or world.istio_version


def _of_chart(subject: Record) -> Iterator[Hit]:
    chart = _chart(subject)
    fields, target = chart_fields(chart), Target(subject.version, charts=True)
    for layer in _given(subject.values):
        assert layer.place is not None
        for found in unknown_fields(layer.plain(), fields, target):
            names = _names(found.path)
            if _in_a_table(names, "helm") or _in_a_table(("pilot", *names), "helm"):
                continue
            if names[0] == "global" and len(found.path) == 2 and not _is_slip(found):
                continue
            refused = chart == "gateway" and len(found.path) == 1
            where = layer.place.below(*found.path[len(layer.mount) :])
            form = "refused" if refused else "helm"
            yield _hit(where, found, form, subject.version, (), chart)


def _chart(subject: Record) -> Chart:
    if isinstance(subject, ControlPlane):
        return "istiod"
    if isinstance(subject, GatewayProxy):
        return "gateway"
    if isinstance(subject, NodeAgent):
        return "cni" if subject.agent == "istio-cni" else "ztunnel"
    return "base"


def _given(values: Layers) -> list[Layer]:
    """What the input gives, each once; a layer may be mounted below a section as well.

    `global` of an umbrella chart is meant for all of its charts and says nothing about one.
    """
    found: dict[tuple[int, Path], Layer] = {}
    for layer in values.layers:
        if layer.place is None or layer.opaque or layer.mount[-1:] == ("global",):
            continue
        key = (id(layer.place.document), layer.place.path)
        known = found.get(key)
        if known is None or len(layer.mount) < len(known.mount):
            found[key] = layer
    return list(found.values())


def _is_slip(found: Unknown) -> bool:
    """Whether a field is a known one in other letters.

    `global` belongs to every chart of a release, some of which may not be Istio's.
    """
    return found.meant is not None and same_letters(str(found.path[-1]), str(found.meant[-1]))


def _in_a_table(path: tuple[str, ...], form: Form) -> bool:
    """Whether a field, or one below it, is gone, deprecated or ineffective: other rules tell.

    Paths are those of `values`, or begin with `spec`.
    """
    for field in (*REMOVED, *DEPRECATED, *INEFFECTIVE):
        if field.form not in (None, form) or field.root == "k8s":
            continue
        listed = ("spec", *field.path) if field.root == "spec" else field.path
        if len(path) < len(listed) and listed[len(path) - 1] == "*":
            continue
        if all(a in (b, "*") for a, b in zip(listed, path, strict=False)):
            return True
    return False


def _hit(place: Place, found: Unknown, form: str, version: Version, root: Steps, what: str) -> Hit:
    args = {
        "field": dotted((*root, *found.path)),
        "meant": dotted((*root, *(found.meant or ()))),
        "version": str(version),
        "since": found.since,
        "what": what,
    }
    # Both istioctl and istiod read MeshConfig with unknown fields allowed.
    message = "mesh" if "meshConfig" in found.path[:-1] and form != "sail" else form
    if found.meant is not None:
        message += "-near"
    elif found.since:
        message += "-later"
    elif found.gone:
        message += "-gone"
    fix: tuple[Change, ...] = ()
    if found.meant is not None and found.meant[:-1] == found.path[:-1] and not place.embedded:
        old, new = str(found.path[-1]), str(found.meant[-1])
        # A parameter names the field in a text.
        written = place.path[-1] == old
        if written and (same_letters(old, new) or edit_distance(old, new, 2) <= 2):
            fix = renamed(place.document, place.path, new)
    return at(place, args, message=message, on_key=True, fix=fix)


def _names(path: Steps) -> tuple[str, ...]:
    return tuple(step for step in path if isinstance(step, str))
