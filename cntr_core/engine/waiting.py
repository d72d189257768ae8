"""Waiting until a container runs: the next start of one in a crash loop, or the first of one that is not there yet."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import CntrError, ContainerNotRunning
from ..types import Container, ContainerProcess, ContainerRef, ContainerState
from .base import Engine
from .process import running_process
from .query import query
from .search import LAST_RESORTS, chosen

_SHORTEST_PAUSE = 0.01
"""Seconds between two questions to an engine that answers at once; others are asked for half of the time."""


def next_start(ref: ContainerRef, engines: Sequence[Engine], limit: float) -> ContainerProcess:
    """The process of the container that `ref` names, as soon as one engine says that it runs. Each engine is asked by a
    process of its own, again and again; what it answers else, or that it does not answer, is as good as nothing.

    :raises ContainerNotRunning: nobody knows such a container that runs, after `limit` seconds.
    :raises PluginError: there is no engine of that name.
    """
    asked = [each for each in chosen(ref.engine, engines) if ref.engine or each.name not in LAST_RESORTS]
    until = time.monotonic() + limit
    while (left := until - time.monotonic()) > 0:
        answers = query(asked, lambda engine: _running(engine, ref.name), 0, patience=left)
        for found in (container for answer in answers for container in answer.value or ()):
            try:
                return running_process(found)
            except ContainerNotRunning:  # it has ended again
                continue
    raise ContainerNotRunning(f"{ref} did not start within {limit:.3g} s", "wait longer, or see cntr list --all")


def _running(engine: Engine, name: str) -> list[Container]:
    """Does not return before there is one."""
    while True:
        began = time.monotonic()
        try:
            found = [c for c in engine.find(name) if c.state is ContainerState.RUNNING and c.pid]
        except CntrError:
            found = []
        if found:
            return found
        time.sleep(max(_SHORTEST_PAUSE, time.monotonic() - began))
