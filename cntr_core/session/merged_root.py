"""The whole image of a slim container: its live root, with its fat half below, as ``/`` of a session."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from ..filesystem import DirectoryTree, Tree
from ..kernel.mounts import DetachedMount
from . import root_layout
from .skeleton import entry_of
from .target import Target


@contextmanager
def whole_branches(target: Target, fat: Tree, *, scratch: bool) -> Iterator[tuple[Tree, ...]]:
    """What the session's root is merged from. The first takes what the session writes: the live root, or with `scratch`
    a tmpfs that goes with the session.

    Mount points that the image lacks stand between the halves, so that none is made in the container. Where a directory
    on the way is a link of the container's, they lie where it leads.
    """
    live = DirectoryTree(target.root)
    with ExitStack() as stack:
        points = stack.enter_context(DetachedMount.new("tmpfs", {"mode": "755", "size": "1m"}))
        for path in (root_layout.CONTAINER, *root_layout.SPECIAL):
            _make_directory(points.fd, entry_of(live, path))
        fds = [target.root, points.fd]
        if scratch:
            top = stack.enter_context(DetachedMount.new("tmpfs", {"mode": "755"}))
            _copy_owner(target.root, top.fd)
            fds.insert(0, top.fd)
        yield (*map(DirectoryTree, fds), fat)


def _make_directory(root: int, path: str) -> None:
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        with suppress(FileExistsError):
            os.mkdir("/".join(parts[:depth]), 0o755, dir_fd=root)


def _copy_owner(source: int, target: int) -> None:
    """The root of a union has its topmost branch's owner and mode."""
    status = os.stat(".", dir_fd=source)
    os.chown(".", status.st_uid, status.st_gid, dir_fd=target)
    os.chmod(".", status.st_mode & 0o7777, dir_fd=target)


def shells(environment: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The shells to try, of the image itself."""
    own = environment.get(b"SHELL", b"")
    return (*((own,) if own.startswith(b"/") else ()), b"/bin/bash", b"/bin/sh", b"/bin/busybox")
