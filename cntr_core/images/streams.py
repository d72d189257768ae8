"""Reading bytes that are checked, counted and decompressed on their way."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
from collections.abc import Callable
from typing import Protocol

import zstandard
from isal import isal_zlib

from ..errors import ImageError
from ..reasons import reason
from ..room import place

CHUNK = 1 << 18
# What one read of compressed bytes may become in memory is bounded by feeding little at a time: zstd turns
# 4 bytes into a block of 128 KiB.
_FEED = 2048
_DIGEST = re.compile(r"(?P<algorithm>sha256|sha512):(?P<value>[0-9a-f]{64,128})")
_GzipError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub takes the class for an instance


class Reader(Protocol):
    """Anything with read(2)'s behaviour: at most `size` bytes, fewer at will, none at the end."""

    def read(self, size: int, /) -> bytes: ...


Counter = Callable[[int], object]
"""Told how many more bytes came."""


def uncounted(_size: int) -> None:
    """A :data:`Counter` that nobody looks at."""


class Counted:
    """Passes bytes through, and tells how many."""

    def __init__(self, source: Reader, counter: Counter) -> None:
        self._source = source
        self._counter = counter

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._counter(len(data))
        return data


class Budget:
    """How much an image may still unpack to. Shared by all its layers, so that a bomb is stopped in time."""

    def __init__(self, size: int, entries: int, where: str = "") -> None:
        self.size = size
        self.entries = entries
        self._where = where

    @classmethod
    def of_filesystem(cls, path: str) -> Budget:
        """Nine tenths of what is free where `path` is: an image never fills a disk."""
        free = os.statvfs(path)
        return cls(free.f_bavail * free.f_frsize * 9 // 10, (free.f_favail or 1 << 32) * 9 // 10, path)

    @classmethod
    def unlimited(cls) -> Budget:
        """For what takes no room."""
        return cls(1 << 63, 1 << 63)

    def spend(self, size: int = 0, entries: int = 0) -> None:
        """Take from the budget; :raises ImageError: it is used up."""
        self.size -= size
        self.entries -= entries
        if self.size < 0 or self.entries < 0:
            of = f" of {place(self._where)}" if self._where else ""
            raise ImageError(
                f"it does not fit into the free space{of} when it is unpacked",
                "free some space; or the image is a decompression bomb",
            )


class Window:
    """The bytes [offset, offset+size) of a descriptor, read with a position of its own."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size
        self._next = offset
        self._end = offset + size

    def read(self, size: int, /) -> bytes:
        data = os.pread(self.fd, min(size, self._end - self._next), self._next)
        self._next += len(data)
        return data


class Checked:
    """Passes bytes through, hashing and counting them; :meth:`finish` compares with what was promised.

    :raises ImageError: from `read`, as soon as more than `size` bytes come.
    """

    def __init__(
        self,
        source: Reader,
        what: str,
        digest: str = "",
        size: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._source = source
        self._what = what
        self._digest = digest
        self._hash = hashlib.new(check_digest(digest)) if digest else None
        self._size = size
        self._budget = budget
        self._count = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._count += len(data)
        if self._hash:
            self._hash.update(data)
        if self._budget:
            self._budget.spend(size=len(data))
        if self._size is not None and self._count > self._size:
            raise ImageError(f"{self._what} is larger than the {self._size} bytes it should have")
        return data

    def finish(self) -> None:
        """Read what is left, then compare.

        :raises ImageError: size or digest are not as promised.
        """
        while self.read(CHUNK):
            pass
        if self._size is not None and self._count != self._size:
            raise ImageError(f"{self._what} has {self._count} bytes where {self._size} belong")
        if self._hash and self._hash.hexdigest() != self._digest.partition(":")[2]:
            raise ImageError(f"{self._what} does not have the digest {self._digest}")


def digest_of(content: bytes) -> str:
    """The digest of these bytes, as images name it (image-spec, "Digests"): ``sha256:HEX``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def check_digest(digest: str) -> str:
    """The hash algorithm of ``ALGORITHM:HEX``; :raises ImageError: malformed, or an algorithm we lack."""
    match = _DIGEST.fullmatch(digest)
    if not match or len(match["value"]) != hashlib.new(match["algorithm"]).digest_size * 2:
        raise ImageError(f"{digest!r} is not a sha256 or sha512 digest")
    return match["algorithm"]


class _Decoder(Protocol):
    """What zlib, lzma and zstandard agree on."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Gzip:
    """ISA-L takes half of zlib's time, and is as strict but for one thing, which is checked here."""

    def __init__(self) -> None:
        self._decoder = isal_zlib.decompressobj(wbits=31)
        self._head = b""

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, /) -> bytes:
        self._head += data[: 4 - len(self._head)]
        if self._head[3:] > b"\x1f":  # RFC 1952, 2.3.1.2: the flags of the future must be refused
            raise ImageError("its gzip data is corrupt: unknown flags in its header")
        return self._decoder.decompress(data)


def _zstd() -> _Decoder:
    return zstandard.ZstdDecompressor().decompressobj()


_FORMATS: dict[bytes, tuple[str, Callable[[], _Decoder]]] = {
    b"\x1f\x8b": ("gzip", _Gzip),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMADecompressor),
}
_MAGIC = max(map(len, _FORMATS))


class _Pushback:
    """Puts the bytes that were read to look at them before the rest."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


class _Decompressed:
    """The content of one or more compressed frames that follow each other."""

    def __init__(self, source: Reader, name: str, make: Callable[[], _Decoder]) -> None:
        self._source = source
        self._name = name
        self._make = make
        self._decoder = make()
        self._fresh = True  # nothing of the current frame was seen yet
        self._came = 0  # compressed bytes
        self._rest = b""  # those behind the last frame
        self._ready = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._ready:
            data = self._rest or self._fed()
            if not data:
                if not self._fresh:
                    raise ImageError(f"its {self._name} data ends too early")
                return b""
            self._rest = b""
            self._ready = memoryview(self._decode(data))
        piece, self._ready = self._ready[:size], self._ready[size:]
        return bytes(piece)

    def _fed(self) -> bytes:
        data = self._source.read(_FEED)
        self._came += len(data)
        return data

    def _decode(self, data: bytes) -> bytes:
        if self._fresh:
            data = data.lstrip(b"\0")  # padding between and behind frames is legal
            if not data:
                return b""
        try:
            plain = self._decoder.decompress(data)
        except (_GzipError, lzma.LZMAError, zstandard.ZstdError, EOFError) as error:
            raise ImageError(f"its {self._name} data is corrupt: {reason(error)}, before byte {self._came}") from error
        self._fresh = self._decoder.eof
        if self._fresh:
            self._rest = self._decoder.unused_data
            self._decoder = self._make()
        return plain


def decompressed(source: Reader) -> tuple[Reader, str]:
    """The plain bytes of `source`, which may be compressed with gzip, zstd or xz, and the format's name or
    "".

    Told by the first bytes, as every runtime does it: media types and file names are often wrong.
    """
    head = b""
    while len(head) < _MAGIC and (data := source.read(_MAGIC - len(head))):
        head += data
    whole = _Pushback(head, source)
    for magic, (name, make) in _FORMATS.items():
        if head.startswith(magic):
            return _Decompressed(whole, name, make), name
    return whole, ""


def is_compressed(window: Window) -> bool:
    """Whether the window's bytes are compressed, as :func:`decompressed` tells it."""
    return os.pread(window.fd, min(_MAGIC, window.size), window.offset).startswith(tuple(_FORMATS))
