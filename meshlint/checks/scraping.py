"""Monitors and rules of Prometheus: do they select what they are meant for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Change, Hit, Related
from meshlint.mesh import scraping
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.monitoring import placed_once
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import mapping, mappings, text
from meshlint.operations import Set


def rule_not_selected(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """PrometheusRules that no server of the input evaluates."""
    servers = scraping.rule_readers(world.index)
    answers = [scraping.reads_rule(world.index, server, subject) for server in servers]
    if not servers or any(answer is not False for answer in answers):
        return
    if scraping.may_have_more_readers(world.index):
        return
    near = next((s for s in servers if s.namespace == subject.namespace), servers[0])
    wanted = mapping(near.spec, "ruleSelector", "matchLabels")
    missing = {key: value for key, value in wanted.items() if subject.labels.get(key) != value}
    args = {
        "rule": subject.name,
        "server": f"{near.kind} {near.name}",
        "labels": " and ".join(f"{key}={value}" for key, value in missing.items()),
        "namespace": subject.namespace,
    }
    message = "default"
    if near.spec.get("ruleSelector") is None:
        message = "unset"
    elif not missing:
        message = "namespace"
    key = "ruleNamespaceSelector" if message == "namespace" else "ruleSelector"
    told = "what it selects" if near.spec.get(key) is not None else f"no {key} here"
    related = Related(near.document, (*near.path, "spec", key), told, on_key=True)
    path = (*subject.path, "metadata", "labels")
    fix: tuple[Change, ...] = ()
    alike = all(mapping(s.spec, "ruleSelector") == {"matchLabels": wanted} for s in servers)
    if alike and message == "default":
        fix = tuple(Set((*path, key), value) for key, value in missing.items())
    yield Hit(path, args, (related,), message, on_key=True, fix=fix)


def monitor_selects_nothing(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """ServiceMonitors without a Service, or without a port of theirs.

    With `everywhere` also where no Service is in the namespaces that they look into.
    """
    services = scraping.candidates(world.index, subject)
    if not params["own_namespace"] and not mapping(subject.spec, "namespaceSelector"):
        services = list(world.index.of_kind("core/Service"))
    if not services and not params["everywhere"]:
        return
    selected = [service for service in services if scraping.selects(subject, service.labels)]
    if not selected:
        if not params["everywhere"] and _may_select_elsewhere(subject, services, world):
            return
        where = scraping.namespaces(subject)
        args = {
            "monitor": subject.name,
            "count": len(services),
            "where": f"namespace {', '.join(sorted(where))}" if where else "all namespaces",
        }
        yield Hit((*subject.path, "spec", "selector"), args, on_key=True)
        return
    names = sorted({text(p, "name") for s in selected for _, p in mappings(s.spec, "ports")} - {""})
    found = list(scraping.endpoints(subject))
    ports = [endpoint.get("port") for _, endpoint in found]
    if not ports or any(port is None or port in names for port in ports):
        return
    first = selected[0]
    related = Related(first.document, (*first.path, "spec", "ports"), "its ports", on_key=True)
    args = {"port": ports[0], "service": first.name, "names": ", ".join(names) or "no name"}
    yield Hit((*subject.path, *found[0][0], "port"), args, (related,), "port")


def _may_select_elsewhere(subject: Resource, services: Any, world: World) -> bool:
    """Whether what a monitor selects may be made by something that the input does not show."""
    if scraping.may_be_made(world.index, subject):
        return True
    if any(scraping.selects(subject, labels) for labels in _MADE_BY_ISTIO):
        return True
    if scraping.namespaces(subject) is not None and subject.ref.namespace:
        return False
    # Labels that no Service here has belong to Services that a controller makes.
    keys = scraping.selector_keys(subject)
    return not any(keys & service.labels.keys() for service in services)


_MADE_BY_ISTIO = (
    {"app": "istiod", "istio": "pilot", "istio.io/rev": "default"},
    {"app": "istio-ingressgateway", "istio": "ingressgateway"},
    {"app": "istio-egressgateway", "istio": "egressgateway"},
)


def istiod_unscraped(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An istiod whose metrics nobody collects."""
    index = world.index
    if not scraping.is_known_completely(index) or scraping.scrapes_istiod(index, subject):
        return
    annotation = scraping.scrape_annotation(index, subject)
    if annotation in ("true", True) and not params["annotations"]:
        return
    workload = index.workload_of(subject.workload) if subject.workload is not None else None
    if workload is not None and annotation is not None:
        yield Hit(
            (*workload.annotations_path, "prometheus.io/scrape"),
            document=workload.resource.document,
        )
    else:
        yield Hit(subject.path, on_key=True)


def proxies_unscraped(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A mesh whose proxies' metrics nobody collects."""
    index = world.index
    if not scraping.is_known_completely(index) or scraping.scrapes_proxies(index):
        return
    merge = subject.mesh_config.get("enablePrometheusMerge")
    if merge is not None and merge.value is False and merge.place is not None:
        place = merge.place
        yield Hit(place.path, document=place.document, message="merge")
    elif params["annotations"] and subject is placed_once(world, "istio-installation"):
        yield Hit(subject.path, on_key=True)
