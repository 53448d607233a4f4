"""What charts and profiles set when the input does not, by Istio version.

Only settings that meshlint reads are listed. Sources: `manifests/charts/*/values.yaml`,
`manifests/profiles` (istioctl) and `manifests/helm-profiles` of istio/istio and their copies for
released versions in the Sail operator; up to 1.23 the profiles of istioctl hold the settings
themselves, from 1.24 on they name a profile of the charts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from meshlint.dataclass import dataclass
from meshlint.mesh.versions import Version


@dataclass(frozen=True, slots=True)
class Row:
    """Settings that hold from one minor up to, and without, another one."""

    settings: Mapping[str, Any]
    since: str = "1.0"
    before: str = "99.0"


def rows_for(rows: Sequence[Row], version: Version) -> list[Mapping[str, Any]]:
    """Settings of all rows that hold for a version, lowest first."""
    return [r.settings for r in rows if version.at_least(r.since) and version.before(r.before)]


@lru_cache(maxsize=256)
def chart_defaults(chart: str, version: Version) -> Mapping[str, Any]:
    """Values of a chart of a version."""
    merged: dict[str, Any] = {}
    for settings in rows_for(CHARTS[chart], version):
        merged = _merge(merged, settings)
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


_PROXY = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
}
_SMALL = {"requests": {"cpu": "10m", "memory": "40Mi"}}

_OPERATOR_GATEWAY = {
    "autoscaleEnabled": True,
    "autoscaleMin": 1,
    "autoscaleMax": 5,
    "cpu": {"targetAverageUtilization": 80},
    "resources": _PROXY,
    "env": {},
    "podAnnotations": {},
    "nodeSelector": {},
    "tolerations": [],
    "podAntiAffinityLabelSelector": [],
    "podAntiAffinityTermLabelSelector": [],
    "runAsRoot": False,
    "injectionTemplate": "",
}

CHARTS: Mapping[str, Sequence[Row]] = {
    "istiod": (
        Row(
            {
                "pilot": {
                    "autoscaleEnabled": True,
                    "autoscaleMin": 1,
                    "autoscaleMax": 5,
                    "replicaCount": 1,
                    "rollingMaxSurge": "100%",
                    "rollingMaxUnavailable": "25%",
                    "hub": "",
                    "tag": "",
                    "image": "pilot",
                    "traceSampling": 1.0,
                    "resources": {"requests": {"cpu": "500m", "memory": "2048Mi"}},
                    "cni": {"enabled": False},
                    "env": {},
                    "cpu": {"targetAverageUtilization": 80},
                    "nodeSelector": {},
                    "podAnnotations": {},
                    "configMap": True,
                },
                "sidecarInjectorWebhook": {
                    "neverInjectSelector": [],
                    "alwaysInjectSelector": [],
                    "enableNamespacesByDefault": False,
                    "rewriteAppHTTPProbe": True,
                    "templates": {},
                    "defaultTemplates": [],
                },
                "telemetry": {
                    "enabled": True,
                    "v2": {
                        "enabled": True,
                        "prometheus": {"enabled": True},
                        "stackdriver": {"enabled": False},
                    },
                },
                "revision": "",
                "revisionTags": [],
                "meshConfig": {"enablePrometheusMerge": True},
                "global": {
                    "istioNamespace": "istio-system",
                    "defaultPodDisruptionBudget": {"enabled": True},
                    "defaultResources": {"requests": {"cpu": "10m"}},
                    "configValidation": True,
                    "externalIstiod": False,
                    "logging": {"level": "default:info"},
                    "omitSidecarInjectorConfigMap": False,
                    "operatorManageWebhooks": False,
                    "pilotCertProvider": "istiod",
                    "proxy": {
                        "image": "proxyv2",
                        "autoInject": "enabled",
                        "clusterDomain": "cluster.local",
                        "logLevel": "warning",
                        "componentLogLevel": "misc:error",
                        "excludeInboundPorts": "",
                        "includeInboundPorts": "*",
                        "includeIPRanges": "*",
                        "excludeIPRanges": "",
                        "includeOutboundPorts": "",
                        "excludeOutboundPorts": "",
                        "privileged": False,
                        "resources": _PROXY,
                        "statusPort": 15020,
                    },
                    "proxy_init": {"image": "proxyv2"},
                    "multiCluster": {"clusterName": ""},
                },
            }
        ),
        Row(
            {"global": {"proxy": {"tracer": "zipkin"}}},
            before="1.22",
        ),
        Row({"global": {"proxy": {"enableCoreDump": False}}}, before="1.24"),
        Row({"global": {"proxy": {"startupProbe": {"enabled": True}}}}, since="1.20"),
        Row({"pilot": {"memory": {"targetAverageUtilization": None}}}, since="1.21"),
        Row({"pilot": {"topologySpreadConstraints": [], "autoscaleBehavior": {}}}, since="1.19"),
        Row({"pilot": {"affinity": {}, "tolerations": []}}, since="1.14"),
        Row({"global": {"proxy": {"tracer": "none"}}}, since="1.22"),
        Row({"istiodRemote": {"enabled": False}}, since="1.24"),
        Row({"gatewayClasses": {}}, since="1.26"),
        Row(
            {
                "global": {
                    "waypoint": {
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "128Mi"},
                            "limits": {"cpu": "2", "memory": "1Gi"},
                        },
                        "affinity": {},
                        "topologySpreadConstraints": [],
                        "nodeSelector": {},
                        "tolerations": [],
                    }
                }
            }
        ),
        Row({"pilot": {"pdb": {"minAvailable": 1}}}, since="1.27"),
    ),
    "gateway": (
        Row(
            {
                "name": "",
                "revision": "",
                "kind": "Deployment",
                "replicaCount": None,
                "podAnnotations": {
                    "prometheus.io/port": "15020",
                    "prometheus.io/scrape": "true",
                    "prometheus.io/path": "/stats/prometheus",
                    "inject.istio.io/templates": "gateway",
                    "sidecar.istio.io/inject": "true",
                },
                "resources": _PROXY,
                "autoscaling": {
                    "enabled": True,
                    "minReplicas": 1,
                    "maxReplicas": 5,
                    "targetCPUUtilizationPercentage": 80,
                    "targetMemoryUtilizationPercentage": {},
                },
                "env": {},
                "labels": {},
                "nodeSelector": {},
                "tolerations": [],
                "topologySpreadConstraints": [],
                "affinity": {},
                "networkGateway": "",
                "podDisruptionBudget": {},
                "terminationGracePeriodSeconds": 30,
            }
        ),
    ),
    # The charts that istioctl has for its gateways, one for each section; the same settings.
    "gateways": (
        Row(
            {
                "gateways": {
                    "istio-ingressgateway": {
                        **_OPERATOR_GATEWAY,
                        "name": "istio-ingressgateway",
                        "labels": {"app": "istio-ingressgateway", "istio": "ingressgateway"},
                    },
                    "istio-egressgateway": {
                        **_OPERATOR_GATEWAY,
                        "name": "istio-egressgateway",
                        "labels": {"app": "istio-egressgateway", "istio": "egressgateway"},
                    },
                },
                "revision": "",
                "global": {
                    "defaultNodeSelector": {},
                    "defaultTolerations": [],
                    "defaultPodDisruptionBudget": {"enabled": True},
                    "defaultResources": {"requests": {"cpu": "10m"}},
                },
            }
        ),
    ),
    "cni": (
        Row(
            {
                "cni": {
                    "excludeNamespaces": ["istio-system", "kube-system"],
                    "repair": {
                        "enabled": True,
                        "repairPods": False,
                        "deletePods": False,
                        "labelPods": False,
                    },
                    "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
                },
                "global": {"defaultResources": {"requests": {"cpu": "100m", "memory": "100Mi"}}},
            }
        ),
        Row({"cni": {"excludeNamespaces": ["kube-system"]}}, since="1.22"),
        Row({"cni": {"repair": {"repairPods": True}}}, since="1.21"),
        Row({"cni": {"ambient": {"enabled": False}}}, since="1.18"),
        Row({"cni": {"terminationGracePeriodSeconds": 5}}, before="1.27"),
        Row({"cni": {"terminationGracePeriodSeconds": 30}}, since="1.27"),
        Row(
            {
                "cni": {
                    "updateStrategy": {
                        "type": "RollingUpdate",
                        "rollingUpdate": {"maxUnavailable": 1},
                    }
                }
            }
        ),
    ),
    "ztunnel": (
        Row(
            {
                "terminationGracePeriodSeconds": 30,
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
                },
            }
        ),
        Row({"resources": {"requests": {"cpu": "500m", "memory": "2048Mi"}}}, before="1.23"),
        Row({"resources": {"requests": {"cpu": "200m", "memory": "512Mi"}}}, since="1.23"),
    ),
}
"""Values of the charts.

`pilot` and `cni` hold what the istiod and cni charts take at top level too."""

_COLLECTOR = "opentelemetry-collector.observability.svc.cluster.local"
_DEMO_PROVIDERS = [
    {"name": "otel", "envoyOtelAls": {"service": _COLLECTOR, "port": 4317}},
    {
        "name": "skywalking",
        "skywalking": {"service": "tracing.istio-system.svc.cluster.local", "port": 11800},
    },
    {"name": "otel-tracing", "opentelemetry": {"service": _COLLECTOR, "port": 4317}},
]
_JAEGER = {
    "name": "jaeger",
    "opentelemetry": {
        "service": "jaeger-collector.istio-system.svc.cluster.local",
        "port": 4317,
    },
}
_DNS_CAPTURE = {
    "meshConfig": {"defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}}
}
_HBONE = {"meshConfig": {"defaultConfig": {"proxyMetadata": {"ISTIO_META_ENABLE_HBONE": "true"}}}}
_DEMO_GATEWAY = {"autoscaleEnabled": False, "resources": _SMALL}

CHART_PROFILES: Mapping[str, Sequence[Row]] = {
    "demo": (
        Row(
            {
                "meshConfig": {
                    "accessLogFile": "/dev/stdout",
                    "extensionProviders": _DEMO_PROVIDERS,
                },
                "cni": {"resources": _SMALL},
                "ztunnel": {"resources": _SMALL},
                "global": {"proxy": {"resources": _SMALL}, "waypoint": {"resources": _SMALL}},
                "pilot": {
                    "autoscaleEnabled": False,
                    "traceSampling": 100,
                    "resources": {"requests": {"cpu": "10m", "memory": "100Mi"}},
                },
                "gateways": {
                    "istio-egressgateway": _DEMO_GATEWAY,
                    "istio-ingressgateway": _DEMO_GATEWAY,
                },
            }
        ),
        Row({"meshConfig": {"extensionProviders": [*_DEMO_PROVIDERS, _JAEGER]}}, since="1.25"),
    ),
    "preview": (Row(_DNS_CAPTURE),),
    "ambient": (
        Row(
            {
                **_HBONE,
                "global": {"variant": "distroless"},
                "pilot": {"env": {"PILOT_ENABLE_AMBIENT": "true"}},
                "cni": {"ambient": {"enabled": True}},
            }
        ),
    ),
    "remote": (
        Row(
            {
                "istiodRemote": {"enabled": True},
                "pilot": {"configMap": False},
                "telemetry": {"enabled": False},
                "global": {"omitSidecarInjectorConfigMap": True},
            }
        ),
    ),
    "stable": (Row({"experimental": {"stableValidationPolicy": True}}),),
    "openshift": (Row({"pilot": {"cni": {"enabled": True, "provider": "multus"}}}, before="1.24"),),
    "openshift-ambient": (
        Row(
            {
                **_HBONE,
                "pilot": {
                    "cni": {"enabled": True, "provider": "multus"},
                    "env": {"PILOT_ENABLE_AMBIENT": "true"},
                },
                "cni": {"ambient": {"enabled": True}},
            },
            before="1.24",
        ),
    ),
}
"""Profiles of the charts: `profile:` in values."""

PLATFORMS: Mapping[str, Mapping[str, Any]] = {
    "openshift": {"pilot": {"cni": {"enabled": True, "provider": "multus"}}},
}
"""Platform profiles of the charts (`platform:` or `global.platform`), from 1.24 on."""

_COMPATIBILITY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("1.27", ("ENABLE_NATIVE_SIDECARS",)),
    ("1.28", ("DISABLE_SHADOW_HOST_SUFFIX", "PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY")),
    ("1.29", ("DISABLE_TRACK_REMAINING_CB_METRICS",)),
    ("1.30", ("PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE",)),
    ("1.31", ("PILOT_ENABLE_STRICT_GATEWAY_MERGING", "PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS")),
)


def compatibility_settings(target: Version, version: Version) -> Mapping[str, Any]:
    """Values of `compatibilityVersion: <target>` in the charts of a version.

    Each minor's change of behavior is taken back when the target is older than it.
    """
    env = {
        name: "false"
        for minor, names in _COMPATIBILITY
        if target.before(minor) and version.at_least(minor)
        for name in names
    }
    return {"pilot": {"env": env}} if env else {}


_DEFAULT_GATEWAYS = {
    "ingressGateways": [{"name": "istio-ingressgateway", "enabled": True}],
    "egressGateways": [{"name": "istio-egressgateway", "enabled": False}],
}
_NO_INGRESS = {"ingressGateways": [{"name": "istio-ingressgateway", "enabled": False}]}
_OLD_SMALL = {"resources": _SMALL}

OPERATOR_PROFILES: Mapping[str, Sequence[Row]] = {
    "default": (
        Row(
            {
                "components": {
                    "base": {"enabled": True},
                    "pilot": {"enabled": True},
                    **_DEFAULT_GATEWAYS,
                },
                "values": {"global": {"istioNamespace": "istio-system", "configValidation": True}},
            }
        ),
    ),
    "minimal": (Row({"components": _NO_INGRESS}),),
    "empty": (
        Row(
            {
                "components": {
                    "base": {"enabled": False},
                    "pilot": {"enabled": False},
                    **_NO_INGRESS,
                }
            }
        ),
    ),
    "demo": (
        Row(
            {
                "meshConfig": {"accessLogFile": "/dev/stdout"},
                "components": {
                    "egressGateways": [
                        {"name": "istio-egressgateway", "enabled": True, "k8s": _OLD_SMALL}
                    ],
                    "ingressGateways": [
                        {"name": "istio-ingressgateway", "enabled": True, "k8s": _OLD_SMALL}
                    ],
                    "pilot": {
                        "k8s": {
                            "env": [{"name": "PILOT_TRACE_SAMPLING", "value": "100"}],
                            "resources": {"requests": {"cpu": "10m", "memory": "100Mi"}},
                        }
                    },
                },
                "values": {
                    "global": {"proxy": {"resources": _SMALL}},
                    "pilot": {"autoscaleEnabled": False},
                    "gateways": {
                        "istio-egressgateway": {"autoscaleEnabled": False},
                        "istio-ingressgateway": {"autoscaleEnabled": False},
                    },
                },
            },
            before="1.24",
        ),
        Row(
            {"meshConfig": {"extensionProviders": _DEMO_PROVIDERS}},
            since="1.18",
            before="1.24",
        ),
        Row(
            {
                "components": {
                    "egressGateways": [{"name": "istio-egressgateway", "enabled": True}]
                },
                "values": {"profile": "demo"},
            },
            since="1.24",
        ),
    ),
    "preview": (
        Row(_DNS_CAPTURE, before="1.24"),
        Row({"values": {"profile": "preview"}}, since="1.24"),
    ),
    "ambient": (
        Row(
            {
                **_HBONE,
                "components": {
                    "cni": {"enabled": True},
                    "ztunnel": {"enabled": True},
                    **_NO_INGRESS,
                },
                "values": {
                    "global": {"variant": "distroless"},
                    "pilot": {"env": {"PILOT_ENABLE_AMBIENT": "true"}},
                    "cni": {"ambient": {"enabled": True}},
                },
            },
            since="1.18",
            before="1.24",
        ),
        Row(
            {
                "components": {
                    "cni": {"enabled": True},
                    "ztunnel": {"enabled": True},
                    **_NO_INGRESS,
                },
                "values": {"profile": "ambient"},
            },
            since="1.24",
        ),
    ),
    "remote": (
        Row(
            {
                "components": {
                    "base": {"enabled": True},
                    "pilot": {"enabled": False},
                    "istiodRemote": {"enabled": True},
                    **_NO_INGRESS,
                },
                "values": {"global": {"omitSidecarInjectorConfigMap": True}},
            },
            since="1.11",
            before="1.24",
        ),
        Row({"components": _NO_INGRESS, "values": {"profile": "remote"}}, since="1.24"),
    ),
    "external": (
        Row(
            {
                "components": {
                    "base": {"enabled": False},
                    "pilot": {"enabled": False},
                    "istiodRemote": {"enabled": True},
                    **_NO_INGRESS,
                },
                "values": {"global": {"omitSidecarInjectorConfigMap": True}},
            },
            before="1.22",
        ),
    ),
    "openshift": (
        Row({"components": {"cni": {"enabled": True, "namespace": "kube-system"}}}),
        Row({"values": {"global": {"platform": "openshift"}}}, since="1.24"),
    ),
    "openshift-ambient": (
        Row(
            {
                "components": {
                    "cni": {"enabled": True, "namespace": "kube-system"},
                    "ztunnel": {"enabled": True, "namespace": "kube-system"},
                    **_NO_INGRESS,
                }
            },
            since="1.22",
        ),
        Row(
            {"values": {"profile": "ambient", "global": {"platform": "openshift"}}},
            since="1.24",
        ),
    ),
    "stable": (Row({"values": {"profile": "stable"}}, since="1.22"),),
}
"""Profiles of istioctl, each laid over `default`, as a part of `spec` of an IstioOperator."""

SAIL_PROFILES: Mapping[str, Mapping[str, Any]] = {
    "ambient": {"profile": "ambient"},
    "default": {},
    "demo": {"profile": "demo"},
    "empty": {},
    "external": {"profile": "external"},
    "openshift": {"global": {"platform": "openshift"}},
    "openshift-ambient": {"profile": "ambient", "global": {"platform": "openshift"}},
    "preview": {"profile": "preview"},
    "remote": {"profile": "remote"},
    "stable": {"profile": "stable"},
}
"""Profiles of the Sail operator as chart values, each laid over `default`
(resources/<version>/profiles of istio-ecosystem/sail-operator)."""
