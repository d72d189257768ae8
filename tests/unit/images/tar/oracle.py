"""The members of a tar as Python's tarfile reads them: what our own reader is compared with.

The parser is tarfile's; what it would pass over in silence (a corrupt header ends the archive, a negative
size loops, a header may claim gigabytes of memory) is refused here.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Self, cast

from cntr_core.errors import ImageError
from cntr_core.images.streams import CHUNK, Reader
from cntr_core.images.tar.members import Kind, quoted, split_path

# Go's archive/tar, and so docker and containerd, refuse larger PAX and long-name headers
# (maxSpecialFileSize).
_LONGEST_HEADER = 1 << 20
_EXTENSIONS = frozenset(
    (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )
)
_XATTR = "SCHILY.xattr."
# More digits than any file system stores, and few enough to compute with.
_TIME = re.compile(r"(?P<sign>-?)(?P<seconds>\d{1,12})(\.(?P<fraction>\d{0,9})\d*)?")
_HONEST_ENDS = ("EOFHeaderError", "EmptyHeaderError")  # a block of zeros, or no more bytes

_NO_ID = 0xFFFFFFFF  # chown(2) takes it for "leave as it is"


_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.GNUTYPE_SPARSE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARD_LINK,
    tarfile.CHRTYPE: Kind.CHARACTER,
    tarfile.BLKTYPE: Kind.BLOCK,
    tarfile.FIFOTYPE: Kind.FIFO,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `parts` is its path below the root, without empty and ``.`` components; () is the root
    itself.

    `link` is a symbolic link's text, verbatim, or the path that a hard link names. `device` is as mknod(2)
    wants it, `mtime` in nanoseconds since 1970. `segments` are the (offset, size) that a sparse file has
    data in, None for one without holes.
    """

    kind: Kind
    path: bytes
    parts: tuple[bytes, ...]
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    link: bytes
    device: int
    xattrs: Mapping[str, bytes]
    segments: tuple[tuple[int, int], ...] | None


def read_members(stream: Reader) -> Iterator[tuple[Member, IO[bytes] | None]]:
    """The members of the tar in `stream`, in order, each with its content (regular files only).

    The content must be read before the next member is asked for.

    :raises ImageError: the tar is truncated, corrupt, or has a member that cannot be; the message names it.
    """
    with tar_errors():
        # tarfile calls nothing but read() of a stream.
        archive = StrictTar.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=CHUNK)
    while (info := _next(archive)) is not None:
        member = _member(info)
        content = archive.extractfile(info) if member.kind is Kind.FILE else None
        yield member, content
        if content:
            # Not left to the garbage collector: it would run Python code, and swallow a Ctrl-C that comes meanwhile.
            content.close()
        archive.members.clear()  # or the list grows by every member
    # tarfile takes one block of zeros for the end, where Go wants two: nothing may hide behind the first.
    end = cast("IO[bytes]", archive.fileobj).read(tarfile.BLOCKSIZE)
    if end.strip(b"\0"):
        raise ImageError("its tar goes on after an end mark")


class StrictInfo(tarfile.TarInfo):
    """A header that is refused where tarfile would stop or trust."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            # A corrupt or cut header is the end of the archive to tarfile, unless it is the first.
            if type(error).__name__ in _HONEST_ENDS:
                raise
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # Private, but called for every header by every version, and before the header's size is used. The public
        # frombuf() is passed by in versions with the fixes of 2025.
        if self.size < 0 or (self.type in _EXTENSIONS and self.size > _LONGEST_HEADER):
            raise tarfile.ReadError(f"a header claims {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # not in typeshed


class StrictTar(tarfile.TarFile):
    """A tar whose headers are checked, and whose names are bytes in disguise (surrogateescape)."""

    tarinfo = StrictInfo
    encoding = "utf-8"
    errors = "surrogateescape"
    members: list[tarfile.TarInfo]  # of old, and missing in typeshed


@contextmanager
def tar_errors() -> Iterator[None]:
    """What reading headers or content raises on a damaged archive becomes an ImageError."""
    try:
        yield
    except (tarfile.TarError, ValueError, IndexError, OverflowError, EOFError, RecursionError) as error:
        raise ImageError(f"its tar is truncated or corrupt: {error}") from error


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    with tar_errors():
        return archive.next()


def _member(info: tarfile.TarInfo) -> Member:
    path = os.fsencode(info.name)
    try:
        return Member(
            kind=_kind(info),
            path=path,
            parts=split_path(path),
            mode=info.mode & 0o7777,
            uid=_owner(info.uid),
            gid=_owner(info.gid),
            mtime=_mtime(info),
            size=info.size,
            link=os.fsencode(info.linkname),
            device=_device(info),
            xattrs=_xattrs(info.pax_headers),
            segments=_segments(info),
        )
    except ImageError as error:
        raise ImageError(f"member {quoted(path)}: {error.message}", error.hint) from error


def _kind(info: tarfile.TarInfo) -> Kind:
    kind = _KINDS.get(info.type)
    if kind is None:
        raise ImageError(f"is of the unknown type {info.type!r}")
    return kind


def _owner(number: int) -> int:
    if not 0 <= number < _NO_ID:
        raise ImageError(f"has the impossible owner {number}")
    return number


def _device(info: tarfile.TarInfo) -> int:
    if info.type not in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        return 0
    # Linux has 12 bits for the major and 20 for the minor number (linux/kdev_t.h).
    if not (0 <= info.devmajor < 1 << 12 and 0 <= info.devminor < 1 << 20):
        raise ImageError(f"has the impossible device number {info.devmajor}:{info.devminor}")
    return os.makedev(info.devmajor, info.devminor)


def _mtime(info: tarfile.TarInfo) -> int:
    """Exact nanoseconds: tarfile itself reads PAX times as floats, which have too few digits."""
    text = info.pax_headers.get("mtime") or str(int(info.mtime))
    match = _TIME.fullmatch(text)
    if not match:
        raise ImageError(f"has the impossible time {text[:40]!r}")
    nanoseconds = int(match["seconds"]) * 10**9 + int((match["fraction"] or "0").ljust(9, "0"))
    return -nanoseconds if match["sign"] else nanoseconds


def _xattrs(headers: Mapping[str, str]) -> Mapping[str, bytes]:
    named = {key.removeprefix(_XATTR): value for key, value in headers.items() if key.startswith(_XATTR)}
    if any("\0" in name for name in named):
        raise ImageError("has an extended attribute with NUL in its name")
    return {name: value.encode("utf-8", "surrogateescape") for name, value in named.items()}


def _segments(info: tarfile.TarInfo) -> tuple[tuple[int, int], ...] | None:
    if info.sparse is None:
        return None
    # Its pairs are typed as bytes in typeshed.
    segments = cast("tuple[tuple[int, int], ...]", tuple(info.sparse))
    end = 0
    for offset, size in segments:
        if offset < end or size < 0 or offset + size > info.size:
            raise ImageError("has an impossible map of holes")
        end = offset + size
    return segments
