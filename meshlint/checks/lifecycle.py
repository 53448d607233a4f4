"""How pods start and end: the proxy beside the application, hooks, grace periods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meshlint.checks.fixing import annotated_config, remove_at, remove_config, set_at
from meshlint.checks.hits import at, there
from meshlint.findings import Change, Hit, Related
from meshlint.mesh.injection import scalar_text
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.mesh_config import MeshConfig
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy import grace_period
from meshlint.mesh.proxy_config import CONFIG_ANNOTATION, annotation_config, parsed_mapping
from meshlint.mesh.serving import called_containers, services_behind_ingress
from meshlint.mesh.shutdown import (
    DRAIN_UNTIL_IDLE,
    Hook,
    gateway_grace_period,
    longest_hook,
    proxy_end,
    sleep_seconds,
)
from meshlint.mesh.world import World
from meshlint.model.values import get
from meshlint.model.workloads import Workload


def _plain(seconds: Decimal) -> str:
    return f"{seconds.normalize():f}s"


def _grace(subject: Workload | GatewayProxy, world: World) -> Sourced[int] | None:
    if isinstance(subject, GatewayProxy):
        return gateway_grace_period(subject, world)
    return grace_period(subject)


def _home(subject: Workload | GatewayProxy) -> Place:
    """Where a grace period would be set."""
    if isinstance(subject, GatewayProxy):
        return subject.home
    name = "terminationGracePeriodSeconds"
    return Place(subject.resource.document, (*subject.pod_spec_path, name))


# ------------------------------------------------------------------------------------------- end


def drain_exceeds_grace_period(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Proxies that are killed while they still drain."""
    end = proxy_end(subject, world)
    grace = _grace(subject, world)
    draining = end.draining if end is not None else None
    if end is None or grace is None or draining is None:
        return
    total = draining.value + end.hook_seconds
    if total < grace.value:
        return
    hook = f", after a preStop hook of {_plain(end.hook_seconds)}" if end.hook_seconds else ""
    home = _home(subject)
    place = grace.place or home
    drained = draining.place
    if grace.place is None and drained is not None and drained.document is home.document:
        place, drained = drained, None
    yield at(
        place,
        {
            "drain": _plain(draining.value),
            "hook": hook,
            "grace": grace.value,
            "default": "" if grace.place is not None else " (the default)",
            "needed": int(total) + 5,
        },
        there(drained, f"the proxy drains for {_plain(draining.value)}"),
        on_key=place is home,
        fix=_longer(subject, grace, int(total) + 5),
    )


def _longer(
    subject: Workload | GatewayProxy, grace: Sourced[int], seconds: int
) -> tuple[Change, ...]:
    """Another grace period, where it stands or would stand."""
    if grace.place is not None or isinstance(subject, Workload):
        return set_at(grace.place or _home(subject), seconds)
    site = subject.values.site("terminationGracePeriodSeconds")
    return set_at(site, seconds) if subject.form == "helm" else ()


def exits_before_application(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Applications whose preStop hook outlives the proxy."""
    end = proxy_end(subject, world)
    hook = longest_hook(subject.main_containers)
    if end is None or hook is None or end.drain.exit_on_zero is None or end.draining is None:
        return
    if end.drain.exit_on_zero.value or (end.hook is not None and sleep_seconds(end.hook) is None):
        return
    alive = end.draining.value + end.hook_seconds
    if hook.seconds >= alive:
        yield _at_hook(
            hook,
            {
                "container": hook.container.name or "unnamed",
                "sleep": _plain(hook.seconds),
                "alive": _plain(alive),
            },
            there(end.draining.place, f"the proxy drains for {_plain(end.draining.value)}"),
            annotated_config(subject, ("proxyMetadata", DRAIN_UNTIL_IDLE), "true"),
        )


def _at_hook(
    hook: Hook,
    args: Mapping[str, object],
    related: tuple[Related, ...],
    fix: tuple[Change, ...],
) -> Hit:
    return Hit(hook.path, args, related, on_key=True, fix=fix)


def drain_duration_ignored(
    subject: Workload | GatewayProxy | MeshConfig, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """terminationDrainDuration beside the variable that makes the agent ignore it."""
    if isinstance(subject, MeshConfig):
        mesh = subject.config
        duration = mesh.get("defaultConfig", "terminationDrainDuration")
        exits = mesh.get("defaultConfig", "proxyMetadata", DRAIN_UNTIL_IDLE)
        version = subject.plane.version if subject.plane is not None else world.istio_version
    else:
        version = subject.version if isinstance(subject, GatewayProxy) else world.istio_version
        config = _pod_config(subject)
        duration = exits = None
        if config is not None:
            duration = config.map(lambda values: values.get("terminationDrainDuration"))
            exits = config.map(lambda values: get(values, "proxyMetadata", DRAIN_UNTIL_IDLE))
    if duration is None or exits is None or duration.value is None or duration.place is None:
        return
    if scalar_text(exits.value) == "true" and version.at_least("1.12"):
        elsewhere = exits.place if exits.place != duration.place else None
        yield at(
            duration.place,
            {"duration": duration.value},
            there(elsewhere, "the variable that wins"),
            fix=remove_config(duration.place, ("terminationDrainDuration",)),
        )


def _pod_config(subject: Workload | GatewayProxy) -> Sourced[dict[str, Any]] | None:
    """ProxyConfig fields of the annotation on the pods."""
    if isinstance(subject, Workload):
        return annotation_config(subject)
    written = subject.annotations.get(CONFIG_ANNOTATION)
    values = parsed_mapping(written, CONFIG_ANNOTATION) if written is not None else None
    if values is None or subject.annotations_place is None:
        return None
    return Sourced(values, subject.annotations_place.below(CONFIG_ANNOTATION))


def prestop_exceeds_grace_period(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """preStop hooks that use up the whole grace period."""
    grace = _grace(subject, world)
    if grace is None:
        return
    for place, container, hook in _hooks(subject):
        seconds = sleep_seconds(hook)
        if seconds is not None and seconds >= grace.value:
            yield at(
                place,
                {
                    "container": container,
                    "sleep": _plain(seconds),
                    "grace": grace.value,
                    "default": "" if grace.place is not None else " (the default)",
                    "needed": int(seconds) + 15,
                },
                there(grace.place, f"the grace period is {grace.value}s"),
                on_key=True,
                fix=_longer(subject, grace, int(seconds) + 15),
            )


def _hooks(subject: Workload | GatewayProxy) -> Iterator[tuple[Place, str, Any]]:
    """Places of preStop hooks, the containers they belong to, and the hooks.

    Gateways that stand in the input as workloads are judged as such.
    """
    steps = ("lifecycle", "preStop")
    if isinstance(subject, Workload):
        for container in subject.containers:
            place = Place(subject.resource.document, (*container.path, *steps))
            yield place, container.name or "unnamed", get(container.value, *steps)
        return
    found = subject.values.get(*steps) if subject.form == "helm" else None
    if found is not None and found.place is not None:
        yield found.place, "istio-proxy", found.value


def grace_period_zero(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pods that are killed without a moment to end."""
    grace = _grace(subject, world)
    if grace is not None and grace.value == 0 and grace.place is not None:
        yield at(grace.place, {}, fix=remove_at(grace.place))


def grace_period_below_route_timeout(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Pods that end before a request that was just accepted may have its answer."""
    template = world.autoscaling.template_of(subject)
    timeouts = [
        world.route_timeouts[service.namespace, service.name]
        for service in world.index.services_of(template)
        if (service.namespace, service.name) in world.route_timeouts
    ]
    if not timeouts:
        return
    longest = max(timeouts, key=lambda timeout: timeout.seconds)
    grace = grace_period(template)
    hook = longest_hook(template.main_containers)
    left = grace.value - (hook.seconds if hook is not None else Decimal(0))
    if left < longest.seconds:
        yield at(
            grace.place or _home(template),
            {
                "grace": grace.value,
                "default": "" if grace.place is not None else " (the default)",
                "hook": f", of which a preStop hook takes {_plain(hook.seconds)}" if hook else "",
                "timeout": _plain(longest.seconds),
                "route": str(longest.route.ref),
            },
            there(longest.place, "the timeout of a route to these pods"),
            on_key=grace.place is None,
        )


_WAIT = 10
"""Seconds in which endpoints are withdrawn everywhere."""


def prestop_hook_missing(
    subject: Workload, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Serving pods that stop listening while requests are still sent to them."""
    template = world.autoscaling.template_of(subject)
    called = called_containers(world.index, template)
    if not called or any(get(c.value, "lifecycle", "preStop") is not None for c in called):
        return
    injection = world.injection(template)
    if injection.answer in ("yes", "intended"):
        proxy = world.proxy(template)
        native = proxy.native if proxy is not None else None
        if params["native_exempt"] and (native is None or native.value):
            return
        caller = "the mesh"
    elif injection.mode == "ambient":
        caller = "the mesh"
    elif services_behind_ingress(world.index, template):
        caller = "an Ingress"
    else:
        return
    container = called[0]
    place = Place(template.resource.document, (*container.path, "lifecycle", "preStop"))
    args = {"container": container.name or "unnamed", "caller": caller}
    served = world.kubernetes_version.at_least("1.30")
    fix = set_at(place.below("sleep"), {"seconds": _WAIT}) if served else ()
    grace = grace_period(template)
    if fix and grace.value <= _WAIT:
        fix = (*fix, *_longer(template, grace, grace.value + _WAIT))
    yield at(place, args, on_key=True, fix=fix)
