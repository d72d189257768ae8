"""``cntr attach --image`` and ``--stopped``: sessions in a throw-away container."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ..dataclass import replace
from ..errors import UsageError
from ..types import ContainerRef
from . import end_by_signals
from .backend import AUTO, chosen_backend

if TYPE_CHECKING:
    from ..engine import Engine
    from ..filesystem import Filesystem
    from ..plugins import Plugins
    from ..session import SessionOptions
    from ..session.throwaway import Root
    from ..types import ContainerProcess

    Work = Callable[[ContainerProcess, SessionOptions, Sequence[Engine]], int]


def in_throwaway(name: str, options: SessionOptions, work: Work, *, image: bool) -> int:
    """What `work` gives for a container of the image `name`, or of the files of the container `name`.

    :raises CntrError: there is none, or its files cannot be had; or as `work`.
    """
    from ..plugins import load
    from ..session import throwaway

    if options.fat is not None:
        raise UsageError("--fat is for containers that run", "leave it out")
    end_by_signals()
    plugins = load()
    backend = _backend(plugins, options)
    root = _root(name, plugins.engines, backend, image=image)
    with root as opened:
        throwaway.become_root()
        with throwaway.throwaway_container(opened, backend) as process:
            return work(process, replace(options, join_cgroup=False), plugins.engines)


def _backend(plugins: Plugins, options: SessionOptions) -> Filesystem:
    """What shows the container's root, which is written to: the kernel's can only show the tools."""
    named = chosen_backend(plugins, replace(options, tools="host"))
    return chosen_backend(plugins, replace(options, tools="host", filesystem=AUTO)) if named.directories_only else named


def _root(name: str, engines: Sequence[Engine], backend: Filesystem, *, image: bool) -> AbstractContextManager[Root]:
    from ..engine import find, stopped_root
    from ..session import throwaway

    if image:
        return throwaway.image_root(name, engines, backend)
    container = find(ContainerRef.parse(name), engines)
    return throwaway.stopped_root(container, stopped_root(container, engines))
