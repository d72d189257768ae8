"""Control groups of runs whose processes of ours all died: the kernel keeps them, and the next run removes them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from cntr_core import leftovers
from cntr_core.kernel import cgroups
from cntr_core.kernel.cgroup_removal import end_members, remove_group

_NAME = re.compile(r"cntr-run-[0-9a-f]{16}")
_YOUNG = 60.0
"""Seconds: a younger group without processes may be one that a runtime is just making."""


@contextmanager
def noted_cgroups(run: str) -> Iterator[None]:
    """The groups that the block makes for `run` are noted (:mod:`cntr_core.leftovers`): whoever ends this process
    removes them with all that lives there, should nobody else be left to do so."""
    groups = [os.path.join(hierarchy, run) for hierarchy in cgroups.hierarchies()]
    for group in groups:
        leftovers.note(group)
    try:
        yield
    finally:
        for group in groups:
            leftovers.forget(group)


def remove_cgroups(dead: Collection[str]) -> None:
    """Remove the groups of the runs `dead`, whose processes are killed, and those of any run in which nobody lives."""
    for hierarchy in cgroups.hierarchies():
        with suppress(OSError):
            for name in filter(_NAME.fullmatch, os.listdir(hierarchy)):
                _remove(os.path.join(hierarchy, name), is_dead=name in dead)


def _remove(group: str, *, is_dead: bool) -> None:
    with suppress(OSError):
        if is_dead:
            end_members(group)
        elif time.time() - os.stat(group).st_mtime < _YOUNG:
            return
        remove_group(group)
