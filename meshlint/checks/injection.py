"""Who joins the mesh: what labels and annotations ask for, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from meshlint.checks.hits import listed, there
from meshlint.findings import Change, Hit, Path
from meshlint.mesh.annotations import edit_distance
from meshlint.mesh.enrollment import enrolling_labels, enrollment, label_place, says_for_itself
from meshlint.mesh.injection import (
    BUILT_IN_TEMPLATES,
    DATAPLANE_MODE,
    IGNORED_NAMESPACES,
    INJECT,
    NAMESPACE_INJECTION,
    REVISION,
    TEMPLATES,
    scalar_map,
)
from meshlint.mesh.provenance import Place
from meshlint.mesh.roles import ISTIO_GROUPS, JOB_KINDS, is_long_running, serves
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, mapping, text
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload
from meshlint.operations import Move, Remove, Set

Subject = Resource | Workload

PROXY_USER = 1337
"""User of istio-proxy; traffic of this user is not redirected."""


def _labels(subject: Subject) -> tuple[Mapping[str, str], Path]:
    """Labels that the webhooks or the node agent read, and where they stand."""
    if isinstance(subject, Workload):
        return scalar_map(subject.labels), subject.labels_path
    return scalar_map(subject.labels), (*subject.path, "metadata", "labels")


# ------------------------------------------------------------------------------------- opt-outs


def disabled(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Workloads that opt out of the mesh in a namespace that is enrolled.

    With `everywhere` jobs and workloads of any namespace are asked.
    """
    if TEMPLATES in subject.annotations:
        return
    if subject.kind in JOB_KINDS and not params["everywhere"]:
        return
    if subject.pod_spec.get("hostNetwork") is True:
        return
    name = f"{subject.namespace}/{subject.name}"
    if any(fnmatchcase(name, pattern) for pattern in params["exempt"]):
        return
    enrolled = enrollment(world.index, world.settings, subject.namespace)
    injection = world.injection(subject)
    if enrolled is None:
        opted_out = _opt_out(subject, "sidecar") if params["everywhere"] else None
        if opted_out is not None:
            path, label, value = opted_out
            args = {"label": label, "value": value}
            yield Hit(path, args, message="anywhere", fix=_without(subject, path))
        return
    if injection.injected is True or injection.mode == "ambient":
        return
    opted_out = _opt_out(subject, enrolled.means)
    if opted_out is not None:
        path, label, value = opted_out
        yield Hit(
            path,
            {"label": label, "value": value, "reason": enrolled.reason},
            there(enrolled.place, "the namespace is enrolled here"),
            fix=_without(subject, path),
        )


def _without(workload: Workload, path: Path) -> tuple[Change, ...]:
    """A template without one of its labels or annotations, unless its pods are selected by it."""
    selected = mapping(workload.resource.spec, "selector", "matchLabels")
    if path[:-1] == workload.labels_path and path[-1] in selected:
        return ()
    return (Remove(path),)


def _opt_out(subject: Workload, means: str) -> tuple[Path, str, str] | None:
    labels, annotations = scalar_map(subject.labels), scalar_map(subject.annotations)
    if means == "ambient":
        if labels.get(DATAPLANE_MODE) == "none":
            return (*subject.labels_path, DATAPLANE_MODE), DATAPLANE_MODE, "none"
        return None
    if INJECT in labels:
        if labels[INJECT] == "false":
            return (*subject.labels_path, INJECT), INJECT, "false"
    elif annotations.get(INJECT) == "false":
        return (*subject.annotations_path, INJECT), INJECT, "false"
    return None


# ---------------------------------------------------------------------------------- user 1337


def uid_reserved(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Containers that run as the proxy's user, whose traffic is not redirected."""
    injection = world.injection(subject)
    if injection.answer == "no":
        return
    containers = subject.main_containers
    if params["init"]:
        containers = (*containers, *subject.init_containers)
    inherited = []
    message = "unknown" if injection.answer == "unknown" else "default"
    for container in containers:
        own = get(container.value, "securityContext", "runAsUser")
        if own is None:
            inherited.append(container)
        elif integer(own) == PROXY_USER:
            path = (*container.path, "securityContext", "runAsUser")
            yield Hit(path, {"containers": _named([container])}, message=message)
    if inherited and integer(subject.pod_spec, "securityContext", "runAsUser") == PROXY_USER:
        path = (*subject.pod_spec_path, "securityContext", "runAsUser")
        yield Hit(path, {"containers": _named(inherited)}, message=message)


def _named(containers: list[Container]) -> str:
    names = [container.name or "unnamed" for container in containers]
    if len(names) == 1:
        return f"Container {names[0]} runs"
    return f"Containers {listed(names)} run"


# --------------------------------------------------------------------------------------- labels


def labels_conflicting(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Labels that ask for two data planes, or for two control planes, at once."""
    labels, path = _labels(subject)
    if isinstance(subject, Workload):
        asked = INJECT if labels.get(INJECT) == "true" else REVISION
        if labels.get(DATAPLANE_MODE) != "ambient" or not labels.get(asked):
            return
        # A webhook must read istio.io/rev: with a namespace that decides, the label is idle.
        injected = world.injection(subject).injected
        if injected is False or (asked == REVISION and injected is not True):
            return
        yield Hit(
            (*path, DATAPLANE_MODE),
            {"labels": f"{asked} and {DATAPLANE_MODE}=ambient"},
            there(
                Place(subject.resource.document, (*path, asked)), f"{asked} asks for a sidecar here"
            ),
            message="template",
        )
        return
    asked_for = enrolling_labels(labels)
    if len(asked_for) > 1 and labels.get(NAMESPACE_INJECTION) != "disabled":
        winner, loser = asked_for[0], asked_for[1]
        yield Hit(
            (*path, loser),
            {"labels": listed([f"{name}={labels[name]}" for name in asked_for]), "winner": winner},
            there(label_place(subject, winner), "this label wins"),
        )


def label_value_invalid(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Values of injection labels that no webhook matches."""
    labels, path = _labels(subject)
    if labels.get(REVISION) == "":
        yield Hit((*path, REVISION), message="revision", on_key=True)
    if isinstance(subject, Resource):
        value = labels.get(NAMESPACE_INJECTION, "enabled")
        if value not in ("enabled", "disabled"):
            meant = _MEANT.get(value.lower(), "")
            args = {"value": value, "meant": _OF_NAMESPACES.get(meant, "")}
            where = (*path, NAMESPACE_INJECTION)
            fix = (Set(where, args["meant"]),) if meant else ()
            yield Hit(where, args, message="namespace", fix=fix)
        return
    # Istiod up to 1.11 read the annotation alone, with more spellings.
    if world.istio_version.before("1.12"):
        return
    found = ((labels, path), (scalar_map(subject.annotations), subject.annotations_path))
    for what, (values, block) in zip(("label", "annotation"), found, strict=True):
        value = values.get(INJECT, "true")
        if value not in ("true", "false"):
            meant = _MEANT.get(value.lower(), "")
            args = {"what": what, "value": value, "meant": meant}
            fix = (Set((*block, INJECT), meant),) if meant else ()
            yield Hit((*block, INJECT), args, fix=fix)


_MEANT = {
    **dict.fromkeys(("true", "yes", "on", "y", "enabled"), "true"),
    **dict.fromkeys(("false", "no", "off", "n", "disabled"), "false"),
}
_OF_NAMESPACES = {"true": "enabled", "false": "disabled"}

_POD_LABELS = (INJECT, REVISION, DATAPLANE_MODE)


def label_misplaced(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Labels about joining the mesh where neither webhook nor node agent reads them."""
    root = subject.resource.path
    template = world.autoscaling.template_of(subject)
    blocks: dict[Path, str] = {}
    if subject.kind != "Pod":
        blocks[(*root, "metadata")] = f"the {subject.kind}"
    if subject.kind == "CronJob":
        blocks[(*root, "spec", "jobTemplate", "metadata")] = "the jobTemplate"
    home = ".".join(map(str, template.labels_path[len(template.resource.path) :]))
    for block, owner in blocks.items():
        for part in ("labels", "annotations"):
            for name in mapping(subject.resource.document.value, *block, part):
                if name not in _POD_LABELS:
                    continue
                if name in template.labels or name in template.annotations:
                    continue
                args = {"name": name, "owner": owner, "home": home}
                path = (*block, part, name)
                here = template.resource.document is subject.resource.document
                fix = (Move(path, (*template.labels_path, name), before="spec"),) if here else ()
                yield Hit(path, args, on_key=True, fix=fix)
    for block in (*blocks, (*subject.template_path, "metadata")):
        for part in ("labels", "annotations"):
            if NAMESPACE_INJECTION in mapping(subject.resource.document.value, *block, part):
                path = (*block, part, NAMESPACE_INJECTION)
                yield Hit(path, {"kind": subject.kind}, message="namespace", on_key=True)


def annotation_ineffective(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """The annotation alone, in a namespace for which no webhook is called."""
    labels, annotations = scalar_map(subject.labels), scalar_map(subject.annotations)
    namespace = world.index.namespace(subject.namespace)
    if annotations.get(INJECT) != "true" or namespace is None:
        return
    if says_nothing(namespace) and INJECT not in labels and not labels.get(REVISION):
        blocked = subject.pod_spec.get("hostNetwork") is True
        if blocked or subject.namespace in IGNORED_NAMESPACES:
            return
        if world.injection(subject).injected is False:
            path = (*subject.annotations_path, INJECT)
            yield Hit(
                path,
                {"namespace": subject.namespace},
                there(Place(namespace.document, namespace.path), "no injection label here"),
                on_key=True,
                fix=(Move(path, (*subject.labels_path, INJECT)),),
            )


def says_nothing(namespace: Resource) -> bool:
    """Whether a Namespace has no label about sidecars at all."""
    return NAMESPACE_INJECTION not in namespace.labels and REVISION not in namespace.labels


def revision_label_ignored(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A revision on the template that loses against the label of the namespace."""
    labels = scalar_map(subject.labels)
    revision = labels.get(REVISION)
    namespace = world.index.namespace(subject.namespace)
    if not revision or namespace is None or labels.get(INJECT) == "false":
        return
    of_namespace = scalar_map(namespace.labels)
    if of_namespace.get(NAMESPACE_INJECTION) == "enabled":
        # Both then mean the default revision.
        decided = NAMESPACE_INJECTION if revision != "default" else ""
    elif NAMESPACE_INJECTION in of_namespace:
        return
    else:
        decided = REVISION if of_namespace.get(REVISION, revision) not in ("", revision) else ""
    if decided:
        yield Hit(
            (*subject.labels_path, REVISION),
            {
                "revision": revision,
                "namespace": subject.namespace,
                "decided": f"{decided}={of_namespace[decided]}",
            },
            there(label_place(namespace, decided), "the namespace decides here"),
            fix=_without(subject, (*subject.labels_path, REVISION)),
        )


# --------------------------------------------------------------------------- what is never injected


def _asks(subject: Workload) -> tuple[Path, str] | None:
    """Where a template asks for a proxy of its own accord."""
    labels, annotations = scalar_map(subject.labels), scalar_map(subject.annotations)
    if labels.get(INJECT, annotations.get(INJECT)) == "false":
        return None
    if labels.get(INJECT) == "true":
        return (*subject.labels_path, INJECT), f"label {INJECT}"
    if labels.get(REVISION):
        return (*subject.labels_path, REVISION), f"label {REVISION}"
    if labels.get(DATAPLANE_MODE) == "ambient":
        return (*subject.labels_path, DATAPLANE_MODE), f"label {DATAPLANE_MODE}"
    if annotations.get(INJECT) == "true":
        return (*subject.annotations_path, INJECT), f"annotation {INJECT}"
    if annotations.get(TEMPLATES):
        return (*subject.annotations_path, TEMPLATES), f"annotation {TEMPLATES}"
    return None


def host_network(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods on the network of the node that ask for a proxy."""
    asked = _asks(subject)
    proxy = subject.proxy_container
    written_out = proxy is not None and text(proxy.value, "image") not in ("", "auto")
    if subject.pod_spec.get("hostNetwork") is True and asked is not None and not written_out:
        path, what = asked
        place = Place(subject.resource.document, (*subject.pod_spec_path, "hostNetwork"))
        yield Hit(path, {"what": what}, there(place, "hostNetwork is set here"), on_key=True)


def ignored_namespace(subject: Subject, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Requests for injection where istiod never injects."""
    labels, path = _labels(subject)
    if isinstance(subject, Resource):
        asked = [label for label in enrolling_labels(labels) if label != DATAPLANE_MODE]
        if subject.name in IGNORED_NAMESPACES and asked:
            args = {"what": f"The label {asked[0]}", "namespace": subject.name}
            yield Hit((*path, asked[0]), args, on_key=True)
        return
    if subject.namespace not in IGNORED_NAMESPACES or labels.get(INJECT) == "false":
        return
    if subject.pod_spec.get("hostNetwork") is True:
        return
    label = INJECT if labels.get(INJECT) == "true" else REVISION
    if labels.get(label):
        args = {"what": f"The template's label {label}", "namespace": subject.namespace}
        yield Hit((*path, label), args, on_key=True)


# ------------------------------------------------------------------------------------ templates


def template_missing(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Injection templates that no installation has."""
    value = scalar_map(subject.annotations).get(TEMPLATES)
    if value is None or world.injection(subject).injected is False:
        return
    known = _known_templates(subject, world)
    for name in dict.fromkeys(part.strip() for part in value.split(",")):
        near = _nearest(name, known or BUILT_IN_TEMPLATES)
        if name in known if known else name in BUILT_IN_TEMPLATES or not near:
            continue
        yield Hit(
            (*subject.annotations_path, TEMPLATES),
            {
                "name": name or "(an empty name)",
                "known": listed(sorted((known or BUILT_IN_TEMPLATES) - _NOT_FOR_PODS)),
                "hint": f" Perhaps {near} is meant." if near else "",
            },
        )


_NOT_FOR_PODS = frozenset({"waypoint", "kube-gateway"})
"""Templates of every istiod for the gateways it deploys."""


def _known_templates(subject: Workload, world: World) -> frozenset[str]:
    """Every template the control planes have; empty where the input does not tell."""
    planes = world.injection(subject).planes or world.installations.control_planes
    found = set(BUILT_IN_TEMPLATES | _NOT_FOR_PODS)
    if not planes:
        return frozenset()
    for plane in planes:
        # Values that are not in the input may add templates, a remote istiod has its own.
        if not plane.istiod or len(plane.values.known().layers) < len(plane.values.layers):
            return frozenset()
        policy = world.injector.policy(plane)
        if plane.form == "rendered" and policy.auto_inject.place is None:
            return frozenset()
        found |= set(policy.own_templates) | set(policy.aliases)
    return frozenset(found)


def _nearest(name: str, known: frozenset[str]) -> str:
    near = [other for other in sorted(known) if edit_distance(name, other, 2) <= 2]
    return near[0] if len(near) == 1 else ""


def image_auto(subject: Workload, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """The placeholder image of a proxy that nobody replaces."""
    injection = world.injection(subject)
    if injection.injected is not False:
        return
    for container in subject.containers:
        if container.name == PROXY_CONTAINER and text(container.value, "image") == "auto":
            yield Hit(
                (*container.path, "image"),
                {"reason": injection.reason},
                there(injection.place, "decides that nothing is injected"),
                fix=_called(subject, world),
            )


def _called(workload: Workload, world: World) -> tuple[Change, ...]:
    """The label that has a webhook called; nothing where something else keeps it away."""
    namespace = world.index.namespace(workload.namespace)
    if REVISION in workload.labels or (namespace is not None and not says_nothing(namespace)):
        return ()
    if INJECT in workload.labels or INJECT in workload.annotations:
        return ()
    if workload.pod_spec.get("hostNetwork") is True or workload.namespace in IGNORED_NAMESPACES:
        return ()
    return (Set((*workload.labels_path, INJECT), "true"),)


# ----------------------------------------------------------------------------------- namespaces


def _is_system(namespace: Resource, world: World, params: Mapping[str, Any]) -> bool:
    installed = world.installations
    return (
        namespace.name in params["exempt"]
        or namespace.name == world.root_namespace
        or any(namespace.name == plane.namespace for plane in installed.control_planes)
        or any(namespace.name == agent.namespace for agent in installed.node_agents)
    )


def namespace_not_injected(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Namespaces whose workloads stay outside of a mesh that others are in.

    With `everywhere` every namespace has to say how it is enrolled.
    """
    if not says_nothing(subject) or DATAPLANE_MODE in subject.labels:
        return
    if subject.name in world.settings.injected_namespaces or world.injector.by_default.value:
        return
    if _is_system(subject, world, params):
        return
    if params["everywhere"]:
        path = (*subject.path, "metadata", "labels")
        yield Hit(path, {"namespace": subject.name}, message="anywhere", on_key=True)
        return
    outside = [
        workload
        for workload in world.index.workloads_in(subject.name)
        if not world.is_infrastructure(workload)
        and is_long_running(workload)
        and serves(world, workload)
        and not says_for_itself(workload)
        and workload.pod_spec.get("hostNetwork") is not True
        and world.injection(workload).injected is not True
    ]
    evidence = _mesh_evidence(subject, world) if outside else ""
    if evidence:
        first = outside[0].resource
        yield Hit(
            (*subject.path, "metadata", "labels"),
            {
                "namespace": subject.name,
                "workload": str(first.ref),
                "others": f" and {len(outside) - 1} more stay" if len(outside) > 1 else " stays",
                "evidence": evidence,
            },
            there(Place(first.document, first.path), "runs without a proxy"),
            on_key=True,
            fix=_enrolled_as_others(subject, world),
        )


def _enrolled_as_others(namespace: Resource, world: World) -> tuple[Change, ...]:
    """The label that every other namespace of the mesh has; nothing where they differ."""
    asked = set()
    for other in world.injector.enrolled_namespaces:
        labels = scalar_map(other.labels)
        asked.add(tuple((label, labels[label]) for label in enrolling_labels(labels)))
    found = asked.pop() if len(asked) == 1 else ()
    path = (*namespace.path, "metadata", "labels")
    return tuple(Set((*path, label), value) for label, value in found)


def _mesh_evidence(namespace: Resource, world: World) -> str:
    for kind in world.index.kinds:
        # A Gateway says something to the pods of a gateway alone.
        if kind.partition("/")[0] in ISTIO_GROUPS and kind != "networking.istio.io/Gateway":
            for config in world.index.in_namespace(kind, namespace.name):
                return f"{config.ref} configures the mesh there"
    for other in world.injector.enrolled_namespaces:
        return f"namespace {other.name} is in the mesh"
    planes = world.installations.control_planes
    return "the input installs Istio" if planes else ""


def namespace_injected_by_default(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Namespaces that are injected because the installation injects everywhere."""
    by_default = world.injector.by_default
    if not by_default.value or not says_nothing(subject) or _is_system(subject, world, params):
        return
    if scalar_map(subject.labels).get(DATAPLANE_MODE) == "ambient":
        return
    path = (*subject.path, "metadata", "labels")
    yield Hit(
        path,
        {"namespace": subject.name},
        there(by_default.place, "enableNamespacesByDefault is on here", on_key=True),
        on_key=True,
        fix=(Set((*path, NAMESPACE_INJECTION), "enabled"),),
    )
