"""Compressing layers: fast, in constant memory, and to the same bytes each time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import IO, Protocol, cast

import zstandard
from isal import igzip_threaded

from ..streams import Reader

# ISA-L's level 3 gives other bytes on other processors (AVX-512, AVX2, SSE); the levels up to 2 do not. ADR 0002 has
# the figures.
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
_MOST_THREADS = 8  # each takes some 9 MiB
_BLOCK = 1 << 20  # what one thread compresses at a time; others would give other bytes


class Compression(StrEnum):
    """How a layer is stored."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def media_type(self) -> str:
        """Of a layer so stored (image-spec 1.1, layer.md)."""
        suffix = "" if self is Compression.NONE else f"+{self}"
        return f"application/vnd.oci.image.layer.v1.tar{suffix}"


class _Writer(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class _Hashed:
    """A file that only grows, with its digest and size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def compress(source: Reader, target: IO[bytes], compression: Compression) -> tuple[str, int]:
    """Write `source`, compressed, to `target`. Gives the digest and size of what was written.

    :raises OSError: `target` takes no more.
    """
    written = _Hashed(target)
    with _encoder(written, compression) as encoder:
        for block in _blocks(source):
            encoder.write(block)
    return written.digest, written.size


def _blocks(source: Reader) -> Iterator[bytes]:
    """The bytes in blocks of one size: what ISA-L makes of them depends on how they come."""
    while block := source.read(_BLOCK):
        while len(block) < _BLOCK and (more := source.read(_BLOCK - len(block))):
            block += more
        yield block


def _encoder(target: _Hashed, compression: Compression) -> AbstractContextManager[_Writer]:
    """One thread or many give the same bytes."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    if compression is Compression.GZIP:
        gzip: AbstractContextManager[_Writer] = igzip_threaded.open(  # type: ignore[no-untyped-call]  # has no types
            target, "wb", _GZIP_LEVEL, threads=threads, block_size=_BLOCK
        )
        return gzip
    if compression is Compression.ZSTD:  # no thread would give others (zstd.h, ZSTD_c_nbWorkers)
        zstd = zstandard.ZstdCompressor(_ZSTD_LEVEL, threads=threads, write_checksum=True)
        return zstd.stream_writer(cast("IO[bytes]", target), closefd=False)
    return nullcontext(target)
