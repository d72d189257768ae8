"""Programs in the containers of real engines, on a root that is watched: nothing else about them is different."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cntr_slimmer.runs.engine_leftovers import new_image_name
from cntr_slimmer.trace.observer import TraceObserver

from cntr_core.engine.tracing import ShimEntry, TracingOptions
from cntr_core.errors import CntrError, EngineError, SessionError
from cntr_core.images import Platform
from cntr_core.kernel.process import pidfd_send_signal
from tests.conftest import require
from tests.integration.tracing.conftest import EngineCase, answers, free_port, networked
from tests.support.children import until

pytestmark = pytest.mark.requires("root", "fuse", "docker", "docker-cli", "mmdebstrap", "busybox")

_SCRIPT = """
trap 'echo bye; exit 7' USR1
echo $(id -u) $(id -g) $PWD $GREETING $$ $(hostname)
cat /data/seed
echo mine > /data/new
echo x > written
while :; do sleep 0.1; done
"""
_RICH = f"""
RUN mkdir /data /work && echo from the image > /data/seed && chown -R 1000:1000 /data /work
USER 1000:50
ENV GREETING="hello world"
WORKDIR /work
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGUSR1
ENTRYPOINT ["sh", "-c"]
CMD {json.dumps([_SCRIPT])}
"""


def test_images_whose_makers_have_died_go_with_the_next_run(tested: EngineCase) -> None:
    """Not those of the living, and what only looks like ours."""
    alive, image = new_image_name(), tested.image("busybox")
    kept = [alive, alive.replace(":", "-of-somebody:"), f"cntr-run-{'0' * 32}:latest"]
    dead = f"cntr-run-{'1' * 32}:{alive.partition(':')[2].replace(f'_{os.getpid()}_', f'_{_dead_process()}_')}"
    tag = ("images", "tag") if tested.name == "containerd" else ("tag",)
    try:
        for name in (dead, *kept):
            tested.command(*tag, image, f"docker.io/library/{name}")
        with tested.run(image, "sleep", "1000"):
            assert sorted(name.rpartition("/")[2] for name in tested.tags()) == sorted(kept)
    finally:
        for name in (dead, *kept):
            tested.engine.remove_image(f"docker.io/library/{name}")
    assert tested.tags() == []


def _dead_process() -> int:
    """A PID that nobody has."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def _used(observer: TraceObserver) -> set[bytes]:
    return {access.path for access in observer.records()[0] if not access.errno}


def _line(text: bytes, number: int) -> str:
    return text.decode().splitlines()[number]


def test_the_program_has_everything_of_the_image(tested: EngineCase, observer: TraceObserver) -> None:
    with tested.run(tested.build(_RICH), observer=observer) as run:
        until(lambda: run.log().count(b"\n") >= 2)
        assert _line(run.log(), 0) == "1000 50 /work hello world 1 a-host"
        assert _line(run.log(), 1) == "from the image"
        assert run.environment["GREETING"] == "hello world"
        until(lambda: b"mine" in run.execute(["cat", "/data/new"], 20).stdout)
        root = run.execute(["cat", "/proc/1/mounts"], 20).stdout.splitlines()
        assert [line.split()[2] for line in root if line.split()[1] == b"/"] == [b"fuse.cntr"]
        assert not [line for line in root if b"cntr-run" in line]
        assert run.execute(["ls", "-a", "/"], 20).stdout.count(b"cntr") == 0
        assert run.end(20) == 7
        assert _line(run.log(), -1) == "bye"
    used = _used(observer)
    assert {b"/usr/bin/dash", b"/usr/bin/sleep", b"/usr/bin/id", b"/etc/passwd"} <= used
    assert b"/usr/bin/perl" not in used
    assert not [path for path in used if b"cntr-run" in path]
    assert tested.containers() == []


@networked
@pytest.mark.parametrize("watched", [True, False])
def test_the_health_check_runs_on_the_same_root(tested: EngineCase, observer: TraceObserver, watched: bool) -> None:
    image = tested.build("HEALTHCHECK --interval=1s CMD test -e /etc/issue.net\nCMD sleep 1000")
    with tested.run(image, observer=observer if watched else None) as run:
        name = tested.containers()[0]
        if tested.name == "podman":  # its health checks are started by systemd, which is not here
            tested.command("healthcheck", "run", name)
        else:
            shown = "{{.State.Health.Status}}"
            until(lambda: tested.command("inspect", "--format", shown, name).strip() == "healthy")
        run.end(0)
    assert (b"/etc/issue.net" in _used(observer)) if watched else (run.activity() == 0)


def test_commands_are_executed_as_the_image_says(tested: EngineCase, observer: TraceObserver) -> None:
    image = tested.build("USER 1000\nWORKDIR /usr/share\nENV WORD=kept\nCMD sleep 1000")
    with tested.run(image, observer=observer) as run:
        done = run.execute(["sh", "-c", "echo $(id -u) $PWD $WORD; echo oops >&2; exit 5"], 20)
        assert (done.code, done.stdout, done.stderr) == (5, b"1000 /usr/share kept\n", b"oops\n")
        assert run.execute(["head", "-c", "300000", "/dev/zero"], 20).stdout == bytes(300000)
        assert run.execute(["no-such-command"], 20).code in (126, 127)
        with pytest.raises(TimeoutError, match="did not end within"):
            run.execute(["sleep", "54321"], 0.5)
        until(lambda: b"54321" not in run.execute(["grep", "-sa", "[5]4321", "/proc/2/cmdline"], 20).stdout)
        assert run.ended() is None


def test_read_only_means_so_and_a_tmpfs_can_be_written(tested: EngineCase, observer: TraceObserver) -> None:
    script = "echo x > /etc/new || echo refused; echo x > /scratch/new && echo written; exec sleep 1000"
    options = TracingOptions(tmpfs=("/scratch:size=1m",), read_only=True)
    with tested.run(tested.build("RUN mkdir /scratch"), "sh", "-c", script, options=options, observer=observer) as run:
        until(lambda: b"written" in run.log())
        assert b"refused" in run.log()
        assert run.execute(["touch", "/new"], 20).code == 1
        assert run.execute(["ls", "-a", "/"], 20).stdout.count(b"cntr") == 0


@networked
def test_an_init_may_be_the_first_process(tested: EngineCase, observer: TraceObserver) -> None:
    if tested.name == "podman":
        require("catatonit")
    script = "trap 'exit 9' TERM; echo I am $$; while :; do sleep 0.1; done"
    with tested.run(
        tested.image("debian"), "sh", "-c", script, options=TracingOptions(init=True), observer=observer
    ) as run:
        until(lambda: b"I am" in run.log())
        assert b"I am 1\n" not in run.log()
        assert run.end(20) == 9
    assert b"/usr/bin/dash" in _used(observer)


def test_volumes_variables_and_networks_of_the_engine(
    tested: EngineCase, observer: TraceObserver, tmp_path: Path
) -> None:
    (tmp_path / "given").write_text("from the host\n")
    options = TracingOptions(
        volumes=(f"{tmp_path}/given:/etc/given:ro",), environment=("WORD=from the user",), network="none"
    )
    script = 'cat /etc/given; echo "$WORD"; ls /sys/class/net; exec sleep 1000'
    with tested.run(tested.build("ENV WORD=image"), "sh", "-c", script, options=options, observer=observer) as run:
        until(lambda: run.log().count(b"\n") >= 3)
        assert run.log().decode().splitlines()[:3] == ["from the host", "from the user", "lo"]
        assert run.environment["WORD"] == "from the user"


@networked
def test_a_published_portanswers(tested: EngineCase, observer: TraceObserver) -> None:
    port = free_port()
    options = TracingOptions(publish=(f"127.0.0.1:{port}:80",))
    with tested.run(tested.image("nginx"), options=options, observer=observer) as run:
        until(lambda: answers(port))
        assert run.end(20) == 0
    assert {b"/usr/sbin/nginx", b"/etc/nginx/nginx.conf"} <= _used(observer)


def test_an_image_from_scratch_runs(tested: EngineCase, observer: TraceObserver) -> None:
    with tested.run(tested.image("busybox"), "sh", "-c", "echo up; exec sleep 1000", observer=observer) as run:
        until(lambda: run.log() == b"up\n")
        assert run.execute(["/bin/busybox", "true"], 20).code == 0
    assert b"/bin/busybox" in _used(observer)


@pytest.mark.parametrize(("command", "code"), [("/no/such/program", 127), ("/etc/passwd", 126), ("false", 1)])
def test_the_exit_code_is_the_programs_own_or_says_that_there_is_none(
    tested: EngineCase, observer: TraceObserver, command: str, code: int
) -> None:
    with tested.run(tested.image("debian"), command, observer=observer) as run:
        until(lambda: run.ended() is not None)
        assert run.ended() == code
        assert run.end(20) == code


def test_a_server_that_dies_ends_the_run(tested: EngineCase, observer: TraceObserver) -> None:
    with pytest.raises(SessionError, match="filesystem server died"):  # noqa: SIM117 - the block's exit is what is tested
        with tested.run(tested.image("debian"), "sleep", "1000", observer=observer) as run:
            assert run.server is not None
            pidfd_send_signal(run.server, signal.SIGKILL)
            until(lambda: run.ended() is not None)
    assert tested.containers() == []
    with pytest.raises(SessionError, match="incomplete"):
        observer.records()


@contextmanager
def _shared(directory: Path) -> Iterator[Path]:
    """A directory with a gate, and a FIFO that nobody opens for writing."""
    from cntr_slimmer.runs.entrypoint_shim import shim

    directory.mkdir(mode=0o755)
    (directory / "gate").write_bytes(shim(Platform.host()))
    (directory / "gate").chmod(0o555)
    os.mkfifo(directory / "fifo", 0o644)
    yield directory


def test_a_gate_that_nobody_opens_runs_nothing(tested: EngineCase, tmp_path: Path) -> None:
    """As when cntr was killed before it could watch."""
    proof = tmp_path / "proof"
    proof.mkdir(mode=0o777)
    name = f"cntr-run-{os.getpid()}-refused"
    program = ("/bin/sh", "", "sh", "-c", "echo ran; touch /proof/ran")
    with _shared(tmp_path / "shared") as directory:
        entry = ShimEntry(
            name=name,
            hostname="a-host",
            directory=str(directory),
            target="/.gate",
            arguments=("/.gate/gate", "/.gate/fifo", "/", *program),
            options=TracingOptions(volumes=(f"{proof}:/proof",)),
        )
        try:
            container = tested.engine.create_traced(tested.image("debian"), entry)
        except EngineError as error:  # it was over before the engine could tell its process
            assert "ended before" in error.message
        else:
            until(lambda: container.ended() is not None)
            assert (container.ended(), container.logs()) == (125, b"")
            container.remove()
        finally:
            tested.engine.remove_traced(name)
    assert list(proof.iterdir()) == []
    assert tested.containers() == []


@networked
def test_what_the_engine_refuses_is_told_and_leaves_nothing(tested: EngineCase, observer: TraceObserver) -> None:
    with pytest.raises(EngineError, match=f"{tested.name} refused: "):  # noqa: SIM117 - it is entering that fails
        with tested.run(tested.image("debian"), options=TracingOptions(network="no-such-network"), observer=observer):
            pass
    with pytest.raises(CntrError, match="cannot be published"):  # noqa: SIM117 - as above
        with tested.run(tested.image("debian"), options=TracingOptions(publish=("1-3:4-5",)), observer=observer):
            pass
    assert tested.containers() == []
    assert os.listdir(os.environ["TMPDIR"]) == []
