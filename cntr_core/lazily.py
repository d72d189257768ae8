"""Packages whose public names are imported when they are first asked for (PEP 562): what a call does not need costs it
nothing."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def lazily(package: str, names: Sequence[str], modules: Sequence[str]) -> Callable[[str], object]:
    """The ``__getattr__`` of `package`, whose `names` are those of its `modules`."""

    def get(name: str) -> object:
        if name in names:
            for module in map(import_module, (f"{package}.{place}" for place in modules)):
                if name in vars(module):
                    return vars(import_module(package)).setdefault(name, vars(module)[name])
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
