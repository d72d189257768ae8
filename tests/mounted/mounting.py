"""Mounts for tests: any backend, at a path, gone when the block ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from cntr_core import DirectoryTree, Filesystem, MountRequest, ServedMount
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2


def filesystem(name: str) -> Filesystem:
    """A built-in backend, found as users' are."""
    (entry,) = entry_points(group="cntr", name=name)
    backend = entry.load().cntr_register_filesystem()
    assert isinstance(backend, Filesystem)
    return backend


@contextmanager
def served(name: str, *trees: Path, **request: Any) -> Iterator[ServedMount]:
    """A detached mount of directories."""
    with ExitStack() as stack:
        branches = []
        for tree in trees:
            branches.append(DirectoryTree(os.open(tree, os.O_PATH | os.O_DIRECTORY)))
            stack.callback(os.close, branches[-1].fd)
        yield stack.enter_context(filesystem(name).mount(MountRequest(branches, **request)))


@contextmanager
def mounted(name: str, place: Path, *trees: Path, **request: Any) -> Iterator[ServedMount]:
    """The same, attached to the empty directory `place`, which is made."""
    place.mkdir()
    with served(name, *trees, **request) as mount:
        move_mount(mount.fd, "", AT_FDCWD, place)
        try:
            yield mount
        finally:
            umount2(place, MNT_DETACH)
