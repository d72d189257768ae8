"""The engines lxd and incus on what other versions answer, and on what no server should."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
from cntr_plugins.engines.lxd.engine import LxdEngine
from cntr_plugins.engines.lxd.incus import IncusEngine

from cntr_core import ContainerState
from cntr_core.engine import statuses
from cntr_core.errors import EngineAbsent, EngineError
from tests.support.sockets import chattering
from tests.unit.engines.http import recorded, serving_json


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lxd(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LXD_DIR", os.fspath(tmp_path))
    return f"{tmp_path}/unix.socket"


@pytest.fixture
def incus(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("INCUS_DIR", os.fspath(tmp_path))
    return f"{tmp_path}/unix.socket"


def _lxd_5() -> dict[str, Any]:
    return {
        "/1.0": recorded("lxd/lxd-5.0-server.json"),
        "/1.0/instances": recorded("lxd/lxd-5.0-instances.json"),
        "/1.0/instances/unprivileged/state": recorded("lxd/lxd-5.0-state.json"),
    }


def _incus_6() -> dict[str, Any]:
    return {
        "/1.0": recorded("lxd/incus-6.0-server.json"),
        "/1.0/instances": recorded("lxd/incus-6.0-instances.json"),
        "/1.0/instances/foo/state": recorded("lxd/incus-6.0-state.json"),
        "/1.0/instances/bar/state": recorded("lxd/incus-6.0-state.json"),
    }


def test_lxd_5(lxd: str) -> None:
    with serving_json(lxd, _lxd_5()):
        assert LxdEngine().status().detail == "version 5.0.2"
        states = {c.name: c.state for c in LxdEngine().containers()}
        [found] = LxdEngine().find("unprivileged")
    assert states == {
        "paused": ContainerState.PAUSED,
        "stopped": ContainerState.EXITED,
        "unprivileged": ContainerState.RUNNING,
    }
    assert found.pid == recorded("lxd/lxd-5.0-state.json")["metadata"]["pid"]
    assert (found.image, found.labels["user.greeting"]) == ("busybox for cntr", "hello")
    assert len(found.id) == 36


def test_lxd_4_has_neither_uuids_nor_all_projects(lxd: str) -> None:
    answers = {
        "/1.0/instances": recorded("lxd/lxd-4.0-instances.json"),
        "/1.0/instances/web/state": recorded("lxd/lxd-5.0-state.json"),
    }
    with serving_json(lxd, answers):
        for name in ("web", "default/web", "default/w"):
            [found] = LxdEngine().find(name)
            assert (found.id, found.name, found.image) == ("default/web", "web", "Ubuntu focal amd64")


def test_incus_6_in_a_cluster(incus: str) -> None:
    with serving_json(incus, _incus_6()):
        assert IncusEngine().status().detail == "version 6.0.0"
        assert [c.name for c in IncusEngine().containers()] == ["foo", "bar"]  # a virtual machine is no container
        [found] = IncusEngine().find("6916c8a6")
        assert (found.name, found.pid, found.labels["user.role"]) == ("foo", 7281, "proxy")
        with pytest.raises(EngineError, match="bar runs on server02, another machine"):
            IncusEngine().find("bar")


def test_incus_tells_a_stranger_nothing(incus: str) -> None:
    with serving_json(incus, {"/1.0": recorded("lxd/incus-6.0-untrusted.json")}):
        status = IncusEngine().status()
    assert (status.available, status.detail) == (False, "incus does not trust this user")
    assert status.hint


def test_a_container_that_stopped_meanwhile_has_no_process(lxd: str) -> None:
    state = recorded("lxd/lxd-5.0-state.json")
    state["metadata"] |= {"status": "Stopped", "status_code": 102, "pid": 0}
    with serving_json(lxd, _lxd_5() | {"/1.0/instances/unprivileged/state": state}):
        [found] = LxdEngine().find("unprivileged")
    assert (found.state, found.pid) == (ContainerState.EXITED, None)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "the server refused: Instance not found"),
        (
            {"/1.0/instances": b"<html>no such thing</html>"},
            "cannot be understood (unexpected text at line 1, column 1)",
        ),
        ({"/1.0/instances": b"[" * 100_000}, "cannot be understood (it is nested too deeply)"),
        ({"/1.0/instances": {"type": "sync"}}, "cannot be understood ('metadata' is missing)"),
        (
            {"/1.0/instances": {"type": "sync", "metadata": ["/1.0/instances/web"]}},
            "cannot be understood (something in it has another form than it should)",
        ),
        (
            {"/1.0/instances": {"type": "sync", "metadata": None}},
            "cannot be understood (something in it has another form than it should)",
        ),
        ({"/1.0/instances": []}, "cannot be understood (something in it has another form than it should)"),
    ],
    ids=["errors", "no JSON", "deep", "no metadata", "names only", "nothing", "other JSON"],
)
def test_answers_that_make_no_sense(lxd: str, answers: Mapping[str, Any], words: str) -> None:
    with serving_json(lxd, answers), pytest.raises(EngineError) as caught:
        LxdEngine().find("web")
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_a_server_that_speaks_something_else(lxd: str, said: bytes) -> None:
    with chattering(lxd, said):
        status = LxdEngine().status()
    assert not status.available
    assert status.detail.startswith(f"lxd does not answer at {lxd}")


def test_a_server_that_hangs_has_a_sentence(lxd: str) -> None:
    with chattering(lxd, None):
        [(_, status)] = statuses([LxdEngine()])
    assert not status.available
    assert "not answer" in status.detail


def test_where_the_sockets_are(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/var/snap/lxd/common/lxd/unix.socket")
    assert LxdEngine().status().endpoint == "/var/snap/lxd/common/lxd/unix.socket"
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    assert (LxdEngine().socket(), IncusEngine().socket()) == ("/var/lib/lxd/unix.socket", "/var/lib/incus/unix.socket")
    with pytest.raises(EngineAbsent, match="incus is not running"):
        list(IncusEngine().containers())
    monkeypatch.setenv("LXD_DIR", os.fspath(tmp_path))
    assert LxdEngine().socket() == f"{tmp_path}/unix.socket"
    monkeypatch.setenv("LXD_SOCKET", "/chosen")
    assert LxdEngine().socket() == "/chosen"
