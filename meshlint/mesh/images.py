"""Images of pods, and what gives them their tags besides the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from meshlint.dataclass import dataclass
from meshlint.findings import Path
from meshlint.model.images import ImageReference, parse_image
from meshlint.model.values import is_templated, mappings, text
from meshlint.model.workloads import PROXY_CONTAINER, Container, Workload

if TYPE_CHECKING:
    from meshlint.mesh.kustomize import Kustomizations
    from meshlint.model.index import Index

PLACEHOLDER = "auto"
"""Image of istio-proxy that injection replaces."""


@dataclass(frozen=True, slots=True)
class PodImage:
    """The image of one container."""

    container: Container
    reference: ImageReference
    path: Path


class Images:
    """The images of one input."""

    def __init__(self, index: Index, kustomizations: Kustomizations) -> None:
        names = set(_built(index))
        for document in kustomizations.documents:
            names |= {text(entry, "name") for _, entry in mappings(document.value, "images")}
        self._given_elsewhere = frozenset(names)

    def of(self, workload: Workload) -> Iterator[PodImage]:
        """The images of a pod that are known: no templates, and nothing that is replaced later.

        Injection replaces `auto`, kustomizations and Skaffold replace the names they list.
        """
        for container in workload.containers:
            written = text(container.value, "image")
            if not written or is_templated(written):
                continue
            if container.name == PROXY_CONTAINER and written == PLACEHOLDER:
                continue
            reference = parse_image(written)
            if reference is not None and not self._is_replaced(reference):
                yield PodImage(container, reference, (*container.path, "image"))

    def _is_replaced(self, reference: ImageReference) -> bool:
        return reference.name in self._given_elsewhere


def _built(index: Index) -> Iterator[str]:
    """Images that Skaffold builds; it writes their tags into what it applies."""
    for file in index.files:
        for document in file.documents:
            if not text(document.value, "apiVersion").startswith("skaffold/"):
                continue
            profiles = [profile for _, profile in mappings(document.value, "profiles")]
            for part in (document.value, *profiles):
                for _, artifact in mappings(part, "build", "artifacts"):
                    yield text(artifact, "image")
