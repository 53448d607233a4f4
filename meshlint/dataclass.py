"""Immutable records: the part of `dataclasses` that meshlint uses, without its price at the start.

`dataclasses` writes and compiles up to seven methods for each class while it is defined, about a
millisecond each, and meshlint has some two hundred classes: more than half of the time that one
small file takes. Here a constructor is compiled once some objects of its class have been made; all
else is shared. For type checkers these are the functions of `dataclasses` themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass", "field", "replace"]

_NONE: Any = object()
_BEFORE_COMPILING = 20
"""Objects of a class that are made before compiling a constructor for it pays."""
_set = object.__setattr__


class _Field:
    __slots__ = ("compare", "default", "default_factory", "repr")

    def __init__(self, default: Any, default_factory: Any, repr: bool, compare: bool) -> None:  # noqa: A002
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.compare = compare


def _field(
    *,
    default: Any = _NONE,
    default_factory: Any = _NONE,
    repr: bool = True,  # noqa: A002
    compare: bool = True,
) -> Any:
    return _Field(default, default_factory, repr, compare)


def _dataclass(
    cls: Any = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    order: bool = False,
) -> Any:
    if cls is None:
        return lambda cls: _dataclass(cls, frozen=frozen, slots=slots, eq=eq, order=order)
    members = dict(cls.__dict__)
    fields: dict[str, _Field] = {}
    for name in cls.__annotations__:
        given = members.pop(name, _NONE)
        fields[name] = given if type(given) is _Field else _field(default=given)
    for name in ("__dict__", "__weakref__"):
        members.pop(name, None)
    if slots:
        members["__slots__"] = tuple(fields)
    if frozen:
        members["__setattr__"] = _refuse_setting
        members["__delattr__"] = _refuse_deleting
    if eq:
        key = _key(tuple(name for name, entry in fields.items() if entry.compare))
        members["__eq__"] = _equality(key)
        members["__hash__"] = _hash(key) if frozen else None
        if order:
            members.update(_ordering(key))
    members.setdefault("__repr__", _repr)
    members["__reduce__"] = _reduce
    members["__match_args__"] = tuple(fields)
    members["__shown__"] = tuple(name for name, entry in fields.items() if entry.repr)
    made = type(cls)(cls.__name__, cls.__bases__, members)
    made.__init__ = _late_constructor(made, fields, frozen)
    return made


def _late_constructor(cls: Any, fields: dict[str, _Field], frozen: bool) -> Callable[..., None]:
    """A constructor that works by itself until a compiled one, which takes its place, pays."""
    made = 0
    names = tuple(fields)

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        nonlocal made
        made += 1
        values = dict(zip(names, args))  # noqa: B905 - too many arguments are refused below
        values.update(kwargs)
        if made <= _BEFORE_COMPILING and len(values) == len(args) + len(kwargs):
            for name, entry in fields.items():
                value = values.pop(name, _NONE)
                if value is _NONE:
                    factory = entry.default_factory
                    value = entry.default if factory is _NONE else factory()
                    if value is _NONE:
                        break
                _set(self, name, value)
            else:
                if not values:
                    return
        # Also for arguments that do not fit: its message is the one that Python gives.
        cls.__init__ = compiled = _constructor(cls, fields, frozen)
        compiled(self, *args, **kwargs)

    return __init__


def _constructor(cls: Any, fields: dict[str, _Field], frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": _set, "_none": _NONE}
    parameters = ["self"]
    body = []
    set_one = " self.{0} = {1}"
    if frozen:
        slotted = "__slots__" in cls.__dict__
        set_one = " _set(self, {0!r}, {1})" if slotted else " _members[{0!r}] = {1}"
        body += [] if slotted else [" _members = self.__dict__"]
    for name, entry in fields.items():
        value = name
        if entry.default_factory is not _NONE:
            known[f"_make_{name}"] = entry.default_factory
            parameters.append(f"{name}=_none")
            value = f"_make_{name}() if {name} is _none else {name}"
        elif entry.default is not _NONE:
            known[f"_default_{name}"] = entry.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(set_one.format(name, value))
    source = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(body) or " pass")
    exec(source, known)  # noqa: S102 - names of fields are identifiers of this project
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _key(names: tuple[str, ...]) -> Callable[[Any], Any]:
    return attrgetter(*(names or ("__match_args__",)))


def _equality(key: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self is other or key(self) == key(other)

    return __eq__


def _hash(key: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(key(self))

    return __hash__


def _ordering(key: Callable[[Any], Any]) -> dict[str, Callable[[Any, Any], Any]]:
    def __lt__(self: Any, other: Any) -> Any:  # noqa: N807
        return key(self) < key(other) if other.__class__ is self.__class__ else NotImplemented

    def __le__(self: Any, other: Any) -> Any:  # noqa: N807
        return key(self) <= key(other) if other.__class__ is self.__class__ else NotImplemented

    def __gt__(self: Any, other: Any) -> Any:  # noqa: N807
        return key(self) > key(other) if other.__class__ is self.__class__ else NotImplemented

    def __ge__(self: Any, other: Any) -> Any:  # noqa: N807
        return key(self) >= key(other) if other.__class__ is self.__class__ else NotImplemented

    return {"__lt__": __lt__, "__le__": __le__, "__gt__": __gt__, "__ge__": __ge__}


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
    return f"{type(self).__qualname__}({values})"


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


def _refuse_setting(self: Any, name: str, value: Any) -> NoReturn:  # noqa: ARG001
    raise AttributeError(f"{type(self).__qualname__}.{name} cannot be changed")


def _refuse_deleting(self: Any, name: str) -> NoReturn:
    raise AttributeError(f"{type(self).__qualname__}.{name} cannot be removed")


def _replace(record: Any, /, **changes: Any) -> Any:
    cls = type(record)
    for name in cls.__match_args__:
        if name not in changes:
            changes[name] = getattr(record, name)
    return cls(**changes)


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _field, _replace
