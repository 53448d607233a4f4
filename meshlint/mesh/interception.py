"""Which traffic of a pod goes through its proxy.

Source: istio/istio, `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`:
an annotation of the pod wins over the chart value of the same purpose.
"""

from __future__ import annotations

from collections.abc import Mapping

from meshlint.dataclass import dataclass
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import integer, mappings, text
from meshlint.model.workloads import Workload

TRAFFIC = "traffic.sidecar.istio.io/"


@dataclass(frozen=True, slots=True)
class Bypass:
    """Ports that Services send to and the proxy does not capture, each with such a Service."""

    setting: str
    """Name of the annotation or chart value."""
    value: Sourced[str]
    ports: Mapping[int, Resource]


def traffic_annotation(workload: Workload, name: str) -> Sourced[str] | None:
    """The text of an annotation `traffic.sidecar.istio.io/<name>` of the pods."""
    written = scalar_text(workload.annotations.get(TRAFFIC + name))
    if written is None:
        return None
    path = (*workload.annotations_path, TRAFFIC + name)
    return Sourced(written, Place(workload.resource.document, path))


def listed(written: str) -> list[str]:
    """Members of a comma-separated list, without blanks."""
    return [part.strip() for part in written.split(",") if part.strip()]


def inbound_bypass(index: Index, workload: Workload, plane: ControlPlane | None) -> Bypass | None:
    """What reaches a workload past its proxy; a list of included ports wins over the other."""
    targets = _targets(index, workload)
    setting, included = _setting(workload, plane, "includeInboundPorts")
    if included is not None and included.value.strip() != "*":
        kept = listed(included.value)
        ports = {port: service for port, service in targets.items() if str(port) not in kept}
        return Bypass(setting, included, ports) if ports else None
    setting, excluded = _setting(workload, plane, "excludeInboundPorts")
    if excluded is None:
        return None
    dropped = listed(excluded.value)
    ports = {port: service for port, service in targets.items() if str(port) in dropped}
    return Bypass(setting, excluded, ports) if ports else None


def _setting(
    workload: Workload, plane: ControlPlane | None, name: str
) -> tuple[str, Sourced[str] | None]:
    annotated = traffic_annotation(workload, name)
    if annotated is not None:
        return TRAFFIC + name, annotated
    installed = plane.values.given("global", "proxy", name) if plane is not None else None
    written = scalar_text(installed.value) if installed is not None else None
    if installed is None or written is None:
        return name, None
    return f"global.proxy.{name}", Sourced(written, installed.place)


def _targets(index: Index, workload: Workload) -> dict[int, Resource]:
    """TCP ports of the pods that Services of the namespace send to."""
    named = {
        text(port, "name"): integer(port, "containerPort")
        for container in workload.containers
        for _, port in mappings(container.value, "ports")
    }
    found: dict[int, Resource] = {}
    for service in index.services_of(workload):
        for _, port in mappings(service.spec, "ports"):
            if port.get("protocol", "TCP") != "TCP":
                continue
            target = port.get("targetPort", port.get("port"))
            number = named.get(target) if isinstance(target, str) else integer(target)
            if number is not None:
                found.setdefault(number, service)
    return found
