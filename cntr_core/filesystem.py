"""The seam between what is served and how it reaches the kernel.

A :class:`Branch` answers for one tree: a directory, an image's layers, or a union of other branches. A
:class:`Filesystem` is a backend that shows branches to the kernel as one detached mount. An observer watches. Branches
know no transport, transports know no branch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from .types import Missing


class Branch(ABC):
    """One tree of files. (The operations are added with the filesystem logic.)"""

    @property
    @abstractmethod
    def directory(self) -> int | None:
        """An O_PATH descriptor of the tree's root where the tree is a real directory, else None."""


@dataclass(frozen=True, slots=True)
class MountRequest:
    """What a backend is asked to show.

    `branches` are merged, the topmost first (whiteouts as in overlayfs: a character device 0/0, or the xattr
    ``trusted.overlay.opaque``). Only the first may be written, and only when `read_only` is false. `immutable` promises
    that nobody changes the branches behind the mount, so everything may be cached for ever. `source` is the name in
    mountinfo. `observer` is called with every first access; None when nobody watches.
    """

    branches: Sequence[Branch]
    read_only: bool = True
    immutable: bool = False
    source: str = "cntr"
    observer: Callable[[AccessEvent], None] | None = None


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """One access that the filesystem saw: `operation` in FUSE's words (lookup, getattr, open …), `path` as bytes from
    the root of the mount, `pid` as the server's PID namespace sees it, `errno` 0 on success."""

    operation: str
    path: bytes
    pid: int
    errno: int = 0


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

    @abstractmethod
    def missing(self) -> Sequence[Missing]:
        """What this machine lacks for the backend, each with its remedy; empty when it can be used."""

    @abstractmethod
    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        """Serve `request` until the context is left, or until its last mount is gone.

        The server runs in a process of its own, in the caller's namespaces. Leaving the context ends it.

        :raises CntrError: the mount cannot be made; the message says why.
        """
