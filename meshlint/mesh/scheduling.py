"""Where pods may run: node pins and spreading (terms node-pin and spread)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from meshlint.findings import Path
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text

EVERYWHERE = frozenset(
    {
        "kubernetes.io/os",
        "beta.kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/arch",
        "kubernetes.io/hostname",
    }
)
"""Labels that every node carries; a selector on them chooses no group of nodes."""

SPREAD_TOPOLOGIES = (
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
)

_REQUIRED = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
_PREFERRED = ("affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution")


def _accepted(key: Any, keys: Sequence[str]) -> bool:
    return (
        isinstance(key, str)
        and key not in EVERYWHERE
        and any(fnmatchcase(key, pattern) for pattern in keys)
    )


def node_pinned(pod_spec: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Whether pods must run on nodes with a label of `keys` (`*` matches any characters)."""
    if any(_accepted(key, keys) for key in mapping(pod_spec, "nodeSelector")):
        return True
    terms = items(pod_spec, *_REQUIRED, "nodeSelectorTerms")
    return bool(terms) and all(
        any(
            _accepted(expression.get("key"), keys) and _chooses(expression)
            for _, expression in mappings(term, "matchExpressions")
        )
        for term in terms
    )


def _chooses(expression: Mapping[str, Any]) -> bool:
    operator = expression.get("operator")
    return operator == "Exists" or (operator == "In" and bool(items(expression, "values")))


def preferred_pin(pod_spec: Mapping[str, Any], keys: Sequence[str]) -> Path | None:
    """Path below the pod spec of the first preferred node affinity term on a label of `keys`."""
    for index, term in mappings(pod_spec, *_PREFERRED):
        for _, expression in mappings(term, "preference", "matchExpressions"):
            if _accepted(expression.get("key"), keys):
                return (*_PREFERRED, index)
    return None


def spread(
    pod_spec: Mapping[str, Any],
    labels: Mapping[str, Any],
    topologies: Sequence[str] = SPREAD_TOPOLOGIES,
) -> bool:
    """Whether pods with these labels are spread over nodes or zones, strictly or by preference."""
    return any(
        topology in topologies and matches_selector(selector, labels)
        for topology, selector in _spread_terms(pod_spec)
    )


def _spread_terms(pod_spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for _, constraint in mappings(pod_spec, "topologySpreadConstraints"):
        yield text(constraint, "topologyKey"), constraint.get("labelSelector")
    anti_affinity = get(pod_spec, "affinity", "podAntiAffinity")
    for _, term in mappings(anti_affinity, "requiredDuringSchedulingIgnoredDuringExecution"):
        yield text(term, "topologyKey"), term.get("labelSelector")
    for _, weighted in mappings(anti_affinity, "preferredDuringSchedulingIgnoredDuringExecution"):
        term = mapping(weighted, "podAffinityTerm")
        yield text(term, "topologyKey"), term.get("labelSelector")
