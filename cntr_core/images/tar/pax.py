"""PAX extended headers (POSIX, pax, "pax Extended Header"), as bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...errors import ImageError
from ..limits import LARGEST_XATTR, LARGEST_XATTR_NAMES, LONGEST_XATTR_NAME

Records = Sequence[tuple[bytes, bytes]]
"""Keywords and values, in order: GNU's first sparse format repeats some."""

# More digits than any file system stores, and few enough to compute with.
_TIME = re.compile(rb"(?P<sign>-?)(?P<seconds>\d{1,12})(\.(?P<fraction>\d{0,9})\d*)?")
_NUMBER = re.compile(rb"\d{1,18}")
_LENGTH = re.compile(rb"(\d{1,7}) ")
# Docker, containerd and umoci read xattrs from here and from nowhere else; bsdtar repeats them as LIBARCHIVE.xattr.
_XATTR = b"SCHILY.xattr."
APPLIED = (b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid")
"""The keywords that say something of every kind of file."""
_SPARSE = b"GNU.sparse."
NO_XATTRS: Mapping[bytes, bytes] = MappingProxyType({})


def parse_records(data: bytes) -> Records:
    """The records ``LENGTH KEYWORD=VALUE\\n``.

    :raises ImageError: there is anything else.
    """
    records = []
    at = 0
    while at < len(data):
        match = _LENGTH.match(data, at)
        end = at + int(match[1]) if match else 0
        if not match or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ImageError("its PAX header is malformed")
        keyword, equals, value = data[match.end() : end - 1].partition(b"=")
        if not equals or not keyword or b"\0" in keyword:
            raise ImageError("its PAX header has a malformed keyword")
        records.append((keyword, value))
        at = end
    return records


def applied(records: Records) -> dict[bytes, bytes]:
    """The fields that mean something to us, the last of each keyword: comments and the like are dropped."""
    return {key: value for key, value in records if key in APPLIED or key.startswith((_XATTR, _SPARSE))}


def pax_number(value: bytes, what: str) -> int:
    """:raises ImageError: not a number of at most 18 digits."""
    if not _NUMBER.fullmatch(value):
        raise ImageError(f"has the impossible {what} {value[:40].decode('ascii', 'backslashreplace')!r}")
    return int(value)


def pax_time(value: bytes) -> int:
    """A time in nanoseconds since 1970; :raises ImageError: it is none."""
    match = _TIME.fullmatch(value)
    if not match:
        raise ImageError(f"has the impossible time {value[:40].decode('ascii', 'backslashreplace')!r}")
    nanoseconds = int(match["seconds"]) * 10**9 + int((match["fraction"] or b"0").ljust(9, b"0"))
    return -nanoseconds if match["sign"] else nanoseconds


def xattrs(fields: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """The extended attributes among the fields; :raises ImageError: one that Linux cannot hold."""
    found = {key.removeprefix(_XATTR): value for key, value in fields.items() if key.startswith(_XATTR)}
    for name, value in found.items():
        if not 0 < len(name) <= LONGEST_XATTR_NAME or len(value) > LARGEST_XATTR:
            raise ImageError("has an extended attribute with an impossible name or size")
    if sum(map(len, found)) > LARGEST_XATTR_NAMES:
        raise ImageError("has more extended attributes than Linux can list")
    return MappingProxyType(found) if found else NO_XATTRS
