"""Records behave as those of `dataclasses`, whose place they take."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from meshlint import dataclass as own


class _Plain:
    name: str
    count: int = 1
    notes: list[str]
    hidden: str = ""


def _made(module: Any, **options: Any) -> Any:
    """The same class by either module."""
    members = {
        "__annotations__": _Plain.__annotations__,
        "__module__": __name__,
        "__qualname__": "Made",
        "count": 1,
        "notes": module.field(default_factory=list),
        "hidden": module.field(default="", repr=False, compare=False),
        "label": property(lambda self: f"{self.name} x {self.count}"),
    }
    return module.dataclass(**options)(type("Made", (), members))


OPTIONS: list[dict[str, bool]] = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "slots": True, "order": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_records_do_what_those_of_dataclasses_do(options: dict[str, bool]) -> None:
    ours, theirs = _made(own, **options), _made(dataclasses, **options)
    attempts: list[Callable[[Any, Any], Any]] = [
        lambda made, _: repr(made("a", notes=["b"])),
        lambda made, _: made("a", 2, ["b"], "c").label,
        lambda made, _: made("a", hidden="c").hidden,
        lambda made, _: made("a") == made("a"),
        lambda made, _: made("a") == made("a", hidden="other"),
        lambda made, _: made("a") == made("b"),
        lambda made, _: made("a") == "a",
        lambda made, _: made("a").notes is made("a").notes,
        lambda made, _: made(),
        lambda made, _: made("a", other=1),
        lambda made, _: made("a", 1, [], "", 5),
        lambda made, _: len({made("a", notes=()), made("a", notes=())}),
        lambda made, _: setattr(made("a"), "name", "b"),
        lambda made, _: delattr(made("a"), "name"),
        lambda made, _: setattr(made("a"), "new", "b"),
        lambda made, _: made("a") < made("b"),
        lambda made, _: (
            made("b", 1) >= made("a", 2),
            made("b") <= made("b"),
            made("a") > made("b"),
        ),
        lambda made, module: module.replace(made("a"), count=3).count,
        lambda made, module: module.replace(made("a"), other=3),
        lambda made, _: made.__match_args__,
        lambda made, _: hasattr(made("a"), "__dict__"),
        lambda made, _: copy.copy(made("a", 3, ["b"])).notes,
    ]
    for number, attempt in enumerate(attempts):
        assert _outcome(attempt, ours, own) == _outcome(attempt, theirs, dataclasses), number


def _outcome(attempt: Callable[[Any, Any], Any], made: Any, module: Any) -> Any:
    try:
        return attempt(made, module)
    except (AttributeError, TypeError):
        # Which of the two differs between releases of Python.
        return "refused"


@own.dataclass(frozen=True, slots=True)
class Parcel:
    """A record that can be found by its name, as pickle needs it."""

    weight: int
    stamps: tuple[str, ...] = ()


def test_records_travel_between_processes() -> None:
    parcel = Parcel(3, ("blue",))
    assert pickle.loads(pickle.dumps(parcel)) == parcel


def test_a_record_without_fields() -> None:
    @own.dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
