"""The embedded engine: containers of our own, started from an image by an installed OCI runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntr_core import Engine, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``oci``."""
    from .engine import OciEngine

    return OciEngine()


@hookimpl
def cntr_register_commands(app: typer.Typer) -> None:
    """``cntr run`` and ``cntr stop``."""
    from .commands import register

    register(app)
