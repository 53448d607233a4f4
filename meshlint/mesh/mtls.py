"""Whether workloads take plain text, mTLS, or both.

Source: Istio API, PeerAuthentication: the port's mode wins over that of the selecting policy, that
over the namespace's, that over the mesh's; UNSET inherits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from meshlint.mesh.provenance import Place, Sourced
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_labels
from meshlint.model.values import get, mapping
from meshlint.model.workloads import Workload

PEER_AUTHENTICATION = "security.istio.io/PeerAuthentication"

Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]


MODES: tuple[Mode, ...] = ("STRICT", "PERMISSIVE", "DISABLE")


def mtls_mode(
    index: Index, root_namespace: str, workload: Workload, port: int | None
) -> Sourced[Mode] | None:
    """Mode of a workload's port (of the rest of its ports for None).

    None where that is not known: of several policies in one scope the oldest counts.
    """
    scopes = (
        _selecting(index, workload),
        _of_namespace(index, workload.namespace),
        _of_namespace(index, root_namespace),
    )
    return _first(scopes, port)


def namespace_mode(index: Index, root_namespace: str, namespace: str) -> Sourced[Mode] | None:
    """Mode of a namespace for workloads that no policy selects; None where it is not known."""
    return _first([_of_namespace(index, name) for name in (namespace, root_namespace)], None)


def _first(scopes: Sequence[Sequence[Resource]], port: int | None) -> Sourced[Mode] | None:
    for scope in scopes:
        if len(scope) > 1:
            return None
        for policy in scope:
            found = _port_mode(policy, port) or _mode(policy, "mtls")
            if found is not None:
                return found
    return Sourced("PERMISSIVE", default="default of Istio")


def _selecting(index: Index, workload: Workload) -> Sequence[Resource]:
    return [
        policy
        for policy in index.in_namespace(PEER_AUTHENTICATION, workload.namespace)
        if matches_labels(get(policy.spec, "selector", "matchLabels"), workload.labels)
    ]


def _of_namespace(index: Index, namespace: str) -> Sequence[Resource]:
    return [
        policy
        for policy in index.in_namespace(PEER_AUTHENTICATION, namespace)
        if not mapping(policy.spec, "selector", "matchLabels")
    ]


def _port_mode(policy: Resource, port: int | None) -> Sourced[Mode] | None:
    for key in mapping(policy.spec, "portLevelMtls"):
        # Keys of a mapping are numbers or text, as they are written.
        if port is not None and str(key) == str(port):
            return _mode(policy, "portLevelMtls", key)
    return None


def _mode(policy: Resource, *path: str | int) -> Sourced[Mode] | None:
    written = get(policy.spec, *path, "mode")
    place = Place(policy.document, (*policy.path, "spec", *path, "mode"))
    return next((Sourced(mode, place) for mode in MODES if written == mode), None)
