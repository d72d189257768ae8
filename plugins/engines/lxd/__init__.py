"""LXD and Incus, which share a REST API."""

from __future__ import annotations

from cntr_core import Engine, hookimpl


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``lxd``."""
    from .engine import LxdEngine

    return LxdEngine()
