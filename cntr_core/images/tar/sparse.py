"""Files with holes: GNU tar's four ways to store them (GNU tar manual, "Storing Sparse Files")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...errors import ImageError
from ..limits import LONGEST_HEADER
from .headers import RECORD, number, padded
from .pax import Records, pax_number
from .plain import TarBytes

Segments = tuple[tuple[int, int], ...]
"""The (offset, size) of the parts that hold data, in order; in the tar they follow each other."""

_PAIR = 24  # two numbers of 12 bytes


class Sparse(NamedTuple):
    """How a file with holes is stored: its true size, its data, and how many bytes the map takes before them."""

    size: int
    segments: Segments
    map_size: int


def old_gnu(tar: TarBytes, header: bytes, at: int) -> Sparse:
    """Type ``S``: four parts in the header itself, more in records behind it, which starts at the byte `at`."""
    pairs = list(_pairs(header[386:482]))
    more, position = header[482], at + RECORD
    while more:
        record = tar.read(RECORD, position)
        if len(record) < RECORD or position - at > LONGEST_HEADER:
            raise ImageError("has an impossible map of holes")
        pairs += _pairs(record[:504])
        more, position = record[504], position + RECORD
    return Sparse(number(header[483:495]), _used(pairs), position - at - RECORD)


def pax(tar: TarBytes, records: Records, fields: Mapping[bytes, bytes], data: int) -> Sparse | None:
    """The PAX formats 0.0, 0.1 and 1.0, whose map stands before the data at byte `data`; None where no hole is."""
    if b"GNU.sparse.map" in fields:
        return Sparse(_size(fields, b"GNU.sparse.size"), _numbered(fields[b"GNU.sparse.map"].split(b",")), 0)
    if b"GNU.sparse.size" in fields:
        repeated = [value for key, value in records if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes")]
        return Sparse(_size(fields, b"GNU.sparse.size"), _numbered(repeated), 0)
    version = fields.get(b"GNU.sparse.major"), fields.get(b"GNU.sparse.minor")
    if version == (None, None):
        return None
    if version != (b"1", b"0"):
        raise ImageError("has holes in an unknown format")
    texts, map_size = _map_before(tar, data)
    return Sparse(_size(fields, b"GNU.sparse.realsize"), _numbered(texts), map_size)


def check(sparse: Sparse, stored: int) -> Segments:
    """The segments; :raises ImageError: they overlap, reach beyond the end, or are not what is `stored`."""
    end = 0
    for offset, size in sparse.segments:
        if offset < end or size < 0 or offset + size > sparse.size:
            raise ImageError("has an impossible map of holes")
        end = offset + size
    if sum(size for _, size in sparse.segments) != stored - sparse.map_size:
        raise ImageError("has a map of holes that does not match its data")
    return sparse.segments


def _pairs(data: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(data), _PAIR):
        if not data[at]:
            return
        yield number(data[at : at + 12]), number(data[at + 12 : at + 24])


def _map_before(tar: TarBytes, data: int) -> tuple[Sequence[bytes], int]:
    """The numbers before the data: how many parts there are, then offset and size of each, a line each."""
    content = tar.read(RECORD, data)
    head = content.partition(b"\n")[0]
    wanted = 2 * pax_number(head, "map of holes") + 1
    while content.count(b"\n") < wanted:
        if len(content) > LONGEST_HEADER or not (more := tar.read(max(RECORD, len(content)), data + len(content))):
            raise ImageError("has an impossible map of holes")
        content += more
    lines = content.split(b"\n", wanted)
    return lines[1:wanted], padded(len(content) - len(lines[wanted]))


def _numbered(texts: Sequence[bytes]) -> Segments:
    numbers = [pax_number(value, "map of holes") for value in texts if value]
    if len(numbers) % 2:
        raise ImageError("has an impossible map of holes")
    return _used(list(zip(numbers[::2], numbers[1::2], strict=True)))


def _used(pairs: list[tuple[int, int]]) -> Segments:
    """Parts without data are end marks."""
    return tuple(pair for pair in pairs if pair[1])


def _size(fields: Mapping[bytes, bytes], key: bytes) -> int:
    return pax_number(fields.get(key, b""), "size")
