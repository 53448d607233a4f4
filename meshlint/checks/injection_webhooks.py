"""Webhooks of Istio: do they reach istiod, does one pod have one of them, what if they fail."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from meshlint.findings import Hit, Path, Related
from meshlint.mesh.injection import (
    INJECT,
    NAMESPACE_INJECTION,
    REVISION,
    is_injection_webhook,
)
from meshlint.mesh.world import World
from meshlint.model.resources import Resource
from meshlint.model.selectors import matches_selector
from meshlint.model.values import get, items, mapping, mappings, text
from meshlint.operations import Set

Webhook = tuple[int, dict[str, Any]]


def _injecting(configuration: Resource) -> Iterator[Webhook]:
    for number, webhook in mappings(configuration.value, "webhooks"):
        if is_injection_webhook(webhook):
            yield number, webhook


def _of_istio(configuration: Resource) -> Iterator[Webhook]:
    if configuration.kind == "MutatingWebhookConfiguration":
        yield from _injecting(configuration)
        return
    for number, webhook in mappings(configuration.value, "webhooks"):
        if text(webhook, "name").endswith("istio.io"):
            yield number, webhook


def _path(configuration: Resource, number: int, *steps: str) -> Path:
    return (*configuration.path, "webhooks", number, *steps)


def _name(webhook: dict[str, Any]) -> str:
    return text(webhook, "name") or "(without a name)"


def failure_ignored(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Injection webhooks whose failure lets the pod through."""
    for number, webhook in _injecting(subject):
        if webhook.get("failurePolicy") == "Ignore":
            path = _path(subject, number, "failurePolicy")
            yield Hit(path, {"webhook": _name(webhook)}, fix=(Set(path, "Fail"),))


# ------------------------------------------------------------------------------------ addresses


def service_missing(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Injection webhooks that lead to a Service which is not there."""
    for number, webhook in _injecting(subject):
        name = text(webhook, "clientConfig", "service", "name")
        namespace = text(webhook, "clientConfig", "service", "namespace")
        if not name or not namespace or not _checkable(world, namespace, name):
            continue
        if world.index.find("core/Service", namespace, name) is None:
            path = _path(subject, number, "clientConfig", "service", "name")
            yield Hit(path, {"webhook": _name(webhook), "service": f"{namespace}/{name}"})


def _checkable(world: World, namespace: str, name: str) -> bool:
    """Whether the Service would be in the input, and is not one that an installation makes."""
    for plane in world.installations.control_planes:
        if plane.form != "rendered" and plane.namespace in ("", namespace):
            return False
    return bool(
        world.index.in_namespace("core/Service", namespace) or world.index.workloads_in(namespace)
    )


def address_invalid(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Webhooks of Istio that the API server cannot call."""
    for number, webhook in _of_istio(subject):
        config = mapping(webhook, "clientConfig")
        url = config.get("url")
        if url is None:
            if not mapping(config, "service"):
                path = _path(subject, number, "clientConfig", "url")
                yield Hit(path, {"webhook": _name(webhook)}, message="missing", on_key=True)
        elif _host(url) is None:
            path = _path(subject, number, "clientConfig", "url")
            yield Hit(path, {"webhook": _name(webhook), "url": url})


def address_is_ip(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Webhooks of Istio that name istiod by an IP address."""
    for number, webhook in _of_istio(subject):
        host = _host(get(webhook, "clientConfig", "url")) or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            continue
        path = _path(subject, number, "clientConfig", "url")
        yield Hit(path, {"webhook": _name(webhook), "host": host})


def _host(url: Any) -> str | None:
    """The host of an https URL; None for anything else."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.scheme == "https" and parts.hostname else None


# -------------------------------------------------------------------------------------- overlap


def overlapping(subject: Resource, world: World, params: Mapping[str, Any]) -> Iterator[Hit]:
    """Injection webhooks of which more than one is called for the same pod."""
    others = [other for other in world.subjects("injection-webhook") if not _is_copy(other, world)]
    if subject not in others:
        return
    for number, webhook in _injecting(subject):
        for other in others:
            # One name is one object: the input then holds it for several clusters.
            if other is not subject and other.name == subject.name:
                continue
            found = _overlap(subject, (number, webhook), other)
            if found is not None:
                (rival_number, rival), labels = found
                path = _path(other, rival_number)
                yield Hit(
                    _path(subject, number, "name"),
                    {
                        "webhook": _name(webhook),
                        "other": _name(rival),
                        "owner": "it" if other is subject else other.name,
                        "labels": labels,
                    },
                    (Related(other.document, path, f"{_name(rival)} of {other.name}", True),),
                    message="own" if other is subject else "default",
                )
                return


def _is_copy(configuration: Resource, world: World) -> bool:
    """Whether it serves the default revision beside a revision tag that does so."""
    labels = configuration.labels
    if labels.get(REVISION) != "default" or "istio.io/tag" in labels:
        return False
    return any(
        other.labels.get("istio.io/tag") == "default"
        for other in world.subjects("injection-webhook")
    )


def _overlap(subject: Resource, mine: Webhook, other: Resource) -> tuple[Webhook, str] | None:
    number, webhook = mine
    for rival_number, rival in _injecting(other):
        if other is subject and rival_number >= number:
            break
        for namespace, pod in _combinations(webhook, rival):
            if _wants(webhook, namespace, pod) and _wants(rival, namespace, pod):
                return (rival_number, rival), _shown(namespace, pod)
    return None


def _wants(webhook: dict[str, Any], namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    for field, labels in (("namespaceSelector", namespace), ("objectSelector", pod)):
        selector = webhook.get(field)
        # In a webhook an absent selector selects everything, as an empty one does.
        if selector is not None and not matches_selector(selector, labels):
            return False
    return True


def _combinations(
    one: dict[str, Any], other: dict[str, Any]
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Labels of namespaces and pods that tell injection webhooks apart."""
    revisions = [None, *sorted(_revisions(one) | _revisions(other))]
    spaces = product((None, "enabled", "disabled"), revisions)
    for (injection, revision), (inject, of_pod) in product(
        spaces, list(product((None, "true", "false"), revisions))
    ):
        namespace = {NAMESPACE_INJECTION: injection, REVISION: revision}
        pod = {INJECT: inject, REVISION: of_pod}
        yield _present(namespace), _present(pod)


def _present(labels: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value is not None}


def _revisions(webhook: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for field in ("namespaceSelector", "objectSelector"):
        selector = webhook.get(field)
        found.add(text(selector, "matchLabels", REVISION))
        for _, expression in mappings(selector, "matchExpressions"):
            if expression.get("key") == REVISION:
                found |= {value for value in items(expression, "values") if isinstance(value, str)}
    return found - {""}


def _shown(namespace: Mapping[str, str], pod: Mapping[str, str]) -> str:
    parts = [
        f"a {what} with {' and '.join(f'{name}={value}' for name, value in labels.items())}"
        if labels
        else f"a {what} without labels"
        for what, labels in (("namespace", namespace), ("pod", pod))
    ]
    return " in ".join(reversed(parts))
