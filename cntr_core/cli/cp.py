"""``cntr cp``."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import ContainerNotFound, UsageError
from ..types import ContainerRef
from . import end_by_signals, output
from .completion import complete_container

if TYPE_CHECKING:
    from ..copying import Summary
    from ..types import ContainerProcess
    from .answers import Copied

_MOST_SHOWN = 10
"""Notes about files that were left out."""
_EACH = 0.2
"""Seconds between two lines of progress."""

From = Annotated[
    str,
    typer.Argument(
        metavar="CONTAINER:PATH|PATH|-",
        autocompletion=complete_container,
        help="Copy this: a path of the container's or of yours; - is a tar on stdin.",
        show_default=False,
    ),
]
To = Annotated[
    str,
    typer.Argument(
        metavar="PATH|-|CONTAINER:PATH",
        autocompletion=complete_container,
        help="Copy it there; - is a tar on stdout.",
        show_default=False,
    ),
]
Archive = Annotated[
    bool,
    typer.Option(
        "--archive",
        "-a",
        help="Keep owners, by their numbers; default: the container's root, or you.",
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow-link", "-L", help="Copy what a link as source leads to, and not the link.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor what was copied.")]


class Side(NamedTuple):
    """A word of the command: a container's path, or the caller's where `container` is None."""

    container: str | None
    path: str

    @classmethod
    def of(cls, word: str) -> Side:
        """As docker reads it: what begins with a slash or a dot is the caller's."""
        scheme, separator, rest = word.partition("://")
        before, colon, path = (rest if separator else word).partition(":")
        if word.startswith(("/", ".")) or not colon or not before:
            return cls(None, word)
        return cls(f"{scheme}://{before}" if separator else before, path)

    def longer(self) -> Iterator[Side]:
        """The other readings: a container's name may have colons."""
        assert self.container is not None
        parts = self.path.split(":")
        for count in range(1, len(parts)):
            yield Side(":".join([self.container, *parts[:count]]), ":".join(parts[count:]))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cp")(copy)


def copy(
    source: From,
    destination: To,
    archive: Archive = False,
    follow_link: Follow = False,
    quiet: Quiet = False,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Copy files between a running container and this machine, as docker cp does, for all engines.

    Paths count from the container's root, its volumes and mounts included; nothing runs in the container. A source
    that ends in [bold]/.[/] is the content of the directory. Exit codes: 0, or 125 for errors.
    """
    from ..copying import CopyOptions

    origin, target = _sides(source, destination, json)
    end_by_signals()
    options = CopyOptions(archive, follow_link)
    with _progress(quiet or json) as progress:
        summary = _copied(origin, target, options, progress)
    if json:
        output.print_json(_fields(summary, source, destination))
        return 0
    for line in _notes(summary):
        output.say(line)
    if not quiet and target.path != "-":
        output.say(f"copied {_counted(summary)} to {destination}")
    return 0


def _sides(source: str, destination: str, json: bool) -> tuple[Side, Side]:
    origin, target = Side.of(source), Side.of(destination)
    if origin.container is None and target.container is None:
        raise UsageError("neither path is a container's", "write CONTAINER:PATH for one of them")
    if origin.container is not None and target.container is not None:
        raise UsageError("both paths are containers'", f"use a pipe: cntr cp {source} - | cntr cp - {destination}")
    if destination == "-" and (json or sys.stdout.isatty()):
        raise UsageError("a tar cannot be written there", "redirect stdout, and leave --json out")
    if source == "-" and sys.stdin.isatty():
        raise UsageError("stdin is a terminal, and no tar", "redirect it, as in: tar c . | cntr cp - CONTAINER:PATH")
    return origin, target


def _copied(origin: Side, target: Side, options: object, progress: _Progress) -> Summary:
    from .. import copying

    assert isinstance(options, copying.CopyOptions)
    if origin.container is not None:
        process, path = _resolve(origin)
        there = None if target.path == "-" else os.fsencode(target.path)
        return copying.copy_out(process, path, there, options, progress.see)
    process, path = _resolve(target)
    here = None if origin.path == "-" else os.fsencode(origin.path)
    return copying.copy_in(process, here, path, options, progress.see)


def _resolve(side: Side) -> tuple[ContainerProcess, bytes]:
    """The process of the container, and the path in it."""
    try:
        return _process(side)
    except ContainerNotFound as error:
        for other in side.longer():
            with contextlib.suppress(ContainerNotFound):
                return _process(other)
        raise error from None


def _process(side: Side) -> tuple[ContainerProcess, bytes]:
    from ..engine import find, running_process
    from ..plugins import load

    assert side.container is not None
    ref = ContainerRef.parse(side.container)
    found = find(ref, load().engines_for(ref.engine), meanwhile=_import_copying)
    return running_process(found, paused=True), os.fsencode(side.path)


def _import_copying() -> None:
    """What comes next needs this, and the engines take their time anyway."""
    from .. import copying  # noqa: F401 - for sys.modules


class _Progress:
    """One line on a terminal, which is written again and again."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._next = time.monotonic() + _EACH
        self._width = 0
        self.summary: Summary | None = None

    def see(self, summary: Summary) -> None:
        self.summary = summary
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EACH
            self._write(f"cntr: {_counted(summary)}")

    def _write(self, line: str) -> None:
        sys.stderr.write(f"\r{line.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        if self._width:
            self._write("")
            sys.stderr.write("\r")


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[_Progress]:
    """:raises BaseException: what ended the copy; of a signal is told what is left of it."""
    progress = _Progress(shown=not quiet and sys.stderr.isatty())
    try:
        yield progress
    except (KeyboardInterrupt, SystemExit):
        progress.clear()
        _tell_interrupted(progress.summary)
        raise
    finally:
        progress.clear()


def _tell_interrupted(summary: Summary | None) -> None:
    from ..images.tar.members import quoted

    if summary is None:
        output.say("interrupted before anything was copied")
        return
    partial = f"; what was written of {quoted(summary.current)} is removed" if summary.current else ""
    output.say(f"interrupted after {_counted(summary)}{partial}")


def _counted(summary: Summary) -> str:
    files = summary.files + summary.others
    return f"{files} file{'s' if files != 1 else ''} ({_size(summary.size)})"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count} B"
        count /= 1000
    return f"{count:.3g} TB"


def _notes(summary: Summary) -> Iterator[str]:
    from ..images.tar.members import quoted

    for path, why in summary.left_out[:_MOST_SHOWN]:
        yield f"left out {quoted(path)}: {why}"
    if summary.left_out_count > _MOST_SHOWN:
        yield f"left out {summary.left_out_count - _MOST_SHOWN} more; see --json"


def _fields(summary: Summary, source: str, destination: str) -> Copied:
    return {
        "source": source,
        "destination": destination,
        "files": summary.files,
        "directories": summary.directories,
        "others": summary.others,
        "bytes": summary.size,
        "left_out": [{"path": os.fsdecode(path), "why": why} for path, why in summary.left_out],
        "left_out_count": summary.left_out_count,
    }
