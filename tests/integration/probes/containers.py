"""What the probes' tests drive: a process with a network of its own, as the embedded engine gives it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from cntr_slimmer.probes import Executed

from cntr_core.errors import SessionError
from cntr_core.kernel.namespaces import CLONE_NEWNET, setns, unshare

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server.py")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def _own_network() -> None:
    unshare(CLONE_NEWNET)
    with socket.socket() as some:
        fcntl.ioctl(some, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


class Process:
    """A `Running` around one process."""

    def __init__(self, command: Sequence[str], own_network: bool = True) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_own_network if own_network else None,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.environment: Mapping[str, str] = dict(os.environ)

    def ended(self) -> int | None:
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        try:
            done = subprocess.run(command, capture_output=True, timeout=timeout, preexec_fn=self._enter, check=False)
        except FileNotFoundError:
            return Executed(127, b"", b"not found")
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        except subprocess.SubprocessError as error:
            raise SessionError("the container has ended") from error
        return Executed(done.returncode, done.stdout, done.stderr)

    def _enter(self) -> None:
        namespace = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        setns(namespace, CLONE_NEWNET)

    def log(self) -> bytes:
        return os.pread(self._log.fileno(), 1 << 20, 0)

    def activity(self) -> int:
        """How many times the process has read anything."""
        try:
            with open(f"/proc/{self.pid}/io") as file:
                return int(dict(line.split(": ") for line in file)["syscr"])
        except (OSError, ValueError, KeyError):
            return 0

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


@contextlib.contextmanager
def process(*command: str, own_network: bool = True) -> Iterator[Process]:
    """The command in a network of its own; killed at the end."""
    running = Process(command, own_network)
    try:
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def server(arguments: str = "http 8080", own_network: bool = True) -> Iterator[Process]:
    """The server of server.py, with arguments as its docstring tells; ``+`` between several."""
    with process(sys.executable, SERVER, *arguments.split(), own_network=own_network) as running:
        yield running
