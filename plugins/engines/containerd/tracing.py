"""A container of containerd's that was started to be traced.

containerd leaves to its clients what a daemon like Docker's does itself: unpacking the image, the runtime
specification, keeping the log, and removing each part. The parts have one name: a lease, which keeps the others from
being collected while they are made, a snapshot, a container, a task, and a directory of ours for the log.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from cntr_core.engine.tracing import NEVER_ENDS, ShimEntry, TracedContainer
from cntr_core.errors import EngineError
from cntr_core.images import remove_tree
from cntr_core.images.read.blobs import spool_directory
from cntr_core.images.temporary import locked_directory
from cntr_core.kernel.process import pidfd_open, pidfd_send_signal
from cntr_core.kernel.syscall import owned
from cntr_core.runtime import Collector, Log, stop_signal

from .grpc import Refused
from .images import Store
from .namespace import ContainerdNamespace, check_pid
from .runtime_config import specification
from .snapshots import Snapshots, look_into, snapshotter

_DEATH = 10.0
"""Seconds between SIGKILL and the end of a process."""
_POLL = 0.1
_RUNTIME = "io.containerd.runc.v2"
_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as shells and docker have it

Connect = Callable[[], AbstractContextManager[ContainerdNamespace]]
"""Gives calls in the container's namespace, good for a block."""


class _Output:
    """A stream of a process of containerd's, kept in the file `path`: containerd copies what a container writes to a
    FIFO, and a process of ours from there."""

    def __init__(self, path: str) -> None:
        self.fifo = f"{path}.fifo"
        os.mkfifo(self.fifo, 0o600)
        self._collector = Collector(Log(path), self.fifo)

    def finish(self) -> None:
        """Wait until all is written; containerd must have closed its end."""
        self._collector.finish()

    def read(self) -> bytes:
        """What was kept so far; :raises EngineError: it is lost."""
        if not os.path.exists(self.fifo):
            raise EngineError("containerd's output is lost", "do not remove files in $TMPDIR during a run")
        return self._collector.log.read()

    def remove(self) -> None:
        """End what is left of it, and remove the files."""
        self._collector.finish(0)
        for path in (self.fifo, *self._collector.log.files):
            with suppress(FileNotFoundError):
                os.unlink(path)


class TaskContainer(TracedContainer):
    """The container `name`, not yet started."""

    def __init__(self, connect: Connect, name: str) -> None:
        self._connect = connect
        self._name = name
        self._directory = _directory(name)
        self._process: dict[str, Any] = {}
        self._signal = 0
        self._pid = 0
        self._pidfd = -1
        self._code: int | None = None
        self._lock = -1
        self._output: _Output | None = None

    def start(self, space: ContainerdNamespace, image: str, entry: ShimEntry) -> None:
        """Create all its parts, and start it; whoever called removes them where that fails.

        :raises CntrError: one of them cannot be made.
        """
        self._lock = locked_directory(self._directory)
        self._output = output = _Output(os.path.join(self._directory, "log"))
        space.begin_lease(self._name)
        mounts = self._create(space, image, entry)
        task = {"container_id": self._name, "rootfs": mounts, "stdout": output.fifo, "stderr": output.fifo}
        created = space.call("tasks.v1.Tasks/Create", "CreateTaskRequest", "CreateTaskResponse", **task)
        self._pid = int(created.pid)
        check_pid(self._pid, self._name, self._name)
        self._pidfd = pidfd_open(self._pid)  # it waits: after the start it may be gone at once
        try:
            space.call("tasks.v1.Tasks/Start", "Process", container_id=self._name)
        except BaseException:
            os.close(self._pidfd)
            os.close(self._lock)
            raise

    def _create(self, space: ContainerdNamespace, image: str, entry: ShimEntry) -> Sequence[Any]:
        """The container, which has no process yet; gives the mounts of its root."""
        digest, config, layers = Store(space).read(image)
        self._signal = stop_signal(config.stop_signal)
        snapshots = Snapshots(space)
        chain = snapshots.unpack(digest, layers)
        mounts = snapshots.prepare(self._name, chain)
        with look_into(mounts, self._directory) as root:
            document = specification(self._directory, root.fd, config, entry)
        self._process = document["process"]
        container = {
            "id": self._name,
            "image": image,
            "labels": dict(entry.labels),
            "runtime": {"name": _RUNTIME},
            "spec": _any("Spec", document),
            "snapshotter": snapshotter(),
            "snapshot_key": self._name,
        }
        space.call("containers.v1.Containers/Create", "OneContainer", container=container)
        return mounts

    @property
    def pid(self) -> int:
        return self._pid

    def ended(self) -> int | None:
        if self._code is None and select.select([self._pidfd], [], [], 0)[0]:
            with self._connect() as space:
                space.call("tasks.v1.Tasks/Wait", "Process", container_id=self._name)
                # Only this waits for the last of its output to be copied.
                done = space.call("tasks.v1.Tasks/Delete", "Process", "DeleteResponse", container_id=self._name)
            if self._output is not None:
                self._output.finish()
            self._code = int(done.exit_status)
        return self._code

    def execute(self, command: Sequence[str], timeout: float) -> tuple[int, bytes, bytes]:
        deadline = time.monotonic() + timeout
        name = f"exec-{uuid.uuid4().hex}"
        streams = [_Output(os.path.join(self._directory, f"{name}.{stream}")) for stream in ("stdout", "stderr")]
        try:
            with self._connect() as space:
                code = self._executed(space, name, command, streams, deadline)
            for stream in streams:
                stream.finish()
            if code is None:
                raise TimeoutError(f"{command[0]} did not end within {timeout:g} s")
            stdout, stderr = (stream.read() for stream in streams)
            return code, stdout, stderr
        finally:
            for stream in streams:
                stream.remove()

    def _executed(
        self, space: ContainerdNamespace, name: str, command: Sequence[str], streams: Sequence[_Output], deadline: float
    ) -> int | None:
        """The exit code of the command, None where it had to be killed at the deadline."""
        process = {"container_id": self._name, "exec_id": name}
        spec = _any("Process", {**self._process, "args": list(command)})
        stdout, stderr = (stream.fifo for stream in streams)
        space.call("tasks.v1.Tasks/Exec", "ExecRequest", **process, stdout=stdout, stderr=stderr, spec=spec)
        try:
            pid = int(space.call("tasks.v1.Tasks/Start", "Process", "StartResponse", **process).pid)
            in_time = _await_end(pid, deadline)
            if not in_time:
                space.knows("tasks.v1.Tasks/Kill", "KillRequest", **process, signal=signal.SIGKILL)
            code = int(space.call("tasks.v1.Tasks/Wait", "Process", "WaitResponse", **process).exit_status)
            return code if in_time else None
        except Refused as error:
            return _refusal(error)
        finally:
            space.knows("tasks.v1.Tasks/DeleteProcess", "Process", **process)

    def logs(self) -> bytes:
        return self._output.read() if self._output is not None else b""

    def stop(self, timeout: float) -> int:
        for number, patience in ((self._signal, timeout), (signal.SIGKILL, _DEATH)):
            with suppress(ProcessLookupError):
                pidfd_send_signal(self._pidfd, number)
            select.select([self._pidfd], [], [], patience)
            code = self.ended()
            if code is not None:
                return code
        raise EngineError(*NEVER_ENDS)

    def remove(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        with self._connect() as space:
            remove_parts(space, self._name)
        if self._output is not None:
            self._output.remove()
        remove_directory(self._name)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_parts(space: ContainerdNamespace, name: str) -> None:
    """End and remove the container `name` of a namespace, or what is made of it so far; nothing happens where it is
    unknown."""
    deadline = time.monotonic() + _DEATH
    while not _remove_task(space, name, is_last=time.monotonic() > deadline):
        time.sleep(_POLL)
    space.knows("containers.v1.Containers/Delete", "ById", id=name)
    Snapshots(space).remove(name)
    space.end_lease(name, collect=True)


def _remove_task(space: ContainerdNamespace, name: str, is_last: bool) -> bool:
    """Whether the container's task is gone. It cannot be removed for a moment after its shim has died.

    :raises Refused: it is not, and this is the last try.
    """
    task = {"container_id": name}
    try:
        if space.knows("tasks.v1.Tasks/Kill", "KillRequest", **task, signal=signal.SIGKILL):
            space.knows("tasks.v1.Tasks/Wait", "Process", **task)
        space.knows("tasks.v1.Tasks/Delete", "Process", **task)
    except Refused:
        if is_last:
            raise
        return False
    return True


def remove_directory(name: str) -> None:
    """Remove the files of the container `name`."""
    remove_tree(_directory(name))


def _directory(name: str) -> str:
    """Known by the name, so that another process can remove it."""
    return os.path.join(spool_directory(), f"cntr-containerd-{name}")


def _any(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    return {"type_url": _TYPE + kind, "value": json.dumps(document).encode()}


def _await_end(pid: int, deadline: float) -> bool:
    """Whether the process ends in time."""
    try:
        pidfd = pidfd_open(pid)
    except ProcessLookupError:
        return True
    with owned(pidfd):
        return bool(select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0])


def _refusal(error: Refused) -> int:
    """The exit code of a command that the image does not have; the runtime tells of it in prose alone.

    :raises Refused: it is something else.
    """
    if "OCI runtime exec failed" not in error.message:
        raise error
    missing = any(words in error.message for words in ("not found", "no such file"))
    return _NOT_FOUND if missing else _NOT_EXECUTABLE
