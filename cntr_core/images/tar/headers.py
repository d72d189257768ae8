"""The header record of a tar member, as POSIX (pax, "ustar Interchange Format") and GNU tar write it.

Where Python's tarfile and Go's archive/tar would read one header differently, it is refused: what docker makes of an
image and what we make of it must be the same.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

from ...errors import ImageError

RECORD = 512
_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s64s8s8s155s12x")
_CHECKSUM = slice(148, 156)
_USTAR = b"ustar\0"  # GNU's magic is "ustar " instead, and its headers have no prefix
_GNU_TYPES = b"LKS"  # long name, long link, holes
_POSITIVE, _NEGATIVE = 0x80, 0xFF  # the first byte of a number in base 256 (GNU tar manual, "Extensions")


class Header(NamedTuple):
    """One header, its fields as they stand; names are cut at NUL, and the prefix is joined."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes
    major: int
    minor: int


def parse_header(record: bytes) -> Header:
    """:raises ImageError: the checksum is wrong, or a number is none."""
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, _, major, minor, prefix = _FIELDS.unpack(record)
    if number(checksum) not in _checksums(record):
        raise ImageError("bad checksum")
    return Header(
        _whole_name(name, prefix, magic, kind),
        number(mode),
        number(uid),
        number(gid),
        number(size),
        number(mtime),
        kind,
        text(link),
        number(major),
        number(minor),
    )


def _whole_name(name: bytes, prefix: bytes, magic: bytes, kind: bytes) -> bytes:
    if not prefix[0] or kind in _GNU_TYPES:
        return text(name)
    # GNU's incremental archives have times there, which Python takes for a prefix and Go does not.
    if not magic.startswith(_USTAR):
        raise ImageError("a prefix in a header that has none")
    return text(prefix) + b"/" + text(name)


def padded(size: int) -> int:
    """`size`, rounded up to whole records."""
    return -(-size // RECORD) * RECORD


def text(field: bytes) -> bytes:
    """The field up to its first NUL."""
    return field.partition(b"\0")[0]


@lru_cache(maxsize=4096)  # modes and owners are the same few in every member
def number(field: bytes) -> int:
    """An octal number, or one in base 256; :raises ImageError: neither."""
    if field[0] in (_POSITIVE, _NEGATIVE):
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == _POSITIVE else value - (1 << 8 * (len(field) - 1))
    digits = text(field).strip(b" ")
    # Go takes the digits behind a leading NUL, Python does not.
    if digits.strip(b"01234567") or (not digits and field.strip(b"\0 ")):
        raise ImageError(f"{field!r} is not a number")
    return int(digits or b"0", 8)


def _checksums(record: bytes) -> tuple[int, ...]:
    """The sums that are right: of unsigned bytes, and of signed ones where that differs (old Suns)."""
    # The lower half of Adler-32 is one more than the sum of the bytes, modulo 65521, which 256 bytes do not reach.
    total = (zlib.adler32(record[:256]) & 0xFFFF) + (zlib.adler32(record[256:]) & 0xFFFF) - 2
    total += 8 * ord(" ") - sum(record[_CHECKSUM])
    if record.isascii():
        return (total,)
    rest = record[: _CHECKSUM.start] + record[_CHECKSUM.stop :]
    return total, total - 256 * sum(byte > 127 for byte in rest)
