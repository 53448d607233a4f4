"""Access logs and metrics of proxies: are they on, and can they be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.checks.fixing import mesh_config_place, set_at
from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh import tracing
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.mesh_config import MeshConfig, is_known
from meshlint.mesh.monitoring import placed_once
from meshlint.mesh.provenance import Place
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text
from meshlint.model.workloads import Workload, without_template
from meshlint.operations import Set

# --------------------------------------------------------------------------------- access logs


def access_log_disabled(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh whose proxies write no access log."""
    config = subject.mesh_config
    if subject is not placed_once(world, "istio-installation"):
        return
    # Proxies of a remote cluster do what the MeshConfig of the primary says.
    if not is_known(config) or not subject.istiod:
        return
    entries = list(world.telemetries.log_entries)
    if any(entry.get("disabled") is not True for _, _, entry in entries):
        return
    if items(config.value("defaultProviders", "accessLogging")):
        return
    if (
        not config.value("accessLogFile")
        and config.value("enableEnvoyAccessLogService") is not True
    ):
        args = {"root": world.root_namespace}
        emptied = config.given("accessLogFile")
        if emptied is not None and emptied.place is not None:
            # Entries of a Telemetry would take away what MeshConfig sets.
            fix = () if entries else set_at(emptied.place, _OUTPUT)
            yield at(emptied.place, args, fix=fix)
        else:
            site = subject.values.site("meshConfig", "accessLogFile")
            if config:
                site = config.site("accessLogFile")
            fix = () if entries else set_at(mesh_config_place(site), _OUTPUT)
            yield Hit(subject.path, args, on_key=True, fix=fix)
    elif entries:
        # An entry without providers takes away what MeshConfig sets as well.
        telemetry, path, _ = entries[0]
        yield at(Place(telemetry.document, (*path, "disabled")), {}, message="telemetry")


_OUTPUT = "/dev/stdout"


def access_log_unstructured(
    subject: MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Access logs as plain text."""
    file = subject.config.get("accessLogFile")
    # A format that spells JSON out makes JSON in either encoding.
    spelt = text(subject.config.value("accessLogFormat")).lstrip().startswith("{")
    if file is not None and file.value and subject.known and not spelt:
        encoding = subject.config.get("accessLogEncoding")
        if encoding is None or encoding.value != "JSON":
            decided = encoding if encoding is not None and encoding.place is not None else file
            if decided.place is not None:
                place = decided.place
                beside = Place(
                    place.document, (*place.path[:-1], "accessLogEncoding"), place.embedded
                )
                keys = list(mapping(place.document.value, *place.path[:-1]))
                # A parameter of Argo CD has no siblings of that name.
                known = "accessLogFile" in keys
                following = keys[keys.index("accessLogFile") + 1 :][:1] if known else []
                fix = set_at(beside, "JSON", before="".join(following)) if known else ()
                yield at(place, {"file": file.value}, fix=fix)
    used = {*subject.defaults("accessLogging"), *world.telemetries.referred("accessLogging")}
    for provider in subject.providers:
        if provider.type != "envoyFileAccessLog" or provider.name not in used:
            continue
        if text(provider.settings, "logFormat", "text") and provider.place is not None:
            place = provider.place.below(provider.type, "logFormat", "text")
            yield at(place, {"provider": provider.name}, message="provider", on_key=True)


def access_log_provider_missing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Access logs switched on in a Telemetry that names nowhere to write them."""
    configs = world.subjects("mesh-config")
    if not configs or not any(
        not items(entry, "providers") and entry.get("disabled") is not True
        for _, entry in tracing.entries(subject, "accessLogging")
    ):
        return
    if any(config.defaults("accessLogging") or not config.known for config in configs):
        return
    # An entry without providers takes those of the entry before it, or of the wider Telemetry.
    inherits = world.telemetries.inherits_log_provider(subject)
    for path, entry in tracing.entries(subject, "accessLogging"):
        inherits = inherits or bool(items(entry, "providers"))
        if entry.get("disabled") is not True and not inherits:
            where = (*path, "providers")
            yield Hit(where, on_key=True, fix=(Set(where, [{"name": "envoy"}]),))


# ------------------------------------------------------------------------------------- metrics


def request_metrics_disabled(
    subject: Resource | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxies that do not count the requests they serve."""
    if isinstance(subject, ControlPlane):
        yield from _switched_off(subject, world)
        return
    if not tracing.is_namespace_wide(subject):
        return
    for path, entry in tracing.entries(subject, "metrics"):
        for index, override in mappings(entry, "overrides"):
            match = mapping(override, "match")
            every = match.get("metric") in (None, "ALL_METRICS", "REQUEST_COUNT")
            served = match.get("mode") in (None, "SERVER", "CLIENT_AND_SERVER")
            if (
                override.get("disabled") is True
                and every
                and served
                and not match.get("customMetric")
            ):
                scope = "the mesh"
                if subject.namespace != world.root_namespace:
                    scope = f"namespace {subject.namespace}"
                yield Hit((*path, "overrides", index, "disabled"), {"scope": scope})


_SWITCHES = (("enabled",), ("v2", "enabled"), ("v2", "prometheus", "enabled"))


def _switched_off(subject: ControlPlane, world: World) -> Iterator[Hit]:
    if not subject.istiod or not is_known(subject.mesh_config):
        return
    if items(subject.mesh_config.value("defaultProviders", "metrics")):
        return
    if subject.values.value("telemetry", "v2", "stackdriver", "enabled") is True:
        return
    if world.telemetries.referred("metrics"):
        return
    for switch in _SWITCHES:
        given = subject.values.given("telemetry", *switch)
        if given is not None and given.value is False and given.place is not None:
            args = {"field": ".".join(("telemetry", *switch))}
            yield at(given.place, args, message="values")
            return


def label_missing(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pods of the mesh without the labels that name them in metrics and traces.

    With `either` those of the workload itself do too, and then workloads whose pods are still to be
    written are looked at, of which nothing else is known.
    """
    if isinstance(subject, Resource):
        if not params["either"] or world.index.workload_of(subject) is not None:
            return
        subject = without_template(subject)
        if "workload" not in params["kinds"] and subject.kind not in params["kinds"]:
            return
    elif not any(_is_a(subject, kind, world) for kind in params["kinds"]):
        return
    outer = subject.resource
    labels = [subject.labels]
    if params["either"]:
        labels.append(outer.labels)
    for group in params["groups"]:
        if group and not any(found.get(label) for found in labels for label in group):
            args = {"labels": " or ".join(group), "name": subject.name}
            message = "default" if _CANONICAL & set(group) else "other"
            yield Hit(subject.labels_path, args, message=message, on_key=True)


def annotation_missing(
    subject: Workload | Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Workloads without the annotations that a configuration asks for."""
    found = []
    if isinstance(subject, Workload):
        found.append(subject.annotations)
        subject = subject.resource
    elif world.index.workload_of(subject) is not None:
        return
    found.append(subject.annotations)
    for group in params["groups"]:
        if group and not any(annotations.get(name) for annotations in found for name in group):
            args = {"annotations": " or ".join(group), "name": str(subject.ref)}
            yield Hit((*subject.path, "metadata", "annotations"), args, on_key=True)


_CANONICAL = frozenset({"app", "app.kubernetes.io/name", "service.istio.io/canonical-name"})


def _is_a(subject: Workload, kind: str, world: World) -> bool:
    if kind == "mesh-workload":
        injection = world.injection(subject)
        return injection.answer in ("yes", "intended") or injection.mode == "ambient"
    if kind in (subject.kind, subject.resource.group_kind):
        return True
    return any(subject is found for found in world.subjects(kind))
