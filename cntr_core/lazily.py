"""Packages whose public names are imported when they are first asked for (PEP 562): what a call does not need costs it
nothing."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of `package`; `places` has for each of its modules the names that come from there."""
    modules = {name: module for module, names in places.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{package}.{modules[name]}"), name)
        return found

    return get
