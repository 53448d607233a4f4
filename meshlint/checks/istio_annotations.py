"""Annotations and labels of Istio: known, in their place, valid, and of a stage to rely on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import listed
from meshlint.checks.mending import renamed
from meshlint.dataclass import dataclass
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.annotations import (
    KNOWN,
    NAMES,
    RESERVED,
    SUCCESSORS,
    Known,
    edit_distance,
    fault,
    is_istio_name,
    nearest_name,
)
from meshlint.mesh.injection import (
    DATAPLANE_MODE,
    INJECT,
    NAMESPACE_INJECTION,
    REVISION,
    scalar_map,
)
from meshlint.mesh.proxy import NATIVE_ANNOTATION, RESOURCE_ANNOTATIONS
from meshlint.mesh.proxy_config import CONFIG_ANNOTATION
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, text
from meshlint.model.workloads import Workload
from meshlint.operations import Move, Remove

Subject = Resource | Workload


@dataclass(frozen=True, slots=True)
class _Entry:
    """One annotation or label, and what it stands on."""

    form: str
    name: str
    value: str
    kind: str
    """Kind it speaks about: Pod in a template."""
    path: Path

    @property
    def known(self) -> Known | None:
        return KNOWN.get((self.form, self.name))

    @property
    def on(self) -> str:
        return "pods" if self.kind == "Pod" else f"a {self.kind}"


def _entries(subject: Subject) -> Iterator[_Entry]:
    resource = subject.resource if isinstance(subject, Workload) else subject
    blocks: list[tuple[str, Path]] = []
    if isinstance(subject, Workload):
        if subject.kind == "CronJob":
            path = (*resource.path, "spec", "jobTemplate", "metadata")
            blocks.append(("Job", path))
        blocks.append(("Pod", (*subject.template_path, "metadata")))
    if not (isinstance(subject, Workload) and subject.kind == "Pod"):
        blocks.insert(0, (resource.kind, (*resource.path, "metadata")))
    for kind, path in blocks:
        for form, part in (("annotation", "annotations"), ("label", "labels")):
            block = (*path, part)
            for name, value in scalar_map(get(resource.document.value, *block)).items():
                if isinstance(name, str):
                    yield _Entry(form, name, value, kind, (*block, name))


def unknown(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Names in a domain of Istio that Istio does not have."""
    for entry in _entries(subject):
        if entry.name not in NAMES and is_istio_name(entry.name, world.settings):
            near = nearest_name(entry.name)
            hint = f" Perhaps {near} is meant." if near else ""
            args = {"form": entry.form, "name": entry.name, "hint": hint, "near": near}
            sure = edit_distance(entry.name.lower(), near.lower(), 2) <= 2
            name = near if sure and (entry.form, near) in KNOWN else ""
            fix = renamed(_document(subject), entry.path, name)
            yield Hit(entry.path, args, on_key=True, fix=fix)


# ------------------------------------------------------------------------------------ misplaced


def misplaced(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Known names on a kind, or in a form, for which nothing reads them."""
    found = list(_entries(subject))
    on_pods = {entry.name for entry in found if entry.kind == "Pod"}
    for entry in found:
        if _left_to_others(subject, entry) or entry.name not in NAMES:
            continue
        known = entry.known
        # The template says it too: the copy on the object is for people.
        if entry.kind != "Pod" and entry.name in on_pods:
            continue
        if known is None:
            other = "a label" if entry.form == "annotation" else "an annotation"
            meant = KNOWN[other.partition(" ")[2], entry.name]
            # Waypoints were chosen by annotations before 1.22.
            if not meant.anywhere and world.istio_version.at_least("1.22"):
                args = {"form": entry.form, "name": entry.name, "other": other}
                yield Hit(entry.path, args, message="form", on_key=True)
        elif not known.anywhere and known.stage != "removed" and entry.kind not in known.kinds:
            kinds = ["pod templates" if k == "Pod" else k for k in sorted(known.kinds)]
            yield Hit(
                entry.path,
                {
                    "form": entry.form,
                    "name": entry.name,
                    "on": entry.on,
                    "kinds": listed(kinds),
                },
                on_key=True,
            )


def _left_to_others(subject: Subject, entry: _Entry) -> bool:
    """What injection-label-misplaced and proxy-annotation-misplaced look at."""
    if not isinstance(subject, Workload):
        return False
    if entry.name == NAMESPACE_INJECTION:
        return True
    if entry.kind == "Pod":
        return False
    if entry.name in (INJECT, REVISION, DATAPLANE_MODE):
        return True
    return entry.form == "annotation" and (
        entry.name.startswith(("sidecar.istio.io/proxy", "traffic.sidecar.istio.io/"))
        or entry.name in (NATIVE_ANNOTATION, CONFIG_ANNOTATION)
    )


# --------------------------------------------------------------------------------------- values


def invalid(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values that Istio refuses."""
    for entry in _entries(subject):
        known = entry.known
        if known is None or entry.form != "annotation":
            continue
        if not known.anywhere and entry.kind not in known.kinds:
            continue
        wrong = fault(known.check, entry.value)
        if wrong is not None:
            value = get(_document(subject).value, *entry.path)
            block = "\n" in value if isinstance(value, str) else False
            message = "refused" if known.refused else "default"
            args = {"name": entry.name, "wrong": wrong}
            yield Hit(entry.path, args, message=message, on_key=block)


def _document(subject: Subject) -> Any:
    return subject.resource.document if isinstance(subject, Workload) else subject.document


# --------------------------------------------------------------------------------------- stages


def deprecated(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Annotations that have a successor, or that the target version no longer has."""
    found = list(_entries(subject))
    # The label came with 1.12.
    older = world.istio_version.before("1.12")
    labels = {(entry.kind, entry.name) for entry in found if entry.form == "label"}
    for entry in found:
        known = entry.known
        if known is None or entry.form != "annotation":
            continue
        if entry.name == INJECT and ((entry.kind, INJECT) in labels or older):
            continue
        instead = SUCCESSORS.get(entry.name, "")
        if known.stage == "deprecated":
            hint = f" Use {instead}." if instead else ""
            args = {"name": entry.name, "hint": hint}
            fix: tuple[Change, ...] = ()
            if entry.name == INJECT and entry.kind == "Pod":
                fix = (Move(entry.path, (*entry.path[:-2], "labels", INJECT)),)
            yield Hit(entry.path, args, on_key=True, fix=fix)
        elif known.stage == "removed" and known.last_registered is not None:
            last = known.last_registered
            if world.istio_version.before(f"{last.major}.{last.minor + 1}"):
                continue
            if (
                not world.reports("proxy-core-dump-enabled", subject)
                or "CoreDump" not in entry.name
            ):
                removed = {"name": entry.name, "last": last}
                yield Hit(entry.path, removed, message="removed", on_key=True)


# Nothing else sizes the proxy of one workload, or makes injection build a gateway of a Deployment.
_INDISPENSABLE = frozenset({*RESOURCE_ANNOTATIONS, "inject.istio.io/templates"})


def alpha(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Annotations that may change or go without notice."""
    for entry in _entries(subject):
        known = entry.known
        if known is None or entry.form != "annotation" or entry.name in _INDISPENSABLE:
            continue
        if known.stage == "alpha" and (known.anywhere or entry.kind in known.kinds):
            yield Hit(entry.path, {"name": entry.name}, on_key=True)


def reserved(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Annotations of pods that the injector or the node agent writes, written by hand."""
    proxy = subject.proxy_container
    if proxy is not None and text(proxy.value, "image") not in ("", "auto"):
        return
    for name in subject.annotations:
        if name in RESERVED or name == REVISION:
            message = "status" if name == "sidecar.istio.io/status" else "default"
            path = (*subject.annotations_path, name)
            yield Hit(path, {"name": name}, message=message, on_key=True, fix=(Remove(path),))
