"""The lines that a slim ends with work as they are printed, wherever the image came from and the pair went."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from cntr_slimmer.runs.imported import original_image

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.pack import pack
from cntr_core.plugins import load
from tests.integration.images.conftest import serving
from tests.integration.slim.conftest import HANG, MakeApp, Slim
from tests.support.cntr import PROGRAM
from tests.support.podman import podman_environment
from tests.unit.images.layouts import directory, file, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox", "docker", "docker-cli")
_SERVER = "cat /data/used; trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"
_STEP = re.compile(r"  (?P<line>\S.*)  # (?P<purpose>.*)")


class Steps:
    """Runs the lines that a finished slim printed, as a person does who copies them; what they start is removed."""

    def __init__(self, slim: Slim, stack: ExitStack) -> None:
        self._slim, self._stack = slim, stack
        self._env = {**slim.environment, "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}

    def slim(self, *arguments: str, timeout: float = HANG) -> list[str]:
        done = self._slim.cntr("slim", "--no-rule", "application", *arguments, timeout=timeout)
        assert done.returncode == 0, (done.stdout, done.stderr)
        lines = [match["line"] for text in done.stdout.splitlines() if (match := _STEP.fullmatch(text))]
        assert lines, done.stdout
        return lines

    def run(self, lines: Sequence[str]) -> str:
        """All of them, one after the other; the shell that one opens reads a file which only the fat image has."""
        return "".join(self._run(line) for line in lines)

    def _run(self, line: str) -> str:
        words = shlex.split(line)
        if name := next((word.removeprefix("--name=") for word in words if word.startswith("--name=")), None):
            end = ["cntr", "stop", "--timeout=1", name] if "cntr" in words else [words[0], "rm", "--force", name]
            self.finally_run(*end)
        done = subprocess.run(
            line,
            shell=True,
            cwd=self._slim.place,
            env=self._env,
            input="cat /data/extra\n",
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def finally_run(self, *line: str) -> None:
        run = ["timeout", str(HANG), *line]
        self._stack.callback(subprocess.run, run, cwd=self._slim.place, env=self._env, capture_output=True)


@pytest.fixture
def steps(slim: Slim) -> Iterator[Steps]:
    with ExitStack() as stack:
        yield Steps(slim, stack)


@pytest.fixture
def image(app: MakeApp) -> str:
    """A server whose ``/run`` is a directory, as podman wants it."""
    members = (file("app", _SERVER.encode()), file("data/used", b"used"), file("data/extra", b"extra"))
    directory_for_file = (tar(file(".wh.run")), tar(directory("run")))
    return app("", *members, layers=directory_for_file, Entrypoint=["/bin/sh", "/app"])


@pytest.fixture
def podman_env(tmp_path: Path, slim: Slim) -> Iterator[None]:
    with podman_environment(str(tmp_path)):
        slim.environment |= {"CONTAINERS_CONF": os.environ["CONTAINERS_CONF"]}
        yield


Loaded = Callable[[str], str]


@pytest.fixture
def loaded(tmp_path: Path, image: str, steps: Steps) -> Loaded:
    """Gives the image to an engine under a new name, which goes afterwards with those of the pair."""

    def give(engine: str) -> str:
        name = f"cntr-test/{uuid.uuid4().hex[:12]}:1"
        steps.finally_run(engine, "rmi", "--force", name, f"{name}-slim", f"{name}-fat")
        with open_image(image) as opened, open_layers(opened) as layers:
            packed = pack(original_image(opened.config, layers, str(tmp_path)), str(tmp_path), Compression.NONE)
            parse_destination(f"{engine}://{name}", load().engines).save([(name, packed)])
        return name

    return give


ASKED = ("--probe", "exec:cat /data/used")


@pytest.mark.parametrize("place", ["pair.tar", "a directory", "odd: 'name'.tar"])
def test_of_files(steps: Steps, image: str, place: str) -> None:
    lines = steps.slim(image, "-o", place, *ASKED)
    assert [line.split()[:2] for line in lines] == [["cntr", "run"], ["cntr", "attach"], ["cntr", "why"]]
    assert "extra" in steps.run(lines)
    again = steps.slim(image, "-o", place, *ASKED)
    assert again[0] != lines[0] and "extra" in steps.run(again), "the first container still runs"


def test_the_fat_image_is_found_from_every_directory(steps: Steps, slim: Slim, image: str) -> None:
    start, look, _ = steps.slim(image, "-o", "pair.tar", *ASKED)
    steps.run([start])
    line = [PROGRAM, *shlex.split(look)[1:], "cat", "/data/extra"]
    done = subprocess.run(line, cwd="/", env=slim.environment, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout) == (0, "extra"), done.stderr


def test_of_two_archives(steps: Steps, slim: Slim, image: str) -> None:
    lines = steps.slim(image, "-o", "small.tar", "--fat-output", "rest.tar", *ASKED)
    assert "extra" in steps.run(lines)
    for archive in ("small.tar", "rest.tar"):
        with tarfile.open(slim.place / archive) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None and len(json.load(member)) == 1, archive
    joined = slim.cntr("join", "small.tar", "rest.tar", "-o", "whole.tar")
    assert joined.returncode == 0, joined.stderr
    compared = slim.cntr("diff", image, "whole.tar")
    assert (compared.returncode, compared.stdout) == (0, ""), compared.stderr


@pytest.mark.parametrize("spelling", ["docker://{}", "{}"])
def test_of_docker(steps: Steps, loaded: Loaded, spelling: str) -> None:
    name = loaded("docker")
    lines = steps.slim(spelling.format(name), *ASKED)
    assert [line.split()[:2] for line in lines] == [["docker", "run"], ["cntr", "attach"], ["cntr", "why"]]
    assert "extra" in steps.run(lines)
    again = steps.slim(spelling.format(name), *ASKED)
    assert again[0] != lines[0] and "extra" in steps.run(again), "the first container still runs"


@pytest.mark.requires("podman")
@pytest.mark.usefixtures("podman_env")
@pytest.mark.parametrize("spelling", ["podman://{}", "{}"])
def test_of_podman(steps: Steps, loaded: Loaded, spelling: str) -> None:
    lines = steps.slim(spelling.format(loaded("podman")), *ASKED)
    assert [line.split()[:2] for line in lines] == [["podman", "run"], ["cntr", "attach"], ["cntr", "why"]]
    assert "extra" in steps.run(lines)


@pytest.mark.requires("podman")
@pytest.mark.usefixtures("podman_env")
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_of_an_archive_whose_image_ran_in_an_engine(steps: Steps, image: str, engine: str) -> None:
    name = f"cntr-test/{uuid.uuid4().hex[:12]}"
    steps.finally_run(engine, "rmi", "--force", f"{name}:slim", f"{name}:fat")
    names = ("--slim-name", f"{name}:slim", "--fat-name", f"{name}:fat")
    options = ("--engine", engine, "--env", "SPOKEN=two words", "--volume", "/etc:/host-etc:ro", "--read-only")
    lines = steps.slim(image, "-o", "pair.tar", *names, *options, *ASKED)
    assert [line.split()[:2] for line in lines[:2]] == [[engine, "load"], [engine, "run"]]
    assert "extra" in steps.run(lines)
    container = shlex.split(lines[2])[-1].partition("://")[2]
    shown = subprocess.run([engine, "inspect", container], capture_output=True, text=True, check=True).stdout
    assert "SPOKEN=two words" in shown and "/host-etc" in shown


@pytest.mark.requires("x86_64")
@pytest.mark.parametrize("engine", ["docker", "oci"])
def test_under_the_profile_that_was_made(steps: Steps, slim: Slim, image: str, loaded: Loaded, engine: str) -> None:
    """It takes the place of the one that the run had."""
    (slim.place / "own.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW"}))
    own = ("--security-opt", "seccomp=own.json", "--security-opt", "no-new-privileges")
    source = loaded("docker") if engine == "docker" else image
    more = () if engine == "docker" else ("-o", "pair.tar")
    lines = steps.slim(source, *more, "--report", "a report", "--profile", "seccomp", *own, *ASKED)
    assert [word for word in shlex.split(lines[0]) if word.startswith("--security-opt")] == [
        "--security-opt=no-new-privileges",
        "--security-opt=seccomp=a report/seccomp.json",
    ]
    assert "extra" in steps.run(lines)
    told = json.loads((slim.place / "a report/report.json").read_text())["steps"]
    assert [step["command"] for step in told] == lines[:2]


@pytest.mark.parametrize("engine", ["docker", "oci"])
def test_an_entrypoint_that_was_left_out_stays_so(steps: Steps, image: str, loaded: Loaded, engine: str) -> None:
    source = loaded("docker") if engine == "docker" else image
    more = () if engine == "docker" else ("-o", "pair.tar")
    run, _ = steps.slim(source, "--entrypoint", "", *more, "--", "/bin/cat", "/data/used")
    assert steps.run([run]) == "used"


def test_the_page_has_the_same_lines_without_values(steps: Steps, slim: Slim, image: str) -> None:
    secret = f"secret-{uuid.uuid4().hex}"
    printed = steps.slim(image, "-o", "pair.tar", "--report", "told", "--env", f"TOKEN={secret}", *ASKED)
    report = json.loads((slim.place / "told/report.json").read_text())
    page = (slim.place / "told/report.html").read_text()
    assert secret in printed[0] and secret not in page and secret not in json.dumps(report)
    told = [step["command"] for step in report["steps"]]
    assert told == [line.replace(f"={secret}", "") for line in printed[:2]]
    shown = [html.unescape(line) for line in re.findall(r"<dd><pre>(.*?)</pre></dd>", page)]
    assert shown[:2] == told and shown[2].startswith("cntr why . /") and report["directory"] == str(slim.place)
    assert "<code>--env=TOKEN</code> takes the value" in page
    assert "extra" in steps.run([f"export TOKEN={secret}; {told[0]}", told[1], f"cd told && {shown[2]}"])
    name = next(word.removeprefix("--name=") for word in shlex.split(told[0]) if word.startswith("--name="))
    seen = slim.cntr("exec", f"oci://{name}", "--", "/bin/sh", "-c", "echo $TOKEN")
    assert seen.stdout.strip() == secret, seen.stderr


@pytest.mark.requires("docker-registry")
@pytest.mark.parametrize("engine", ["", "docker"])
def test_of_a_registry(steps: Steps, slim: Slim, image: str, tmp_path: Path, engine: str) -> None:
    with serving(tmp_path) as registry:
        local = f"{registry.host}/shop/app"
        steps.finally_run("docker", "rmi", "--force", f"{local}:1")
        lines = steps.slim(image, "-o", f"registry://{local}:1", *(("--engine", engine) if engine else ()), *ASKED)
        assert lines[0].split()[0] == (engine or "cntr")
        assert "extra" in steps.run(lines)
        joined = slim.cntr("join", f"registry://{local}:1", "-o", f"registry://{local}:whole")
        assert joined.returncode == 0, joined.stderr
        assert "extra" in steps.run(steps.slim(f"registry://{local}:whole", *ASKED))


@pytest.mark.requires("docker-registry")
def test_of_a_fat_image_elsewhere(steps: Steps, slim: Slim, image: str, tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        lines = steps.slim(image, "-o", "small.tar", "--fat-output", registry.name("shop/app:rest"), *ASKED)
        assert "extra" in steps.run(lines)
        assert slim.cntr("verify", "small.tar", registry.name("shop/app:rest")).returncode == 0


def test_of_a_job(steps: Steps, slim: Slim, app: MakeApp) -> None:
    lines = steps.slim(app('echo "done by $*"', file("data/extra", b"")), "-o", "job.tar", "--", "me and", "you")
    assert [line.split()[:2] for line in lines] == [["cntr", "run"], ["cntr", "why"]]
    assert "done by me and you" in steps.run(lines)
    assert slim.cntr("list", "--all").stdout.count("job") == 0


def test_both_images_cannot_be_one_archive(slim: Slim, image: str) -> None:
    done = slim.cntr("slim", image, "-o", "one.tar", "--fat-output", "./one.tar")
    assert done.returncode == 125 and "--fat-output: ./one.tar is where the slim image goes" in done.stderr
    assert not (slim.place / "one.tar").exists()
