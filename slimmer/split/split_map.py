"""The split map: how a layer's tar is put together again from the slim and the fat image, byte for byte.

A tar is more than its members: their order, headers as some program wrote them, global headers, padding at its end. The
images have the raw records; the split map has the order, and what belongs to no member.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard

from cntr_core.errors import ImageError
from cntr_core.images.limits import MOST_MEMBERS
from cntr_core.json_text import read_json
from cntr_core.reasons import reason

FORMAT = "cntr-recipe/1"
LARGEST_TAIL = 1 << 26
"""Bytes that may follow the last members of all layers: they are kept in memory. Tools write some kilobytes."""
SLIM, FAT, BOTH = "s", "f", "b"
"""Where a run of records is; of one that is in both images, one copy is left out when joining."""

Run = tuple[str, int]


@dataclass(frozen=True, slots=True)
class LayerMap:
    """One layer: its runs of records in order, each with its bytes, and `tail`, what follows the last member."""

    diff_id: str
    runs: tuple[Run, ...]
    tail: bytes


@dataclass(frozen=True, slots=True)
class SplitMap:
    """A whole image. `config` is the original's configuration, byte for byte; empty where it was a bare root. Where it
    is `squashed`, the slim image has one layer, with the records of all. `lists` are the lists of packages that are
    shorter in the slim image."""

    config: bytes
    layers: tuple[LayerMap, ...]
    squashed: bool = False
    lists: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all layers' tars."""
        return sum(sum(size for _, size in layer.runs) + len(layer.tail) for layer in self.layers)

    def pack(self) -> bytes:
        """As a document, compressed; equal maps give equal bytes."""
        document = {
            "format": FORMAT,
            "config": _packed(self.config),
            "layers": [
                {"diffId": layer.diff_id, "runs": [[where, size] for where, size in layer.runs], "tail": _rle(layer)}
                for layer in self.layers
            ],
            **({"squashed": True} if self.squashed else {}),
            **({"lists": self.lists} if self.lists else {}),
        }
        return zstandard.compress(json.dumps(document, separators=(",", ":")).encode(), 19)

    @classmethod
    def unpack(cls, data: bytes) -> SplitMap:
        """Read a document of :meth:`pack`.

        :raises ImageError: it is damaged, or of another version.
        """
        try:
            with zstandard.ZstdDecompressor().stream_reader(data) as stream:
                content = stream.read(_LARGEST + 1)
            if len(content) > _LARGEST or content.count(b"[") > _MOST_LISTS:
                raise ValueError("it is larger than that of any image")
            document = read_json(content)
            if document["format"] != FORMAT:
                raise ImageError(f"the split map is of the unknown format {document['format']!r}", "use a newer cntr")
            return cls(
                _unpacked(document["config"]),
                tuple(_layers(document["layers"])),
                document.get("squashed") is True,
                tuple(map(str, document.get("lists", ()))),
            )
        except (zstandard.ZstdError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise ImageError(f"the fat image's split map is damaged: {reason(error)}") from error


_LARGEST, _MOST_LISTS = 1 << 27, 2 * MOST_MEMBERS
"""Bytes of the document, and lists in it: one for each run of records, of which an image has fewer than members. What
is parsed takes up to a hundred times the room."""


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _rle(layer: LayerMap) -> str | int:
    """The tail: how many zeros, which it nearly always consists of, or its bytes."""
    return len(layer.tail) if not layer.tail.strip(b"\0") else _packed(zlib.compress(layer.tail, 9))


def _layers(values: Sequence[dict[str, Any]]) -> Iterator[LayerMap]:
    room = LARGEST_TAIL
    for one in values:
        layer = _layer(one, room)
        room -= len(layer.tail)
        yield layer


def _layer(values: dict[str, Any], room: int) -> LayerMap:
    tail = values["tail"]
    runs: Sequence[Any] = values["runs"]
    if not all(where in (SLIM, FAT, BOTH) and isinstance(size, int) and size > 0 for where, size in runs):
        raise ValueError("a run of records is invalid")
    return LayerMap(str(values["diffId"]), tuple((where, size) for where, size in runs), _tail(tail, room))


def _tail(tail: str | int, room: int) -> bytes:
    """What :func:`_rle` packed; :raises ValueError: it has more than `room` bytes."""
    if isinstance(tail, int):
        content = bytes(min(tail, room + 1))
    else:
        content = zlib.decompressobj().decompress(_unpacked(tail), room + 1)
    if len(content) > room:
        raise ValueError("what follows a layer's last member is too large")
    return content
