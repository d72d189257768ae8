"""From a tree to a tar stream. The tree may change meanwhile, and its owner may be hostile.

Every name is opened once, as a descriptor (O_PATH) that follows no link, and all that is read comes from there: what is
put in its place afterwards is not seen. Only regular files are opened for reading; FIFOs and devices never are.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import CopyError
from ..images.tar.index import Entry
from ..images.tar.member_header import Holes, header
from ..images.tar.members import Kind, quoted
from ..kernel.mounts import CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC, PROC_SUPER_MAGIC, statfs_type
from ..kernel.syscall import owned
from .owners import Ids, harmless_mode
from .places import Opener, Source
from .refusals import about_path
from .summary import Summary, Watcher, unwatched
from .tar import CHUNK, END, find_holes

_KERNELS_OWN = {
    PROC_SUPER_MAGIC: "proc",
    0x62656572: "sysfs",
    CGROUP_SUPER_MAGIC: "cgroup",
    CGROUP2_SUPER_MAGIC: "cgroup2",
    0x64626720: "debugfs",
    0x74726163: "tracefs",
    0x73636673: "securityfs",
    0x1CD1: "devpts",
    0x19800202: "mqueue",
    0xCAFE4A11: "bpf",
    0x6165676C: "pstore",
    0x62656570: "configfs",
    0x6E736673: "nsfs",
}
"""Filesystems whose files are no content: the kernel makes it when it is read, without telling its size
(linux/magic.h)."""

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
_XATTRS = ("user.", "security.capability")
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_Levels = list[tuple[int, bytes, Iterator[bytes]]]
"""The directories below each other that are open at a time, each with its path and the names that are to come."""
_GONE = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)


@dataclass(slots=True)
class Sender:
    """Writes trees to the descriptor `out`. `ids` are those of the tree's side; `new_owner` is who the files will
    belong to where their owners are not kept, as this process sees it."""

    out: int
    ids: Ids = field(default_factory=Ids)
    new_owner: tuple[int, int] | None = None
    summary: Summary = field(default_factory=Summary)
    watch: Watcher = unwatched
    _links: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def send(self, source: Source, opener: Opener, *, follow: bool) -> None:
        """The source and all below it, under its name or ``.``, and the end mark.

        :raises CopyError: it is not there, or cannot be read.
        """
        self.watch(self.summary)
        with owned(source.open(opener, follow=follow)) as top:
            if what := _KERNELS_OWN.get(statfs_type(top)):
                hint = "copy what a command prints: cntr exec NAME -- cat PATH > FILE"
                raise CopyError(f"{quoted(source.path)} is not a stored file but the kernel's own ({what})", hint)
            if stat.S_ISSOCK(os.fstat(top).st_mode):
                raise CopyError(f"{quoted(source.path)} is a socket, which cannot be copied")
            self._tree(top, source.name or b".")
        write_all(self.out, END)

    def _tree(self, top: int, name: bytes) -> None:
        levels: _Levels = []
        try:
            self._add(top, name, levels)
            while levels:
                directory, path, names = levels[-1]
                found = next(names, None)
                if found is None:
                    os.close(levels.pop()[0])
                else:
                    self._entry(directory, os.path.join(path, found), found, levels)
        finally:
            for directory, _, _ in levels:
                os.close(directory)

    def _entry(self, directory: int, path: bytes, name: bytes, levels: _Levels) -> None:
        with about_path(path):
            try:
                fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                self.summary.leave_out(path, "it went away meanwhile")
                return
            with owned(fd):
                self._add(fd, path, levels)

    def _add(self, fd: int, path: bytes, levels: _Levels) -> None:
        with about_path(path):
            status = os.fstat(fd)
            kind = _KINDS.get(stat.S_IFMT(status.st_mode))
            if kind is None:
                self.summary.leave_out(path, "a socket")
            elif kind is Kind.FILE:
                self._file(fd, path)
            elif kind is Kind.DIRECTORY:
                self._directory(fd, path, levels)
            else:
                write_all(self.out, header(self._described(fd, path, kind, status)))
                self.summary.others += 1
        self.watch(self.summary)

    def _directory(self, fd: int, path: bytes, levels: _Levels) -> None:
        write_all(self.out, header(self._described(fd, path, Kind.DIRECTORY, os.fstat(fd))))
        self.summary.directories += 1
        if what := _KERNELS_OWN.get(statfs_type(fd)):
            self.summary.leave_out(path, f"its content is the kernel's own ({what})")
            return
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        try:
            names = iter(sorted(map(os.fsencode, os.listdir(opened))))
        except BaseException:
            os.close(opened)
            raise
        levels.append((opened, path, names))

    def _file(self, fd: int, path: bytes) -> None:
        # By its descriptor, so that it is the very file that was looked at (proc(5)).
        with owned(os.open(b"/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)) as file:
            status = os.fstat(file)
            self.summary.files += 1
            first = self._links.setdefault((status.st_dev, status.st_ino), path) if status.st_nlink > 1 else path
            if first != path:
                write_all(self.out, header(self._described(file, path, Kind.HARD_LINK, status)._replace(link=first)))
                return
            holes = find_holes(file, status.st_size) if status.st_blocks * 512 < status.st_size else None
            entry = self._described(file, path, Kind.FILE, status)._replace(size=status.st_size)
            write_all(self.out, header(entry, holes))
            self._content(file, entry, holes)

    def _content(self, file: int, entry: Entry, holes: Holes | None) -> None:
        """As many bytes as the file had when it was opened: it may grow for ever."""
        self.summary.current = entry.path
        if holes:
            write_all(self.out, holes.map)
        sent = 0
        for offset, size in [(0, entry.size)] if holes is None else holes.segments:
            end = offset + size
            while offset < end:
                data = os.pread(file, min(CHUNK, end - offset), offset)
                if not data:
                    self.summary.leave_out(entry.path, "it was cut meanwhile; zeros are in place of the rest")
                    self._zeros(end - offset)
                    sent += end - offset
                    break
                write_all(self.out, data)
                offset, sent = offset + len(data), sent + len(data)
                self.summary.size += len(data)
                self.watch(self.summary)
        write_all(self.out, bytes(-sent % 512))
        self.summary.current = b""

    def _zeros(self, size: int) -> None:
        for done in range(0, size, CHUNK):
            write_all(self.out, bytes(min(CHUNK, size - done)))

    def _described(self, fd: int, path: bytes, kind: Kind, status: os.stat_result) -> Entry:
        uid, gid = self.ids.in_tar(status)
        mode = harmless_mode(status, self.new_owner)
        return Entry(
            kind,
            path,
            mode,
            uid,
            gid,
            status.st_mtime_ns,
            link=os.readlink(b"", dir_fd=fd) if kind is Kind.SYMLINK else b"",
            device=status.st_rdev if kind in (Kind.CHARACTER, Kind.BLOCK) else 0,
            xattrs=self._xattrs(fd, kind, keeps_owner=self.new_owner in (None, (status.st_uid, status.st_gid))),
        )

    def _xattrs(self, fd: int, kind: Kind, *, keeps_owner: bool) -> Mapping[bytes, bytes]:
        """File capabilities make a program its owner's, as set-user-id bits do, and stay only with the owner; the
        numbers in ACLs mean the same on both sides only where no user namespace is between."""
        if kind not in (Kind.FILE, Kind.DIRECTORY):
            return {}
        wanted: tuple[str, ...] = _XATTRS if keeps_owner else _XATTRS[:1]
        wanted += _ACLS if self.new_owner is None and self.ids == Ids() else ()
        path, found = b"/proc/self/fd/%d" % fd, {}
        with suppress(OSError):  # of what has none, or is another's
            for name in os.listxattr(path):
                if name.startswith(wanted):
                    found[os.fsencode(name)] = os.getxattr(path, name)
        return found


def write_all(fd: int, data: bytes) -> None:
    """Write everything; :raises BrokenPipeError: nobody reads any more."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
