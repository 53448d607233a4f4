"""What `meshlint inspect` shows a person: each value with the line or default it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.reporters.terminal import BOLD, DIM, paint, visible, width_of, wrap

_MODES = {
    "sidecar": "gets a sidecar",
    "gateway": "is a gateway proxy",
    "ambient": "is captured by ambient",
    "none": "gets no proxy",
}

_WORKLOAD_FACTS = (
    ("proxy.requests.cpu", "CPU request"),
    ("proxy.limits.cpu", "CPU limit"),
    ("proxy.requests.memory", "memory request"),
    ("proxy.limits.memory", "memory limit"),
    ("proxy.concurrency", "worker threads"),
    ("proxy.native", "native sidecar"),
    ("proxy.holdApplication", "holds the application back"),
    ("proxy.drainSeconds", "drain seconds"),
    ("proxy.exitOnZeroActiveConnections", "exits on zero connections"),
    ("terminationGracePeriodSeconds", "grace period seconds"),
)

_PART_FACTS = (
    ("autoscaling.enabled", "autoscaled"),
    ("autoscaling.min", "minimum replicas"),
    ("autoscaling.max", "maximum replicas"),
    ("autoscaling.cpuTarget", "CPU target, percent"),
    ("autoscaling.memoryTarget", "memory target, percent"),
    ("replicas", "replicas"),
    ("resources.requests.cpu", "CPU request"),
    ("resources.limits.cpu", "CPU limit"),
    ("resources.requests.memory", "memory request"),
    ("resources.limits.memory", "memory limit"),
    ("pdb.minAvailable", "budget, min available"),
    ("pdb.maxUnavailable", "budget, max unavailable"),
    ("scheduling.nodeSelector", "node selector"),
    ("scheduling.affinity", "affinity"),
    ("scheduling.topologySpread", "topology spread"),
    ("traceSampling", "trace sampling, percent"),
)

_PROXY_DEFAULTS = (
    ("proxyDefaults.requests.cpu", "CPU request"),
    ("proxyDefaults.limits.cpu", "CPU limit"),
    ("proxyDefaults.requests.memory", "memory request"),
    ("proxyDefaults.limits.memory", "memory limit"),
)

_ALWAYS_SHOWN = frozenset({"CPU request", "CPU limit", "memory request", "memory limit"})


def render_inspection(data: Mapping[str, Any], width: int, *, color: bool) -> str:
    """The account of all installations and workloads, in text."""
    lines: list[str] = []
    for installation in data["installations"]:
        lines += [*_installation(installation, width, color), ""]
    for workload in data["workloads"]:
        lines += [*_workload(workload, width, color), ""]
    if not lines:
        lines = ["The input holds no workload and no installation of Istio.", ""]
    return "\n".join(lines)


def _installation(installation: Mapping[str, Any], width: int, color: bool) -> Iterator[str]:
    origins = installation.get("origins") or {}
    facts = [str(installation.get("form"))]
    for key, word in (("version", "Istio"), ("profile", "profile"), ("revision", "revision")):
        if installation.get(key):
            facts.append(f"{word} {installation[key]}")
    title = f"Installation: {', '.join(facts)}"
    yield paint(visible(title), BOLD, color)
    where = origins.get("") or installation.get("file")
    if where:
        yield paint(f"  {visible(str(where))}", DIM, color)
    istiod = installation.get("istiod")
    if istiod and istiod.get("enabled") is not False:
        yield "  istiod"
        yield from _facts(istiod, _PART_FACTS, origins, "istiod.", width, color)
    for number, gateway in enumerate(installation.get("gateways") or ()):
        name = gateway.get("name") or "(named by the release)"
        yield f"  {gateway.get('kind') or ''} gateway {visible(str(name))}".replace("   ", "  ")
        prefix = f"gateways.{number}."
        yield from _facts(gateway, _PART_FACTS, origins, prefix, width, color)
    if installation.get("proxyDefaults"):
        yield "  sidecars, unless a pod says otherwise"
        yield from _facts(installation, _PROXY_DEFAULTS, origins, "", width, color)


def _workload(workload: Mapping[str, Any], width: int, color: bool) -> Iterator[str]:
    resource = workload["resource"]
    name = f"{resource['kind']} {resource['namespace']}/{resource['name']}"
    origins = workload.get("origins") or {}
    if workload["injected"] is None:
        verdict = "means to get a sidecar" if workload.get("intended") else "sidecar not known"
    else:
        verdict = _MODES.get(str(workload["mode"]), str(workload["mode"]))
    if workload.get("revision"):
        verdict += f", revision {workload['revision']}"
    yield paint(visible(f"{name} {verdict}"), BOLD, color)
    why = visible(str(workload.get("reason") or ""))
    if "injected" in origins:
        why += f" ({visible(origins['injected'])})"
    for line in wrap(f"because {why}", width - 2) if why else ():
        yield paint(f"  {line}", DIM, color)
    if workload.get("proxy") is not None:
        yield from _facts(workload, _WORKLOAD_FACTS, origins, "", width, color)


def _facts(
    data: Mapping[str, Any],
    facts: tuple[tuple[str, str], ...],
    origins: Mapping[str, str],
    prefix: str,
    width: int,
    color: bool,
) -> Iterator[str]:
    rows = []
    for path, label in facts:
        value = _at(data, path)
        if value is None and label not in _ALWAYS_SHOWN:
            continue
        rows.append((label, _shown(value), str(origins.get(prefix + path, ""))))
    if not rows:
        return
    left = max(len(label) for label, _, _ in rows)
    middle = max(width_of(value) for _, value, _ in rows)
    for label, value, origin in rows:
        start = f"    {label:<{left}}  {value}"
        pad = " " * (middle - width_of(value))
        if not origin:
            yield start
        elif width_of(start) + len(pad) + 2 + width_of(origin) <= width:
            yield f"{start}{pad}  {paint(visible(origin), DIM, color)}"
        else:
            yield start
            yield from (paint(f"        {line}", DIM, color) for line in wrap(origin, width - 8))


def _at(data: Any, path: str) -> Any:
    for step in path.split("."):
        data = data.get(step) if isinstance(data, Mapping) else None
    return data


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))
