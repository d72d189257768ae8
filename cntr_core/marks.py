"""The mark of a plugin's answers to our hooks."""

from __future__ import annotations

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def hookimpl(function: F | None = None, **options: Any) -> Any:
    """Mark `function` as a plugin's answer to the hook of its name: ``pluggy.HookimplMarker("cntr")``, whose options it
    takes.

    A plugin that is asked for by its name, and marks its answers without options, needs no pluggy, whose import takes
    5 ms.
    """
    if function is None or options:
        from pluggy import HookimplMarker

        return HookimplMarker("cntr")(function, **options)
    function.cntr_impl = {}  # type: ignore[attr-defined]  # pluggy: PluginManager.parse_hookimpl_opts
    return function
