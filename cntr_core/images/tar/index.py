"""The index of one layer: every member of its tar, and where its bytes are.

Reads headers alone, and is stricter than Python's tarfile: a damaged, ambiguous or absurd tar is an
error, never a shorter one.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import ImageError
from ..limits import LARGEST_FILE, LONGEST_HEADER, LONGEST_NAME, MOST_GLOBAL_XATTRS, MOST_MEMBERS, MOST_SEGMENTS
from . import sparse
from .headers import RECORD, Header, padded, parse_header, text
from .members import Kind, quoted, split_path
from .pax import APPLIED, NO_XATTRS, Records, applied, parse_records, pax_number, pax_time, xattrs
from .plain import TarBytes

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_NAME, _LINK, _PAX, _GLOBAL = b"L", b"K", b"x", b"g"
_ZEROS = bytes(RECORD)
_LATEST = 10**12  # seconds
_NO_ID = 0xFFFFFFFF  # chown(2) takes it for "leave as it is"
_AHEAD = 1 << 15  # bytes read at once: several members, where they are small


class Entry(NamedTuple):
    """One member. Its raw records, extension headers first, are the tar's bytes [start, end).

    `path` has no trailing slash; it counts from the root. `link` is a symbolic link's text, or the path that a hard
    link names. `mode` holds permissions alone, `mtime` is in nanoseconds since 1970, `device` as mknod(2) wants it.
    The content begins at the byte `data`; of a file with holes, `segments` are the (offset, size) that are there.
    """

    kind: Kind
    path: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: bytes = b""
    device: int = 0
    xattrs: Mapping[bytes, bytes] = NO_XATTRS
    segments: sparse.Segments | None = None
    start: int = 0
    data: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """All members of a tar, in order. `global_headers` are the (start, end) of PAX headers that belong to no member.
    What follows the byte `end` is no member: the end mark and padding."""

    entries: tuple[Entry, ...]
    global_headers: tuple[tuple[int, int], ...]
    end: int


def read_index(tar: TarBytes) -> LayerIndex:
    """Index a layer's plain tar.

    :raises ImageError: it is truncated, corrupt, or has a member that cannot be; the message names it.
    """
    return _Scanner(tar).scan()


def read_members(tar: TarBytes) -> Iterator[Entry]:
    """The members of a plain tar one by one, each as soon as its headers are there: for a tar that is read once. Their
    number has no limit.

    :raises ImageError: as :func:`read_index`; that a tar is cut off amid a content, only who reads that can tell.
    """
    return _Scanner(tar).members()


@dataclass(slots=True)
class _Extensions:
    """What headers before a member's own say of it."""

    start: int
    name: bytes | None = None
    link: bytes | None = None
    records: Records | None = None


class _Head(NamedTuple):
    """All headers of a member: its own, which is the `record` at the byte `at`, those before it, and PAX fields."""

    header: Header
    record: bytes
    at: int
    extensions: _Extensions
    fields: Mapping[bytes, bytes]


class _Content(NamedTuple):
    """Where a member's content is, as an :class:`Entry` tells it."""

    size: int
    segments: sparse.Segments | None
    data: int
    end: int


class _Scanner:
    """Walks from header to header."""

    def __init__(self, tar: TarBytes) -> None:
        self._tar = tar
        self._ahead = b""
        self._ahead_at = 0
        self._global: dict[bytes, bytes] = {}
        self._global_xattrs = NO_XATTRS
        self._spans: list[tuple[int, int]] = []
        self._end = 0

    def scan(self) -> LayerIndex:
        entries, segments = [], 0
        for entry in self.members():
            entries.append(entry)
            segments += len(entry.segments or ())
            if len(entries) > MOST_MEMBERS:
                raise ImageError(f"its tar has more than {MOST_MEMBERS} members")
            if segments > MOST_SEGMENTS:
                raise ImageError(f"its tar has files of more than {MOST_SEGMENTS} parts")
        if self._record(self._end) and self._record(self._end + RECORD).strip(b"\0"):
            raise ImageError("its tar goes on after an end mark")
        return LayerIndex(tuple(entries), tuple(self._spans), self._end)

    def members(self) -> Iterator[Entry]:
        """The members up to the end mark."""
        if not self._record(0):
            raise ImageError("its tar is empty")
        while (record := self._record(self._end)) and record != _ZEROS:
            with _near(self._end):
                entry, self._end = self._member(self._end)
            if entry:
                yield entry

    def _record(self, at: int) -> bytes:
        """The record at byte `at`; less than a record only at the end."""
        position = at - self._ahead_at
        if not 0 <= position <= len(self._ahead) - RECORD:
            self._ahead, self._ahead_at, position = self._tar.read(_AHEAD, at), at, 0
        return self._ahead[position : position + RECORD]

    def _member(self, at: int) -> tuple[Entry | None, int]:
        """The member whose first header is at byte `at`, None for a global header, and where the next one is."""
        extensions = _Extensions(at)
        while True:
            record = self._record(at)
            if len(record) < RECORD:
                raise ImageError("truncated header")
            header = parse_header(record)
            if header.size < 0:
                raise ImageError(f"a header claims {header.size} bytes")
            if header.type not in (_NAME, _LINK, _PAX, _GLOBAL):
                entry = self._entry(header, extensions, at, record)
                return entry, entry.end
            content, end = self._extension(header, at)
            if header.type == _GLOBAL:
                self._add_global(extensions, content, end)
                return None, end
            _extend(extensions, header.type, content)
            at = end

    def _extension(self, header: Header, at: int) -> tuple[bytes, int]:
        if header.size > LONGEST_HEADER:
            raise ImageError(f"a header claims {header.size} bytes")
        end = at + RECORD + padded(header.size)
        if end > self._tar.size:
            raise ImageError("truncated header")
        return self._tar.read(header.size, at + RECORD), end

    def _add_global(self, extensions: _Extensions, content: bytes, end: int) -> None:
        start = extensions.start
        if extensions != _Extensions(start):
            raise ImageError("has a global header amid its own")
        self._global |= applied(parse_records(content))
        self._global_xattrs = xattrs(self._global)
        if len(self._global_xattrs) > MOST_GLOBAL_XATTRS:
            raise ImageError("has too many extended attributes for all members")
        self._spans.append((start, end))

    def _entry(self, header: Header, extensions: _Extensions, at: int, record: bytes) -> Entry:
        own = applied(extensions.records or ())
        # Not copied into each member: a global header may be large, and members many.
        fields = ChainMap(own, self._global) if self._global else own
        for key in APPLIED:
            if fields.get(key) == b"":
                raise ImageError(f"has an empty PAX field {key.decode()!r}")
        head = _Head(header, record, at, extensions, fields)
        path = _path(head)
        with _about(path):
            if b".." in path or b"\0" in path or len(path) > LONGEST_NAME:
                split_path(path)
            kind = _kind(header, path)
            return _described(head, path, kind, self._content(head, kind), self._xattrs(extensions))

    def _content(self, head: _Head, kind: Kind) -> _Content:
        data, size = head.at + RECORD, _stored(head, kind)
        content = _Content(size, None, data, data + padded(size))
        if kind is Kind.FILE and (holes := self._holes(head)):
            own = holes.map_size if head.header.type == b"S" else 0  # that map comes on top of the size
            segments = sparse.check(holes, size + own)
            content = _Content(holes.size, segments, data + holes.map_size, content.end + own)
        if content.size > LARGEST_FILE or len(content.segments or ()) > MOST_SEGMENTS:
            raise ImageError(f"claims {content.size} bytes in {len(content.segments or ())} parts")
        if content.end > self._tar.size:
            raise ImageError("is cut off")
        return content

    def _xattrs(self, extensions: _Extensions) -> Mapping[bytes, bytes]:
        own = xattrs(applied(extensions.records or ()))
        if not own or not self._global_xattrs:
            return own or self._global_xattrs
        return ChainMap(dict(own), dict(self._global_xattrs))

    def _holes(self, head: _Head) -> sparse.Sparse | None:
        if head.header.type == b"S":
            return sparse.old_gnu(self._tar, head.record, head.at)
        return sparse.pax(self._tar, head.extensions.records or (), head.fields, head.at + RECORD)


def _stored(head: _Head, kind: Kind) -> int:
    """How many bytes follow the headers; as for tarfile and Go, others than files have none, whatever they claim."""
    size = pax_number(head.fields[b"size"], "size") if b"size" in head.fields else head.header.size
    return size if kind is Kind.FILE else 0


def _described(head: _Head, path: bytes, kind: Kind, content: _Content, own: Mapping[bytes, bytes]) -> Entry:
    header, fields = head.header, head.fields
    return Entry(
        kind=kind,
        path=path.rstrip(b"/"),
        mode=header.mode & 0o7777,
        uid=_owner(header.uid, fields.get(b"uid")),
        gid=_owner(header.gid, fields.get(b"gid")),
        mtime=_mtime(header.mtime, fields.get(b"mtime")),
        size=content.size,
        link=_link(head),
        device=_device(header, kind),
        xattrs=own,
        segments=content.segments,
        start=head.extensions.start,
        data=content.data,
        end=content.end,
    )


def _extend(extensions: _Extensions, kind: bytes, content: bytes) -> None:
    """Python lets the first of two headers of a kind win, and Go the last."""
    known = {_NAME: extensions.name, _LINK: extensions.link, _PAX: extensions.records}[kind]
    if known is not None:
        raise ImageError("has two extension headers of one kind")
    if kind == _NAME:
        extensions.name = text(content)
    elif kind == _LINK:
        extensions.link = text(content)
    else:
        extensions.records = parse_records(content)


def _path(head: _Head) -> bytes:
    path = head.fields.get(b"GNU.sparse.name") or head.fields.get(b"path")
    return _said_once(path, head.extensions.name, head.header.name, "named")


def _link(head: _Head) -> bytes:
    link = _said_once(head.fields.get(b"linkpath"), head.extensions.link, head.header.link, "linked")
    if b"\0" in link:
        raise ImageError("has a link with NUL")
    return link


def _said_once(pax: bytes | None, gnu: bytes | None, own: bytes, what: str) -> bytes:
    """What extensions say, and else the header itself."""
    if pax is not None and gnu is not None:
        raise ImageError(f"is {what} twice, by PAX and by GNU's extension")
    if pax is not None:
        return pax
    return own if gnu is None else gnu


def _kind(header: Header, path: bytes) -> Kind:
    kind = _KINDS.get(header.type)
    if kind is None:
        raise ImageError(f"is of the unknown type {header.type!r}")
    # Before POSIX a directory was told by its slash.
    return Kind.DIRECTORY if header.type == b"\0" and path.endswith(b"/") else kind


def _owner(own: int, field: bytes | None) -> int:
    owner = own if field is None else pax_number(field, "owner")
    if not 0 <= owner < _NO_ID:
        raise ImageError(f"has the impossible owner {owner}")
    return owner


def _mtime(seconds: int, field: bytes | None) -> int:
    if field is not None:
        return pax_time(field)
    if not -_LATEST < seconds < _LATEST:
        raise ImageError(f"has the impossible time {seconds}")
    return seconds * 10**9


def _device(header: Header, kind: Kind) -> int:
    if kind not in (Kind.CHARACTER, Kind.BLOCK):
        return 0
    # Linux has 12 bits for the major and 20 for the minor number (linux/kdev_t.h).
    if not (0 <= header.major < 1 << 12 and 0 <= header.minor < 1 << 20):
        raise ImageError(f"has the impossible device number {header.major}:{header.minor}")
    return os.makedev(header.major, header.minor)


@contextmanager
def _about(path: bytes) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"member {quoted(path)}: {error.message}", error.hint) from error


@contextmanager
def _near(at: int) -> Iterator[None]:
    """Where no name is known yet, the place has to do."""
    try:
        yield
    except ImageError as error:
        if error.message.startswith("member "):
            raise
        raise ImageError(f"its tar is truncated or corrupt: {error.message} (at byte {at})", error.hint) from error
