"""References to container images, read as container runtimes read them."""

from __future__ import annotations

from functools import lru_cache

from meshlint.dataclass import dataclass
from meshlint.patterns import regexp

_DEFAULT_REGISTRY = "docker.io"
_DEFAULT_TAG = "latest"
_TAG = regexp(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image as a pod names it."""

    name: str
    """What stands before tag and digest, as written."""
    registry: str
    """Host, with its port where it has one; `docker.io` where none is written."""
    repository: str
    """Path in the registry; a single word of docker.io is in `library/`."""
    tag: str
    """Empty where none is written."""
    digest: str
    """`sha256:...`, empty where none is written."""

    @property
    def full_name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def base_name(self) -> str:
        """The last part of the repository."""
        return self.repository.rpartition("/")[2]

    @property
    def effective_tag(self) -> str:
        """The tag that is pulled where there is no digest."""
        return self.tag or _DEFAULT_TAG


@lru_cache(maxsize=4096)
def parse_image(reference: str) -> ImageReference | None:
    """The parts of a reference; None where it is none, such as `ko://` and a Go package."""
    if "://" in reference:
        return None
    rest, _, digest = reference.partition("@")
    before, colon, last = rest.rpartition(":")
    # A colon before a slash is the one of a registry's port.
    tagged = bool(colon) and "/" not in last
    name, tag = (before, last) if tagged else (rest, "")
    if not name or name != name.strip() or (tagged and not _TAG.fullmatch(tag)):
        return None
    first, slash, path = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first.lower(), path
    else:
        registry, repository = _DEFAULT_REGISTRY, name
    if registry == "index.docker.io":
        registry = _DEFAULT_REGISTRY
    if registry == _DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return ImageReference(name, registry, repository, tag, digest)
