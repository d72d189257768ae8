"""A layer's original tar, read from the slim and the fat image's at any place, without being joined first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from cntr_core.images.tar.plain import TarBytes

from .split_map import BOTH, FAT, SLIM, LayerMap


class JoinedTar:
    """The original of one layer; what its images and its map say is believed, so prove their digests first. The slim
    image's records of the layer begin at the byte `start` of `slim`."""

    def __init__(self, slim: TarBytes, fat: TarBytes, layer: LayerMap, start: int = 0) -> None:
        self._tars = {SLIM: slim, BOTH: slim, FAT: fat}
        self._layer = layer
        sizes = [size for _, size in layer.runs]
        self._starts = [0, *accumulate(sizes)]
        ours = accumulate((size * (where != FAT) for where, size in layer.runs), initial=start)
        theirs = accumulate((size * (where != SLIM) for where, size in layer.runs), initial=0)
        self._places: Sequence[tuple[int, int]] = list(zip(ours, theirs, strict=True))

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self._starts[-1] + len(self._layer.tail)

    @property
    def end_of_slim(self) -> int:
        """Where in the slim image's tar its records of this layer end."""
        return self._places[-1][0]

    def read(self, size: int, at: int) -> bytes:
        """At most `size` bytes from the byte `at` on; fewer only at the end.

        :raises OSError: EIO, a file was truncated.
        """
        pieces, end = [], min(at + size, self.size)
        while at < end and (piece := self._read_run(end - at, at)):
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

    def _read_run(self, size: int, at: int) -> bytes:
        number = bisect_right(self._starts, at) - 1
        within = at - self._starts[number]
        if number == len(self._layer.runs):
            return self._layer.tail[within : within + size]
        where, length = self._layer.runs[number]
        place = self._places[number][where == FAT]
        return self._tars[where].read(min(size, length - within), place + within)
