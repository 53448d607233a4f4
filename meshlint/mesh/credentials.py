"""Certificates of gateways: which Secrets they name, and what is in those.

Sources: Istio API, ServerTLSSettings; `pilot/pkg/model/credentials` (forms of names);
`pilot/pkg/credentials/kube` (keys of Secrets); Gateway API, `certificateRefs`. Values of Secrets
are handed to `meshlint.model.certificates` and to nothing else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.mesh.checkable import SECRET_SOURCES, secret_named, secrets_known
from meshlint.mesh.gateway_bindings import namespaces_of
from meshlint.mesh.reference_grants import is_granted
from meshlint.model.resources import Resource, is_placed
from meshlint.model.values import get, is_templated, items, mapping, mappings, text

if TYPE_CHECKING:
    from meshlint.mesh.world import World

SECRET = "core/Secret"  # noqa: S105
TERMINATING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_VERIFYING = ("MUTUAL", "OPTIONAL_MUTUAL")
CA_SUFFIX = "-cacert"

PAIRS = (("tls.crt", "tls.key"), ("cert", "key"))
"""Keys of a Secret that hold a certificate and its private key."""
_CA_KEYS = ("ca.crt", "cacert")
_MARKS = ("{{", "${", "$(", "<", "ENC[", "...")
_WORDS = ("replace", "change", "redacted", "your", "todo", "xxx", "example", "dummy", "placeholder")


@dataclass(frozen=True, slots=True)
class Credential:
    """A Secret that a gateway takes a certificate from."""

    namespace: str
    name: str
    path: Path
    """Way to the name."""
    verifies: bool = False
    """Whether the certificates of clients are checked against a CA of the same name."""


def credentials(world: World, gateway: Resource) -> Iterator[Credential]:
    """Secrets that a Gateway, of Istio or of the Gateway API, names and is allowed to use.

    For a Gateway of Istio once for each namespace that its pods are known to run in.
    """
    if gateway.group_kind == "networking.istio.io/Gateway":
        yield from _of_servers(world, gateway)
    else:
        for namespace, name, path in certificate_references(gateway):
            if namespace == gateway.namespace or is_granted(
                world, gateway, namespace, ("", "Secret", name)
            ):
                yield Credential(namespace, name, path)


def _of_servers(world: World, gateway: Resource) -> Iterator[Credential]:
    homes = namespaces_of(world, gateway)
    for number, server in mappings(gateway.spec, "servers"):
        tls = mapping(server, "tls")
        mode = tls.get("mode")
        if mode not in TERMINATING:
            continue
        path = (*gateway.path, "spec", "servers", number, "tls")
        own_ca = text(tls, "caCertCredentialName")
        named: list[tuple[object, Path]] = [
            (tls.get("credentialName"), (*path, "credentialName")),
            *(
                (name, (*path, "credentialNames", at))
                for at, name in enumerate(items(tls, "credentialNames"))
            ),
        ]
        if own_ca:
            named.append((own_ca, (*path, "caCertCredentialName")))
        for name, where in named:
            for namespace, secret in _places(name, homes):
                verifies = mode in _VERIFYING and not own_ca
                yield Credential(namespace, secret, where, verifies)


def _places(written: object, homes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Namespaces and name that a `credentialName` stands for."""
    if not isinstance(written, str) or not written or is_templated(written):
        return
    scheme, mark, rest = written.partition("://")
    if mark and scheme not in ("kubernetes", "kubernetes-gateway"):
        return
    name = rest if mark else written
    namespace, slash, short = name.partition("/")
    if slash and mark:
        yield namespace, short
    elif not slash:
        yield from ((home, name) for home in homes)


def certificate_references(gateway: Resource) -> Iterator[tuple[str, str, Path]]:
    """Namespace, name and path of each Secret in `certificateRefs` of listeners."""
    for number, listener in mappings(gateway.spec, "listeners"):
        for at, reference in mappings(listener, "tls", "certificateRefs"):
            kind, group = reference.get("kind", "Secret"), reference.get("group", "")
            name = text(reference, "name")
            if kind == "Secret" and not group and name and not is_templated(name):
                steps = ("spec", "listeners", number, "tls", "certificateRefs", at, "name")
                yield (
                    text(reference, "namespace") or gateway.namespace,
                    name,
                    (*gateway.path, *steps),
                )


def is_absent(world: World, gateway: Resource, namespace: str, name: str) -> bool:
    """Whether a Secret that a Gateway names would be in the input if it existed, and is not."""
    lands_anywhere = not is_placed(gateway) and namespace == gateway.namespace
    if lands_anywhere and not any(world.presence.shows(kind, gateway) for kind in SECRET_SOURCES):
        return False
    if not secrets_known(world, namespace) or secret_named(world, namespace, name) is not None:
        return False
    if ("Secret", name) in world.kustomizations.generated:
        return False
    if any(world.index.may_hold(kind, namespace, name) for kind in SECRET_SOURCES):
        return False
    # A kustomization may move a Secret, or give it another name.
    return (namespace, name) not in world.kustomizations.applied(SECRET)


def readable_secret(world: World, namespace: str, name: str) -> Resource | None:
    """The Secret of that name with its data; None where something else fills or replaces it."""
    several = world.index.named(SECRET, namespace, name)
    if len(several) != 1 or get(several[0].value, "sops") is not None:
        return None
    for kind, steps in SECRET_SOURCES.items():
        if kind != SECRET and any(
            (text(other.value, *steps) or other.name) == name
            for other in world.index.in_namespace(kind, namespace)
        ):
            return None
    return several[0]


def certificate_pair(secret: Resource) -> tuple[bytes, bytes] | str | None:
    """Certificate and key of a Secret, or the keys that are missing; None where unreadable.

    Data that is empty, encrypted or filled in later is unreadable.
    """
    values = _values(secret)
    if not values:
        return None
    for pair in PAIRS:
        if all(key in values for key in pair):
            certificate, key = values[pair[0]], values[pair[1]]
            if certificate is None or key is None:
                return None
            return certificate, key
    given = set(values)
    # The pair of which one half is there is the one that was meant.
    names = next((pair for pair in PAIRS if given & set(pair)), PAIRS[0])
    return " and ".join(name for name in names if name not in given)


def has_ca(secret: Resource) -> bool | None:
    """Whether a Secret holds the CA for certificates of clients; None where it is not known."""
    values = _values(secret)
    return any(key in values for key in _CA_KEYS) if values else None


def _values(secret: Resource) -> Mapping[str, bytes | None]:
    """Data of a Secret by key, decoded; None for a value that cannot be read."""
    found: dict[str, bytes | None] = {}
    for key, value in mapping(secret.value, "data").items():
        found[key] = _decoded(value)
    for key, value in mapping(secret.value, "stringData").items():
        found[key] = _meant(value.encode()) if isinstance(value, str) else None
    return found


def _decoded(value: object) -> bytes | None:
    if not isinstance(value, str) or any(mark in value for mark in _MARKS):
        return None
    try:
        return _meant(base64.b64decode("".join(value.split()), validate=True))
    except (binascii.Error, ValueError):
        return None


def _meant(value: bytes) -> bytes | None:
    """The value, unless it is empty or stands for one that is filled in later."""
    if not value.strip():
        return None
    if b"-----BEGIN" in value:
        return None if b"{{" in value or b"..." in value else value
    shown = value.decode("latin-1")
    if any(mark in shown for mark in _MARKS) or any(word in shown.lower() for word in _WORDS):
        return None
    return value
