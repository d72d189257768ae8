"""Which members of each layer the slim image has: from the files to keep to the members that make them.

A member is kept with all that gives it its place: another member may be the content of its hard link, the link that its
path goes through, or what replaced it later. Rather than by thinking of all of them, this is settled by merging: what
the chosen members make, merged alone, must be a part of the original tree; where it is not, the original's own members
are added.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from cntr_core.errors import ImageError
from cntr_core.images.tar.index import LayerIndex
from cntr_core.images.tar.members import META, OPAQUE, WHITEOUT, Kind, split_path
from cntr_core.images.tree.merge import merge
from cntr_core.images.tree.tree import NO_MEMBER, Directory, File, Name, Tree

Members = Sequence[Collection[int]]
"""The numbers of members, for each layer."""

Stray = Callable[[Directory, Directory], Iterator[Name | None]]
"""Finds what a half makes otherwise than the original: the names there."""


def slim_members(
    indexes: Sequence[LayerIndex], tree: Tree, kept: Collection[File], hollow: Collection[int] = ()
) -> list[set[int]]:
    """The members of the slim image: those of the files in `kept`, every directory, and every whiteout; but for the
    directories whose inode numbers are `hollow`, in which nothing is kept."""
    members = skeleton(indexes)
    left_out = [_of_directories(index, tree, hollow) for index in indexes] if hollow else []
    for ours, theirs in zip(members, left_out, strict=False):
        ours -= theirs
    for file in kept:
        _add(members, file)
    due = {file.ino for file in kept} | {directory.ino for directory in _described(tree)} - set(hollow)
    return _complete(indexes, tree, members, _other_files, due, left_out)


def _of_directories(index: LayerIndex, tree: Tree, directories: Collection[int]) -> set[int]:
    """The members that are one of these directories, or a directory or a whiteout in one: unpacking makes the
    directory for them."""
    known: dict[tuple[bytes, ...], bool] = {(): False}

    def is_in(parts: tuple[bytes, ...]) -> bool:
        if parts not in known:
            known[parts] = is_in(parts[:-1]) or _number(tree, parts) in directories
        return known[parts]

    paths = ((number, split_path(entry.path), entry.kind) for number, entry in enumerate(index.entries))
    return {
        number
        for number, parts, kind in paths
        if (kind is Kind.DIRECTORY and is_in(parts)) or (is_whiteout(parts) and is_in(parts[:-1]))
    }


def _number(tree: Tree, parts: tuple[bytes, ...]) -> int | None:
    try:
        return tree.resolve(b"/".join(parts)).file.ino
    except OSError:
        return None  # a later layer took it away


def _described(tree: Tree) -> Iterator[File]:
    """The directories that have a member."""
    return (file for file in tree.files() if isinstance(file, Directory) and file.number != NO_MEMBER)


def fat_members(indexes: Sequence[LayerIndex], tree: Tree, slim: Members) -> list[set[int]]:
    """The members of the fat image: those that slim lacks, with a skeleton of their own, so that each stands where it
    stands in the original. It may have what a later layer replaced: slim, on top of it, has what counts."""
    members = skeleton(indexes)
    for layer, index in enumerate(indexes):
        members[layer].update(set(range(len(index.entries))) - set(slim[layer]))
    due = {file.ino for file in tree.files() if file.number not in slim[file.layer]}
    return _complete(indexes, tree, members, _other_ways, due | {directory.ino for directory in _described(tree)})


def skeleton(indexes: Sequence[LayerIndex]) -> list[set[int]]:
    """The members that both images have: directories, and whiteouts, which both must obey."""
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


def _complete(
    indexes: Sequence[LayerIndex],
    tree: Tree,
    members: list[set[int]],
    stray: Stray,
    due: Collection[int],
    left_out: Members = (),
) -> list[set[int]]:
    """The members with those added that they need to make a part of the original `tree`, with the files whose inode
    numbers are `due`.

    Where the original's own do not help, a link that is gone led to one of them, or a whiteout that was `left_out` hid
    one: then these are added, then all links, and at last everything. No tool makes such images, and they stay whole.
    """
    remedies: list[Members] = [_links(indexes), [set(range(len(index.entries))) for index in indexes]]
    if left_out:
        remedies.insert(0, left_out)
    while wrong := _wrong(indexes, tree, members, stray, due):
        before = sum(map(len, members))
        for name in filter(None, wrong):
            for place in (name, *_above(name)):
                _add(members, place.file)
        while sum(map(len, members)) == before:
            for ours, more in zip(members, remedies.pop(0), strict=True):
                ours.update(more)
    return members


def _links(indexes: Sequence[LayerIndex]) -> Members:
    """All symbolic links."""
    return [{number for number, entry in enumerate(index.entries) if entry.kind is Kind.SYMLINK} for index in indexes]


def lost_directories(
    indexes: Sequence[LayerIndex], tree: Tree, members: Members, hollow: Collection[int] = ()
) -> list[tuple[int, bytes]]:
    """The directories that no member describes, that would not be there without what the half lacks, and that are not
    `hollow`: their layers and paths, parents first."""
    alone = merge(part(indexes, members))
    lost = _lacking(alone, tree, lambda file: is_implied(file) and file.ino not in hollow)
    return sorted(((name.file.layer, name.path) for name in lost), key=lambda one: one[1])


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


def _wrong(
    indexes: Sequence[LayerIndex], tree: Tree, members: list[set[int]], stray: Stray, due: Collection[int]
) -> list[Name | None]:
    """The original's names where the members alone make something else, or nothing."""
    try:
        alone = merge(part(indexes, members))
    except ImageError:  # somebody's parent or target is behind a symbolic link that is not there
        return [file.names[0] for file in tree.files() if file.entry.kind is Kind.SYMLINK] or [*tree.walk()]
    return [*stray(alone.root, tree.root), *_lacking(alone, tree, lambda file: file.ino in due)]


def _lacking(alone: Tree, tree: Tree, counts: Callable[[File], bool]) -> Iterator[Name]:
    """The names of `tree` whose paths lead nowhere in `alone`, of those files that count."""
    pending: list[tuple[Directory, Directory | None]] = [(tree.root, alone.root)]
    while pending:
        theirs, ours = pending.pop()
        for key, name in theirs.children.items():
            there = ours.children.get(key) if ours is not None else None
            if there is None and counts(name.file) and not _has(alone, name.path):
                yield name
            if isinstance(name.file, Directory):
                below = there.file if there is not None else None
                pending.append((name.file, below if isinstance(below, Directory) else None))


def _has(tree: Tree, path: bytes) -> bool:
    try:
        tree.resolve(path, follow=False)
    except OSError:
        return False
    return True


def _other_files(alone: Directory, original: Directory) -> Iterator[Name | None]:
    """Names that stand for another file, or the directory of one that the original does not have."""
    for ours, theirs in _pairs(alone, original):
        if theirs is None:
            yield None  # by a link that is gone, and that the tree does not know
        elif ours.file.entry is not theirs.file.entry and not (is_implied(ours.file) and is_implied(theirs.file)):
            yield theirs


def is_implied(file: File) -> bool:
    """Whether it is a directory that no member describes."""
    return isinstance(file, Directory) and file.number == NO_MEMBER


def _other_ways(alone: Directory, original: Directory) -> Iterator[Name | None]:
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


def _above(name: Name) -> Iterator[Name]:
    while name.parent.names:
        name = name.parent.names[0]
        yield name
