"""Podman."""

from __future__ import annotations

from cntr_core import Engine, hookimpl


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``podman``."""
    from .engine import PodmanEngine

    return PodmanEngine()
