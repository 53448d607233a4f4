"""What hosts have in common by their names alone.

Sources: Istio API, VirtualService (short names); Istio `pkg/config/host`.
"""

from __future__ import annotations

from meshlint.model.names import is_ip


def service_parts(host: str, namespace: str, cluster_domain: str) -> tuple[str, str] | None:
    """Namespace and name of the Service that a host may name; None for any other host.

    A short name belongs to the namespace of the referring object. `name.namespace` may as well be
    a host outside of the cluster.
    """
    short = host.lower().removesuffix(".")
    short = short.removesuffix(f".svc.{cluster_domain}").removesuffix(".svc")
    name, _, other = short.partition(".")
    if not name or name.startswith("*") or "." in other or is_ip(host):
        return None
    return other or namespace, name


def covers(pattern: str, host: str) -> bool:
    """Whether a host, or a leftmost wildcard such as `*.example.com`, covers another host.

    A wildcard covers the wildcards below it and itself.
    """
    if pattern.startswith("*"):
        return host.removeprefix("*").endswith(pattern[1:]) and len(host) >= len(pattern)
    return pattern == host


def overlap(one: str, other: str) -> bool:
    """Whether two hosts, either of which may be a wildcard, have a name in common."""
    return covers(one, other) or covers(other, one)
