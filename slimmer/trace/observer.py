"""Watching a filesystem: an observer for the server's process, and its records for ours.

The observer writes to a nameless file as it goes, and a last record when it ends, which tells how many there are: a
trace that is cut off is noticed. A page of shared memory carries the phase one way and a count of accesses the other.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Self

from cntr_core.errors import SessionError
from cntr_core.filesystem import AccessEvent, Observer

from .record import Access, Phase, Process

_ACCESS = struct.Struct("<BHBIdI")  # phase, errno, length of the operation, process, time, length of the path
_PROCESS = struct.Struct("<BIH")
_END = struct.Struct("<BQ")
_A_PROCESS, _THE_END = 0xFE, 0xFF  # stand where an access has its phase
_COUNT = struct.Struct("<Q")
_PHASE_AT = _COUNT.size
_BUFFER = 1 << 16


class TraceObserver(Observer):
    """The observer of one run. Make it before the mount; read it by :meth:`records` when the mount is gone."""

    def __init__(self) -> None:
        self._file = os.memfd_create("cntr-trace", os.MFD_CLOEXEC)
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._start = time.monotonic()
        self._seen: set[tuple[bytes, str, int]] = set()
        self._processes: dict[Process, int] = {}
        self._buffer = bytearray()
        self._count = 0

    # In our process

    def enter(self, phase: Phase) -> None:
        """From now on accesses belong to `phase`. Time counts from START."""
        self._shared[_PHASE_AT] = phase

    def activity(self) -> int:
        """How many first accesses there were so far."""
        return int(_COUNT.unpack_from(self._shared)[0])

    def records(self) -> tuple[tuple[Access, ...], tuple[Process, ...]]:
        """What was seen.

        :raises SessionError: the server died before it had written all.
        """
        data = memoryview(os.pread(self._file, os.fstat(self._file).st_size, 0))
        accesses, processes, complete = _parse(data)
        if complete != len(accesses):
            raise SessionError(
                "the filesystem server died, so the trace is incomplete",
                "run again with --debug",
            )
        start = next((access.time for access in accesses if access.phase >= Phase.START), 0.0)
        return tuple(access._replace(time=round(access.time - start, 6)) for access in accesses), tuple(processes)

    def release(self) -> None:
        """Give up the file and the memory."""
        if self._file >= 0:
            os.close(self._file)
            self._shared.close()
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # In the server's process

    def descriptors(self) -> Collection[int]:
        return (self._file,)

    def saw(self, event: AccessEvent) -> None:
        key = (event.path, event.operation, event.errno)
        if key in self._seen:
            return
        self._seen.add(key)
        self._count += 1  # first: should what follows fail, the end tells that one is missing
        process = self._process(event.pid)
        operation = event.operation.encode()
        self._buffer += _ACCESS.pack(
            self._shared[_PHASE_AT],
            event.errno,
            len(operation),
            process,
            time.monotonic() - self._start,
            len(event.path),
        )
        self._buffer += operation + event.path
        _COUNT.pack_into(self._shared, 0, self._count)
        if len(self._buffer) > _BUFFER:
            self._flush()

    def close(self) -> None:
        self._buffer += _END.pack(_THE_END, self._count)
        self._flush()

    def _process(self, pid: int) -> int:
        """The index of whoever asks. It waits for our answer, so its link can be read; a program that it executes
        makes another process of it."""
        exe = _program(pid)
        process = Process(pid, exe)
        index = self._processes.get(process)
        if index is None:
            index = self._processes[process] = len(self._processes)
            self._buffer += _PROCESS.pack(_A_PROCESS, pid, len(exe)) + exe
        return index

    def _flush(self) -> None:
        while self._buffer:
            del self._buffer[: os.write(self._file, self._buffer)]


def _program(pid: int) -> bytes:
    """The path of what a process executes; its name, as ps(1) shows threads of the kernel, where that has no path, as
    the runtime's own first process: it runs from a mount that is attached nowhere."""
    exe = b""
    with suppress(OSError):  # it was killed meanwhile, or is the kernel itself
        exe = os.readlink(b"/proc/%d/exe" % pid)
        if exe == b"/":
            with open(f"/proc/{pid}/comm", "rb") as comm:
                exe = b"[%s]" % comm.read().rstrip(b"\n")
    return exe


def _parse(data: memoryview) -> tuple[list[Access], list[Process], int]:
    """Accesses, processes, and how many accesses the end says there are; -1 where no end is."""
    accesses: list[Access] = []
    processes: list[Process] = []
    at = 0
    while at < len(data):
        if data[at] == _THE_END:
            return accesses, processes, int(_END.unpack_from(data, at)[1])
        if data[at] == _A_PROCESS:
            _, pid, length = _PROCESS.unpack_from(data, at)
            at += _PROCESS.size
            processes.append(Process(pid, bytes(data[at : at + length])))
            at += length
        else:
            access, at = _access(data, at)
            accesses.append(access)
    return accesses, processes, -1


def _access(data: memoryview, at: int) -> tuple[Access, int]:
    """The access that begins at `at`, and where it ends."""
    phase, errno, length, process, when, path_length = _ACCESS.unpack_from(data, at)
    at += _ACCESS.size
    end = at + length + path_length
    operation, path = str(data[at : at + length], "ascii"), bytes(data[at + length : end])
    return Access(path, operation, errno, process, when, Phase(phase)), end
