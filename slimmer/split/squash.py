"""One layer instead of many: what of a slim image's members it takes, and that they make the same tree."""

from __future__ import annotations

from collections.abc import Sequence

from cntr_core.errors import ImageError
from cntr_core.images.tar.index import Entry, LayerIndex
from cntr_core.images.tree.merge import merge
from cntr_core.images.tree.tree import Tree

from .members import Members, is_implied, part

_HINT = "leave --squash out: the layers can always be split as they are"


def squashed_members(indexes: Sequence[LayerIndex], tree: Tree, slim: Members) -> list[set[int]]:
    """Those of the members `slim` that a single layer needs: what `tree` has in the end, and nothing that only hides
    what an earlier layer had.

    :raises ImageError: in one layer they would make something else.
    """
    if any(index.global_headers for index in indexes):
        raise ImageError("a layer has global headers, which would also apply to the other layers", _HINT)
    lasting = {(tree.root.layer, tree.root.number)}
    for name in tree.walk():
        lasting |= {(name.layer, name.number), (name.file.layer, name.file.number)}
    chosen = [{number for number in members if (layer, number) in lasting} for layer, members in enumerate(slim)]
    if _described(merge([as_one(indexes, chosen)])) != _described(merge(part(indexes, slim))):
        raise ImageError("its layers replace each other's files in a way that a single layer cannot", _HINT)
    return chosen


def as_one(indexes: Sequence[LayerIndex], members: Members) -> LayerIndex:
    """The members as those of one layer."""
    parts = part(indexes, members)
    return LayerIndex(tuple(entry for index in parts for entry in index.entries), (), 0)


def _described(tree: Tree) -> list[tuple[bytes, Entry]]:
    """Every name with what describes it, but for directories that no member does."""
    return [(name.path, name.file.entry) for name in tree.walk() if not is_implied(name.file)]
