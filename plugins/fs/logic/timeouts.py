"""How long the kernel may keep each answer."""

from __future__ import annotations

import stat
from collections import OrderedDict
from typing import Generic

from cntr_core.filesystem import N, Stat, Watched

from . import notices
from .inodes import ROOT, Inode
from .notifier import Notifier
from .operations import Operations
from .policy import FOR_EVER, NOT_LONG, Policy

_MOST_ABSENT = 20_000


class Timeouts(Generic[N]):
    """The policy's, but for ever where changes are told of, and not at all where the kernel writes without us.

    `written` is for the attributes of files that are open for writing: by FUSE passthrough a mapping changes their
    times without a word. `absent_names` are those that the kernel keeps as absent, by the directory's inode number: no
    inode tells of them when everything has to be asked for again. From 20,000 on, one more has the kernel ask again for
    the one that it knew first.
    """

    def __init__(self, operations: Operations[N], policy: Policy, notifier: Notifier) -> None:
        self.policy = policy
        self.written = NOT_LONG
        self.watching = False
        self.absent_names: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._notifier = notifier
        self._operations = operations
        self._is_written = operations.handles.is_written

    def of(self, inode: Inode[N], status: Stat) -> tuple[int, int]:
        """Seconds for the name by which the file was found, and for its attributes."""
        names = attributes = self.policy.timeout
        watched = self._watched(inode.node)
        if watched:
            # The root is on everybody's way: where it has to be asked for, a server that was killed is noticed.
            attributes = FOR_EVER if status.st_nlink and inode.number != ROOT else NOT_LONG
            if watched is Watched.BY_NAME and inode.kind == stat.S_IFREG:
                attributes = NOT_LONG  # somebody may write to it by a name that it gets elsewhere
            # Of several names we know one: another could not be told of when the queue of events has overflown.
            names = FOR_EVER if status.st_nlink == 1 or inode.kind == stat.S_IFDIR else NOT_LONG
        # An empty file has nothing to be mapped, and what else makes it longer the kernel knows of.
        return names, min(attributes, self.written) if status.st_size and self._is_written(inode) else attributes

    def of_listed(self, inode: Inode[N], status: Stat) -> tuple[int, int]:
        """The same for what a listing told."""
        names, attributes = self.of(inode, status)
        return names if self.policy.listed_timeout else 0, attributes

    def _watched(self, node: N) -> Watched:
        """Which changes of the file and its name are told of."""
        if not self.watching:
            return Watched.NOT
        watched = self._operations.branch.watched
        if node.parent is None:
            return watched(node)
        itself, above = watched(node), watched(node.parent)
        return itself if itself <= above else above

    def absent(self, directory: int, name: bytes) -> int:
        """Seconds for the absence of a name in an inode."""
        if not self.policy.absent_names:
            return 0
        if not self.watching or not self._operations.branch.watched(self._operations.inodes[directory].node):
            return self.policy.timeout
        return FOR_EVER if self._note_absent((directory, name)) else self.policy.timeout

    def _note_absent(self, absent: tuple[int, bytes]) -> bool:
        """Remember one; False where there is no room, and the notifier is held up."""
        known = self.absent_names
        if absent not in known and len(known) >= _MOST_ABSENT:
            oldest, _ = known.popitem(last=False)
            if not self._notifier.offer(notices.name(*oldest)):
                known[oldest] = None
                return False
        known[absent] = None
        return True

    def renamed(self, directory: int, name: bytes) -> None:
        """The file that has this name now may have come from a directory that is watched to one that is not."""
        if self.watching and not self._operations.branch.watched(self._operations.inodes[directory].node):
            self._notifier.offer(notices.name(directory, name))

    def keeps_content(self, number: int) -> bool:
        """Whether data or a listing may be kept from one opening to the next."""
        if self.policy.stable_listings:
            return True
        return self._watched(self._operations.inodes[number].node) > Watched.NOT
