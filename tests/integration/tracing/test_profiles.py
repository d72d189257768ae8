"""Profiles of system calls in the containers of engines: loaded where they are given, and made of what runs there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cntr_slimmer.trace.observer import TraceObserver

from cntr_core.engine.tracing import TracingOptions
from cntr_core.runtime.seccomp_profile import default_profile
from tests.integration.tracing.conftest import EngineCase
from tests.support.children import until
from tests.support.cntr import cntr
from tests.support.images import archive

pytestmark = pytest.mark.requires("root", "fuse", "docker", "docker-cli", "mmdebstrap", "busybox")


def _without(*names: str) -> str:
    profile = default_profile()
    rules = [{**rule, "names": [n for n in rule["names"] if n not in names]} for rule in profile["syscalls"]]
    profile = {**profile, "syscalls": [rule for rule in rules if rule["names"]]}
    profile.pop("comment")
    return json.dumps(profile)


def test_a_run_is_under_the_profile_that_is_given(tested: EngineCase, observer: TraceObserver) -> None:
    options = TracingOptions(seccomp=_without("mkdir", "mkdirat"))
    script = "mkdir /tmp/made; echo done; exec sleep 1000"
    with tested.run(tested.image("debian"), "sh", "-c", script, options=options, observer=observer) as run:
        until(lambda: b"done" in run.log())
        assert b"Operation not permitted" in run.log()


@pytest.mark.timeout(300)
def test_a_profile_is_made_and_replayed_in_the_engine(
    tested: EngineCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("slim", archive("nginx"), "--engine", tested.name, "--profile", "seccomp", "-o", "pair.tar")
    done = cntr(*line, "--report", "report", timeout=280)
    assert done.returncode == 0, done.stderr.decode()
    (profile,) = json.loads((tmp_path / "report/report.json").read_text())["profiles"]
    assert (profile["verified"], profile["file"]) == (True, "seccomp.json")
    assert {"accept4", "sendfile"} <= set(profile["allowed"])
    assert {"mount", "ptrace", "unshare", "mknod", "pivot_root"}.isdisjoint(profile["allowed"])
