"""Lets ordinary users reach the program under test, also where the checkout lies in a directory of its owner's alone.

Root's home is one, and so is what ``mktemp -d`` makes. The checkout stays where it is: in a mount namespace an empty
directory covers the closed one, and in it the checkout and its interpreter are mounted at their own paths. So every
path, and what coverage knows by it, stays true.
"""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def opening_script() -> str:
    """The shell commands that open the way in the mount namespace of the shell; empty where it is open."""
    return "".join(f"{line}\n" for closed in _closed() for line in _open(closed))


def command_as(uid: int, *line: str) -> list[str]:
    """The line by which root runs `line` as an ordinary user without a name, groups and rights."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--", *line]
    if script := opening_script():
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script}exec "$@"', "sh", *become]
    return become


def _needed() -> list[Path]:
    """The checkout, and the directories of the interpreter that are not in it."""
    paths = [ROOT]
    for path in map(Path, (sys.prefix, sys.base_prefix)):
        if not any(path.is_relative_to(known) for known in paths):
            paths.append(path)
    return paths


def _closed() -> list[Path]:
    """The topmost directories on the way to what is needed that others may not pass."""
    ways = ([*reversed(path.parents), path] for path in _needed())
    return list(dict.fromkeys(closed for way in ways if (closed := next(filter(_is_closed, way), None))))


def _is_closed(path: Path) -> bool:
    return not path.stat().st_mode & stat.S_IXOTH


def _open(closed: Path) -> Iterator[str]:
    yield f"cd {shlex.quote(str(closed))}"  # from here on what is below it has relative names alone
    yield f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}"
    for path in _needed():
        if path.is_relative_to(closed):
            for source in sorted(path.iterdir()) if _is_closed(path) else [path]:
                yield from _mount_again(source, closed)
    yield "cd /"


def _mount_again(path: Path, closed: Path) -> Iterator[str]:
    target = shlex.quote(str(path))
    directory = path if path.is_dir() else path.parent
    yield f"(umask 022; mkdir -p {shlex.quote(str(directory))}; [ -e {target} ] || touch {target})"
    # -c: mount(8) else makes the relative name an absolute one, which is below the cover.
    yield f"mount -c --rbind ./{shlex.quote(str(path.relative_to(closed)))} {target}"
