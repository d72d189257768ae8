"""The same filesystem, with somebody watching: a mount without an observer does not pay for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from cntr_core.filesystem import AccessEvent, Branch, Changes, DirEntry, MountRequest, N, Node, Observer, Stat

from .caller import Caller
from .inodes import Inode
from .operations import Operations

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class ObservedOperations(Operations[N]):
    """Tells the observer of each access, in FUSE's words, and who asks, which :meth:`asked_by` says beforehand."""

    def __init__(
        self, branch: Branch[N], observer: Observer, *, read_only: bool = True, links_inside: bool = False
    ) -> None:
        super().__init__(branch, read_only=read_only, links_inside=links_inside)
        self._observer = observer
        self._pid = 0

    def asked_by(self, pid: int) -> None:
        """The calls that follow, until the next of these, answer process `pid`: requests come one after the other."""
        self._pid = pid

    def _watch(
        self, operation: str, place: tuple[int, bytes], call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        path = self._path(*place)
        try:
            result = call(*args, **kwargs)
        except OSError as error:
            self._tell(operation, path, error.errno or 0)
            raise
        self._tell(operation, path, 0)
        return result

    def _tell(self, operation: str, path: bytes, number: int) -> None:
        try:
            self._observer.saw(AccessEvent(operation, path, self._pid, number))
        except Exception:
            _log.exception("the observer failed at %s of %r", operation, path)

    def _path(self, number: int, name: bytes = b"") -> bytes:
        """Where the inode was seen last, from the root of the mount, or `name` in it."""
        names = [name] if name else []
        node: Node | None = self.inodes[number].node
        while node is not None and node.parent is not None:
            names.append(node.name)
            node = node.parent
        return b"/" + b"/".join(reversed(names))

    def lookup(self, parent: int, name: bytes) -> tuple[Inode[N], Stat]:
        return self._watch("lookup", (parent, name), super().lookup, parent, name)

    def getattr(self, number: int) -> tuple[Inode[N], Stat]:
        return self._watch("getattr", (number, b""), super().getattr, number)

    def setattr(
        self, number: int, changes: Changes, caller: Caller, *, kill_set_id: bool = False
    ) -> tuple[Inode[N], Stat]:
        place, kill = (number, b""), kill_set_id
        return self._watch("setattr", place, super().setattr, number, changes, caller, kill_set_id=kill)

    def readlink(self, number: int) -> bytes:
        return self._watch("readlink", (number, b""), super().readlink, number)

    def statfs(self, number: int) -> os.statvfs_result:
        return self._watch("statfs", (number, b""), super().statfs, number)

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> tuple[Inode[N], Stat]:
        return self._watch("mknod", (parent, name), super().mknod, parent, name, mode, rdev, caller)

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> tuple[Inode[N], Stat]:
        return self._watch("mkdir", (parent, name), super().mkdir, parent, name, mode, caller)

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> tuple[Inode[N], Stat]:
        return self._watch("symlink", (parent, name), super().symlink, parent, name, target, caller)

    def link(self, number: int, parent: int, name: bytes) -> tuple[Inode[N], Stat]:
        return self._watch("link", (parent, name), super().link, number, parent, name)

    def unlink(self, parent: int, name: bytes) -> None:
        self._watch("unlink", (parent, name), super().unlink, parent, name)

    def rmdir(self, parent: int, name: bytes) -> None:
        self._watch("rmdir", (parent, name), super().rmdir, parent, name)

    def rename(self, old: tuple[int, bytes], new: tuple[int, bytes], flags: int) -> None:
        """Told of twice, as "rename" of the old name and "rename_to" of the new one."""
        target = self._path(*new)
        self._watch("rename", old, super().rename, old, new, flags)
        self._tell("rename_to", target, 0)

    def open(self, number: int, flags: int, *, lazily: bool = False) -> int:
        return self._watch("open", (number, b""), super().open, number, flags, lazily=lazily)

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Inode[N], Stat, int]:
        return self._watch("create", (parent, name), super().create, parent, name, flags, mode, caller)

    def read(self, number: int, handle: int, size: int, offset: int) -> bytes:
        inode = self._file(number, handle).inode  # a transport may know the handle alone
        return self._watch("read", (inode.number, b""), super().read, number, handle, size, offset)

    def opendir(self, number: int) -> int:
        return self._watch("opendir", (number, b""), super().opendir, number)

    def readdir(self, number: int, handle: int, offset: int) -> Sequence[DirEntry]:
        inode = self._listing(number, handle).inode
        return self._watch("readdir", (inode.number, b""), super().readdir, number, handle, offset)

    def getxattr(self, number: int, name: bytes) -> bytes:
        return self._watch("getxattr", (number, b""), super().getxattr, number, name)

    def listxattr(self, number: int, caller: Caller) -> list[bytes]:
        return self._watch("listxattr", (number, b""), super().listxattr, number, caller)


def operations(branch: Branch[Any], request: MountRequest) -> Operations[Any]:
    """The filesystem over `branch` that is asked for, watched if there is an observer."""
    read_only, links_inside, observer = request.read_only, request.links_inside, request.observer
    if observer is None:
        return Operations(branch, read_only=read_only, links_inside=links_inside)
    return ObservedOperations(branch, observer, read_only=read_only, links_inside=links_inside)
