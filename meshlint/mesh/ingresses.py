"""What Ingresses say: their backends, classes, routes and hosts.

Source: Kubernetes API, Ingress, and its versions before `networking.k8s.io/v1`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.serving import INGRESS_KINDS
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import get, items, mapping, mappings, text

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
# Ports of backends that are actions of the AWS load balancer controller and no Services.
_ACTION = "use-annotation"


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service that an Ingress sends requests to, named in either form of the API."""

    name: str
    """Empty where neither a Service nor another resource is named."""
    port: int | str | None
    path: Path
    name_path: Path
    port_path: Path

    @property
    def is_action(self) -> bool:
        """Whether annotations of the Ingress say what is done, not a Service of this name."""
        return self.port == _ACTION


def _backend(ingress: Resource, block: Mapping[str, Any], path: Path) -> Backend | None:
    """A backend; None for one that is an object of another kind."""
    if mapping(block, "resource"):
        return None
    if ingress.version == "v1":
        port = get(block, "service", "port", "number")
        field = "number"
        if port is None:
            port, field = get(block, "service", "port", "name"), "name"
        service = (*path, "service")
        name = text(block, "service", "name")
        at = _port(port)
        return Backend(name, at, path, (*service, "name"), (*service, "port", field))
    name_path, port_path = (*path, "serviceName"), (*path, "servicePort")
    return Backend(
        text(block, "serviceName"), _port(block.get("servicePort")), path, name_path, port_path
    )


def _port(written: Any) -> int | str | None:
    if isinstance(written, str):
        return int(written) if written.isascii() and written.isdigit() else written
    return written if isinstance(written, int) and not isinstance(written, bool) else None


def default_backend(ingress: Resource) -> tuple[str, Mapping[str, Any]] | None:
    """The field and the block of the backend for requests that no rule is for."""
    field = "defaultBackend" if ingress.version == "v1" else "backend"
    found = ingress.spec.get(field)
    return (field, found) if isinstance(found, dict) else None


def backends(ingress: Resource) -> Iterator[Backend]:
    """Services that an Ingress sends requests to, the default backend first."""
    spec = (*ingress.path, "spec")
    default = default_backend(ingress)
    if default is not None:
        found = _backend(ingress, default[1], (*spec, default[0]))
        if found is not None:
            yield found
    for route in routes(ingress):
        if route.backend is not None:
            yield route.backend


@dataclass(frozen=True, slots=True)
class Route:
    """One path of one host of an Ingress."""

    host: str
    path: str
    path_type: str
    backend: Backend | None
    """None for a backend that is no Service."""
    block: Mapping[str, Any]
    """The backend as written."""
    at: Path


def routes(ingress: Resource) -> Iterator[Route]:
    """Paths of the rules of an Ingress, in order."""
    for rule, block in mappings(ingress.spec, "rules"):
        for number, entry in mappings(block, "http", "paths"):
            at = (*ingress.path, "spec", "rules", rule, "http", "paths", number)
            backend = mapping(entry, "backend")
            yield Route(
                host=text(block, "host"),
                path=text(entry, "path") or "/",
                path_type=text(entry, "pathType") or "ImplementationSpecific",
                backend=_backend(ingress, backend, (*at, "backend")),
                block=backend,
                at=at,
            )


def ingress_class(ingress: Resource) -> str:
    """The class of an Ingress; empty where it names none."""
    annotated = scalar_text(ingress.annotations.get(_CLASS_ANNOTATION))
    return text(ingress.spec, "ingressClassName") or annotated or ""


def is_canary(ingress: Resource) -> bool:
    """Whether annotations make an Ingress a variant of another one with the same routes."""
    return any(
        "canary" in str(key) and scalar_text(value) not in (None, "", "false", "0")
        for key, value in ingress.annotations.items()
    )


RouteTable = Mapping[tuple[str, str, str, str], Sequence[tuple[Resource, Route]]]


def routes_by_request(index: Index) -> RouteTable:
    """Every route by class, host, path and type of the path; those of canaries are left out."""
    table: dict[tuple[str, str, str, str], list[tuple[Resource, Route]]] = defaultdict(list)
    for ingress in index.of_kind(*INGRESS_KINDS):
        if is_canary(ingress):
            continue
        kind = ingress_class(ingress)
        for route in routes(ingress):
            table[kind, route.host, route.path, route.path_type].append((ingress, route))
    return table


def covers_host(pattern: str, host: str) -> bool:
    """Whether a host of a certificate covers a host of a rule; a wildcard is for one label."""
    if pattern == host:
        return True
    return pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]


def tls_hosts(ingress: Resource) -> frozenset[str] | None:
    """Hosts of the TLS entries of an Ingress; None where one of them is for all hosts."""
    found: set[str] = set()
    for _, entry in mappings(ingress.spec, "tls"):
        named = [host for host in items(entry, "hosts") if isinstance(host, str) and host]
        if not named:
            return None
        found.update(named)
    return frozenset(found)


# Annotations by which a load balancer of a cloud, or a controller, gets a certificate by itself.
_CERTIFICATES = (
    "alb.ingress.kubernetes.io/certificate-arn",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "networking.gke.io/managed-certificates",
)


def has_cloud_certificate(ingress: Resource) -> bool:
    """Whether annotations name a certificate of the load balancer in place of `spec.tls`."""
    return any(ingress.annotations.get(key) for key in _CERTIFICATES)
