"""Images of pods and of installations: do they change, where do they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.hits import at, listed
from meshlint.findings import Hit, Related
from meshlint.mesh.images import PodImage
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.world import World
from meshlint.model.images import parse_image
from meshlint.model.values import text
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Set

_RETIRED, _SUCCESSOR = "k8s.gcr.io", "registry.k8s.io"


def tag_mutable(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images that are another one tomorrow."""
    for image in world.images.of(subject):
        if not _is_mutable(image, params["tags"]):
            continue
        args = {
            "container": image.container.name or "unnamed",
            "image": text(image.container.value, "image"),
            "tag": image.reference.tag,
        }
        yield Hit(image.path, args, message="default" if image.reference.tag else "absent")


def digest_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images that are named by a tag, which can be moved."""
    for image in world.images.of(subject):
        if not image.reference.digest:
            written = text(image.container.value, "image")
            args = {"container": image.container.name or "unnamed", "image": written}
            yield Hit(image.path, args)


def pull_stale(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images that change but are not pulled again.

    With `every_image` all of them have to be pulled; with `written` the policy has to be there
    even where Always is the default.
    """
    for image in world.images.of(subject):
        mutable = _is_mutable(image, params["tags"])
        if image.reference.digest or not (mutable or params["every_image"]):
            continue
        policy = _policy(image, written=params["written"])
        if policy == "Always":
            continue
        path = (*image.container.path, "imagePullPolicy")
        args = {
            "container": image.container.name or "unnamed",
            "image": text(image.container.value, "image"),
            "policy": policy,
        }
        yield Hit(
            path,
            args,
            (Related(subject.resource.document, image.path, "the image"),),
            message="default" if mutable else "every",
            on_key="imagePullPolicy" not in image.container.value,
            fix=(Set(path, "Always"),),
        )


def _policy(image: PodImage, *, written: bool) -> str:
    """The pull policy in force: without one Always for `latest`, else IfNotPresent."""
    policy = text(image.container.value, "imagePullPolicy")
    if policy or written:
        return policy or "unset"
    reference = image.reference
    latest = not reference.digest and reference.effective_tag == "latest"
    return "Always" if latest else "IfNotPresent"


def _is_mutable(image: PodImage, tags: Sequence[str]) -> bool:
    reference = image.reference
    return not reference.digest and (not reference.tag or reference.tag in tags)


# ------------------------------------------------------------------------------------ registries


def registry_retired(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images of a registry that gets nothing new."""
    for container, written in _written(subject):
        reference = parse_image(written)
        if reference is not None and reference.registry == _RETIRED:
            path = (*container.path, "image")
            args = {"container": container.name or "unnamed", "image": written}
            fixed = f"{_SUCCESSOR}{written[len(_RETIRED) :]}"
            yield Hit(path, args, fix=(Set(path, fixed),))


def registry_unlisted(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Images from elsewhere than the registries that are named."""
    allowed = [_prefix(entry) for entry in params["allowed"]]
    if not allowed:
        return
    if isinstance(subject, ControlPlane):
        yield from _hubs(subject, allowed, params["allowed"])
        return
    for image in world.images.of(subject):
        if not _starts(image.reference.full_name, allowed):
            args = {
                "who": f"Container {image.container.name or 'unnamed'} runs",
                "image": text(image.container.value, "image"),
                "allowed": listed(params["allowed"]),
            }
            yield Hit(image.path, args)


def _hubs(subject: ControlPlane, allowed: Sequence[str], named: Sequence[str]) -> Iterator[Hit]:
    if subject.form == "rendered":
        return  # its pods are looked at as workloads
    given = (image.hub for image in subject.images)
    for hub in dict.fromkeys(hub for hub in given if isinstance(hub.value, str) and hub.value):
        # A hub is all but the last part of an image's name.
        if _starts(_prefix(f"{hub.value}/istiod").rpartition("/")[0], allowed):
            continue
        place = hub.anchor or subject.home
        args = {"who": "The installation uses", "image": hub.value, "allowed": listed(named)}
        yield at(place, args)


def _prefix(entry: str) -> str:
    """A prefix of registry and repository, without what is understood by itself."""
    entry = entry.rstrip("/")
    first, slash, _ = entry.partition("/")
    if "." in first or ":" in first or first == "localhost":
        return entry
    return f"docker.io/{entry}" if slash else f"docker.io/library/{entry}"


def _starts(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}/") for prefix in prefixes)


def _written(subject: Workload) -> Iterator[tuple[Container, str]]:
    for container in subject.containers:
        written = text(container.value, "image")
        if written:
            yield container, written
