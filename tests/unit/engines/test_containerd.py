"""The containerd engine on what another version answers, and on what no containerd should."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from cntr_plugins.engines.containerd import namespace
from cntr_plugins.engines.containerd.engine import ContainerdEngine
from cntr_plugins.engines.containerd.messages import message_types
from cntr_plugins.engines.pid import PidEngine
from google.protobuf.json_format import ParseDict

from cntr_core import ContainerState
from cntr_core.engine import list_containers, statuses
from cntr_core.errors import EngineError
from cntr_core.kernel import process
from tests.support.children import in_child
from tests.support.recorded import fixture
from tests.support.sockets import chattering
from tests.unit.engines.serving import give_up_early, refuse, serving

_REPLIES = {
    "version.v1.Version/Version": "VersionResponse",
    "namespaces.v1.Namespaces/List": "ListNamespacesResponse",
    "containers.v1.Containers/List": "ListContainersResponse",
    "tasks.v1.Tasks/List": "ListTasksResponse",
}


@pytest.fixture
def socket_path(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONTAINERD_ADDRESS", f"{tmp_path}/socket")
    monkeypatch.delenv("CONTAINERD_NAMESPACE", raising=False)
    return f"{tmp_path}/socket"


def daemon(path: str, answers: Mapping[str, Any]) -> AbstractContextManager[None]:
    """A containerd that gives `answers`, by method and namespace."""
    types = message_types(namespace._TABLE)

    def message(method: str, metadata: Mapping[str, str]) -> Any:
        known = answers[method][metadata.get("containerd-namespace", "")]
        return ParseDict(known, types[_REPLIES[method]](), ignore_unknown_fields=True)

    return serving(
        path,
        {
            f"/containerd.services.{method}": (
                types["Empty"],
                lambda _, metadata, method=method: message(method, metadata),
            )
            for method in _REPLIES
        },
    )


def test_containerd_2(socket_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "is_ours", lambda *_: True)  # they are processes of another machine
    with daemon(socket_path, json.loads(fixture("containerd/containerd-2.json"))):
        assert ContainerdEngine().status().detail == "version 2.2.0"
        [listed] = ContainerdEngine().containers()
        assert (listed.name, listed.pid, listed.state) == ("web", 4711, ContainerState.RUNNING)
        assert listed.image == "docker.io/library/web:1"
        assert [c.id for c in ContainerdEngine().find("web")] == ["1" * 64]
        assert ContainerdEngine().find("2" * 64) == ContainerdEngine().find("3" * 64) == []
        assert [c.pid for c in ContainerdEngine().find(f"k8s.io/{'2' * 64}")] == [4712]
        assert [c.pid for c in ContainerdEngine().find(f"moby/{'3' * 64}")] == [4714]


def test_a_process_of_another_machine_is_refused(socket_path: str) -> None:
    answers = json.loads(fixture("containerd/containerd-2.json"))
    answers["tasks.v1.Tasks/List"]["default"]["tasks"][0]["pid"] = os.getpid()
    with daemon(socket_path, answers), pytest.raises(EngineError, match="which is another process here"):
        ContainerdEngine().find("web")


@pytest.mark.parametrize("status", [0, 5, 6, -1])
def test_states_of_the_past_and_the_future(socket_path: str, status: int) -> None:
    answers = json.loads(fixture("containerd/containerd-2.json"))
    answers["tasks.v1.Tasks/List"]["default"]["tasks"][0]["status"] = status
    with daemon(socket_path, answers):
        [listed] = ContainerdEngine().containers()
    assert listed.state is (ContainerState.PAUSED if status == 5 else ContainerState.UNKNOWN)


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "cannot be understood"), (b"", "cannot be understood"), (None, "no answer")],
    ids=["HTTP/1", "nothing", "silence"],
)
def test_servers_of_something_else(
    socket_path: str,
    said: bytes | None,
    words: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_up_early(monkeypatch)
    with chattering(socket_path, said):
        status = ContainerdEngine().status()
        with pytest.raises(EngineError) as caught:
            list(ContainerdEngine().containers())
    assert not status.available
    assert words in status.detail and words in caught.value.message
    assert status.hint and caught.value.hint
    assert capfd.readouterr().err == ""


def test_a_silent_one_keeps_nobody_else_from_answering(socket_path: str) -> None:
    both = [ContainerdEngine(), PidEngine()]
    with chattering(socket_path, None):
        said = dict(statuses(both))
        listing = list_containers(both)
    assert not said["containerd"].available and said["containerd"].hint
    assert said["pid"].available
    assert [failure.engine for failure in listing.failures] == ["containerd"]


def test_a_daemon_that_is_out_of_order(socket_path: str) -> None:
    types = message_types(namespace._TABLE)
    methods = {f"/containerd.services.{method}": (types["Empty"], refuse) for method in _REPLIES}
    with serving(socket_path, methods), pytest.raises(EngineError, match="containerd refused: out of order"):
        list(ContainerdEngine().containers())


def test_a_dead_socket_is_told(socket_path: str) -> None:
    with chattering(socket_path, b""):
        pass  # the server is gone, its socket is not
    with pytest.raises(EngineError, match="Connection refused"):
        list(ContainerdEngine().containers())


@pytest.mark.requires("root")
def test_a_socket_that_may_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/tmp/cntr-test-{os.getpid()}.sock"
    monkeypatch.setenv("CONTAINERD_ADDRESS", path)

    def ask() -> str:
        process.setresuid(65534, 65534, 65534)
        return ContainerdEngine().status().detail

    with chattering(path, b""):
        os.chmod(path, 0o600)
        try:
            assert in_child(ask) == f"containerd's socket {path} may not be opened"
        finally:
            os.unlink(path)


@pytest.mark.parametrize("line", ["string name", "strings name = 1", "repeated map<string, string> m = x", ""])
def test_a_line_that_is_no_field_is_refused(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        message_types({"Message": (line,)})
