"""Docker, and its API, which Podman speaks as well."""

from __future__ import annotations

from cntr_core import Engine, hookimpl


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``docker``."""
    from .engine import DockerEngine

    return DockerEngine()
