"""``python -m evaluation pages``: how much of an image is really read, by pages: no slim image can have less.

The image runs on cntr's own filesystem, which serves each read itself. With the kernel's read-ahead off
(``read_ahead_kb`` of the mount's bdi, sysfs-class-bdi in the kernel's ABI) it is asked for the pages that a program
reads or faults in, and for no others. The filesystem is new for each container, so its pages are in no cache before.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cntr_slimmer.runs.embedded import become_private

from cntr_core.filesystem import Filesystem, MountRequest, ServedMount
from cntr_core.images import Image, open_image
from cntr_core.images.tar.members import Kind
from cntr_core.images.tree.branch import LayerBranch
from cntr_core.images.tree.contents import Contents
from cntr_core.images.tree.layers import OpenLayers, open_layers
from cntr_core.images.tree.tree import File
from cntr_core.plugins import load
from cntr_core.types import Missing

from .lines import read_lines, write_lines
from .machine import machine
from .manifest import Entry
from .results import Machine
from .trial import driving, used

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Touched:
    """Of an image, in bytes: `all` its files' contents; of the files that were read in part, `whole` is all that they
    hold, and `pages` what was read of them. `read` is how many files these are."""

    all: int
    whole: int
    pages: int
    read: int


class Pages:
    """The pages of the files of an image, and which of them were read. The note is in memory that is shared with the
    process that serves, which is forked."""

    def __init__(self, layers: OpenLayers) -> None:
        self._files = {file.ino: file for file in _regular(layers)}
        self._first: dict[int, int] = {}
        count = 0
        for file in self._files.values():
            self._first[file.ino] = count
            count += _pages(file)
        self._seen = mmap.mmap(-1, max(count, 1))
        self._layers = layers

    def branch(self) -> LayerBranch:
        """The image's tree, whose reads are noted."""
        return LayerBranch(self._layers.tree, _Noted(self._layers, self._note))

    def _note(self, file: File, size: int, offset: int) -> None:
        last = min(offset + size, file.entry.size)
        if offset < last:
            first, end = offset // PAGE, (last - 1) // PAGE + 1
            start = self._first[file.ino]
            self._seen[start + first : start + end] = b"\1" * (end - first)

    def read(self) -> Mapping[File, Sequence[int]]:
        """The files of which something was read, with the numbers of those pages."""
        found = {file: self._of(file) for file in self._files.values()}
        return {file: pages for file, pages in found.items() if pages}

    def _of(self, file: File) -> list[int]:
        start = self._first[file.ino]
        return [page for page in range(_pages(file)) if self._seen[start + page]]

    def touched(self) -> Touched:
        """The sums over all files."""
        read = self.read()
        return Touched(
            all=sum(file.entry.size for file in self._files.values()),
            whole=sum(file.entry.size for file in read),
            pages=sum(min(PAGE, file.entry.size - PAGE * page) for file, pages in read.items() for page in pages),
            read=len(read),
        )


class _Noted(Contents):
    """Contents whose reads are told to somebody."""

    def __init__(self, layers: OpenLayers, note: Callable[[File, int, int], None]) -> None:
        super().__init__(layers.tars)
        self._note = note

    def read(self, file: File, size: int, offset: int) -> bytes:
        self._note(file, size, offset)
        return super().read(file, size, offset)


class NothingAhead(Filesystem):
    """A backend for whose mounts the kernel reads nothing ahead."""

    name = "nothing-ahead"

    def __init__(self, backend: Filesystem) -> None:
        self._backend = backend

    def missing(self) -> Sequence[Missing]:
        return self._backend.missing()

    @contextmanager
    def mount(self, request: MountRequest) -> Iterator[ServedMount]:
        """As the backend's."""
        with self._backend.mount(request) as served:
            device = os.fstat(served.fd).st_dev
            with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb", "w") as file:
                file.write("0")
            yield served


def _regular(layers: OpenLayers) -> Iterator[File]:
    """The regular files of an image, each once."""
    seen = set()
    for name in layers.tree.walk():
        if name.file.entry.kind is Kind.FILE and name.file.entry.size and name.file.ino not in seen:
            seen.add(name.file.ino)
            yield name.file


def _pages(file: File) -> int:
    return -(-file.entry.size // PAGE)


Work = Callable[[Image, Filesystem, Pages], None]
"""Runs the image by the backend, on branches that the pages make."""


def measure(layout: str, work: Work) -> Touched:
    """What `work` reads of the image in `layout`. For a process of its own: it leaves the caller's mount namespace.

    :raises CntrError: the image cannot be read or started.
    """
    filesystem = NothingAhead(load().filesystem("direct"))
    become_private()
    with open_image(layout) as image, open_layers(image) as layers:
        pages = Pages(layers)
        work(image, filesystem, pages)
        return pages.touched()


@dataclass(frozen=True, slots=True)
class Bound:
    """What workloads read of an image, where that was measured, and how many of their steps failed."""

    name: str
    origin: str
    workloads: tuple[str, ...]
    failed: int
    touched: Touched
    machine: Machine


def bound(entry: Entry, layout: str, scripts: str, workloads: tuple[str, ...]) -> Bound:
    """What these workloads read of the image in `layout`; as :func:`measure`."""
    failed = []

    def work(image: Image, filesystem: Filesystem, pages: Pages) -> None:
        steps = used(entry, image, pages.branch, filesystem, scripts, [driving(entry, workloads)])
        failed.extend(step for step in steps if not step.ok)

    touched = measure(layout, work)
    return Bound(entry.name, entry.origin, workloads, len(failed), touched, machine())


def read_bounds(path: str) -> dict[str, Bound]:
    """The bounds in a file, a line of JSON for each, by their images' names; none where there is no file."""
    return {found.name: found for found in read_lines(path, Bound)}


def write_bounds(path: str, bounds: Iterable[Bound]) -> None:
    """Write them, in the order of their names."""
    write_lines(path, sorted(bounds, key=lambda one: one.name))
