"""The proxy and the load that a workload or gateway declares: CPU, memory, worker threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from meshlint.checks.fixing import (
    annotated_config,
    exceeds,
    proxy_annotations,
    remove_config,
    set_at,
    set_config,
)
from meshlint.checks.hits import at, there
from meshlint.dataclass import replace
from meshlint.findings import Change, Hit, In
from meshlint.mesh.capacity import LoadedProxy, loaded_proxy
from meshlint.mesh.installations.editing import place_for
from meshlint.mesh.installations.records import ControlPlane, GatewayProxy
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.proxy_resources import Part, key
from meshlint.mesh.world import World
from meshlint.model.quantity import format_cpu, format_memory, parse_quantity
from meshlint.model.workloads import Workload

_CPU_STEP = {"requests": Decimal("0.01"), "limits": Decimal("0.1")}
_MEMORY_STEP = Decimal(1024**2)


def _rounded_up(amount: Decimal, step: Decimal) -> Decimal:
    return (amount / step).to_integral_value(ROUND_CEILING) * step


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _cpu_figure(proxy: LoadedProxy, params: Mapping[str, Any]) -> tuple[Decimal, str] | None:
    """CPU per 1000 requests per second, and where the figure comes from."""
    given = params["cpu_per_1000rps"]
    if given is not None:
        return Decimal(str(given)), "as configured"
    figure = proxy.figure
    return (figure.cpu, f"Istio {figure.since} and later") if figure is not None else None


# ------------------------------------------------------------------------ CPU, memory, workers


def cpu_below_load(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A CPU request or limit (`part`) below what the declared load takes."""
    proxy = loaded_proxy(subject, world)
    figure = _cpu_figure(proxy, params) if proxy is not None else None
    if proxy is None or figure is None:
        return
    headroom = Decimal(str(params.get("headroom", 0)))
    need = proxy.load.value / 1000 * figure[0] * (1 + headroom)
    part = params["part"]
    given = (proxy.requests if part == "requests" else proxy.limits).get("cpu")
    amount = parse_quantity(given.value) if given is not None else None
    if given is None or amount is None or need <= amount:
        return
    wanted = format_cpu(_rounded_up(need, _CPU_STEP[part]))
    hit = _below(
        subject,
        proxy,
        given,
        {
            "need": format_cpu(need),
            "set": wanted,
            "figure": f"{_plain(figure[0])} vCPU",
            "source": figure[1],
            "headroom": f" with {_plain(headroom * 100)}% headroom" if headroom else "",
        },
    )
    yield replace(hit, fix=_given_cpu(subject, world, part, wanted, given))


def _given_cpu(
    subject: Workload | GatewayProxy, world: World, part: Part, cpu: str, given: Sourced[Any]
) -> tuple[Change, ...]:
    """A request or limit for one proxy: by its annotations, or in the container's resources."""
    if isinstance(subject, Workload):
        effective = world.proxy(subject)
        own = effective.resources.part(part).get("cpu") if effective is not None else None
        if own is not None and own.step != "container":
            added = proxy_annotations(world, subject, {key(part, "cpu"): cpu})
            return (In(subject.resource.document, added),) if added else ()
        return set_at(given.place, cpu)
    place = given.place
    if place is None:
        home = place_for(subject, "resources")
        place = home.below(part, "cpu") if home is not None else None
    limits = subject.resources.limits if subject.resources is not None else {}
    raised: tuple[Change, ...] = ()
    if part == "requests" and "cpu" in limits and exceeds(cpu, limits["cpu"].value):
        home = place_for(subject, "resources")
        raised = set_at(home, cpu, "limits", "cpu")
        if not raised:
            return ()
    return (*set_at(place, cpu), *raised)


def memory_below_load(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """A memory limit below what the declared load takes."""
    proxy = loaded_proxy(subject, world)
    if proxy is None:
        return
    configured = parse_quantity(params["memory_per_1000rps"])
    base = parse_quantity(params["base_memory"])
    source = "as configured"
    if configured is None and proxy.figure is not None:
        configured, source = proxy.figure.memory, f"Istio {proxy.figure.since} and later"
    limit = proxy.limits.get("memory")
    amount = parse_quantity(limit.value) if limit is not None else None
    if configured is None or base is None or limit is None or amount is None:
        return
    need = base + proxy.load.value / 1000 * configured
    if need > amount:
        yield _below(
            subject,
            proxy,
            limit,
            {
                "need": format_memory(_rounded_up(need, _MEMORY_STEP)),
                "figure": format_memory(configured),
                "source": source,
            },
        )


def workers_below_load(
    subject: Workload | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Fewer worker threads, by explicit concurrency, than the declared load keeps busy."""
    proxy = loaded_proxy(subject, world)
    figure = _cpu_figure(proxy, params) if proxy is not None else None
    if proxy is None or figure is None:
        return
    workers = proxy.concurrency
    if workers is None or not workers.value:
        return
    need = (proxy.load.value / 1000 * figure[0]).to_integral_value(ROUND_CEILING)
    if workers.value < need:
        yield _below(
            subject,
            proxy,
            workers,
            {
                "need": int(need),
                "figure": f"{_plain(figure[0])} vCPU",
                "source": figure[1],
                "threads_needed": "worker thread" if need == 1 else "worker threads",
            },
        )


def _below(
    subject: Workload | GatewayProxy,
    proxy: LoadedProxy,
    given: Sourced[Any],
    args: Mapping[str, object],
) -> Hit:
    """A hit on the value where the subject itself sets it, else on the annotation with the load."""
    declared = proxy.load.place
    assert declared is not None, "a load is never a default"
    args = {
        **args,
        "given": given.value,
        "load": _plain(proxy.load.value),
        "origin": f" ({given.default})" if given.is_default and given.default else "",
    }
    if given.place is not None and given.place.document is _document(subject):
        return at(given.place, args, there(declared, "the declared load"))
    return at(declared, args, there(given.place, f"{given.value} is set here"))


# ----------------------------------------------------------------------------------- concurrency


def concurrency_above_cpu_limit(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """More worker threads, by explicit concurrency, than the CPU limit has cores for."""
    if isinstance(subject, ControlPlane):
        workers = subject.mesh_config.get("defaultConfig", "concurrency")
        limit = subject.proxy_resources.limits.get("cpu") if subject.proxy_resources else None
    else:
        proxy = world.proxy(subject)
        if proxy is None:
            return
        workers = proxy.concurrency
        quantity = proxy.limits.get("cpu")
        limit = quantity.origin if quantity is not None else None
        if _mesh_wide(workers, world) and quantity is not None and quantity.step == "global":
            return
    threads = workers.value if workers is not None else None
    cores = parse_quantity(limit.value) if limit is not None else None
    if workers is None or limit is None or not isinstance(threads, int) or not cores:
        return
    most = int(cores.to_integral_value(ROUND_CEILING))
    if threads <= most:
        return
    args = {
        "threads": threads,
        "limit": limit.value,
        "most": most,
        "origin": f" ({limit.default})" if limit.is_default and limit.default else "",
    }
    own = _document(subject)
    if workers.place is not None and (
        workers.place.document is own or limit.place is None or limit.place.document is not own
    ):
        fix = _fewer_threads(subject, workers, most, world)
        related = there(limit.place, f"the CPU limit is {limit.value}")
        yield at(workers.place, args, related, fix=fix)
    elif limit.place is not None:
        fix = _fewer_threads(subject, workers, most, world)
        yield at(limit.place, args, there(workers.place, f"concurrency is {threads}"), fix=fix)


def _fewer_threads(
    subject: Workload | ControlPlane, workers: Sourced[Any], threads: int, world: World
) -> tuple[Change, ...]:
    """Another concurrency where it is set; for one workload alone if that is for the mesh."""
    if isinstance(subject, Workload) and (workers.place is None or _mesh_wide(workers, world)):
        added = annotated_config(subject, ("concurrency",), threads)
        return (In(subject.resource.document, added),) if added else ()
    return set_config(workers.place, ("concurrency",), threads) if workers.place else ()


def concurrency_unbounded(
    subject: Workload | ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An explicit concurrency of 0 that starts a worker thread per core of the node."""
    if isinstance(subject, ControlPlane):
        workers = subject.mesh_config.get("defaultConfig", "concurrency")
        # Up to 1.17 the injector puts a number in its place: by a CPU limit or request, or two.
        if subject.version.before("1.18"):
            return
    else:
        proxy = world.proxy(subject)
        if proxy is None or proxy.workers is None or proxy.workers.value is not None:
            return
        workers = proxy.concurrency
        if _mesh_wide(workers, world):
            return
    if workers is not None and workers.value == 0 and workers.place is not None:
        yield at(workers.place, {}, fix=remove_config(workers.place, ("concurrency",)))


def _mesh_wide(value: Sourced[Any] | None, world: World) -> bool:
    """Whether a value is the mesh-wide one of an installation, which is judged there, once."""
    found = (
        plane.mesh_config.get("defaultConfig", "concurrency")
        for plane in world.installations.control_planes
    )
    return value is not None and any(
        one is not None and one.place is not None and one.place == value.place for one in found
    )


def _document(subject: Workload | ControlPlane | GatewayProxy) -> object:
    return subject.resource.document if isinstance(subject, Workload) else subject.document
