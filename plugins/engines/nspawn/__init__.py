"""systemd-nspawn, and systemd-machined, which knows most of its machines."""

from __future__ import annotations

from cntr_core import Engine, hookimpl


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``nspawn``."""
    from .engine import NspawnEngine

    return NspawnEngine()
