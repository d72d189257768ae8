"""A throw-away container: the root of an image, or of a container that does not run, in namespaces of our own.

What is written goes to memory. Nothing of the image is started, and nothing is left, however cntr ends.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from ..dataclass import dataclass
from ..engine import Engine
from ..errors import SessionError
from ..filesystem import DirectoryTree, Filesystem, MountRequest, Tree
from ..kernel import channel, child, process
from ..kernel.mounts import DetachedMount
from ..kernel.paths import read_in_root
from ..kernel.user_namespaces import enter_with_subordinates
from ..runtime.image_user import resolve_user
from ..types import Container, ContainerProcess, ContainerState, StoppedRoot
from . import placeholder
from .tools import image_tree

_PLACES = ("proc", "sys", "dev")
_DEATH = 5.0
"""Seconds between SIGKILL and the end of the container's processes."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root that nobody runs: its trees, the topmost first, and what its configuration says of a process in it."""

    kind: str
    name: str
    trees: Sequence[Tree]
    environment: Mapping[str, str]
    user: str
    directory: str


def become_root() -> None:
    """An ordinary user becomes root of a user namespace, for good; engines are asked before.

    :raises CntrError: the user lacks what that wants.
    """
    if os.geteuid() != 0:
        enter_with_subordinates()


@contextmanager
def image_root(reference: str, engines: Sequence[Engine], filesystem: Filesystem) -> Iterator[Root]:
    """The root of an image; :raises CntrError: it cannot be opened."""
    with image_tree(reference, engines, filesystem) as (tree, config):
        yield Root("image", reference, (tree,), config.environment, config.user, config.working_dir)


@contextmanager
def stopped_root(container: Container, root: StoppedRoot) -> Iterator[Root]:
    """The root of a container that does not run, with what it wrote.

    :raises SessionError: its directories cannot be opened.
    """
    with ExitStack() as stack:
        fds = []
        for path in root.layers:
            try:
                fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise SessionError(
                    f"the files of {container.ref} cannot be opened ({error.strerror}: {path})",
                    "run cntr as who runs the container",
                ) from None
            stack.callback(os.close, fd)
            fds.append(fd)
        environment = dict(line.partition("=")[::2] for line in root.environment)
        yield Root(
            container.engine, container.name, [*map(DirectoryTree, fds)], environment, root.user, root.working_directory
        )


@contextmanager
def throwaway_container(root: Root, filesystem: Filesystem) -> Iterator[ContainerProcess]:
    """The process of a container on `root`, for a session. Call :func:`become_root` before.

    :raises CntrError: it cannot be made.
    """
    with ExitStack() as stack:
        top = stack.enter_context(DetachedMount.new("tmpfs", {"mode": "755"}))
        for name in _PLACES:
            os.mkdir(name, 0o755, dir_fd=top.fd)
        request = MountRequest(branches=(DirectoryTree(top.fd), *root.trees), read_only=False, source="cntr-image")
        mount = stack.enter_context(filesystem.mount(request))
        pid = stack.enter_context(_running(_settings(root, mount.fd)))
        variables = {os.fsencode(k): os.fsencode(v) for k, v in root.environment.items()}
        container = Container(root.kind, root.name, root.name, ContainerState.RUNNING, pid)
        yield ContainerProcess(container, pid, process.start_time(pid), variables)


def _settings(root: Root, mount: int) -> placeholder.Settings:
    user = resolve_user(root.user, _read(mount, "etc/passwd"), _read(mount, "etc/group"))
    return placeholder.Settings(mount, "cntr", user.uid, user.gid, user.groups, root.directory or "/")


def _read(root: int, path: str) -> bytes:
    try:
        return read_in_root(root, path)
    except OSError:
        return b""


@contextmanager
def _running(settings: placeholder.Settings) -> Iterator[int]:
    """The PID of the container's process, which is killed at the end, with all that runs there."""
    ours, theirs = channel.pair()
    parent = os.getpid()
    pid = child.fork(lambda: placeholder.run(settings, theirs, parent))
    theirs.close()
    inner = 0
    try:
        with ours:
            while (message := channel.receive(ours)) is not None and message.event != "ready":
                if message.event == "error":
                    raise channel.error_of(message)
                inner = int(message.values["pid"])
        if message is None:
            raise SessionError("the process of the throw-away container died", "run again with --debug")
        yield inner
    finally:
        with suppress(ProcessLookupError):
            gone = process.pidfd_open(inner or pid)
            os.kill(inner or pid, signal.SIGKILL)
            select.select([gone], [], [], _DEATH)
            os.close(gone)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
