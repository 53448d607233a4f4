"""Certificates of gateways: Secrets that are not there, cannot be used, or soon cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshlint.findings import Hit, Related
from meshlint.mesh import credentials as secrets
from meshlint.mesh.checkable import secrets_known
from meshlint.mesh.credentials import Credential
from meshlint.mesh.reference_grants import is_granted
from meshlint.mesh.world import World
from meshlint.model.certificates import last_day, pair_fault
from meshlint.model.resources import Resource
from meshlint.model.values import items, mapping, mappings, text


def missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Secrets that a Gateway of Istio names and that are nowhere its pods run."""
    for found in _by_path(secrets.credentials(world, subject)).values():
        if all(secrets.is_absent(world, subject, one.namespace, one.name) for one in found):
            homes = " or ".join(dict.fromkeys(one.namespace for one in found))
            yield Hit(found[0].path, {"name": found[0].name, "namespace": homes})
        elif all(one.verifies and _lacks_ca(one, subject, world) for one in found):
            yield Hit(
                found[0].path,
                {"name": found[0].name, "namespace": found[0].namespace},
                message="ca",
            )


def _by_path(found: Iterator[Credential]) -> dict[object, list[Credential]]:
    table: dict[object, list[Credential]] = {}
    for credential in found:
        table.setdefault(credential.path, []).append(credential)
    return table


def _lacks_ca(credential: Credential, gateway: Resource, world: World) -> bool:
    secret = secrets.readable_secret(world, credential.namespace, credential.name)
    if secret is None or secrets.has_ca(secret) is not False:
        return False
    name = credential.name + secrets.CA_SUFFIX
    return secrets.is_absent(world, gateway, credential.namespace, name)


def invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Secrets without a certificate and key that a server can use today."""
    for credential, secret in _readable(subject, world):
        pair = secrets.certificate_pair(secret)
        if pair is None:
            continue
        args: dict[str, object] = {"secret": str(secret.ref)}
        related = (Related(secret.document, (*secret.path, "metadata", "name"), "the Secret"),)
        if isinstance(pair, str):
            yield Hit(credential.path, args | {"keys": pair}, related, message="keys")
            continue
        fault = pair_fault(*pair)
        expiry = last_day(pair[0])
        if fault:
            yield Hit(credential.path, args | {"fault": fault}, related)
        elif expiry is not None and expiry < world.settings.today:
            yield Hit(credential.path, args | {"day": expiry}, related, message="expired")


def expiring(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Certificates that are about to expire."""
    for credential, secret in _readable(subject, world):
        pair = secrets.certificate_pair(secret)
        expiry = last_day(pair[0]) if isinstance(pair, tuple) else None
        if expiry is None:
            continue
        left = (expiry - world.settings.today).days
        if 0 <= left <= params["days"]:
            related = (Related(secret.document, (*secret.path, "metadata", "name"), "the Secret"),)
            args = {"secret": str(secret.ref), "day": expiry, "left": left}
            yield Hit(credential.path, args, related)


def _readable(subject: Resource, world: World) -> Iterator[tuple[Credential, Resource]]:
    seen = set()
    for credential in secrets.credentials(world, subject):
        secret = secrets.readable_secret(world, credential.namespace, credential.name)
        # Of a CA there is a certificate and no key.
        is_ca = credential.path[-1] == "caCertCredentialName"
        if secret is not None and not is_ca and (credential.path, secret) not in seen:
            seen.add((credential.path, secret))
            yield credential, secret


# ------------------------------------------------------------------------------------- Gateway API

_MADE_BY_CERT_MANAGER = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")


def listener_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Certificates that listeners of the Gateway API name and do not get."""
    made = any(key in subject.annotations for key in _MADE_BY_CERT_MANAGER)
    for namespace, name, path in secrets.certificate_references(subject):
        args = {"name": name, "namespace": namespace, "own": subject.namespace}
        if not _may_use(subject, world, namespace, name):
            yield Hit(path, args, message="grant")
        elif not made and secrets.is_absent(world, subject, namespace, name):
            yield Hit(path, args)
    for number, listener in mappings(subject.spec, "listeners"):
        tls = mapping(listener, "tls")
        if listener.get("protocol") not in ("HTTPS", "TLS"):
            continue
        if tls.get("mode", "Terminate") != "Terminate" or mapping(tls, "options"):
            continue
        if not items(tls, "certificateRefs"):
            path = (*subject.path, "spec", "listeners", number, "tls", "certificateRefs")
            args = {"listener": text(listener, "name"), "protocol": listener["protocol"]}
            yield Hit(path, args, message="none", on_key=True)


def _may_use(gateway: Resource, world: World, namespace: str, name: str) -> bool:
    """Whether a Gateway may use a Secret; also where grants of that namespace are not known."""
    if namespace == gateway.namespace or not secrets_known(world, namespace):
        return True
    return is_granted(world, gateway, namespace, ("", "Secret", name))
