"""The ways to reach the same files: natively, by each backend, and by a peer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from cntr_core.filesystem import DirectoryTree, Filesystem, MountRequest
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2
from cntr_core.plugins import load

NATIVE = "native"
DEFAULT = "default, read-only"
PEER = "passthrough_hp"
_PATIENCE = 10.0  # seconds that a peer may take to mount

Mounter = Callable[[str, str], AbstractContextManager[None]]
"""Shows the directory named first at the empty directory named second, for as long as the block lasts."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way; `writable` where it can be written to."""

    name: str
    writable: bool
    mount: Mounter


@contextmanager
def mounted(way: Way, source: str, place: str) -> Iterator[str]:
    """The path at which `source` is reached: itself, natively."""
    if way.name == NATIVE:
        yield source
        return
    os.makedirs(place, exist_ok=True)
    with way.mount(source, place):
        os.statvfs(place)  # whoever serves has started then, and has told the kernel nothing that it keeps
        yield place


def by(backend: Filesystem, *, read_only: bool) -> Mounter:
    """A mounter of one of our backends, as attach asks for it."""

    @contextmanager
    def mount(source: str, place: str) -> Iterator[None]:
        fd = os.open(source, os.O_PATH | os.O_DIRECTORY)
        try:
            request = MountRequest([DirectoryTree(fd)], read_only=read_only)
            with backend.mount(request) as served:
                move_mount(served.fd, "", AT_FDCWD, place)
                try:
                    yield
                finally:
                    umount2(place, MNT_DETACH)
        finally:
            os.close(fd)

    return mount


def peer(program: str) -> Mounter:
    """A mounter of libfuse's example passthrough_hp."""

    @contextmanager
    def mount(source: str, place: str) -> Iterator[None]:
        before = os.stat(place).st_dev
        server = subprocess.Popen([program, "--foreground", source, place], stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + _PATIENCE
            while os.stat(place).st_dev == before:
                if server.poll() is not None or time.monotonic() > end:
                    raise OSError(f"{program} does not mount")
                time.sleep(0.01)
            yield
        finally:
            umount2(place, MNT_DETACH)
            if server.wait(_PATIENCE):
                raise OSError(f"{program} failed")

    return mount


def ways(peer_program: str | None = None) -> list[Way]:
    """All of this machine, the native one first."""
    plugins = load()
    found = [Way(NATIVE, True, _nothing)]
    for name, read_only in [
        ("kernel", True),
        ("direct", True),
        ("pyfuse3", True),
        ("direct", False),
        ("pyfuse3", False),
    ]:
        backend = plugins.filesystem(name)
        if not backend.missing():
            words = "read-only" if read_only else "writable"
            found.append(Way(f"{name}, {words}", not read_only, by(backend, read_only=read_only)))
    found.append(Way(DEFAULT, False, by(default_backend(), read_only=True)))
    if peer_program is not None:
        found.append(Way(PEER, True, peer(os.path.abspath(peer_program))))
    return found


def default_backend() -> Filesystem:
    """What ``cntr attach`` takes for the tools of an image, where nothing else is said."""
    from cntr_core.cli.backend import chosen_backend
    from cntr_core.session import SessionOptions

    return chosen_backend(load(), SessionOptions(tools="image:any", filesystem="auto"))


@contextmanager
def _nothing(_source: str, _place: str) -> Iterator[None]:
    yield
