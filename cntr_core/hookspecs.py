"""The contract between cntr and its plugins. These docstrings are the reference manual.

A plugin is a module named by an entry point of the group ``cntr``::

    [project.entry-points.cntr]
    myengine = "my_package.plugin"

and marks its implementations with :data:`cntr_core.hookimpl`. All hooks are collected: every plugin that answers is
used. They fire once when cntr starts, never during a filesystem operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from .engine import Engine
    from .filesystem import Filesystem
    from .rules import Rule

PROJECT = "cntr"
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def cntr_register_engine() -> Engine | None:
    """Offer a container engine.

    Fires once, when the first command needs engines. Return an :class:`cntr_core.Engine`, or None where the plugin
    has nothing to offer on this machine. Do no I/O here: the engine is asked by its methods, under a time limit.
    """


@hookspec
def cntr_register_filesystem() -> Filesystem | None:
    """Offer a filesystem backend, chosen by ``--fs NAME``.

    Fires once, when the first command needs a filesystem. Return a :class:`cntr_core.Filesystem`, or None. Import
    heavy libraries inside :meth:`Filesystem.mount`, not here: this hook is on the path of every attach.
    """


@hookspec
def cntr_register_commands(app: typer.Typer) -> None:
    """Add commands to the ``cntr`` command line.

    Fires once at every start, also for ``cntr --help``, but not for ``attach``, ``exec`` and ``cp``: import what a
    command needs inside the command. `app` is the root :class:`typer.Typer`.
    """


@hookspec
def cntr_slim_rules() -> Sequence[Rule] | None:
    """Offer rules of slimming: what to keep although no trace shows it.

    Fires once, when an image is slimmed or plugins are listed. Return :class:`cntr_core.Rule` objects, each with a name
    of its own among the rules of all plugins, or None. Import heavy libraries inside :meth:`Rule.keep`.
    """
