"""Makes the bundles in meshlint/schemas/data from the package kubernetes-validate.

    .venv/bin/python tools/kubernetes_schemas.py

Run it when kubernetes-validate has a new minor of Kubernetes; then raise NEWEST_MINOR in
meshlint/schemas/kubernetes.py. One bundle a minor: a gzip of lines. The first line is a JSON object
of kinds (`apps/v1/Deployment`) and the definition of each; every further line is the name of a
definition, a tab, and its JSON Schema. So a kind is read without the definitions of the others.

A slim definition says the same as the official one, except that

- descriptions and what is not needed to validate are gone,
- no type allows null: meshlint reads null in a mapping as absent,
- `status` takes anything, as the API server ignores it in what is applied,
- `oneOf` of plain types is a list of types,
- the enumerations below are added, which the API server enforces but does not publish,
- the keys of lists stay only where the API server refuses two items with the same keys.
"""

from __future__ import annotations

import gzip
import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "meshlint" / "schemas" / "data"
OLDEST_MINOR = 25

_KEPT = ("type", "required", "enum", "properties", "items", "additionalProperties", "$ref")
_PREFIXES = (
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
    "io.k8s.apimachinery.pkg.apis.",
    "io.k8s.apimachinery.pkg.api.",
    "io.k8s.apimachinery.pkg.",
    "io.k8s.api.",
)

# Source: the constants of each type in k8s.io/api and what pkg/apis/*/validation accepts. An empty
# string is defaulted where a field has a default, so it is allowed everywhere.
_ENUMERATIONS: dict[str, str] = {
    "core/Container.imagePullPolicy": "Always IfNotPresent Never",
    "core/Container.terminationMessagePolicy": "File FallbackToLogsOnError",
    "core/EphemeralContainer.imagePullPolicy": "Always IfNotPresent Never",
    "core/EphemeralContainer.terminationMessagePolicy": "File FallbackToLogsOnError",
    "core/ContainerPort.protocol": "TCP UDP SCTP",
    "core/HTTPGetAction.scheme": "HTTP HTTPS",
    "core/PodSpec.restartPolicy": "Always OnFailure Never",
    "core/PodSpec.dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
    "core/PodSpec.preemptionPolicy": "PreemptLowerPriority Never",
    "core/PodSecurityContext.fsGroupChangePolicy": "OnRootMismatch Always",
    "core/SeccompProfile.type": "Unconfined RuntimeDefault Localhost",
    "core/AppArmorProfile.type": "Unconfined RuntimeDefault Localhost",
    "core/SecurityContext.procMount": "Default Unmasked",
    "core/Toleration.effect": "NoSchedule PreferNoSchedule NoExecute",
    "core/Toleration.operator": "Exists Equal Lt Gt",
    "core/TopologySpreadConstraint.whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
    "core/TopologySpreadConstraint.nodeAffinityPolicy": "Honor Ignore",
    "core/TopologySpreadConstraint.nodeTaintsPolicy": "Honor Ignore",
    "core/NodeSelectorRequirement.operator": "In NotIn Exists DoesNotExist Gt Lt",
    "core/Taint.effect": "NoSchedule PreferNoSchedule NoExecute",
    "core/VolumeMount.mountPropagation": "None HostToContainer Bidirectional",
    "core/HostPathVolumeSource.type": (
        "DirectoryOrCreate Directory FileOrCreate File Socket CharDevice BlockDevice"
    ),
    "core/PersistentVolumeClaimSpec.volumeMode": "Block Filesystem",
    "core/PersistentVolumeClaimSpec.accessModes[]": (
        "ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod"
    ),
    "core/PersistentVolumeSpec.volumeMode": "Block Filesystem",
    "core/PersistentVolumeSpec.accessModes[]": (
        "ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod"
    ),
    "core/PersistentVolumeSpec.persistentVolumeReclaimPolicy": "Retain Recycle Delete",
    "core/ServiceSpec.type": "ClusterIP NodePort LoadBalancer ExternalName",
    "core/ServiceSpec.sessionAffinity": "ClientIP None",
    "core/ServiceSpec.externalTrafficPolicy": "Cluster Local",
    "core/ServiceSpec.internalTrafficPolicy": "Cluster Local",
    "core/ServiceSpec.ipFamilyPolicy": "SingleStack PreferDualStack RequireDualStack",
    "core/ServiceSpec.ipFamilies[]": "IPv4 IPv6",
    "core/ServicePort.protocol": "TCP UDP SCTP",
    "core/EndpointPort.protocol": "TCP UDP SCTP",
    "meta/LabelSelectorRequirement.operator": "In NotIn Exists DoesNotExist",
    "apps/DeploymentStrategy.type": "Recreate RollingUpdate",
    "apps/DaemonSetUpdateStrategy.type": "RollingUpdate OnDelete",
    "apps/StatefulSetUpdateStrategy.type": "RollingUpdate OnDelete",
    "apps/StatefulSetSpec.podManagementPolicy": "OrderedReady Parallel",
    "apps/StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted": "Retain Delete",
    "apps/StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled": "Retain Delete",
    "batch/CronJobSpec.concurrencyPolicy": "Allow Forbid Replace",
    "batch/JobSpec.completionMode": "NonIndexed Indexed",
    "batch/JobSpec.podReplacementPolicy": "TerminatingOrFailed Failed",
    "autoscaling/MetricSpec.type": "Object Pods Resource ContainerResource External",
    "autoscaling/MetricTarget.type": "Utilization Value AverageValue",
    "autoscaling/HPAScalingRules.selectPolicy": "Max Min Disabled",
    "autoscaling/HPAScalingPolicy.type": "Pods Percent",
    "policy/PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy": "IfHealthyBudget AlwaysAllow",
    "networking/HTTPIngressPath.pathType": "Exact Prefix ImplementationSpecific",
    "networking/NetworkPolicySpec.policyTypes[]": "Ingress Egress",
    "networking/NetworkPolicyPort.protocol": "TCP UDP SCTP",
    "discovery/EndpointSlice.addressType": "IPv4 IPv6 FQDN",
    "scheduling/PriorityClass.preemptionPolicy": "PreemptLowerPriority Never",
    "storage/StorageClass.volumeBindingMode": "Immediate WaitForFirstConsumer",
    "storage/StorageClass.reclaimPolicy": "Retain Delete",
    "rbac/RoleRef.apiGroup": "rbac.authorization.k8s.io",
    "rbac/Subject.kind": "User Group ServiceAccount",
    "admissionregistration/MutatingWebhook.failurePolicy": "Ignore Fail",
    "admissionregistration/MutatingWebhook.matchPolicy": "Exact Equivalent",
    "admissionregistration/MutatingWebhook.reinvocationPolicy": "Never IfNeeded",
    "admissionregistration/ValidatingWebhook.failurePolicy": "Ignore Fail",
    "admissionregistration/ValidatingWebhook.matchPolicy": "Exact Equivalent",
    "admissionregistration/RuleWithOperations.scope": "Cluster Namespaced *",
    "admissionregistration/RuleWithOperations.operations[]": "* CREATE UPDATE DELETE CONNECT",
    "apiextensions/CustomResourceDefinitionSpec.scope": "Cluster Namespaced",
}

# The API server takes repeated keys here: it warns, or merges, or the last one wins.
_REPEATABLE = frozenset(
    {
        "core/Container.env",
        "core/Container.ports",
        "core/EphemeralContainer.env",
        "core/EphemeralContainer.ports",
        "core/PodSpec.imagePullSecrets",
        "core/PodSpec.hostAliases",
        "core/PodSpec.tolerations",
        "core/ServiceAccount.secrets",
        "core/ServiceAccount.imagePullSecrets",
        "meta/ObjectMeta.ownerReferences",
    }
)


def main() -> int:
    """Writes one bundle for every minor that the package has."""
    root = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    TARGET.mkdir(exist_ok=True)
    for folder in sorted(root.iterdir(), key=lambda entry: entry.name):
        match = re.fullmatch(r"v1\.(\d+)\.\d+-local-strict", folder.name)
        if match is None or int(match[1]) < OLDEST_MINOR:
            continue
        official = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
        text = bundle(official)
        target = TARGET / f"kubernetes-1.{match[1]}.gz"
        # No time of making in the file: the same input gives the same bytes.
        target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")
    return 0


def bundle(official: dict[str, Any]) -> str:
    """The text of a bundle, before it is compressed."""
    kinds: dict[str, str] = {}
    for name, definition in official.items():
        declared = definition.get("x-kubernetes-group-version-kind", [])
        if len(declared) != 1 or "items" in definition.get("properties", {}):
            continue
        gvk = declared[0]
        if "metadata" in definition.get("properties", {}):
            group = f"{gvk['group']}/" if gvk["group"] else ""
            kinds[f"{group}{gvk['version']}/{gvk['kind']}"] = short(name)
    known = {short(name): name for name in official}
    slim: dict[str, Any] = {}
    wanted = sorted(set(kinds.values()))
    while wanted:
        name = wanted.pop()
        if name in slim:
            continue
        slim[name] = _slim_definition(name, official[known[name]], is_kind=name in kinds.values())
        wanted += references(slim[name])
    head = json.dumps(dict(sorted(kinds.items())), separators=(",", ":"))
    lines = [f"{name}\t{json.dumps(slim[name], separators=(',', ':'))}" for name in sorted(slim)]
    return "\n".join([head, *lines]) + "\n"


def short(name: str) -> str:
    """The name of a definition without what all of them begin with."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def references(schema: Any) -> list[str]:
    """The names of the definitions that a schema refers to."""
    return re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema))


def _slim_definition(name: str, definition: dict[str, Any], *, is_kind: bool) -> Any:
    owner = _owner(name)
    slim = _slim(definition, owner)
    properties = slim.get("properties", {}) if isinstance(slim, dict) else {}
    if is_kind and "status" in properties:
        properties["status"] = {}
    for field, schema in properties.items():
        values = _ENUMERATIONS.get(f"{owner}.{field}")
        if values is not None:
            schema["enum"] = [*values.split(), ""]
        values = _ENUMERATIONS.get(f"{owner}.{field}[]")
        if values is not None:
            schema["items"]["enum"] = values.split()
    return slim


def _owner(name: str) -> str:
    """`core/Container` of `core.v1.Container`."""
    group, _, rest = name.partition(".")
    return f"{group}/{rest.rpartition('.')[2]}"


def _slim(schema: Any, place: str) -> Any:
    if not isinstance(schema, dict):
        return schema
    plain = [_type(branch.get("type")) for branch in schema.get("oneOf", [])]
    if plain:
        return {"type": sorted(str(name) for name in plain)}
    slim: dict[str, Any] = {}
    for key in _KEPT:
        if key not in schema:
            continue
        value = schema[key]
        if key == "type":
            value = _type(value)
        elif key == "properties":
            value = {name: _slim(inner, f"{place}.{name}") for name, inner in value.items()}
        elif key == "$ref":
            value = f"#/$defs/{short(value.rpartition('/')[2])}"
        elif key in ("items", "additionalProperties"):
            value = _slim(value, place)
        slim[key] = value
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys and place not in _REPEATABLE:
        slim["x-kubernetes-list-map-keys"] = keys
    return slim


def _type(value: Any) -> Any:
    if isinstance(value, list):
        rest = [name for name in value if name != "null"]
        return rest[0] if len(rest) == 1 else rest
    return value


if __name__ == "__main__":
    sys.exit(main())
