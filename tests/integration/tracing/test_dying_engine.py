"""An engine that dies while an image is slimmed in it, on a docker of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import cntr, environment, is_alive, running, wait_until
from tests.support.images import archive

pytestmark = [
    pytest.mark.requires("root", "fuse", "docker", "docker-cli", "dockerd", "mmdebstrap", "busybox"),
    pytest.mark.timeout(300),
]


class Dockerd:
    """A daemon in a network namespace of its own: with the machine's it would take that daemon's bridge away."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self.env = {"DOCKER_HOST": f"unix://{place}/socket", "TMPDIR": str(place / "temporary")}

    def start(self) -> None:
        options = [f"--{name}={self._place / name}" for name in ("data-root", "exec-root", "pidfile")]
        options += ["-H", self.env["DOCKER_HOST"], "--iptables=false", "--bridge=none", "--storage-driver=overlay2"]
        with open(self._place / "log", "ab") as log:
            line = ["unshare", "--net", "dockerd", *options]
            self._process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.docker("info", check=False).returncode == 0, "dockerd", 60)

    def kill(self) -> None:
        """As a crash does: the containers' shims live on."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        line = ["docker", *words]
        env = environment({**self.env, "DOCKER_HOST": self.env["DOCKER_HOST"]})
        return subprocess.run(line, env=env, capture_output=True, text=True, check=check, timeout=60)

    def runs(self) -> list[str]:
        return self.docker("ps", "--all", "--filter", "label=io.cntr.run", "--format", "{{.Names}}").stdout.split()

    def images(self) -> list[str]:
        return self.docker("images", "--filter", "reference=cntr-run-*", "--format", "{{.Repository}}").stdout.split()


@pytest.fixture
def dockerd() -> Iterator[Dockerd]:
    place = Path(tempfile.mkdtemp(prefix="dockerd-"))  # a short name: containerd's socket is below it
    (place / "temporary").mkdir()
    daemon = Dockerd(place)
    try:
        daemon.start()
        yield daemon
    finally:
        for name in daemon.docker("ps", "--all", "--quiet", check=False).stdout.split():
            daemon.docker("rm", "--force", name, check=False)
        daemon.kill()
        subprocess.run(["umount", "--recursive", "--lazy", place / "data-root"], check=False, capture_output=True)
        shutil.rmtree(place)


def test_what_is_left_is_named_has_ended_and_goes_with_the_next_run(dockerd: Dockerd, tmp_path: Path) -> None:
    image = archive("busybox")
    line = ("trace", "run", image, "--engine", "docker", "-o", str(tmp_path / "trace"))
    dockerd.docker(
        "run", "--detach", "--name", "cntr-run-of-somebody", "--label", "io.cntr.run=x", _loaded(dockerd, image)
    )
    with running(*line, "--probe", "quiet:100s", "--", "sleep", "1000", env=dockerd.env) as run:
        wait_until(lambda: len(dockerd.runs()) == 2, "the run's container", 60)
        [name] = set(dockerd.runs()) - {"cntr-run-of-somebody"}
        pid = int(dockerd.docker("inspect", "--format", "{{.State.Pid}}", name).stdout)
        dockerd.kill()
        _, errors = run.communicate(timeout=120)
    assert run.returncode == 125
    assert f"the container {name} is left in docker" in errors.decode(), errors
    assert "the image cntr-run-" in errors.decode()
    assert not is_alive(pid)

    dockerd.start()
    assert name in dockerd.runs() and dockerd.images()
    done = cntr(*line, "--probe", "exit", "--", "true", env=dockerd.env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert dockerd.runs() == ["cntr-run-of-somebody"] and not dockerd.images()


def _loaded(dockerd: Dockerd, image: str) -> str:
    """The id of the image, which the daemon has then."""
    said = dockerd.docker("load", "--quiet", "--input", image).stdout
    return said.rpartition(": ")[2].strip()
