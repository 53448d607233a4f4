"""TLS of servers of a Gateway of Istio: where it belongs, and what it takes.

Source: Istio `pkg/config/validation`, validateTLSOptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Path
from meshlint.mesh.protocols import is_http, is_tls, protocol
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.values import get, integer, items, mappings, text

_PASSTHROUGH = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_TERMINATING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_PAIR = ("serverCertificate", "privateKey")
_REFUSED_ON_HTTP = (*_PAIR, "caCertificates")
_SOURCES = (*_PAIR, "caCertificates", "tlsCertificates", "credentialName", "credentialNames")


def tls_mode(tls: Mapping[str, Any]) -> str:
    """The mode of a tls block of a server; istiod takes PASSTHROUGH where none is written."""
    mode = tls.get("mode")
    return "PASSTHROUGH" if mode is None else text(mode)


def _servers(gateway: Resource) -> Iterator[tuple[Path, dict[str, Any], str]]:
    for number, server in mappings(gateway.spec, "servers"):
        spoken = protocol(get(server, "port", "protocol"))
        yield (*gateway.path, "spec", "servers", number), server, spoken


def _blocks(gateway: Resource) -> Iterator[tuple[Path, dict[str, Any], str]]:
    for path, server, spoken in _servers(gateway):
        if isinstance(server.get("tls"), dict):
            yield (*path, "tls"), server["tls"], spoken


def tls_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers of a TLS protocol that are not told what to do with TLS."""
    for path, server, spoken in _servers(subject):
        if is_tls(spoken) and server.get("tls") is None:
            args = {"protocol": spoken, "port": integer(server, "port", "number") or "?"}
            yield Hit((*path, "port", "protocol"), args)


def tls_unexpected(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Servers of a plain protocol with TLS settings."""
    for path, tls, spoken in _blocks(subject):
        if not spoken or is_tls(spoken):
            continue
        if not is_http(spoken):
            yield Hit(path, {"protocol": spoken}, on_key=True)
        elif tls_mode(tls) not in _PASSTHROUGH:
            yield Hit((*path, "mode"), {"protocol": spoken, "mode": tls_mode(tls)}, message="http")
        else:
            field = next((name for name in _REFUSED_ON_HTTP if text(tls, name)), "")
            if field:
                args = {"protocol": spoken, "field": field}
                yield Hit((*path, field), args, message="http-field", on_key=True)


# ---------------------------------------------------------------------------------- credentials


def tls_credential_invalid(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """Servers that lack a part of their certificate, or have several."""
    for path, tls, spoken in _blocks(subject):
        if not spoken or is_tls(spoken):
            yield from credential_faults(path, tls)


def credential_faults(path: Path, tls: Mapping[str, Any]) -> Iterator[Hit]:
    """What istiod refuses of the certificates of a server, or of an ingress listener."""
    mode = tls_mode(tls)
    if mode == "ISTIO_MUTUAL":
        for field in _SOURCES:
            if tls.get(field):
                yield Hit((*path, field), {"field": field}, message="istio-mutual", on_key=True)
        return
    sources = [name for name in ("credentialName", "credentialNames") if tls.get(name)]
    if all(text(tls, field) for field in _PAIR):
        sources.append("serverCertificate")
    if items(tls, "tlsCertificates"):
        sources.append("tlsCertificates")
    if len(sources) > 1:
        args = {"one": sources[0], "other": sources[1]}
        yield Hit((*path, sources[1]), args, message="several", on_key=True)
    if mode not in _TERMINATING:
        return
    named = any(tls.get(name) for name in ("credentialName", "credentialNames"))
    if not named:
        yield from _missing_parts(path, tls, mode)
    if text(tls, "caCrl") and (mode == "SIMPLE" or text(tls, "credentialName")):
        message = "crl-simple" if mode == "SIMPLE" else "crl-credential"
        yield Hit((*path, "caCrl"), message=message, on_key=True)


def _missing_parts(path: Path, tls: Mapping[str, Any], mode: str) -> Iterator[Hit]:
    pairs: list[tuple[Path, Mapping[str, Any]]] = [
        ((*path, "tlsCertificates", at), pair) for at, pair in mappings(tls, "tlsCertificates")
    ]
    for where, pair in pairs or [(path, tls)]:
        for field in _PAIR:
            if pair.get(field) in (None, ""):
                yield Hit((*where, field), {"mode": mode, "field": field}, on_key=True)
    trusted = text(tls, "caCertificates") or text(tls, "caCertCredentialName")
    if mode != "SIMPLE" and not trusted and tls.get("caCertificates") in (None, ""):
        args = {"mode": mode, "field": "caCertificates"}
        yield Hit((*path, "caCertificates"), args, on_key=True)


# ----------------------------------------------------------------------- settings without effect

# Names of BoringSSL without those for pre-shared keys: Istio `pkg/config/security`.
CIPHER_SUITES = frozenset(
    {
        "AES128-GCM-SHA256",
        "AES128-SHA",
        "AES256-GCM-SHA384",
        "AES256-SHA",
        "DES-CBC3-SHA",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-SHA",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }
)
_OLD_VERSIONS = ("TLSV1_0", "TLSV1_1")
_MOST_CERTIFICATES = 2


def tls_setting_ineffective(
    subject: Resource, world: World, params: Mapping[str, Any]
) -> Iterator[Hit]:
    """TLS settings that istiod takes and does nothing with."""
    for path, tls, spoken in _blocks(subject):
        if is_tls(spoken) and tls.get("httpsRedirect") is True:
            yield Hit((*path, "httpsRedirect"), {"protocol": spoken}, message="redirect")
        refused = any(text(tls, field) for field in _REFUSED_ON_HTTP) if is_http(spoken) else False
        if not refused and (not spoken or is_tls(spoken) or is_http(spoken)):
            yield from ineffective_settings(path, tls)


def ineffective_settings(path: Path, tls: Mapping[str, Any]) -> Iterator[Hit]:
    """Settings without effect of a server, or of an ingress listener."""
    mode = tls_mode(tls)
    if mode in _PASSTHROUGH:
        field = next((name for name in (*_SOURCES, "caCrl") if tls.get(name)), "")
        if field:
            written = mode if tls.get("mode") is not None else f"{mode} (the default)"
            yield Hit((*path, field), {"field": field, "mode": written}, on_key=True)
    oldest = text(tls, "minProtocolVersion")
    if oldest in _OLD_VERSIONS and not items(tls, "cipherSuites"):
        yield Hit((*path, "minProtocolVersion"), {"version": oldest}, message="version")
    yield from _suite_faults(path, items(tls, "cipherSuites"))
    if mode in _TERMINATING and len(items(tls, "tlsCertificates")) > _MOST_CERTIFICATES:
        count = len(items(tls, "tlsCertificates"))
        path = (*path, "tlsCertificates")
        yield Hit(path, {"count": count}, message="certificates", on_key=True)


def _suite_faults(path: Path, suites: list[Any]) -> Iterator[Hit]:
    seen = set()
    for number, suite in enumerate(suites):
        if not isinstance(suite, str):
            continue
        where = (*path, "cipherSuites", number)
        if not _is_suite(suite):
            yield Hit(where, {"suite": suite}, message="suite")
        elif suite in seen:
            yield Hit(where, {"suite": suite}, message="suite-twice")
        seen.add(suite)


def _is_suite(suite: str) -> bool:
    # A suite that begins with an operator (`-`, `[`) is an expression, which nobody checks here.
    return suite in ("", "ALL") or not suite[0].isalnum() or suite in CIPHER_SUITES
