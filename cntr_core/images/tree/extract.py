"""Unpacking: the merged tree of an image becomes a directory.

What goes where was decided when the layers were merged, so nothing here is replaced, hidden or followed. Nobody else
may write below the directory meanwhile.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import ImageError, about
from ...kernel.namespaces import is_initial_user_namespace
from ...room import NO_ROOM
from ..image import Image
from ..streams import Budget
from ..tar.members import Kind, quoted
from .branch import file_xattrs
from .layers import OpenLayers, open_layers
from .remove import remove_tree
from .tree import Directory, File, Name

_DEVICES = (Kind.CHARACTER, Kind.BLOCK)
_NODES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DevicePolicy(enum.Enum):
    """What becomes of device nodes: they are content of the image, and doors to the host's devices."""

    CREATE = "create"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What became of an image: how many members were there, and what could not be kept: (path, why)."""

    members: int
    skipped: tuple[tuple[bytes, str], ...]


def unpack(
    image: Image, target: str, *, devices: DevicePolicy = DevicePolicy.CREATE, budget: Budget | None = None
) -> Unpacked:
    """Make the new directory `target` hold the root of `image`.

    All digests are verified before anything is written. Owners, modes, times, extended attributes, hard links, holes,
    devices and FIFOs are kept; without root, everything belongs to the caller. `budget` is nine tenths of the free
    space where none is given.

    :raises ImageError: the image is damaged or hostile; the message names layer and member. Nothing is left of
        `target` then, nor after any other exception.
    :raises OSError: `target` cannot be made, or exists, or there is no room (:data:`cntr_core.room.NO_ROOM`).
    """
    os.mkdir(target, 0o755)
    try:
        with open_layers(image, budget=budget or Budget.of_filesystem(target)) as layers:
            return _extract(image, layers, target, devices)
    except BaseException:
        remove_tree(target)
        raise


def _extract(image: Image, layers: OpenLayers, target: str, devices: DevicePolicy) -> Unpacked:
    extraction = _Extraction(layers, devices)
    top = os.open(target, _DIRECTORY)
    try:
        with about(f"image {image.reference}"):
            extraction.write(top)
    finally:
        os.close(top)
    return Unpacked(sum(len(index.entries) for index in layers.indexes), tuple(extraction.skipped))


class _Extraction:
    """Writes one tree. `skipped` collects (path, why) of what could not be kept."""

    def __init__(self, layers: OpenLayers, devices: DevicePolicy) -> None:
        self.skipped: list[tuple[bytes, str]] = []
        self._layers = layers
        self._contents = layers.contents
        self._devices = _policy(devices)
        self._owners = os.geteuid() == 0
        self._linked: dict[int, bytes] = {}  # the first path of each file that has several, by its number

    def write(self, top: int) -> None:
        """Fill the empty directory `top`; one descriptor is open at a time, however deep the tree is.

        :raises ImageError: a file cannot be made; the message names layer and member.
        """
        root = self._layers.tree.root
        here = os.dup(top)
        levels = [(root, self._write_files(top, root, here))]
        try:
            while levels:
                directory, below = levels[-1]
                if below:
                    name = below.pop()
                    with self._about(name.file):
                        here = _enter(here, name.name)
                    assert isinstance(name.file, Directory)
                    levels.append((name.file, self._write_files(top, name.file, here)))
                    continue
                levels.pop()
                with self._about(directory):
                    here = self._leave(here, directory, up=bool(levels))
        finally:
            os.close(here)

    def _write_files(self, top: int, directory: Directory, here: int) -> list[Name]:
        """Make all in a directory but the directories, which are returned."""
        below = []
        for _, name in sorted(directory.children.items()):
            if isinstance(name.file, Directory):
                below.append(name)
            else:
                with self._about(name.file):
                    self._write_file(top, name, here)
        return below

    def _write_file(self, top: int, name: Name, here: int) -> None:
        file = name.file
        if file.entry.kind in _DEVICES and not self._wants_device(file):
            return
        if file.ino in self._linked:
            os.link(self._linked[file.ino], name.name, src_dir_fd=top, dst_dir_fd=here, follow_symlinks=False)
            return
        if len(file.names) > 1:
            self._linked[file.ino] = name.path.lstrip(b"/")
        if file.entry.kind is Kind.FILE:
            self._write_regular(file, name.name, here)
        else:
            _make(file, name.name, here)
            self._describe_name(file, name.name, here)

    def _write_regular(self, file: File, name: bytes, here: int) -> None:
        out = os.open(name, _NEW_FILE, 0o600, dir_fd=here)
        try:
            self._contents.copy(file, out)
            self._describe(file, out)
        finally:
            os.close(out)

    def _leave(self, here: int, directory: Directory, *, up: bool) -> int:
        """Describe a directory that is full, and go to the one above it."""
        above = os.open("..", _DIRECTORY, dir_fd=here) if up else os.dup(here)
        try:
            self._describe(directory, here)
        finally:
            os.close(here)
        return above

    def _describe(self, file: File, fd: int) -> None:
        """Owner, mode, extended attributes, time: in this order, for chown(2) clears set-user-id bits and file
        capabilities, and whatever is written changes the time."""
        entry = file.entry
        if self._owners:
            os.chown(fd, entry.uid, entry.gid)
        os.chmod(fd, entry.mode)
        if entry.xattrs:
            self._set_xattrs(file, b"/proc/self/fd/%d" % fd, follow_symlinks=True)
        os.utime(fd, ns=(entry.mtime, entry.mtime))

    def _describe_name(self, file: File, name: bytes, here: int) -> None:
        """As :meth:`_describe`, for what cannot be opened."""
        entry = file.entry
        if self._owners:
            os.chown(name, entry.uid, entry.gid, dir_fd=here, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(name, entry.mode, dir_fd=here)
        if entry.xattrs:
            self._set_xattrs(file, b"/proc/self/fd/%d/%s" % (here, name), follow_symlinks=False)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=here, follow_symlinks=False)

    def _set_xattrs(self, file: File, path: bytes, *, follow_symlinks: bool) -> None:
        for name, value in file_xattrs(file.entry).items():
            try:
                os.setxattr(path, name, value, follow_symlinks=follow_symlinks)
            except OSError as error:
                # tmpfs before Linux 6.6 has no user.*; only root has trusted.* and security.*; links have no user.*
                if error.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise
                self._skip(file, f"its extended attribute {os.fsdecode(name)!r}: {error.strerror}")

    def _wants_device(self, file: File) -> bool:
        kind = file.entry.kind.value
        if self._devices is DevicePolicy.REFUSE:
            raise ImageError(f"is a {kind}, which was not asked for")
        if self._devices is DevicePolicy.SKIP:
            self._skip(file, f"a {kind}")
            return False
        return True

    def _skip(self, file: File, why: str) -> None:
        self.skipped.append((file.entry.path, why))

    @contextmanager
    def _about(self, file: File) -> Iterator[None]:
        """Say which member it was."""
        try:
            yield
        except (ImageError, OSError) as error:
            if getattr(error, "errno", None) in NO_ROOM:
                raise  # that is about the place, not about the image
            where = f"{self._layers.titles[file.layer]}: member {quoted(file.path[1:])}"
            if isinstance(error, ImageError):
                raise ImageError(f"{where}: {error.message}", error.hint) from error
            raise ImageError(f"{where}: {error.strerror}", "nothing of the image was kept") from error


def _policy(devices: DevicePolicy) -> DevicePolicy:
    """What can be had: outside of the initial user namespace nobody can make a device."""
    if devices is DevicePolicy.CREATE and not is_initial_user_namespace():
        return DevicePolicy.SKIP
    return devices


def _enter(here: int, name: bytes) -> int:
    """Make a directory, and go there."""
    os.mkdir(name, 0o700, dir_fd=here)
    below = os.open(name, _DIRECTORY, dir_fd=here)
    os.close(here)
    return below


def _make(file: File, name: bytes, here: int) -> None:
    entry = file.entry
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.link, name, dir_fd=here)
    else:
        os.mknod(name, _NODES[entry.kind] | 0o600, entry.device, dir_fd=here)
