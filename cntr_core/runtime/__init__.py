"""Containers of our own: from an image's configuration and a root directory to a process, by an OCI runtime."""

from __future__ import annotations

from ..lazily import lazily

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from .bundle import BundleRequest, stop_signal, write_bundle
    from .collector import Collector
    from .config_json import ContainerSpec, RuntimeOptions, arguments, variables
    from .confinement import Confinement, LimitWatch
    from .container_mounts import ContainerMount, in_order
    from .log import LARGEST_LOG, Log
    from .runtime import Runtime, Streams, find_runtime, known_names, need_runtime

__all__ = [
    "LARGEST_LOG",
    "BundleRequest",
    "Collector",
    "Confinement",
    "ContainerMount",
    "LimitWatch",
    "Log",
    "Runtime",
    "Streams",
    "ContainerSpec",
    "RuntimeOptions",
    "arguments",
    "find_runtime",
    "in_order",
    "known_names",
    "need_runtime",
    "stop_signal",
    "variables",
    "write_bundle",
]

# A session needs the package for its seccomp filter alone, which knows no bundle and no image.
__getattr__ = lazily(
    __name__,
    {
        "bundle": "BundleRequest stop_signal write_bundle",
        "collector": "Collector",
        "config_json": "ContainerSpec RuntimeOptions arguments variables",
        "confinement": "Confinement LimitWatch",
        "container_mounts": "ContainerMount in_order",
        "log": "LARGEST_LOG Log",
        "runtime": "Runtime Streams find_runtime known_names need_runtime",
    },
)
