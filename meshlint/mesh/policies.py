"""What policies of Istio hold for: the mesh, a namespace, or selected workloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from meshlint.mesh.injection import scalar_text
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.tracing import is_namespace_wide
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World
    from meshlint.model.index import Index
    from meshlint.model.workloads import Workload

AUTHORIZATION_POLICY = "security.istio.io/AuthorizationPolicy"
REQUEST_AUTHENTICATION = "security.istio.io/RequestAuthentication"
EXPORT_TO = "networking.istio.io/exportTo"


def first_reported(world: World, others: Iterable[Resource]) -> ControlPlane | Resource | None:
    """What a policy that the whole mesh lacks is reported on.

    The first reported installation, one that runs istiod before one that does not, else the first
    reported one of the other objects. A control plane for gateways only reads no policies.
    """
    for plane in sorted(world.installations.control_planes, key=lambda plane: not plane.istiod):
        reported = plane.document.file.path not in world.index.context_files
        if reported and not plane.gateways_only:
            return plane
    return next((other for other in others if other.reported), None)


def mesh_namespaces(world: World) -> tuple[str, ...]:
    """Namespaces with workloads of the mesh, in input order."""
    return tuple(dict.fromkeys(found.namespace for found in world.subjects("mesh-workload")))


def namespace_wide(world: World, kind: str, namespace: str) -> list[Resource]:
    """Policies of a kind that hold for a whole namespace; for the mesh, in the root namespace."""
    return [r for r in world.index.in_namespace(kind, namespace) if is_namespace_wide(r)]


def exports(resource: Resource) -> tuple[str, ...] | None:
    """Namespaces that an object is exported to, `.`, `*` or `~` as written; None for the default.

    Source: Istio API, `exportTo` of ServiceEntry; the annotation is its counterpart of Services.
    """
    listed: list[Any] = items(resource.spec, "exportTo")
    if resource.kind == "Service":
        listed = [name.strip() for name in text(resource.annotations, EXPORT_TO).split(",")]
    return tuple(name for name in listed if isinstance(name, str) and name) or None


def is_exported(resource: Resource, namespace: str, default: Iterable[str] = ("*",)) -> bool:
    """Whether proxies of a namespace are told of an object."""
    return any(
        name in ("*", namespace) or (name == "." and resource.namespace == namespace)
        for name in exports(resource) or default
    )


# ----------------------------------------------------------------------------------- authorization


class Authorization:
    """What AuthorizationPolicies are for, by namespace. Built once a run."""

    def __init__(self, index: Index) -> None:
        self.namespaces: set[str] = set()
        """Namespaces with a policy of any kind."""
        self.wide: set[str] = set()
        """Namespaces with a policy for all workloads, or for those behind its waypoint."""
        self._index = index
        self._by_label: dict[tuple[str, str, Any], list[dict[str, Any]]] = defaultdict(list)
        self._by_service: set[tuple[str, str]] = set()
        for policy in index.of_kind(AUTHORIZATION_POLICY):
            self._add(policy)

    def _add(self, policy: Resource) -> None:
        namespace = policy.namespace
        self.namespaces.add(namespace)
        if is_namespace_wide(policy):
            self.wide.add(namespace)
        wanted = mapping(policy.spec, "selector", "matchLabels")
        for key, value in wanted.items():
            if isinstance(value, str):
                self._by_label[namespace, key, value].append(wanted)
            break
        for kind, name in _targets(policy):
            if kind == "Service":
                self._by_service.add((namespace, name))
            elif kind in ("Gateway", "GatewayClass"):
                self.wide.add(namespace)

    def holds_for(self, workload: Workload, root_namespace: str) -> bool:
        """Whether a policy is for a workload: by labels, by its Service, or for everything."""
        homes = (workload.namespace, root_namespace)
        if workload.namespace in self.wide or root_namespace in self.wide:
            return True
        for key, value in workload.labels.items():
            for home in homes:
                pair = (home, key, value) if isinstance(value, str) else None
                for wanted in self._by_label.get(pair, ()) if pair is not None else ():
                    if matches_labels(wanted, workload.labels):
                        return True
        services = self._index.services_of(workload)
        return any((s.namespace, s.name) in self._by_service for s in services)


# -------------------------------------------------------------------------------- workloads of two


def share_workloads(world: World, one: Resource, other: Resource) -> bool:
    """Whether two policies may hold for one and the same workload.

    Pods of the input decide where there are some. Where a selector meets `targetRefs`, or neither
    pods nor labels tell, the answer is yes.
    """
    root = world.root_namespace
    if one.namespace != other.namespace and root not in (one.namespace, other.namespace):
        return False
    if is_namespace_wide(one) or is_namespace_wide(other):
        return True
    targets = (set(_targets(one)), set(_targets(other)))
    if all(targets):
        return bool(targets[0] & targets[1])
    if any(targets):
        return True
    wanted, also = (mapping(policy.spec, "selector", "matchLabels") for policy in (one, other))
    if contradict(wanted, also):
        return False
    places = {one.namespace, other.namespace} - {root}
    pods = [
        pod
        for pod in world.index.workloads
        if (not places or pod.namespace in places) and matches_labels(wanted, pod.labels)
    ]
    return not pods or any(matches_labels(also, pod.labels) for pod in pods)


def contradict(labels: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether no pod can carry both sets of labels."""
    return any(key in others and others[key] != value for key, value in labels.items())


def _targets(policy: Resource) -> Iterator[tuple[str, str]]:
    references = [get(policy.spec, "targetRef"), *items(policy.spec, "targetRefs")]
    for reference in references:
        if mapping(reference):
            yield text(reference, "kind"), text(reference, "name")


# ------------------------------------------------------------------------------------ conditions

_DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_IDENTITY_FIELDS = ("principals", "requestPrincipals", "namespaces", "serviceAccounts")
_IDENTITY_KEYS = ("source.principal", "source.namespace", "request.auth.")


def is_dry_run(policy: Resource) -> bool:
    """Whether an AuthorizationPolicy is evaluated without being enforced."""
    return scalar_text(policy.annotations.get(_DRY_RUN)) in _TRUE


def default_deny(world: World, namespace: str) -> Resource | None:
    """A policy after which a namespace (or the mesh) allows only what some policy names."""
    for policy in namespace_wide(world, AUTHORIZATION_POLICY, namespace):
        if policy.spec.get("action", "ALLOW") == "ALLOW" and not is_dry_run(policy):
            return policy
    return None


def asks_nothing(rule: dict[str, Any]) -> bool:
    """Whether a rule of an AuthorizationPolicy holds for every request.

    `*` for an identity means any caller that has one, which is a condition.
    """
    sources = [mapping(entry, "source") for _, entry in mappings(rule, "from")]
    operations = [mapping(entry, "operation") for _, entry in mappings(rule, "to")]
    return (
        (not items(rule, "from") or any(_matches_any(source) for source in sources))
        and (not items(rule, "to") or any(_matches_any(operation) for operation in operations))
        and all(_is_moot(condition) for condition in items(rule, "when"))
    )


def _matches_any(block: dict[str, Any]) -> bool:
    return all(
        name not in _IDENTITY_FIELDS and not str(name).startswith("not") and _is_any(values)
        for name, values in block.items()
    )


def _is_any(values: Any) -> bool:
    return isinstance(values, list) and "*" in values


def _is_moot(condition: Any) -> bool:
    return (
        _is_any(get(condition, "values"))
        and not items(condition, "notValues")
        and not text(condition, "key").startswith(_IDENTITY_KEYS)
    )


def judges_tokens(policy: Resource) -> bool:
    """Whether an AuthorizationPolicy looks at who a request's token is for.

    One with action CUSTOM may: its provider sees the whole request.
    """
    if policy.spec.get("action") == "CUSTOM":
        return True
    for _, rule in mappings(policy.spec, "rules"):
        for _, entry in mappings(rule, "from"):
            source = mapping(entry, "source")
            if source.get("requestPrincipals") or source.get("notRequestPrincipals"):
                return True
        for _, condition in mappings(rule, "when"):
            if text(condition, "key").startswith("request.auth."):
                return True
    return False


def routes_by_claims(world: World, policy: Resource) -> bool:
    """Whether a gateway that a RequestAuthentication may hold for routes by claims of tokens.

    Source: Istio documentation, JWT claim based routing.
    """
    selected = mapping(policy.spec, "selector", "matchLabels")
    for route in world.index.of_kind("networking.istio.io/VirtualService"):
        headers = (
            name
            for _, entry in mappings(route.spec, "http")
            for _, match in mappings(entry, "match")
            for block in ("headers", "withoutHeaders")
            for name in mapping(match, block)
        )
        if not any(str(name).startswith("@request.auth.") for name in headers):
            continue
        for name in items(route.spec, "gateways"):
            namespace, _, short = str(name).rpartition("/")
            gateway = world.index.find(
                "networking.istio.io/Gateway", namespace or route.namespace, short
            )
            if gateway is None or not contradict(mapping(gateway.spec, "selector"), selected):
                return True
    return False
