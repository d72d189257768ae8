"""What is open: files and directories, each under a number that the kernel holds."""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic

from cntr_core.filesystem import Branch, DirEntry, N, OpenFile

from .descriptors import most_open_files
from .inodes import Inode

_BORROWED = 256


class Handle(Generic[N]):
    """An open file; its content is opened when first used, for the kernel may read it without us."""

    __slots__ = ("_branch", "_file", "flags", "inode")

    def __init__(self, branch: Branch[N], inode: Inode[N], flags: int, file: OpenFile | None) -> None:
        self._branch = branch
        self.inode = inode
        self.flags = flags
        self._file = file

    @property
    def file(self) -> OpenFile:
        if self._file is None:
            self._file = self._branch.open(self.inode.node, self.flags)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Listing(Generic[N]):
    """An open directory: its names as they were when it was opened or rewound, so that no change moves
    them."""

    __slots__ = ("entries", "inode")

    def __init__(self, inode: Inode[N]) -> None:
        self.inode = inode
        self.entries: Sequence[DirEntry] | None = None

    def close(self) -> None:
        self.entries = None


class Handles(Generic[N]):
    """All that is open. Number 0 means a file that the kernel uses without opening it: some are kept open for
    that, those unused for long are closed."""

    def __init__(self, branch: Branch[N], limit: int | None = None) -> None:
        self._branch = branch
        self._limit = limit
        self._files = 0
        self._written: dict[int, int] = {}  # inode numbers, and how often they are open for writing
        self._open: dict[int, Handle[N] | Listing[N]] = {}
        self._borrowed: OrderedDict[tuple[int, type], Handle[N] | Listing[N]] = OrderedDict()
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def limit(self) -> int:
        """How many files may be open at once; known in the serving process alone, which has limits of its own."""
        if self._limit is None:
            self._limit = most_open_files()
        return self._limit

    def check_room(self) -> None:
        """Whether one more file may be opened. The rest of the descriptors is for what is open, which keeps working.

        :raises OSError: EMFILE, there are too many.
        """
        if self._files + len(self._borrowed) >= self.limit:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def add(self, handle: Handle[N] | Listing[N]) -> int:
        """The number of a newly opened file or directory."""
        self._last += 1
        if isinstance(handle, Handle):
            self._count(handle, 1)
        self._open[self._last] = handle
        return self._last

    def file(self, number: int) -> Handle[N]:
        """The open file."""
        handle = self._open[number]
        assert isinstance(handle, Handle)
        return handle

    def listing(self, number: int) -> Listing[N]:
        """The open directory."""
        listing = self._open[number]
        assert isinstance(listing, Listing)
        return listing

    def borrow_file(self, inode: Inode[N]) -> Handle[N]:
        """A file that the kernel reads without having opened it."""
        key = (inode.number, Handle)
        handle = self._borrowed.get(key) or self._borrow(key, Handle(self._branch, inode, os.O_RDONLY, None))
        assert isinstance(handle, Handle)
        return handle

    def borrow_listing(self, inode: Inode[N]) -> Listing[N]:
        """A directory that the kernel reads without having opened it."""
        key = (inode.number, Listing)
        listing = self._borrowed.get(key) or self._borrow(key, Listing(inode))
        assert isinstance(listing, Listing)
        return listing

    def _borrow(self, key: tuple[int, type], handle: Handle[N] | Listing[N]) -> Handle[N] | Listing[N]:
        """Keep `handle` for the next time, and close the one that was borrowed first."""
        self._borrowed[key] = handle
        if len(self._borrowed) > min(_BORROWED, self.limit // 2):
            self._borrowed.popitem(last=False)[1].close()
        return handle

    def is_open(self, inode: Inode[N]) -> bool:
        """Whether the file or directory is open."""
        return any(handle.inode is inode for handle in self._open.values())

    def is_written(self, inode: Inode[N]) -> bool:
        """Whether the file is open for writing."""
        return inode.number in self._written

    def _count(self, handle: Handle[N], opens: int) -> None:
        """The file was opened (1) or closed (-1)."""
        self._files += opens
        if handle.flags & os.O_ACCMODE == os.O_RDONLY:
            return
        number = handle.inode.number
        self._written[number] = self._written.get(number, 0) + opens
        if not self._written[number]:
            del self._written[number]

    def close(self, number: int) -> None:
        """The kernel closed it."""
        handle = self._open.pop(number, None)
        if handle is not None:
            if isinstance(handle, Handle):
                self._count(handle, -1)
            handle.close()

    def forget(self, inode: Inode[N]) -> None:
        """The kernel forgot the file: close what was kept open without having been opened."""
        for kind in (Handle, Listing):
            handle = self._borrowed.pop((inode.number, kind), None)
            if handle is not None:
                handle.close()
