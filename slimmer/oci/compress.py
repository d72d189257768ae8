"""Compressing layers: fast, in constant memory, and to the same bytes each time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from enum import StrEnum
from typing import IO, Protocol

import zstandard
from isal import isal_zlib

from cntr_core.images.streams import CHUNK, Reader

# ISA-L's level 3 gives other bytes on other processors (AVX-512, AVX2, SSE); the levels up to 2 do not. ADR 0002 has
# the figures.
_GZIP_LEVEL = 2
_GZIP_FORMAT = 16 + 15  # zlib.h, deflateInit2: a gzip header (which gets neither time nor name), a window of 32 KiB
_ZSTD_LEVEL = 3
_MOST_THREADS = 8  # each takes some 9 MiB


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


class _Encoder(Protocol):
    """What isal and zstandard agree on."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compress(source: Reader, target: IO[bytes], compression: Compression) -> tuple[str, int]:
    """Write `source`, compressed, to `target`. Gives the digest and size of what was written.

    :raises OSError: `target` takes no more.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _compressed(source, compression):
        target.write(piece)
        digest.update(piece)
        size += len(piece)
    return f"sha256:{digest.hexdigest()}", size


def _compressed(source: Reader, compression: Compression) -> Iterator[bytes]:
    if compression is Compression.NONE:
        yield from _blocks(source)
        return
    encoder = _encoder(compression)
    for block in _blocks(source):
        yield encoder.compress(block)
    yield encoder.flush()


def _blocks(source: Reader) -> Iterator[bytes]:
    """The bytes in blocks of one size: what ISA-L makes of them depends on how they come."""
    while block := source.read(CHUNK):
        while len(block) < CHUNK and (more := source.read(CHUNK - len(block))):
            block += more
        yield block


def _encoder(compression: Compression) -> _Encoder:
    if compression is Compression.GZIP:
        return isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_FORMAT)
    # One thread or many give the same bytes, no thread others (zstd.h, ZSTD_c_nbWorkers).
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    return zstandard.ZstdCompressor(_ZSTD_LEVEL, threads=threads, write_checksum=True).compressobj()
