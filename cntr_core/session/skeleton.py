"""The small upper layer of a session's root: mount points that the tools' tree lacks, and whiteouts.

A detached tmpfs, reachable by no path: it vanishes with the processes that hold it, however they end.
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ..filesystem import DirectoryTree, Stat, Tree, find
from ..kernel import paths
from ..kernel.mounts import DetachedMount
from ..kernel.syscall import owned
from . import root_layout

_WHITEOUT = os.makedev(0, 0)
_PLACES = (root_layout.CONTAINER, *root_layout.SPECIAL, *root_layout.PRIVATE)


class Skeleton:
    """Adds entries above the tree `lower`; directories keep the tree's attributes. What looks for secrets wants a tree
    that is a directory."""

    def __init__(self, upper: int, lower: Tree) -> None:
        self._upper = upper
        self._tree = lower
        self._lower = lower.fd if isinstance(lower, DirectoryTree) else -1
        self.empty = True
        self._copy_attributes(".")

    def directory(self, path: str) -> None:
        """Make sure that `path` is a directory: where the tree has none, or a link, one is added."""
        if not stat.S_ISDIR(self._mode(path)):
            self._make(path)

    def file(self, path: str) -> None:
        """Make sure that `path` is a regular file to mount on."""
        if stat.S_ISREG(self._mode(path)):
            return
        self._make(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(path, flags, 0o644, dir_fd=self._upper))

    def hide(self, path: str) -> None:
        """Hide `path`, as overlayfs does: a character device 0/0 of that name (kernel: overlayfs.rst, whiteouts).

        Links on the way are followed, since a directory made over one would hide all that it leads to.
        """
        if not self._mode(path):
            return
        path = self.entry(path)
        with contextlib.suppress(FileExistsError, NotADirectoryError):  # hidden already, itself or above
            self._make(os.path.dirname(path))
            os.mknod(path, stat.S_IFCHR, _WHITEOUT, dir_fd=self._upper)

    def entry(self, path: str) -> str:
        """The real path of a directory entry, which may be a link itself."""
        parent, name = os.path.split(path)
        real = self.real(parent)
        return os.path.join(parent if real is None else real, name)

    def real(self, path: str) -> str | None:
        """Where `path` leads to in the tree, without links ("" is its root); None when it leads to nothing."""
        try:
            fd = paths.open_in_root(self._lower, path or ".", os.O_PATH)
        except OSError:  # pragma: no cover - depends on which secrets the machine has
            return None
        with owned(fd):
            found, root = (os.readlink(f"/proc/self/fd/{number}") for number in (fd, self._lower))
        root = root.rstrip("/")
        return found[len(root) + 1 :] if f"{found}/".startswith(f"{root}/") else None

    def target(self, path: str) -> str | None:
        """Where a link leads to whose owner also owns what is there; None for all else.

        Any user can make a link to what is not theirs, such as ``~/.ssh`` to ``/usr``.
        """
        try:
            link, end = (self._status(path, follow=follow) for follow in (False, True))
        except OSError:  # pragma: no cover - depends on which secrets the machine has
            return None
        return self.real(path) if stat.S_ISLNK(link.st_mode) and link.st_uid == end.st_uid else None

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
        with owned(fd):
            return os.listdir(fd)

    def _mode(self, path: str) -> int:
        """The type and mode of an entry, itself and not what it links to; 0 where there is none."""
        try:
            return self._status(path, follow=False).st_mode
        except OSError:
            return 0

    def _status(self, path: str, *, follow: bool) -> Stat:
        if not isinstance(self._tree, DirectoryTree):
            return self._tree.stat(find(self._tree, os.fsencode(path), follow=follow))
        with owned(paths.open_in_root(self._lower, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))) as fd:
            return os.fstat(fd)

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
            status = self._status(path, follow=False)
        except OSError:
            return
        if not stat.S_ISDIR(status.st_mode):
            return
        with contextlib.suppress(OSError):  # an owner that has no number in our user namespace
            os.chown(path, status.st_uid, status.st_gid, dir_fd=self._upper)
        os.chmod(path, stat.S_IMODE(status.st_mode), dir_fd=self._upper)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=self._upper)


@contextmanager
def session_skeleton(tools: Tree, container: int, *, hide_secrets: bool) -> Iterator[int | None]:
    """The upper layer that makes `tools` fit for a session in `container`.

    Gives the descriptor of its root, or None where the tree already has all that is needed.
    """
    with DetachedMount.new("tmpfs", {"mode": "755", "size": "16m"}) as mount:
        skeleton = Skeleton(mount.fd, tools)
        for path in _PLACES:
            skeleton.directory(path)
        for path in root_layout.FILES:
            _add_file(skeleton, path, container)
        if hide_secrets:
            assert isinstance(tools, DirectoryTree)
            for path in _secrets(skeleton, tools.fd):
                skeleton.hide(path)
        yield None if skeleton.empty else mount.fd


def _add_file(skeleton: Skeleton, path: str, container: int) -> None:
    """Make `path` fit for a file to be mounted there; where the container has none to show, the tools' is hidden."""
    if path in root_layout.ACCOUNTS or is_regular(container, path):
        skeleton.file(path)
    else:
        skeleton.hide(path)


def _secrets(skeleton: Skeleton, tools: int) -> list[str]:
    """The real paths of all that is to be hidden, outer ones first."""
    named = {path for pattern in (*root_layout.HOMES, *_homes(tools)) for path in skeleton.matches(pattern)}
    homes = {"", *filter(None, map(skeleton.real, named))}  # "/" is the home of many, and of users without one
    patterns = [f"{glob.escape(home)}/{name}".lstrip("/") for home in homes for name in root_layout.HOME_SECRETS]
    found = {path for pattern in (*root_layout.SECRETS, *patterns) for path in skeleton.matches(pattern)}
    targets = {target for path in found if (target := skeleton.target(path)) and not _is_needed(target)}
    return sorted(targets | {skeleton.entry(path) for path in found})


def _homes(tools: int) -> Iterator[str]:
    """The home directories in the tree's passwd(5), as patterns."""
    try:
        lines = paths.read_in_root(tools, "etc/passwd", 1 << 24).splitlines()
    except OSError:  # pragma: no cover - a host without passwd
        return
    for fields in (line.split(b":") for line in lines):
        if len(fields) == 7 and (components := list(filter(None, os.fsdecode(fields[5]).split("/")))):
            yield glob.escape("/".join(components))


def _is_needed(path: str) -> bool:
    """Whether a session's root could not do without `path`."""
    return any(f"{place}/".startswith(f"{path}/") for place in (*_PLACES, *root_layout.FILES))


@contextmanager
def mount_points(tools: int) -> Iterator[None]:
    """The directories that a session needs, in a tree that it may write to anyway; those that were missing are removed
    at the end.

    What is not empty then stays, and so does everything while another such session uses the tree.

    :raises OSError: the tree cannot be written.
    """
    made: list[tuple[str, str]] = []
    with _directory(tools, ".", os.O_RDONLY) as tree:
        try:
            _lock(tree, fcntl.LOCK_SH)
            for path in _PLACES:
                _make_directories(tools, path, made)
            yield
        finally:
            if _lock(tree, fcntl.LOCK_EX | fcntl.LOCK_NB):
                for parent, name in reversed(made):
                    with contextlib.suppress(OSError), _directory(tools, parent) as fd:
                        os.rmdir(name, dir_fd=fd)


def _make_directories(tools: int, path: str, made: list[tuple[str, str]]) -> None:
    """Make a directory and its parents, and note each that was missing, as its parent's path and its name."""
    components = path.split("/")
    for depth, name in enumerate(components):
        parent = "/".join(components[:depth]) or "."
        with contextlib.suppress(FileExistsError), _directory(tools, parent) as fd:
            os.mkdir(name, 0o755, dir_fd=fd)
            made.append((parent, name))


def _directory(tools: int, path: str, access: int = os.O_PATH) -> AbstractContextManager[int]:
    return owned(paths.open_in_root(tools, path, access | os.O_DIRECTORY))


def _lock(fd: int, how: int) -> bool:
    """Take a flock(2); False when others hold it. Where the filesystem knows no locks, nobody does."""
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:  # pragma: no cover - two sessions that make the same directory at the same time
        return False
    except OSError:  # pragma: no cover - a filesystem without flock(2)
        return True
    return True


def is_regular(rootfd: int, path: str, *, follow: bool = True) -> bool:
    """Whether `path` leads to a regular file, or without `follow` is one, in the eyes of a process in that root."""
    try:
        fd = paths.open_in_root(rootfd, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError:
        return False
    with owned(fd):
        return stat.S_ISREG(os.fstat(fd).st_mode)
