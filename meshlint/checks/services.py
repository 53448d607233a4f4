"""Services: which pods they select, and who can reach them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, text
from meshlint.patterns import regexp

_HEADLESS = "None"
_GATEWAY_LABELS = ("istio", "app", "app.kubernetes.io/name")
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_LOOPBACK_NAME = regexp(r"(?:.*\.)?localhost(?:\.localdomain)?|ip6-(?:localhost|loopback)")


def service_type(service: Resource) -> str:
    """The type of a Service, the default included."""
    return text(service.spec, "type") or "ClusterIP"


def selects_nothing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Selectors that no pods carry the labels of."""
    selector = mapping(subject.spec, "selector")
    if not selector or service_type(subject) == "ExternalName":
        return
    if not params["everywhere"] and not world.presence.shows_workloads(subject):
        return
    if world.pods.is_before_infrastructure(subject):
        return
    if world.pods.may_match(subject, {"matchLabels": selector}):
        return
    labels = ", ".join(f"{key}: {value}" for key, value in selector.items())
    args = {"labels": labels, "namespace": subject.namespace}
    yield Hit((*subject.path, "spec", "selector"), args, on_key=True)


def selector_duplicate(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Services that select the same pods as one before them."""
    if service_type(subject) == "ExternalName":
        return
    headless = subject.spec.get("clusterIP") == _HEADLESS
    for other in world.pods.twins(subject):
        if other is subject:
            return
        if other.name == subject.name or service_type(other) == "ExternalName":
            continue
        if (other.spec.get("clusterIP") == _HEADLESS) != headless:
            continue
        if not world.presence.together(subject, other):
            continue
        path = (*other.path, "spec", "selector")
        related = (Related(other.document, path, "the same selector", on_key=True),)
        args = {"other": other.name}
        yield Hit((*subject.path, "spec", "selector"), args, related, on_key=True)
        return


def exposed(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Services that traffic from outside reaches past the gateways."""
    kind = service_type(subject)
    name = f"{subject.namespace}/{subject.name}"
    if kind not in params["types"] or any(fnmatchcase(name, glob) for glob in params["exempt"]):
        return
    if _is_of_gateway(subject) or world.pods.is_before_gateway(subject):
        return
    yield Hit((*subject.path, "spec", "type"), {"type": kind})


def _is_of_gateway(service: Resource) -> bool:
    selector = mapping(service.spec, "selector")
    return _GATEWAY_NAME in selector or any(
        "gateway" in text(labels, key)
        for labels in (service.labels, selector)
        for key in _GATEWAY_LABELS
    )


def external_address(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Addresses that take traffic away from others, or lead back into the caller's own pod."""
    addresses = [str(address) for address in items(subject.spec, "externalIPs") if address]
    if addresses:
        path = (*subject.path, "spec", "externalIPs")
        yield Hit(path, {"addresses": addresses}, message="addresses", on_key=True)
    name = text(subject.spec, "externalName")
    if service_type(subject) == "ExternalName" and _is_loopback(name):
        path = (*subject.path, "spec", "externalName")
        yield Hit(path, {"name": name}, message="loopback")


def _is_loopback(name: str) -> bool:
    host = name.strip().rstrip(".").lower()
    if _LOOPBACK_NAME.fullmatch(host):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
