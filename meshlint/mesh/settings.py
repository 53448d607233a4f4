"""Settings that say what the input does not: target versions, namespaces, completeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from meshlint.dataclass import dataclass, field
from meshlint.mesh.versions import NEWEST_KUBERNETES, Version


@dataclass(frozen=True, slots=True)
class HelmValues:
    """A values file and the chart it is for: base, default, istiod, gateway, ztunnel or cni.

    `path` is a gitignore-style pattern.
    """

    path: str
    chart: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one run. None means: find it out from the input, else take Istio's default."""

    istio_version: Version | None = None
    kubernetes_version: Version = NEWEST_KUBERNETES
    kubernetes_version_given: bool = False
    """Whether somebody has said which Kubernetes is meant."""
    root_namespace: str | None = None
    cluster_domain: str | None = None
    trust_domain: str | None = None
    auto_mtls: bool | None = None
    native_sidecars: bool | None = None
    istio_cni: bool | None = None
    injected_namespaces: frozenset[str] = frozenset()
    annotation_prefix: str = "readiness.meshlint.io/"
    complete: Mapping[str, bool | Sequence[str]] = field(default_factory=dict)
    helm_values: tuple[HelmValues, ...] = ()
    today: date = date.min
    """The day that ages are counted to."""
