"""What an installation makes of istiod, the gateways and the node agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit
from meshlint.mesh.installations.records import (
    ControlPlane,
    GatewayProxy,
    NodeAgent,
)
from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.world import World
from meshlint.model.quantity import parse_quantity

Record = ControlPlane | GatewayProxy | NodeAgent


def _hit(
    subject: Record,
    place: Place | None,
    args: Mapping[str, object],
    *,
    message: str = "default",
    on_key: bool = False,
) -> Hit:
    """A hit where the value was decided, or on the record itself for a default."""
    where = place or subject.home
    return Hit(
        where.path, args, document=where.document, message=message, on_key=on_key or place is None
    )


def _origin(value: Sourced[Any]) -> str:
    """Words to follow a value that nobody has written down."""
    return f" ({value.default})" if value.place is None and value.default else ""


def autoscaling_disabled(
    subject: ControlPlane, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod without an autoscaler."""
    enabled = subject.autoscaling.enabled
    if enabled is not None and enabled.value is False:
        yield _hit(subject, enabled.place, {"origin": _origin(enabled)})


def min_replicas_low(
    subject: ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """istiod or a gateway that may run on fewer pods than `min`."""
    if isinstance(subject, GatewayProxy) and not _asked(subject, params):
        return
    enabled = subject.autoscaling.enabled
    if enabled is None:
        return
    scaled = enabled.value
    number = subject.autoscaling.minimum if scaled else subject.replicas
    if number is None:
        return
    count = 1 if number.value is None else number.value
    if count < params["min"]:
        yield _hit(
            subject,
            number.place,
            {
                "minimum": count,
                "min": params["min"],
                "origin": _origin(number),
                "name": _name(subject),
            },
            message="default" if scaled else "fixed",
        )


def range_fixed(
    subject: ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An autoscaler of an installation whose minimum reaches its maximum.

    Rendered autoscalers are objects of their own, and judged as such.
    """
    scaling = subject.autoscaling
    if subject.form == "rendered" or scaling.enabled is None or not scaling.enabled.value:
        return
    low, high = scaling.minimum, scaling.maximum
    if low is None or high is None or low.value is None or high.value is None:
        return
    if low.value >= high.value:
        decided = low if low.place is not None else high
        yield _hit(
            subject,
            decided.place,
            {"minimum": low.value, "maximum": high.value, "name": _name(subject)},
        )


def cpu_target_high(
    subject: ControlPlane | GatewayProxy, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """An autoscaler of an installation that acts late, or not on CPU at all."""
    scaling = subject.autoscaling
    target = scaling.cpu_target
    if scaling.enabled is None or not scaling.enabled.value or target is None:
        return
    args = {"max": params["max"], "name": _name(subject)}
    if target.value is None:
        if isinstance(subject, ControlPlane):
            place = target.place or scaling.enabled.place
            yield _hit(subject, place, args, message="missing", on_key=True)
    elif target.value > params["max"]:
        yield _hit(subject, target.place, {**args, "target": target.value})


def request_missing(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods of an installation without a CPU or memory request."""
    yield from _missing(subject, "requests", ("cpu", "memory"), params)


def limit_missing(subject: Record, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Pods of an installation without a limit on one of `resources`, or, with `cpu`, on CPU."""
    wanted = [*(["cpu"] if params.get("cpu") else []), *params["resources"]]
    yield from _missing(subject, "limits", wanted, params)


def _missing(
    subject: Record, section: str, wanted: Any, params: Mapping[str, Any]
) -> Iterator[Hit]:
    if isinstance(subject, NodeAgent) and subject.agent != params.get("agent"):
        return
    resources = subject.resources
    if resources is None:
        return
    values = resources.requests if section == "requests" else resources.limits
    lost = [
        name for name in wanted if name not in values or parse_quantity(values[name].value) is None
    ]
    if section == "requests" and subject.form == "rendered":
        # A limit without a request becomes the request once the object is admitted.
        lost = [name for name in lost if name not in resources.limits]
    if lost:
        yield _hit(
            subject,
            resources.place,
            {"lost": " and ".join(_NAMES.get(n, n) for n in lost), "name": _name(subject)},
            on_key=True,
        )


_NAMES = {"cpu": "CPU"}


def _name(subject: Record) -> str:
    if isinstance(subject, GatewayProxy):
        return f"Gateway {subject.name}" if subject.name else "The gateway"
    return "istiod" if isinstance(subject, ControlPlane) else subject.agent


def _asked(subject: GatewayProxy, params: Mapping[str, Any]) -> bool:
    if subject.kind == "DaemonSet":
        return False
    return subject.gateway_class in params.get("classes", (subject.gateway_class,))
