"""What namespaces and pod templates say about joining the mesh, in their own words.

Labels alone; what the webhooks make of them is told by `meshlint.mesh.injection`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.injection import (
    DATAPLANE_MODE,
    IGNORED_NAMESPACES,
    INJECT,
    NAMESPACE_INJECTION,
    REVISION,
    scalar_map,
)
from meshlint.mesh.provenance import Place
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.workloads import Workload


@dataclass(frozen=True, slots=True)
class Enrollment:
    """That the pods of a namespace join the mesh unless they say otherwise."""

    means: Literal["sidecar", "ambient"]
    reason: str
    """Plain words for where that is said, without a full stop."""
    place: Place | None


def label_place(resource: Resource, label: str) -> Place:
    """Where a label of an object stands."""
    return Place(resource.document, (*resource.path, "metadata", "labels", label))


def enrolling_labels(labels: Mapping[str, object]) -> tuple[str, ...]:
    """Labels of a namespace that each ask for a data plane of their own."""
    found = []
    if labels.get(NAMESPACE_INJECTION) == "enabled":
        found.append(NAMESPACE_INJECTION)
    if labels.get(REVISION):
        found.append(REVISION)
    if labels.get(DATAPLANE_MODE) == "ambient":
        found.append(DATAPLANE_MODE)
    return tuple(found)


def enrollment(index: Index, settings: Settings, namespace: str) -> Enrollment | None:
    """How a namespace is enrolled; None where it is not, or where that is not known."""
    if namespace in IGNORED_NAMESPACES:
        return None
    resource = index.namespace(namespace)
    labels = scalar_map(resource.labels) if resource is not None else {}
    if resource is not None:
        asked = enrolling_labels(labels)
        if labels.get(NAMESPACE_INJECTION, "enabled") != "enabled":
            asked = tuple(label for label in asked if label == DATAPLANE_MODE)
        for label in asked:
            reason = f"namespace {namespace} is labelled {label}={labels[label]}"
            means: Literal["sidecar", "ambient"] = "sidecar"
            if label == DATAPLANE_MODE:
                means = "ambient"
            return Enrollment(means, reason, label_place(resource, label))
    if namespace in settings.injected_namespaces and NAMESPACE_INJECTION not in labels:
        reason = f"the configuration says that namespace {namespace} is enrolled"
        return Enrollment("sidecar", reason, None)
    return None


def says_for_itself(workload: Workload) -> bool:
    """Whether the pod template has a label or annotation of its own about joining the mesh."""
    return INJECT in workload.annotations or any(
        label in workload.labels for label in (INJECT, REVISION, DATAPLANE_MODE)
    )
