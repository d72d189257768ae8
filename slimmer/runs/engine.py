"""Running an image to watch it in a container of an engine's, with the engine's own networks, volumes and limits."""

from __future__ import annotations

import json
import logging
import os
import select
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from cntr_core.engine.tracing import ShimEntry, TracedContainer, TracingEngine, TracingOptions
from cntr_core.errors import CntrError, EngineError, SessionError
from cntr_core.filesystem import Filesystem
from cntr_core.images.temporary import temporary_directory
from cntr_core.images.values import environment as environment_of
from cntr_core.labels import RUN
from cntr_core.runtime import arguments
from cntr_core.timing import timed

from ..probes.running import Executed
from ..trace.observer import TraceObserver
from ..trace.record import Phase
from .cleanup import cleanup_process
from .container import STOP_LIMIT
from .embedded import Launch
from .engine_leftovers import leave, maker, note_process, remove_created, remove_orphans, remove_run
from .entrypoint_shim import shim, shim_arguments
from .pivot import observed_root, waiting_root
from .written import Change

_log = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds that the shim may take from the container's start until it waits."""
_POLL = 0.002
_DEATH = 0.1
"""Seconds between a container's death and that of the server which it died with, at most."""
_GO = b"g"


class EngineRun:
    """A container of an engine's that runs, as probes see it, and its end."""

    def __init__(
        self, container: TracedContainer, environment: Mapping[str, str], observer: TraceObserver | None
    ) -> None:
        self.environment = environment
        self.server: int | None = None
        self._container = container
        self._observer = observer
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """The first process, in the host's view."""
        return self._container.pid

    def ended(self) -> int | None:
        """The exit code of the first process, 128+n for signal n; None while it runs.

        :raises SessionError: its filesystem died below it.
        """
        if self._code is not None:
            return self._code
        code = self._container.ended()
        # A container dies with its filesystem, and may be seen to before the server is.
        patience = 0.0 if code is None else _DEATH
        if self.server is not None and select.select([self.server], [], [], patience)[0]:
            raise SessionError("the filesystem server died, which ended the run", "run again with --debug")
        self._code = code
        return code

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        """Run a command in the container, as the image's user.

        :raises TimeoutError: it did not end within `timeout` seconds, and was killed.
        :raises EngineError: it could not be started.
        """
        return Executed(*self._container.execute(command, timeout))

    def log(self) -> bytes:
        """What it wrote to stdout and stderr so far."""
        return self._container.logs()

    def activity(self) -> int:
        """A counter that grows with every first access to a file; it stands still where nobody watches."""
        return self._observer.activity() if self._observer else 0

    def written(self) -> frozenset[Change]:
        """Empty: its layer is the engine's."""
        return frozenset()

    def limit_met(self) -> str:
        """Empty: the limits are the engine's."""
        return ""

    def end(self, limit: float = STOP_LIMIT) -> int:
        """End it by its stop signal, after `limit` seconds by SIGKILL; its exit code."""
        code = self._container.ended()
        if code is not None:
            return code
        if self._observer is not None:
            self._observer.enter(Phase.SHUTDOWN)
        return self._container.stop(limit)


@contextmanager
def running_in_engine(
    engine: TracingEngine,
    image: str,
    launch: Launch,
    options: TracingOptions,
    filesystem: Filesystem,
    observer: TraceObserver | None = None,
) -> Iterator[EngineRun]:
    """The program of `image`, which the engine has under that name, started in a new container of the engine's.

    Leaving the block ends and removes it. Enter it while the process has one thread, as root.

    :raises CntrError: it cannot be started, or not be watched.
    """
    line = arguments(launch.config, launch.options)
    environment = environment_of([*launch.config.env, *options.environment])
    program = shim(launch.config.platform)
    remove_orphans(engine)
    with ExitStack() as stack:
        name = f"cntr-run-{uuid.uuid4().hex}"
        private, lock = stack.enter_context(temporary_directory("cntr-shim-"))
        directory, writer = _shim_directory(private, program, stack)
        entry = _entry(name, directory, launch, options, line, environment.get("PATH"))
        stack.enter_context(cleanup_process(lambda: remove_run(engine, name, private), needs=[lock]))
        container = _created(engine, image, entry, stack)
        note_process(private, container.pid)
        run = EngineRun(container, environment, observer)
        with timed(_log, "wait for the entrypoint shim of %s, process %d", name, container.pid):
            _await_shim(container, os.path.join(directory, "fifo"))
        root = stack.enter_context(waiting_root(container.pid, entry.target))
        launch.created(container.pid)
        if observer is not None:
            run.server = stack.enter_context(observed_root(root, filesystem, observer)).server
            observer.enter(Phase.START)
        stack.push(_quietly(lambda: run.end(0)))  # whoever wants a graceful end asks for it within the block
        os.write(writer, _GO)
        yield run


def _entry(
    name: str, directory: str, launch: Launch, options: TracingOptions, line: Sequence[str], path: str | None
) -> ShimEntry:
    """The shim of `directory` in place of the command `line`, in the container `name`, whose PATH is `path`."""
    target = f"/.{name}"
    place = launch.options.working_dir or launch.config.working_dir or "/"
    words = shim_arguments(f"{target}/fifo", place, line, path)
    return ShimEntry(
        name=name,
        hostname=launch.name,
        directory=directory,
        target=target,
        arguments=(f"{target}/shim", *words),
        options=_with(options, launch),
        labels={RUN: maker()},
    )


def _with(options: TracingOptions, launch: Launch) -> TracingOptions:
    """The options, with what the request says in words of its own."""
    network = "host" if launch.options.host_network else options.network
    read_only = options.read_only or launch.options.read_only
    seccomp = options.seccomp if launch.seccomp is None else json.dumps(launch.seccomp)
    return replace(options, network=network, read_only=read_only, seccomp=seccomp)


def _shim_directory(private: str, program: bytes, stack: ExitStack) -> tuple[str, int]:
    """A directory below `private` with the shim and its FIFO, and a descriptor that lets the shim go on.

    Only root reaches it on the host, and whoever runs in the container may read it there. While we have the FIFO open
    the shim waits, and no longer.
    """
    directory = os.path.join(private, "shared")
    os.mkdir(directory)
    path, fifo = os.path.join(directory, "shim"), os.path.join(directory, "fifo")
    with open(path, "xb") as file:
        file.write(program)
    os.mkfifo(fifo)
    for each, mode in ((directory, 0o755), (path, 0o555), (fifo, 0o444)):
        os.chmod(each, mode)  # whatever the umask is
    writer = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    stack.callback(os.close, writer)
    return directory, writer


def _created(engine: TracingEngine, image: str, entry: ShimEntry, stack: ExitStack) -> TracedContainer:
    try:
        container = engine.create_traced(image, entry)
    except BaseException:
        remove_created(engine, entry.name)
        raise
    stack.callback(leave, engine, entry.name, container, os.path.dirname(entry.directory))
    return container


def _quietly(undo: Callable[[], object]) -> Callable[[type[BaseException] | None, object, object], None]:
    """Do `undo` when a block is left. After an error in the block its own error is not told: the first tells more."""

    def leave(kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        try:
            undo()
        except CntrError:
            if kind is None:
                raise

    return leave


def _await_shim(container: TracedContainer, fifo: str) -> None:
    """Until the shim has the FIFO open: from then on it needs nothing of its directory.

    :raises EngineError: the container ended, or the shim did not come so far.
    """
    wanted = os.stat(fifo)
    deadline = time.monotonic() + _PATIENCE
    while not _has_open(container.pid, wanted):
        code = container.ended()
        if code is not None:
            words = container.logs().decode(errors="replace").strip()
            raise EngineError(f"the container ended with code {code} before its program ran", words)
        if time.monotonic() > deadline:
            raise EngineError(f"the container was not ready within {_PATIENCE:g} s", "look at the engine's log")
        time.sleep(_POLL)


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether the first process, or a child of it where it is an init, has the file open."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            family = [str(pid), *file.read().split()]
        descriptors = [f"/proc/{each}/fd/{fd}" for each in family for fd in os.listdir(f"/proc/{each}/fd")]
        return any(os.path.samestat(os.stat(path), wanted) for path in descriptors)
    except (FileNotFoundError, ProcessLookupError):
        return False
