"""Versions of installations: pinned, supported, and in step with one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import at, there
from meshlint.findings import Hit
from meshlint.mesh.installations.records import (
    BaseChart,
    ControlPlane,
    GatewayProxy,
    NodeAgent,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import KUBERNETES_MINIMUM, Version
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, text
from meshlint.model.workloads import make_workload
from meshlint.patterns import regexp

_EXACT = regexp(r"v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.\-+]+)?")


def version_unpinned(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Installations whose version depends on the day, or on whose istioctl installs them."""
    resource = subject.resource
    if resource is None:
        return
    if subject.form == "istiooperator":
        if subject.spec.given("tag") is None:
            path = (*resource.path, "spec", "tag")
            yield at(Place(subject.document, path), {}, message="operator", on_key=True)
    elif subject.form == "sail":
        source = subject.version_source
        if source is not None and source.place is not None and source.value.endswith("-latest"):
            yield at(source.place, {"version": source.value}, message="sail")
    elif subject.form == "helm":
        given = subject.chart_version
        if given is None:
            return  # a chart from a folder or from a source that is not in the input
        if given.value is None:
            yield at(Place(subject.document, resource.path), {}, message="missing")
        elif given.place is not None and not _EXACT.fullmatch(str(given.value)):
            yield at(given.place, {"version": given.value})


def version_skewed(
    subject: GatewayProxy | NodeAgent | BaseChart, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Gateways and node agents that are ahead of istiod, or more than one minor behind it.

    The chart with the definitions may be newer than istiod, never older.
    """
    own = subject.version_source
    plane = _plane_of(subject, world)
    if own is None or own.place is None or plane is None:
        return
    theirs = plane.version_source
    if theirs is None or theirs.place is None or theirs.place == own.place:
        return
    distance = plane.version.minor - subject.version.minor
    if isinstance(subject, BaseChart):
        if subject.chart == "base" and distance > 0 and plane.version.major == 1:
            args = {"version": str(subject.version), "istiod": str(plane.version)}
            related = there(theirs.place, f"istiod is {plane.version}")
            yield at(own.place, args, related, message="base")
        return
    if plane.version.major != subject.version.major or 0 <= distance <= 1:
        return
    yield at(
        own.place,
        {"name": _name(subject), "version": str(subject.version), "istiod": str(plane.version)},
        there(theirs.place, f"istiod is {plane.version}"),
        message="ahead" if distance < 0 else "behind",
    )


def _plane_of(subject: GatewayProxy | NodeAgent | BaseChart, world: World) -> ControlPlane | None:
    planes = [plane for plane in world.installations.control_planes if plane.istiod]
    if isinstance(subject, GatewayProxy):
        planes = [plane for plane in planes if plane.revision == subject.revision] or planes
    return planes[0] if len(planes) == 1 else None


def _name(subject: GatewayProxy | NodeAgent) -> str:
    if isinstance(subject, NodeAgent):
        return subject.agent
    return f"Gateway {subject.name}" if subject.name else "The gateway"


def kubernetes_version_unsupported(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Installations on a Kubernetes that the Istio release does not run on."""
    if not world.settings.kubernetes_version_given:
        return
    minimum = _minimum(subject.version)
    if minimum is not None and world.kubernetes_version.before(minimum):
        source = subject.version_source
        place = source.place if source is not None and source.place is not None else subject.home
        yield at(
            place,
            {
                "version": str(subject.version),
                "minimum": minimum,
                "kubernetes": str(world.kubernetes_version),
            },
        )


def _minimum(version: Version) -> str | None:
    found = None
    for istio, kubernetes in KUBERNETES_MINIMUM:
        if version.at_least(istio):
            found = kubernetes
    return found


def compatibility_version_set(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Installations that keep the behavior of an older release."""
    found: Sourced[Any] | None = subject.values.given("compatibilityVersion")
    if found is None:
        found = subject.spec.given("compatibilityVersion")
    if found is not None and found.value and found.place is not None:
        yield at(found.place, {"old": found.value, "version": str(subject.version)})


_OPERATOR_IMAGE = regexp(r"(?:.*/)?istio[^/]*(?:/[^/]+)*/operator(?:[:@].*)?")


def operator_removed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """The in-cluster operator, with a release that no longer has it."""
    if world.istio_version.before("1.24"):
        return
    version = {"version": str(world.istio_version)}
    if subject.kind == "CustomResourceDefinition":
        if subject.name == "istiooperators.install.istio.io":
            yield Hit((*subject.path, "metadata", "name"), version, message="definition")
        return
    workload = make_workload(subject)
    for container in workload.containers if workload is not None else ():
        if _OPERATOR_IMAGE.fullmatch(text(container.value, "image")):
            yield Hit((*container.path, "image"), version)


def revision_handwritten(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """IstioRevisions that nothing owns: the Sail operator makes them itself."""
    if not get(subject.value, "metadata", "ownerReferences"):
        yield Hit((*subject.path, "kind"), {"name": subject.name})
