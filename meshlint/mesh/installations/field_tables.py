"""Input fields of installations that are gone, have a successor, or change nothing.

Source: istio/istio, release notes and `NOTES.txt` of the istiod chart, `values_types.proto` by
release, operator/pkg/render; Sail API. `values.` stands for the chart values in every form, with
the settings of istiod below `pilot`; `k8s.` for that block of a component of an IstioOperator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from meshlint.dataclass import dataclass
from meshlint.mesh.installations.records import Form
from meshlint.patterns import regexp

Root = Literal["spec", "values", "k8s"]


@dataclass(frozen=True, slots=True)
class Field:
    """One input field. `*` in the path matches any key, `[]` any item of a list."""

    root: Root
    path: tuple[str, ...]
    use: str = ""
    """What to write instead; empty where nothing takes its place."""
    since: str = ""
    """First minor that this holds for; empty for every one."""
    form: Form | None = None
    """The only form that this holds for; None for every one."""
    value: str | None = None
    """The only value that this holds for; None for every one."""
    reason: str = ""

    @property
    def shown(self) -> str:
        """The field as people write it."""
        steps = "".join(s if s == "[]" else f".{s}" for s in self.path)
        field = f"{self.root}{steps}"
        return f"{field}: {self.value}" if self.value else field


_BRACES = regexp(r"\{([^}]*)\}")


def _fields(
    text: str,
    use: str = "",
    *,
    since: str = "",
    form: Form | None = None,
    value: str | None = None,
    reason: str = "",
) -> Iterator[Field]:
    """Every field that a pattern such as `values.pilot.{a,b}` stands for."""
    group = _BRACES.search(text)
    if group is not None:
        for name in group[1].split(","):
            expanded = text[: group.start()] + name + text[group.end() :]
            yield from _fields(expanded, use, since=since, form=form, value=value, reason=reason)
        return
    root, *path = text.replace("[]", ".[]").split(".")
    assert root in ("spec", "values", "k8s")
    yield Field(root, tuple(path), use, since, form, value, reason)  # type: ignore[arg-type]


REMOVED: tuple[Field, ...] = (
    *_fields("spec.addonComponents", "manifests of the addon", since="1.24", form="istiooperator"),
    *_fields(
        "spec.components.{citadel,galley,policy,telemetry,sidecarInjector,nodeAgent}",
        "spec.components.pilot",
        since="1.8",
        form="istiooperator",
    ),
    *_fields(
        "k8s.hpaSpec.metrics[].resource.{targetAverageUtilization,targetAverageValue}",
        "target.averageUtilization or target.averageValue",
        since="1.24",
        form="istiooperator",
    ),
    *_fields("values.pilot.pdb", "components.pilot.k8s.podDisruptionBudget", form="istiooperator"),
    *_fields(
        "values.pilot.{configNamespace,configSource,useMCP,enableProtocolSniffingForInbound,"
        "enableProtocolSniffingForOutbound}",
        since="1.24",
    ),
    *_fields(
        "values.global.{autoscalingV2API,autoscalingv2API,configRootNamespace,defaultConfigVisibilitySettings,useMCP}",
        since="1.24",
    ),
    *_fields("values.sidecarInjectorWebhook.{objectSelector,useLegacySelectors}", since="1.24"),
    *_fields("values.pilot.plugins", since="1.22"),
    *_fields("values.global.oneNamespace", "meshConfig.discoverySelectors", since="1.22"),
    *_fields("values.cni.ambient.redirectMode", since="1.21"),
    *_fields(
        "values.telemetry.v2.prometheus.{configOverride,wasmEnabled}", "Telemetry", since="1.21"
    ),
    *_fields(
        "values.telemetry.v2.stackdriver.{configOverride,disableOutbound,inboundAccessLogging,"
        "outboundAccessLogging,topology,monitoring}",
        "Telemetry",
        since="1.22",
    ),
    *_fields(
        "values.global.tracer.stackdriver.{debug,maxNumberOfAttributes,maxNumberOfAnnotations,"
        "maxNumberOfMessageEvents}",
        "Telemetry",
        since="1.24",
        form="helm",
    ),
    *_fields(
        "values.global.pilotCertProvider", "istiod", since="1.24", form="helm", value="kubernetes"
    ),
)

DEPRECATED: tuple[Field, ...] = (
    *(
        field
        for name in (
            "outboundTrafficPolicy",
            "localityLbSetting",
            "policyCheckFailOpen",
            "certificates",
            "enableTracing",
        )
        for field in _fields(f"values.global.{name}", f"meshConfig.{name}")
    ),
    *(
        field
        for name in ("accessLogFile", "accessLogFormat", "protocolDetectionTimeout")
        for field in _fields(f"values.global.proxy.{name}", f"meshConfig.{name}")
    ),
    *(
        field
        for name in (
            "concurrency",
            "holdApplicationUntilProxyStarts",
            "envoyAccessLogService",
            "envoyMetricsService",
        )
        for field in _fields(f"values.global.proxy.{name}", f"meshConfig.defaultConfig.{name}")
    ),
    *_fields("values.global.proxy.enableCoreDump", "annotation sidecar.istio.io/enableCoreDump"),
    *_fields("values.global.mtls.enabled", "a PeerAuthentication"),
    *_fields("values.global.mtls.auto", "meshConfig.enableAutoMtls"),
    *_fields("values.global.tracer", "meshConfig.extensionProviders and a Telemetry"),
    *_fields("values.global.meshExpansion.enabled", "Gateway resources"),
    *_fields("values.global.jwtPolicy"),
    *_fields("values.istiocoredns.enabled", "proxyMetadata ISTIO_META_DNS_CAPTURE"),
    *_fields(
        "values.pilot.ingress",
        "meshConfig.ingressService, ingressControllerMode and ingressClass",
    ),
    *_fields("values.istio_cni", "values.pilot.cni"),
    *_fields(
        "values.{_internal_defaults_do_not_set,defaults}",
        "the same fields at top level",
        form="helm",
    ),
)

INEFFECTIVE: tuple[Field, ...] = (
    *_fields(
        "values.global.proxy_init.resources",
        "values.global.proxy.resources",
        since="1.8",
        reason="istio-init has the resources of the proxy",
    ),
    *_fields(
        "values.gateways.*.memory",
        form="istiooperator",
        reason="the gateway autoscaler has a CPU metric only",
    ),
    *_fields(
        "spec.components",
        "the gateway chart, IstioCNI or ZTunnel",
        form="sail",
        reason="the Istio resource of Sail installs no gateways or components",
    ),
    *_fields(
        "values.gateways",
        "the gateway chart or Gateway API",
        form="sail",
        reason="Sail installs no gateways",
    ),
    *_fields("values.pilot.pdb", form="sail", reason="the values of Sail do not have it"),
)

AUTOSCALING_FIELDS = ("autoscaleMin", "autoscaleMax", "autoscaleBehavior", "cpu", "memory")
"""Settings below `values.pilot` that only an autoscaler reads."""
