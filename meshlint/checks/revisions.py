"""Revisions and tags: labels that no control plane answers, and installations without a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import at, listed
from meshlint.findings import Change, Hit, In, NewDocument, Related
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.installations.sail import revision_of
from meshlint.mesh.provenance import Place
from meshlint.mesh.roles import is_istiod, is_node_agent
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get
from meshlint.model.workloads import Workload
from meshlint.operations import Append
from meshlint.patterns import regexp

INJECTION = "istio-injection"
REVISION = "istio.io/rev"
INJECT = "sidecar.istio.io/inject"

_NAME = regexp(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_MANAGED = "asm-managed"
"""Revisions of control planes that a cloud provider runs; nothing in an input installs them."""


# ------------------------------------------------------------------------------- the default tag


def default_tag_missing(
    subject: Resource | Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Labels that ask for the default control plane, where only named revisions are installed."""
    planes = world.installations.control_planes
    if not planes or "default" in world.installations.tags:
        return
    if any(p.form not in ("helm", "rendered") or not p.revision for p in planes):
        return
    path = _asks_for_default(subject, world)
    if path is None:
        return
    named = sorted({p.revision for p in planes})
    related = tuple(
        Related(p.document, _revision_place(p).path, f"revision {p.revision}") for p in planes[:3]
    )
    newest = max(planes, key=lambda plane: (plane.version.major, plane.version.minor))
    fix = _tagged_default(newest)
    yield Hit(path, {"revisions": listed(named), "newest": newest.revision}, related, fix=fix)


def _tagged_default(plane: ControlPlane) -> tuple[Change, ...]:
    """Gives a revision the tag default; rendered objects have to be rendered again for that."""
    site = plane.values.site("revisionTags") if plane.form == "helm" else None
    if site is None or site.embedded:
        return ()
    return (In(site.document, (Append(site.path, "default"),)),)


def _asks_for_default(subject: Resource | Workload, world: World) -> tuple[str | int, ...] | None:
    """The label that only the webhooks of the default revision match."""
    if isinstance(subject, Resource):
        labels = subject.labels
        if labels.get(INJECTION) == "enabled":
            return (*subject.path, "metadata", "labels", INJECTION)
        return None
    labels = subject.labels
    if labels.get(INJECT) != "true" or REVISION in labels:
        return None
    namespace = world.index.namespace(subject.namespace)
    if namespace is None or {INJECTION, REVISION} & namespace.labels.keys():
        return None
    return (*subject.labels_path, INJECT)


def _revision_place(plane: ControlPlane) -> Place:
    found = plane.values.given("revision")
    return (found.place if found else None) or plane.home


def sail_default_revision_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Sail control planes that no namespace with the usual label belongs to."""
    istios = world.index.of_kind("sailoperator.io/Istio")
    planes = world.installations.control_planes
    if subject is not istios[0] or "default" in world.installations.tags:
        return
    if any(revision_of(istio) == "" for istio in istios):
        return
    if any(p.form != "sail" and not p.revision for p in planes):
        return
    for namespace in world.index.of_kind("core/Namespace"):
        for label, value in ((INJECTION, "enabled"), (REVISION, "default")):
            if namespace.labels.get(label) != value:
                continue
            path = (*namespace.path, "metadata", "labels", label)
            related = (Related(namespace.document, path, f"Namespace {namespace.name}"),)
            args = {"revision": revision_of(subject), "label": f"{label}={value}"}
            named = subject.name != "default"
            field = ("metadata", "name") if named else ("spec", "updateStrategy", "type")
            message = "default" if named else "revision-based"
            fix = (_default_tag(subject),)
            yield Hit((*subject.path, *field), args, related, message=message, fix=fix)
            return


def _default_tag(istio: Resource) -> NewDocument:
    return NewDocument(
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "IstioRevisionTag",
            "metadata": {"name": "default"},
            "spec": {"targetRef": {"kind": "Istio", "name": istio.name}},
        }
    )


# ----------------------------------------------------------------------------- unknown revisions


def injection_revision_missing(
    subject: Resource | Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A label istio.io/rev that names neither a revision nor a tag of the input."""
    labels = subject.labels
    name = labels.get(REVISION)
    if not isinstance(name, str) or not _NAME.match(name) or name.startswith(_MANAGED):
        return
    if isinstance(subject, Workload) and not _label_is_read(subject, world):
        return
    known = _known_revisions(world)
    if name in known or any(name.startswith(part) for part in _open_names(world)):
        return
    if isinstance(subject, Workload):
        path = (*subject.labels_path, REVISION)
    else:
        path = (*subject.path, "metadata", "labels", REVISION)
    yield Hit(path, {"revision": name, "known": listed(sorted(known))})


def _label_is_read(workload: Workload, world: World) -> bool:
    """Whether the webhooks look at the label of the template (istiod chart, revision tags)."""
    if workload.labels.get(INJECT) == "false" or is_istiod(workload) or is_node_agent(workload):
        return False
    namespace = world.index.namespace(workload.namespace)
    return namespace is None or not {INJECTION, REVISION} & namespace.labels.keys()


def _known_revisions(world: World) -> set[str]:
    found = world.installations
    known = {plane.revision or "default" for plane in found.control_planes}
    known |= {resource.name for resource in world.index.of_kind("sailoperator.io/IstioRevision")}
    return known | set(found.tags)


def _open_names(world: World) -> list[str]:
    """Beginnings of revisions whose end the operator fills in (a version such as v1.27-latest)."""
    return [
        f"{istio.name}-v"
        for istio in world.index.of_kind("sailoperator.io/Istio")
        if get(istio.spec, "updateStrategy", "type") == "RevisionBased"
        and not re.fullmatch(r"v\d+\.\d+\.\d+", str(istio.spec.get("version")))
    ]


def revision_unnamed(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """The only control plane, which every upgrade replaces in place."""
    if len(world.installations.control_planes) > 1 or not subject.istiod:
        return
    if subject.form == "sail" and subject.resource is not None:
        if get(subject.resource.spec, "updateStrategy", "type") != "RevisionBased":
            path = (*subject.path, "spec", "updateStrategy", "type")
            yield Hit(path, message="sail", on_key=True)
        return
    if subject.revision or world.installations.tags:
        return
    place = subject.home
    if subject.form == "istiooperator":
        place = place.below("spec", "revision")
    elif subject.form == "helm":
        place = subject.values.site("revision") or place
    yield at(place, {}, on_key=True)
