"""Values together with where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from meshlint.documents import Document
from meshlint.findings import Path

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere in a document; `path` leads from its root."""

    document: Document
    path: Path


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T_co]):
    """A value with its origin: a place in the input, or a named default.

    The value None means: known to be unset. Where meshlint cannot know, there is no `Sourced` at
    all but None.
    """

    value: T_co
    place: Place | None = None
    default: str = ""
    """Name of the default the value comes from, such as `default of the istiod chart, Istio 1.27`."""

    @property
    def is_default(self) -> bool:
        return self.place is None
