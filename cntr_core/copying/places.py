"""What the two paths of a copy mean, by docker cp's rules (docker-cp(1)): slashes at the end, ``/.``, links.

Both sides resolve paths by an :data:`Opener`. The container's stays inside its root, whatever its links say.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import CopyError
from ..images.tar.members import quoted
from ..kernel.paths import open_in_root
from .refusals import about_path

Opener = Callable[[bytes, int], int]
"""Opens a path with the flags of open(2), close-on-exec."""

_MOST_LINKS = 40  # that path_resolution(7) follows
_PLACE = os.O_PATH | os.O_DIRECTORY


def open_on_host(path: bytes, flags: int) -> int:
    """The opener of the caller's side."""
    return os.open(path or b".", flags | os.O_CLOEXEC)


def opener_inside(root: int) -> Opener:
    """The opener of a container whose root is the descriptor `root`; paths count from there. A link of /proc, which
    leads out of any root, is an error (ELOOP)."""
    return lambda path, flags: open_in_root(root, b"/" + path, flags)


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied. `name` is its own, empty where only the content is meant: `path` ends in ``/.``, or is a root."""

    path: bytes
    name: bytes

    @classmethod
    def of(cls, path: bytes) -> Source:
        is_content = path.rstrip(b"/").rpartition(b"/")[2] in (b"", b".")
        return cls(path, b"" if is_content else os.path.basename(os.path.normpath(b"/" + path)))

    def open(self, opener: Opener, *, follow: bool) -> int:
        """A descriptor (O_PATH) of it; of a link itself, unless `follow`, or its path says that it is a directory.

        :raises CopyError: it is not there.
        """
        nofollow = 0 if follow or not self.name else os.O_NOFOLLOW
        with about_path(self.path):
            return opener(self.path, os.O_PATH | nofollow)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a copy goes, as it was found: the entry `name` of `directory`, a descriptor, with this `mode`, 0 where
    there is none. Of a directory that is there the name is empty. `path` is what the user wrote."""

    path: bytes
    directory: int
    name: bytes
    mode: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def name_for(self, source: bytes, *, is_directory: bool) -> bytes:
        """The name in `directory` that a source of the name `source` gets; empty for the directory itself.

        :raises CopyError: the two do not go together.
        """
        if self.is_directory:
            return source
        if self.mode and is_directory:
            raise CopyError(f"a directory cannot be copied to {quoted(self.path)}, which is none")
        if self.path.endswith((b"/", b"/.")) and not is_directory:
            reason = "is no directory" if self.mode else "does not exist"
            raise CopyError(f"the destination {quoted(self.path)} {reason}", "leave the slash at its end out")
        return self.name


def find_destination(opener: Opener, path: bytes) -> Destination:
    """What is at `path`, links followed; the caller owns the descriptor.

    :raises CopyError: not even its directory is there.
    """
    here = path
    for _ in range(_MOST_LINKS):
        head, name = _split(here)
        with about_path(path, "only the last name of a destination may be missing"):
            directory = opener(head, _PLACE)
            try:
                mode, link = _look(directory, name)
            except BaseException:
                os.close(directory)
                raise
        if not stat.S_ISLNK(mode):
            return _found(path, directory, name, mode)
        os.close(directory)
        here = os.path.join(head, link)
    raise CopyError(f"{quoted(path)}: {os.strerror(errno.ELOOP)}")


def _split(path: bytes) -> tuple[bytes, bytes]:
    """The directory and the name in it; a path that ends in none, or in a dot, is a directory as a whole."""
    head, name = os.path.split(path.rstrip(b"/") or b"/")
    return (path, b"") if name in (b"", b".", b"..") else (head, name)


def _look(directory: int, name: bytes) -> tuple[int, bytes]:
    """The mode of an entry, 0 where there is none, and the text of a link."""
    if not name:
        return os.stat(directory).st_mode, b""
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return 0, b""
    try:
        mode = os.fstat(fd).st_mode
        return mode, os.readlink(b"", dir_fd=fd) if stat.S_ISLNK(mode) else b""
    finally:
        os.close(fd)


def _found(path: bytes, directory: int, name: bytes, mode: int) -> Destination:
    if not name or not stat.S_ISDIR(mode):
        return Destination(path, directory, name, mode)
    try:
        with about_path(path):
            below = os.open(name, _PLACE | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)
    return Destination(path, below, b"", mode)
