"""Which members of each layer the slim half has: from the files to keep to the members that make them.

A member is kept with all that gives it its place: another member may be the content of its hard link, the link that its
path goes through, or what replaced it later. Rather than by thinking of all of them, this is settled by merging: what
the chosen members make, merged alone, must be a part of the original tree; where it is not, the original's own members
are added.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from cntr_core.errors import ImageError
from cntr_core.images.members import Kind, quoted, split_path

from ..layers.index import LayerIndex
from ..layers.tree import META, NO_MEMBER, OPAQUE, WHITEOUT, Directory, File, Name, Tree, merge

Members = Sequence[Collection[int]]
"""The numbers of members, for each layer."""

Stray = Callable[[Directory, Directory], Iterator[Name]]
"""Finds what a half makes otherwise than the original: the names there."""


def slim_members(indexes: Sequence[LayerIndex], tree: Tree, kept: Collection[File]) -> list[set[int]]:
    """The members of the slim half: those of the files in `kept`, every directory, and every whiteout.

    :raises ImageError: the layers are too odd to be split.
    """
    members = skeleton(indexes)
    for file in kept:
        _add(members, file)
    return _complete(indexes, tree, members, _other_files)


def fat_members(indexes: Sequence[LayerIndex], tree: Tree, slim: Members) -> list[set[int]]:
    """The members of the fat half: those that slim lacks, with a skeleton of their own, so that each stands where it
    stands in the original. It may have what a later layer replaced: slim, on top of it, has what counts.

    :raises ImageError: the layers are too odd to be split.
    """
    members = skeleton(indexes)
    for layer, index in enumerate(indexes):
        members[layer].update(set(range(len(index.entries))) - set(slim[layer]))
    return _complete(indexes, tree, members, _other_ways)


def skeleton(indexes: Sequence[LayerIndex]) -> list[set[int]]:
    """The members that both halves have: directories, and whiteouts, which both must obey."""
    return [
        {
            number
            for number, entry in enumerate(index.entries)
            if entry.kind is Kind.DIRECTORY or is_whiteout(split_path(entry.path))
        }
        for index in indexes
    ]


def is_whiteout(parts: tuple[bytes, ...]) -> bool:
    """Whether a member of this path hides something, instead of being something."""
    name = parts[-1] if parts else b""
    return name == OPAQUE or (name.startswith(WHITEOUT) and not name.startswith(META))


def _complete(indexes: Sequence[LayerIndex], tree: Tree, members: list[set[int]], stray: Stray) -> list[set[int]]:
    """The members with those added that they need to make a part of the original `tree`."""
    while wrong := _wrong(indexes, tree, members, stray):
        before = sum(map(len, members))
        for name in wrong:
            for place in (name, *_above(name)):
                _add(members, place.file)
        if sum(map(len, members)) == before:
            raise ImageError(f"{quoted(wrong[0].path)} cannot be told apart from what it replaced")
    return members


def part(indexes: Sequence[LayerIndex], members: Members) -> list[LayerIndex]:
    """The indexes with nothing but some of their members."""
    return [
        LayerIndex(tuple(index.entries[number] for number in sorted(chosen)), index.global_headers, index.end)
        for index, chosen in zip(indexes, members, strict=True)
    ]


def _add(members: list[set[int]], file: File) -> None:
    for layer, number in (*file.members, (file.layer, file.number)):
        if number != NO_MEMBER:
            members[layer].add(number)


def _wrong(indexes: Sequence[LayerIndex], tree: Tree, members: list[set[int]], stray: Stray) -> list[Name]:
    """The original's names where the members alone make something else."""
    try:
        alone = merge(part(indexes, members))
    except ImageError:
        return _missing_links(tree, members)
    return list(stray(alone.root, tree.root))


def _other_files(alone: Directory, original: Directory) -> Iterator[Name]:
    """Names that stand for another file, or for one that the original does not have."""
    for ours, theirs in _pairs(alone, original):
        if theirs is None:
            raise ImageError(f"{quoted(ours.path)} is in no layer's sum, and cannot be kept apart")
        both = isinstance(ours.file, Directory) and isinstance(theirs.file, Directory)
        if not both and ours.file.entry is not theirs.file.entry:
            yield theirs


def _other_ways(alone: Directory, original: Directory) -> Iterator[Name]:
    """Links of the original that were made directories, for members whose path leads through them."""
    for ours, theirs in _pairs(alone, original):
        if theirs is not None and isinstance(ours.file, Directory) and theirs.file.entry.kind is Kind.SYMLINK:
            yield theirs


def _pairs(alone: Directory, original: Directory) -> Iterator[tuple[Name, Name | None]]:
    pending = [(alone, original)]
    while pending:
        ours, theirs = pending.pop()
        for key, name in ours.children.items():
            there = theirs.children.get(key)
            if there is not None and isinstance(name.file, Directory) and isinstance(there.file, Directory):
                pending.append((name.file, there.file))
            yield name, there


def _missing_links(tree: Tree, members: list[set[int]]) -> list[Name]:
    """Merging failed: somebody's parent or target is behind a symbolic link that is not there."""
    return [
        file.names[0]
        for file in tree.files()
        if file.entry.kind is Kind.SYMLINK and any(number not in members[layer] for layer, number in file.members)
    ]


def _above(name: Name) -> Iterator[Name]:
    while name.parent.names:
        name = name.parent.names[0]
        yield name
