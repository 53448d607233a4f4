"""Where an installation of each form wants a setting to be written.

What the input already says is changed where it says it; this is for what it leaves to a default.
Values that are a text of their own, as in an Argo CD Application, have no place to edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from meshlint.mesh.installations.records import ControlPlane, GatewayProxy, NodeAgent
from meshlint.mesh.provenance import Place
from meshlint.mesh.versions import ISTIOD_AFFINITY, ISTIOD_TOPOLOGY_SPREAD
from meshlint.model.values import mappings

Field = Literal[
    "autoscaling",
    "minimum",
    "maximum",
    "replicas",
    "cpu-target",
    "resources",
    "proxy-resources",
    "max-unavailable",
    "affinity",
    "nodeSelector",
    "topologySpreadConstraints",
]

_ISTIOD: Mapping[str, tuple[str, ...]] = {
    "autoscaling": ("pilot", "autoscaleEnabled"),
    "minimum": ("pilot", "autoscaleMin"),
    "maximum": ("pilot", "autoscaleMax"),
    "replicas": ("pilot", "replicaCount"),
    "cpu-target": ("pilot", "cpu", "targetAverageUtilization"),
    "max-unavailable": ("pilot", "pdb", "maxUnavailable"),
    "affinity": ("pilot", "affinity"),
    "nodeSelector": ("pilot", "nodeSelector"),
    "topologySpreadConstraints": ("pilot", "topologySpreadConstraints"),
}

_GATEWAY_CHART: Mapping[str, tuple[str, ...]] = {
    "autoscaling": ("autoscaling", "enabled"),
    "minimum": ("autoscaling", "minReplicas"),
    "maximum": ("autoscaling", "maxReplicas"),
    "replicas": ("replicaCount",),
    "cpu-target": ("autoscaling", "targetCPUUtilizationPercentage"),
    "max-unavailable": ("podDisruptionBudget", "maxUnavailable"),
    "affinity": ("affinity",),
    "nodeSelector": ("nodeSelector",),
    "topologySpreadConstraints": ("topologySpreadConstraints",),
}

# `k8s` of a component; what decides whether an object is rendered at all is in the values.
_GATEWAY_COMPONENT: Mapping[str, tuple[str, ...]] = {
    "minimum": ("k8s", "hpaSpec", "minReplicas"),
    "maximum": ("k8s", "hpaSpec", "maxReplicas"),
    "replicas": ("k8s", "replicaCount"),
    "resources": ("k8s", "resources"),
    "affinity": ("k8s", "affinity"),
    "nodeSelector": ("k8s", "nodeSelector"),
}

_GATEWAY_VALUES: Mapping[str, str] = {"autoscaling": "autoscaleEnabled", "minimum": "autoscaleMin"}


def place_for(record: ControlPlane | GatewayProxy | NodeAgent, field: Field) -> Place | None:
    """Where a setting stands or would be written; None where no edit can set it."""
    return editable(_place(record, field))


def editable(place: Place | None) -> Place | None:
    """A place, if what it leads to has one of its own."""
    return None if place is None or place.embedded else place


def _place(record: ControlPlane | GatewayProxy | NodeAgent, field: Field) -> Place | None:
    if field == "proxy-resources":
        found = record.proxy_resources if isinstance(record, ControlPlane) else None
        return found.place if found is not None else None
    if record.form == "automatic":
        return None  # its parameters are a text in a ConfigMap
    if record.form == "rendered":
        return _in_pod(record, field)
    if isinstance(record, GatewayProxy) and record.form == "istiooperator":
        return _in_component(record, field)
    if field == "resources":
        return record.resources.place if record.resources is not None else None
    if isinstance(record, GatewayProxy):
        return record.values.site(*_GATEWAY_CHART[field])
    if isinstance(record, NodeAgent):
        return None
    if field == "topologySpreadConstraints" and record.version not in ISTIOD_TOPOLOGY_SPREAD:
        return None
    if field == "affinity" and record.version not in ISTIOD_AFFINITY:
        return None
    return record.values.site(*_ISTIOD[field])


def _in_pod(record: ControlPlane | GatewayProxy | NodeAgent, field: Field) -> Place | None:
    workload = record.workload if isinstance(record, ControlPlane) else record.resource
    if workload is None:
        return None
    home = Place(workload.document, workload.path)
    if field == "resources":
        if record.resources is not None and record.resources.place is not None:
            return record.resources.place
        return None
    if field == "replicas":
        return home.below("spec", "replicas")
    if field in ("affinity", "nodeSelector", "topologySpreadConstraints"):
        return home.below("spec", "template", "spec", field)
    return None


def _in_component(gateway: GatewayProxy, field: Field) -> Place | None:
    name = _GATEWAY_VALUES.get(field)
    listed = gateway.component.home is not None
    if name is not None and gateway.resource is not None and not _has_siblings(gateway):
        section = f"istio-{'egress' if gateway.gateway_class == 'egress' else 'ingress'}gateway"
        spec = Place(gateway.resource.document, (*gateway.resource.path, "spec"))
        return spec.below("values", "gateways", section, name)
    steps = _GATEWAY_COMPONENT.get(field)
    if steps is None or not listed:
        return None
    return gateway.component.site(*steps)


def _has_siblings(gateway: GatewayProxy) -> bool:
    """Whether other gateways of the list share the values of their kind."""
    home = gateway.component.home
    if home is None or not home.path or not isinstance(home.path[-1], int):
        return False
    return len(list(mappings(home.document.value, *home.path[:-1]))) > 1
