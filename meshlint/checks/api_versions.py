"""Versions of APIs that the target does not serve, or not for long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Change, Hit
from meshlint.mesh.api_versions import (
    BUNDLE_VERSION,
    CHANNEL,
    GATEWAY_API_ALPHA,
    GATEWAY_API_MINIMUM,
    GATEWAY_API_V1ALPHA2_GONE,
    ISTIO_APIS,
    Retired,
    changes_meaning,
    gone_from_istio,
    retired,
    served_version,
)
from meshlint.mesh.versions import parse_version
from meshlint.mesh.world import World
from meshlint.model.resources import CRD, Resource, home_of
from meshlint.model.values import text
from meshlint.operations import Set

# ----------------------------------------------------------------------------------- Kubernetes


def kubernetes_removed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Built-in kinds in a version that the target serves no more.

    HorizontalPodAutoscalers are left to `hpa-api-version-removed`.
    """
    row = retired(subject)
    if row is None or row.is_served(world.kubernetes_version):
        return
    yield _kubernetes(subject, row, world)


def kubernetes_deprecated(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Built-in kinds in a version that the target serves beside the one that replaces it."""
    row = retired(subject)
    if row is None or not row.is_served(world.kubernetes_version):
        return
    if row.successor(world.kubernetes_version):
        yield _kubernetes(subject, row, world)


def kubernetes_misplaced(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Built-in kinds with the group of others."""
    written = text(subject.value, "apiVersion")
    home = home_of(written, subject.kind)
    if home:
        path = (*subject.path, "apiVersion")
        args = {"kind": subject.kind, "version": written, "home": home}
        yield Hit(path, args, fix=(Set(path, home),))


def _kubernetes(subject: Resource, row: Retired, world: World) -> Hit:
    target = world.kubernetes_version
    successor = row.successor(target)
    fix: tuple[Change, ...] = ()
    differs = ""
    if not row.same:
        differs = ", whose fields differ"
    elif changes_meaning(subject):
        differs = ", where an empty selector finds every pod"
    elif successor:
        fix = (Set((*subject.path, "apiVersion"), successor),)
    args = {
        "version": subject.api_version,
        "kind": subject.kind,
        "removed": row.removed,
        "target": str(target),
        "successor": successor,
        "differs": differs,
    }
    message = "default" if successor else "nothing"
    return Hit((*subject.path, "apiVersion"), args, message=message, fix=fix)


# ---------------------------------------------------------------------------------------- Istio


def istio_unserved(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Kinds of Istio in a version that the target does not have, and kinds that it lost."""
    if subject.group_kind == CRD:
        yield from _istio_definition(subject)
    if not subject.group.endswith(".istio.io"):
        return
    target = world.istio_version
    path = (*subject.path, "apiVersion")
    args = {"version": subject.api_version, "kind": subject.kind, "target": str(target)}
    gone, instead = gone_from_istio(subject.group, subject.api_version)
    if gone:
        yield Hit(path, {**args, "instead": _write(instead)}, message="gone")
        return
    api = ISTIO_APIS.get(subject.group_kind)
    if api is None:
        return
    served = served_version(subject.group_kind, target)
    if subject.version == served or subject.version in api.older:
        return
    later = subject.version == api.newest
    if not served:
        args["since"] = api.since
        yield Hit(path, args, message="kind-later")
        return
    args |= {"since": api.since, "served": f"{subject.group}/{served}"}
    fix = (Set(path, args["served"]),)
    yield Hit(path, args, message="later" if later else "default", fix=fix)


def _istio_definition(subject: Resource) -> Iterator[Hit]:
    group = text(subject.spec, "group")
    gone, instead = gone_from_istio(group, "")
    if gone:
        kind = text(subject.spec, "names", "kind") or subject.name
        args = {"kind": kind, "group": group, "instead": _write(instead)}
        yield Hit((*subject.path, "spec", "group"), args, message="definition")


def _write(instead: str) -> str:
    return f" Use {instead} instead." if instead else ""


def istio_outdated(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Kinds of Istio in an older version than the newest that the target serves."""
    api = ISTIO_APIS.get(subject.group_kind)
    if api is None or subject.version not in api.older:
        return
    newest = served_version(subject.group_kind, world.istio_version)
    if newest == api.newest:
        path = (*subject.path, "apiVersion")
        served = f"{subject.group}/{newest}"
        args = {"version": subject.api_version, "newest": served, "since": api.since}
        yield Hit(path, args, fix=(Set(path, served),))


# ---------------------------------------------------------------------------------- Gateway API


def gateway_api_unserved(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Kinds of the Gateway API in a version that its definitions do not serve any more."""
    path = (*subject.path, "apiVersion")
    args = {"version": subject.api_version, "kind": subject.kind}
    if subject.group == GATEWAY_API_ALPHA:
        yield Hit(path, args, message="group")
        return
    current = GATEWAY_API_V1ALPHA2_GONE.get(subject.kind)
    if current is not None and subject.version == "v1alpha2":
        served = f"{subject.group}/{current}"
        yield Hit(path, {**args, "served": served}, fix=(Set(path, served),))


def gateway_api_definition_outdated(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Definitions of the Gateway API that are too old for the target's istiod."""
    minimum, since = GATEWAY_API_MINIMUM.get(subject.name, ("", ""))
    bundle = parse_version(text(subject.annotations, BUNDLE_VERSION))
    if bundle is None or not minimum or world.istio_version.before(since):
        return
    if bundle.before(minimum):
        yield Hit(
            (*subject.path, "metadata", "annotations", BUNDLE_VERSION),
            {
                "kind": text(subject.spec, "names", "kind") or subject.name,
                "bundle": text(subject.annotations, BUNDLE_VERSION),
                "minimum": minimum,
                "target": str(world.istio_version),
            },
        )


def gateway_api_experimental(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Definitions of the experimental channel of the Gateway API."""
    if text(subject.annotations, CHANNEL) == "experimental":
        kind = text(subject.spec, "names", "kind") or subject.name
        yield Hit((*subject.path, "metadata", "annotations", CHANNEL), {"kind": kind})
