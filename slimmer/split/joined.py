"""A slim and a fat image, and the original that they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cntr_core import labels
from cntr_core.errors import ImageError
from cntr_core.images import Budget, Image, LayerTar
from cntr_core.images.read.blobs import spool, spool_directory
from cntr_core.images.streams import CHUNK, Counter, uncounted
from cntr_core.images.tar.index import read_index
from cntr_core.images.tar.members import Kind
from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.write.atomic import writing
from cntr_core.images.write.new_image import NewImage, PlainLayer

from .divide import join
from .pair import SPLIT_MAP_PATH, split_map_tar
from .split_map import SplitMap

_LARGEST_SPLIT_MAP = 1 << 26
_PAIR = "give the slim and the fat image that were made together"


@dataclass(frozen=True, slots=True)
class OpenPair:
    """A slim and a fat image that belong together, and their split map."""

    slim: Image
    fat: Image
    split_map: SplitMap

    @classmethod
    def of(cls, slim: Image, fat: Image) -> OpenPair:
        """:raises ImageError: they are no pair."""
        for image, role in ((slim, labels.SLIM_ROLE), (fat, labels.FAT_ROLE)):
            found = image.config.labels.get(labels.ROLE)
            if found != role:
                raise ImageError(
                    f"{image.reference} is not a {role} image" + (f", but a {found} one" * bool(found)), _PAIR
                )
        if slim.config.labels.get(labels.PAIR) != fat.config.labels.get(labels.PAIR):
            raise ImageError(f"{slim.reference} and {fat.reference} belong to different pairs", _PAIR)
        split_map = read_split_map(fat)
        expected = 1 if split_map.squashed else len(split_map.layers)
        if len(slim.layers) != expected or len(fat.layers) != len(split_map.layers) + 1:
            raise ImageError(
                f"{slim.reference} has {len(slim.layers)} layers, and its split map {len(split_map.layers)}", _PAIR
            )
        return cls(slim, fat, split_map)

    def layers(self, more: Callable[[str], object] = lambda _: None) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each original layer's DiffID and its tar in pieces, to be read in order; all digests are verified. `more` is
        told the role of an image that has records beside those of the original.

        :raises ImageError: while they are read: a half is damaged.
        """
        budget = Budget.of_filesystem(spool_directory())
        last = len(self.split_map.layers) - 1
        for number, split_map in enumerate(self.split_map.layers):
            if number == 0 or not self.split_map.squashed:
                slim = self.slim.open_layer(self.slim.layers[number], budget)
            fat = self.fat.open_layer(self.fat.layers[number], budget)
            done = {labels.FAT_ROLE: fat}
            if not self.split_map.squashed or number == last:
                done[labels.SLIM_ROLE] = slim
            yield split_map.diff_id, _to_the_end(join(slim, fat, split_map), done, more)

    def check(self, progress: Counter = uncounted) -> bool:
        """Join all layers without keeping them. Gives whether the slim image has records beside those of the original.

        :raises ImageError: one layer is not the original's, or the fat image has other records.
        """
        more: set[str] = set()
        for _, pieces in self.layers(more.add):
            for piece in pieces:
                progress(len(piece))
        if labels.FAT_ROLE in more:
            raise ImageError(f"{self.fat.reference} has files that the original has not", _PAIR)
        return bool(more)

    def original(self, directory: str, progress: Counter = uncounted) -> NewImage:
        """The original image, its layers as files in `directory`.

        :raises ImageError: a half is damaged, or there is no room.
        """
        joined = []
        for number, (diff_id, pieces) in enumerate(self.layers()):
            path = os.path.join(directory, f"layer-{number}.tar")
            with writing(path), open(path, "xb") as file:
                for piece in pieces:
                    file.write(piece)
                    progress(len(piece))
                joined.append(PlainLayer(path, diff_id, file.tell()))
        return NewImage(self.split_map.config, tuple(joined))


def _to_the_end(
    pieces: Iterator[bytes], halves: Mapping[str, LayerTar], more: Callable[[str], object]
) -> Iterator[bytes]:
    yield from pieces
    for role, half in halves.items():
        while rest := half.read(CHUNK):
            if rest.strip(b"\0"):
                more(role)
        half.finish()


def read_split_map(fat: Image) -> SplitMap:
    """The split map in the last layer of a fat image.

    :raises ImageError: there is none, or it is damaged.
    """
    if not fat.layers:
        raise ImageError(f"{fat.reference} has no split map", _PAIR)
    tar = fat.open_layer(fat.layers[-1], Budget(_LARGEST_SPLIT_MAP, 16))
    with open(spool(tar), "rb") as file:
        tar.finish()
        plain = PlainTar(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        for entry in read_index(plain).entries:
            if entry.path == SPLIT_MAP_PATH.encode() and entry.kind is Kind.FILE:
                packed = plain.read(entry.size, entry.data)
                if plain.read(plain.size, 0) != split_map_tar(packed):
                    raise ImageError(f"{fat.reference} has files that the original has not", _PAIR)
                return SplitMap.unpack(packed)
    raise ImageError(f"{fat.reference} has no split map", _PAIR)
