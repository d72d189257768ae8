"""The small upper layer of a session's root: mount points that the tools' tree lacks, and whiteouts.

A detached tmpfs, reachable by no path: it vanishes with the processes that hold it, however they end.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..kernel import paths
from ..kernel.mounts import DetachedMount
from . import layout

_WHITEOUT = os.makedev(0, 0)


class Skeleton:
    """Adds entries above a tree, given as the O_PATH descriptor `lower`; directories keep the tree's attributes."""

    def __init__(self, upper: int, lower: int) -> None:
        self._upper = upper
        self._lower = lower
        self.empty = True
        self._copy_attributes(".")

    def directory(self, path: str) -> None:
        """Make sure that `path` is a directory: where the tree has none, or a link, one is added."""
        if not stat.S_ISDIR(self._mode(path)):
            self._make(path)

    def file(self, path: str, content: bytes | None) -> None:
        """Make sure that `path` is a regular file to bind to; with `content`, that this is what it holds."""
        if content is None and stat.S_ISREG(self._mode(path)):
            return
        self._make(os.path.dirname(path))
        fd = os.open(
            path,
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o644,
            dir_fd=self._upper,
        )
        with open(fd, "wb") as file:
            os.fchmod(fd, 0o644)
            file.write(content or b"")

    def hide(self, path: str) -> None:
        """Hide `path`, as overlayfs does: a character device 0/0 of that name (kernel: overlayfs.rst, whiteouts)."""
        if not self._mode(path):
            return
        self._make(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mknod(path, stat.S_IFCHR, _WHITEOUT, dir_fd=self._upper)

    def matches(self, pattern: str) -> Iterator[str]:
        """The paths of the tree that match a pattern whose components may have wildcards (fnmatch(3))."""
        yield from self._matches("", pattern.split("/"))

    def _matches(self, base: str, components: list[str]) -> Iterator[str]:
        if not components:
            yield base
            return
        first, *rest = components
        names = [first]
        if any(sign in first for sign in "*?["):
            names = fnmatch.filter(self._list(base), first)
        for name in names:
            path = f"{base}/{name}" if base else name
            if self._mode(path):
                yield from self._matches(path, rest)

    def _list(self, path: str) -> list[str]:
        try:
            fd = paths.open_in_root(self._lower, path or ".", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def _mode(self, path: str) -> int:
        """The type and mode of an entry, itself and not what it links to; 0 where there is none."""
        try:
            fd = paths.openat2(
                self._lower,
                path,
                os.O_PATH | os.O_NOFOLLOW,
                resolve=paths.RESOLVE_IN_ROOT | paths.RESOLVE_NO_MAGICLINKS,
            )
        except OSError:
            return 0
        try:
            return os.fstat(fd).st_mode
        finally:
            os.close(fd)

    def _make(self, path: str) -> None:
        """Make the directory and its parents in the upper layer."""
        self.empty = False
        made = ""
        for name in filter(None, path.split("/")):
            made = f"{made}/{name}" if made else name
            try:
                os.mkdir(made, 0o755, dir_fd=self._upper)
            except FileExistsError:
                continue
            self._copy_attributes(made)

    def _copy_attributes(self, path: str) -> None:
        try:
            fd = paths.open_in_root(self._lower, path, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            return
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        os.chown(path, status.st_uid, status.st_gid, dir_fd=self._upper)
        os.chmod(path, stat.S_IMODE(status.st_mode), dir_fd=self._upper)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=self._upper)


@contextmanager
def session_skeleton(tools: int, container: int, *, hide_secrets: bool, user: tuple[int, int]) -> Iterator[int | None]:
    """The upper layer that makes `tools` (an O_PATH descriptor) fit for a session in `container`.

    Gives the descriptor of its root, or None where the tree already has all that is needed. `user` (uid, gid) is named
    in the passwd(5) that stands in when the container has none.
    """
    with DetachedMount.new("tmpfs", {"mode": "755", "size": "16m"}) as mount:
        skeleton = Skeleton(mount.fd, tools)
        for path in (layout.CONTAINER, *layout.SPECIAL, *layout.PRIVATE):
            skeleton.directory(path)
        for path in layout.FILES:
            if is_regular(container, path):
                skeleton.file(path, None)
            elif (content := _stand_in(path, *user)) is not None:
                skeleton.file(path, content)
            else:
                skeleton.hide(path)
        if hide_secrets:
            for pattern in layout.SECRETS:
                for path in skeleton.matches(pattern):
                    skeleton.hide(path)
        yield None if skeleton.empty else mount.fd


def make_mount_points(tools: int) -> None:
    """Make the directories that a session needs, in a tree that it may write to anyway.

    :raises OSError: the tree cannot be written.
    """
    for path in (layout.CONTAINER, *layout.SPECIAL, *layout.PRIVATE):
        components = path.split("/")
        for depth, name in enumerate(components):
            parent = paths.open_in_root(tools, "/".join(components[:depth]) or ".", os.O_PATH | os.O_DIRECTORY)
            try:
                os.mkdir(name, 0o755, dir_fd=parent)
            except FileExistsError:
                continue
            finally:
                os.close(parent)


def is_regular(rootfd: int, path: str, *, follow: bool = True) -> bool:
    """Whether `path` leads to a regular file, or without `follow` is one, in the eyes of a process in that root."""
    try:
        fd = paths.open_in_root(rootfd, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    finally:
        os.close(fd)


def _stand_in(path: str, uid: int, gid: int) -> bytes | None:
    """What replaces a file that the container lacks; None where its absence is the truth to show."""
    if path == "etc/passwd":
        extra = b"" if uid in (0, 65534) else b"cntr:x:%d:%d::/:/bin/sh\n" % (uid, gid)
        return b"root:x:0:0:root:/root:/bin/sh\n" + extra + b"nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    if path == "etc/group":
        extra = b"" if gid in (0, 65534) else b"cntr:x:%d:\n" % gid
        return b"root:x:0:\n" + extra + b"nogroup:x:65534:\n"
    return None
