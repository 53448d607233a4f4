"""One view over every way a mesh is installed.

Fields are `Sourced` (a value, or known to be unset) or None (unknown; rules stay silent).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from meshlint.dataclass import dataclass, field
from meshlint.documents import Document
from meshlint.findings import Path, ResourceRef
from meshlint.mesh.installations.layers import EMPTY, Layers
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.versions import Version
from meshlint.model.resources import Resource

Form = Literal["istiooperator", "helm", "sail", "rendered", "automatic"]
GatewayClass = Literal["ingress", "egress", "east-west", "waypoint"]


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The HorizontalPodAutoscaler that an installation ends up with.

    Targets are percent of the request. `enabled` false: no autoscaler is rendered; the other
    fields then are what its settings say all the same.
    """

    enabled: Sourced[bool] | None
    minimum: Sourced[int | None] | None
    maximum: Sourced[int | None] | None
    cpu_target: Sourced[int | None] | None
    memory_target: Sourced[int | None] | None
    target: Sourced[str] | None = None
    """What the autoscaler scales, where that is not the Deployment it belongs to."""


NO_AUTOSCALING = Autoscaling(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """Requests and limits by resource (`cpu`, `memory`), as written.

    A key that is missing is unset; one that an explicit null unsets is in `removed`, as
    `(section, resource)`.
    """

    requests: Mapping[str, Sourced[Any]]
    limits: Mapping[str, Sourced[Any]]
    place: Place | None = None
    """The block in the input, or where it would stand."""
    removed: Mapping[tuple[str, str], Place] = field(default_factory=dict)

    def anchor(self, section: str, resource: str) -> Place | None:
        """Where to point for a request or limit that is set or missing."""
        block = self.requests if section == "requests" else self.limits
        found = block.get(resource)
        if found is not None and found.anchor is not None:
            return found.anchor
        removed = self.removed.get((section, resource))
        if removed is not None:
            return removed
        return self.place.below(section, resource) if self.place else None


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget; values as written (a number or a percentage), None when unset."""

    min_available: Sourced[Any]
    max_unavailable: Sourced[Any]


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Where pods may run: blocks as in a pod spec, None when unset.

    Tolerations that a chart adds of its own accord are left out, those of a rendered pod are not.
    """

    affinity: Sourced[Any]
    node_selector: Sourced[Any]
    tolerations: Sourced[Any]
    topology_spread: Sourced[Any]
    pod_labels: Mapping[str, str] = field(default_factory=dict)

    def pod_spec(self) -> dict[str, Any]:
        """The blocks that are set, in a pod spec."""
        blocks = {
            "affinity": self.affinity.value,
            "nodeSelector": self.node_selector.value,
            "tolerations": self.tolerations.value,
            "topologySpreadConstraints": self.topology_spread.value,
        }
        return {name: block for name, block in blocks.items() if block is not None}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the installation: hub and tag as given, or taken from a rendered reference."""

    component: str
    hub: Sourced[str | None]
    tag: Sourced[str | None]


def _replica_range(
    autoscaling: Autoscaling,
    replicas: Sourced[int | None] | None,
    bound: Sourced[int | None] | None,
) -> Sourced[int | None] | None:
    if autoscaling.enabled is None:
        return None
    if autoscaling.enabled.value:
        return bound
    return replicas.map(lambda count: 1 if count is None else count) if replicas else None


@dataclass(frozen=True, slots=True, eq=False)
class GatewayProxy:
    """One deployment of a gateway or waypoint proxy."""

    form: Form
    name: str
    """Empty for Helm values that leave it to the name of the release, when that is not known."""
    namespace: str
    """Empty when the input does not say."""
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
    """`spec.replicas` as rendered; None inside when it is not written."""
    resources: ContainerResources | None
    budget: Sourced[Budget | None] | None
    scheduling: Scheduling | None
    replica_count: Sourced[int | None] | None = None
    """The count that the input itself asks for, whether or not it is used."""
    version_source: Sourced[str] | None = None
    """The text that the version was read from; None when it is a setting or assumed."""
    chart_version: Sourced[Any] | None = None
    revision: str = ""
    images: tuple[Image, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Pod annotations, for capacity declarations."""
    annotations_place: Place | None = None
    env: Mapping[str, Sourced[Any]] = field(default_factory=dict)
    """Environment of the proxy container, as far as the input gives it."""
    values: Layers = EMPTY
    """The merged values of the chart, for the forms that have them."""
    component: Layers = EMPTY
    """The entry of an IstioOperator's `ingressGateways` or `egressGateways`."""
    class_name: str = ""
    """GatewayClass of an automatic gateway."""
    workload_name: str = ""
    """Name of the Deployment where it differs from that of the gateway."""

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", self.name)

    @property
    def deployment_name(self) -> str:
        """Name of the Deployment or DaemonSet, and of its autoscaler and budget."""
        return self.workload_name or self.name

    @property
    def minimum(self) -> Sourced[int | None] | None:
        """Fewest replicas: of the autoscaler, else the fixed number."""
        return _replica_range(self.autoscaling, self.replicas, self.autoscaling.minimum)

    @property
    def maximum(self) -> Sourced[int | None] | None:
        """Most replicas: of the autoscaler, else the fixed number."""
        return _replica_range(self.autoscaling, self.replicas, self.autoscaling.maximum)


@dataclass(frozen=True, slots=True, eq=False)
class ControlPlane:
    """One installation of a control plane, or of the means to use a remote one."""

    form: Form
    home: Place
    resource: Resource | None
    """None for a bare values file."""
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
    """`spec.replicas` as rendered; None inside when it is not written."""
    resources: ContainerResources | None
    budget: Sourced[Budget | None] | None
    scheduling: Scheduling | None
    proxy_resources: ContainerResources | None
    mesh: Mapping[str, Any]
    """MeshConfig as installed: what the input says over what the chart adds, without the defaults
    that istiod has built in."""
    mesh_config: Layers
    """The same with the origin of every value."""
    values: Layers
    """The merged values of the istiod chart, settings of istiod below `pilot` in every form."""
    replica_count: Sourced[int | None] | None = None
    """The count that the input itself asks for, whether or not it is used."""
    images: tuple[Image, ...] = ()
    trace_sampling: Sourced[float | None] | None = None
    """PILOT_TRACE_SAMPLING in percent."""
    env: Mapping[str, Sourced[Any]] = field(default_factory=dict)
    """Environment of istiod, as far as the input or a profile sets it."""
    version_source: Sourced[str] | None = None
    """The text that the version was read from; None when it is a setting or assumed."""
    chart_version: Sourced[Any] | None = None
    """Version of the chart as an Application, HelmRelease or umbrella chart gives it."""
    spec: Layers = EMPTY
    """The merged `spec` of an IstioOperator, its profile included."""
    workload: Resource | None = None
    """The Deployment of istiod, where it stands in the input."""
    webhooks: tuple[Resource, ...] = ()
    """MutatingWebhookConfigurations of the revision and its tags that stand in the input."""

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", "")

    @property
    def gateways_only(self) -> bool:
        """Whether istiod reads the Gateway API alone, and none of the objects of Istio."""
        found = self.env.get("PILOT_ENABLE_GATEWAY_CONTROLLER_MODE")
        return found is not None and str(found.value).lower() in ("1", "t", "true")

    @property
    def deployment_name(self) -> str:
        """Name of the istiod Deployment, and of its autoscaler and budget."""
        if self.workload is not None:
            return self.workload.name
        return f"istiod-{self.revision}" if self.revision else "istiod"

    @property
    def minimum(self) -> Sourced[int | None] | None:
        """Fewest replicas: of the autoscaler, else the fixed number."""
        return _replica_range(self.autoscaling, self.replicas, self.autoscaling.minimum)

    @property
    def maximum(self) -> Sourced[int | None] | None:
        """Most replicas: of the autoscaler, else the fixed number."""
        return _replica_range(self.autoscaling, self.replicas, self.autoscaling.maximum)


@dataclass(frozen=True, slots=True, eq=False)
class NodeAgent:
    """The istio-cni or ztunnel DaemonSet of an installation."""

    form: Form
    agent: Literal["istio-cni", "ztunnel"]
    home: Place
    resource: Resource | None
    """None for a bare values file."""
    version: Version
    resources: ContainerResources | None
    values: Layers
    """The merged values of the chart; those of the cni chart are below `cni` in every form."""
    namespace: str = ""
    """Empty when the input does not say."""
    version_source: Sourced[str] | None = None
    chart_version: Sourced[Any] | None = None
    images: tuple[Image, ...] = ()

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path

    @property
    def ref(self) -> ResourceRef:
        if self.resource is not None:
            return self.resource.ref
        return ResourceRef("", "HelmValues", "", "")


@dataclass(frozen=True, slots=True, eq=False)
class BaseChart:
    """A release of the chart `base`, or of the chart `default` of a revision tag."""

    home: Place
    resource: Resource | None
    chart: Literal["base", "default"]
    version: Version
    values: Layers
    version_source: Sourced[str] | None = None
    chart_version: Sourced[Any] | None = None

    @property
    def document(self) -> Document:
        return self.home.document

    @property
    def path(self) -> Path:
        return self.home.path


@dataclass(frozen=True, slots=True)
class Installations:
    """Everything the input installs of Istio, in input order."""

    control_planes: tuple[ControlPlane, ...] = ()
    gateways: tuple[GatewayProxy, ...] = ()
    node_agents: tuple[NodeAgent, ...] = ()
    without_control_plane: tuple[ControlPlane, ...] = ()
    """IstioOperator files that install gateways or node agents only."""
    base_charts: tuple[BaseChart, ...] = ()
    fragments: tuple[Resource, ...] = ()
    """IstioOperator files meant to be laid over another one; which together is not known."""
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Revisions that a revision tag of the input leads to; the unnamed revision is empty text."""
