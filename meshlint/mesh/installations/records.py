"""One view over every way a mesh is installed.

Fields are `Sourced` (a value, or known to be unset) or None (unknown; rules stay silent).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from meshlint.documents import Document
from meshlint.findings import Path, ResourceRef
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import Version
from meshlint.model.resources import Resource

Form = Literal["istiooperator", "helm", "sail", "rendered", "automatic"]
GatewayClass = Literal["ingress", "egress", "east-west", "waypoint"]


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The HorizontalPodAutoscaler that an installation ends up with.

    Targets are percent of the request. `enabled` false: no autoscaler is rendered.
    """

    enabled: Sourced[bool] | None
    minimum: Sourced[int | None] | None
    maximum: Sourced[int | None] | None
    cpu_target: Sourced[int | None] | None
    memory_target: Sourced[int | None] | None


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """Requests and limits by resource (`cpu`, `memory`), as written; a key that is missing is unset.

    `place` is where the block stands or should stand.
    """

    requests: Mapping[str, Sourced[Any]]
    limits: Mapping[str, Sourced[Any]]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget; values as written (a number or a percentage), None when unset."""

    min_available: Sourced[Any]
    max_unavailable: Sourced[Any]


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Where pods may run: blocks as in a pod spec. Every value's origin is kept."""

    affinity: Sourced[Any]
    node_selector: Sourced[Any]
    tolerations: Sourced[Any]
    topology_spread: Sourced[Any]
    pod_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the installation: hub and tag as given, or the whole reference when rendered."""

    component: str
    hub: Sourced[str | None]
    tag: Sourced[str | None]


@dataclass(frozen=True, slots=True, eq=False)
class GatewayProxy:
    """One deployment of a gateway or waypoint proxy."""

    form: Form
    name: str
    namespace: str
    gateway_class: GatewayClass
    kind: str
    """`Deployment` or `DaemonSet`."""
    home: Place
    """The object, or the part of a document, that describes the gateway."""
    resource: Resource | None
    """None for a bare values file."""
    version: Version
    autoscaling: Autoscaling
    replicas: Sourced[int | None] | None
    resources: ContainerResources | None
    budget: Sourced[Budget | None] | None
    scheduling: Scheduling | None
    images: tuple[Image, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Pod annotations, for capacity declarations."""
    annotations_path: Path = ()

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", self.name)


@dataclass(frozen=True, slots=True, eq=False)
class ControlPlane:
    """One istiod installation."""

    form: Form
    home: Place
    resource: Resource | None
    namespace: str
    version: Version
    profile: Sourced[str | None]
    revision: str
    """Empty for the unnamed revision."""
    tags: frozenset[str]
    istiod: bool
    """False where the installation uses an external control plane and runs no istiod."""
    autoscaling: Autoscaling
    replicas: Sourced[int | None] | None
    resources: ContainerResources | None
    budget: Sourced[Budget | None] | None
    scheduling: Scheduling | None
    proxy_resources: ContainerResources | None
    mesh: Mapping[str, Any]
    """MeshConfig after merging, without Istio's own defaults."""
    mesh_places: Mapping[Path, Place] = field(default_factory=dict)
    """Where each leaf of `mesh` stands."""
    values: Any = None
    """The merged values tree; look-ups return `Sourced` (see `layers.Layers`)."""
    images: tuple[Image, ...] = ()
    trace_sampling: Sourced[float | None] | None = None
    """PILOT_TRACE_SAMPLING in percent."""

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", "")


@dataclass(frozen=True, slots=True, eq=False)
class NodeAgent:
    """The istio-cni or ztunnel DaemonSet of an installation."""

    form: Form
    agent: Literal["istio-cni", "ztunnel"]
    home: Place
    resource: Resource | None
    version: Version
    resources: ContainerResources | None
    values: Any = None

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", "")


@dataclass(frozen=True, slots=True)
class Installations:
    """Everything the input installs of Istio, in input order."""

    control_planes: tuple[ControlPlane, ...] = ()
    gateways: tuple[GatewayProxy, ...] = ()
    node_agents: tuple[NodeAgent, ...] = ()
