"""The filesystem backend of a command: the one that it names, or the fastest that works here, and is safe for the tree
that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import KernelFeatureMissing, PluginError
from . import output

if TYPE_CHECKING:
    from ..filesystem import Filesystem
    from ..plugins import Plugins
    from ..session import SessionOptions

AUTO = "auto"
FASTEST_FIRST = ("direct", "pyfuse3")
"""What :data:`AUTO` takes, if it works."""
WHY_FASTEST = "the fastest of those whose mounts end with the session"
_INSTEAD = {"pyfuse3": "direct"}
"""What serves the same files where the library of the other, which is optional, is not installed."""
_OUTLIVING = "kernel"
"""What a container keeps open of its mounts outlives the session: chosen for a public image's tree alone."""


def chosen_backend(plugins: Plugins, options: SessionOptions) -> Filesystem:
    """The backend that `options` name; for :data:`AUTO`, the first that lacks nothing. What it replaces is told.

    Where none works it is the fastest, and the session says what that one lacks, after what else hinders it.

    :raises PluginError: there is none of that name.
    :raises KernelFeatureMissing: none is installed.
    """
    if options.filesystem != AUTO:
        return named_backend(plugins, options.filesystem)
    backend, lacking = _first_that_works(plugins, options)
    if lacking and not backend.missing():
        output.say(f"using the filesystem backend {backend.name}, for {' and '.join(lacking)}")
    return backend


def why_chosen(plugins: Plugins, options: SessionOptions, backend: Filesystem) -> str:
    """A line that says which backend serves the files, and why it."""
    if options.filesystem == backend.name:
        return f"filesystem backend {backend.name}: as asked for"
    if options.filesystem != AUTO:
        return f"filesystem backend {backend.name}: {options.filesystem} does not work here"
    _, lacking = _first_that_works(plugins, options)
    return f"filesystem backend {backend.name}: {' and '.join(lacking) or WHY_FASTEST}"


def _first_that_works(plugins: Plugins, options: SessionOptions) -> tuple[Filesystem, list[str]]:
    """The fastest that lacks nothing, and what those before it lack; else the fastest."""
    fastest: Filesystem | None = None
    lacking: list[str] = []
    for backend in _candidates(plugins, options):
        fastest = fastest or backend
        missing = backend.missing()
        if not missing:
            return backend, lacking
        lacking.append(f"{backend.name} lacks {missing[0].what}")
    if fastest is None:
        raise KernelFeatureMissing("no filesystem backend is installed", "run cntr plugins")
    return fastest, lacking


def named_backend(plugins: Plugins, name: str) -> Filesystem:
    """The backend called `name`, or what serves in its place here, which is told.

    :raises PluginError: there is none of that name.
    """
    backend = plugins.filesystem(name)
    if name in _INSTEAD and (missing := backend.missing()):
        instead = plugins.filesystem(_INSTEAD[name])
        if not instead.missing():
            output.say(f"using the filesystem backend {instead.name}, for {name} lacks {missing[0].what}")
            return instead
    return backend


def _candidates(plugins: Plugins, options: SessionOptions) -> Iterator[Filesystem]:
    """The installed ones, the fastest first."""
    from ..session.tools import shows_image

    writes = options.rw_tools or options.writable_tools
    is_public = shows_image(options.tools) and options.fat is None and not writes
    names = [*FASTEST_FIRST, *([_OUTLIVING] if is_public else [])]
    for name in names:
        with suppress(PluginError):
            yield plugins.filesystem(name)
