"""The seam between what is served and how it reaches the kernel.

A :class:`Branch` answers for one tree: a directory, an image's layers, or a union of other branches. A
:class:`Filesystem` is a backend that shows branches to the kernel as one detached mount. An observer watches.
Branches know no transport, transports know no branch.
"""

from .backend import AccessEvent, DirectoryTree, Filesystem, MountRequest, Observer, PartialTree, ServedMount, Tree
from .branch import NOW, Branch, Changes, DirEntry, N, Node, OpenFile, Stat, Status, Watched, Watcher, find
from .part import Part

__all__ = [
    "Branch",
    "Node",
    "N",
    "Stat",
    "Status",
    "DirEntry",
    "OpenFile",
    "Changes",
    "NOW",
    "Watched",
    "Watcher",
    "find",
    "DirectoryTree",
    "PartialTree",
    "Part",
    "Tree",
    "MountRequest",
    "Filesystem",
    "ServedMount",
    "Observer",
    "AccessEvent",
]
