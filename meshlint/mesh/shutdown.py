"""How pods end: grace period, preStop hooks, and the drain of the proxy beside them.

Sources: Kubernetes documentation, pod termination; in istio/istio `pkg/envoy/agent.go` and the
mesh API, ProxyConfig. Without a native sidecar the proxy gets SIGTERM at the same time as the
application, or before it where that has a preStop hook.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.gateway_config import gateway_layers, gateway_workload, injected_gateway
from meshlint.mesh.installations.records import GatewayProxy
from meshlint.mesh.provenance import Sourced
from meshlint.mesh.proxy import Drain, drain, grace_period
from meshlint.model.values import get, integer, items
from meshlint.model.workloads import Container, Workload
from meshlint.patterns import regexp

if TYPE_CHECKING:
    from meshlint.mesh.world import World

DEFAULT_GRACE_PERIOD = 30

DRAIN_UNTIL_IDLE = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
"""Variable in proxyMetadata with which the proxy waits for its last connection to end."""
DRAIN_MINIMUM = "MINIMUM_DRAIN_DURATION"
"""Variable in proxyMetadata: how long it waits at least."""

_SLEEP = regexp(r"(?<![\w./-])(?:/usr)?(?:/bin/)?sleep\s+(\S+)")
_LENGTH = regexp(r"[\"']?([0-9]{1,6}(?:\.[0-9]{1,6})?)([smhd]?)[\"';]*\Z")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def sleep_seconds(hook: Any) -> Decimal | None:
    """Seconds that a preStop hook waits, as far as it says so; None for any other hook."""
    seconds = integer(hook, "sleep", "seconds")
    if seconds is not None:
        return Decimal(seconds)
    command = " ".join(item for item in items(hook, "exec", "command") if isinstance(item, str))
    lengths = _SLEEP.findall(command)
    match = _LENGTH.match(lengths[-1]) if lengths else None
    return Decimal(match[1]) * _UNITS[match[2]] if match else None


@dataclass(frozen=True, slots=True)
class Hook:
    """A preStop hook whose length is known."""

    container: Container
    seconds: Decimal

    @property
    def path(self) -> Path:
        return (*self.container.path, "lifecycle", "preStop")


def longest_hook(containers: Iterable[Container]) -> Hook | None:
    """The preStop hook that waits longest; None where none is known to wait."""
    hooks = [
        Hook(container, seconds)
        for container in containers
        if (seconds := sleep_seconds(get(container.value, "lifecycle", "preStop"))) is not None
    ]
    return max(hooks, key=lambda hook: hook.seconds, default=None)


@dataclass(frozen=True, slots=True)
class ProxyEnd:
    """How a proxy ends, without the pod around it."""

    drain: Drain
    hook: Any
    """The preStop hook of the proxy's container; None for none."""

    @property
    def draining(self) -> Sourced[Decimal] | None:
        """Seconds that it drains at least; None where that is not known."""
        if self.drain.exit_on_zero is None:
            return None
        return self.drain.minimum if self.drain.exit_on_zero.value else self.drain.duration

    @property
    def hook_seconds(self) -> Decimal:
        """Seconds that the hook delays the end; a hook of another kind counts as none."""
        return sleep_seconds(self.hook) or Decimal(0)


def proxy_end(subject: Workload | GatewayProxy, world: World) -> ProxyEnd | None:
    """How the proxy ends that stops together with its pod.

    None for native sidecars, which end after the application, and where that is not known.
    """
    if isinstance(subject, Workload):
        proxy = world.proxy(subject)
        if proxy is None or proxy.native is None or proxy.native.value:
            return None
        return ProxyEnd(proxy.drain, proxy.pre_stop.value)
    proxy = injected_gateway(subject, world)
    if proxy is not None:
        return ProxyEnd(proxy.drain, proxy.pre_stop.value)
    layers = gateway_layers(subject, world)
    environment = {
        name: value.map(str) for name, value in subject.env.items() if value.value is not None
    }
    return ProxyEnd(drain(layers, subject.version, environment), _gateway_hook(subject, world))


def _gateway_hook(gateway: GatewayProxy, world: World) -> Any:
    workload = gateway_workload(gateway, world)
    if workload is not None:
        container = workload.proxy_container
        return get(container.value, "lifecycle", "preStop") if container is not None else None
    return get(gateway.values.value("lifecycle"), "preStop") if gateway.form == "helm" else None


def gateway_grace_period(gateway: GatewayProxy, world: World) -> Sourced[int] | None:
    """Seconds that a gateway's pods get to end; None where that is not known."""
    workload = gateway_workload(gateway, world)
    if workload is not None:
        return grace_period(workload)
    if gateway.form == "helm":
        found = gateway.values.get("terminationGracePeriodSeconds")
        seconds = integer(found.value) if found is not None else None
        if found is not None and seconds is not None:
            return found.map(lambda _: seconds)
        return Sourced(DEFAULT_GRACE_PERIOD, default="default of the gateway chart")
    overlays = get(gateway.document.value, *gateway.path, "k8s", "overlays")
    if gateway.form == "istiooperator" and not overlays:
        return Sourced(DEFAULT_GRACE_PERIOD, default="default of Kubernetes", site=gateway.home)
    return None
