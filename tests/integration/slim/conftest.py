"""Small applications as images, slimmed by the program as a user would; and proof that nothing of a run is left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cntr_core.images import open_image
from cntr_core.images.tree.layers import OpenLayers, open_layers
from tests.support.cntr import PROGRAM, environment
from tests.unit.images.layouts import MemberSpec, directory, file, layout, symlink, tar

APPLETS = "cat echo false httpd id kill ln ls mkdir mv printf readlink rm setsid sh sleep stat test touch truncate wc"
HANG = 60


@dataclass
class Result:
    """A ``cntr slim`` that is over: its archive (if it made one), its report, and what it said."""

    code: int
    stdout: str
    stderr: str
    archive: Path
    report: dict[str, Any]

    @contextmanager
    def opened(self, half: str = "slim") -> Iterator[OpenLayers]:
        with open_image(f"{self.archive}:app:{half}") as image, open_layers(image) as layers:
            yield layers

    def paths(self, half: str = "slim") -> set[str]:
        """All that a half has and that is no directory."""
        with self.opened(half) as layers:
            return {os.fsdecode(n.path) for n in layers.tree.walk() if not hasattr(n.file, "children")}

    def content(self, path: str) -> bytes:
        with self.opened() as layers:
            return layers.view.read(os.fsencode(path))


class Slim:
    """Runs ``cntr slim`` in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.temporary = place / "temporary"
        self.temporary.mkdir()
        self.environment = environment(
            {
                "CNTR_CACHE_DIR": str(place / "cache"),
                "TMPDIR": str(self.temporary),
                "CNTR_STATE_DIR": str(place / "state"),
            }
        )

    def cntr(self, *arguments: str, timeout: float = HANG) -> subprocess.CompletedProcess[str]:
        """Any command of the program, in the same place."""
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.place,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, image: str, *arguments: str, application: bool = False) -> Result:
        """Slim an image; small ones are nothing but an application, so the rules for its files are left out where
        `application` is not what is tested. Links to busybox cost nothing and are kept; here a missing one shows."""
        names = ("--slim-name", "app:slim", "--fat-name", "app:fat")
        left_out = ["program-links", "shell-tools"] + ["application", "web-assets"] * (not application)
        rules = [word for rule in left_out for word in ("--no-rule", rule)]
        done = self.cntr("slim", image, "-o", "out.tar", "--report", "report", *names, *rules, *arguments)
        report = self.place / "report/report.json"
        told = json.loads(report.read_text()) if report.exists() else {}
        return Result(done.returncode, done.stdout, done.stderr, self.place / "out.tar", told)

    def made(self, image: str, *arguments: str, application: bool = False) -> Result:
        """A run that succeeds."""
        result = self(image, *arguments, application=application)
        assert result.code == 0, (result.stdout, result.stderr)
        return result


@pytest.fixture
def slim(tmp_path: Path) -> Iterator[Slim]:
    place = tmp_path / "slim"
    place.mkdir()
    program = Slim(place)
    yield program
    assert os.listdir(program.temporary) == [], "something was left"
    with open("/proc/mounts") as mounts:
        assert str(place) not in mounts.read()


MakeApp = Callable[..., str]


@pytest.fixture
def app(tmp_path: Path) -> MakeApp:
    """Make an image of busybox whose program is a shell script, and further members and layers."""
    with open("/bin/busybox", "rb") as program:
        busybox = program.read()

    def make(script: str, *members: MemberSpec, layers: tuple[bytes, ...] = (), **config: Any) -> str:
        base = tar(
            directory("bin"),
            file("bin/busybox", busybox, mode=0o755),
            *(symlink(f"bin/{applet}", "busybox") for applet in APPLETS.split()),
            directory("etc"),
            file("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
            file("etc/group", b"root:x:0:\napp:x:1000:\n"),
            directory("tmp", mode=0o1777),
            directory("data"),
            file("unused", b"u" * 10_000),
        )
        own = tar(file("run", script.encode(), mode=0o755), *members)
        run = {"Env": ["PATH=/bin"], "Entrypoint": ["/bin/sh", "/run"], **config}
        return layout(tmp_path / "image", base, own, *layers, config=run)

    return make
