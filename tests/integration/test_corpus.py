"""Images of the evaluation, made and used by its program: the smallest ones, from scratch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluation.results import read_results

_ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.requires("root", "fuse", "runc", "busybox", "gcc", "tar")


def _corpus(cache: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "evaluation", "corpus", words[0], "--cache", str(cache), *words[1:]]
    return subprocess.run(
        line, cwd=_ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=250
    )


def _blobs(cache: Path, name: str) -> dict[int, str]:
    """The inodes of an image's layers, with their digests."""
    (image,) = (path for path in (cache / "images").iterdir() if path.is_dir() and path.name.startswith(f"{name}-"))
    manifest = json.loads((image / "index.json").read_text())["manifests"][0]["digest"]
    layers = json.loads((image / f"blobs/{manifest.replace(':', '/')}").read_text())["layers"]
    paths = [image / f"blobs/{layer['digest'].replace(':', '/')}" for layer in layers]
    return {os.stat(path).st_ino: path.name for path in paths}


def test_images_are_made_once_tried_and_left_alone_then(tmp_path: Path) -> None:
    first = _corpus(tmp_path, "try", "hello-world", "busybox")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "hello-world: 3 of 3 steps passed" in first.stdout
    made = _blobs(tmp_path, "busybox")
    (result,) = (tmp_path / "images").glob("busybox-*.tried")
    tried = result.stat().st_mtime_ns
    assert _corpus(tmp_path, "try", "hello-world", "busybox").stdout == first.stdout
    assert _blobs(tmp_path, "busybox") == made and result.stat().st_mtime_ns == tried


def test_layers_of_a_parent_are_made_once_and_shared(tmp_path: Path) -> None:
    built = _corpus(tmp_path, "build", "alpine", "bash")
    assert built.returncode == 0, built.stdout + built.stderr
    parent, child = _blobs(tmp_path, "alpine"), _blobs(tmp_path, "bash")
    assert set(parent.values()) < set(child.values())
    # The image alpine was made for itself; one more that has bash below it links the layers that are kept.
    assert len(list((tmp_path / "layers").glob("alpine-*/0.tar"))) == 1
    assert os.stat(next((tmp_path / "layers").glob("alpine-*/0.tar"))).st_ino in child


def test_one_that_cannot_be_made_stops_no_other(tmp_path: Path) -> None:
    compiler = tmp_path / "bin/gcc"  # what hello-world is made by
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho no compiler today\nexit 1\n")
    compiler.chmod(0o755)
    broken = _corpus(tmp_path, "build", "hello-world", "busybox", PATH=f"{compiler.parent}:{os.environ['PATH']}")
    assert broken.returncode == 1
    one, other = broken.stdout.splitlines()
    assert one.startswith("hello-world: failed") and other.startswith("busybox: built")
    assert "no compiler today" in (tmp_path / "logs/hello-world.build").read_text()
    assert not [path for path in (tmp_path / "layers").iterdir() if path.name.startswith(("corpus-", "unfinished-"))]


def _top50(cache: Path, results: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "evaluation", "top50", "--cache", str(cache), "--results", str(results), *words]
    environment = {**os.environ, "TMPDIR": str(cache), **more}
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=_ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_images_are_slimmed_judged_and_left_alone_then(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    words = ("--only", "hello-world,busybox", "--resume")
    with _top50(tmp_path, results, *words) as run:
        output, told = run.communicate(timeout=250)
    assert run.returncode == 0, output + told
    assert output.startswith("2 of 2 images were slimmed")
    found = {result.name: result for result in read_results(str(results))}
    assert sorted(found) == ["busybox", "hello-world"]
    for result in found.values():
        assert result.ok and result.verified and result.joined
        assert 0 < result.bytes.slim < result.bytes.original
        assert {"build", "run", "split", "verify", "check", "join"} <= set(result.seconds)
    assert found["busybox"].checks() == (8, 8)
    assert not list(tmp_path.glob("cntr-*"))
    made = results.stat().st_mtime_ns
    with _top50(tmp_path, results, *words) as again:
        assert again.communicate(timeout=250)[0].startswith("0 of 0 images")
    assert results.stat().st_mtime_ns == made


def test_an_interrupt_leaves_nothing_behind_and_the_rest_to_do(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    slow = tmp_path / "slow/gcc"  # what hello-world is made by, after busybox, and a sign that all is under way
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep 1000\n")
    slow.chmod(0o755)
    words = ("--only", "busybox,hello-world", "--jobs", "1")
    with _top50(tmp_path, results, *words, PATH=f"{slow.parent}:{os.environ['PATH']}") as run:
        try:
            _await(tmp_path / "begun")
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=60) == 130
        finally:
            run.kill()
    assert [result.name for result in read_results(str(results))] == ["busybox"]
    assert not list(tmp_path.glob("cntr-*"))


def _await(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
