"""Values of known installation fields that no release accepts.

Source: istio/istio, operator/pkg/apis/validation and the injection template, which parse them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from meshlint.checks.hits import at
from meshlint.findings import Hit
from meshlint.mesh.installations.records import ControlPlane
from meshlint.mesh.world import World
from meshlint.model.values import integer
from meshlint.patterns import regexp

_LABEL = regexp(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TAG = regexp(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}(?:@sha256:[0-9a-f]{64})?|sha256:[0-9a-f]{64}")
_HUB = regexp(r"[A-Za-z0-9](?:[A-Za-z0-9._\-/]|:[0-9]+(?=/|$))*")
_LEVELS = frozenset({"debug", "info", "warning", "warn", "error", "none", "fatal", "trace",
                     "critical", "off"})  # fmt: skip
_TRACERS = frozenset({"", "none", "zipkin", "lightstep", "datadog", "stackdriver", "opencensus",
                      "openCensusAgent"})  # fmt: skip

Fault = Callable[[Any], str]
"""What is wrong with a value, in words that follow `is`; empty when nothing is."""


def _ranges(value: Any) -> str:
    if not isinstance(value, str):
        return "no text"
    if value in ("", "*"):
        return ""
    # The parser takes no blanks, and no address without the length of its prefix.
    for part in value.split(","):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            return f"no list of address ranges ({part!r} is none)"
        if "/" not in part:
            return f"no list of address ranges ({part!r} has no prefix length)"
    return ""


def _ports(value: Any) -> str:
    for part in str(value).split(","):
        part = part.strip()
        if part not in ("", "*") and not (part.isdecimal() and 0 < int(part) <= 65535):
            return f"no list of ports ({part!r} is none)"
    return ""


def _one_of(words: frozenset[str]) -> Fault:
    known = ", ".join(sorted(word for word in words if word))
    return lambda value: "" if isinstance(value, str) and value in words else f"none of {known}"


def _level(value: Any) -> str:
    if not isinstance(value, str):
        return "no text"
    # `level` for all, or `scope:level,scope:level`.
    for part in value.split(","):
        if part.rpartition(":")[2].strip() not in _LEVELS:
            return "no log level (debug, info, warning, error, none)"
    return ""


def _matching(pattern: re.Pattern[str], what: str) -> Fault:
    def fault(value: Any) -> str:
        text = str(value) if isinstance(value, (int, float)) else value
        if not isinstance(text, str):
            return f"no {what}"
        unknown = not text or "{{" in text or "$" in text
        return "" if unknown or pattern.fullmatch(text) else f"no {what}"

    return fault


def _percent(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "no number"
    return "" if 0 <= value <= 100 else "outside of 0 to 100 percent"


def _count(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return ""  # charts and the API take quoted digits
    return "" if integer(value) is not None and value >= 0 else "no whole number"


def _switch(value: Any) -> str:
    return "" if isinstance(value, bool) else "neither true nor false"


def _block(kind: type, what: str) -> Fault:
    return lambda value: "" if value is None or isinstance(value, kind) else f"no {what}"


_MAP, _LIST = _block(dict, "mapping"), _block(list, "list")
_INJECT = _one_of(frozenset({"enabled", "disabled"}))

_FIELDS: tuple[tuple[tuple[str, ...], Fault], ...] = (
    (("global", "proxy", "includeIPRanges"), _ranges),
    (("global", "proxy", "excludeIPRanges"), _ranges),
    (("global", "proxy", "includeInboundPorts"), _ports),
    (("global", "proxy", "excludeInboundPorts"), _ports),
    (("global", "proxy", "includeOutboundPorts"), _ports),
    (("global", "proxy", "excludeOutboundPorts"), _ports),
    (("global", "proxy", "logLevel"), _level),
    (("global", "proxy", "tracer"), _one_of(_TRACERS)),
    (("global", "proxy", "autoInject"), _INJECT),
    (("global", "hub"), _matching(_HUB, "part of an image reference")),
    (("global", "tag"), _matching(_TAG, "tag of an image")),
    (("revision",), _matching(_LABEL, "DNS label, which names of objects are made from")),
    (("pilot", "traceSampling"), _percent),
    (("pilot", "affinity"), _MAP),
    (("pilot", "nodeSelector"), _MAP),
    (("pilot", "tolerations"), _LIST),
    (("pilot", "topologySpreadConstraints"), _LIST),
    (("pilot", "seccompProfile"), _MAP),
    (("pilot", "hub"), _matching(_HUB, "part of an image reference")),
    (("pilot", "tag"), _matching(_TAG, "tag of an image")),
    (("pilot", "autoscaleMin"), _count),
    (("pilot", "autoscaleMax"), _count),
    (("pilot", "replicaCount"), _count),
    (("pilot", "cpu", "targetAverageUtilization"), _count),
    (("pilot", "memory", "targetAverageUtilization"), _count),
    (("global", "proxy", "statusPort"), _count),
    (("global", "proxy", "lifecycle"), _MAP),
    (("sidecarInjectorWebhook", "neverInjectSelector"), _LIST),
    (("sidecarInjectorWebhook", "alwaysInjectSelector"), _LIST),
)


_SWITCHES: tuple[tuple[str, ...], ...] = (
    ("global", "configValidation"),
    ("global", "defaultPodDisruptionBudget", "enabled"),
    ("global", "externalIstiod"),
    ("global", "logAsJson"),
    ("global", "omitSidecarInjectorConfigMap"),
    ("global", "operatorManageWebhooks"),
    ("global", "proxy", "enableCoreDump"),
    ("global", "proxy", "privileged"),
    ("istiodRemote", "enabled"),
    ("pilot", "autoscaleEnabled"),
    ("pilot", "cni", "enabled"),
    ("pilot", "configMap"),
    ("sidecarInjectorWebhook", "enableNamespacesByDefault"),
    ("sidecarInjectorWebhook", "rewriteAppHTTPProbe"),
    ("telemetry", "enabled"),
    ("telemetry", "v2", "enabled"),
    ("telemetry", "v2", "prometheus", "enabled"),
)


def value_invalid(subject: ControlPlane, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Known fields with a value of the wrong type or form."""
    if subject.form == "rendered":
        return
    for path, fault, message in _faults():
        found = subject.values.given(*path)
        if found is None or found.place is None or found.value is None:
            continue
        reason = fault(found.value)
        if reason:
            shown = found.value if not isinstance(found.value, (dict, list)) else "a block"
            if message == "switch" and isinstance(shown, str):
                shown = f'"{shown}"'
            args = {"field": ".".join(path), "value": shown, "reason": reason}
            yield at(found.place, args, message=message)


def _faults() -> Iterator[tuple[tuple[str, ...], Fault, str]]:
    for path, fault in _FIELDS:
        yield path, fault, "default"
    for path in _SWITCHES:
        yield path, _switch, "switch"
