"""containerd, and Kubernetes, whose runtimes are asked over gRPC as it is."""

from __future__ import annotations

from cntr_core import Engine, hookimpl


@hookimpl
def cntr_register_engine() -> Engine:
    """The engine ``containerd``."""
    from .engine import ContainerdEngine

    return ContainerdEngine()
