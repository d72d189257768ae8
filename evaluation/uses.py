"""What each step of the workloads uses of an original image: what a slim image must have where the step passes.

The steps run one after the other, as in :mod:`.trial`, on a filesystem that caches for a second only and is told of
every file that is opened, so that each step is seen to open what another had opened before.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cntr_slimmer.report.text import shown
from cntr_slimmer.runs.embedded import become_private

from cntr_core.filesystem import AccessEvent, Filesystem, MountRequest, Observer, ServedMount
from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.plugins import load
from cntr_core.types import Missing

from .manifest import Entry
from .trial import Run, runs_of, used

_NEEDED = ("open", "read", "readlink")


@dataclass(frozen=True, slots=True)
class Use:
    """What one step used: `run` and `step` name it as in a result, `ok` says whether the original passed it. `opened`
    are the files that were opened or followed, `seen` those whose attributes were asked for, if not more. What the
    first step of a container used is what its start used, too: `starts` says that it is that one."""

    run: str
    step: str
    ok: bool
    starts: bool
    opened: tuple[str, ...]
    seen: tuple[str, ...]


class StepObserver(Observer):
    """Notes each access with the number of the step that runs. Made before the mount, read when it is gone."""

    def __init__(self) -> None:
        self._file = os.memfd_create("cntr-uses", os.MFD_CLOEXEC)
        self._step = mmap.mmap(-1, mmap.PAGESIZE)
        self._noted: dict[tuple[int, str, bytes], None] = {}

    def step_is(self, number: int) -> None:
        """From now on accesses belong to step `number`, of at most 256."""
        self._step[0] = number

    def used(self) -> Mapping[tuple[int, bytes], frozenset[str]]:
        """What was done to each path, by steps; what did not exist is not there."""
        found: dict[tuple[int, bytes], set[str]] = {}
        for line in os.pread(self._file, os.fstat(self._file).st_size, 0).split(b"\0")[:-1]:
            number, operation, path = line.split(b" ", 2)
            found.setdefault((int(number), path), set()).add(operation.decode())
        return {place: frozenset(operations) for place, operations in found.items()}

    def release(self) -> None:
        """Give up the file and the memory."""
        os.close(self._file)
        self._step.close()

    # In the server's process

    def descriptors(self) -> Collection[int]:
        return (self._file,)

    def saw(self, event: AccessEvent) -> None:
        if not event.errno:
            self._noted[self._step[0], event.operation, event.path] = None

    def close(self) -> None:
        lines = (b"%d %s %s\0" % (number, operation.encode(), path) for number, operation, path in self._noted)
        with open(self._file, "wb", closefd=False) as file:
            file.writelines(lines)


class Watching(Filesystem):
    """A backend whose mounts tell `observer` of every opening."""

    name = "watching"

    def __init__(self, backend: Filesystem, observer: Observer) -> None:
        self._backend = backend
        self._observer = observer

    def missing(self) -> Sequence[Missing]:
        return self._backend.missing()

    @contextmanager
    def mount(self, request: MountRequest) -> Iterator[ServedMount]:
        """As the backend's. What is said to change is opened before our eyes."""
        with self._backend.mount(replace(request, immutable=False, observer=self._observer)) as served:
            yield served


def uses(entry: Entry, layout: str, scripts: str) -> Iterator[Use]:
    """What each step uses of the image in `layout`. For a process of its own: it leaves the caller's mount namespace.

    :raises CntrError: the image cannot be read.
    """
    backend = load().filesystem("direct")
    become_private()
    with open_image(layout) as image, open_layers(image) as layers:
        for run in runs_of(entry):
            observer = StepObserver()
            steps = []
            for step in used(entry, image, layers.branch, Watching(backend, observer), scripts, [run]):
                steps.append(step)
                observer.step_is(len(steps))
            yield from _told(run, [step.ok for step in steps], observer.used())
            observer.release()


def _told(run: Run, passed: Sequence[bool], found: Mapping[tuple[int, bytes], frozenset[str]]) -> Iterator[Use]:
    for number, ((which, step), ok) in enumerate(zip(run.steps, passed, strict=True)):
        of_step = {path: operations for (one, path), operations in found.items() if one == number}
        opened = {path for path, operations in of_step.items() if operations.intersection(_NEEDED)}
        words = [tuple(sorted(map(shown, paths))) for paths in (opened, of_step.keys() - opened)]
        yield Use(which, step, ok, number == 0, *words)
