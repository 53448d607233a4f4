"""Settings of the proxy beside its resources: statistics, logs, images, ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import remove_at
from meshlint.checks.hits import at, there
from meshlint.findings import Hit
from meshlint.mesh.injection import TEMPLATES, scalar_map, scalar_text
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.ports import AMBIENT_PORTS, SIDECAR_PORTS
from meshlint.mesh.provenance import Place
from meshlint.mesh.proxy_config import (
    CONFIG_ANNOTATION,
    annotation_config,
    count,
    parsed_mapping,
)
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Set

Pods = Workload | GatewayProxy


def _annotations(subject: Pods) -> tuple[Mapping[str, str], Place | None]:
    """Annotations of the pods, and where they stand."""
    if isinstance(subject, GatewayProxy):
        return subject.annotations, subject.annotations_place
    place = Place(subject.resource.document, subject.annotations_path)
    return scalar_map(subject.annotations), place


def _annotated(subject: Pods, name: str) -> tuple[str, Place] | None:
    annotations, place = _annotations(subject)
    if name not in annotations or place is None:
        return None
    return annotations[name], place.below(name)


# ----------------------------------------------------------------------------------- statistics

_STATS_ANNOTATIONS = {
    "sidecar.istio.io/statsInclusionRegexps": "inclusionRegexps",
    "sidecar.istio.io/statsInclusionPrefixes": "inclusionPrefixes",
}


def stats_unbounded(
    subject: Pods | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Statistics matchers that include every name."""
    for field, entry, place in _stats_entries(subject):
        if _includes_everything(field, entry):
            yield at(place, {"field": field, "entry": entry})


def _stats_entries(subject: Pods | MeshConfig) -> Iterator[tuple[str, str, Place]]:
    fields = ("inclusionRegexps", "inclusionPrefixes")
    if isinstance(subject, MeshConfig):
        for field in fields:
            found = subject.config.get("defaultConfig", "proxyStatsMatcher", field)
            for number, entry in enumerate(items(found.value if found is not None else None)):
                if found is not None and found.place is not None and isinstance(entry, str):
                    yield field, entry, found.place.below(number)
        return
    for name, field in _STATS_ANNOTATIONS.items():
        annotated = _annotated(subject, name)
        if annotated is not None and annotated[0]:
            for entry in annotated[0].split(","):
                yield field, entry, annotated[1]
    annotated = _annotated(subject, CONFIG_ANNOTATION)
    if annotated is not None:
        config = parsed_mapping(annotated[0], CONFIG_ANNOTATION)
        for field in fields:
            for entry in items(config, "proxyStatsMatcher", field):
                if isinstance(entry, str):
                    yield field, entry, annotated[1]


def _includes_everything(field: str, entry: str) -> bool:
    if field == "inclusionPrefixes":
        return entry == ""
    return entry.removeprefix("^").removesuffix("$").strip("()") in ("", ".*", ".+")


# ----------------------------------------------------------------------------------------- logs

_LOG_ANNOTATIONS = (
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/componentLogLevel",
    "sidecar.istio.io/agentLogLevel",
)
_LOG_VALUES = (
    ("global", "proxy", "logLevel"),
    ("global", "proxy", "componentLogLevel"),
    ("global", "logging", "level"),
)


def log_level_verbose(
    subject: Pods | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Log levels debug and trace, of the proxy as a whole or of one of its components."""
    if isinstance(subject, ControlPlane):
        for path in _LOG_VALUES:
            found = subject.values.get(*path)
            if found is not None and found.place is not None and _is_verbose(found.value):
                args = {"setting": ".".join(path), "level": found.value}
                yield at(found.place, args, fix=remove_at(found.place))
        return
    for name in _LOG_ANNOTATIONS:
        annotated = _annotated(subject, name)
        if annotated is not None and _is_verbose(annotated[0]):
            args = {"setting": name, "level": annotated[0]}
            yield at(annotated[1], args, fix=remove_at(annotated[1]))


def _is_verbose(levels: Any) -> bool:
    # `debug`, or `http:debug,router:info` for components.
    return isinstance(levels, str) and any(
        level.rpartition(":")[2].strip().lower() in ("debug", "trace")
        for level in levels.split(",")
    )


# ----------------------------------------------------------------------------------- core dumps

_CORE_DUMP = "sidecar.istio.io/enableCoreDump"


def core_dump_enabled(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Core dumps of the proxy, which Istio supported up to 1.23."""
    if isinstance(subject, ControlPlane):
        found = subject.values.get("global", "proxy", "enableCoreDump")
        if found is not None and found.place is not None and scalar_text(found.value) == "true":
            message = "removed" if subject.version.at_least("1.24") else "default"
            args = {"setting": "global.proxy.enableCoreDump"}
            yield at(found.place, args, message=message, fix=remove_at(found.place))
        return
    annotated = _annotated(subject, _CORE_DUMP)
    if annotated is not None and annotated[0] == "true":
        proxy = world.proxy(subject)
        version = proxy.version if proxy is not None else world.istio_version
        message = "removed" if version.at_least("1.24") else "default"
        fix = remove_at(annotated[1])
        yield at(annotated[1], {"setting": _CORE_DUMP}, message=message, on_key=True, fix=fix)


# --------------------------------------------------------------------------------------- images


def image_pinned(subject: Pods, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Images of single proxies that the control plane would otherwise choose."""
    annotated = _annotated(subject, "sidecar.istio.io/proxyImage")
    # Without a slash the templates do not take the value for an image.
    if annotated is not None and "/" in annotated[0]:
        yield at(annotated[1], {"image": annotated[0]}, fix=remove_at(annotated[1]))
    workload = _injected_pods(subject, world)
    container = workload.proxy_container if workload is not None else None
    image = text(container.value, "image") if container is not None else ""
    if workload is not None and container is not None and image not in ("", "auto"):
        path = (*container.path, "image")
        yield Hit(path, {"image": image}, message="container", fix=(Set(path, "auto"),))


def _injected_pods(subject: Pods, world: World) -> Workload | None:
    """The workload, where a proxy is injected over what its template says of the container."""
    if isinstance(subject, Workload):
        return None if world.injection(subject).manual else subject
    if subject.form != "rendered" or subject.resource is None:
        return None
    workload = world.index.workload_of(subject.resource)
    return workload if workload is not None and TEMPLATES in workload.annotations else None


def frozen_in_manifest(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Sidecars that manual injection has written into the manifest."""
    container = subject.proxy_container
    if container is None or items(container.value, "args")[:2] != ["proxy", "sidecar"]:
        return
    image = text(container.value, "image")
    if image not in ("", "auto"):
        yield Hit((*container.path, "image"), {"image": image})


# ---------------------------------------------------------------------------------- ProxyConfig


def config_conflict(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Fields that the annotation and a ProxyConfig object set to different values."""
    annotated = annotation_config(subject)
    if annotated is None or annotated.place is None:
        return
    for resource in world.proxies.config_objects(subject):
        for field, path, own, other in _both_set(annotated.value, resource):
            if own != other:
                place = Place(resource.document, (*resource.path, "spec", *path))
                yield at(
                    annotated.place,
                    {
                        "field": field,
                        "own": own,
                        "other": other,
                        "object": str(resource.ref),
                    },
                    there(place, f"{field} is {other} here"),
                )


def _both_set(
    annotated: Mapping[str, Any], resource: Resource
) -> Iterator[tuple[str, tuple[str, ...], Any, Any]]:
    """Name, path in the object, and both values of each field that both set."""
    fields: dict[str, tuple[str, ...]] = {
        "concurrency": ("concurrency",),
        "image.imageType": ("image", "imageType"),
    }
    for name in mapping(annotated, "proxyMetadata"):
        fields[f"proxyMetadata.{name}"] = ("environmentVariables", name)
    for field, path in fields.items():
        read = count if field == "concurrency" else scalar_text
        own = read(get(annotated, *field.split(".", 1)))
        other = read(get(resource.spec, *path))
        if own is not None and other is not None:
            yield field, path, own, other


# ---------------------------------------------------------------------------------------- ports


def port_occupied(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Container ports that the data plane binds in the same pod."""
    if subject.pod_spec.get("hostNetwork") is True:
        return
    ambient = world.injection(subject).mode == "ambient"
    used = AMBIENT_PORTS if ambient else SIDECAR_PORTS
    for container in subject.main_containers:
        for number, port in mappings(container.value, "ports"):
            bound = integer(port, "containerPort")
            if bound is not None and bound in used and port.get("protocol") in (None, "TCP"):
                yield Hit(
                    (*container.path, "ports", number, "containerPort"),
                    {
                        "container": container.name or "unnamed",
                        "port": bound,
                        "binder": "ztunnel" if ambient else "istio-proxy",
                        "use": used[bound],
                    },
                )
