"""XML 1.0 that no character of a manifest can break."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshlint.reporters.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def escaped(text: str) -> str:
    """One line of text for an attribute or an element.

    It is ASCII, so that it is what the declaration says in whatever encoding it is written. What
    XML cannot hold is shown as in the other formats: `\\x00`.
    """
    return visible(text).translate(_MARKUP).encode("ascii", "xmlcharrefreplace").decode("ascii")


def attributes(values: Mapping[str, object]) -> str:
    """The attributes of a start tag, each with a blank before it."""
    return "".join(f' {name}="{escaped(str(value))}"' for name, value in values.items())
