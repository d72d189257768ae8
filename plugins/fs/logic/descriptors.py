"""O_PATH descriptors of files: opened when needed, closed when there are too many."""

from __future__ import annotations

import errno
import os
import resource
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from cntr_core.filesystem import Node, Part

from .syscalls import descriptor_path

_RESERVE = 64
"""Descriptors for the server itself, and for what is opened and closed again within one request."""
_FEWEST = 8
"""Descriptors of files that are kept open in any case: those of a request, and of the directories above."""


def most_open_files() -> int:
    """How many files may be open at once: half of what this process may have; each may be nameless, too (below)."""
    return max(16, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVE) // 2)


class FileNode(Node):
    """A file reached through a descriptor. The key begins with device and inode.

    `fd` is -1 while none is open. `holds` counts who needs it to stay open. `nameless` files can be reached
    through it only: no name of theirs is known. `part` is what is shown of it, where that is not everything.
    """

    __slots__ = ("fd", "holds", "nameless", "part")
    key: tuple[int, ...]
    parent: FileNode | None

    def __init__(self, key: tuple[int, ...], ino: int, parent: FileNode | None, name: bytes) -> None:
        super().__init__(key, ino, parent, name)
        self.fd = -1
        self.holds = 0
        self.nameless = False
        self.part: Part | None = None


class Descriptors:
    """Owns the descriptors of nodes, the longest unused first to be closed.

    A node is reached by its name in its parent, and checked to be the file it was. Descriptors that are held
    stay open. So there is a limit to nameless files: who wants more is refused, and what others have keeps working.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._idle: OrderedDict[FileNode, None] = OrderedDict()
        self._held: OrderedDict[FileNode, None] = OrderedDict()
        self._nameless = 0
        self._limit = limit

    @property
    def limit(self) -> int:
        """A quarter of the descriptors this process may have, for there may be two branches; half is for open files."""
        if self._limit is None:
            self._limit = max(16, most_open_files() // 2)
        return self._limit

    def reach(self, node: FileNode) -> int:
        """A descriptor of the file, valid until the next call.

        :raises OSError: ESTALE when another file has the name now, ENOENT when none has.
        """
        if node.fd >= 0:
            if not node.holds:
                self._idle.move_to_end(node)
            return node.fd
        for each in reversed(_closed(node)):  # not by recursion: a tree may be thousands of directories deep
            self._open_by_name(each)
        return node.fd

    def _open_by_name(self, node: FileNode) -> None:
        """Open `node`, whose parent is open."""
        if node.parent is None or node.nameless:
            raise stale(node)
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = self.open(node.name, flags, directory=node.parent)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != node.key[:2]:
            os.close(fd)
            raise stale(node)
        self.keep(node, fd)

    def keep(self, node: FileNode, fd: int) -> None:
        """Take over `fd`, an O_PATH descriptor of the node."""
        node.fd = fd
        self._idle[node] = None
        while len(self._idle) > max(_FEWEST, self.limit - self._nameless):
            self.drop(next(iter(self._idle)))

    def own(self, node: FileNode, fd: int) -> None:
        """Take over `fd`, which is the only way to the node and stays open."""
        node.fd, node.holds = fd, 1
        self._held[node] = None

    def hold(self, node: FileNode) -> int:
        """A descriptor that stays open until as many calls of :meth:`release`, whatever else is reached."""
        fd = self.reach(node)
        if not node.holds:
            del self._idle[node]
            self._held[node] = None
        node.holds += 1
        return fd

    def release(self, node: FileNode) -> None:
        """Undo one :meth:`hold`."""
        node.holds -= 1
        if not node.holds:
            del self._held[node]
            self._idle[node] = None

    @contextmanager
    def holding(self, node: FileNode) -> Iterator[int]:
        """:meth:`hold` within the block."""
        fd = self.hold(node)
        try:
            yield fd
        finally:
            self.release(node)

    def check_room(self) -> None:
        """Whether one more file may lose its name.

        :raises OSError: EMFILE, there are too many.
        """
        if self._nameless >= self.limit:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def lose_name(self, node: FileNode) -> None:
        """The name of the node, whose descriptor is open, is gone; call :meth:`check_room` before that."""
        if not node.nameless:
            self.hold(node)
            node.nameless = True
            self._nameless += 1

    def find_name(self, node: FileNode) -> None:
        """The node's parent and name are right again."""
        if node.nameless:
            node.nameless = False
            self._nameless -= 1
            self.release(node)

    def drop(self, node: FileNode) -> None:
        """Close what is open of the node."""
        if node.fd >= 0:
            del (self._held if node.holds else self._idle)[node]
            os.close(node.fd)
            node.fd, node.holds = -1, 0
            self._nameless -= node.nameless

    def open(self, name: bytes, flags: int, mode: int = 0o777, *, directory: FileNode) -> int:
        """openat(2) of a name in `directory`; where descriptors have run out, some are closed first."""
        fd = self.reach(directory)
        try:
            return os.open(name, flags, mode, dir_fd=fd)
        except OSError as error:
            if error.errno != errno.EMFILE or not self._shrink(fd):
                raise
        return os.open(name, flags, mode, dir_fd=fd)

    def reopen(self, node: FileNode, flags: int) -> int:
        """open(2) of the very file `node`."""
        fd = self.reach(node)
        try:
            return os.open(descriptor_path(fd), flags)
        except OSError as error:
            if error.errno != errno.EMFILE or not self._shrink(fd):
                raise
        return os.open(descriptor_path(fd), flags)

    def _shrink(self, keep: int) -> bool:
        """Close half of the idle descriptors; whether any was closed."""
        victims = [node for node in self._idle if node.fd != keep]
        for node in victims[: (len(victims) + 1) // 2]:
            self.drop(node)
        return bool(victims)


def _closed(node: FileNode) -> list[FileNode]:
    """The node and the directories above, up to the first that is open.

    :raises OSError: ESTALE when they were moved into each other behind our back.
    """
    found = {node: None}
    above = node.parent
    while above is not None and above.fd < 0:
        if above in found:
            raise stale(node)
        found[above] = None
        above = above.parent
    return list(found)


def stale(node: Node) -> OSError:
    """The file was renamed, removed or replaced behind our back."""
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE), node.name)
