"""Values together with where they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from meshlint.dataclass import dataclass
from meshlint.documents import Document
from meshlint.findings import Path

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere in a document; `path` leads from its root.

    `embedded` marks a text that holds YAML of its own, such as `helm.values: |` of an Argo CD
    Application: what stands inside has no position in the document, so every place in it is the
    place of the text.
    """

    document: Document
    path: Path
    embedded: bool = False

    def below(self, *steps: str | int) -> Place:
        """The place that the steps lead to from here."""
        if self.embedded or not steps:
            return self
        return Place(self.document, (*self.path, *steps))


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T_co]):
    """A value with its origin: a place in the input, or a named default.

    The value None means: known to be unset. Where meshlint cannot know, there is no `Sourced` at
    all but None.
    """

    value: T_co
    place: Place | None = None
    default: str = ""
    """Name of the default it comes from, such as `default of the istiod chart, Istio 1.27`."""
    site: Place | None = None
    """Where the value would be set in the input; it need not exist. Only for defaults."""

    @property
    def is_default(self) -> bool:
        """Whether the input does not give the value itself."""
        return self.place is None

    @property
    def anchor(self) -> Place | None:
        """Where to point: at the value, else at the place where it would be set."""
        return self.place or self.site

    def map(self, change: Callable[[Any], U]) -> Sourced[U]:
        """Another value with the same origin."""
        return Sourced(change(self.value), self.place, self.default, self.site)
