"""What fixes are made of: operations that several checks need."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from meshlint.documents import Document, parse
from meshlint.edits import Refused, apply_edits, block_lines, plan
from meshlint.findings import Change, In, NewDocument, Path
from meshlint.mesh.autoscaling import API_VERSIONS, CONTAINER_METRICS, DEFAULT_CPU_TARGET, HPA
from meshlint.mesh.installations.neighbors import BUDGET
from meshlint.mesh.provenance import Place
from meshlint.mesh.proxy import RESOURCE_ANNOTATIONS, EffectiveProxy
from meshlint.mesh.proxy_config import CONFIG_ANNOTATION
from meshlint.mesh.proxy_resources import Resources, chart_defaults, installed, key
from meshlint.mesh.world import World
from meshlint.model.quantity import parse_quantity
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, string_map, text
from meshlint.model.workloads import Container, Workload
from meshlint.operations import Append, Operation, OperationError, Remove, Set, applied
from meshlint.text import SourceFile


def own_labels(workload: Workload) -> dict[str, str]:
    """Labels that select the pods of a workload: those it selects them by, else all they have.

    None where the workload has no selector: what fills that in, as a kustomization may, adds labels
    to the pods too.
    """
    selector = workload.resource.spec.get("selector")
    if not isinstance(selector, dict):
        return {}
    plain = "matchLabels" not in selector and "matchExpressions" not in selector
    selected = string_map(selector) if plain else string_map(selector, "matchLabels")
    if selected and matches_selector({"matchLabels": selected}, workload.labels):
        return dict(selected)
    return dict(string_map(workload.labels))


def spread_constraint(
    labels: Mapping[str, str], topology: str = "kubernetes.io/hostname"
) -> dict[str, Any]:
    """A constraint that spreads pods over nodes, but rather runs them together than not at all."""
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(labels)},
    }


def added_constraint(
    pod_spec_path: Path, labels: Mapping[str, str], topologies: Sequence[str]
) -> tuple[Change, ...]:
    """One more topology spread constraint of a pod spec."""
    if not labels or not topologies:
        return ()
    return (
        Append(
            (*pod_spec_path, "topologySpreadConstraints"),
            spread_constraint(labels, topologies[0]),
        ),
    )


def added_pairs(found: Any, path: Path, wanted: Mapping[str, Any] | None) -> tuple[Operation, ...]:
    """Pairs that a mapping does not have yet; none at all where one has another value there."""
    present = mapping(found)
    if not wanted or any(present.get(key, value) != value for key, value in wanted.items()):
        return ()
    return tuple(Set((*path, key), value) for key, value in wanted.items() if key not in present)


def container_resource(
    container: Container, section: str, resource: str, value: Any
) -> tuple[Change, ...]:
    """A request or limit of a container; nothing where the other of the two forbids it."""
    if value is None:
        return ()
    other = get(
        container.value, "resources", "limits" if section == "requests" else "requests", resource
    )
    if exceeds(value, other) if section == "requests" else exceeds(other, value):
        return ()
    before = "limits" if section == "requests" else ""
    return (Set((*container.path, "resources", section, resource), value, before),)


def exceeds(one: Any, other: Any) -> bool:
    """Whether the first of two quantities is larger; not where one of them is none."""
    amount, most = parse_quantity(one), parse_quantity(other)
    return amount is not None and most is not None and amount > most


def holds_comment(document: Document, path: Path) -> bool:
    """Whether a comment may stand within a value."""
    span = document.span_of(path)
    return span is not None and "#" in document.file.text[span.start : span.end]


def pairs(found: Mapping[str, Any]) -> str:
    """Labels as people write them: `app=shop, tier=web`."""
    return ", ".join(f"{key}={value}" for key, value in found.items())


def set_first(block: Mapping[str, Any], path: Path, key: str, value: Any) -> Set:
    """Sets a key of a block, in front of all others where it is missing."""
    return Set((*path, key), value, before=next(iter(block), ""))


def next_to(place: Place | None, above: Sequence[str], below: Sequence[str]) -> str:
    """The sibling that a new key goes in front of, so that it stands beside one of these."""
    if place is None or place.embedded:
        return ""
    keys = list(mapping(place.document.value, *place.path[:-1]))
    for name in below:
        if name in keys:
            return name
    for name in above:
        if name in keys[:-1]:
            return str(keys[keys.index(name) + 1])
    return ""


def keeps_data(workload: Workload) -> bool:
    """Whether pods own volumes: a second one would be another database, or wait for the volume."""
    return bool(items(workload.resource.spec, "volumeClaimTemplates")) or any(
        "persistentVolumeClaim" in volume for _, volume in mappings(workload.pod_spec, "volumes")
    )


def free_name(world: World, group_kind: str, workload: Workload, suffix: str) -> str:
    """The name of a workload, with the suffix where an object of that kind has it already."""
    name = workload.name
    taken = world.index.find(group_kind, workload.namespace, name) is not None
    return f"{name}-{suffix}" if taken else name


def beside(workload: Workload, name: str) -> dict[str, Any]:
    """Metadata of an object that is to lie in the namespace of a workload."""
    namespace = text(workload.resource.metadata, "namespace")
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def new_autoscaler(
    world: World, workload: Workload, container: str, replicas: tuple[int, int]
) -> NewDocument:
    """A HorizontalPodAutoscaler for a workload that looks at the CPU of one of its containers."""
    block: dict[str, Any] = {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": DEFAULT_CPU_TARGET},
    }
    if world.kubernetes_version.before(CONTAINER_METRICS["stable"]):
        metric = {"type": "Resource", "resource": block}
    else:
        metric = {
            "type": "ContainerResource",
            "containerResource": {"container": container, **block},
        }
    reference = {
        "apiVersion": API_VERSIONS[workload.kind],
        "kind": workload.kind,
        "name": workload.name,
    }
    return NewDocument(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": beside(workload, free_name(world, HPA, workload, "hpa")),
            "spec": {
                "scaleTargetRef": reference,
                "minReplicas": replicas[0],
                "maxReplicas": replicas[1],
                "metrics": [metric],
            },
        }
    )


def new_budget(world: World, workload: Workload, template: Workload) -> tuple[Change, ...]:
    """A budget that lets one pod go at a time, for the pods that a workload itself selects.

    `template` is the workload that has their template; without labels nothing can select them.
    """
    labels = own_labels(template)
    if not labels:
        return ()
    return (
        NewDocument(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": beside(workload, free_name(world, BUDGET, workload, "pdb")),
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
            }
        ),
    )


def mesh_config_place(place: Place | None) -> Place | None:
    """Where a person sets a field of MeshConfig of which nothing is written yet.

    An IstioOperator has `spec.meshConfig` for it, beside `spec.values`.
    """
    if place is None or place.path[1:3] != ("values", "meshConfig"):
        return place
    written = place.document.value
    if (
        get(written, "kind") != "IstioOperator"
        or get(written, "spec", *place.path[1:3]) is not None
    ):
        return place
    return Place(place.document, ("spec", *place.path[2:]), place.embedded)


def set_at(place: Place | None, value: Any, *steps: str, before: str = "") -> tuple[Change, ...]:
    """Sets a value of an installation; nothing where no edit reaches it."""
    if place is None or place.embedded:
        return ()
    if _is_parameter(place):
        # Argo CD takes text alone, and one value for each parameter.
        value = json.dumps(value) if isinstance(value, bool | int) else value
        if steps or not isinstance(value, str):
            return ()
    return (In(place.document, (Set((*place.path, *steps), value, before),)),)


def remove_at(place: Place | None) -> tuple[Change, ...]:
    """Takes a setting of an installation away; nothing where no edit reaches it."""
    if place is None or place.embedded:
        return ()
    path = place.path[:-1] if _is_parameter(place) else place.path
    return (In(place.document, (Remove(path),)),)


def _is_parameter(place: Place) -> bool:
    """Whether a value is that of a Helm parameter of an Argo CD Application."""
    path = place.path[-3:]
    return path[:1] == ("parameters",) and path[-1] == "value" and isinstance(path[1], int)


def proxy_annotations(
    world: World, workload: Workload, wanted: Mapping[str, str] | None = None
) -> tuple[Operation, ...]:
    """Completes the resource annotations of a pod template.

    One annotation discards every default of the mesh, so all that is not annotated yet gets the
    default that the proxy had. `wanted` names values (`cpu-limit`) that have to be there, each with
    the value it is to have, or with an empty text for the default.
    """
    proxy = world.proxy(workload)
    if proxy is None or proxy.unknown:
        return ()
    wanted = wanted or {}
    defaults = _mesh_defaults(proxy)
    amounts: dict[str, str] = {}
    for name, (part, resource) in RESOURCE_ANNOTATIONS.items():
        value = key(part, resource)
        chosen = wanted.get(value) or proxy.annotations.get(name)
        if chosen is None:
            default = defaults.part(part).get(resource)
            if default is None and value in wanted:
                default = chart_defaults(proxy.version).part(part).get(resource)
            own = proxy.resources.part(part).get(resource)
            if default is None or (own is not None and own.step == "container"):
                continue
            chosen = str(default.value)
        amounts[name] = chosen
    for resource in ("cpu", "memory"):
        names = {part: name for name, (part, r) in RESOURCE_ANNOTATIONS.items() if r == resource}
        request, limit = names["requests"], names["limits"]
        if exceeds(amounts.get(request), amounts.get(limit)):
            # What nobody has chosen gives way.
            given = key("requests", resource) in wanted or request in proxy.annotations
            amounts[limit if given else request] = amounts[request if given else limit]
    return tuple(
        Set((*workload.annotations_path, name), value)
        for name, value in amounts.items()
        if proxy.annotations.get(name) != value
    )


def _mesh_defaults(proxy: EffectiveProxy) -> Resources:
    """What the mesh gives to proxies without annotations."""
    if proxy.plane is None or proxy.plane.proxy_resources is None:
        return chart_defaults(proxy.version)
    return installed(proxy.plane.proxy_resources)


def within_text(
    document: Document, path: Path, operations: Sequence[Operation]
) -> tuple[Operation, ...]:
    """Operations on the YAML that the text at a path holds; a text that holds nothing then goes.

    The rest of the text stays as it is, its comments too.
    """
    written = get(document.value, *path)
    if not isinstance(written, str):
        return ()
    inner = parse(SourceFile("", written))
    if inner.problems or len(inner.documents) != 1:
        return ()
    try:
        edits = plan(inner.documents[0], operations)
        left = applied(inner.documents[0].value, operations)
    except (Refused, OperationError):
        return ()
    if not left:
        return (Remove(path),)
    return (Set(path, apply_edits(written, edits)),)


def set_config(place: Place, steps: Path, value: Any) -> tuple[Change, ...]:
    """Sets a field of ProxyConfig, which stands at a place or within the text of an annotation."""
    if place.path[-1:] == (CONFIG_ANNOTATION,):
        found = within_text(place.document, place.path, (Set(steps, value),))
        return (In(place.document, found),) if found else ()
    return set_at(place, value)


def remove_config(place: Place, *fields: Path) -> tuple[Change, ...]:
    """Takes fields of ProxyConfig away, which stand at a place or within an annotation."""
    if place.path[-1:] == (CONFIG_ANNOTATION,):
        operations = [Remove(field) for field in fields]
        found = within_text(place.document, place.path, operations)
        return (In(place.document, found),) if found else ()
    return remove_at(place)


def annotated_config(workload: Workload, steps: Path, value: Any) -> tuple[Operation, ...]:
    """Sets a field of ProxyConfig in the annotation of a pod template, which may be missing."""
    path = (*workload.annotations_path, CONFIG_ANNOTATION)
    document = workload.resource.document
    if get(document.value, *path) is not None:
        return within_text(document, path, (Set(steps, value),))
    for step in reversed(steps):
        value = {step: value}
    return (Set(path, "\n".join(block_lines(value)) + "\n"),)
