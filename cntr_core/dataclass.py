"""Dataclasses for what every session imports: as Python's, and made in 20 microseconds instead of 350.

Python's generates and compiles the source of each method; 70 classes took a seventh of the time of ``cntr attach``.
These share their methods, which only cost more where values are made by the thousand. A type checker sees Python's own,
and :mod:`dataclasses` takes these for such, too.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace
    from typing import Any

__all__ = ["dataclass", "defaults", "field", "replace"]

_REQUIRED = object()


class _Field:
    """What a field says beside its name; `make` gives the default, if there is one."""

    def __init__(self, make: Callable[[], Any] | None, is_shown: bool) -> None:
        self.make = make
        self.is_shown = is_shown


class _PythonsFields:
    """``__dataclass_fields__``, by which :mod:`dataclasses` knows a dataclass: made when it asks."""

    def __get__(self, _: object, owner: Any) -> Any:
        import dataclasses as python

        def described(default: Any) -> Any:
            if isinstance(default, _Field):
                made: Any = python.MISSING if default.make is None else default.make
                return python.field(default_factory=made, repr=default.is_shown)
            return python.field(default=python.MISSING if default is _REQUIRED else default)

        hints: dict[str, str] = {}
        for base in reversed(owner.__mro__):
            hints.update(vars(base).get("__annotations__", {}))
        given = [(name, hints[name], described(default)) for name, default in owner.__cntr_fields__.items()]
        like: Any = python.make_dataclass(owner.__name__, given)
        return like.__dataclass_fields__


if not TYPE_CHECKING:

    def dataclass(*, slots, frozen=False):
        """:func:`dataclasses.dataclass` of a class with slots, whose fields all are parameters."""
        assert slots
        return lambda cls: _made(cls, frozen)

    def field(*, default_factory=None, repr=True):
        """:func:`dataclasses.field`."""
        return _Field(default_factory, repr)

    def replace(value, /, **changes):
        """:func:`dataclasses.replace`, for these alone."""
        return type(value)(**{**dict(zip(value.__cntr_fields__, _values(value), strict=True)), **changes})


def defaults(cls: Any) -> dict[str, Any] | None:
    """The fields of a dataclass of ours, each with its default; None for any other object."""
    found: dict[str, Any] | None = getattr(cls, "__cntr_fields__", None)
    return found


def _made(cls: Any, frozen: bool) -> Any:
    """The class with slots: they can only be given to a new one."""
    content = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    hints = content.get("__annotations__", {})
    own = [name for name, hint in hints.items() if not hint.startswith("ClassVar")]
    inherited = getattr(cls, "__cntr_fields__", {})
    content["__cntr_fields__"] = {**inherited, **{name: content.pop(name, _REQUIRED) for name in own}}
    content["__slots__"] = tuple(name for name in own if name not in inherited)
    content["__match_args__"] = tuple(content["__cntr_fields__"])
    for name, method in (_FROZEN if frozen else _CHANGING).items():
        content.setdefault(name, method)
    return type(cls)(cls.__name__, cls.__bases__, content)


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in value.__cntr_fields__)


def _init(self: Any, *values: Any, **named: Any) -> None:
    fields = self.__cntr_fields__
    if len(values) > len(fields):
        raise TypeError(f"{type(self).__name__}() takes {len(fields)} values, not {len(values)}")
    given = dict(zip(fields, values, strict=False))
    for name, value in named.items():
        if name in given or name not in fields:
            problem = "given twice" if name in given else "unknown"
            raise TypeError(f"{type(self).__name__}(): '{name}' is {problem}")
        given[name] = value
    for name, default in fields.items():
        object.__setattr__(self, name, given[name] if name in given else _default(self, name, default))


def _default(self: Any, name: str, default: Any) -> Any:
    if default is _REQUIRED or (isinstance(default, _Field) and default.make is None):
        raise TypeError(f"{type(self).__name__}() lacks '{name}'")
    return default.make() if isinstance(default, _Field) else default  # type: ignore[misc]


def _repr(self: Any) -> str:
    shown = [
        f"{name}={getattr(self, name)!r}"
        for name, default in self.__cntr_fields__.items()
        if not isinstance(default, _Field) or default.is_shown
    ]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _reduce(self: Any) -> tuple[Any, ...]:
    """For pickle and copy, which would set the fields of what is frozen."""
    return type(self), _values(self)


def _refuse(_: Any, name: str, _value: object = None) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change the field '{name}'")


_BOTH: dict[str, Any] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__reduce__": _reduce,
    "__dataclass_fields__": _PythonsFields(),
}
_CHANGING: dict[str, Any] = {**_BOTH, "__hash__": None}
_FROZEN: dict[str, Any] = {**_BOTH, "__hash__": _hash, "__setattr__": _refuse, "__delattr__": _refuse}
