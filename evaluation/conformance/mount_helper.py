"""mount(8)'s helper for the type ``fuse.cntr``, as xfstests.py installs it: mounts TREE of BACKEND on a place.

    mount_helper.py BACKEND TREE DIRECTORY SOURCE PLACE [-o OPTIONS]

The files are those of DIRECTORY/SOURCE (a union has another, empty directory below). With ``native`` as BACKEND,
SOURCE is a device, and mounted as ext4. A server stays in the background until the mount is gone.
"""

from __future__ import annotations

import itertools
import os
import select
import sys
from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path

from cntr_core import DirectoryTree, Filesystem, MountRequest
from cntr_core.kernel.mounts import AT_FDCWD, DetachedMount, mount_setattr, move_mount

_FLAGS = {
    "ro": 0x1,
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "noatime": 0x10,
    "strictatime": 0x20,
    "nodiratime": 0x80,
}
_TIMES = 0x10 | 0x20 | 0x80
_ALL_TIMES = 0x70 | 0x80  # MOUNT_ATTR__ATIME, MOUNT_ATTR_NODIRATIME
_DEFAULT = {"defaults", "rw", "suid", "dev", "exec", "relatime", "atime", "diratime", "async"}
_REFUSED = 32  # mount(8): the mount failed


def main(backend: str, tree: str, directory: str, source: str, place: str, *rest: str) -> int:
    options = {name for given in _options(rest) for name in given.split(",")}
    if backend == "native":
        os.execv("/bin/mount", ["mount", "-i", "-t", "ext4", "-o", ",".join(options) or "defaults", source, place])
    if "remount" in options:
        os.execv("/bin/mount", ["mount", "-i", "-o", ",".join(options), place])
    if unknown := options - _DEFAULT - set(_FLAGS):
        print(f"options unknown to this helper: {', '.join(sorted(unknown))}", file=sys.stderr)
        return _REFUSED
    attributes = sum(_FLAGS[name] for name in options if name in _FLAGS)
    ready, done = os.pipe()
    if os.fork():
        os.close(done)
        return 0 if os.read(ready, 1) else _REFUSED
    _serve(filesystem(backend), tree, Path(directory, source), (source, place, attributes), done)
    return 0


def _options(rest: tuple[str, ...]) -> list[str]:
    return [value for flag, value in itertools.pairwise(rest) if flag == "-o"]


def filesystem(name: str) -> Filesystem:
    """A backend of this installation."""
    (entry,) = entry_points(group="cntr", name=name)
    backend = entry.load().cntr_register_filesystem()
    assert isinstance(backend, Filesystem)
    return backend


def _serve(backend: Filesystem, tree: str, files: Path, mount: tuple[str, str, int], done: int) -> None:
    """Mount, say so by a byte to `done`, and wait for the end of the mount."""
    source, place, attributes = mount
    os.setsid()
    _silence()
    with ExitStack() as stack:
        branches = [_branch(stack, files / name, attributes & _TIMES) for name in layers(tree)]
        served = stack.enter_context(backend.mount(MountRequest(branches, read_only=False, source=source)))
        mount_setattr(served.fd, "", set=attributes, clear=_ALL_TIMES if attributes & _TIMES else 0)
        move_mount(served.fd, "", AT_FDCWD, place)
        os.write(done, b"y")
        os.close(done)
        server = served.server
        assert server is not None
        os.close(served.fd)  # else the mount would not end with its last place
        select.select([server], [], [])
        os._exit(0)


def layers(tree: str) -> list[str]:
    """The directories of a tree, the topmost first."""
    return ["top", "lower"] if tree == "union" else ["top"]


def _silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def _branch(stack: ExitStack, directory: Path, times: int) -> DirectoryTree:
    """The directory, whose files' times of access follow the mount's options: FUSE leaves these to the server."""
    directory.mkdir(parents=True, exist_ok=True)
    copy = stack.enter_context(DetachedMount.clone(AT_FDCWD, str(directory)))
    if times:
        copy.set_attributes(set=times, clear=_ALL_TIMES)
    return DirectoryTree(copy.fd)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
