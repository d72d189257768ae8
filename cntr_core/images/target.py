"""A directory that members are put in, and never beside.

Every path is resolved by openat2(2) with RESOLVE_IN_ROOT and acted on by descriptor and last name, so that
no link, whoever planted it, leads out. Nobody else may write below the directory meanwhile.
"""

from __future__ import annotations

import enum
import errno
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from ..errors import ImageError
from ..kernel.namespaces import is_initial_user_namespace
from ..kernel.paths import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, open_in_root, openat2
from .members import FOREIGN_XATTRS, Kind, Member, quoted, split_path, tar_errors
from .streams import CHUNK
from .tree.remove import remove_tree

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_REAL = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH  # for paths that hold no link any more
_NODES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}


class DevicePolicy(enum.Enum):
    """What becomes of device nodes: they are content of the image, and doors to the host's devices."""

    CREATE = "create"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member goes: `name` in the directory that `parent` describes; `path` is the real one, from the
    root, with every link resolved."""

    parent: int
    name: bytes
    path: bytes


class Target:
    """The tree below the descriptor `root`. `skipped` collects (path, why) of what could not be kept."""

    def __init__(self, root: int, devices: DevicePolicy) -> None:
        self.skipped: list[tuple[bytes, str]] = []
        self._root = root
        self._devices = devices
        self._owners = os.geteuid() == 0
        self._base = _real_path(root)
        self._parent: tuple[bytes, int, bytes] | None = None  # path as asked for, descriptor, real path
        self._touched: set[bytes] = set()  # what the current layer brought, with all its parents
        self._times: dict[bytes, int] = {}  # directories get theirs last: filling them changes it

    def close(self) -> None:
        """Close what is kept open between members."""
        self._forget_parent()

    def begin_layer(self) -> None:
        """From now on, everything that is there belongs to lower layers."""
        self._touched.clear()

    def put(self, member: Member, content: IO[bytes] | None) -> None:
        """Create `member`, replacing what has its path; a directory that is there keeps its children.

        :raises ImageError: its parent, or what it links to, is not what it must be.
        :raises OSError: the file system refuses.
        """
        if not member.parts:
            if member.kind is not Kind.DIRECTORY:
                raise ImageError(f"the root is a {member.kind.value}")
            self._describe(Place(self._root, b".", b""), member)
            return
        if member.kind in (Kind.CHARACTER, Kind.BLOCK) and not self._wants_device(member):
            return
        place = self._place(member.parts)
        if member.kind is Kind.HARD_LINK:
            self._link(place, member)
        else:
            place = self._make_room(place, member)
            _create(place, member, content)
            self._describe(place, member)
        self._touch(place.path)

    def hide(self, parts: tuple[bytes, ...]) -> None:
        """A whiteout: remove what lower layers have at this path. What this layer brought stays."""
        parent = self._existing_parent(parts)
        if parent is None:
            return
        place = Place(parent[0], parts[-1], _join(parent[1], parts[-1]))
        mode = _mode_of(place)
        if mode is None:
            return
        if place.path not in self._touched:
            self._remove(place, mode)
        elif stat.S_ISDIR(mode):
            self._clear(place.path)

    def hide_children(self, parts: tuple[bytes, ...]) -> None:
        """An opaque whiteout: remove what lower layers have below this directory, which itself stays."""
        if parent := self._existing_parent((*parts, b".")):
            self._clear(parent[1])

    def finish(self) -> None:
        """Give the directories their times."""
        for path, mtime in self._times.items():
            try:
                fd = openat2(self._root, path or b".", _DIRECTORY, resolve=_REAL)
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later member replaced it
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue
                raise
            try:
                os.utime(f"/proc/self/fd/{fd}", ns=(mtime, mtime))
            finally:
                os.close(fd)

    def _wants_device(self, member: Member) -> bool:
        if self._devices is DevicePolicy.REFUSE:
            raise ImageError(f"is a {member.kind.value}, which was not asked for")
        if self._devices is DevicePolicy.SKIP or not is_initial_user_namespace():  # elsewhere nobody can make one
            self.skipped.append((member.path, f"a {member.kind.value}"))
            return False
        return True

    def _place(self, parts: tuple[bytes, ...]) -> Place:
        parent, path = self._directory(parts[:-1])
        return Place(parent, parts[-1], _join(path, parts[-1]))

    def _directory(self, parts: tuple[bytes, ...]) -> tuple[int, bytes]:
        """The directory at `parts`, made with all its parents where it is missing."""
        path = b"/".join(parts) or b"."
        if self._parent and self._parent[0] == path:
            return self._parent[1:]
        try:
            fd = open_in_root(self._root, path, _DIRECTORY)
        except FileNotFoundError:
            fd = self._make_directories(parts)
        return self._remember_parent(path, fd)

    def _existing_parent(self, parts: tuple[bytes, ...]) -> tuple[int, bytes] | None:
        path = b"/".join(parts[:-1]) or b"."
        try:
            return self._remember_parent(path, open_in_root(self._root, path, _DIRECTORY))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _make_directories(self, parts: tuple[bytes, ...]) -> int:
        """Members need not come with their parents: those are 0755, root's, of 1970, in every unpacking
        alike."""
        fd = open_in_root(self._root, b".", _DIRECTORY)
        for depth, name in enumerate(parts, 1):
            try:
                path = b"/".join(parts[:depth])
                try:
                    child = open_in_root(self._root, path, _DIRECTORY)
                except FileNotFoundError:
                    os.mkdir(name, dir_fd=fd)
                    os.chmod(name, 0o755, dir_fd=fd)
                    child = open_in_root(self._root, path, _DIRECTORY)
                    self._times[self._inside(child)] = 0
            finally:
                os.close(fd)
            fd = child
        return fd

    def _remember_parent(self, path: bytes, fd: int) -> tuple[int, bytes]:
        self._forget_parent()
        self._parent = (path, fd, self._inside(fd))
        return self._parent[1:]

    def _forget_parent(self) -> None:
        if self._parent:
            os.close(self._parent[1])
            self._parent = None

    def _inside(self, fd: int) -> bytes:
        return _real_path(fd)[len(self._base) :].lstrip(b"/")

    def _touch(self, path: bytes) -> None:
        while path and path not in self._touched:
            self._touched.add(path)
            path = path.rpartition(b"/")[0]

    def _make_room(self, place: Place, member: Member) -> Place:
        """Remove what is in the member's way; the returned place replaces `place`, whose parent may be
        closed."""
        there = _mode_of(place)
        if there is None or (member.kind is Kind.DIRECTORY and stat.S_ISDIR(there)):
            return place
        self._remove(place, there)
        return self._place(member.parts)

    def _link(self, place: Place, member: Member) -> None:
        """A second name for what is there already; the metadata belong to the file, not to the name."""
        parts = split_path(member.link)
        if not parts:
            raise ImageError("links to the root")
        source = open_in_root(self._root, b"/".join(parts[:-1]) or b".", _DIRECTORY)
        try:
            linked = os.lstat(parts[-1], dir_fd=source)
            if stat.S_ISDIR(linked.st_mode):
                raise ImageError(f"is a hard link to the directory {quoted(member.link)}")
            if _is_same(linked, place):
                return
            place = self._make_room(place, member)
            os.link(parts[-1], place.name, src_dir_fd=source, dst_dir_fd=place.parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise ImageError(f"is a hard link to {quoted(member.link)}, which is not there") from error
        finally:
            os.close(source)

    def _remove(self, place: Place, mode: int) -> None:
        if stat.S_ISDIR(mode):
            remove_tree(place.name, place.parent)
        else:
            os.unlink(place.name, dir_fd=place.parent)
        if not stat.S_ISREG(mode):
            self._forget_parent()  # its path may have led through what is gone

    def _clear(self, path: bytes) -> None:
        """Remove what the current layer did not bring below the real path `path`."""
        pending = [path]
        while pending:
            directory = pending.pop()
            fd = openat2(self._root, directory or b".", os.O_RDONLY | os.O_DIRECTORY, resolve=_REAL)
            try:
                pending += self._clear_one(fd, directory)
            finally:
                os.close(fd)

    def _clear_one(self, fd: int, directory: bytes) -> Iterable[bytes]:
        kept = []
        for name in map(os.fsencode, os.listdir(fd)):
            place = Place(fd, name, _join(directory, name))
            mode = os.lstat(name, dir_fd=fd).st_mode
            if place.path not in self._touched:
                self._remove(place, mode)
            elif stat.S_ISDIR(mode):
                kept.append(place.path)
        return kept

    def _describe(self, place: Place, member: Member) -> None:
        """Owner, mode, extended attributes, time: in this order, for chown(2) clears set-user-id bits and
        file capabilities."""
        if self._owners:
            os.chown(place.name, member.uid, member.gid, dir_fd=place.parent, follow_symlinks=False)
        if member.kind is not Kind.SYMLINK:
            os.chmod(place.name, member.mode, dir_fd=place.parent)
        for name, value in member.xattrs.items():
            self._set_xattr(place, member, name, value)
        if member.kind is Kind.DIRECTORY:
            self._times[place.path] = member.mtime
        else:
            times = (member.mtime, member.mtime)
            os.utime(place.name, ns=times, dir_fd=place.parent, follow_symlinks=False)

    def _set_xattr(self, place: Place, member: Member, name: str, value: bytes) -> None:
        if name.startswith(FOREIGN_XATTRS):
            return
        path = b"/proc/self/fd/%d/%s" % (place.parent, place.name)
        try:
            os.setxattr(path, name, value, follow_symlinks=False)
        except OSError as error:
            # tmpfs before Linux 6.6 has no user.*; only root has trusted.* and security.*; links have no
            # user.*
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
            self.skipped.append((member.path, f"its extended attribute {name!r}: {error.strerror}"))


def _real_path(fd: int) -> bytes:
    return os.readlink(b"/proc/self/fd/%d" % fd)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _mode_of(place: Place) -> int | None:
    try:
        return os.lstat(place.name, dir_fd=place.parent).st_mode
    except FileNotFoundError:
        return None


def _is_same(status: os.stat_result, place: Place) -> bool:
    try:
        return os.path.samestat(status, os.lstat(place.name, dir_fd=place.parent))
    except FileNotFoundError:
        return False


def _create(place: Place, member: Member, content: IO[bytes] | None) -> None:
    if member.kind is Kind.DIRECTORY:
        with suppress(FileExistsError):  # a directory keeps its children
            os.mkdir(place.name, dir_fd=place.parent)
    elif member.kind is Kind.SYMLINK:
        os.symlink(member.link, place.name, dir_fd=place.parent)
    elif content is not None:
        with tar_errors():
            _write(place, member, content)
    else:
        os.mknod(place.name, _NODES[member.kind] | 0o600, member.device, dir_fd=place.parent)


def _write(place: Place, member: Member, content: IO[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(place.name, flags, 0o600, dir_fd=place.parent), "wb") as file:
        if member.segments is None:
            shutil.copyfileobj(content, file, CHUNK)
            return
        # Only tarfile's own object below the buffer can pass over holes in a stream, which itself cannot seek.
        source = getattr(content, "raw", content)
        for offset, size in member.segments:
            source.seek(offset)
            file.seek(offset)
            _copy(source, file, size)
        file.truncate(member.size)


def _copy(content: IO[bytes], file: IO[bytes], size: int) -> None:
    while size and (data := content.read(min(size, CHUNK))):
        size -= file.write(data)
