"""What a session in any engine's container does, as tests that run the program ``cntr``."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import termios
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from ..kernel.procfs import ProcessStatus, open_process, read_mountinfo, read_status
from .processes import PATIENCE, descendants, is_alive, living_in, read_bytes, wait_until

PROGRAM = os.path.join(os.path.dirname(sys.executable), "cntr")
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_WAITING = "echo ready; read end"  # one process, which does not change any more
_MARK = "CNTR_CONTRACT"
"""The variable by which a session's command is known among the processes of the host."""


class SessionContract:
    """A session in a container that runs. Override `reference` and `pid`; and the variables below, where the container
    is not an ordinary one. All tests may share one container: they leave it as it was."""

    container: ClassVar[str] = ""
    """What the container is, for tables: ``lxd, unprivileged``."""

    shell: ClassVar[tuple[str, ...]] = ("/bin/sh",)
    """The container's own shell, as it is to be called there."""

    writable: ClassVar[str] = "/tmp"
    """A directory of the container that its user may write to."""

    no_cgroup: ClassVar[str] = ""
    """Why the container's cgroup cannot be joined, where that is so; all sessions then have ``--no-cgroup``."""

    without: ClassVar[Mapping[str, str]] = {}
    """Filesystem backends that cannot serve this container, and why each cannot."""

    caller: tuple[str, ...] = ()
    """The words before ``cntr`` that make it another caller's: ``sudo``, for example."""

    @pytest.fixture
    def reference(self) -> str:
        """``ENGINE://NAME`` of a container that runs."""
        raise NotImplementedError("override the fixture `reference`")

    @pytest.fixture
    def pid(self) -> int:
        """The first process of the container, as the host sees it."""
        raise NotImplementedError("override the fixture `pid`")

    @pytest.fixture
    def toolbox(self, tmp_path: Path) -> Path:
        """A directory with tools, and a file ``marker`` that is nowhere else."""
        busybox = shutil.which("busybox")
        if busybox is None:
            pytest.skip("there is no busybox: install busybox-static")
        place = tmp_path / "toolbox"
        (place / "bin").mkdir(parents=True)
        shutil.copy(busybox, place / "bin/busybox")
        for name in ("sh", "cat"):
            (place / "bin" / name).symlink_to("busybox")
        (place / "marker").write_text(uuid.uuid4().hex)
        return place

    @pytest.fixture
    def image(self, toolbox: Path, tmp_path: Path) -> str:
        """An image for ``--tools image:`` that has the toolbox's files."""
        path = f"{tmp_path}/toolbox.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(toolbox, ".")
        return path

    # -- tools ----------------------------------------------------------------------------------------------------

    def test_tools_of_the_host(self, reference: str) -> None:
        assert self._attach(reference, "ls", "-A", "/usr/bin").split("\n")[:-1] == sorted(os.listdir("/usr/bin"))

    def test_tools_of_a_directory(self, reference: str, toolbox: Path) -> None:
        printed = self._attach(reference, "cat", "/marker", options=("--tools", f"dir:{toolbox}"))
        assert printed == (toolbox / "marker").read_text()

    def test_tools_of_an_image(self, reference: str, toolbox: Path, image: str, tmp_path: Path) -> None:
        cache = {"CNTR_CACHE_DIR": f"{tmp_path}/cache"}
        printed = self._attach(reference, "cat", "/marker", options=("--tools", f"image:{image}"), env=cache)
        assert printed == (toolbox / "marker").read_text()

    @pytest.mark.parametrize("filesystem", ["pyfuse3", "direct", "kernel"])
    def test_filesystem(self, reference: str, pid: int, toolbox: Path, filesystem: str) -> None:
        if reason := self.without.get(filesystem):
            pytest.skip(reason)
        options = ("--fs", filesystem, "--tools", f"dir:{toolbox}")
        with self.file_of_the_container(pid, "its own") as path:
            printed = self._attach(reference, "cat", "/marker", f"/var/lib/cntr{path}", options=options)
        assert printed == (toolbox / "marker").read_text() + "its own"

    # -- commands, streams and exit codes ---------------------------------------------------------------------------

    def test_exec_runs_a_program_of_the_container(self, reference: str, pid: int) -> None:
        with self.file_of_the_container(pid, "its own\n") as path:
            result = self._run("exec", reference, *self.shell, "-c", f"read line <{path}; echo $line; exit 3")
        assert (result.returncode, result.stdout) == (3, b"its own\n"), result.stderr

    @pytest.mark.parametrize(
        ("code", "command"),
        [
            (0, ("sh", "-c", "exit 0")),
            (3, ("sh", "-c", "exit 3")),
            (126, ("/usr/bin",)),
            (127, ("/no/such/program",)),
            (143, ("sh", "-c", "kill -TERM $$")),
        ],
        ids=lambda value: str(value) if isinstance(value, int) else "",
    )
    def test_exit_code(self, reference: str, code: int, command: tuple[str, ...]) -> None:
        result = self._run("attach", reference, *command)
        assert (result.returncode, result.stdout) == (code, b""), result.stderr

    def test_bytes_pass_pipes_unchanged(self, reference: str) -> None:
        data = bytes(range(256)) * 4096
        result = self._run("attach", reference, "cat", stdin=data)
        assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")

    def test_terminal(self, reference: str) -> None:
        """A terminal of the session's own, of the caller's size."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (31, 97))
        line = self._line("attach", reference, "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size")
        process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        try:
            assert _all(ours).split() == [b"31", b"97"]
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    # -- who and where the session is -------------------------------------------------------------------------------

    def test_ids(self, reference: str, pid: int) -> None:
        with self._session(reference) as session:
            ours, theirs = _status(session.command), _status(pid)
        assert (ours.uids, ours.gids) == (theirs.uids, theirs.gids)
        assert sorted(ours.groups) == sorted(theirs.groups)

    def test_capabilities(self, reference: str, pid: int) -> None:
        with self._session(reference) as session:
            assert _capabilities(session.command) == _capabilities(pid)

    def test_no_new_privileges(self, reference: str, pid: int) -> None:
        with self._session(reference) as session:
            assert _status(session.command).no_new_privs == _status(pid).no_new_privs

    def test_cgroups(self, reference: str, pid: int) -> None:
        if self.no_cgroup:
            pytest.skip(self.no_cgroup)
        with self._session(reference) as session:
            assert read_bytes(f"/proc/{session.command}/cgroup") == read_bytes(f"/proc/{pid}/cgroup")

    def test_namespaces(self, reference: str, pid: int) -> None:
        """All are the container's, but for the mounts'."""
        with self._session(reference) as session:
            same = [os.path.samefile(f"/proc/{session.command}/ns/{k}", f"/proc/{pid}/ns/{k}") for k in _NAMESPACES]
        assert [kind for kind, is_same in zip(_NAMESPACES, same, strict=True) if not is_same] == ["mnt"]

    def test_files_of_the_container_both_ways(self, reference: str, pid: int) -> None:
        with self.file_of_the_container(pid, "from the container\n") as path:
            script = f"cat /var/lib/cntr{path}; echo from the session >/var/lib/cntr{path}"
            assert self._attach(reference, "sh", "-c", script) == "from the container\n"
            assert read_bytes(f"/proc/{pid}/root{path}") == b"from the session\n"

    # -- what is left -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("end", ["by itself", "SIGTERM", "SIGKILL"])
    def test_nothing_is_left(self, reference: str, pid: int, end: str) -> None:
        """The container's mounts and processes, and the caller's mounts, are as they were; nobody of ours is left."""
        before = _traces(pid)
        with self._session(reference) as session:
            assert _traces(pid).mounts == before.mounts
            ours = descendants(session.program.pid)
            if end == "by itself":
                assert session.program.stdin is not None
                session.program.stdin.close()
            else:
                session.program.send_signal(signal.Signals[end])
            session.program.wait(PATIENCE)
        wait_until(lambda: not any(map(is_alive, ours)), "all processes of the session are gone")
        wait_until(lambda: _traces(pid).add_nothing_to(before), "the container and the caller are as before")

    # -- help for the tests above -------------------------------------------------------------------------------------

    def _line(self, command: str, reference: str, *words: str, options: tuple[str, ...] = ()) -> list[str]:
        cgroup = ("--no-cgroup",) if self.no_cgroup else ()
        return [*self.caller, PROGRAM, command, reference, *cgroup, *options, "--", *words]

    def _run(
        self,
        command: str,
        reference: str,
        *words: str,
        options: tuple[str, ...] = (),
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        line = self._line(command, reference, *words, options=options)
        variables = {**os.environ, **(env or {})}
        return subprocess.run(line, input=stdin, capture_output=True, env=variables, timeout=3 * PATIENCE)

    def _attach(
        self, reference: str, *words: str, options: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> str:
        """What a command prints that succeeds in a session."""
        result = self._run("attach", reference, *words, options=options, env=env)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    @contextmanager
    def _session(self, reference: str) -> Iterator[_Session]:
        """A session with a command that waits; killed at the end, if it still is there."""
        mark = uuid.uuid4().hex
        line = self._line("attach", reference, "sh", "-c", _WAITING, options=("--env", f"{_MARK}={mark}"))
        pipe = subprocess.PIPE
        with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe) as program:
            try:
                assert program.stdout is not None and program.stderr is not None
                assert select.select([program.stdout], [], [], PATIENCE)[0], "the session never began"
                if program.stdout.readline() != b"ready\n":
                    raise AssertionError(program.stderr.read().decode())
                [command] = [p for p in descendants(program.pid) if _has_mark(p, mark)]
                yield _Session(program, command)
            finally:
                program.kill()

    @contextmanager
    def file_of_the_container(self, pid: int, content: str) -> Iterator[str]:
        """Put a file into the container's root; its path there. Everybody may write to it.

        Override it where whoever runs the tests cannot write there.
        """
        path = f"{self.writable}/{uuid.uuid4().hex}"
        place = f"/proc/{pid}/root{path}"
        with open(place, "w") as file:
            file.write(content)
        os.chmod(place, 0o666)
        try:
            yield path
        finally:
            os.unlink(place)


@dataclass(frozen=True)
class _Session:
    """A running ``cntr``, and the process of the command in its session, as the host sees it."""

    program: subprocess.Popen[bytes]
    command: int


@dataclass(frozen=True)
class _Traces:
    """What a session could leave behind. `processes` are the container's, if it has a PID namespace of its own."""

    mounts: bytes
    processes: list[tuple[int, str]]
    mounts_of_caller: set[bytes]

    def add_nothing_to(self, before: _Traces) -> bool:
        """Of the caller's mounts some may be another program's, and go."""
        container = (self.mounts, self.processes) == (before.mounts, before.processes)
        return container and self.mounts_of_caller <= before.mounts_of_caller


def _traces(pid: int) -> _Traces:
    shared = os.path.samefile(f"/proc/{pid}/ns/pid", "/proc/self/ns/pid")
    directory = open_process()
    try:
        ours = {mount.point for mount in read_mountinfo(directory) if mount.source == b"cntr"}
    finally:
        os.close(directory)
    return _Traces(read_bytes(f"/proc/{pid}/mountinfo"), [] if shared else living_in(pid), ours)


def _status(pid: int) -> ProcessStatus:
    directory = open_process(pid)
    try:
        return read_status(directory)
    finally:
        os.close(directory)


def _capabilities(pid: int) -> dict[str, str]:
    status = _status(pid)
    return {
        kind: f"{getattr(status, f'cap_{kind}'):016x}"
        for kind in ("inheritable", "permitted", "effective", "bounding", "ambient")
    }


def _has_mark(pid: int, mark: str) -> bool:
    with suppress(OSError):
        return f"{_MARK}={mark}".encode() in read_bytes(f"/proc/{pid}/environ").split(b"\0")
    return False


def _all(terminal: int) -> bytes:
    """What is printed until the last process has closed the other side."""
    printed = bytearray()
    with suppress(OSError):  # EIO then
        while select.select([terminal], [], [], 3 * PATIENCE)[0] and (data := os.read(terminal, 1 << 16)):
            printed += data
    return bytes(printed)
