"""From a tar stream to a tree below one directory, which somebody hostile may change meanwhile.

Every name is one component below a descriptor, and no link is followed. A file is written beside its place, under a
name of ours, and takes its place when it is whole: who reads it sees the old or the new one, and of a copy that ends
before, nothing is left.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ..errors import CopyError, ImageError
from ..images.tar.index import Entry, read_members
from ..images.tar.members import Kind, quoted, split_path
from ..kernel.syscall import owned
from .places import Destination, Opener
from .refusals import about_path
from .summary import Summary, Watcher, unwatched
from .tar import StreamedTar

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
_XATTRS = (b"user.", b"security.capability", b"system.posix_acl_")
_UNSUPPORTED = (errno.ENOTSUP, errno.EPERM, errno.EINVAL)

Owner = Callable[[Entry], tuple[int, int] | None]
"""Who a file shall belong to, as this process sees it; None for whoever makes it."""


@dataclass(slots=True)
class Receiver:
    """Writes to `place`. With `source`, the stream has one tree, whose top has that name (empty: ``.``), and which goes
    where docker cp puts it; without, all members go below `place`, and a directory that the tar takes for granted may
    be a link there, if `follow` is given: the opener of the root that no link leads out of."""

    tar: StreamedTar
    place: Destination
    source: bytes | None
    owner: Owner
    summary: Summary = field(default_factory=Summary)
    watch: Watcher = unwatched
    follow: Opener | None = None
    _top: bytes | None = None
    _open: list[tuple[bytes, int]] = field(default_factory=list)
    _times: dict[tuple[bytes, ...], Entry] = field(default_factory=dict)

    def receive(self) -> None:
        """Take the whole stream.

        :raises CopyError: it is damaged, or something cannot be written; what was copied before stays.
        """
        self.watch(self.summary)
        try:
            for entry in _members(self.tar):
                self._take(entry)
                self.watch(self.summary)
            self._leave(0)
        finally:
            for _, fd in self._open:
                os.close(fd)
            self._open.clear()

    def _take(self, entry: Entry) -> None:
        parts = self._parts(entry)
        self.summary.current = entry.path
        with about_path(entry.path, below=(self.place.path, self.place.directory)):
            if not parts:
                self._enter_top(entry)
            elif entry.kind is Kind.DIRECTORY:
                self._directory(entry, parts)
            else:
                self._put(entry, parts)
        self.summary.current = b""

    def _parts(self, entry: Entry) -> tuple[bytes, ...]:
        """Where the member goes: names below the directory of `place`."""
        with _of_tar():
            parts = split_path(entry.path)
        if self.source is None:
            return parts
        if self._top is None:
            is_directory = entry.kind is Kind.DIRECTORY
            self._top = self.place.name_for(self.source, is_directory=is_directory)
        below = parts[1:] if self.source else parts
        return (self._top, *below) if self._top else below

    def _enter_top(self, entry: Entry) -> None:
        """The destination itself, which is there and stays as it is."""
        if entry.kind is not Kind.DIRECTORY:
            raise CopyError(f"{quoted(entry.path)} is no directory, and has no name")

    def _directory(self, entry: Entry, parts: tuple[bytes, ...]) -> None:
        above = self._enter(parts[:-1])
        made = True
        try:
            os.mkdir(parts[-1], 0o700, dir_fd=above)
        except FileExistsError:
            made = False
        try:
            fd = os.open(parts[-1], _DIRECTORY, dir_fd=above)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            raise CopyError(f"{quoted(entry.path)} is a directory, and cannot replace what is there") from None
        self._open.append((parts[-1], fd))
        if made:
            self._own(entry, fd)
        os.chmod(fd, entry.mode | (0o700 if os.geteuid() else 0))
        self._set_xattrs(entry, fd)
        self._times[parts] = entry
        self.summary.directories += 1

    def _put(self, entry: Entry, parts: tuple[bytes, ...]) -> None:
        directory, name = self._enter(parts[:-1]), parts[-1]
        if _is_directory(directory, name):
            raise CopyError(f"the directory {quoted(entry.path)} cannot be replaced by a {entry.kind.value}")
        with _temporary(directory) as temporary:
            made = self._make(entry, directory, temporary)
            if made:
                self._replace(directory, temporary, name, entry)

    def _make(self, entry: Entry, directory: int, temporary: bytes) -> bool:
        """Make what the member is; False where that cannot be had."""
        if entry.kind is Kind.FILE:
            self._write(entry, directory, temporary)
            self.summary.files += 1
            return True
        if entry.kind is Kind.HARD_LINK:
            self._link(entry, directory, temporary)
            self.summary.files += 1
            return True
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.link, temporary, dir_fd=directory)
        elif not self._node(entry, directory, temporary):
            return False
        with owned(os.open(temporary, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)) as fd:
            if stat.S_IFMT(os.fstat(fd).st_mode) != _NODES.get(entry.kind, stat.S_IFLNK):
                raise CopyError(f"{quoted(entry.path)} was replaced while it was made")
            self._describe(entry, fd)
        self.summary.others += 1
        return True

    def _node(self, entry: Entry, directory: int, temporary: bytes) -> bool:
        try:
            os.mknod(temporary, _NODES[entry.kind] | 0o600, entry.device, dir_fd=directory)
        except PermissionError:
            if entry.kind is Kind.FIFO:
                raise
            self.summary.leave_out(entry.path, f"a {entry.kind.value} device, which only root can make")
            return False
        return True

    def _write(self, entry: Entry, directory: int, temporary: bytes) -> None:
        with owned(os.open(temporary, _NEW_FILE, 0o600, dir_fd=directory)) as fd:
            for offset, data in self.tar.content(entry):
                _write_at(fd, data, offset)
                self.summary.size += len(data)
                self.watch(self.summary)
            os.ftruncate(fd, entry.size)
            self._describe(entry, fd)

    def _link(self, entry: Entry, directory: int, temporary: bytes) -> None:
        with _of_tar():
            target = self._parts(entry._replace(path=entry.link))
        if not target:
            raise CopyError(f"{quoted(entry.path)} is a link to the destination itself")
        with self._walked(target[:-1]) as above:
            os.link(target[-1], temporary, src_dir_fd=above, dst_dir_fd=directory, follow_symlinks=False)

    def _replace(self, directory: int, temporary: bytes, name: bytes, entry: Entry) -> None:
        try:
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            if error.errno != errno.EBUSY or entry.kind is not Kind.FILE:
                raise
            _overwrite(directory, temporary, name)  # a file that is mounted there, as docker does with /etc/hosts

    # Directories

    def _enter(self, parts: tuple[bytes, ...]) -> int:
        """The directory of these names, which is open until another is entered; one that no member made is made."""
        same = 0
        while same < min(len(parts), len(self._open)) and self._open[same][0] == parts[same]:
            same += 1
        self._leave(same)
        for depth, name in enumerate(parts[same:], same + 1):
            self._open.append((name, self._below(self._here, parts[:depth])))
        return self._here

    @property
    def _here(self) -> int:
        return self._open[-1][1] if self._open else self.place.directory

    def _below(self, directory: int, parts: tuple[bytes, ...]) -> int:
        name = parts[-1]
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=directory)
        try:
            return os.open(name, _DIRECTORY, dir_fd=directory)
        except OSError as error:  # ENOTDIR for a link, too
            if self.follow is None or error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            return self.follow(os.path.join(self.place.path, *parts), os.O_RDONLY | os.O_DIRECTORY)

    def _leave(self, depth: int) -> None:
        """Close what is deeper; what was copied into a directory has changed its time."""
        while len(self._open) > depth:
            parts = tuple(name for name, _ in self._open)
            _, fd = self._open.pop()
            with owned(fd):
                if entry := self._times.get(parts):
                    os.chmod(fd, entry.mode)
                    os.utime(fd, ns=(entry.mtime, entry.mtime))

    @contextmanager
    def _walked(self, parts: tuple[bytes, ...]) -> Iterator[int]:
        """A directory of these names that is there."""
        fd = os.dup(self.place.directory)
        try:
            for name in parts:
                below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    # What describes a file

    def _describe(self, entry: Entry, fd: int) -> None:
        """Owner, mode, extended attributes, time: in this order, for chown(2) clears set-user-id bits and file
        capabilities. By its descriptor: the name may be another file's by now."""
        self._own(entry, fd)
        path = b"/proc/self/fd/%d" % fd
        if entry.kind is not Kind.SYMLINK:
            os.chmod(path, entry.mode)
        self._set_xattrs(entry, fd)
        os.utime(path, ns=(entry.mtime, entry.mtime))

    def _own(self, entry: Entry, fd: int) -> None:
        owner = self.owner(entry)
        if owner is not None:
            os.chown(b"/proc/self/fd/%d" % fd, *owner)

    def _set_xattrs(self, entry: Entry, fd: int) -> None:
        for name, value in entry.xattrs.items():
            if not name.startswith(_XATTRS):
                continue
            try:
                os.setxattr(b"/proc/self/fd/%d" % fd, name, value)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                reason = f"its extended attribute {quoted(name)}: {error.strerror}"
                self.summary.leave_out(entry.path, reason)


def _members(tar: StreamedTar) -> Iterator[Entry]:
    with _of_tar():
        yield from read_members(tar)


@contextmanager
def _of_tar() -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise CopyError(f"the tar cannot be copied: {error.message}", error.hint) from error


def _is_directory(directory: int, name: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def _temporary(directory: int) -> Iterator[bytes]:
    """A name for what is not whole yet; what has it at the end is removed."""
    name = b".cntr-cp-" + secrets.token_hex(8).encode()
    try:
        yield name
    finally:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)


def _overwrite(directory: int, source: bytes, name: bytes) -> None:
    """Write the content of a file into another, whose owner and mode stay."""
    with (
        owned(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)) as origin,
        owned(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)) as place,
    ):
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        with owned(os.open(b"/proc/self/fd/%d" % place, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)) as fd:
            while copied := os.sendfile(fd, origin, None, 1 << 30):
                assert copied


def _write_at(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
