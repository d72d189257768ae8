"""The engine rkt on what rkt printed when there was one: it is recorded, for nobody packages it any more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cntr_plugins.engines.rkt import RktEngine, pid_of, pods

from cntr_core import ContainerState
from cntr_core.errors import EngineAbsent, EngineError
from tests.support.children import child
from tests.support.cntr import children, wait_until
from tests.support.recorded import fixture


def _text(name: str) -> str:
    return fixture(f"rkt/{name}").decode()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("list-2015", [
            ("5bc080cav-9e03-480d-b705-5928af396cc5", "redis", "redis", "running"),
            ("3089337c4-8021-119b-5ea0-879a7c694de4", "nginx", "nginx", "exited"),
        ]),
        ("list-2016", [("bc3c1451-2e81-45c6-aeb0-807db44e31b4", "etcd", "coreos.com/etcd:v2.3.4", "running")]),
        ("list-2017", [("86e6df38-0762-4261-af21-d2b265555179", "busybox", "kinvolk.io/aci/busybox:1.24", "running")]),
    ],
)  # fmt: skip
def test_pods_of_several_versions(name: str, expected: list[tuple[str, ...]]) -> None:
    assert [(pod.id, pod.name, pod.image, pod.state.value) for pod in pods(_text(name))] == expected


def test_tables_that_are_none() -> None:
    assert list(pods("")) == []
    with pytest.raises(EngineError, match="an unexpected table"):
        list(pods("list: no such thing\n"))
    legend = _text("list-2017").splitlines()[0]
    with pytest.raises(EngineError, match="an unexpected table"):
        list(pods(f"{legend}\n86e6df38 half a line\n"))


@pytest.mark.parametrize(("name", "pid"), [("status-running", 8469), ("status-exited", None), ("status-2015", None)])
def test_processes_of_several_versions(name: str, pid: int | None) -> None:
    assert pid_of(_text(name)) == pid


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], object]:
    """Decides what each command of a program called rkt prints: says("list", "...")."""
    program = tmp_path / "rkt"
    program.write_text(f'#!/bin/sh\nexec cat "{tmp_path}/$1.txt"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda command, text: (tmp_path / f"{command}.txt").write_text(text)


def test_a_pod_is_found_with_its_process(says: Callable[[str, str], object]) -> None:
    with child() as pid:
        says("version", "rkt Version: 1.30.0\nappc Version: 0.8.11\n")
        says("list", _text("list-2016"))
        says("status", _text("status-running").replace("8469", str(pid)))
        assert RktEngine().status().detail == "version 1.30.0"
        for name in ("etcd", "bc3c1451", "bc3c1451-2e81-45c6-aeb0-807db44e31b4"):
            [found] = RktEngine().find(name)
            assert (found.pid, found.state) == (pid, ContainerState.RUNNING)
    [found] = RktEngine().find("etcd")
    assert (found.pid, found.state) == (None, ContainerState.EXITED)


@pytest.mark.requires("root", "unshare")
def test_the_process_that_started_the_pod_leads_to_its_first_one(says: Callable[[str, str], object]) -> None:
    """Where stage 1 is systemd-nspawn, ``rkt status`` tells its PID, and PID 1 is a child (devel/debugging.md)."""
    line = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "1000000"]
    with subprocess.Popen(line) as started:
        try:
            wait_until(lambda: children(started.pid), "it has a child")
            says("list", _text("list-2016"))
            says("status", _text("status-running").replace("8469", str(started.pid)))
            assert RktEngine().find("etcd")[0].pid == children(started.pid)[0]
        finally:
            started.kill()


def test_without_rkt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    status = RktEngine().status()
    assert (status.available, status.detail) == (False, "rkt is not installed (no rkt)")
    assert "pid://" in status.hint
    with pytest.raises(EngineAbsent):
        RktEngine().containers()
