"""The OCI bundle that a container was made from, found by the process that watches over it.

containerd's shim, whatever engine stands above it, works in the bundle; conmon (podman, CRI-O) was told of it. Both are
on the host, as the parent of the container's first process. What is read there is checked by the PID that the runtime
left beside: that process must share the target's mount namespace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from ..dataclass import dataclass
from ..json_text import read_json
from ..kernel import paths, procfs
from ..kernel.syscall import owned
from ..types import ContainerProcess

_LARGEST = 1 << 24
"""Bytes of a config.json; a profile of seccomp takes 10 to 100 KiB."""


@dataclass(frozen=True, slots=True)
class _Bundle:
    """A directory with a config.json, and the file with the PID of the container's first process."""

    directory: str
    pid_file: str


def read_config(process: ContainerProcess) -> dict[str, Any] | None:
    """The config.json of the container of `process`; None where there is none that certainly is its own. Reads the
    host's /proc, and so belongs before any namespace is joined."""
    with suppress(OSError, procfs.ProcfsError):  # who ends meanwhile is told elsewhere
        for bundle in _bundles(process):
            if _holds(bundle, process.pid) and (config := _read(bundle.directory)) is not None:
                return config
    return None


def read_environment(process: ContainerProcess) -> dict[bytes, bytes] | None:
    """The variables that the container was made with, as its engine's exec has them too; None as in
    :func:`read_config`. Unlike those in /proc, they are out of the application's reach."""
    words = ((read_config(process) or {}).get("process") or {}).get("env")
    if not isinstance(words, list):
        return None
    pairs = (str(word).encode(errors="surrogatepass").partition(b"=") for word in words)
    return {name: value for name, separator, value in pairs if name and separator and b"\0" not in name + value}


def _bundles(process: ContainerProcess) -> Iterator[_Bundle]:
    if directory := process.container.bundle:
        yield _Bundle(directory, f"{directory}/pid")
    for pid in _managers(process.pid):
        words = _words(pid)
        program = os.path.basename(words[0])
        if program.startswith("containerd-shim"):
            yield from _of_shim(pid)
        elif program == "conmon":
            yield from _of_conmon(pid, words)


def _managers(pid: int) -> Iterator[int]:
    """The ancestors that are no part of the container, whatever they say: they are in our PID namespace, and on another
    root than the target's."""
    target, below = _namespace(pid, "mnt"), pid
    while (parent := _parent(below)) > 1:
        with suppress(OSError):  # another user's
            if _namespace(parent, "pid") == _namespace(os.getpid(), "pid") and _namespace(parent, "mnt") != target:
                yield parent
        below = parent


def _of_shim(pid: int) -> Iterator[_Bundle]:
    """One shim may serve all containers of a pod, each with a bundle beside that of the first."""
    for directory in (f"/proc/{pid}/cwd", *sorted(_siblings(f"/proc/{pid}/cwd/.."))):
        yield _Bundle(directory, f"{directory}/init.pid")


def _siblings(directory: str) -> list[str]:
    return [f"{directory}/{name}" for name in os.listdir(directory)]


def _of_conmon(pid: int, words: Sequence[str]) -> Iterator[_Bundle]:
    given = dict(pairwise(words))
    root = f"/proc/{pid}/root"  # which is another than ours where its user is not root
    bundle = given.get("-b") or given.get("--bundle")
    pid_file = given.get("-p") or given.get("--container-pidfile")
    if bundle and pid_file:
        yield _Bundle(f"{root}/{bundle}", f"{root}/{pid_file}")


def _holds(bundle: _Bundle, pid: int) -> bool:
    """Whether the bundle's first process lives on the root of `pid`."""
    with suppress(OSError, ValueError), open(bundle.pid_file, "rb") as file:
        return _namespace(int(file.read(32)), "mnt") == _namespace(pid, "mnt")
    return False


def _read(directory: str) -> dict[str, Any] | None:
    with suppress(OSError, ValueError), owned(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
        config = read_json(paths.read_in_root(fd, "config.json", _LARGEST))
        return config if isinstance(config, dict) else None
    return None


def _namespace(pid: int, kind: str) -> tuple[int, int]:
    status = os.stat(f"/proc/{pid}/ns/{kind}")
    return status.st_dev, status.st_ino


def _parent(pid: int) -> int:
    with owned(procfs.open_process(pid)) as directory:
        return procfs.read_stat(directory).parent


def _words(pid: int) -> list[str]:
    with owned(procfs.open_process(pid)) as directory:
        line = procfs.read(directory, "cmdline", procfs.LONGEST_MEMORY)
    return [os.fsdecode(word) for word in line.split(b"\0")]
