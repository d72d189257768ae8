"""A trace as a file: JSON lines, compressed with zstd where the name ends in ``.zst`` (docs/reference/trace-format.md).

A file is complete or an error: its last line says how many accesses there are.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import zstandard

from cntr_core.errors import ImageError
from cntr_core.images.write.atomic import replacing
from cntr_core.json_text import read_json
from cntr_core.reasons import reason

from .record import Access, AccessTrace, Phase, Process

FORMAT = "cntr-trace/1"
_LARGEST = 1 << 27
"""Bytes of a trace, decompressed: a million accesses, which take a gigabyte of memory. Large ones have 100,000."""
_MAGIC = b"\x28\xb5\x2f\xfd"


def dump(trace: AccessTrace) -> bytes:
    """The file's content, plain. Equal traces give equal bytes."""
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in _lines(trace)).encode()


def _lines(trace: AccessTrace) -> Iterator[Any]:
    yield {
        "format": FORMAT,
        "image": trace.image,
        "platform": trace.platform,
        "runs": [dict(run) for run in trace.runs],
    }
    for process in trace.processes:
        yield ["process", process.pid, os.fsdecode(process.exe)]
    for access in trace.accesses:
        path = os.fsdecode(access.path)
        phase = access.phase.name.lower()
        yield ["access", path, access.operation, access.errno, access.process, access.time, phase]
    yield ["end", len(trace.accesses)]


def load(data: bytes, what: str) -> AccessTrace:
    """Read the content of a file, which is called `what` in errors.

    :raises ImageError: it is no trace, is cut off, or of another version.
    """
    try:
        if data.startswith(_MAGIC):
            with zstandard.ZstdDecompressor().stream_reader(data) as stream:
                data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        header, *lines = map(_parsed, itertools.count(1), data.decode().splitlines())
        if header["format"] != FORMAT:
            raise ImageError(f"{what} is a trace of the unknown format {header['format']!r}", "use a newer cntr")
        return _trace(header, lines)
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ImageError(
            f"{what} is not a trace, or is damaged: {reason(error)}", "make one with cntr trace run"
        ) from error


def _parsed(number: int, line: str) -> Any:
    try:
        return read_json(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"unexpected text at line {number}, column {error.colno}") from None


def _trace(header: Any, lines: list[Any]) -> AccessTrace:
    records = list(map(_record, itertools.count(2), lines))
    processes = [record for record in records if isinstance(record, Process)]
    accesses = [record for record in records if isinstance(record, Access)]
    if not lines or lines[-1] != ["end", len(accesses)]:
        raise ValueError("its end is missing")
    if any(not 0 <= access.process < len(processes) for access in accesses):
        raise ValueError("an access belongs to no process")
    return AccessTrace(header["image"], header["platform"], tuple(accesses), tuple(processes), tuple(header["runs"]))


def _record(number: int, line: Any) -> Process | Access | None:
    try:
        if line[0] == "process":
            return Process(int(line[1]), os.fsencode(line[2]))
        return _access(line) if line[0] == "access" else None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"line {number} has another form than it should") from error


def _access(line: Any) -> Access:
    _, path, operation, number, process, seconds, phase = line
    return Access(os.fsencode(path), operation, int(number), int(process), float(seconds), Phase[phase.upper()])


def read(path: str) -> AccessTrace:
    """The trace in the file at `path`.

    :raises ImageError: as :func:`load`, or the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return load(file.read(_LARGEST + 1), path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", "make a trace with cntr trace run") from error


def write(trace: AccessTrace, path: str) -> None:
    """Write the file, complete or not at all.

    :raises ImageError: it cannot be written.
    """
    data = dump(trace)
    with replacing(path) as file:
        file.write(zstandard.compress(data) if path.endswith(".zst") else data)
