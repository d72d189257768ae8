"""The small upper layer of a session's root: mount points that the tools' tree lacks.

A detached tmpfs, reachable by no path: it vanishes with the processes that hold it, however they end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from ..filesystem import Branch, Node, PartialTree, Stat, Tree, find
from ..kernel import paths
from ..kernel.mounts import DetachedMount
from ..kernel.syscall import owned
from . import layer, root_layout

_WHITEOUT = os.makedev(0, 0)
_PLACES = (root_layout.CONTAINER, *root_layout.SPECIAL, *root_layout.PRIVATE)


class Skeleton:
    """Adds entries above the tree `lower`; directories keep the tree's attributes.

    A link of the tree to a directory is followed, and what is added lies in that directory.
    """

    def __init__(self, upper: int, lower: Tree) -> None:
        self._upper = upper
        self._tree = lower
        self.empty = True
        self._copy_attributes("")

    def directory(self, path: str) -> None:
        """Make sure that `path` is a directory: where the tree has none, or a link, one is added."""
        path = entry_of(self._tree, path)
        if not stat.S_ISDIR(self._mode(path)):
            self._make(path)

    def file(self, path: str) -> None:
        """Make sure that `path` is a regular file to mount on."""
        path = entry_of(self._tree, path)
        if stat.S_ISREG(self._mode(path)):
            return
        self._make(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(path, flags, 0o644, dir_fd=self._upper))

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Make `path` a regular file of the layer's own; where the tree has a link, in its place."""
        path = entry_of(self._tree, path)
        self._make(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, mode, dir_fd=self._upper), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)

    def hide(self, path: str) -> None:
        """Hide `path`, as overlayfs does: a character device 0/0 of that name (kernel: overlayfs.rst, whiteouts)."""
        path = entry_of(self._tree, path)
        if self._mode(path):
            self._make(os.path.dirname(path))
            os.mknod(path, stat.S_IFCHR, _WHITEOUT, dir_fd=self._upper)

    def _mode(self, path: str) -> int:
        """The type and mode of an entry, itself and not what it links to; 0 where there is none."""
        try:
            return _status(self._tree, path).st_mode
        except OSError:
            return 0

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
            status = _status(self._tree, path)
        except OSError:
            return
        if not stat.S_ISDIR(status.st_mode):
            return
        with contextlib.suppress(OSError):  # an owner that has no number in our user namespace
            os.chown(path or ".", status.st_uid, status.st_gid, dir_fd=self._upper)
        os.chmod(path or ".", stat.S_IMODE(status.st_mode), dir_fd=self._upper)
        os.utime(path or ".", ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=self._upper)


def entry_of(tree: Tree, path: str) -> str:
    """`path` without links to directories before its last component.

    What leads to no directory, or to where a mount of the session's will be, stays as it is.
    """
    parent, name = os.path.split(path)
    here = ""
    for component in filter(None, parent.split("/")):
        beyond = f"{here}/{component}" if here else component
        here = _real(tree, beyond) or beyond
    return f"{here}/{name}" if here else name


def _real(tree: Tree, path: str) -> str | None:
    """The directory that `path` leads to in the tree, without links; None when there is none, or it will be covered."""
    try:
        found = _directory_in(tree, path)
    except OSError:
        return None
    covered = any(f"{found}/".startswith(f"{place}/") for place in (*root_layout.SPECIAL, *root_layout.PRIVATE))
    return None if covered else found


def _directory_in(tree: Tree, path: str) -> str:
    if isinstance(tree, Branch):
        node = find(tree, os.fsencode(f"{path}/."))
        if not stat.S_ISDIR(tree.stat(node).st_mode):
            raise NotADirectoryError(path)
        return _path_of(node)
    with owned(paths.open_in_root(tree.fd, path, os.O_PATH | os.O_DIRECTORY)) as fd:
        found, root = (os.readlink(f"/proc/self/fd/{number}") for number in (fd, tree.fd))
    found = found[len(root.rstrip("/")) + 1 :]
    if isinstance(tree, PartialTree) and not tree.part.shows(found):
        raise FileNotFoundError(path)
    return found


def _path_of(node: Node | None) -> str:
    names = []
    while node is not None and node.parent is not None:
        names.append(os.fsdecode(node.name))
        node = node.parent
    return "/".join(reversed(names))


def _status(tree: Tree, path: str) -> Stat:
    """What stat(2) tells of an entry, itself and not what it links to.

    :raises OSError: there is none that is shown.
    """
    if isinstance(tree, Branch):
        return tree.stat(find(tree, os.fsencode(path), follow=False))
    if isinstance(tree, PartialTree) and not tree.part.shows(path):
        raise FileNotFoundError(path)
    with owned(paths.open_in_root(tree.fd, path or ".", os.O_PATH | os.O_NOFOLLOW)) as fd:
        return os.fstat(fd)


@contextmanager
def session_skeleton(tools: Tree, container: int) -> Iterator[int | None]:
    """The upper layer that makes `tools` fit for a session in `container`.

    Gives the descriptor of its root, or None where the tree already has all that is needed.
    """
    with _new_skeleton(tools, container, "16m") as (skeleton, fd):
        yield None if skeleton.empty else fd


@contextmanager
def writable_skeleton(tools: Tree, container: int, files: Mapping[str, bytes]) -> Iterator[int]:
    """The same to be written to: it has `files` and :data:`layer.DIRECTORIES` as well."""
    with _new_skeleton(tools, container, layer.SIZE) as (skeleton, fd):
        for path in layer.DIRECTORIES:
            skeleton.directory(path)
        for path, content in files.items():
            skeleton.write(path, content, layer.mode(path))
        yield fd


@contextmanager
def _new_skeleton(tools: Tree, container: int, size: str) -> Iterator[tuple[Skeleton, int]]:
    with DetachedMount.new("tmpfs", {"mode": "755", "size": size}) as mount:
        skeleton = Skeleton(mount.fd, tools)
        for path in _PLACES:
            skeleton.directory(path)
        for path in root_layout.FILES:
            _add_file(skeleton, path, container)
        yield skeleton, mount.fd


def _add_file(skeleton: Skeleton, path: str, container: int) -> None:
    """Make `path` fit for a file to be mounted there; where the container has none to show, the tools' is hidden."""
    if path in root_layout.ACCOUNTS or is_regular(container, path):
        skeleton.file(path)
    else:
        skeleton.hide(path)


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
    return stat.S_ISREG(_mode_in(rootfd, path, 0 if follow else os.O_NOFOLLOW))


def is_directory(rootfd: int, path: str) -> bool:
    """Whether `path` leads to a directory, in the eyes of a process in that root."""
    return stat.S_ISDIR(_mode_in(rootfd, path, 0))


def _mode_in(rootfd: int, path: str, flags: int) -> int:
    try:
        fd = paths.open_in_root(rootfd, path, os.O_PATH | flags)
    except OSError:
        return 0
    with owned(fd):
        return os.fstat(fd).st_mode
