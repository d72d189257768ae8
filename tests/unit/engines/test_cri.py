"""The kubernetes engine on what other runtimes answer, and on what no runtime should."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from cntr_plugins.engines.containerd import cri, kubernetes
from cntr_plugins.engines.containerd.kubernetes import KubernetesEngine, named
from cntr_plugins.engines.containerd.messages import message_types
from google.protobuf.json_format import ParseDict

from cntr_core import ContainerState
from cntr_core.engine import list_containers
from cntr_core.errors import EngineAbsent, EngineError
from tests.support.recorded import fixture
from tests.support.sockets import chattering
from tests.unit.engines.serving import give_up_early, refuse, serving

_METHODS = ("Version", "ListPodSandbox", "ListContainers", "ContainerStatus")


@pytest.fixture
def socket_path(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{tmp_path}/socket")
    return f"{tmp_path}/socket"


def runtime(path: str, answers: Mapping[str, Any]) -> AbstractContextManager[None]:
    """A runtime that gives `answers`, by the methods' names; those of ContainerStatus are by the container's id."""
    types = message_types(cri._TABLE)

    def message(method: str, request: Any) -> Any:
        known = answers[method][request.container_id] if method == "ContainerStatus" else answers[method]
        return ParseDict(known, types[f"{method}Response"](), ignore_unknown_fields=True)

    return serving(
        path,
        {
            f"/runtime.v1.RuntimeService/{method}": (
                types[f"{method}Request"],
                lambda request, _, method=method: message(method, request),
            )
            for method in _METHODS
        },
    )


@pytest.mark.parametrize(
    ("name", "version", "pod", "pid", "image"),
    [
        ("containerd-2", "containerd 2.2.0", "front-6d4b75cb6d-w4b72", 4711, "registry.example/front:1.4"),
        ("cri-o-1.33", "cri-o 1.33.4", "back-0", 4712, "registry.example/back:2"),
        ("cri-dockerd-0.3", "docker 26.1.4", "cache-0", 4713, "registry.example/cache:7"),
    ],
)
def test_other_runtimes(
    socket_path: str, monkeypatch: pytest.MonkeyPatch, name: str, version: str, pod: str, pid: int, image: str
) -> None:
    monkeypatch.setattr(kubernetes, "is_ours", lambda *_: True)  # they are processes of another machine
    with runtime(socket_path, json.loads(fixture(f"cri/{name}.json"))):
        assert KubernetesEngine().status().detail == version
        [found] = KubernetesEngine().find(f"shop/{pod}")
        assert (found.name, found.pid, found.state) == (f"shop/{pod}/main", pid, ContainerState.RUNNING)
        assert found.image == image
        assert found.labels["io.kubernetes.pod.name"] == pod
        assert found.id in [c.id for c in KubernetesEngine().containers()]


def test_a_dead_container_of_cri_o_has_no_process(socket_path: str) -> None:
    with runtime(socket_path, json.loads(fixture("cri/cri-o-1.33.json"))):
        [found] = KubernetesEngine().find("2" * 64)
    assert (found.pid, found.state) == (None, ContainerState.EXITED)


def test_a_process_of_another_machine_is_refused(socket_path: str) -> None:
    answers = json.loads(fixture("cri/containerd-2.json"))
    answers["ContainerStatus"]["1" * 64]["info"]["info"] = json.dumps({"pid": os.getpid()})
    with runtime(socket_path, answers), pytest.raises(EngineError, match="which is another process on this machine"):
        KubernetesEngine().find("1" * 64)


@pytest.mark.parametrize("info", ['{"no": "pid"}', "no JSON", '{"pid": "many"}', "[]"])
def test_a_runtime_that_tells_no_process(socket_path: str, info: str) -> None:
    answers = json.loads(fixture("cri/containerd-2.json"))
    answers["ContainerStatus"]["1" * 64]["info"]["info"] = info
    with runtime(socket_path, answers), pytest.raises(EngineError, match="reports no process") as caught:
        KubernetesEngine().find("1" * 64)
    assert caught.value.hint


def test_docker_is_asked_where_the_runtime_is_silent(socket_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As cri-dockerd was before it told processes."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    answers = json.loads(fixture("cri/cri-dockerd-0.3.json"))
    del answers["ContainerStatus"]["4" * 64]["info"]
    with runtime(socket_path, answers), pytest.raises(EngineAbsent, match="docker is not running"):
        KubernetesEngine().find("4" * 64)


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
        status = KubernetesEngine().status()
        with pytest.raises(EngineError) as caught:
            list(KubernetesEngine().containers())
    assert not status.available
    assert words in status.detail and words in caught.value.message
    assert status.hint and caught.value.hint
    assert capfd.readouterr().err == ""


def test_a_silent_runtime_keeps_no_other_from_answering(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTAINER_RUNTIME_ENDPOINT", raising=False)
    monkeypatch.setattr(kubernetes, "_CRICTL", "/no/such/file")
    monkeypatch.setattr(kubernetes, "_SOCKETS", (f"{tmp_path}/silent", f"{tmp_path}/speaks"))
    answers = json.loads(fixture("cri/cri-o-1.33.json"))
    with chattering(f"{tmp_path}/silent", None), runtime(f"{tmp_path}/speaks", answers):
        listing = list_containers([KubernetesEngine()])
    assert {c.name for c in listing.containers} == {"shop/back-0/main"}
    assert listing.failures == ()


def test_a_runtime_that_is_out_of_order(socket_path: str) -> None:
    types = message_types(cri._TABLE)
    methods = {f"/runtime.v1.RuntimeService/{name}": (types[f"{name}Request"], refuse) for name in _METHODS}
    with serving(socket_path, methods), pytest.raises(EngineError, match="kubernetes refused: out of order"):
        list(KubernetesEngine().containers())


def _one(namespace: str, pod: str, name: str, identifier: str, attempt: int = 0) -> cri.PodContainer:
    return cri.PodContainer(identifier, namespace, pod, name, attempt, ContainerState.RUNNING, "", {})


def test_names() -> None:
    known = [
        _one("shop", "web", "main", "a" * 64),
        _one("shop", "web", "log", "b" * 64),
        _one("web", "log", "main", "c" * 64),
        _one("shop", "web", "main", "d" * 64, attempt=1),
    ]

    def ids(name: str) -> str:
        return "".join(sorted(one.id[0] for one in named(name, known)))

    assert ids("web/log") == "bc", "a pod and its container, and a namespace and its pod"
    assert ids("web") == ids("shop/web") == "bd"
    assert ids("shop/web/main") == "d", "the youngest"
    assert ids("a" * 64) == "a"
    assert ids("aaa") == "a"
    assert ids("a") == "a"
    assert ids("main") == ids("") == ids("shop/web/main/x") == ""
