#!/usr/bin/env python3
"""How many messages of each kind the kernel sends to ``direct`` for each workload of the filesystem's benchmarks.

    python3 evaluation/experiments/fuse_messages.py [--only WORDS] [--output FILE]

Needs root. A last workload reads a tree, and has the kernel forget it: whether forgets come in batches. The counts of
the server's process are in memory that it shares with this one.
"""

from __future__ import annotations

import argparse
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slim_runs import ROOT, write

from cntr_core.filesystem import DirectoryTree, MountRequest
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2

sys.path.insert(0, ROOT)

_SLOT = struct.Struct("=Q")
FORGOTTEN = "forget a tree"


class Counts:
    """A number for each opcode, shared with the process that is forked later."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def add(self, opcode: int) -> None:
        """One more of these messages."""
        (count,) = _SLOT.unpack_from(self._memory, opcode * _SLOT.size)
        _SLOT.pack_into(self._memory, opcode * _SLOT.size, count + 1)

    def read(self) -> dict[str, int]:
        """How many there were, by their names; those that were never sent are left out."""
        from cntr_plugins.fs.direct.protocol import Opcode

        found = {opcode.name: int(_SLOT.unpack_from(self._memory, opcode * _SLOT.size)[0]) for opcode in Opcode}
        return {name: count for name, count in found.items() if count}

    def clear(self) -> None:
        """Begin anew."""
        self._memory[:] = bytes(len(self._memory))


@contextmanager
def counted(source: str, place: str, counts: Counts, *, read_only: bool) -> Iterator[None]:
    """The directory `source` at `place`, by a server that counts its messages."""
    from cntr_plugins.fs.direct import loop
    from cntr_plugins.fs.server import served

    class Counting(loop.Requests[Any]):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.handlers = {opcode: _counting(opcode, handler) for opcode, handler in self.handlers.items()}

    def _counting(opcode: int, handler: loop.Handler) -> loop.Handler:
        def call(header: loop.Header, body: memoryview) -> bytes | None:
            counts.add(opcode)
            return handler(header, body)

        return call

    def serve(*arguments: Any) -> None:
        loop.Requests = Counting  # type: ignore[misc]  # in the server's process alone
        loop.serve(*arguments)

    fd = os.open(source, os.O_PATH | os.O_DIRECTORY)
    with served(MountRequest([DirectoryTree(fd)], read_only=read_only), serve) as mount:
        os.close(fd)
        move_mount(mount.fd, "", AT_FDCWD, place)
        try:
            os.statvfs(place)
            yield
        finally:
            umount2(place, MNT_DETACH)


def messages(only: str) -> dict[str, dict[str, int]]:
    """The counts of each workload whose name has `only` in it."""
    from cntr_slimmer.runs.embedded import become_private

    from evaluation.filesystem.disk_suite import DISK
    from evaluation.filesystem.ground import FULL, drop_caches, ground
    from evaluation.filesystem.workloads import COMMON, Place, State

    become_private()
    found: dict[str, dict[str, int]] = {}
    with ground(FULL) as place, tempfile.TemporaryDirectory(dir="/var/tmp") as mount:
        counts = Counts()
        for workload in (one for one in (*COMMON, *DISK) if only in one.name):
            own = os.path.join(place.path, "work", "counted")
            os.mkdir(own)
            workload.made(Place(place.path, "counted", FULL))
            with counted(place.path, mount, counts, read_only=not workload.writes):
                view = Place(mount, "counted", FULL)
                workload.prepare(view)
                if workload.state is State.WARM:
                    workload.run(view)
                counts.clear()
                workload.run(view)
                found[f"{workload.part}: {workload.name}"] = counts.read()
            os.rename(own, f"{own}-{len(found)}")
        with counted(place.path, mount, counts, read_only=True):
            for _ in os.walk(mount):
                pass
            counts.clear()
            drop_caches(place.path)
            os.statvfs(mount)
            found[FORGOTTEN] = counts.read()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    found = messages(arguments.only)
    for name, counts in found.items():
        words = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items(), key=lambda one: -one[1]))
        print(f"{name} ({sum(counts.values())}): {words}")
    write("fuse_messages", arguments.output, {"messages": found})


if __name__ == "__main__":
    main()
