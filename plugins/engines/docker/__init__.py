"""Docker, and its API, which Podman speaks as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntr_core import hookimpl

if TYPE_CHECKING:
    from cntr_core import Engine


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``docker``."""
    from .engine import DockerEngine

    return DockerEngine()
