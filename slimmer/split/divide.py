"""Dividing a layer's tar into two, and joining two into one: raw records are copied, nothing is written anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from typing import IO, Protocol, Self

from cntr_core.errors import ImageError
from cntr_core.images.streams import Counter, uncounted
from cntr_core.images.tar.index import LayerIndex
from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.write.new_image import PlainLayer

from .split_map import BOTH, FAT, LARGEST_TAIL, SLIM, LayerMap, Run

END = bytes(1024)
"""The end mark of a tar: two records of zeros."""

_CHUNK = 1 << 20
_HALVES = {SLIM: (0,), FAT: (1,), BOTH: (0, 1)}


class LayerWriter:
    """A tar that grows; a context manager."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: IO[bytes] = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by finish and by discard
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """:raises OSError: there is no room."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self._size += len(data)

    def finish(self, more: bytes = b"") -> PlainLayer:
        """Write `more` records and the end mark; gives the finished layer."""
        self.write(more + END)
        self._file.close()
        return PlainLayer(self._path, f"sha256:{self._hash.hexdigest()}", self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """A half that is not finished is given up: its file goes."""
        if not self._file.closed:
            self._file.close()
            os.unlink(self._path)


def divide(
    tar: PlainTar,
    index: LayerIndex,
    slim: Collection[int],
    fat: Collection[int],
    halves: tuple[LayerWriter, LayerWriter],
    progress: Counter = uncounted,
) -> tuple[tuple[Run, ...], bytes]:
    """Copy the members numbered in `slim` to the first of `halves`, and those in `fat` to the second.

    Gives the runs and the tail, by which :func:`join` will give the tar back.

    :raises ImageError: a member is in neither image, or too much follows the last one.
    """
    runs = list(_runs(index, slim, fat))
    if tar.size - index.end > LARGEST_TAIL:
        raise ImageError(f"its tar has {tar.size - index.end} bytes behind its last member")
    at = 0
    for where, size in runs:
        for piece in _pieces(tar, at, size):
            for half in _HALVES[where]:
                halves[half].write(piece)
            progress(len(piece))
        at += size
    return tuple(runs), tar.read(tar.size - at, at)


def _runs(index: LayerIndex, slim: Collection[int], fat: Collection[int]) -> Iterator[Run]:
    """Neighbours that go the same way, as one; headers that belong to no member go both ways."""
    last, size, at = "", 0, 0
    for start, end, where in sorted(_ways(index, slim, fat)):
        if start != at:
            raise ImageError(f"its tar has {start - at} bytes at byte {at} that belong to nothing")
        at = end
        if where != last and size:
            yield last, size
            size = 0
        last, size = where, size + end - start
    if size:
        yield last, size


def _ways(index: LayerIndex, slim: Collection[int], fat: Collection[int]) -> Iterator[tuple[int, int, str]]:
    for number, entry in enumerate(index.entries):
        if number in slim:
            yield entry.start, entry.end, BOTH if number in fat else SLIM
        elif number in fat:
            yield entry.start, entry.end, FAT
        else:
            raise ImageError(f"member {entry.path!r} is in neither image")
    yield from ((start, end, BOTH) for start, end in index.global_headers)


def _pieces(tar: PlainTar, at: int, size: int) -> Iterator[bytes]:
    while size:
        piece = tar.read(min(size, _CHUNK), at)
        yield piece
        at, size = at + len(piece), size - len(piece)


class Readable(Protocol):
    """A half's plain tar, read from its beginning."""

    def read(self, size: int, /) -> bytes: ...


def join(slim: Readable, fat: Readable, split_map: LayerMap) -> Iterator[bytes]:
    """The original layer's tar, in pieces.

    :raises ImageError: the halves do not belong together; all pieces were given by then.
    """
    joined = hashlib.sha256()
    for piece in _joined(slim, fat, split_map):
        joined.update(piece)
        yield piece
    if f"sha256:{joined.hexdigest()}" != split_map.diff_id:
        raise ImageError(
            f"the two images do not rebuild the layer {split_map.diff_id}",
            "check that the slim and the fat image are a pair",
        )


def _joined(slim: Readable, fat: Readable, split_map: LayerMap) -> Iterator[bytes]:
    for where, size in split_map.runs:
        yield from _exactly(fat if where == FAT else slim, size)
        if where == BOTH:
            for _ in _exactly(fat, size):
                pass  # the other copy
    yield split_map.tail


def _exactly(half: Readable, size: int) -> Iterator[bytes]:
    while size:
        piece = half.read(min(size, _CHUNK))
        if not piece:
            raise ImageError(
                "a layer of the slim or the fat image is too short", "check that the slim and the fat image are a pair"
            )
        size -= len(piece)
        yield piece
