"""What can be told of an option is told before the image runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, cntr, environment
from tests.support.images import archive

pytestmark = pytest.mark.requires("root", "fuse", "runc")

WRONG = {
    ("--keep", "nope"): "unknown profile 'nope'",
    ("--rule", "NOPE"): "unknown rule 'NOPE'",
    ("--no-rule", "NOPE"): "unknown rule 'NOPE'",
    ("--include", "relative"): "'relative' does not begin with a slash",
    ("--exclude", ""): "'' does not begin with a slash",
    ("--preserve", "[a"): "'[a' does not begin with a slash",
    ("--include-package", "NOPE"): "there is no package NOPE",
    ("--last-layers", "99"): "--last-layers: the image has 1 layers, not 99",
    ("--timeout", "nan"): "--timeout cannot be nan",
    ("--timeout", "inf"): "--timeout cannot be inf",
    ("--stop-timeout", "nan"): "--stop-timeout cannot be nan",
    ("--slim-name", "Bad Name!"): "--slim-name: 'Bad Name!' cannot be the name of an image",
    ("--fat-name", ""): "--fat-name: '' cannot be the name of an image",
    ("--slim-name", "x:1", "--fat-name", "x:1"): "the slim and the fat image would both be called x:1",
    ("--report", "/proc/report"): "/proc cannot be written",
    ("--report", "file"): "is not a directory",
    ("--output", "/no/such/pair.tar"): "there is no directory /no/such",
    ("--engine", "docker", "--volume", "data"): "--volume: 'data' is no absolute path",
    ("--engine", "docker", "--env", "=x"): "--env: '=x' is not a variable",
    ("--probe", "http:99999/"): "99999 is not a port",
    ("--verify-probe", "nope"): "'nope' is not a probe",
    ("--trace", "/no/such/trace"): "/no/such/trace",
    ("--fs", "nope"): "nope",
    ("--platform", "nope"): "'nope' is not a platform",
    ("--compression", "nope"): "unknown compression 'nope'",
    ("--max-size", "much"): "--max-size takes a size, not 'much'",
    ("--max-size", "-1"): "--max-size takes a size, not '-1'",
    ("--fail-on", "nope"): "--fail-on does not know 'nope'",
    ("--junit", "/no/such/junit.xml"): "--junit: /no/such/junit.xml cannot be a file",
}


def _started(words: list[str], directory: Path) -> tuple[subprocess.CompletedProcess[bytes], bool]:
    """What cntr said, and whether a program of the image's was begun: its runtime would be called."""
    runtime = directory / "bin" / "runc"
    runtime.parent.mkdir()
    runtime.write_text(f'#!/bin/sh\ntouch {directory}/started\nexec /usr/sbin/runc "$@"\n')
    runtime.chmod(0o755)
    env = environment({"PATH": f"{runtime.parent}:{os.environ['PATH']}"})
    done = subprocess.run([PROGRAM, *words], capture_output=True, env=env, cwd=directory, timeout=120, check=False)
    return done, (directory / "started").exists()


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_a_wrong_option_is_refused_before_the_run(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done, is_started = _started(["slim", archive("busybox"), "-o", "pair.tar", *options], tmp_path)
    assert done.returncode == 125, done.stdout
    assert WRONG[options] in done.stderr.decode()
    assert not is_started
    assert not (tmp_path / "pair.tar").exists()


@pytest.mark.parametrize("place", ["/no/such/trace", "/proc/trace", "/tmp"])
def test_a_trace_that_cannot_be_written_is_told_before_the_run(place: str, tmp_path: Path) -> None:
    done, is_started = _started(["trace", "run", archive("busybox"), "-o", place], tmp_path)
    assert (done.returncode, is_started) == (125, False), done.stderr


def test_a_joined_image_needs_a_name() -> None:
    done = cntr("join", "/no/such.tar", "-o", "x.tar", "--name", "Bad Name!")
    assert "--name: 'Bad Name!' cannot be the name" in done.stderr.decode()


def test_a_run_that_is_begun_would_be_seen(tmp_path: Path) -> None:
    done, is_started = _started(["trace", "run", archive("busybox"), "-o", "trace", "--", "/bin/true"], tmp_path)
    assert is_started, done.stderr
