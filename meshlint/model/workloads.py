"""Workloads and their pod templates."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, mappings, text

# Way from an object to its pod template.
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "apps/Deployment": ("spec", "template"),
    "apps/StatefulSet": ("spec", "template"),
    "apps/DaemonSet": ("spec", "template"),
    "apps/ReplicaSet": ("spec", "template"),
    "extensions/Deployment": ("spec", "template"),
    "extensions/DaemonSet": ("spec", "template"),
    "extensions/ReplicaSet": ("spec", "template"),
    "core/ReplicationController": ("spec", "template"),
    "core/Pod": (),
    "batch/Job": ("spec", "template"),
    "batch/CronJob": ("spec", "jobTemplate", "spec", "template"),
    "argoproj.io/Rollout": ("spec", "template"),
    "apps.openshift.io/DeploymentConfig": ("spec", "template"),
}

ContainerRole = Literal["main", "init", "sidecar"]

PROXY_CONTAINER = "istio-proxy"
MESH_INIT_CONTAINERS = frozenset({"istio-init", "istio-validation"})


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """A container of a pod template. A `sidecar` is an init container that keeps running."""

    name: str
    value: dict[str, Any]
    path: Path
    role: ContainerRole

    def request(self, resource: str) -> Any:
        """The request as written; None where there is none."""
        return get(self.value, "resources", "requests", resource)

    def limit(self, resource: str) -> Any:
        """The limit as written; None where there is none."""
        return get(self.value, "resources", "limits", resource)


@dataclass(frozen=True, eq=False)
class Workload:
    """An object that makes pods, or a Pod that nobody owns.

    `template_path` leads from the root of the document to the pod template (a Pod is its own).
    """

    resource: Resource
    template_path: Path
    template: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def namespace(self) -> str:
        return self.resource.namespace

    @cached_property
    def labels(self) -> dict[str, Any]:
        """Labels of the pods."""
        return mapping(self.template, "metadata", "labels")

    @cached_property
    def annotations(self) -> dict[str, Any]:
        """Annotations of the pods."""
        return mapping(self.template, "metadata", "annotations")

    @cached_property
    def pod_spec(self) -> dict[str, Any]:
        return mapping(self.template, "spec")

    @property
    def pod_spec_path(self) -> Path:
        return (*self.template_path, "spec")

    @property
    def annotations_path(self) -> Path:
        return (*self.template_path, "metadata", "annotations")

    @property
    def labels_path(self) -> Path:
        return (*self.template_path, "metadata", "labels")

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """Every container that has a mapping for a value, the proxy's and the mesh's included."""
        found = []
        for index, value in mappings(self.pod_spec, "containers"):
            path = (*self.pod_spec_path, "containers", index)
            found.append(Container(text(value, "name"), value, path, "main"))
        for index, value in mappings(self.pod_spec, "initContainers"):
            path = (*self.pod_spec_path, "initContainers", index)
            role: ContainerRole = "sidecar" if value.get("restartPolicy") == "Always" else "init"
            found.append(Container(text(value, "name"), value, path, role))
        return tuple(found)

    @cached_property
    def main_containers(self) -> tuple[Container, ...]:
        """Containers the author runs: main ones and native sidecars, without istio-proxy."""
        return tuple(c for c in self.containers if c.role != "init" and c.name != PROXY_CONTAINER)

    @cached_property
    def init_containers(self) -> tuple[Container, ...]:
        """Init containers of the author that end, without those the injector adds."""
        return tuple(
            c
            for c in self.containers
            if c.role == "init" and c.name != PROXY_CONTAINER and c.name not in MESH_INIT_CONTAINERS
        )

    @cached_property
    def proxy_container(self) -> Container | None:
        """A container named istio-proxy that the template itself has."""
        return next((c for c in self.containers if c.name == PROXY_CONTAINER), None)

    @property
    def replicas(self) -> int | None:
        """`spec.replicas` as written; None where it is absent or no number."""
        return integer(self.resource.spec, "replicas")


def make_workload(resource: Resource) -> Workload | None:
    """The workload an object is; None for other kinds, owned Pods and objects without a template.

    A Rollout with `workloadRef` and no template is a workload with an empty template.
    """
    steps = _TEMPLATES.get(resource.group_kind)
    if steps is None:
        return None
    if resource.kind == "Pod" and mapping(resource.value).get("metadata") is not None:
        owners = get(resource.value, "metadata", "ownerReferences")
        if isinstance(owners, list) and owners:
            return None
    template = get(resource.value, *steps)
    if not isinstance(template, dict):
        if resource.group_kind != "argoproj.io/Rollout":
            return None
        template = {}
    return Workload(resource, (*resource.path, *steps), template)


def without_template(resource: Resource) -> Workload:
    """A Deployment or the like whose pods are still to be written, as a workload."""
    return Workload(resource, (*resource.path, "spec", "template"), {})
