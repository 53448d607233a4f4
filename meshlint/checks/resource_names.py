"""Checks of names, namespaces, labels and of values that have to be strings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path, Related
from meshlint.mesh.world import World
from meshlint.model.labels import MapKind, string_maps
from meshlint.model.names import (
    LONGEST_DNS_LABEL,
    LONGEST_DNS_NAME,
    is_dns_label,
    is_dns_name,
    is_label_key,
    is_label_value,
    is_placeholder,
    is_unfilled,
    label_fault,
)
from meshlint.model.resources import CLUSTER_SCOPED, Resource
from meshlint.model.values import get
from meshlint.operations import Quote

# Sources: pkg/apis/*/validation of Kubernetes, the ValidateName functions; for Gateways of Istio
# the analyzer of IST0106.
_LABEL_NAMES = frozenset({"core/Namespace", "core/Service", "networking.istio.io/Gateway"})
_PATH_SEGMENT_GROUPS = ("rbac.authorization.k8s.io",)
_PATH_SEGMENT_KINDS = frozenset(
    {
        "certificates.k8s.io/CertificateSigningRequest",
        "certificates.k8s.io/ClusterTrustBundle",
        "networking.k8s.io/IPAddress",
        "flowcontrol.apiserver.k8s.io/FlowSchema",
        "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration",
    }
)
_LONGEST_CRON_JOB = 52
_NAMELESS = ("authentication.k8s.io", "authorization.k8s.io", "install.istio.io")
_NAMED = ("networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io")
_LONGEST_SHOWN = 60


def invalid_name(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """A name or namespace that is missing or that the API server refuses."""
    metadata = (*subject.path, "metadata")
    yield from _name(subject, world, metadata)
    namespace = get(subject.value, "metadata", "namespace")
    if not isinstance(namespace, str) or not namespace:
        return
    where = (*metadata, "namespace")
    if subject.group_kind in CLUSTER_SCOPED:
        yield Hit(where, {"kind": subject.kind, "namespace": namespace}, message="cluster-scoped")
    elif not is_dns_label(namespace) and not is_placeholder(namespace):
        args = {"field": "namespace", "name": _short(namespace), "fault": label_fault(namespace)}
        yield Hit(where, args)


def _name(subject: Resource, world: World, metadata: Path) -> Iterator[Hit]:
    written = get(subject.value, "metadata", "name")
    field = "name"
    if written is None or written == "":
        written = get(subject.value, "metadata", "generateName")
        field = "generateName"
    if written is None or written == "":
        if _needs_name(subject, world) and not world.kustomizations.lists(subject):
            yield Hit((*metadata, "name"), {"kind": subject.kind}, message="missing")
        return
    if not isinstance(written, str):
        if world.schemas.of(subject) is None:
            yield Hit((*metadata, field), {"field": field, "name": written}, message="no-string")
        return
    if is_placeholder(written) or is_unfilled(written):
        return
    fault = _fault(subject, f"{written}x" if field == "generateName" else written)
    if fault:
        yield Hit((*metadata, field), {"field": field, "name": _short(written), "fault": fault})


def _needs_name(subject: Resource, world: World) -> bool:
    if subject.group in _NAMELESS:
        return False
    return subject.group in _NAMED or world.schemas.of(subject) is not None


def _fault(subject: Resource, name: str) -> str:
    """What is wrong with a name; empty for a good one."""
    kind = subject.group_kind
    if subject.group in _PATH_SEGMENT_GROUPS or kind in _PATH_SEGMENT_KINDS:
        if name in (".", "..") or "/" in name or "%" in name:
            return "it may not be . or .. or have a / or % in it"
        return ""
    if kind in _LABEL_NAMES:
        if not is_dns_label(name):
            return label_fault(name)
        if kind == "core/Service" and name[0].isdigit():
            return "the name of a Service begins with a letter"
        return ""
    if not is_dns_name(name):
        if len(name) > LONGEST_DNS_NAME:
            return f"it is {len(name)} characters long, at most {LONGEST_DNS_NAME} are allowed"
        return "it may have lower-case letters, digits, - and . only, letters or digits at the ends"
    if kind == "batch/CronJob" and len(name) > _LONGEST_CRON_JOB:
        return f"it is {len(name)} characters long, a CronJob may have {_LONGEST_CRON_JOB}"
    return ""


# ------------------------------------------------------------------------------------ labels


def invalid_label(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Labels, also those of templates and selectors, with an illegal key or value.

    Values that are no strings are left to `annotation-value-not-string`, the selectors of Istio to
    `istio-selector-invalid`.
    """
    for kind, path, found in string_maps(subject):
        if kind not in ("label", "selector"):
            continue
        if kind == "selector" and subject.group in _NAMED:
            continue
        for key, value in found.items():
            if is_placeholder(key) or (isinstance(value, str) and is_placeholder(value)):
                continue
            if not is_label_key(key):
                yield Hit((*path, key), {"key": _short(key)}, message="key", on_key=True)
            elif isinstance(value, str) and not is_label_value(value):
                long = len(value) > LONGEST_DNS_LABEL
                args = {"key": key, "value": _short(value), "length": len(value)}
                yield Hit((*path, key), args, message="long" if long else "default")


_WORDS: Mapping[MapKind, str] = {
    "label": "Label",
    "annotation": "Annotation",
    "selector": "Label",
    "node-selector": "Node label",
    "data": "Key",
}


def no_string(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values that are no strings where the API has a map of strings."""
    for kind, path, found in string_maps(subject):
        for key, value in found.items():
            if isinstance(value, str):
                continue
            where = (*path, key)
            span = subject.document.span_of(where)
            written = subject.document.file.text[span.start : span.end] if span else ""
            plain = not isinstance(value, dict | list)
            args = {"what": _WORDS[kind], "key": _short(key), "value": _short(written)}
            if value is None:
                message = "null"
            elif plain:
                message = "default"
            else:
                message = "block"
                args["value"] = "a list" if isinstance(value, list) else "a mapping"
            # What a null stands for nobody can tell: an empty text, or nothing.
            fix = (Quote(where, written),) if plain and value is not None else ()
            yield Hit(where, args, message=message, on_key=value is None or not plain, fix=fix)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


# ---------------------------------------------------------------------------------- declared


def declared_twice(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """An object that an earlier one of the same file or folder, applied with it, stands for too.

    An object of three and more files is one of which somebody picks a variant.
    """
    earlier = world.index.earlier_of_name(subject) if subject.name else ()
    if not earlier:
        return
    same = world.index.in_namespace(subject.group_kind, subject.namespace)
    files = {other.document.file for other in same if other.name == subject.name}
    for other in earlier:
        if other.document.file is not subject.document.file and len(files) > 2:
            continue
        if world.kustomizations.in_one_unit(other, subject):
            place = (*other.path, "metadata", "name")
            yield Hit(
                (*subject.path, "metadata", "name"),
                {"ref": str(subject.ref)},
                (Related(other.document, place, "declared here first"),),
            )
            return
