"""Everything that the input installs of Istio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from meshlint.dataclass import replace
from meshlint.mesh.installations import rendered, sail
from meshlint.mesh.installations.automatic import read_automatic
from meshlint.mesh.installations.helm import read_releases
from meshlint.mesh.installations.istiooperator import fragments, read_operators
from meshlint.mesh.installations.records import (
    BaseChart,
    ControlPlane,
    GatewayProxy,
    Installations,
    NodeAgent,
)
from meshlint.mesh.installations.releases import (
    agent_release,
    base_release,
    gateway_release,
    istiod_release,
)
from meshlint.mesh.settings import Settings
from meshlint.model.index import Index
from meshlint.model.resources import Resource
from meshlint.model.values import items, text

_WEBHOOK = "admissionregistration.k8s.io/MutatingWebhookConfiguration"
_TAG_PREFIX = "istio-revision-tag-"


def read_installations(index: Index, settings: Settings) -> Installations:
    """Control planes, gateways and node agents from every form they come in."""
    planes: list[ControlPlane] = []
    without: list[ControlPlane] = []
    gateways: list[GatewayProxy] = []
    agents: list[NodeAgent] = []
    bases: list[BaseChart] = []
    for operator in read_operators(index, settings):
        (planes if operator.installs_control_plane else without).append(operator.plane)
        gateways += operator.gateways
        agents += operator.agents
    for release in read_releases(index, settings):
        if release.chart == "istiod" or release.chart == "istiod-remote":
            planes.append(istiod_release(release, settings))
        elif release.chart == "gateway":
            gateways.append(gateway_release(release, settings))
        elif release.chart == "cni" or release.chart == "ztunnel":
            agents.append(agent_release(release, settings, release.chart))
        else:
            bases.append(base_release(release, settings, release.chart))
    planes += sail.read_istios(index, settings)
    agents += sail.read_agents(index, settings)
    planes += rendered.read_istiods(index, settings)
    gateways += rendered.read_gateways(index, settings)
    agents += rendered.read_agents(index, settings)
    gateways += read_automatic(index, settings, planes)

    tags = _tags(index, planes, bases)
    webhooks = _webhooks(index)
    planes = [_tagged(plane, tags, webhooks) for plane in planes]
    order = _Order(index)
    return Installations(
        tuple(order.sorted(planes)),
        tuple(order.sorted(gateways)),
        tuple(order.sorted(agents)),
        tuple(order.sorted(without)),
        tuple(order.sorted(bases)),
        tuple(fragments(index)),
        {tag: frozenset(revisions) for tag, revisions in tags.items()},
    )


# ----------------------------------------------------------------------------------------- tags


def _tags(
    index: Index, planes: Sequence[ControlPlane], bases: Sequence[BaseChart]
) -> dict[str, set[str]]:
    """Revision tags and the revisions they lead to."""
    tags: dict[str, set[str]] = defaultdict(set)
    for plane in planes:
        for tag in plane.tags:
            tags[tag].add(plane.revision)
    for base in bases:
        if base.chart == "default":
            # Chart `default` is the tag of that name for the revision it is given.
            revision = text(base.values.value("revision"))
            tags["default"].add("" if revision == "default" else revision)
            for tag in items(base.values.value("revisionTags")):
                if isinstance(tag, str):
                    tags[tag].add(revision)
    for tag, revision in sail.revision_tags(index):
        tags[tag].add(revision)
    for resource in index.of_kind(_WEBHOOK):
        webhook_tag = _webhook_tag(resource)
        if webhook_tag:
            tags[webhook_tag].add(_webhook_revision(resource))
    return tags


def _webhook_tag(resource: Resource) -> str:
    label = resource.labels.get("istio.io/tag")
    if isinstance(label, str) and label:
        return label
    if resource.name.startswith(_TAG_PREFIX):
        return resource.name.removeprefix(_TAG_PREFIX)
    return ""


def _webhook_revision(resource: Resource) -> str:
    label = resource.labels.get("istio.io/rev")
    return label if isinstance(label, str) and label != "default" else ""


def _webhooks(index: Index) -> Mapping[str, list[Resource]]:
    """Webhook configurations of Istio by revision."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for resource in index.of_kind(_WEBHOOK):
        if "istio.io/rev" in resource.labels or _webhook_tag(resource):
            found[_webhook_revision(resource)].append(resource)
    return found


def _tagged(
    plane: ControlPlane,
    tags: Mapping[str, set[str]],
    webhooks: Mapping[str, list[Resource]],
) -> ControlPlane:
    own = frozenset(tag for tag, revisions in tags.items() if plane.revision in revisions)
    return replace(plane, tags=plane.tags | own, webhooks=tuple(webhooks.get(plane.revision, ())))


# ---------------------------------------------------------------------------------------- order

_Record = TypeVar("_Record", ControlPlane, GatewayProxy, NodeAgent, BaseChart)


class _Order:
    """Input order: of the files, in a file of the documents, in a document as read."""

    def __init__(self, index: Index) -> None:
        self._files = {id(parsed.file): number for number, parsed in enumerate(index.files)}
        for resource in index.resources:
            self._files.setdefault(id(resource.document.file), len(self._files))

    def sorted(self, records: Sequence[_Record]) -> Iterator[_Record]:
        last = len(self._files)
        yield from sorted(
            records,
            key=lambda r: (
                self._files.get(id(r.home.document.file), last),
                r.home.document.index,
            ),
        )
