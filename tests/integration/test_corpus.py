"""Images of the evaluation, made and used by its program: the smallest ones, from scratch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cntr_slimmer.runs.imported import original_image

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.pack import pack
from evaluation.ablation import Ablation
from evaluation.cache import Cache
from evaluation.lines import read_lines
from evaluation.manifest import entries
from evaluation.results import Result, read_results
from evaluation.trial import all_steps
from evaluation.uses import Use
from tests.integration.images.conftest import serving
from tests.support.cntr import wait_until
from tests.support.images import cache_directory

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


_SIX = ("alpine", "bash", "busybox", "hello-world", "httpd", "registry")
"""Of five kinds: what runs and ends, a base system, a server with modules, and one program in Go."""


@pytest.fixture(scope="module")
def kept() -> Path:
    """A cache that stays on the machine."""
    return Path(cache_directory()) / "corpus"


def _top50(cache: Path, results: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "evaluation", "top50", "--cache", str(cache), "--results", str(results), *words]
    environment = {**os.environ, "TMPDIR": str(results.parent), **more}
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=_ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def _slimmed(cache: Path, results: Path, *words: str) -> tuple[dict[str, Result], str]:
    """The results by names, and what was said."""
    with _top50(cache, results, *words) as run:
        try:
            output, errors = run.communicate(timeout=280)
        finally:
            run.kill()
    assert run.returncode in (0, 1), errors
    assert not list(results.parent.glob("cntr-*"))
    return {result.name: result for result in read_results(str(results))}, output + errors


@pytest.mark.requires("curl", "docker-registry", "htpasswd")
def test_six_images_of_different_kinds_are_slimmed_judged_and_left_alone_then(kept: Path, tmp_path: Path) -> None:
    results, pairs = tmp_path / "results.jsonl", tmp_path / "pairs"
    words = ("--only", ",".join(_SIX), "--jobs", "2", "--resume")
    found, said = _slimmed(kept, results, *words, "--keep-pairs", str(pairs))
    assert sorted(found) == sorted(_SIX) and "6 of 6 images were slimmed" in said
    for result in found.values():
        assert result.verified and result.joined and not (result.error or result.differences), said
        assert 0 < result.bytes.slim < result.bytes.original
        assert all(step.ok for step in result.steps if step.run in ("minimal", "broad"))
        assert {"build", "run", "split", "verify", "check", "join"} <= set(result.seconds)
    checks = [step for result in found.values() for step in result.steps if step.run not in ("minimal", "broad")]
    assert sum(step.ok for step in checks) >= 0.9 * len(checks), [step for step in checks if not step.ok]
    assert found["httpd"].reduction > 0.9
    made = results.stat().st_mtime_ns
    again = _slimmed(kept, results, *words)[1]
    assert again.startswith("6 of 6 images were slimmed") and "6 are done already, 0 are left" in again
    assert results.stat().st_mtime_ns == made
    _measure_rules(kept, pairs, tmp_path / "rules.jsonl")


def _measure_rules(cache: Path, pairs: Path, output: Path) -> None:
    """What rules cost is measured of the same pairs; each step is seen to open what others had opened before."""
    line = [sys.executable, "-m", "evaluation", "rules", str(pairs), "bash", "--cache", str(cache)]
    line += ["--output", str(output), "--lacking", f"{output}.lacking"]
    done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (entry,) = entries(["bash"])
    seen = read_lines(f"{Cache(str(cache)).image(entry)}.uses", Use)
    assert [use.step for use in seen] == all_steps(entry) and [use.starts for use in seen].count(True) == 1
    assert all("/usr/local/bin/bash" in use.opened for use in seen if use.step.startswith("exec:bash"))
    found = {one.rule: one for one in read_lines(str(output), Ablation)}
    assert found and all(one.files and one.image == "bash" for one in found.values())
    assert all(f"\n{name} " in done.stdout for name in found)


@pytest.mark.requires("docker", "docker-registry")
def test_the_same_of_a_registry_and_in_an_engine(kept: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    (entry,) = entries(["hello-world"])
    cache = Cache(str(kept))
    assert cache.build(entry)
    with serving(tmp_path) as registry:
        _push(cache.image(entry), registry.name("mirror/library/hello-world:latest"), tmp_path)
        place = ("--source", "registry", "--registry", f"{registry.host}/mirror")
        pulled = _slimmed(kept, results, "--only", "hello-world", *place)[0]["hello-world"]
        absent = _slimmed(kept, results, "--only", "busybox", *place)[0]["busybox"]
    assert pulled.ok and pulled.source == f"{registry.host}/mirror"
    assert absent.error.startswith("it cannot be pulled: ")
    traced = _slimmed(kept, tmp_path / "docker.jsonl", "--only", "hello-world", "--engine", "docker")[0]["hello-world"]
    assert traced.ok and (traced.engine, traced.source) == ("docker", "local")
    assert traced.bytes == pulled.bytes


def _push(layout: str, reference: str, work: Path) -> None:
    with open_image(layout) as image, open_layers(image) as layers:
        packed = pack(original_image(image.config, layers, str(work)), str(work), Compression.GZIP)
        parse_destination(reference).save([("", packed)])


def test_an_interrupt_leaves_nothing_behind_and_the_rest_to_do(tmp_path: Path) -> None:
    results = tmp_path / "results/results.jsonl"
    results.parent.mkdir()
    slow = tmp_path / "slow/gcc"  # what hello-world is made by, after busybox, and a sign that all is under way
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep 1000\n")
    slow.chmod(0o755)
    words = ("--only", "busybox,hello-world", "--jobs", "1")
    with _top50(tmp_path, results, *words, PATH=f"{slow.parent}:{os.environ['PATH']}") as run:
        try:
            wait_until((tmp_path / "begun").exists, "the second image is being made", 120)
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=60) == 130
        finally:
            run.kill()
    assert [result.name for result in read_results(str(results))] == ["busybox"]
    assert not list(results.parent.glob("cntr-*"))
