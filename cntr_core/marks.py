"""The mark of a plugin's answers to our hooks."""

from __future__ import annotations

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def hookimpl(function: F) -> F:
    """Mark `function` as a plugin's answer to the hook of its name, as ``pluggy.HookimplMarker("cntr")`` does.

    A plugin that is asked for by its name needs no pluggy, whose import takes 5 ms.
    """
    function.cntr_impl = {}  # type: ignore[attr-defined]  # pluggy: PluginManager.parse_hookimpl_opts
    return function
