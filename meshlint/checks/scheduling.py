"""Which nodes pods run on, and how they are spread over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshlint.checks.fixing import (
    added_constraint,
    added_pairs,
    holds_comment,
    own_labels,
    pairs,
)
from meshlint.checks.hits import listed
from meshlint.findings import Change, Hit, Path, Related
from meshlint.mesh.roles import is_long_running
from meshlint.mesh.scheduling import (
    REQUIRED_NODE_AFFINITY,
    SPREAD_TOPOLOGIES,
    contradiction,
    node_pinned,
    preferred_pin,
    spread,
    spread_terms,
    term_pins,
)
from meshlint.mesh.world import World
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, integer, items, mapping, mappings, text
from meshlint.model.workloads import Workload
from meshlint.operations import Append, Remove, Set

# ------------------------------------------------------------------------------------- node pins


def node_affinity_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pod templates without a node pin; those with a preferred one are left to another rule."""
    if subject.kind not in params["kinds"] or not subject.pod_spec:
        return
    keys = params["keys"]
    if node_pinned(subject.pod_spec, keys) or preferred_pin(subject.pod_spec, keys) is not None:
        return
    wanted = params["node_selector"] or {}
    path = (*subject.pod_spec_path, "nodeSelector")
    yield Hit(
        path,
        {"found": _instead(subject.pod_spec, keys), "added": pairs(wanted)},
        on_key=True,
        fix=added_pairs(subject.pod_spec.get("nodeSelector"), path, wanted),
    )


def _instead(pod_spec: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What the template has in place of a node pin."""
    terms = items(pod_spec, *REQUIRED_NODE_AFFINITY, "nodeSelectorTerms")
    if any(term_pins(term, keys) for term in terms):
        return "One alternative of the node affinity names no node group"
    labels = {
        *mapping(pod_spec, "nodeSelector"),
        *(text(e, "key") for term in terms for _, e in mappings(term, "matchExpressions")),
    }
    if labels - {""}:
        return f"The pod template selects nodes by {listed(sorted(labels - {''}))} only"
    return "The pod template does not select nodes"


def node_affinity_preferred_only(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pod templates whose only node pin is a preference."""
    keys = params["keys"]
    if node_pinned(subject.pod_spec, keys):
        return
    path = preferred_pin(subject.pod_spec, keys)
    if path is not None:
        yield Hit((*subject.pod_spec_path, *path[:-1]), on_key=True, fix=_required(subject, path))


def _required(subject: Workload, path: Path) -> tuple[Change, ...]:
    """Turns a preferred term of node affinity into a required one, beside those there are."""
    root = subject.pod_spec_path
    wanted = get(subject.pod_spec, *path, "preference")
    terms = items(subject.pod_spec, *REQUIRED_NODE_AFFINITY, "nodeSelectorTerms")
    if holds_comment(subject.resource.document, (*root, *path)):
        return ()
    gone = Remove((*root, *path))
    into = (*root, *REQUIRED_NODE_AFFINITY, "nodeSelectorTerms")
    if not terms:
        return (Set(into, [wanted]), gone)
    # Terms are alternatives, so each of them has to ask for it.
    return (
        *(
            Append((*into, at, kind), expression)
            for at in range(len(terms))
            for kind in ("matchExpressions", "matchFields")
            for _, expression in mappings(wanted, kind)
        ),
        gone,
    )


def node_affinity_contradictory(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Node pins that no node can satisfy."""
    found = contradiction(subject.pod_spec)
    if found is None:
        return
    root = subject.pod_spec_path
    if found.pair is None:
        yield Hit((*root, *found.path), message=found.kind, on_key=True)
        return
    one, other = found.pair
    yield Hit(
        (*root, *found.path),
        {"one": str(one), "other": str(other)},
        (Related(subject.resource.document, (*root, *one.path), f"asks for {one}"),),
        message=found.kind,
    )


def node_name_fixed(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pod templates that name their node."""
    name = text(subject.pod_spec, "nodeName")
    if name and subject.kind != "Pod":
        yield Hit((*subject.pod_spec_path, "nodeName"), {"node": name})


_CONTROL_PLANE_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def control_plane_node_tolerated(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Tolerations of the taint that keeps workloads off control-plane nodes (effect NoSchedule)."""
    if subject.kind == "DaemonSet":
        return
    for index, toleration in mappings(subject.pod_spec, "tolerations"):
        if toleration.get("effect") not in (None, "", "NoSchedule"):
            continue
        key = text(toleration, "key")
        path: Path = (*subject.pod_spec_path, "tolerations", index)
        if key in _CONTROL_PLANE_TAINTS:
            yield Hit((*path, "key"), {"key": key}, fix=(Remove(path),))
        elif not key and toleration.get("operator") == "Exists":
            yield Hit((*path, "operator"), message="everything", fix=(Remove(path),))


def priority_class_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pod templates without a priority class, or with one that is not accepted.

    Those that end by themselves are asked with `jobs` only.
    """
    if not params["jobs"] and not is_long_running(subject):
        return
    name, allowed = text(subject.pod_spec, "priorityClassName"), params["allowed"]
    path = (*subject.pod_spec_path, "priorityClassName")
    if not subject.pod_spec:
        return
    if not name:
        yield Hit(path, on_key=True)
    elif allowed and name not in allowed:
        yield Hit(path, {"name": name, "allowed": allowed}, message="other")


# ---------------------------------------------------------------------------------------- spread


def replicas_not_spread(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads of several pods that may all run on one node."""
    if not subject.pod_spec:  # the template is that of the Deployment the Rollout refers to
        return
    replicas = world.autoscaling.replica_range(subject)
    if replicas is None or replicas.maximum < params["min_replicas"]:
        return
    wanted = params["topologies"]
    groups = [[topology] for topology in wanted] if params["each"] else [wanted]
    any_labels = params["any_labels"]
    namespace = text(subject.resource.metadata, "namespace")
    lost = [
        group
        for group in groups
        if not spread(
            subject.pod_spec, subject.labels, group, any_labels=any_labels, namespace=namespace
        )
    ]
    if not lost:
        return
    pods = "1 pod" if replicas.maximum == 1 else f"{replicas.maximum} pods"
    related: tuple[Related, ...] = ()
    if replicas.autoscaler is not None:
        scaler = replicas.autoscaler
        pods = f"up to {pods}"
        related = (Related(scaler.document, scaler.maximum_path, pods),)
    name = f"{subject.kind} {subject.name}".strip()
    path = (*subject.pod_spec_path, "topologySpreadConstraints")
    if params["each"]:
        missing = listed([topology for group in lost for topology in group])
        args = {"pods": pods, "name": name, "missing": missing}
        yield Hit(path, args, related, message="each", on_key=True)
        return
    fix = added_constraint(subject.pod_spec_path, own_labels(subject), wanted)
    yield Hit(path, {"pods": pods, "name": name}, related, on_key=True, fix=fix)


def topology_spread_invalid(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Topology spread constraints that the API server refuses, or that select nothing."""
    for index, constraint in mappings(subject.pod_spec, "topologySpreadConstraints"):
        root: Path = (*subject.pod_spec_path, "topologySpreadConstraints", index)
        for field, message, on_key in _constraint_faults(constraint):
            value = constraint.get(field)
            yield Hit((*root, field), {"field": field, "value": value}, (), message, on_key)


def _constraint_faults(constraint: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    if constraint.get("topologyKey") in (None, ""):
        yield "topologyKey", "key", True
    if constraint.get("labelSelector") is None:
        message = "label-keys" if items(constraint, "matchLabelKeys") else "selector"
        yield "labelSelector", message, True
    for field in ("maxSkew", "minDomains"):
        number = integer(constraint, field)
        if number is not None and number < 1:
            yield field, "number", False
    action = constraint.get("whenUnsatisfiable")
    if isinstance(action, str) and action not in ("DoNotSchedule", "ScheduleAnyway"):
        yield "whenUnsatisfiable", "action", False
    if action == "ScheduleAnyway" and constraint.get("minDomains") is not None:
        yield "minDomains", "domains", False


def spread_selector_mismatched(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Constraints whose selector matches neither the own pods nor others of the namespace."""
    for term in spread_terms(subject.pod_spec):
        selector = term.selector
        if not isinstance(selector, dict) or matches_selector(selector, subject.labels):
            continue
        if term.kind == "podAntiAffinity":
            if term.elsewhere or term.topology not in SPREAD_TOPOLOGIES:
                continue
            # Keeping away from others is fine, and those may be kept elsewhere.
            if len(world.index.workloads_in(subject.namespace)) < 2:
                continue
        if world.index.workloads_selected(subject.namespace, selector):
            continue
        path = (*subject.pod_spec_path, *term.path, "labelSelector")
        own = own_labels(subject)
        yield Hit(
            path,
            {
                "kind": _TERMS[term.kind],
                "found": _differences(selector, subject.labels),
                "labels": pairs(own),
            },
            (
                Related(
                    subject.resource.document, subject.labels_path, "the labels of the pods", True
                ),
            ),
            on_key=True,
            fix=(Set(path, {"matchLabels": own}),) if own else (),
        )


_TERMS = {
    "topologySpreadConstraint": "This topology spread constraint",
    "podAntiAffinity": "This pod anti-affinity term",
}


def _differences(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """What the selector asks for and the labels do not have."""
    wanted = [
        f"{key}: {value}"
        for key, value in mapping(selector, "matchLabels").items()
        if labels.get(key) != value
    ]
    for _, expression in mappings(selector, "matchExpressions"):
        if not matches_selector({"matchExpressions": [expression]}, labels):
            values = ", ".join(map(str, items(expression, "values")))
            words = f"{text(expression, 'key')} {text(expression, 'operator')}"
            wanted.append(f"{words} [{values}]" if values else words)
    return listed(wanted)
