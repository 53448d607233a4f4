"""Where pods may run: node pins and spreading (terms node-pin and spread)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, string_map, text

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

REQUIRED_NODE_AFFINITY = (
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
)
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
    terms = items(pod_spec, *REQUIRED_NODE_AFFINITY, "nodeSelectorTerms")
    return bool(terms) and all(term_pins(term, keys) for term in terms)


def term_pins(term: Any, keys: Sequence[str]) -> bool:
    """Whether a nodeSelectorTerm asks for a label of `keys`."""
    return any(
        _accepted(expression.get("key"), keys) and _chooses(expression)
        for _, expression in mappings(term, "matchExpressions")
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


# ------------------------------------------------------------------------------------ contradiction


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a nodeSelector or an expression of a term asks of the label `key` of a node."""

    path: Path
    """Way from the pod spec to it."""
    key: str
    operator: str
    values: frozenset[str]

    def __str__(self) -> str:
        values = ", ".join(sorted(self.values))
        if self.path[0] == "nodeSelector":
            return f"nodeSelector {self.key}: {values}"
        return f"{self.key} {self.operator} [{values}]" if values else f"{self.key} {self.operator}"

    def excludes(self, other: Requirement) -> bool:
        """Whether no label value satisfies both. Gt and Lt are taken to be satisfied."""
        if self.key != other.key:
            return False
        if self.operator == "In" == other.operator:
            return not self.values & other.values
        if self.operator == "In" and other.operator == "NotIn":
            return self.values <= other.values
        if self.operator == "DoesNotExist":
            return other.operator in ("In", "Exists", "Gt", "Lt")
        return other.operator in ("In", "DoesNotExist") and other.excludes(self)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A node pin that cannot hold."""

    kind: Literal["empty", "never", "term"]
    """No term says anything; no node satisfies it; one of several terms matches no node."""
    path: Path
    """Way from the pod spec to what cannot hold."""
    pair: tuple[Requirement, Requirement] | None = None
    """What excludes each other, in the order of the manifest; None where terms are empty."""


def contradiction(pod_spec: Mapping[str, Any]) -> Contradiction | None:
    """Why no node satisfies nodeSelector and required node affinity together, or one term of it.

    Terms are alternatives; the expressions of a term and all of nodeSelector hold together.
    """
    root = (*REQUIRED_NODE_AFFINITY, "nodeSelectorTerms")
    required = get(pod_spec, *REQUIRED_NODE_AFFINITY)
    terms = get(required, "nodeSelectorTerms")
    if not isinstance(required, dict) or not isinstance(terms, list | None):
        return None
    written = [(index, term) for index, term in enumerate(terms or ()) if not _says_nothing(term)]
    if not written:
        return Contradiction("empty", root)
    selector = [
        Requirement(("nodeSelector", key), key, "In", frozenset({value}))
        for key, value in string_map(pod_spec, "nodeSelector").items()
    ]
    inside = []
    alive = False
    first = None
    for index, term in written:
        expressions = list(_expressions(term, (*root, index)))
        own = _conflict(expressions)
        if own is not None:
            inside.append(own)
        conflict = own or _conflict([*selector, *expressions])
        alive = alive or conflict is None
        first = first or conflict
    if first is not None and not alive:
        return Contradiction("never", first[1].path, first)
    return Contradiction("term", inside[0][1].path, inside[0]) if inside else None


def _says_nothing(term: Any) -> bool:
    """A term without expressions matches no node."""
    return (
        isinstance(term, dict) and not term.get("matchExpressions") and not term.get("matchFields")
    )


def _expressions(term: Any, root: Path) -> Iterator[Requirement]:
    for index, expression in mappings(term, "matchExpressions"):
        values = frozenset(value for value in items(expression, "values") if isinstance(value, str))
        operator = text(expression, "operator")
        if values or operator not in ("In", "NotIn"):
            path = (*root, "matchExpressions", index)
            yield Requirement(path, text(expression, "key"), operator, values)


def _conflict(requirements: Sequence[Requirement]) -> tuple[Requirement, Requirement] | None:
    return next(
        ((one, other) for one, other in combinations(requirements, 2) if one.excludes(other)), None
    )


# ------------------------------------------------------------------------------------------ spread


@dataclass(frozen=True, slots=True)
class SpreadTerm:
    """A constraint that may keep pods apart."""

    kind: Literal["topologySpreadConstraint", "podAntiAffinity"]
    path: Path
    """Way from the pod spec to it."""
    topology: str
    selector: Any
    elsewhere: bool = False
    """It looks at other namespaces than that of the pod, or may do so."""
    namespaces: tuple[str, ...] = ()
    """The only namespaces it looks at; empty for that of the pod, and where others may be added."""

    def sees(self, namespace: str) -> bool:
        """Whether it looks at the pods of a namespace; always where that is not known."""
        return not namespace or not self.namespaces or namespace in self.namespaces


def spread(
    pod_spec: Mapping[str, Any],
    labels: Mapping[str, Any],
    topologies: Sequence[str] = SPREAD_TOPOLOGIES,
    *,
    any_labels: bool = False,
    namespace: str = "",
) -> bool:
    """Whether pods with these labels are spread over nodes or zones, strictly or by preference.

    With `any_labels` a term counts that keeps them apart from other pods only.
    """
    return any(
        term.topology in topologies
        and term.sees(namespace)
        and (any_labels or matches_selector(term.selector, labels))
        for term in spread_terms(pod_spec)
    )


def spread_terms(pod_spec: Mapping[str, Any]) -> Iterator[SpreadTerm]:
    """Topology spread constraints and terms of pod anti-affinity, required or preferred."""
    for index, constraint in mappings(pod_spec, "topologySpreadConstraints"):
        yield SpreadTerm(
            "topologySpreadConstraint",
            ("topologySpreadConstraints", index),
            text(constraint, "topologyKey"),
            constraint.get("labelSelector"),
        )
    root = ("affinity", "podAntiAffinity")
    required = (*root, "requiredDuringSchedulingIgnoredDuringExecution")
    for index, term in mappings(pod_spec, *required):
        yield _anti_affinity((*required, index), term)
    preferred = (*root, "preferredDuringSchedulingIgnoredDuringExecution")
    for index, weighted in mappings(pod_spec, *preferred):
        path = (*preferred, index, "podAffinityTerm")
        yield _anti_affinity(path, mapping(weighted, "podAffinityTerm"))


def _anti_affinity(path: Path, term: Mapping[str, Any]) -> SpreadTerm:
    named = tuple(name for name in items(term, "namespaces") if isinstance(name, str))
    return SpreadTerm(
        "podAntiAffinity",
        path,
        text(term, "topologyKey"),
        term.get("labelSelector"),
        elsewhere=bool(term.get("namespaces")) or term.get("namespaceSelector") is not None,
        namespaces=named if term.get("namespaceSelector") is None else (),
    )
