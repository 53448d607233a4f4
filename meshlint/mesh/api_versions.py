"""Versions of APIs that come and go: of Kubernetes, Istio and the Gateway API.

Sources: the deprecation guide of Kubernetes and, from 1.25 on, its OpenAPI definitions; the
definitions in manifests/charts/base of istio/istio by release branch; release notes of the
Gateway API.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshlint.dataclass import dataclass
from meshlint.mesh.versions import Version
from meshlint.model.resources import Resource
from meshlint.model.values import mapping

# ----------------------------------------------------------------------------------- Kubernetes


@dataclass(frozen=True, slots=True)
class Retired:
    """A version of a built-in kind that a minor of Kubernetes serves no more."""

    api_version: str
    kind: str
    removed: str
    """The first minor that does not serve it."""
    successors: tuple[tuple[str, str], ...] = ()
    """Versions that take its place, newest first, each with the first minor that serves it."""
    same: bool = False
    """Whether an object stays valid, and means the same, when only its `apiVersion` changes."""

    def is_served(self, version: Version) -> bool:
        return version.before(self.removed)

    def successor(self, version: Version) -> str:
        """The newest version of the kind that a minor serves; empty for none."""
        for api_version, since in self.successors:
            ended = _BY_KIND.get((api_version, self.kind))
            if version.at_least(since) and (ended is None or ended.is_served(version)):
                return api_version
        return ""


# Version, kinds, first minor without it, successors with the first minor of each; `=` in front of
# the successors where only the apiVersion differs.
_RETIRED = """
extensions/v1beta1 Deployment,DaemonSet,ReplicaSet 1.16 apps/v1@1.9
extensions/v1beta1 NetworkPolicy 1.16 =networking.k8s.io/v1@1.7
extensions/v1beta1 PodSecurityPolicy 1.16 policy/v1beta1@1.10
extensions/v1beta1 Ingress 1.22 networking.k8s.io/v1@1.19,networking.k8s.io/v1beta1@1.14
apps/v1beta1 Deployment,StatefulSet,ControllerRevision 1.16 apps/v1@1.9
apps/v1beta2 Deployment,StatefulSet,DaemonSet,ReplicaSet,ControllerRevision 1.16 =apps/v1@1.9
scheduling.k8s.io/v1alpha1 PriorityClass 1.17 =scheduling.k8s.io/v1@1.14
auditregistration.k8s.io/v1alpha1 AuditSink 1.19
settings.k8s.io/v1alpha1 PodPreset 1.20
batch/v2alpha1 CronJob 1.21 =batch/v1@1.21,batch/v1beta1@1.8
admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration,ValidatingWebhookConfiguration \
1.22 admissionregistration.k8s.io/v1@1.16
apiextensions.k8s.io/v1beta1 CustomResourceDefinition 1.22 apiextensions.k8s.io/v1@1.16
apiregistration.k8s.io/v1beta1 APIService 1.22 =apiregistration.k8s.io/v1@1.10
authentication.k8s.io/v1beta1 TokenReview 1.22 =authentication.k8s.io/v1@1.6
authorization.k8s.io/v1beta1 LocalSubjectAccessReview,SelfSubjectAccessReview,\
SelfSubjectRulesReview,SubjectAccessReview 1.22 authorization.k8s.io/v1@1.6
certificates.k8s.io/v1beta1 CertificateSigningRequest 1.22 certificates.k8s.io/v1@1.19
coordination.k8s.io/v1beta1 Lease 1.22 =coordination.k8s.io/v1@1.14
networking.k8s.io/v1beta1 Ingress 1.22 networking.k8s.io/v1@1.19
networking.k8s.io/v1beta1 IngressClass 1.22 =networking.k8s.io/v1@1.19
rbac.authorization.k8s.io/v1beta1 Role,RoleBinding,ClusterRole,ClusterRoleBinding 1.22 \
=rbac.authorization.k8s.io/v1@1.8
rbac.authorization.k8s.io/v1alpha1 Role,RoleBinding,ClusterRole,ClusterRoleBinding 1.22 \
rbac.authorization.k8s.io/v1@1.8
scheduling.k8s.io/v1beta1 PriorityClass 1.22 =scheduling.k8s.io/v1@1.14
storage.k8s.io/v1beta1 CSIDriver 1.22 =storage.k8s.io/v1@1.18
storage.k8s.io/v1beta1 CSINode 1.22 =storage.k8s.io/v1@1.17
storage.k8s.io/v1beta1 StorageClass 1.22 =storage.k8s.io/v1@1.6
storage.k8s.io/v1beta1 VolumeAttachment 1.22 =storage.k8s.io/v1@1.13
batch/v1beta1 CronJob 1.25 =batch/v1@1.21
discovery.k8s.io/v1beta1 EndpointSlice 1.25 discovery.k8s.io/v1@1.21
events.k8s.io/v1beta1 Event 1.25 events.k8s.io/v1@1.19
policy/v1beta1 PodDisruptionBudget 1.25 =policy/v1@1.21
policy/v1beta1 PodSecurityPolicy 1.25
node.k8s.io/v1beta1 RuntimeClass 1.25 =node.k8s.io/v1@1.20
flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema 1.26 =flowcontrol.apiserver.k8s.io/v1@1.29,\
flowcontrol.apiserver.k8s.io/v1beta3@1.26,flowcontrol.apiserver.k8s.io/v1beta2@1.23
flowcontrol.apiserver.k8s.io/v1beta1 PriorityLevelConfiguration 1.26 \
flowcontrol.apiserver.k8s.io/v1@1.29,flowcontrol.apiserver.k8s.io/v1beta3@1.26,\
flowcontrol.apiserver.k8s.io/v1beta2@1.23
storage.k8s.io/v1beta1 CSIStorageCapacity 1.27 =storage.k8s.io/v1@1.24
flowcontrol.apiserver.k8s.io/v1beta2 FlowSchema 1.29 =flowcontrol.apiserver.k8s.io/v1@1.29,\
flowcontrol.apiserver.k8s.io/v1beta3@1.26
flowcontrol.apiserver.k8s.io/v1beta2 PriorityLevelConfiguration 1.29 \
flowcontrol.apiserver.k8s.io/v1@1.29,flowcontrol.apiserver.k8s.io/v1beta3@1.26
flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema 1.32 =flowcontrol.apiserver.k8s.io/v1@1.29
flowcontrol.apiserver.k8s.io/v1beta3 PriorityLevelConfiguration 1.32 \
flowcontrol.apiserver.k8s.io/v1@1.29
admissionregistration.k8s.io/v1alpha1 ValidatingAdmissionPolicy,ValidatingAdmissionPolicyBinding \
1.32 admissionregistration.k8s.io/v1@1.30,admissionregistration.k8s.io/v1beta1@1.28
admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicy,ValidatingAdmissionPolicyBinding \
1.34 =admissionregistration.k8s.io/v1@1.30
networking.k8s.io/v1alpha1 ClusterCIDR 1.29
networking.k8s.io/v1alpha1 IPAddress,ServiceCIDR 1.31 networking.k8s.io/v1@1.33,\
networking.k8s.io/v1beta1@1.31
networking.k8s.io/v1beta1 IPAddress,ServiceCIDR 1.37 =networking.k8s.io/v1@1.33
storage.k8s.io/v1alpha1 VolumeAttributesClass 1.35 storage.k8s.io/v1@1.34,\
storage.k8s.io/v1beta1@1.31
storage.k8s.io/v1beta1 VolumeAttributesClass 1.37 =storage.k8s.io/v1@1.34
certificates.k8s.io/v1alpha1 ClusterTrustBundle 1.37 certificates.k8s.io/v1@1.37,\
certificates.k8s.io/v1beta1@1.33
resource.k8s.io/v1alpha2 ResourceClaim,ResourceClaimTemplate 1.31 resource.k8s.io/v1@1.34,\
resource.k8s.io/v1beta1@1.32,resource.k8s.io/v1alpha3@1.31
resource.k8s.io/v1alpha2 ResourceClass 1.31
resource.k8s.io/v1alpha3 DeviceClass,ResourceClaim,ResourceClaimTemplate,ResourceSlice 1.34 \
resource.k8s.io/v1@1.34,resource.k8s.io/v1beta1@1.32
resource.k8s.io/v1beta1 DeviceClass,ResourceClaim,ResourceClaimTemplate,ResourceSlice 1.38 \
resource.k8s.io/v1@1.34
resource.k8s.io/v1beta2 DeviceClass,ResourceClaim,ResourceClaimTemplate,ResourceSlice 1.39 \
=resource.k8s.io/v1@1.34
"""


def _retired() -> Iterator[Retired]:
    for line in _RETIRED.strip().splitlines():
        api_version, kinds, removed, *rest = line.split()
        written = rest[0] if rest else ""
        pairs = [s.partition("@") for s in written.lstrip("=").split(",") if s]
        successors = tuple((api, since) for api, _, since in pairs)
        for kind in kinds.split(","):
            yield Retired(api_version, kind, removed, successors, written.startswith("="))


_BY_KIND = {(row.api_version, row.kind): row for row in _retired()}


def retired(resource: Resource) -> Retired | None:
    """What is known of the end of an object's version; None where none is published."""
    return _BY_KIND.get((resource.api_version, resource.kind))


def changes_meaning(resource: Resource) -> bool:
    """Whether a successor of the same shape reads the object in another way.

    An empty selector of a PodDisruptionBudget finds nothing in v1beta1, and every pod in v1.
    """
    if resource.group_kind != "policy/PodDisruptionBudget":
        return False
    selector = mapping(resource.spec, "selector")
    return not (mapping(selector, "matchLabels") or selector.get("matchExpressions"))


# ---------------------------------------------------------------------------------------- Istio


@dataclass(frozen=True, slots=True)
class Served:
    """Versions of a kind of Istio."""

    newest: str
    since: str = ""
    """The first minor that serves the newest one; empty for every minor."""
    older: tuple[str, ...] = ()


_NETWORKING = Served("v1", "1.22", ("v1beta1", "v1alpha3"))
_POLICIES = Served("v1", "1.20", ("v1beta1",))

ISTIO_APIS = {
    "networking.istio.io/DestinationRule": _NETWORKING,
    "networking.istio.io/Gateway": _NETWORKING,
    "networking.istio.io/ServiceEntry": _NETWORKING,
    "networking.istio.io/Sidecar": _NETWORKING,
    "networking.istio.io/VirtualService": _NETWORKING,
    "networking.istio.io/WorkloadEntry": _NETWORKING,
    "networking.istio.io/WorkloadGroup": _NETWORKING,
    "networking.istio.io/EnvoyFilter": Served("v1alpha3"),
    "networking.istio.io/ProxyConfig": Served("v1beta1"),
    "security.istio.io/AuthorizationPolicy": _POLICIES,
    "security.istio.io/RequestAuthentication": _POLICIES,
    "security.istio.io/PeerAuthentication": Served("v1", "1.22", ("v1beta1",)),
    "telemetry.istio.io/Telemetry": Served("v1", "1.22", ("v1alpha1",)),
    "extensions.istio.io/WasmPlugin": Served("v1alpha1"),
    "extensions.istio.io/TrafficExtension": Served("v1alpha1", "1.30"),
}

_GONE_GROUPS = {
    "rbac.istio.io": "AuthorizationPolicy",
    "config.istio.io": "",
    "authentication.istio.io": "PeerAuthentication and RequestAuthentication",
}
_GONE_VERSIONS = {
    "networking.istio.io/v1alpha2": "",
    "install.istio.io/v1alpha2": "Helm or an IstioOperator of install.istio.io/v1alpha1",
}


def served_version(kind: str, version: Version) -> str:
    """The newest version of a kind of Istio that a minor serves; empty where it serves none."""
    api = ISTIO_APIS[kind]
    if not api.since or version.at_least(api.since):
        return api.newest
    return api.older[0] if api.older else ""


def gone_from_istio(group: str, api_version: str) -> tuple[bool, str]:
    """Whether Istio has a group, or a version of it, no more, and what took its place."""
    if group in _GONE_GROUPS:
        return True, _GONE_GROUPS[group]
    if api_version in _GONE_VERSIONS:
        return True, _GONE_VERSIONS[api_version]
    return False, ""


# ---------------------------------------------------------------------------------- Gateway API

GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_API_ALPHA = "networking.x-k8s.io"
"""The group of the Gateway API before v1alpha2."""
GATEWAY_API_V1ALPHA2_GONE = {
    "Gateway": "v1",
    "GatewayClass": "v1",
    "HTTPRoute": "v1",
    "ReferenceGrant": "v1beta1",
}
"""Kinds that are served as v1alpha2 no more, and the version that each has now."""

BUNDLE_VERSION = "gateway.networking.k8s.io/bundle-version"
CHANNEL = "gateway.networking.k8s.io/channel"

GATEWAY_API_MINIMUM = {
    "grpcroutes.gateway.networking.k8s.io": ("1.1", "1.22"),
    "backendtlspolicies.gateway.networking.k8s.io": ("1.4", "1.28"),
    "tlsroutes.gateway.networking.k8s.io": ("1.5", "1.30"),
    "tcproutes.gateway.networking.k8s.io": ("1.6", "1.31"),
}
"""Definitions by name: the oldest bundle that istiod watches, and since which minor of Istio
(pkg/kube/kclient/crdwatcher.go of the release branches)."""
