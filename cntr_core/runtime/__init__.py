"""Containers of our own: from an image's configuration and a root directory to a process, by an OCI runtime."""

from .bundle import BundleRequest, stop_signal, write_bundle
from .config_json import ContainerSpec, RuntimeOptions, arguments
from .confinement import Confinement, LimitWatch
from .runtime import Runtime, Streams, find_runtime, known_names, need_runtime

__all__ = [
    "BundleRequest",
    "Confinement",
    "LimitWatch",
    "Runtime",
    "Streams",
    "ContainerSpec",
    "RuntimeOptions",
    "arguments",
    "find_runtime",
    "known_names",
    "need_runtime",
    "stop_signal",
    "write_bundle",
]
