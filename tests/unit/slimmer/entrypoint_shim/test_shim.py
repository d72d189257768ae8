"""The gate, run as the program that it is: on this machine, and on the other one by emulation."""

from __future__ import annotations

import os
import platform as machine
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cntr_slimmer.runs.entrypoint_shim import shim, shim_arguments

from cntr_core.errors import EngineError
from cntr_core.images import Platform
from tests.support.children import until

ARM = Platform("linux", "arm64")
_SHELL = ("/bin/sh", "-c", 'echo "$0 $1 $PWD $WORD"', "name", "one two")


class Gate:
    """The gate for a platform in a directory of its own, with its FIFO."""

    def __init__(self, directory: Path, platform: Platform, runner: Sequence[str]) -> None:
        self.program = directory / "gate"
        self.program.write_bytes(shim(platform))
        self.program.chmod(0o755)
        self.fifo = directory / "fifo"
        os.mkfifo(self.fifo)
        self._line = [*runner, str(self.program)]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._line, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"WORD": "kept", "PATH": "/nowhere"},
        )

    def run(self, *arguments: str, byte: bytes = b"g") -> tuple[int, bytes]:
        """Start it with the FIFO open for writing, write `byte`, and close the FIFO."""
        writer = os.open(self.fifo, os.O_RDWR | os.O_CLOEXEC)
        process = self.start(*arguments)
        try:
            until(lambda: self.has_fifo(process.pid))
            os.write(writer, byte)
            os.close(writer)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        return process.returncode, output

    def has_fifo(self, pid: int) -> bool:
        try:
            fds = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        except FileNotFoundError:
            return False
        return str(self.fifo) in fds


@pytest.fixture(
    params=[
        pytest.param("amd64", marks=pytest.mark.requires("x86_64")),
        pytest.param("arm64", marks=pytest.mark.requires("aarch64")),
    ]
)
def a_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gate]:
    native = Platform.host().architecture == request.param
    emulator = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}[request.param]
    yield Gate(tmp_path, Platform("linux", request.param), () if native else (shutil.which(emulator) or emulator,))


def _arguments(a_gate: Gate, line: Sequence[str], directory: str = "/", path: str | None = None) -> tuple[str, ...]:
    return shim_arguments(str(a_gate.fifo), directory, line, path)


def test_it_executes_the_program_with_its_arguments_environment_and_directory(a_gate: Gate) -> None:
    assert a_gate.run(*_arguments(a_gate, _SHELL, "/usr")) == (0, b"name one two /usr kept\n")


def test_it_looks_the_program_up_in_path(a_gate: Gate, tmp_path: Path) -> None:
    line = ("sh", *_SHELL[1:])
    assert a_gate.run(*_arguments(a_gate, line, "/", f"{tmp_path}/none:/usr/bin:/bin"))[1] == b"name one two / kept\n"
    assert a_gate.run(*_arguments(a_gate, line))[1] == b"name one two / kept\n"
    assert a_gate.run(*_arguments(a_gate, line, "/usr/bin", ":/none"))[1] == b"name one two /usr/bin kept\n"


def test_a_relative_program_is_that_of_the_working_directory(a_gate: Gate) -> None:
    assert a_gate.run(*_arguments(a_gate, ("bin/sh", *_SHELL[1:]), "/usr"))[1] == b"name one two /usr kept\n"


def test_it_waits_while_somebody_may_still_write(a_gate: Gate) -> None:
    writer = os.open(a_gate.fifo, os.O_RDWR | os.O_CLOEXEC)
    process = a_gate.start(*_arguments(a_gate, _SHELL))
    try:
        until(lambda: a_gate.has_fifo(process.pid))
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.3)
    finally:
        os.close(writer)
        output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (125, b"")


@pytest.mark.parametrize("opened_before", [True, False])
def test_it_refuses_to_run_where_nobody_writes(a_gate: Gate, opened_before: bool) -> None:
    if opened_before:
        assert a_gate.run(*_arguments(a_gate, _SHELL), byte=b"") == (125, b"")
    else:
        process = a_gate.start(*_arguments(a_gate, _SHELL))
        output, _ = process.communicate(timeout=30)
        assert (process.returncode, output) == (125, b"")


def test_anything_odd_is_refused(a_gate: Gate, tmp_path: Path) -> None:
    fifo = str(a_gate.fifo)
    for arguments in (
        (),
        (fifo, "/"),
        (fifo, "/", "/bin/true", "x"),
        (str(tmp_path / "none"), "/", "/bin/true", "", "x"),
    ):
        process = a_gate.start(*arguments)
        process.communicate(timeout=30)
        assert process.returncode == 125, arguments
    assert a_gate.run(*_arguments(a_gate, _SHELL, "/no/such/directory")) == (125, b"")
    assert a_gate.run(fifo, "/", "/bin/sh", "no empty word", "x", "y") == (125, b"")


def test_a_program_that_is_not_there_or_is_none_has_the_codes_of_shells(a_gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert a_gate.run(*_arguments(a_gate, ("/no/such/program",)))[0] == 127
    assert a_gate.run(*_arguments(a_gate, ("no-such-program",)))[0] == 127
    assert a_gate.run(*_arguments(a_gate, (str(tmp_path / "text"),)))[0] == 126
    assert a_gate.run(*_arguments(a_gate, ("text",), "/", f"{tmp_path}:/none"))[0] == 126


def test_it_is_small_and_its_stack_is_not_executable() -> None:
    for platform in (Platform("linux", "amd64"), ARM):
        program = shim(platform)
        assert len(program) < 512
        assert b"\x51\xe5\x74\x64\x06\x00\x00\x00" in program  # PT_GNU_STACK, readable and writable


def test_other_platforms_have_a_sentence() -> None:
    for platform in (Platform("linux", "riscv64"), Platform("windows", "amd64")):
        with pytest.raises(EngineError, match=f"cannot trace programs for {platform}"):
            shim(platform)


@pytest.mark.skipif(machine.machine() != "x86_64", reason="the disassembler knows this machine only")
@pytest.mark.requires("objdump")
def test_the_instructions_are_those_of_the_comments(tmp_path: Path) -> None:
    (tmp_path / "gate").write_bytes(shim(Platform("linux", "amd64"))[176:])
    line = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", str(tmp_path / "gate")]
    text = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert "(bad)" not in text
    assert text.count("syscall") == 6
    for number in (0x2, 0x48, 0x50, 0x3B, 0xE7):
        assert f"mov    eax,0x{number:x}\n" in text
