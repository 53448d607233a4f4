"""Minor versions of Istio and Kubernetes, and facts that depend on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_MINOR = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?(?:[-+].*)?\Z")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version as far as behaviour depends on it; an unknown patch level counts as the newest."""

    major: int
    minor: int
    patch: int | None = None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def at_least(self, minor: str) -> bool:
        """Whether this is the given minor (`1.24`) or a later one."""
        major, _, rest = minor.partition(".")
        return (self.major, self.minor) >= (int(major), int(rest))

    def before(self, minor: str) -> bool:
        """Whether this is older than the given minor."""
        return not self.at_least(minor)


def parse_version(text: str) -> Version | None:
    """The version a tag, chart version or setting names (`1.24`, `v1.24.3`, `1.24.3-distroless`)."""
    match = _MINOR.match(text.strip())
    if match is None:
        return None
    patch = int(match.group(3)) if match.group(3) else None
    return Version(int(match.group(1)), int(match.group(2)), patch)


NEWEST_ISTIO = Version(1, 30)
NEWEST_KUBERNETES = Version(1, 37)


@dataclass(frozen=True, slots=True)
class ProxyLoad:
    """CPU (cores) and memory (bytes) one proxy uses per 1000 requests per second."""

    since: str
    cpu: Decimal
    memory: Decimal


_MEGA = 10**6

# Istio documentation, ops/deployment/performance-and-scalability, page of each version.
PROXY_LOAD = (
    ProxyLoad("1.5", Decimal("0.5"), Decimal(50 * _MEGA)),
    ProxyLoad("1.9", Decimal("0.35"), Decimal(40 * _MEGA)),
    ProxyLoad("1.17", Decimal("0.5"), Decimal(50 * _MEGA)),
    ProxyLoad("1.24", Decimal("0.20"), Decimal(60 * _MEGA)),
)
WAYPOINT_LOAD = (ProxyLoad("1.24", Decimal("0.25"), Decimal(60 * _MEGA)),)

# Kubernetes deprecation guide: the last minor that serves each version.
HPA_API_LAST_SERVED = {"v2beta1": "1.24", "v2beta2": "1.25"}


def proxy_load(version: Version, rows: Sequence[ProxyLoad] = PROXY_LOAD) -> ProxyLoad | None:
    """The row that holds for a version; None before the first one."""
    found = None
    for row in rows:
        if version.at_least(row.since):
            found = row
    return found
