"""What network policies select, and what they let pass.

Sources: Kubernetes API, NetworkPolicy; CiliumNetworkPolicy; NetworkPolicy of Calico.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.ambient import covers_port
from meshlint.mesh.injection import scalar_map
from meshlint.mesh.pods import ISTIOD_LABELS
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, string_map, text
from meshlint.model.workloads import Workload
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

NETWORK_POLICY = "networking.k8s.io/NetworkPolicy"
XDS_PORT = 15012
"""Port of istiod that proxies get configuration and certificates from."""

_XDS_NAMES = ("tls-xds", "https-dns")
_NAMESPACE_NAME = "kubernetes.io/metadata.name"

_CILIUM = ("cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy")
_CALICO = tuple(
    f"{group}/{kind}"
    for group in ("projectcalico.org", "crd.projectcalico.org")
    for kind in ("NetworkPolicy", "GlobalNetworkPolicy")
)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of any kind, as far as it says which pods it is for.

    `selector` is a LabelSelector; None where it is written in a language that is not read here, so
    that the policy may be for any pod.
    """

    resource: Resource
    namespace: str | None
    """None for the whole cluster."""
    selector: Mapping[str, Any] | None
    directions: frozenset[str]
    """`Ingress`, `Egress`."""
    ruled: frozenset[str]
    """Directions that it has rules for; in the others nothing passes."""


def directions(policy: Resource) -> frozenset[str]:
    """Directions that a NetworkPolicy is about: Egress only where it says so or has rules."""
    types = [name for name in items(policy.spec, "policyTypes") if isinstance(name, str)]
    if types:
        return frozenset(types)
    return frozenset({"Ingress", "Egress"} if items(policy.spec, "egress") else {"Ingress"})


def peer_selectors(policy: Resource) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Pod selectors of peers in the policy's own namespace, with their paths."""
    for direction, field in (("ingress", "from"), ("egress", "to")):
        for rule, entry in mappings(policy.spec, direction):
            for number, peer in mappings(entry, field):
                if "namespaceSelector" not in peer and isinstance(peer.get("podSelector"), dict):
                    path = ("spec", direction, rule, field, number, "podSelector")
                    yield (*policy.path, *path), peer["podSelector"]


class NetworkPolicies:
    """The network policies of one input, found by the pods they are for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index
        self._cutting: dict[Workload, Policy | None] = {}

    def of(self, namespace: str, labels: Mapping[str, Any]) -> Iterator[Policy]:
        """Policies that are, or may be, for pods with these labels."""
        for place in (namespace, None):
            table = self._by_label.get(place)
            if table is None:
                continue
            pool = [*table.get(None, ())]
            for pair in labels.items():
                if isinstance(pair[1], str):
                    pool += table.get(pair, ())
            for policy in pool:
                if policy.selector is None or matches_selector(policy.selector, labels):
                    yield policy

    @cached_property
    def _by_label(
        self,
    ) -> Mapping[str | None, Mapping[tuple[str, str] | None, Sequence[Policy]]]:
        """Policies by namespace and the rarest label they ask for, None for no label."""
        table: dict[str | None, dict[tuple[str, str] | None, list[Policy]]] = {}
        policies = [
            (policy, list(string_map(policy.selector, "matchLabels").items()))
            for policy in self._all()
        ]
        counts = Counter((policy.namespace, pair) for policy, pairs in policies for pair in pairs)
        for policy, pairs in policies:
            here = table.setdefault(policy.namespace, defaultdict(list))
            here[_rarest(policy.namespace, pairs, counts)].append(policy)
        return table

    def _all(self) -> Iterator[Policy]:
        for found in self._index.of_kind(NETWORK_POLICY):
            ruled = {name for name in ("Ingress", "Egress") if items(found.spec, name.lower())}
            selector = mapping(found.spec, "podSelector")
            yield Policy(found, found.namespace, selector, directions(found), frozenset(ruled))
        for found in self._index.of_kind(*_CILIUM):
            for spec in (found.spec, *(entry for _, entry in mappings(found.value, "specs"))):
                if spec:
                    yield _cilium(found, spec)
        for found in self._index.of_kind(*_CALICO):
            yield _calico(found)

    # ----------------------------------------------------------------------------- control plane

    def cutting_off(self, pods: Workload) -> Policy | None:
        """The policy to mend where the policies of pods keep them from istiod.

        Of several the first with rules for egress; None where pods may reach istiod.
        """
        if pods not in self._cutting:
            policies = [
                policy
                for policy in self.of(pods.namespace, pods.labels)
                if policy.resource.group_kind == NETWORK_POLICY and "Egress" in policy.directions
            ]
            admitted = any(
                self._admits(policy.resource, namespace)
                for policy in policies
                for namespace in self.planes
            )
            speaking = [policy for policy in policies if "Egress" in policy.ruled] or policies
            self._cutting[pods] = speaking[0] if speaking and not admitted else None
        return self._cutting[pods]

    @cached_property
    def planes(self) -> Sequence[str]:
        """Namespaces that istiod runs in, as far as the input tells."""
        planes = self._world.installations.control_planes
        found = {plane.namespace for plane in planes if plane.istiod and plane.namespace}
        return sorted(found) or [self._world.root_namespace]

    def _admits(self, policy: Resource, namespace: str) -> bool:
        """Whether a policy may let pods send to istiod in a namespace."""
        for _, rule in mappings(policy.spec, "egress"):
            if not any(covers_port(rule, XDS_PORT, name) for name in _XDS_NAMES):
                continue
            peers = items(rule, "to")
            if not peers or any(self._is_istiod(peer, policy, namespace) for peer in peers):
                return True
        return False

    def _is_istiod(self, peer: Any, policy: Resource, namespace: str) -> bool:
        if get(peer, "ipBlock") is not None:
            return True  # pods may have addresses of that block
        pods, spaces = get(peer, "podSelector"), get(peer, "namespaceSelector")
        if spaces is None:
            if policy.namespace != namespace:
                return False
        elif not self._selects_namespace(mapping(spaces), namespace):
            return False
        return pods is None or _may_select(mapping(pods), ISTIOD_LABELS, complete=False)

    def _selects_namespace(self, selector: Mapping[str, Any], namespace: str) -> bool:
        resource = self._index.namespace(namespace)
        labels = scalar_map(resource.labels) if resource is not None else {}
        labels = {**labels, _NAMESPACE_NAME: namespace}
        return _may_select(selector, labels, complete=resource is not None)


def _may_select(selector: Mapping[str, Any], labels: Mapping[str, str], *, complete: bool) -> bool:
    """Whether a LabelSelector selects what has these labels, and others too unless `complete`."""
    if complete:
        return matches_selector(selector, labels)
    known = {key: value for key, value in mapping(selector, "matchLabels").items() if key in labels}
    expressions = [
        entry for _, entry in mappings(selector, "matchExpressions") if text(entry, "key") in labels
    ]
    return matches_selector({"matchLabels": known, "matchExpressions": expressions}, labels)


def _rarest(
    namespace: str | None,
    pairs: Sequence[tuple[str, str]],
    counts: Mapping[tuple[str | None, tuple[str, str]], int],
) -> tuple[str, str] | None:
    return min(pairs, key=lambda pair: counts[namespace, pair]) if pairs else None


# ------------------------------------------------------------------------------- other kinds

# Cilium names the source of a label before it.
_LABEL_SOURCE = regexp(r"^(?:any|k8s)[:.]")


def _cilium(resource: Resource, spec: Mapping[str, Any]) -> Policy:
    selector = mapping(spec, "endpointSelector")
    labels = {
        _LABEL_SOURCE.sub("", str(key)): value
        for key, value in mapping(selector, "matchLabels").items()
    }
    plain = {**selector, "matchLabels": labels}
    readable = not any(str(key).startswith(("io.kubernetes", "io.cilium")) for key in labels)
    ruled = {
        name
        for name in ("Ingress", "Egress")
        if any(field in spec for field in (name.lower(), f"{name.lower()}Deny"))
    }
    return Policy(
        resource,
        None if resource.kind == "CiliumClusterwideNetworkPolicy" else resource.namespace,
        plain if readable else None,
        frozenset(ruled),
        frozenset(ruled),
    )


_CALICO_TERM = regexp(r"""\s*([\w./-]+)\s*==\s*(?:'([^']*)'|"([^"]*)")\s*""")


def _calico(resource: Resource) -> Policy:
    spec = resource.spec
    ruled = {name for name in ("Ingress", "Egress") if items(spec, name.lower())}
    types = {name for name in items(spec, "types") if isinstance(name, str)}
    return Policy(
        resource,
        None if resource.kind == "GlobalNetworkPolicy" else resource.namespace,
        _calico_selector(text(spec, "selector")),
        frozenset(types or ruled or {"Ingress"}),
        frozenset(ruled),
    )


def _calico_selector(written: str) -> Mapping[str, Any] | None:
    if written.strip() in ("", "all()"):
        return {}
    labels = {}
    for term in written.split("&&"):
        found = _CALICO_TERM.fullmatch(term)
        if found is None:
            return None
        labels[found[1]] = found[2] if found[2] is not None else found[3]
    return {"matchLabels": labels}
