"""Sums over the files: by directory, by package, by layer; and the largest of what went."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cntr_core.images import Image, ImageConfig
from cntr_core.images.tar.index import Entry, LayerIndex
from cntr_core.images.tar.members import Kind, split_path
from cntr_core.images.write.new_image import Named
from cntr_core.json_text import read_json

from ..pipeline import Slimmed
from ..rules.package import PackageDatabase
from ..selection import Selection
from ..split.members import is_whiteout
from . import schema
from .text import path_of, words

_DEPTH = 2
"""How deep below the root directories are told of: their files tell the rest."""

_MOST = 50
"""Of what went, how much is listed."""


@dataclass(slots=True)
class _Sum:
    """A :class:`schema.Share` that grows."""

    files: int = 0
    kept_files: int = 0
    bytes: int = 0
    kept_bytes: int = 0

    def add(self, size: int, kept: int | None) -> None:
        """A file, of which so many bytes are kept; None where it is not."""
        self.files += 1
        self.bytes += size
        if kept is not None:
            self.kept_files += 1
            self.kept_bytes += kept

    def add_file(self, file: schema.File) -> None:
        self.add(file.bytes, file.slim_bytes if file.kept else None)

    def numbers(self) -> dict[str, int]:
        return {field: getattr(self, field) for field in self.__slots__}


Directories = Mapping[str, schema.Directory]


def by_directory(files: Iterable[schema.File]) -> Directories:
    """Every directory that has files, by its path; the root is ``/``."""
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for file in files:
        if file.counts:
            for above in _above(file.path):
                sums[above].add_file(file)
    sums["/"]  # even of an empty image
    return {path: schema.Directory(path=path, **sums[path].numbers()) for path in sorted(sums)}


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = posixpath.dirname(path)
        yield path


def top(directories: Directories) -> tuple[schema.Directory, ...]:
    """The root, and the directories of the first levels."""
    return tuple(each for path, each in directories.items() if path.rstrip("/").count("/") <= _DEPTH)


def gone_directories(directories: Directories) -> tuple[schema.Directory, ...]:
    """The directories of which nothing is left but themselves, the largest first, without what is below them."""
    gone = [
        each
        for path, each in directories.items()
        if path != "/" and not each.kept_files and directories[posixpath.dirname(path)].kept_files
    ]
    return tuple(sorted(gone, key=lambda each: -each.bytes)[:_MOST])


def largest_gone(files: Iterable[schema.File]) -> tuple[schema.File, ...]:
    """The files that went, the largest first."""
    gone = [file for file in files if not file.kept and file.bytes]
    return tuple(sorted(gone, key=lambda file: -file.bytes)[:_MOST])


def largest_kept(files: Iterable[schema.File]) -> str:
    """The path of the largest file that is kept, of those whose path looks the same everywhere; empty without any."""
    kept = (file for file in files if file.kept and file.counts and "\\" not in file.path)
    found = max(kept, key=lambda file: file.bytes, default=None)
    return found.path if found else ""


def by_package(files: Iterable[schema.File], packages: PackageDatabase) -> tuple[schema.Package, ...]:
    """Every installed package, also one without files; by name."""
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for file in files:
        if file.counts and file.package:
            sums[file.package].add_file(file)
    known = {words(packages.name_of(package)): package for package in packages}
    return tuple(
        schema.Package(
            name=name,
            version=words(package.version),
            architecture=words(package.architecture),
            manager=package.manager,
            **sums[name].numbers(),
        )
        for name, package in sorted(known.items())
    )


def by_rule(files: Iterable[schema.File], selection: Selection) -> tuple[schema.RuleShare, ...]:
    """What each rule keeps, and leaves out; by name."""
    kept: defaultdict[str, _Sum] = defaultdict(_Sum)
    left_out: defaultdict[str, _Sum] = defaultdict(_Sum)
    for file in files:
        if file.counts and file.kept:
            kept[file.rule].add(file.slim_bytes, file.slim_bytes)
        elif file.counts and (reason := selection.left_out.get(path_of(file.path))):
            left_out[reason.rule].add(file.bytes, None)
    return tuple(
        schema.RuleShare(
            name=name,
            profile=selection.profiles.get(name, ""),
            files=kept[name].files,
            bytes=kept[name].bytes,
            limit=selection.limits.get(name),
            left_out_files=left_out[name].files,
            left_out_bytes=left_out[name].bytes,
        )
        for name in sorted({*kept, *left_out, *selection.limits})
    )


def by_layer(result: Slimmed, image: Image, halves: Sequence[Named]) -> tuple[schema.Layer, ...]:
    """The original's layers, the lowest first."""
    packed = [half.layers for _, half in halves] or [(), ()]
    pair = result.pair
    slim = [*[None] * (len(image.layers) - 1), 0] if pair.split_map.squashed else range(len(image.layers))
    commands = _commands(image.config, len(image.layers))
    lists = _lists(result)
    return tuple(
        schema.Layer(
            diff_id=pair.split_map.layers[number].diff_id,
            created_by=commands[number],
            tar=result.layers.tars[number].size,
            slim_tar=0 if ours is None else pair.slim.layers[ours].size,
            fat_tar=pair.fat.layers[number].size,
            compressed=image.layers[number].size,
            slim_compressed=None if ours is None or not packed[0] else packed[0][ours].descriptor.size,
            fat_compressed=packed[1][number].descriptor.size if packed[1] else None,
            **_held(index, pair.members[number], lists[number]).numbers(),
        )
        for number, (index, ours) in enumerate(zip(result.layers.indexes, slim, strict=True))
    )


def _lists(result: Slimmed) -> Mapping[int, Mapping[int, int]]:
    """For each layer the members of shortened lists, with the bytes that are left of each."""
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for path, text in result.pair.lists.items():
        file = result.layers.tree.resolve(path, follow=False).file
        found[file.layer][file.number] = len(text)
    return found


def _held(index: LayerIndex, kept: frozenset[int], lists: Mapping[int, int]) -> _Sum:
    held = _Sum()
    for number, entry in enumerate(index.entries):
        if _counts(entry):
            size = entry.size if entry.kind is Kind.FILE else 0
            held.add(size, size if number in kept else lists.get(number))
    return held


def _counts(entry: Entry) -> bool:
    return entry.kind not in (Kind.DIRECTORY, Kind.HARD_LINK) and not is_whiteout(split_path(entry.path))


def _commands(config: ImageConfig, layers: int) -> list[str]:
    """What made each layer, as the image's history tells; nothing where it does not fit the layers."""
    history = read_json(config.raw).get("history") if config.raw else None
    entries = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    told = [words(str(entry.get("created_by") or "")) for entry in entries if not entry.get("empty_layer")]
    return told if len(told) == layers else [""] * layers
