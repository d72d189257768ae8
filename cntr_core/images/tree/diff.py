"""What two images have otherwise, file by file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..tar.members import Kind
from ..tar.sparse import Segments
from .branch import file_mode, file_xattrs
from .layers import OpenLayers
from .tree import Directory, File

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One path: ``added``, ``removed``, or ``changed``; `what` are the properties that changed."""

    path: bytes
    kind: str
    what: tuple[str, ...] = ()


def difference(one: OpenLayers, other: OpenLayers, *, times: bool = True) -> Iterator[Change]:
    """The changes from `one` to `other`, by path. `times` says whether modification times count."""
    before = {name.path: name.file for name in one.tree.walk()} | {b"/": one.tree.root}
    after = {name.path: name.file for name in other.tree.walk()} | {b"/": other.tree.root}
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield Change(path, "removed")
        elif path not in before:
            yield Change(path, "added")
        elif what := tuple(_changed(one, before[path], other, after[path], times)):
            yield Change(path, "changed", what)


def _changed(one: OpenLayers, before: File, other: OpenLayers, after: File, times: bool) -> Iterator[str]:
    ours, theirs = before.entry, after.entry
    if ours.kind is not theirs.kind:
        yield "type"
        return
    pairs = {
        "mode": (file_mode(ours), file_mode(theirs)),
        "owner": ((ours.uid, ours.gid), (theirs.uid, theirs.gid)),
        "target": (ours.link, theirs.link) if ours.kind is Kind.SYMLINK else (b"", b""),
        "device": (ours.device, theirs.device),
        "xattrs": (file_xattrs(ours), file_xattrs(theirs)),
        "links": (_names(before), _names(after)),
        "time": (ours.mtime, theirs.mtime) if times else (0, 0),
    }
    yield from (what for what, (left, right) in pairs.items() if left != right)
    if ours.kind is Kind.FILE and not _same_content(one, before, other, after):
        yield "content"


def _names(file: File) -> list[bytes]:
    return [] if isinstance(file, Directory) else sorted(name.path for name in file.names)


def _same_content(one: OpenLayers, before: File, other: OpenLayers, after: File) -> bool:
    """Compares what is no hole in one of them."""
    if before.entry.size != after.entry.size:
        return False
    parts = {*_segments(before), *_segments(after)}
    return all(
        one.contents.read(before, size, at) == other.contents.read(after, size, at)
        for start, length in parts
        for at, size in _chunks(start, length)
    )


def _segments(file: File) -> Segments:
    return ((0, file.entry.size),) if file.entry.segments is None else file.entry.segments


def _chunks(start: int, length: int) -> Iterator[tuple[int, int]]:
    for at in range(start, start + length, _CHUNK):
        yield at, min(_CHUNK, start + length - at)
