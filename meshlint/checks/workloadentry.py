"""Workloads outside of Kubernetes, and settings of proxies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.hits import fault
from meshlint.checks.jwt import is_plain_header
from meshlint.checks.sidecar import UNIX, is_socket_path
from meshlint.findings import Hit, Path
from meshlint.mesh.world import World
from meshlint.model.names import is_fqdn, is_ip, is_label_key, is_label_value, is_port
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.patterns import regexp

_PORT_NAME = regexp(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_LONGEST_PORT_NAME = 62


def entry_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that istiod cannot reach, and groups it refuses."""
    path = (*subject.path, "spec")
    if subject.kind == "WorkloadGroup":
        yield from _group(path, subject.spec)
        return
    address = text(subject.spec, "address")
    if subject.spec.get("address") in (None, "") and not text(subject.spec, "network"):
        problem = "The workload has neither an address nor a network it is reached through"
        yield fault((*path, "address"), problem, on_key=True)
    elif address.startswith(UNIX):
        yield from _socket(path, subject.spec)
    elif address and not is_ip(address) and not is_fqdn(address):
        problem = f"Address {address} is neither an IP address nor a host name"
        yield fault((*path, "address"), problem)
    yield from _ports((*path, "ports"), mapping(subject.spec, "ports"))
    yield from _labels((*path, "labels"), subject.spec.get("labels"))


def _socket(path: Path, entry: dict[str, Any]) -> Iterator[Hit]:
    address = text(entry, "address")
    if not is_socket_path(address.removeprefix(UNIX)):
        yield fault((*path, "address"), f"Address {address} is no absolute path of a socket")
    if mapping(entry, "ports"):
        yield fault((*path, "ports"), "A workload behind a socket has ports", on_key=True)


def _ports(path: Path, ports: dict[str, Any]) -> Iterator[Hit]:
    for name in ports:
        where = (*path, name)
        shown = str(name)
        if len(shown) > _LONGEST_PORT_NAME or not _PORT_NAME.fullmatch(shown):
            yield fault(where, f"Key {shown or '(empty)'} is no name of a port", on_key=True)
        number = integer(ports, name)
        if number is not None and not is_port(number):
            yield fault(where, f"Port {number} is outside 1 to 65535")


def _labels(path: Path, labels: Any) -> Iterator[Hit]:
    for key, value in mapping(labels).items():
        if not is_label_key(key):
            yield fault((*path, key), f"Key {key or '(empty)'} is no name of a label", on_key=True)
        elif isinstance(value, str) and not is_label_value(value):
            yield fault((*path, key), f"Value {value} is none that a label can have")


_TIMES = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_METHODS = ("httpGet", "tcpSocket", "exec", "grpc")


def _group(path: Path, spec: dict[str, Any]) -> Iterator[Hit]:
    template = spec.get("template")
    if template is None:
        problem = "The group has no template for its workloads"
        yield fault((*path, "template"), problem, on_key=True)
    if text(template, "address").startswith(UNIX):
        yield from _socket((*path, "template"), mapping(template))
    yield from _ports((*path, "template", "ports"), mapping(template, "ports"))
    yield from _labels((*path, "metadata", "labels"), get(spec, "metadata", "labels"))
    probe = spec.get("probe")
    if not isinstance(probe, dict):
        return
    at = (*path, "probe")
    for field in _TIMES:
        number = integer(probe, field)
        if number is not None and number < 0:
            yield fault((*at, field), f"Field {field} of the probe is {number}, below 0")
    method = next((name for name in _METHODS if isinstance(probe.get(name), dict)), None)
    if method is None:
        problem = "The probe has none of httpGet, tcpSocket, grpc and exec"
        yield fault(at, problem, on_key=True)
    elif method == "exec":
        if not items(probe, "exec", "command") or "" in items(probe, "exec", "command"):
            problem = "The command of the probe is empty or holds an empty text"
            yield fault((*at, "exec", "command"), problem, on_key=True)
    else:
        yield from _probe_port((*at, method, "port"), probe[method])
        yield from _http((*at, "httpGet"), mapping(probe, "httpGet"))


def _probe_port(path: Path, block: dict[str, Any]) -> Iterator[Hit]:
    number = integer(block, "port")
    if block.get("port") is None:
        yield fault(path, "The probe has no port", on_key=True)
    elif number is not None and not is_port(number):
        yield fault(path, f"Port {number} of the probe is outside 1 to 65535")


def _http(path: Path, block: dict[str, Any]) -> Iterator[Hit]:
    scheme = text(block, "scheme")
    if scheme and scheme not in ("HTTP", "HTTPS"):
        yield fault((*path, "scheme"), f"Scheme {scheme} of the probe is not HTTP or HTTPS")
    for at, header in mappings(block, "httpHeaders"):
        name = text(header, "name")
        if not is_plain_header(name):
            problem = f"Name {name or '(empty)'} in httpHeaders is no name of a header"
            yield fault((*path, "httpHeaders", at, "name"), problem)


# ------------------------------------------------------------------------------------ ProxyConfig

_IMAGE_TYPES = ("default", "debug", "distroless")


def proxy_config_invalid(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Settings of proxies that istiod or the injector cannot use."""
    path = (*subject.path, "spec")
    concurrency = integer(subject.spec, "concurrency")
    if concurrency is not None and concurrency < 0:
        problem = f"A concurrency of {concurrency} is below 0"
        yield fault((*path, "concurrency"), problem)
    from difflib import get_close_matches

    image = text(subject.spec, "image", "imageType")
    # Images of one's own may have types of their own; a slip is what is nearly one of Istio's.
    near = get_close_matches(image.lower(), _IMAGE_TYPES, n=1, cutoff=0.8)
    if near and image not in _IMAGE_TYPES:
        problem = f"Type {image} in imageType is none of Istio's images; {near[0]} is"
        yield fault((*path, "image", "imageType"), problem)
