"""What the mesh makes of each workload, as plain data for `meshlint inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from meshlint.mesh.injection import Injection, Injector
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.proxy import EffectiveProxy, Proxies
from meshlint.mesh.proxy_resources import Quantity, Resources
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import integer
from meshlint.model.workloads import Workload


def inspect_workloads(index: Index, injector: Injector, proxies: Proxies) -> list[dict[str, Any]]:
    """One entry for each workload that is reported on, in input order, Pods with owners included.

    `injected` is true, false or null (the input does not tell); `origins` maps the way to a value
    (`proxy.requests.cpu`) to `file:line`, or to the name of the default.
    """
    found = []
    for resource in index.resources:
        workload = index.workload_of(resource) or _owned_pod(resource)
        if workload is not None and resource.reported:
            found.append(_workload(workload, injector.of(workload), proxies.of(workload)))
    return found


def _owned_pod(resource: Resource) -> Workload | None:
    # A Pod that something else made is no workload of its own, but it gets a proxy all the same.
    if resource.group_kind != "core/Pod":
        return None
    return Workload(resource, resource.path, resource.value)


def _workload(
    workload: Workload, injection: Injection, proxy: EffectiveProxy | None
) -> dict[str, Any]:
    resource = workload.resource
    origins: dict[str, str] = {}
    if injection.place is not None:
        origins["injected"] = shown_place(injection.place)
    return {
        "resource": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
        },
        "injected": injection.injected,
        "intended": injection.answer == "intended",
        "mode": injection.mode,
        "revision": injection.revision,
        "reason": injection.reason,
        "templates": list(injection.templates),
        "proxy": _proxy(proxy, origins) if proxy is not None else None,
        "terminationGracePeriodSeconds": integer(
            workload.pod_spec, "terminationGracePeriodSeconds"
        ),
        "origins": origins,
    }


def _proxy(proxy: EffectiveProxy, origins: dict[str, str]) -> dict[str, Any]:
    drain = proxy.drain
    concurrency = _value("proxy.concurrency", proxy.workers, origins)
    if concurrency is not None and proxy.follows_limit:
        origins["proxy.concurrency"] += " (the CPU limit, rounded up)"
    return {
        **_resources("proxy", proxy.resources, origins),
        "concurrency": concurrency,
        "native": _value("proxy.native", proxy.native, origins),
        "holdApplication": _value("proxy.holdApplication", proxy.hold_application, origins),
        "init": None if proxy.init is None else _resources("proxy.init", proxy.init, origins),
        "drainSeconds": _value("proxy.drainSeconds", drain.duration, origins),
        "exitOnZeroActiveConnections": _value(
            "proxy.exitOnZeroActiveConnections", drain.exit_on_zero, origins
        ),
        "minimumDrainSeconds": _value("proxy.minimumDrainSeconds", drain.minimum, origins),
        "lost": {
            name: _plain(_value(f"proxy.lost.{name}", origin, origins))
            for name, origin in sorted(proxy.lost.items())
        },
    }


def _resources(path: str, resources: Resources, origins: dict[str, str]) -> dict[str, Any]:
    return {
        "requests": _quantities(f"{path}.requests", resources.requests, origins),
        "limits": _quantities(f"{path}.limits", resources.limits, origins),
        "unknown": sorted(resources.unknown),
    }


_STEPS = {
    "limit-copied": " (the limit, copied by the API server)",
    "limitrange": " (a LimitRange of the namespace)",
}


def _quantities(
    path: str, quantities: Mapping[str, Quantity], origins: dict[str, str]
) -> dict[str, Any]:
    for name, quantity in sorted(quantities.items()):
        origins[f"{path}.{name}"] = shown_origin(quantity.origin) + _STEPS.get(quantity.step, "")
    return {name: _plain(quantity.value) for name, quantity in sorted(quantities.items())}


def _value(path: str, sourced: Sourced[Any] | None, origins: dict[str, str]) -> Any:
    if sourced is None:
        origins[path] = "not known"
        return None
    origins[path] = shown_origin(sourced)
    return _plain(sourced.value)


def _plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers without a fraction."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def shown_origin(sourced: Sourced[Any]) -> str:
    """`file:line` of a value, or the name of the default it comes from."""
    return shown_place(sourced.place) if sourced.place is not None else sourced.default


def shown_place(place: Place) -> str:
    """`file:line` of a place, or of the nearest one around it that exists."""
    document = place.document
    path, _ = document.nearest(place.path)
    span = document.key_span(path) or document.span
    return f"{document.file.path}:{document.file.position(span.start).line}"
