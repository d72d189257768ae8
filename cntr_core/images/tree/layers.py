"""An image with its layers open: indexed, merged, and readable, without being unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import ImageError
from .. import Image
from ..tar.index import LayerIndex, read_index
from ..tar.plain import PlainTar
from .branch import LayerBranch
from .contents import Contents
from .merge import merge
from .tars import Progress, plain_tars
from .tree import Tree
from .view import TreeView


@dataclass(frozen=True, slots=True)
class OpenLayers:
    """The layers of an image, the lowest first, and the tree that they make."""

    tars: Sequence[PlainTar]
    indexes: Sequence[LayerIndex]
    tree: Tree
    contents: Contents

    @classmethod
    def of(cls, tars: Sequence[PlainTar]) -> OpenLayers:
        """:raises ImageError: a layer is damaged or hostile; the message names it, and the member."""
        indexes = [_indexed(number, tar) for number, tar in enumerate(tars, 1)]
        return cls(tars, indexes, merge(indexes), Contents(tars))

    @property
    def view(self) -> TreeView:
        """The tree by paths."""
        return TreeView(self.tree, self.contents)

    def branch(self) -> LayerBranch:
        """The tree for a filesystem."""
        return LayerBranch(self.tree, self.contents)


def _indexed(number: int, tar: PlainTar) -> LayerIndex:
    try:
        return read_index(tar)
    except ImageError as error:
        raise ImageError(f"layer {number}: {error.message}", error.hint) from error


@contextmanager
def open_layers(image: Image, progress: Progress | None = None) -> Iterator[OpenLayers]:
    """The layers of `image`, every digest verified.

    :raises ImageError: a layer is damaged or hostile; the message names it.
    """
    with plain_tars(image, progress) as tars:
        yield OpenLayers.of(tars)
