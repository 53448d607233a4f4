"""Which policies of Istio hold for the same workloads, and which for none.

Sources: Istio API (workload selectors, `targetRefs`); Istio `pilot/pkg/model` (of several policies
in one scope the oldest counts).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from meshlint.mesh.installations.automatic import GATEWAY_NAME
from meshlint.mesh.selection import selector, target_references
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels

if TYPE_CHECKING:
    from meshlint.mesh.world import World

_Scope = tuple[str, str]
_SINGLE = (
    "security.istio.io/PeerAuthentication",
    "networking.istio.io/Sidecar",
    "telemetry.istio.io/Telemetry",
)
"""Kinds of which one object counts for a workload."""
_MANY = 64
"""Policies of one label that are compared."""


def selected_labels(policy: Resource) -> dict[str, Any]:
    """Labels that the workload selector of a policy asks for; empty for all workloads."""
    found = selector(policy)
    return found.labels if found is not None else {}


def is_wide(policy: Resource) -> bool:
    """Whether a policy is for all workloads of its namespace."""
    return not selected_labels(policy) and not any(True for _ in target_references(policy))


class PolicyScopes:
    """The policies of the input by what they select. Built once a run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._index = world.index

    def wide(self, kind: str, namespace: str) -> Sequence[Resource]:
        """Policies of a kind for all workloads of a namespace, in input order."""
        return self._wide.get((kind, namespace), ())

    @cached_property
    def _wide(self) -> Mapping[_Scope, Sequence[Resource]]:
        table: dict[_Scope, list[Resource]] = defaultdict(list)
        for policy in self._index.of_kind(*_SINGLE):
            if is_wide(policy):
                table[policy.group_kind, policy.namespace].append(policy)
        return table

    @cached_property
    def _by_label(self) -> Mapping[tuple[str, str, str, Any], Sequence[Resource]]:
        # Under one pair of the selector only: a pod must carry all of them to be selected.
        table: dict[tuple[str, str, str, Any], list[Resource]] = defaultdict(list)
        for policy in self._index.of_kind(*_SINGLE):
            for key, value in selected_labels(policy).items():
                if isinstance(value, str):
                    table[policy.group_kind, policy.namespace, key, value].append(policy)
                break
        return table

    def overlapping(self, policy: Resource) -> Iterator[tuple[Resource, str]]:
        """Other policies for a workload of this one, each with its name.

        The name is empty where only equal selectors tell.
        """
        labels = selected_labels(policy)
        for other in self._under(policy, labels):
            if other is not policy and selected_labels(other) == labels:
                yield other, ""
        pods = self._index.workloads_with_labels(policy.namespace, labels)
        for pod in islice(pods, _MANY):
            for other in self._under(policy, pod.labels):
                if other is not policy and matches_labels(selected_labels(other), pod.labels):
                    yield other, pod.name

    def _under(self, policy: Resource, labels: Mapping[str, Any]) -> Iterator[Resource]:
        for key, value in labels.items():
            if isinstance(value, str):
                scope = (policy.group_kind, policy.namespace, key, value)
                yield from islice(self._by_label.get(scope, ()), _MANY)

    def kubernetes_gateway(self, policy: Resource) -> str | None:
        """A Gateway of the Gateway API whose pods the selector of a policy means."""
        labels = selected_labels(policy)
        for pod in self._index.workloads_with_labels(policy.namespace, labels):
            if isinstance(pod.labels.get(GATEWAY_NAME), str):
                return str(pod.labels[GATEWAY_NAME])
        for gateway in self._automatic.get(policy.namespace, ()):
            if matches_labels(labels, gateway):
                return str(gateway[GATEWAY_NAME])
        return None

    @cached_property
    def _automatic(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        table: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        for gateway in self._world.installations.gateways:
            if gateway.form == "automatic" and gateway.scheduling is not None:
                table[gateway.namespace].append(gateway.scheduling.pod_labels)
        return table

    # ------------------------------------------------------------------------------- selects none

    def selects_nothing(self, policy: Resource) -> bool:
        """Whether no workload that a selector asks for can be there, as far as the input shows."""
        labels = selected_labels(policy)
        if not labels or not all(isinstance(value, str) for value in labels.values()):
            return False
        if self._means_istio(labels) and not self._shows_gateways:
            return False
        pods = self._world.pods
        if pods.may_match(policy, {"matchLabels": labels}):
            return False
        if policy.namespace != self._world.root_namespace or policy.kind == "Sidecar":
            return self._world.presence.shows_workloads(policy)
        return bool(self._index.workloads) and not self._may_be_anywhere(labels)

    @cached_property
    def _shows_gateways(self) -> bool:
        return any(one.form != "automatic" for one in self._world.installations.gateways)

    def _means_istio(self, labels: Mapping[str, str]) -> bool:
        return "istio" in labels or any(value.startswith("istio") for value in labels.values())

    def _may_be_anywhere(self, labels: Mapping[str, str]) -> bool:
        """Whether pods of some namespace have labels, those of gateways and machines included."""
        if self._index.workloads_anywhere(labels):
            return True
        gateways = self._world.installations.gateways
        if any(
            g.scheduling is None or matches_labels(labels, g.scheduling.pod_labels)
            for g in gateways
        ):
            return True
        machines = self._index.of_kind(
            "networking.istio.io/WorkloadEntry", "networking.istio.io/WorkloadGroup"
        )
        return bool(machines) or any(
            self._world.pods.has_releases(namespace) for namespace in self._world.hosts.namespaces
        )
