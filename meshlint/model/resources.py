"""Kubernetes objects."""

from __future__ import annotations

from sys import intern
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path, ResourceRef
from meshlint.model.values import mapping, text

DEFAULT_NAMESPACE = "default"
"""Namespace of an object that does not name one, as for `kubectl apply` without `-n`."""

CLUSTER_SCOPED = frozenset(
    {
        "core/Namespace",
        "core/Node",
        "core/PersistentVolume",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/MutatingAdmissionPolicy",
        "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
        "apiextensions.k8s.io/CustomResourceDefinition",
        "apiregistration.k8s.io/APIService",
        "certificates.k8s.io/CertificateSigningRequest",
        "certificates.k8s.io/ClusterTrustBundle",
        "flowcontrol.apiserver.k8s.io/FlowSchema",
        "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration",
        "gateway.networking.k8s.io/GatewayClass",
        "networking.k8s.io/IngressClass",
        "networking.k8s.io/IPAddress",
        "networking.k8s.io/ServiceCIDR",
        "node.k8s.io/RuntimeClass",
        "policy/PodSecurityPolicy",
        "rbac.authorization.k8s.io/ClusterRole",
        "rbac.authorization.k8s.io/ClusterRoleBinding",
        "sailoperator.io/Istio",
        "sailoperator.io/IstioCNI",
        "sailoperator.io/IstioRevision",
        "sailoperator.io/IstioRevisionTag",
        "sailoperator.io/ZTunnel",
        "scheduling.k8s.io/PriorityClass",
        "storage.k8s.io/CSIDriver",
        "storage.k8s.io/CSINode",
        "storage.k8s.io/StorageClass",
        "storage.k8s.io/VolumeAttachment",
        "storage.k8s.io/VolumeAttributesClass",
    }
)
"""Built-in and mesh kinds that have no namespace."""


CRD = "apiextensions.k8s.io/CustomResourceDefinition"

_BUILT_IN = {
    "v1": (
        *("ConfigMap", "LimitRange", "Namespace", "PersistentVolume", "PersistentVolumeClaim"),
        *("Pod", "ResourceQuota", "Secret", "Service", "ServiceAccount"),
    ),
    "apps/v1": ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
}
_HOMES = {kind: version for version, kinds in _BUILT_IN.items() for kind in kinds}
_GROUPS = frozenset(version.rpartition("/")[0] for version in _BUILT_IN)


def home_of(api_version: str, kind: str) -> str:
    """`apiVersion` that a built-in kind has, where another built-in group is written.

    Empty for what is right, and for kinds of others. `extensions`, from which kinds moved, is none
    of these groups.
    """
    home = _HOMES.get(kind)
    if home is None:
        return ""
    group = api_version.rpartition("/")[0]
    return home if group in _GROUPS and group != home.rpartition("/")[0] else ""


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One Kubernetes object of the input.

    `path` leads from the root of the document to the object; it is not empty for members of a
    list. `group` is empty for the core group. `namespace` is the one the object lands in,
    `default` where it names none, and empty for cluster-scoped kinds.

    A built-in kind with the group of another one, such as a Deployment of `v1`, is taken for what
    it is meant to be; see `home_of`.
    """

    document: Document
    path: Path
    value: dict[str, Any]
    group: str
    version: str
    kind: str
    name: str
    namespace: str
    group_kind: str
    """Group and kind as rules name them: `apps/Deployment`, `core/Service`."""
    ref: ResourceRef
    """Identity as written: no namespace where the manifest names none."""
    reported: bool = True
    """False for objects that are only read as context."""

    @property
    def api_version(self) -> str:
        return self.ref.api_version

    @property
    def metadata(self) -> dict[str, Any]:
        return mapping(self.value, "metadata")

    @property
    def spec(self) -> dict[str, Any]:
        return mapping(self.value, "spec")

    @property
    def labels(self) -> dict[str, Any]:
        return mapping(self.value, "metadata", "labels")

    @property
    def annotations(self) -> dict[str, Any]:
        return mapping(self.value, "metadata", "annotations")


def is_crd(value: Any) -> bool:
    """Whether a value is a CustomResourceDefinition."""
    group, _, _ = text(value, "apiVersion").rpartition("/")
    return f"{group}/{text(value, 'kind')}" == CRD


def is_placed(resource: Resource) -> bool:
    """Whether an object says itself which namespace it is for."""
    return bool(text(resource.metadata, "namespace"))


def make_resource(
    document: Document, path: Path, value: dict[str, Any], *, reported: bool = True
) -> Resource:
    """The object a document (or a list member) holds; `apiVersion` and `kind` must be strings."""
    kind = value["kind"]
    api_version = home_of(value["apiVersion"], kind) or value["apiVersion"]
    group, _, version = api_version.rpartition("/")
    group_kind = intern(f"{group or 'core'}/{kind}")
    metadata = mapping(value, "metadata")
    name = text(metadata, "name")
    written = text(metadata, "namespace")
    return Resource(
        document=document,
        path=path,
        value=value,
        group=intern(group),
        version=intern(version),
        kind=kind,
        name=name,
        namespace="" if group_kind in CLUSTER_SCOPED else written or DEFAULT_NAMESPACE,
        group_kind=group_kind,
        ref=ResourceRef(intern(api_version), kind, written, name),
        reported=reported,
    )
