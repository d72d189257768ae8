"""An image with its layers open: indexed, merged, and readable, without being unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from ...errors import ImageError, about
from ..image import Image
from ..limits import MOST_MEMBERS
from ..streams import Budget, Counter, uncounted
from ..tar.index import LayerIndex, read_index
from ..tar.plain import PlainTar
from .branch import LayerBranch
from .contents import Contents
from .merge import merge
from .store import CachedLayers
from .tars import plain_tars
from .tree import Tree
from .view import TreeView


@dataclass(frozen=True)
class OpenLayers:
    """The layers of an image, the lowest first, and the tree that they make. `titles` name the layers in errors."""

    tars: Sequence[PlainTar]
    indexes: Sequence[LayerIndex]
    tree: Tree
    contents: Contents
    titles: Sequence[str]

    @classmethod
    def of(cls, tars: Sequence[PlainTar], titles: Sequence[str] = (), budget: Budget | None = None) -> OpenLayers:
        """:raises ImageError: a layer is damaged or hostile, or has more members than the budget; the message names it,
        and the member."""
        titles = titles or [f"layer {number}" for number in range(1, len(tars) + 1)]
        indexes: list[LayerIndex] = []
        for title, tar in zip(titles, tars, strict=True):
            indexes.append(_indexed(title, tar, budget))
            if sum(len(index.entries) for index in indexes) > MOST_MEMBERS:
                raise ImageError(f"{title}: it has more than {MOST_MEMBERS} files, with the layers below it")
        return cls(tars, indexes, merge(indexes, titles), Contents(tars), titles)

    @cached_property  # what is known about an image is kept by its view
    def view(self) -> TreeView:
        """The tree by paths."""
        return TreeView(self.tree, self.contents)

    def branch(self) -> LayerBranch:
        """The tree for a filesystem."""
        return LayerBranch(self.tree, self.contents)


def _indexed(title: str, tar: PlainTar, budget: Budget | None) -> LayerIndex:
    with about(title):
        index = read_index(tar)
        if budget:
            budget.spend(entries=len(index.entries))
        return index


@contextmanager
def open_layers(
    image: Image,
    progress: Counter = uncounted,
    budget: Budget | None = None,
    store: CachedLayers | None = None,
) -> Iterator[OpenLayers]:
    """The layers of `image`, every digest verified. `store` keeps what was compressed; temporary files do where none is
    given. `budget` is for all that the layers unpack to; where none is given, what is kept must have room.

    :raises ImageError: a layer is damaged or hostile; the message names it.
    """
    titles = [f"layer {number} ({layer})" for number, layer in enumerate(image.layers, 1)]
    with plain_tars(image, titles, store, progress, budget) as tars:
        with about(f"image {image.reference}"):
            layers = OpenLayers.of(tars, titles, budget)
        yield layers
