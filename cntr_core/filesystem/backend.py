"""How it reaches the kernel: a backend shows branches as one detached mount, and an observer watches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple

from ..dataclass import dataclass
from ..types import Missing
from .branch import Branch
from .part import Part


@dataclass(frozen=True, slots=True)
class DirectoryTree:
    """A directory to be served, with the mounts below it, named by a descriptor (O_PATH will do).

    The descriptor stays the caller's, and must stay open until :meth:`Filesystem.mount` has entered its
    context. Backends make of it what suits them: a branch of their own, or a bind mount.
    """

    fd: int


@dataclass(frozen=True, slots=True)
class PartialTree:
    """A directory as in :class:`DirectoryTree`, of which nothing is to be seen but `part`. It is never written to."""

    fd: int
    part: Part


Tree = DirectoryTree | PartialTree | Branch[Any]
"""What can be shown. A backend refuses what it cannot show: of a :class:`PartialTree`, above all, not the rest."""


class AccessEvent(NamedTuple):
    """One access that the filesystem saw: `operation` in FUSE's words (lookup, getattr, open, read …), `path` as
    bytes from the root of the mount, `pid` as the server's PID namespace sees it, `errno` 0 on success."""

    operation: str
    path: bytes
    pid: int
    errno: int = 0


class Observer(ABC):
    """Watches a mount, in the serving process. It sees what reaches the filesystem, and not what the kernel
    answers from its caches: of each kind of access to each file the first one is certain to come, later ones
    are not. Of a tree that is immutable and read-only, opening may go unseen, and the first read does not."""

    def descriptors(self) -> Collection[int]:
        """The descriptors it writes to: all others are closed in the serving process."""
        return ()

    @abstractmethod
    def saw(self, event: AccessEvent) -> None:
        """An access. Whatever this raises is logged, and does not hinder the access."""

    def close(self) -> None:  # noqa: B027 - not every observer has something to finish
        """The mount is gone; the process ends after this."""


@dataclass(frozen=True, slots=True)
class MountRequest:
    """What a backend is asked to show.

    `branches` are merged, the topmost first (whiteouts as in overlayfs: a character device 0/0, or the xattr
    ``trusted.overlay.opaque``). Only the first may be written, and only when `read_only` is false.
    `immutable` promises that nobody changes the branches behind the mount, so everything may be cached for
    ever. `source` is the name in mountinfo. `observer` is None when nobody watches. With `links_inside` an absolute
    symbolic link reads as the relative one to the same place below the root of the mount.
    """

    branches: Sequence[Tree]
    read_only: bool = True
    immutable: bool = False
    source: str = "cntr"
    observer: Observer | None = None
    links_inside: bool = False


class ServedMount(ABC):
    """A detached mount (open_tree(2), fsmount(2)) and whoever serves it."""

    @property
    @abstractmethod
    def fd(self) -> int:
        """The detached mount, for move_mount(2). Owned by this object."""

    @property
    @abstractmethod
    def server(self) -> int | None:
        """A pidfd of the serving process, readable when it died; None when the kernel itself serves."""


class Filesystem(ABC):
    """A backend: shows branches to the kernel as one mount."""

    name: ClassVar[str]
    """The value of ``--fs``."""

    directories_only: ClassVar[bool] = False
    """Whether it shows directories, and no other branch."""

    ends_with_session: ClassVar[bool] = True
    """Whether nobody can read of the mount any longer when its context is left: not where the kernel itself serves,
    and a process holds a file or directory open."""

    @abstractmethod
    def missing(self) -> Sequence[Missing]:
        """What this machine lacks for the backend, each with its remedy; empty when it can be used."""

    @abstractmethod
    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        """Serve `request` until the context is left, or until its last mount is gone.

        The server runs in a process of its own, in the caller's namespaces; it is forked here, so call this
        while the process has one thread. Leaving the context ends it. Should the caller die, the server dies
        with it.

        :raises CntrError: the mount cannot be made; the message says why.
        """
