"""``cntr slim --engine`` and ``cntr trace run --engine``, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_slimmer.trace.file import read

from tests.integration.tracing.conftest import EngineCase
from tests.support.children import until
from tests.support.cntr import cntr, is_alive, running
from tests.support.images import archive

pytestmark = pytest.mark.requires("root", "fuse", "docker", "docker-cli", "mmdebstrap", "busybox")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cntr writes reports, and nothing else is."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def name(tested: EngineCase) -> Iterator[str]:
    """A name for halves in the engine, which are removed after the test."""
    name = f"cntr-gate-{uuid.uuid4().hex}"
    yield name
    for half in ("slim", "fat"):
        tested.forget(f"{name}:{half}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("held", [True, False])
def test_nginx_slims_in_the_engine_and_the_slim_image_answers(
    tested: EngineCase, name: str, directory: Path, held: bool
) -> None:
    """`held`: the engine has the image; else it comes from a file."""
    image = f"{tested.name}://{tested.image('nginx')}" if held else archive("nginx")
    names = ("--slim-name", f"{name}:slim", "--fat-name", f"{name}:fat")
    line = ("slim", image, "--engine", tested.name, "-o", f"{tested.name}://{name}:slim", *names, "--report", "report")
    done = cntr(*line, timeout=280)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads((directory / "report/report.json").read_text())
    assert report["ok"] is True
    assert tested.containers() == [] and tested.tags() == []
    assert os.listdir(os.environ["TMPDIR"]) == []

    with tested.serving(f"{name}:slim") as answers:
        until(answers)


def test_what_new_volumes_begin_with_stays_in_the_slim_image(tested: EngineCase, directory: Path) -> None:
    """The engine copies it before the root is watched, so that no trace shows it."""
    name = tested.build("RUN mkdir /v /w && echo seed | tee /v/f > /w/f\nVOLUME /v\nCMD sleep 9999")
    probe = ("--probe", "exec:cat /v/f", "--volume", "/w")
    line = ("slim", f"{tested.name}://{name}", "--engine", tested.name, *probe, "-o", "pair.tar")
    done = cntr(*line, "--report", "report", timeout=280)
    assert done.returncode == 0, done.stderr.decode()
    for place in ("/v", "/w"):
        why = cntr("why", str(directory / "report"), f"{place}/f").stdout.decode()
        assert f"{place}/f: kept" in why and f"new volumes at {place} begin with it" in why


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_cntr_that_is_ended_leaves_nothing(tested: EngineCase, directory: Path, number: signal.Signals) -> None:
    image = archive("busybox")
    with running("trace", "run", image, "--engine", tested.name, "--probe", "quiet:100s", "--", "sleep", "1000") as run:
        until(lambda: _programs(tested) == ["busybox"])
        [container] = tested.engine.find(tested.containers()[0])
        assert tested.tags() and container.pid is not None
        run.send_signal(number)
        run.wait(60)
    until(lambda: not tested.containers() and not tested.tags() and not is_alive(container.pid or 0))
    until(lambda: not tested.left())
    until(lambda: os.listdir(os.environ["TMPDIR"]) == [])
    assert os.listdir(directory) == []


def _programs(tested: EngineCase) -> list[str]:
    """The names of what runs in containers of runs."""
    found = [container for name in tested.containers() for container in tested.engine.find(name)]
    return [os.path.basename(os.readlink(f"/proc/{container.pid}/exe")) for container in found if container.pid]


def test_options_reach_the_engine(tested: EngineCase, directory: Path) -> None:
    (directory / "given").write_text("")
    line = ["trace", "run", f"{tested.name}://{tested.image('debian')}", "--engine", tested.name, "-o", "out.jsonl"]
    line += ["--probe", "exit", "--env", "WORD=kept", "--volume", f"{directory}/given:/given", "--network", "none"]
    line += ["--entrypoint", "sh", "--user", "daemon:staff", "--workdir", "/new/place"]
    line += ["--mount", f"type=bind,src={directory}/given,dst=/read/only,readonly"]
    line += ["--mount", "type=tmpfs,dst=/memory,tmpfs-size=64k"]
    script = (
        'test "$WORD,$PWD,$(id -un),$(id -gn)" = kept,/new/place,daemon,staff && ls /sys/class/net > /given && '
        "cat /etc/issue /read/only && ! echo >/read/only && grep -q '/memory.*size=64k' /proc/mounts"
    )
    (directory / "given").chmod(0o666)
    done = cntr(*line, "--", "-c", script)
    assert done.returncode == 0, done.stderr.decode()
    assert (directory / "given").read_text() == "lo\n"
    used = read("out.jsonl").used()
    assert b"/etc/issue" in used and b"/etc/issue.net" not in used


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "pid"), "pid cannot trace what runs in its containers"),
        (("--engine", "oci"), "oci cannot trace what runs in its containers"),
        (("--engine", "none"), "unknown engine 'none'"),
        (("--publish", "80:80"), "are only for --engine"),
        (("--engine", "docker", "--network", "no-such-network"), "docker refused: "),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, ...], message: str, directory: Path) -> None:
    done = cntr("trace", "run", archive("busybox"), *arguments)
    assert done.returncode == 125
    assert message in done.stderr.decode()
    assert os.listdir(directory) == []


def test_another_machines_daemon_cannot_be_traced(directory: Path) -> None:
    remote = {"DOCKER_HOST": "tcp://192.0.2.1:2375"}
    done = cntr("trace", "run", archive("busybox"), "--engine", "docker", env=remote)
    assert done.returncode == 125
    assert "may be another machine" in done.stderr.decode()
    assert os.listdir(directory) == []
