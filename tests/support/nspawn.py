"""systemd-nspawn for tests, with a machined or without one, on machines that systemd has not started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cntr_core.testing.processes import children, is_alive, wait_until
from tests.support.roots import busybox_root

_MACHINED = "/lib/systemd/systemd-machined"
_BUS = "DBUS_SYSTEM_BUS_ADDRESS"
_POLICY = """\
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    {rules}
  </policy>
</busconfig>
"""
_OPEN = '<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>'


@dataclass(frozen=True)
class Machine:
    """A machine that runs. `leader` is its PID 1 as the host sees it, `pid` what was asked for."""

    name: str
    root: Path
    leader: int
    pid: int


@contextmanager
def bus(place: Path, *, machined: bool, rules: str = _OPEN) -> Iterator[None]:
    """A system bus of our own within the block, with a machined or without; `place` is for its files, and `rules` say
    what everybody may do (dbus-daemon(1))."""
    path = place / "bus"
    (place / "bus.conf").write_text(_POLICY.format(path=path, rules=rules))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv(_BUS, f"unix:path={path}")
        stack.enter_context(_daemon("dbus-daemon", f"--config-file={place}/bus.conf", "--nofork", "--nopidfile"))
        wait_until(lambda: _answers(path), "the bus is there")
        if machined:
            stack.enter_context(_daemon(_MACHINED))
            wait_until(_machined_answers, "machined has its name")
        yield


@contextmanager
def _daemon(*line: str) -> Iterator[None]:
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
        try:
            yield
        finally:
            it.terminate()
            it.wait(30)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(os.fspath(path)) == 0


def _machined_answers() -> bool:
    line = [
        "dbus-send",
        "--system",
        "--print-reply",
        "--dest=org.freedesktop.DBus",
        "/",
        "org.freedesktop.DBus.ListNames",
    ]
    return b"org.freedesktop.machine1" in subprocess.run(line, capture_output=True, timeout=30).stdout


@contextmanager
def machine(
    place: Path, *options: str, register: bool = False, as_pid2: bool = True, name: str = ""
) -> Iterator[Machine]:
    """A machine that ends with the block; to register it wants a :func:`bus` with machined."""
    name = name or f"cntr-test-{uuid.uuid4().hex[:12]}"
    (place / name).mkdir()
    root = busybox_root(place / name)
    line = ["systemd-nspawn", "--quiet", "--keep-unit", f"--register={'yes' if register else 'no'}", "-D", str(root)]
    command = ["--as-pid2", "/bin/sleep", "1000000"] if as_pid2 else ["/bin/sleep", "1000000"]
    with _scope(name) as groups, open(place / name / "log", "wb") as log:
        line += ["-M", name, "--console=pipe", *options, *command]
        join = lambda: [_write(f"{group}/cgroup.procs", str(os.getpid())) for group in groups]  # noqa: E731
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=join) as nspawn:
            leader = 0
            try:
                wait_until(lambda: nspawn.poll() is not None or _sleeping(nspawn.pid), "its command runs")
                assert nspawn.poll() is None, (place / name / "log").read_text()
                [leader] = children(nspawn.pid)
                yield Machine(name, root, leader, children(leader)[0] if as_pid2 else leader)
            finally:
                _end(nspawn, leader)


def _sleeping(nspawn: int) -> bool:
    """Whether the command is there, which nspawn's child or its child becomes."""
    with suppress(FileNotFoundError, ProcessLookupError):
        below = children(nspawn)
        return any(os.readlink(f"/proc/{p}/exe").endswith("/busybox") for c in below for p in (c, *children(c)))
    return False


def _end(nspawn: subprocess.Popen[bytes], leader: int) -> None:
    """Kill the machine, so that nspawn ends by itself and tidies up."""
    if leader and is_alive(leader):
        os.kill(leader, signal.SIGKILL)
    else:
        nspawn.terminate()
    try:
        nspawn.wait(30)
    finally:
        nspawn.kill()


@contextmanager
def _scope(name: str) -> Iterator[list[str]]:
    """The groups of a unit, as systemd would make them; machined asks in which one a machine is."""
    hierarchies = [h for h in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified") if os.path.isdir(h)]
    groups = [f"{h}/machine.slice/{name}.scope" for h in hierarchies or ["/sys/fs/cgroup"]]
    try:
        for group in groups:
            os.makedirs(group)
        yield groups
    finally:
        for group in groups:
            _remove(group)


def _remove(group: str) -> None:
    for directory, _, _ in os.walk(group, topdown=False):
        wait_until(lambda d=directory: not Path(d, "cgroup.procs").read_text(), "its processes have ended")  # type: ignore[misc]
        os.rmdir(directory)
    with suppress(OSError):  # others use the slice as well
        os.rmdir(os.path.dirname(group))


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
