"""Minor versions of Istio and Kubernetes, and facts that depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meshlint.dataclass import dataclass
from meshlint.patterns import regexp

_MINOR = regexp(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?(?:[-+].*)?\Z")


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
    """The version that a tag, chart or setting names (`1.24`, `v1.24.3`, `1.24.3-distroless`)."""
    match = _MINOR.match(text.strip())
    if match is None:
        return None
    patch = int(match.group(3)) if match.group(3) else None
    return Version(int(match.group(1)), int(match.group(2)), patch)


NEWEST_ISTIO = Version(1, 31)
NEWEST_KUBERNETES = Version(1, 37)


@dataclass(frozen=True, slots=True)
class Since:
    """A behavior that begins with a minor, and with patch releases of older minors."""

    minor: str
    backports: tuple[str, ...] = ()

    def __contains__(self, version: Version) -> bool:
        if version.at_least(self.minor):
            return True
        for backport in self.backports:
            first = parse_version(backport)
            if first and (first.major, first.minor) == (version.major, version.minor):
                return version.patch is None or version.patch >= (first.patch or 0)
        return False


@dataclass(frozen=True, slots=True)
class Between:
    """A behavior from one minor up to, and without, another one."""

    minor: str
    end: str

    def __contains__(self, version: Version) -> bool:
        return version.at_least(self.minor) and version.before(self.end)


# What changed in installations, and when. Charts: manifests/charts of istio/istio; istioctl:
# operator/pkg of the release branches.

FLAT_ISTIOD_VALUES = Since("1.24")
"""The istiod chart takes `pilot.` settings at the top level too; `pilot.` wins."""
CHART_PROFILES_IN_VALUES = Since("1.20")
"""The charts know profiles and compatibility versions."""
BUDGET_NEEDS_REPLICAS = Since("1.28")
"""Charts render the default PodDisruptionBudget only for two or more replicas."""
BUDGET_FROM_VALUES = Since("1.27")
"""The istiod chart reads the budget from `pdb`; before it was minAvailable 1."""
HPA_SPEC_AS_VALUES = Since("1.31", ("1.28.10",))
"""istioctl hands hpaSpec and replicaCount of a component to its chart as values."""
COMPONENTS_ON_UNLESS_DISABLED = Since("1.24")
"""A component of an IstioOperator without `enabled` is installed."""
OPERATOR_SKIPS_REPLICAS = Between("1.14", "1.24")
"""istioctl leaves k8s.replicaCount out when an autoscaler is rendered; otherwise it writes it."""
ISTIOD_MEMORY_TARGET = Since("1.21")
"""The autoscaler of istiod has a memory metric when `memory.targetAverageUtilization` is set."""
ISTIOD_AFFINITY = Since("1.14")
"""The istiod chart reads `affinity` and `tolerations`."""
ISTIOD_TOPOLOGY_SPREAD = Since("1.19")
"""The istiod chart reads `topologySpreadConstraints`."""
ISTIOD_OWN_TOLERATION = Since("1.22")
"""istiod tolerates the taint `cni.istio.io/not-ready` by itself."""
WAYPOINT_VALUES = Since("1.24")
"""Waypoints read `global.waypoint`; before, their resources were fixed at what is its default."""
GATEWAY_BUDGET = Since("1.19")
"""The gateway chart has `podDisruptionBudget`."""
OPERATOR_LISTS_REPLACE = Since("1.24")
"""A list of gateways in an IstioOperator replaces that of the profile; before, items of the same
name were merged and the others kept (operator/pkg/util/merge_iop.go)."""
OPERATOR_VALUES_AS_K8S = Between("1.6", "1.24")
"""Some fields of `values.pilot` count as `components.pilot.k8s` and win over it
(operator/pkg/translate/translate_value.go)."""
AUTOMATIC_GATEWAY_OVERLAYS = Since("1.26")
"""ConfigMaps of automatic gateways may add an autoscaler and a budget."""


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


# Istio documentation, supported releases; istioctl/pkg/install/k8sversion of each release.
KUBERNETES_MINIMUM = (
    ("1.20", "1.25"),
    ("1.22", "1.26"),
    ("1.24", "1.28"),
    ("1.25", "1.29"),
    ("1.28", "1.30"),
    ("1.30", "1.32"),
)
"""Istio minor, and the oldest Kubernetes minor that it and later ones support."""
