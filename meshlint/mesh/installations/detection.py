"""Which Istio version an installation is of."""

from __future__ import annotations

from typing import Any

from meshlint.mesh.provenance import Place, Sourced
from meshlint.mesh.settings import Settings
from meshlint.mesh.versions import NEWEST_ISTIO, Version, parse_version

OLDEST_KNOWN = "1.5"
"""The first Istio with istiod; what names an older version is a placeholder."""


def detect_version(
    settings: Settings, *candidates: Sourced[Any] | None
) -> tuple[Version, Sourced[str] | None]:
    """The version, and the text it was read from; None for a setting and for the newest known.

    The setting wins; of the candidates the first one that names a version.
    """
    if settings.istio_version is not None:
        return settings.istio_version, None
    for candidate in candidates:
        if candidate is None:
            continue
        written = scalar_text(candidate.value, candidate.place)
        version = parse_version(written)
        if version is not None and version.at_least(OLDEST_KNOWN):
            return version, Sourced(written, candidate.place, candidate.default, candidate.site)
    return NEWEST_ISTIO, None


def scalar_text(value: Any, place: Place | None = None) -> str:
    """A scalar as it is written: `tag: 1.30` is a number to YAML, which has lost the zero."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if place is not None and not place.embedded:
        span = place.document.span_of(place.path)
        if span is not None:
            return place.document.file.text[span.start : span.end]
    return str(value)
