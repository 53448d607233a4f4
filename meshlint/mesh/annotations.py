"""Annotations and labels of Istio: what they are for, how stable they are, what they may hold.

Source: istio/api, `annotation/annotations.yaml` and `label/labels.yaml`, at the newest release and
at older ones for what was removed; names that only the code of istio/istio knows. Checks of values:
`pkg/kube/inject/validate.go`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from meshlint.dataclass import dataclass
from meshlint.documents import parse
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import Version, parse_version
from meshlint.text import SourceFile

Form = Literal["annotation", "label"]

# Form, name, kinds it is meant for (Pod: templates too), stage, and the check of its value, `!`
# where injection makes it. Names that Istio itself writes, or that say nothing where they do not
# belong, are for any kind.
_TABLE = """
annotation alpha.istio.io/canonical-serviceaccounts Service deprecated
annotation alpha.istio.io/identity Any removed:1.23
annotation alpha.istio.io/kubernetes-serviceaccounts Service deprecated
annotation ambient.istio.io/bypass-inbound-capture Pod alpha boolean
annotation ambient.istio.io/dns-capture Pod alpha boolean
annotation ambient.istio.io/redirection Pod beta
annotation ambient.istio.io/waypoint-inbound-binding GatewayClass,Gateway alpha
annotation ambient.istio.io/xfcc-include-client-identity Gateway -
annotation envoyfilter.istio.io/referenced-services EnvoyFilter -
annotation galley.istio.io/analyze-suppress Any alpha
annotation gateway.istio.io/agentgatewayImage Gateway -
annotation gateway.istio.io/controller-version Any -
annotation gateway.istio.io/name-override Gateway alpha
annotation gateway.istio.io/service-account Gateway alpha
annotation inject.istio.io/templates Pod alpha
annotation install.operator.istio.io/chart-owner Any removed:1.23
annotation install.operator.istio.io/owner-generation Any removed:1.23
annotation install.operator.istio.io/version Any removed:1.23
annotation istio.io/autoRegistrationGroup Any -
annotation istio.io/connect-strategy ServiceEntry -
annotation istio.io/connectedAt Any -
annotation istio.io/disconnectedAt Any -
annotation istio.io/dry-run AuthorizationPolicy alpha
annotation istio.io/reroute-virtual-interfaces Pod alpha interfaces!
annotation istio.io/rev Any -
annotation istio.io/use-waypoint-canary-weight Service,ServiceEntry,Namespace alpha
annotation istio.io/workloadController Any -
annotation kubernetes.io/ingress.class Ingress stable
annotation networking.alpha.istio.io/endpointsVersion Any removed:1.5
annotation networking.alpha.istio.io/notReadyEndpoints Any removed:1.5
annotation networking.alpha.istio.io/serviceVersion Any removed:1.5
annotation networking.istio.io/address-type Gateway -
annotation networking.istio.io/exportTo Service alpha export-to
annotation networking.istio.io/gatewayPort Any removed:1.13
annotation networking.istio.io/service-type Gateway alpha
annotation networking.istio.io/traffic-distribution Namespace,Service,ServiceEntry alpha locality
annotation policy.istio.io/check Any removed:1.7
annotation policy.istio.io/checkBaseRetryWaitTime Any removed:1.7
annotation policy.istio.io/checkMaxRetryWaitTime Any removed:1.7
annotation policy.istio.io/checkRetries Any removed:1.7
annotation policy.istio.io/lang Any removed:1.7
annotation prometheus.istio.io/merge-metrics Pod alpha boolean!
annotation prometheus.istio.io/scrape-targets Pod -
annotation prometheus.istio.io/secure-port Pod -
annotation proxy.istio.io/config Pod beta proxy-config!
annotation proxy.istio.io/overrides Pod -
annotation readiness.status.sidecar.istio.io/applicationPorts Pod alpha ports
annotation readiness.status.sidecar.istio.io/failureThreshold Pod alpha number!
annotation readiness.status.sidecar.istio.io/initialDelaySeconds Pod alpha number!
annotation readiness.status.sidecar.istio.io/periodSeconds Pod alpha number!
annotation security.istio.io/autoMTLS Any removed:1.5
annotation security.istio.io/tlsMode Any removed:1.9
annotation sidecar.istio.io/agentLogLevel Pod alpha
annotation sidecar.istio.io/bootstrapOverride Pod alpha
annotation sidecar.istio.io/componentLogLevel Pod alpha
annotation sidecar.istio.io/controlPlaneAuthPolicy Any removed:1.23
annotation sidecar.istio.io/discoveryAddress Pod deprecated
annotation sidecar.istio.io/enableCoreDump Any removed:1.24
annotation sidecar.istio.io/extraStatTags Pod deprecated
annotation sidecar.istio.io/inject Pod deprecated
annotation sidecar.istio.io/interceptionMode Pod alpha interception!
annotation sidecar.istio.io/logLevel Pod alpha
annotation sidecar.istio.io/nativeSidecar Pod alpha boolean
annotation sidecar.istio.io/proxyCPU Pod alpha
annotation sidecar.istio.io/proxyCPULimit Pod alpha
annotation sidecar.istio.io/proxyImage Pod alpha
annotation sidecar.istio.io/proxyImageType Pod alpha
annotation sidecar.istio.io/proxyMemory Pod alpha
annotation sidecar.istio.io/proxyMemoryLimit Pod -
annotation sidecar.istio.io/rewriteAppHTTPProbers Pod alpha boolean
annotation sidecar.istio.io/statsCompression Pod deprecated
annotation sidecar.istio.io/statsEvictionInterval Pod alpha
annotation sidecar.istio.io/statsFlushInterval Pod alpha
annotation sidecar.istio.io/statsHistogramBins Pod alpha
annotation sidecar.istio.io/statsHistogramBuckets Pod alpha
annotation sidecar.istio.io/statsInclusionPrefixes Pod deprecated
annotation sidecar.istio.io/statsInclusionRegexps Pod deprecated
annotation sidecar.istio.io/statsInclusionSuffixes Pod deprecated
annotation sidecar.istio.io/status Pod -
annotation sidecar.istio.io/userVolume Pod alpha
annotation sidecar.istio.io/userVolumeMount Pod -
annotation status.sidecar.istio.io/port Pod alpha port!
annotation topology.istio.io/controlPlaneClusters Namespace alpha
annotation traffic.istio.io/nodeSelector Service stable
annotation traffic.sidecar.istio.io/excludeInboundPorts Pod alpha ports!
annotation traffic.sidecar.istio.io/excludeInterfaces Pod alpha interfaces!
annotation traffic.sidecar.istio.io/excludeOutboundIPRanges Pod alpha blocks!
annotation traffic.sidecar.istio.io/excludeOutboundPorts Pod alpha ports!
annotation traffic.sidecar.istio.io/includeInboundPorts Pod - ports-or-all!
annotation traffic.sidecar.istio.io/includeOutboundIPRanges Pod alpha blocks-or-all!
annotation traffic.sidecar.istio.io/includeOutboundPorts Pod alpha ports
annotation traffic.sidecar.istio.io/kubevirtInterfaces Pod deprecated interfaces!
label cni.istio.io/uninitialized Any -
label experimental.istio.io/disable-gateway-port-translation Service -
label gateway.istio.io/defaults-for-class ConfigMap -
label gateway.istio.io/managed Any stable
label install.operator.istio.io/owning-resource Any -
label istio-injection Namespace -
label istio-locality Pod deprecated
label istio.io/dataplane-mode Pod,Namespace stable
label istio.io/draining Pod -
label istio.io/gateway-name Any deprecated
label istio.io/global Service -
label istio.io/ingress-use-waypoint Service,ServiceEntry,Namespace beta
label istio.io/persistent-session Service -
label istio.io/rev Any beta
label istio.io/tag Any -
label istio.io/use-waypoint Pod,WorkloadEntry,Service,ServiceEntry,Namespace stable
label istio.io/use-waypoint-canary Service,ServiceEntry,Namespace alpha
label istio.io/use-waypoint-canary-namespace Service,ServiceEntry,Namespace alpha
label istio.io/use-waypoint-namespace Pod,WorkloadEntry,Service,ServiceEntry,Namespace beta
label istio.io/waypoint-for GatewayClass,Gateway stable
label networking.istio.io/enable-autoallocate-ip ServiceEntry beta
label networking.istio.io/gatewayPort Service alpha
label networking.istio.io/tunnel Any -
label operator.istio.io/component Any -
label operator.istio.io/managed Any -
label operator.istio.io/version Any -
label security.istio.io/tlsMode Any deprecated
label service.istio.io/canonical-name Any alpha
label service.istio.io/canonical-revision Any alpha
label service.istio.io/workload-name Any alpha
label sidecar.istio.io/inject Pod beta
label topology.istio.io/cluster Any -
label topology.istio.io/locality Pod alpha
label topology.istio.io/network Namespace,Pod,Service beta
label topology.istio.io/subzone Node beta
"""


@dataclass(frozen=True, slots=True)
class Known:
    """One annotation or label that Istio reads or writes."""

    form: Form
    name: str
    kinds: frozenset[str]
    stage: str
    """`alpha`, `beta`, `stable`, `deprecated`, `removed`, or empty where nothing is said."""
    last_registered: Version | None
    """The last minor that still had it, for what was removed."""
    check: str
    refused: bool
    """Whether injection refuses pods with a value that is not valid."""

    @property
    def anywhere(self) -> bool:
        return "Any" in self.kinds


def _read(line: str) -> Known:
    form, name, kinds, stage, *check = line.split()
    stage, _, last = stage.partition(":")
    return Known(
        form="label" if form == "label" else "annotation",
        name=name,
        kinds=frozenset(kinds.split(",")),
        stage=stage if stage != "-" else "",
        last_registered=parse_version(last) if last else None,
        check=check[0].removesuffix("!") if check else "",
        refused=bool(check) and check[0].endswith("!"),
    )


KNOWN: Mapping[tuple[str, str], Known] = {
    (known.form, known.name): known for known in map(_read, _TABLE.strip().splitlines())
}
"""Every known annotation and label, by form and name."""

NAMES: frozenset[str] = frozenset(name for _, name in KNOWN)

SUCCESSORS: Mapping[str, str] = {
    "sidecar.istio.io/inject": "the label of the same name",
    "sidecar.istio.io/discoveryAddress": "discoveryAddress in proxy.istio.io/config",
    "sidecar.istio.io/extraStatTags": "extraStatTags in proxy.istio.io/config",
    "sidecar.istio.io/statsCompression": "statsCompression in proxy.istio.io/config",
    "sidecar.istio.io/statsInclusionPrefixes": "proxyStatsMatcher in proxy.istio.io/config",
    "sidecar.istio.io/statsInclusionRegexps": "proxyStatsMatcher in proxy.istio.io/config",
    "sidecar.istio.io/statsInclusionSuffixes": "proxyStatsMatcher in proxy.istio.io/config",
    "traffic.sidecar.istio.io/kubevirtInterfaces": "istio.io/reroute-virtual-interfaces",
}
"""What to use instead of a deprecated annotation."""

RESERVED = frozenset(
    {"sidecar.istio.io/status", "proxy.istio.io/overrides", "ambient.istio.io/redirection"}
)
"""Annotations of pods that the injector or the node agent alone writes."""

# Spellings of release notes and talks that no release reads.
_ALIASES = {"sidecar.istio.io/native-side": "sidecar.istio.io/nativeSidecar"}


def is_istio_name(name: str, settings: Settings) -> bool:
    """Whether a key belongs to a domain of Istio, and is not one of the user's own."""
    domain, slash, _ = name.partition("/")
    if not slash or (settings.annotation_prefix and name.startswith(settings.annotation_prefix)):
        return False
    return domain == "istio.io" or domain.endswith(".istio.io")


def nearest_name(name: str) -> str:
    """The known name that an unknown one was probably meant to be; empty where none is near."""
    if name in _ALIASES:
        return _ALIASES[name]
    plain = _plain(name)
    same = [known for known in NAMES if _plain(known) == plain]
    near = same or [known for known in NAMES if edit_distance(name, known, 2) <= 2]
    ending = name.rpartition("/")[2]
    near = near or [known for known in NAMES if known.rpartition("/")[2] == ending]
    return near[0] if len(near) == 1 else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def edit_distance(one: str, other: str, most: int) -> int:
    """How many letters must be put in, taken out or changed to get from one to the other.

    Above `most` any larger number is given.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            changed = previous + (a != b)
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, changed)
    return row[-1]


# --------------------------------------------------------------------------------------- values


def fault(check: str, value: str) -> str | None:
    """What is wrong with the value of an annotation, in words that follow its name; None if good.

    `check` is that of `Known`.
    """
    found = _CHECKS.get(check)
    return found(value) if found is not None else None


def _port(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,9}", value.strip())) and int(value) <= 65535


def _ports(value: str) -> str | None:
    if not value.strip():
        return None
    bad = next((part for part in value.split(",") if not _port(part)), None)
    if bad is None:
        return None
    return f'takes ports from 0 to 65535 with commas between them, which "{bad.strip()}" is not'


def _block(value: str) -> bool:
    try:
        ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        return False
    return "/" in value


def _blocks(value: str) -> str | None:
    if not value.strip():
        return None
    bad = next((part for part in value.split(",") if not _block(part)), None)
    if bad is None:
        return None
    return f'takes address blocks such as 10.0.0.0/8, which "{bad.strip()}" is not'


def _or_all(check: Callable[[str], str | None]) -> Callable[[str], str | None]:
    return lambda value: None if value == "*" else check(value)


def _interfaces(value: str) -> str | None:
    for part in value.split(",") if value else ():
        # IFNAMSIZ of Linux, and what it refuses in names.
        if not 0 < len(part.strip()) < 16 or re.search(r"[\s/]", part.strip()):
            return f'takes names of interfaces, which "{part.strip()}" is not'
    return None


def _number(value: str) -> str | None:
    if re.fullmatch(r"[0-9]{1,10}", value) and int(value) < 2**32:
        return None
    return f'takes a whole number, not "{value}"'


def _status_port(value: str) -> str | None:
    return None if _port(value) else f'takes one port, or 0 for none, not "{value}"'


# What strconv.ParseBool of Go takes.
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


def _boolean(value: str) -> str | None:
    return None if value in _BOOLEANS else f'takes "true" or "false", not "{value}"'


def _interception(value: str) -> str | None:
    if value in ("REDIRECT", "TPROXY", "NONE"):
        return None
    return f'takes REDIRECT, TPROXY or NONE, not "{value}"'


def _distribution(value: str) -> str | None:
    if value.lower() in ("preferclose", "prefersamezone", "prefersamenode"):
        return None
    return f'takes PreferClose, PreferSameZone or PreferSameNode, not "{value}"'


def _export_to(value: str) -> str | None:
    for part in value.split(","):
        name = part.strip()
        if name not in ("*", ".", "~") and not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            return f'takes namespaces, "." or "*", which "{name}" is not'
    return None


PROXY_CONFIG_FIELDS = frozenset(
    {
        "configPath",
        "binaryPath",
        "serviceCluster",
        "tracingServiceName",
        "drainDuration",
        "parentShutdownDuration",
        "discoveryAddress",
        "discoveryRefreshDelay",
        "zipkinAddress",
        "statsdUdpAddress",
        "envoyMetricsServiceAddress",
        "proxyAdminPort",
        "availabilityZone",
        "controlPlaneAuthPolicy",
        "customConfigFile",
        "statNameLength",
        "concurrency",
        "proxyBootstrapTemplatePath",
        "interceptionMode",
        "tracing",
        "sds",
        "envoyAccessLogService",
        "envoyMetricsService",
        "proxyMetadata",
        "runtimeValues",
        "statusPort",
        "extraStatTags",
        "gatewayTopology",
        "terminationDrainDuration",
        "meshId",
        "readinessProbe",
        "proxyStatsMatcher",
        "holdApplicationUntilProxyStarts",
        "caCertificatesPem",
        "image",
        "privateKeyProvider",
        "proxyHeaders",
        "fileFlushInterval",
        "fileFlushMinSizeKb",
        "statsCompression",
    }
)
"""Fields of ProxyConfig in MeshConfig (istio/api, mesh/v1alpha1/proxy.proto)."""

# Fields of the things around it, which are pasted into the annotation by mistake.
_FOREIGN_FIELDS = frozenset(
    {"defaultConfig", "meshConfig", "mesh", "proxyConfig", "spec", "apiVersion", "kind", "metadata"}
    | {"accessLogFile", "accessLogEncoding", "outboundTrafficPolicy", "enableTracing", "resources"}
    | {"environmentVariables", "enableAutoMtls", "rootNamespace", "trustDomain"}
)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _proxy_config(value: str) -> str | None:
    if not value.strip():
        return None
    parsed = parse(SourceFile("proxy.istio.io/config", value))
    content: Any = parsed.documents[0].value if parsed.documents else None
    if parsed.problems or len(parsed.documents) > 1:
        return "takes fields of ProxyConfig, and this is no valid YAML"
    if content is None:
        return None
    if not isinstance(content, dict):
        return "takes fields of ProxyConfig, and this is no mapping"
    for name in content:
        field = _camel(str(name))
        if field in PROXY_CONFIG_FIELDS:
            continue
        # Releases add fields; only what is surely no field of any release is reported.
        near = [known for known in sorted(PROXY_CONFIG_FIELDS) if _is_slip(field, known)]
        if near:
            return f"takes fields of ProxyConfig; {name} is none, perhaps {near[0]} is meant"
        if field in _FOREIGN_FIELDS:
            return f"takes fields of ProxyConfig, and {name} is none"
    return None


def _is_slip(field: str, known: str) -> bool:
    return _plain(field) == _plain(known) or (
        len(field) > 5 and edit_distance(field, known, 2) <= 2
    )


_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "ports": _ports,
    "ports-or-all": _or_all(_ports),
    "blocks": _blocks,
    "blocks-or-all": _or_all(_blocks),
    "interfaces": _interfaces,
    "number": _number,
    "port": _status_port,
    "boolean": _boolean,
    "interception": _interception,
    "locality": _distribution,
    "export-to": _export_to,
    "proxy-config": _proxy_config,
}
