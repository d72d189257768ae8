"""The slimmer's commands. This module is imported at every start of cntr: everything heavy waits for its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntr_core import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def cntr_register_commands(app: typer.Typer) -> None:
    """``cntr slim``, ``join``, ``verify``, ``why``, ``diff``, ``trace`` and ``schema``."""
    from . import compare, formats, join, slim, trace, why

    for module in (slim, join, compare, why, trace, formats):
        module.register(app)
