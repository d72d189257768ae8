"""A service of a compose file is slimmed as it runs there: with what it depends on, its variables and its networks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.slim.conftest import Slim
from tests.support.cntr import PROGRAM
from tests.support.images import docker_image

pytestmark = pytest.mark.requires("root", "fuse", "docker", "docker-compose")

# The page is what redis says, by the service's alias; a file of a bind mount; and a variable of the environment.
_PROGRAM = """\
mkdir -p /www && (printf 'PING\\r\\n'; sleep 0.2) | nc "$$STORE" 6379 > /www/index.html
cat /given/word >> /www/index.html
echo "$$WORD $$(hostname)" >> /www/index.html
exec busybox httpd -f -p 80 -h /www
"""
_FILE = """\
services:
  web:
    image: {web}
    entrypoint: ["busybox", "sh", "-c"]
    command: [{program}]
    environment:
      STORE: store
      WORD: "${{WORD:-a $$ word}}"
      PATH: /bin
    hostname: front
    volumes:
      - ./given:/given:ro
      - state:/state
    networks: [inner, outer]
    depends_on:
      cache:
        condition: service_healthy
  cache:
    image: {redis}
    networks:
      inner:
        aliases: [store]
    healthcheck:
      test: ["CMD", "redis-cli", "ping"]
      interval: 1s
      retries: 30
    volumes:
      - kept:/kept
networks:
  inner: {{}}
  outer: {{}}
volumes:
  state: {{}}
  kept: {{}}
"""


def _leftovers() -> list[str]:
    """Containers, networks and volumes of projects of cntr's."""
    wanted = "label=com.docker.compose.project"
    found = []
    for kind, form in (("ps --all", "Names"), ("network ls", "Name"), ("volume ls", "Name")):
        line = ["docker", *kind.split(), "--filter", wanted, "--format", f"{{{{.{form}}}}}"]
        found += subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return [name for name in found if name.startswith("cntr-run-")]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/word").write_text("given\n")
    file = tmp_path / "compose.yaml"
    images = {"web": docker_image("busybox"), "redis": docker_image("redis")}
    file.write_text(_FILE.format(program=json.dumps(_PROGRAM), **images))
    yield file
    assert _leftovers() == []


def test_a_service_is_slimmed_with_what_it_depends_on(slim: Slim, project: Path) -> None:
    words = (
        "--compose",
        str(project),
        "web",
        "-o",
        "out.tar",
        "--report",
        "report",
        "--probe",
        "http:80/=200",
        "--stop-timeout",
        "1",
    )
    done = slim.cntr("slim", *words, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((slim.place / "report/report.json").read_text())
    assert report["ok"] and report["verified"]
    (outcome,) = report["probes"]["original"]
    assert outcome["ok"], outcome
    assert slim.cntr("why", "report", "/bin/busybox").returncode == 0


@pytest.mark.requires("docker-cli")
def test_the_printed_lines_start_the_service_with_the_slim_image(
    slim: Slim, project: Path, request: pytest.FixtureRequest
) -> None:
    name = f"cntr-test/{uuid.uuid4().hex[:12]}:1"

    def remove() -> None:
        down = ["docker-compose", "--file", str(project), "down", "--volumes", "--timeout", "0"]
        for line in (down, ["docker", "rmi", "--force", name, f"{name}-fat"]):
            subprocess.run(line, capture_output=True, timeout=60)

    request.addfinalizer(remove)
    words = ("--compose", str(project), "web", "-o", f"docker://{name}", "--probe", "http:80/=200", "--stop-timeout=1")
    done = slim.cntr("slim", *words, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.partition("  # ")[0] for line in done.stdout.splitlines() if "  # " in line]
    start, look = lines[:2]
    environment = {**slim.environment, "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}
    run = partial(subprocess.run, shell=True, env=environment, capture_output=True, text=True, timeout=120)
    told = run(f"{start} && {look} -- /bin/busybox true")
    assert told.returncode == 0, told.stderr
    made = run(f"docker inspect --format '{{{{.Config.Image}}}} {{{{.Config.Env}}}}' {_asked(look)}")
    assert made.stdout.startswith(f"{name} ") and "STORE=store" in made.stdout, made.stderr


def _asked(line: str) -> str:
    """The container that a printed line means."""
    return line.partition('"docker://')[2].removesuffix('"')


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody",), "has no service nobody"),
        (("web", "--env", "A=b"), "--env and --compose contradict each other"),
        (("web", "--profile", "seccomp"), "--profile cannot be replayed"),
        (("web", "--engine", "podman"), "--compose starts its services in docker"),
    ],
    ids=["no service", "an option of the file", "a profile", "another engine"],
)
def test_what_cannot_be_is_refused(slim: Slim, project: Path, words: tuple[str, ...], message: str) -> None:
    done = slim.cntr("slim", "--compose", str(project), *words)
    assert done.returncode == 125
    assert message in done.stderr


def test_a_file_that_compose_does_not_take(slim: Slim, project: Path) -> None:
    project.write_text("services: {web: {image: [1]}}\n")
    done = slim.cntr("slim", "--compose", str(project), "web")
    assert done.returncode == 125 and done.stderr.startswith("cntr: --compose: ")


def test_a_dependency_that_is_never_healthy_ends_it(slim: Slim, project: Path) -> None:
    text = project.read_text().replace('"redis-cli", "ping"', '"false"').replace("retries: 30", "retries: 1")
    project.write_text(text)
    done = slim.cntr("slim", "--compose", str(project), "web", "-o", "out.tar", "--probe", "http:80/", timeout=180)
    assert done.returncode == 125
    assert "compose up failed: " in done.stderr and "nhealthy" in done.stderr and "Creating" not in done.stderr


def test_what_the_user_runs_of_the_file_stays_also_by_its_names(
    slim: Slim, project: Path, request: pytest.FixtureRequest
) -> None:
    """One container on a machine has a name that the file gives; the application finds its store by it."""
    name = f"cntr-test-{uuid.uuid4().hex[:12]}"
    text = project.read_text().replace("STORE: store", f"STORE: {name}")
    project.write_text(text.replace("  cache:\n    image", f"  cache:\n    container_name: {name}\n    image"))
    compose = partial(subprocess.run, capture_output=True, text=True, timeout=60)
    line = ["docker-compose", "--file", str(project)]
    request.addfinalizer(lambda: compose([*line, "down", "--volumes", "--timeout", "0"]))
    compose([*line, "up", "--detach", "cache"], check=True)
    before = compose([*line, "ps", "--quiet", "cache"]).stdout
    words = ("--compose", str(project), "web", "-o", "out.tar", "--probe", "exec:busybox grep PONG /www/index.html")
    done = slim.cntr("slim", *words, "--stop-timeout=1", timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    running = compose(["docker", "ps", "--quiet", "--no-trunc", "--filter", f"name=^{name}$"]).stdout
    assert running == before != ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["first", "last"])
def test_nothing_is_left_by_a_run_that_is_ended(slim: Slim, project: Path, number: int, moment: str) -> None:
    """While the services start, and when the traced one runs, whose container has the project's name."""
    words = ("--compose", str(project), "web", "-o", "out.tar", "--probe", "quiet:60s", "--stop-timeout", "1")
    process = slim.popen("slim", *words)
    _await(lambda: any(moment == "first" or "_" not in name for name in _leftovers()))
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    _await(lambda: not _leftovers())


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, _leftovers()
        time.sleep(0.1)
