"""A command of the user's that finds processes, in real sessions."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.command import CommandEngine
from cntr_plugins.engines.pid import PidEngine

from cntr_core import ContainerRef, Engine
from cntr_core.engine import find
from cntr_core.errors import ContainerNotFound, ContainerNotRunning, EngineError
from cntr_core.testing import EngineContract, SessionContract
from tests.support.children import child, until
from tests.support.cntr import cntr, output

pytestmark = pytest.mark.requires("root", "fuse", "unshare", "busybox", "pgrep")
_BY_COMMAND_LINE = "pgrep --oldest --full --"


@pytest.fixture(scope="module")
def word() -> str:
    """A word that stands on no command line but the container's."""
    return f"cntr-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def container(word: str) -> Iterator[int]:
    """A process with mounts and a hostname of its own."""
    with subprocess.Popen(["unshare", "--mount", "--uts", "sh", "-c", "read end", word], stdin=subprocess.PIPE) as it:
        until(lambda: b"sh\0-c" in Path(f"/proc/{it.pid}/cmdline").read_bytes()[:6])
        yield it.pid
        it.kill()


@pytest.fixture(autouse=True)
def by_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNTR_COMMAND", _BY_COMMAND_LINE)


class TestContract(EngineContract):
    lists = False

    @pytest.fixture
    def engine(self) -> Engine:
        return CommandEngine()

    @pytest.fixture
    def running(self, word: str, container: int) -> str:  # noqa: ARG002 - it has to run
        return word

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.delenv("CNTR_COMMAND")
        return CommandEngine()


class TestSession(SessionContract):
    container = "command"

    @pytest.fixture
    def reference(self, word: str) -> str:
        return f"command://{word}"

    @pytest.fixture
    def pid(self, container: int) -> int:
        return container


def test_the_name_is_the_last_word_and_no_shell_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os, sys; assert sys.argv[1:] == ['an option', 'a $(name)']; print(os.getppid())"
    monkeypatch.setenv("CNTR_COMMAND", f"""python3 -c "{script}" 'an option'""")
    with child() as other:
        [found] = CommandEngine().find("a $(name)")
    assert (found.name, found.id) == ("a $(name)", "a $(name)")
    assert found.pid is not None and found.pid != other


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo no number", "prints no PID for web: no number"),
        ("echo", "prints no PID for web: web"),
        ("sh -c 'echo a reason >&2; exit 3'", "sh failed: a reason"),
        ("sh -c 'echo a reason >&2; exit 1'", "sh failed: a reason"),
        ("false --", ""),
        ("no-such-program", "command is not installed (no no-such-program)"),
        ("/etc/passwd", "/etc/passwd cannot be executed (Permission denied)"),
        ("'open", "CNTR_COMMAND cannot be split into words: a quote is not closed"),
        (" ", "no command is set in CNTR_COMMAND"),
    ],
)
def test_commands_that_do_not_do_what_they_should(command: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNTR_COMMAND", command)
    if not words:
        assert CommandEngine().find("web") == []
        return
    with pytest.raises(EngineError) as caught:
        CommandEngine().find("web")
    assert words in caught.value.message
    assert caught.value.hint


def test_processes_that_cannot_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    with child(lambda: None) as zombie:
        until(lambda: Path(f"/proc/{zombie}/stat").read_text().rpartition(") ")[2][0] == "Z")
        monkeypatch.setenv("CNTR_COMMAND", f"sh -c 'echo {zombie}'")
        with pytest.raises(ContainerNotRunning, match=f"process {zombie} has ended"):
            CommandEngine().find("web")
    with pytest.raises(ContainerNotFound, match=f"there is no process {zombie}"):
        CommandEngine().find("web")


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNTR_COMMAND", "sh -c 'sleep 1000 & wait'")
    refused = cntr("attach", "command://web", "--", "true")
    assert refused.returncode == 125
    assert b"command did not answer within 30 s" in refused.stderr


def test_it_counts_only_where_no_engine_knows_the_name(container: int, word: str) -> None:
    """A command line that holds a container's name is no second container of that name."""

    class Other(PidEngine):
        name = "other"

        def find(self, name: str):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return [replace(c, engine="other", name=name) for c in super().find(str(container))]

    assert find(ContainerRef(word), [CommandEngine(), Other()]).engine == "other"
    assert find(ContainerRef(word), [CommandEngine()]).pid == container


def test_a_bare_name_is_enough(word: str, container: int) -> None:
    assert output("attach", word, "--", "sh", "-c", "echo $PPID").strip()
    assert container
