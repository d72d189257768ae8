"""How engines are asked: with small engines that behave, and others that hang, crash, lie or litter."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cntr_core import Container, ContainerProcess, ContainerRef, ContainerState, Engine, EngineStatus
from cntr_core import engine as engines
from cntr_core.engine import process as engine_process
from cntr_core.engine import search
from cntr_core.engine.query import QueryResult, query
from cntr_core.errors import (
    AmbiguousContainer,
    CntrError,
    ContainerNotFound,
    ContainerNotRunning,
    EngineAbsent,
    EngineError,
    PluginError,
    UsageError,
)
from cntr_core.kernel import process, procfs
from tests.support.children import HANG, child, until


def container(name: str, engine: str = "one", *, id: str = "", pid: int | None = None, **more: Any) -> Container:
    state = more.pop("state", ContainerState.RUNNING)
    return Container(engine, id or f"{name}-id", name, state, pid or os.getpid(), **more)


def make(name: str, *containers: Container, act: Callable[[], object] = lambda: None) -> Engine:
    """An engine that knows `containers`; before each answer it does `act`."""

    class Small(Engine):
        def status(self) -> EngineStatus:
            act()
            return EngineStatus(available=True, detail="version 1")

        def containers(self) -> Iterable[Container]:
            act()
            yield from containers

    Small.name = name
    return Small()


def find(text: str, *known: Engine) -> Container:
    return engines.find(ContainerRef.parse(text), known)


@pytest.fixture(autouse=True)
def _nothing_stays() -> object:
    """No descriptor and no child is left by any of this, however an engine behaves."""
    before = _own()
    yield
    assert _own() == before


def _own() -> tuple[list[str], set[str]]:
    """The descriptors and the children of this process, zombies too: fixtures of a whole run have some of their own."""
    lists = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return os.listdir("/proc/self/fd"), {pid for children in lists for pid in children.split()}


# -- names ----------------------------------------------------------------------------------------------------------


def test_a_name_is_found_in_whichever_engine_knows_it() -> None:
    assert find("web", make("one"), make("two", container("web", "two"))).engine == "two"


def test_only_the_named_engine_is_asked() -> None:
    def never() -> None:
        with open("/proc/self/comm", "w") as file:
            file.write("asked")
        os.kill(os.getppid(), signal.SIGUSR1)

    asked: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
    try:
        assert find("two://web", make("one", act=never), make("two", container("web", "two"))).engine == "two"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not asked


def test_an_engine_that_does_not_exist() -> None:
    with pytest.raises(PluginError, match="unknown engine 'tow'") as caught:
        find("tow://web", make("one"), make("two"))
    assert "one, two" in caught.value.hint


def test_similar_names_of_containers_that_run_are_in_the_hint() -> None:
    stopped = container("webb", id="id-webb", state=ContainerState.EXITED)
    one = make(
        "one", *(container(name, id=f"id-{name}") for name in ("web1", "web2", "web3", "web4", "database")), stopped
    )
    two = make("two", container("ann/proxy", "two"))
    with pytest.raises(ContainerNotFound) as caught:
        find("web", one, two)
    told, _, rest = caught.value.hint.partition("? else see cntr list")
    assert told.startswith("did you mean one://web") and rest
    assert set(told.removeprefix("did you mean ").split(" or ")) < {f"one://web{n}" for n in range(1, 5)}
    assert told.count("one://") == 3
    with pytest.raises(ContainerNotFound, match="not found") as other:
        find("prxy", one, two)
    assert other.value.hint.startswith("did you mean two://ann/proxy? else see cntr list")
    for name in ("nothing-like-it", "webb-"):
        with pytest.raises(ContainerNotFound) as none:
            find(name, make("one", stopped, container("database")))
        assert "did you mean" not in none.value.hint
    with pytest.raises(ContainerNotFound) as last:
        find("1233", make("pid", container("1234", "pid")))
    assert "did you mean" not in last.value.hint


def test_a_list_that_hangs_does_not_keep_the_answer_that_nobody_knows_the_name() -> None:
    class Slow(Engine):
        name = "slow"

        def status(self) -> EngineStatus:
            return EngineStatus(available=True)

        def find(self, name: str) -> Sequence[Container]:  # noqa: ARG002 - nobody
            return []

        def containers(self) -> Iterable[Container]:
            time.sleep(600)
            return []

    with pytest.raises(ContainerNotFound) as caught:
        find("web", Slow(), make("one", container("webs", id="id-webs")))
    assert caught.value.hint.startswith("did you mean one://webs?")


def test_id_prefixes_count_when_no_name_fits_exactly() -> None:
    known = make("one", container("web", id="abcdef1"), container("abcd", id="123456"), container("db", id="abc999"))
    assert find("abcdef", known).name == "web"
    assert find("abcd", known).name == "abcd"
    assert find("1", known).name == "abcd"  # as short as it is unique
    assert find("/web", known).name == "web"  # as docker shows it


def test_a_name_comes_before_the_beginning_of_an_id_also_in_another_engine() -> None:
    known = make("one", container("a", "one", id="123")), make("two", container("web", "two", id="abcdef"))
    assert find("a", *known).engine == "one"
    assert find("ab", *known).engine == "two"


def test_an_ambiguous_prefix_lists_references_that_work() -> None:
    known = make("one", container("web", id="abcdef1"), container("db", id="abcdef2"))
    with pytest.raises(AmbiguousContainer, match="'abcdef' names 2 containers") as caught:
        find("abcdef", known)
    assert caught.value.hint == "say which: one://db, one://web"
    assert find("one://db", known).id == "abcdef2"


def test_a_name_in_two_engines_lists_a_reference_for_each() -> None:
    with pytest.raises(AmbiguousContainer) as caught:
        find("web", make("one", container("web", "one")), make("two", container("web", "two")))
    assert caught.value.hint == "say which: one://web, two://web"


def test_two_containers_of_one_name_are_told_apart_by_their_ids() -> None:
    known = make("one", container("web", id="a" * 64), container("web", id="b" * 64))
    with pytest.raises(AmbiguousContainer) as caught:
        find("web", known)
    assert caught.value.hint == f"say which: one://{'a' * 12}, one://{'b' * 12}"
    assert find(f"one://{'b' * 12}", known).id == "b" * 64


def test_a_container_called_like_a_number_comes_before_the_process_of_that_number() -> None:
    name = str(os.getpid())
    bare = make("pid", container(name, "pid"))
    assert find(name, bare, make("one", container(name, "one"))).engine == "one"
    assert find(name, bare, make("one")).engine == "pid"
    assert find(f"pid://{name}", bare, make("one", container(name, "one"))).engine == "pid"


def test_a_name_that_nobody_knows_tells_what_each_engine_said() -> None:
    def absent() -> None:
        raise EngineError("daemon not running", "start it")

    with pytest.raises(ContainerNotFound, match="container 'web' not found") as caught:
        find("web", make("docker", act=absent), make("lxc", act=absent), make("oci"))
    assert "docker: daemon not running; lxc: daemon not running; oci: no such container" in caught.value.hint
    assert caught.value.message.endswith("not found")
    assert caught.value.exit_code == 125


def test_a_name_that_only_the_engine_that_failed_could_know_is_its_error() -> None:
    def absent() -> None:
        raise EngineError("daemon not running", "start it")

    def impossible() -> None:
        raise ContainerNotFound("no such name can be", "give another")

    known = make("docker", act=absent), make("lxc", act=impossible), make("oci"), make("pid", act=impossible)
    with pytest.raises(EngineError, match="container 'web' not found: daemon not running") as caught:
        find("web", *known)
    assert caught.value.hint == "start it"


def test_an_engine_that_is_not_there_cannot_know_a_name() -> None:
    def absent() -> None:
        raise EngineAbsent("not installed", "install it")

    def failed() -> None:
        raise EngineError("out of order", "see its log")

    with pytest.raises(ContainerNotFound, match="container 'web' not found") as caught:
        find("web", make("docker", act=absent), make("oci"))
    assert "docker: not installed" in caught.value.hint
    with pytest.raises(EngineError, match="not found: out of order"):
        find("web", make("docker", act=absent), make("lxc", act=failed), make("podman", act=absent))


def test_an_empty_name_is_no_question() -> None:
    with pytest.raises(UsageError, match="name is empty"):
        find("", make("docker"))


def test_the_error_of_the_one_engine_that_was_named_is_the_answer() -> None:
    def absent() -> None:
        raise EngineError("daemon not running", "start it")

    with pytest.raises(EngineError, match="daemon not running") as caught:
        find("docker://web", make("docker", act=absent), make("oci"))
    assert caught.value.hint == "start it"


def test_without_any_engine_nothing_is_found() -> None:
    with pytest.raises(ContainerNotFound):
        find("web")


# -- engines that misbehave -----------------------------------------------------------------------------------------


def _ask(*known: Engine, limit: float = 20.0) -> dict[str, QueryResult[EngineStatus]]:
    return {answer.engine: answer for answer in query(known, lambda engine: engine.status(), limit)}


def test_engines_are_asked_side_by_side() -> None:
    """Each waits until the other one is being asked; one after the other they would wait for ever."""
    first, second = os.pipe(), os.pipe()

    def meet(mine: int, theirs: int) -> None:
        os.write(mine, b"x")
        os.read(theirs, 1)

    one = make("one", act=lambda: meet(first[1], second[0]))
    two = make("two", act=lambda: meet(second[1], first[0]))
    answers = _ask(one, two)
    for fd in (*first, *second):
        os.close(fd)
    assert all(answer.value for answer in answers.values())


def test_no_process_is_forked_for_an_engine_that_is_plainly_not_here() -> None:
    asked, absent = make("asked", container("web", "asked")), make("absent")
    error = EngineAbsent("absent is not installed", "install it")
    before = os.getpid()

    def look() -> None:
        assert os.getpid() == before, "in the caller's own process"
        raise error

    absent.check_presence = look  # type: ignore[method-assign]
    absent.containers = lambda: os.abort()  # type: ignore[assignment,method-assign,return-value]
    answers = query([absent, asked], lambda engine: list(engine.containers()), 20.0, skip_absent=True)
    assert [(answer.engine, answer.error) for answer in answers] == [("absent", error), ("asked", None)]
    assert engines.list_containers([absent, asked]).failures == (answers[0],)
    assert find("web", absent, asked).engine == "asked"


def test_an_engine_that_cannot_look_is_asked_as_ever() -> None:
    strange = make("strange", container("web", "strange"))
    strange.check_presence = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    assert find("web", strange).engine == "strange"


def test_an_engine_that_hangs_is_ended_and_the_others_are_heard() -> None:
    answers = _ask(make("hanging", act=lambda: time.sleep(60)), make("one"), limit=0.3)
    assert answers["one"].value
    error = answers["hanging"].error
    assert error is not None
    assert error.message == "hanging did not answer within 0.3 s"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets a short limit, and the patience given."""

    def set_patience(seconds: float) -> None:
        monkeypatch.setattr(search, "LIMIT", 0.2)
        monkeypatch.setattr(search, "PATIENCE", seconds)

    return set_patience


def test_a_late_engine_is_waited_for_where_no_other_has_the_name(short: Callable[[float], None]) -> None:
    short(30)
    slow = make("slow", container("web", "slow"), act=lambda: time.sleep(0.6))
    assert find("web", make("one", container("other")), slow).engine == "slow"
    assert find("slow://web", slow).engine == "slow"


def test_a_late_engine_is_not_waited_for_where_another_has_the_name(short: Callable[[float], None]) -> None:
    short(HANG)
    started = time.monotonic()
    late = make("hanging", container("web", "hanging"), act=lambda: time.sleep(2 * HANG))
    assert find("web", make("one", container("web")), late).engine == "one"
    assert time.monotonic() - started < HANG


def test_no_other_is_waited_for_once_a_late_one_has_the_name(short: Callable[[float], None]) -> None:
    short(HANG)
    started = time.monotonic()
    slow = make("slow", container("web", "slow"), act=lambda: time.sleep(0.6))
    assert find("web", slow, make("hanging", act=lambda: time.sleep(2 * HANG))).engine == "slow"
    assert time.monotonic() - started < HANG


def test_engines_that_are_late_for_ever_may_have_the_name(short: Callable[[float], None]) -> None:
    short(0.4)
    hanging = [make(name, act=lambda: time.sleep(60)) for name in ("docker", "podman")]
    with pytest.raises(ContainerNotFound, match=r"container 'web' not found$") as caught:
        find("web", *hanging, make("one"))
    assert "docker did not answer within 0.4 s; podman: podman did not" in caught.value.hint
    with pytest.raises(EngineError, match=r"'web' not found: docker did not answer within 0\.4 s"):
        find("web", hanging[0], make("one"))


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)


def _close_everything() -> None:
    os.closerange(0, 256)
    time.sleep(60)


@pytest.mark.parametrize("act", [_block_signals, _close_everything])
def test_an_engine_that_resists_is_ended_too(act: Callable[[], object]) -> None:
    answers = _ask(make("stubborn", act=act), limit=0.3)
    assert answers["stubborn"].error


def _exit() -> None:
    raise SystemExit(3)


def _stumble() -> None:
    raise KeyError("x")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "the plugin of odd crashed"),
        (lambda: os._exit(0), "the plugin of odd crashed"),
        (_exit, "the plugin of odd crashed"),
        (_stumble, "odd: KeyError: 'x'"),
    ],
    ids=["killed", "_exit", "SystemExit", "exception"],
)
def test_an_engine_that_crashes_is_an_error_of_that_engine_alone(act: Callable[[], object], words: str) -> None:
    answers = _ask(make("odd", act=act), make("one"))
    assert answers["one"].value
    error = answers["odd"].error
    assert isinstance(error, EngineError)
    assert error.message == words


def test_what_an_engine_does_to_its_process_does_not_reach_ours() -> None:
    def litter() -> None:
        os.chdir("/")
        os.environ["LITTER"] = "1"
        print("to stdout")
        os.close(0)

    here = os.getcwd()
    assert _ask(make("littering", act=litter))["littering"].value
    assert os.getcwd() == here
    assert "LITTER" not in os.environ


def test_an_engine_writes_nothing_to_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    _ask(make("loud", act=lambda: os.write(1, b"noise")))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("answers", [True, False])
def test_helpers_that_an_engine_starts_do_not_outlive_it(answers: bool, tmp_path: os.PathLike[str]) -> None:
    note = f"{tmp_path}/pid"

    def start_helper() -> None:
        helper = os.fork()
        if helper == 0:
            os.closerange(0, 256)
            time.sleep(60)
        with open(note, "w") as file:
            file.write(str(helper))
        if not answers:
            time.sleep(60)

    assert bool(_ask(make("starting", act=start_helper), limit=1.0)["starting"].value) is answers
    with open(note) as file:
        helper = int(file.read())
    until(lambda: _gone(helper))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_helpers_do_not_outlive_a_caller_that_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def start_helper() -> None:
        helper = subprocess.Popen(["sleep", "1000"])
        (tmp_path / "new").write_text(str(helper.pid))
        (tmp_path / "new").rename(note)
        helper.wait()

    with child(lambda: _ask(make("starting", act=start_helper))) as caller:
        until(note.exists)
        helper = int(note.read_text())
        os.kill(caller, number)
        until(lambda: _gone(helper))


def _gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2][0] in "ZX"  # PID 1 does not always reap
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_big_answers_arrive_whole() -> None:
    many = [container(f"c{i}", labels={"text": "x" * 1000}) for i in range(2000)]
    listing = engines.list_containers([make("one", *many)])
    assert list(listing.containers) == many


def test_answers_that_are_no_containers_are_refused() -> None:
    liar = make("liar", cast(Container, "web"))
    stealing = make("stealing", container("web", "docker"))
    listing = engines.list_containers([liar, stealing, make("one", container("web"))])
    assert [c.engine for c in listing.containers] == ["one"]
    messages = [failure.error.message for failure in listing.failures if failure.error]
    assert messages == ["liar lists 'web', which is not a container", "stealing lists a container of docker"]


def test_statuses_of_engines_that_fail_say_why() -> None:
    class Silent(Engine):
        name = "silent"

        def status(self) -> EngineStatus:
            return cast(EngineStatus, None)

        def containers(self) -> Sequence[Container]:
            return ()

    def refuse() -> None:
        raise EngineError("no permission", "use sudo")

    found = dict(engines.statuses([make("one"), make("refusing", act=refuse), Silent()]))
    assert found["one"] == EngineStatus(available=True, detail="version 1")
    assert found["refusing"] == EngineStatus(available=False, detail="no permission", hint="use sudo")
    assert not found["silent"].available


def test_an_error_keeps_its_class_message_and_hint_over_the_pipe() -> None:
    def refuse() -> None:
        raise ContainerNotRunning("it has ended", "start it")

    error = _ask(make("one", act=refuse))["one"].error
    assert isinstance(error, ContainerNotRunning)
    assert (error.message, error.hint) == ("it has ended", "start it")


def test_with_debug_an_engines_traceback_is_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNTR_DEBUG", "1")
    _ask(make("odd", act=_stumble))
    assert "KeyError: 'x'" in capfd.readouterr().err


def test_an_engine_holds_no_images_unless_it_says_so() -> None:
    assert make("one").export_image("debian") is None


# -- processes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "words", "hint"),
    [
        (ContainerState.PAUSED, "one://web is paused", "unpause"),
        (ContainerState.EXITED, "one://web is not running (exited)", "start it"),
        (ContainerState.CREATED, "one://web is not running (created)", "start it"),
        (ContainerState.UNKNOWN, "one://web is not running (unknown)", "start it"),
    ],
)
def test_states_without_a_process_to_join(state: ContainerState, words: str, hint: str) -> None:
    with pytest.raises(ContainerNotRunning) as caught:
        engines.resolve(ContainerRef("web"), [make("one", container("web", state=state))])
    assert caught.value.message.startswith(words)
    assert hint in caught.value.hint


def test_a_container_that_runs_is_pinned_by_its_start_time() -> None:
    with child() as pid:
        resolved = engines.resolve(ContainerRef("web"), [make("one", container("web", pid=pid))])
        assert (resolved.pid, resolved.start_time) == (pid, process.start_time(pid))
        with engines.pin(resolved) as pidfd:
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with pytest.raises(ContainerNotRunning, match="one://web has ended"), engines.pin(resolved):
        pass


def test_a_container_that_ends_while_it_is_looked_up() -> None:
    with child() as pid:
        pass
    with pytest.raises(ContainerNotRunning, match="ended just now"):
        engines.resolve(ContainerRef("web"), [make("one", container("web", pid=pid))])


def test_a_process_with_a_reused_number_is_refused() -> None:
    with child() as pid:
        earlier = ContainerProcess(container("web", pid=pid), pid, process.start_time(pid) - 1)
        with pytest.raises(ContainerNotRunning, match="has ended"), engines.pin(earlier):
            pass


def test_a_zombie_counts_as_gone() -> None:
    with child(lambda: None) as pid:
        until(lambda: _gone(pid))
        zombie = ContainerProcess(container("web", pid=pid), pid, process.start_time(pid))
        with pytest.raises(ContainerNotRunning, match="has ended"), engines.pin(zombie):
            pass


def test_a_process_that_ends_while_it_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may go, and be reaped, between any two steps: once its directory is gone, once it goes behind an open one."""
    with child() as pid:
        there = ContainerProcess(container("web", pid=pid), pid, process.start_time(pid))
        open_process = procfs.open_process

        def open_then_end(which: int) -> int:
            directory = open_process(which)
            os.kill(which, signal.SIGKILL)
            os.waitpid(which, 0)
            return directory

        monkeypatch.setattr(procfs, "open_process", open_then_end)
        for _ in range(2):
            with pytest.raises(ContainerNotRunning, match="has ended"), engines.pin(there):
                pass
        monkeypatch.undo()
        assert not engine_process._is_same(there)


def test_all_errors_have_a_next_step() -> None:
    with child() as pid:
        pass
    for name in ("nobody", "web"):
        with pytest.raises(CntrError) as caught:
            engines.resolve(ContainerRef(name), [make("one", container("web", pid=pid))])
        assert caught.value.hint
