"""The docker engine with the real daemon, and with sockets behind which there is none, or a strange one."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from cntr_plugins.engines.docker.engine import DockerEngine
from cntr_plugins.engines.pid import PidEngine
from cntr_plugins.engines.processes import is_ours

from cntr_core import Container, ContainerRef, ContainerState
from cntr_core.engine import find, resolve, statuses
from cntr_core.errors import ContainerNotFound, ContainerNotRunning, EngineError
from cntr_core.kernel import process, procfs
from tests.support.children import child, in_child
from tests.support.images import DockerRun, docker_image
from tests.support.sockets import serving_http

real = pytest.mark.requires("root", "docker", "docker-cli", "busybox")


@pytest.fixture(autouse=True)
def _default_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", os.fspath(tmp_path))


def _docker(*arguments: str) -> str:
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def _find(text: str) -> Container:
    return find(ContainerRef.parse(text), [DockerEngine()])


# -- the real daemon ------------------------------------------------------------------------------------------------


@real
def test_the_daemon_tells_its_version() -> None:
    status = DockerEngine().status()
    assert status.available
    assert status.detail == "version " + _docker("version", "--format", "{{.Server.Version}}")
    assert status.endpoint == "unix:///var/run/docker.sock"


@real
def test_a_container_is_found_by_name_id_and_prefix(docker_run: DockerRun) -> None:
    name = docker_run("busybox", "--label", "greeting=hello")
    full = _docker("inspect", "--format", "{{.Id}}", name)
    pid = int(_docker("inspect", "--format", "{{.State.Pid}}", name))
    for reference in (name, f"docker://{name}", full, full[:12], full[:6]):
        found = _find(reference)
        assert (found.engine, found.id, found.name, found.pid) == ("docker", full, name, pid)
    assert found.state is ContainerState.RUNNING
    assert found.image == docker_image("busybox")
    assert found.labels["greeting"] == "hello"


@real
def test_the_process_is_the_containers_init(docker_run: DockerRun) -> None:
    resolved = resolve(ContainerRef(docker_run("busybox")), [DockerEngine()])
    with open(f"/proc/{resolved.pid}/cmdline", "rb") as file:
        assert b"sleep" in file.read()
    assert resolved.start_time == process.start_time(resolved.pid)


@real
@pytest.mark.parametrize("gone", ["ended", "removed"])
def test_a_container_that_ends_while_it_is_looked_up_is_no_stranger(docker_run: DockerRun, gone: str) -> None:
    name = docker_run("busybox")
    full = _docker("inspect", "--format", "{{.Id}}", name)
    pid = int(_docker("inspect", "--format", "{{.State.Pid}}", name))
    engine = DockerEngine()
    with engine.endpoint() as endpoint:
        assert engine.checked_pid(endpoint, pid, full, name) == pid
        with pytest.raises(EngineError, match=f"process {os.getpid()} for {name}, which is another process"):
            engine.checked_pid(endpoint, os.getpid(), full, name)
        _docker("rm", "-f", name) if gone == "removed" else _docker("kill", name)
        assert engine.checked_pid(endpoint, pid, full, name) is None


@real
def test_all_containers_are_listed_whatever_their_state(docker_run: DockerRun) -> None:
    running, paused, ended = docker_run("busybox"), docker_run("busybox"), docker_run("busybox")
    _docker("pause", paused)
    _docker("kill", ended)
    states = {c.name: c.state for c in DockerEngine().containers()}
    assert states[running] is ContainerState.RUNNING
    assert states[paused] is ContainerState.PAUSED
    assert states[ended] is ContainerState.EXITED


@real
def test_containers_without_a_process_say_what_to_do(docker_run: DockerRun) -> None:
    name = docker_run("busybox")
    _docker("pause", name)
    with pytest.raises(ContainerNotRunning, match=f"docker://{name} is paused") as caught:
        resolve(ContainerRef(name), [DockerEngine()])
    assert "unpause" in caught.value.hint
    _docker("unpause", name)
    _docker("kill", name)
    with pytest.raises(ContainerNotRunning, match="is not running \\(exited\\)"):
        resolve(ContainerRef(name), [DockerEngine()])


@real
def test_a_container_that_was_never_started() -> None:
    name = f"cntr-test-created-{os.getpid()}"
    _docker("create", "--name", name, docker_image("busybox"))
    try:
        with pytest.raises(ContainerNotRunning, match="is not running \\(created\\)"):
            resolve(ContainerRef(name), [DockerEngine()])
    finally:
        _docker("rm", name)


@real
def test_a_container_called_like_a_process_is_reached_and_so_is_the_process() -> None:
    name = str(os.getpid())
    _docker("run", "--detach", "--name", name, docker_image("busybox"))
    try:
        both = [PidEngine(), DockerEngine()]
        assert find(ContainerRef(name), both).engine == "docker"
        assert find(ContainerRef.parse(f"pid://{name}"), both).pid == os.getpid()
    finally:
        _docker("rm", "--force", name)


@real
def test_a_name_that_docker_does_not_know() -> None:
    with pytest.raises(ContainerNotFound, match="container 'docker://nobody' not found") as caught:
        _find("docker://nobody")
    assert "docker: no such container" in caught.value.hint


@real
def test_an_image_is_exported_as_an_archive() -> None:
    pieces = DockerEngine().export_image(docker_image("busybox"))
    assert pieces is not None
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        [image] = json.load(manifest)
    line = ["docker", "image", "inspect", "--format", "{{.Id}}", docker_image("busybox")]
    identifier = subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()
    assert image["Config"] == f"{identifier.removeprefix('sha256:')}.json"


@real
@pytest.mark.parametrize("name", ["no-such-image", "no/such:image", "Not A Reference"])
def test_an_image_that_docker_does_not_hold(name: str) -> None:
    assert DockerEngine().export_image(name) is None


# -- where no daemon is, or another machine's -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["tcp://192.0.2.1:2375", "ssh://user@elsewhere", "npipe:////./pipe/docker"])
def test_a_remote_daemon_is_refused_without_being_asked(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineError, match="may be another machine") as caught:
        _find("docker://web")
    assert host in caught.value.message
    assert "on that machine" in caught.value.hint
    assert not DockerEngine().status().available


def _context(directory: object, name: str, host: str, *, current: bool) -> None:
    """A context as ``docker context create`` leaves it."""
    import hashlib

    meta = f"{directory}/contexts/meta/{hashlib.sha256(name.encode()).hexdigest()}"
    os.makedirs(meta)
    with open(f"{meta}/meta.json", "w") as file:
        json.dump({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}, file)
    with open(f"{directory}/config.json", "w") as file:
        json.dump({"currentContext": name} if current else {}, file)


@pytest.mark.parametrize("current", [True, False])
def test_the_chosen_context_counts(current: bool, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _context(tmp_path, "afar", "ssh://user@elsewhere", current=current)
    if not current:
        monkeypatch.setenv("DOCKER_CONTEXT", "afar")
    status = DockerEngine().status()
    assert "ssh://user@elsewhere may be another machine" in status.detail
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")  # which comes first, as for docker itself
    assert "no socket at /no/such.sock" in DockerEngine().status().detail


def test_a_context_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    status = DockerEngine().status()
    assert (status.available, status.detail) == (False, "docker has no context 'nowhere'")
    assert "docker context ls" in status.hint


def test_a_context_that_cannot_be_read(tmp_path: os.PathLike[str]) -> None:
    _context(tmp_path, "afar", "ssh://user@elsewhere", current=True)
    [directory] = os.listdir(f"{tmp_path}/contexts/meta")
    with open(f"{tmp_path}/contexts/meta/{directory}/meta.json", "w") as file:
        file.write("{")
    status = DockerEngine().status()
    assert not status.available
    assert status.detail.startswith("docker's context cannot be read")


def test_without_a_socket_the_daemon_is_not_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    status = DockerEngine().status()
    assert (status.available, status.detail) == (False, "docker is not running (no socket at /no/such.sock)")
    assert status.hint


@pytest.mark.requires("root")
def test_a_socket_that_may_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/tmp/cntr-test-{os.getpid()}.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")

    def ask() -> str:
        process.setresuid(65534, 65534, 65534)
        return DockerEngine().status().detail

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        os.chmod(path, 0o600)
        try:
            assert in_child(ask) == f"docker's socket {path} may not be opened"
        finally:
            os.unlink(path)


def _server(path: str, answer: Callable[[str], object]) -> AbstractContextManager[None]:
    """A daemon of ours at the socket `path`, which answers GET requests by what `answer` gives for their path."""

    def reply(asked: str) -> tuple[int, bytes]:
        content = answer(asked)
        if content is None:
            return 500, b'{"message": "out of order"}'
        return 200, content if isinstance(content, bytes) else json.dumps(content).encode()

    return serving_http(path, reply)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: b"<html>this is no docker</html>", "cannot be understood"),
        (lambda path: {"unexpected": 1} if "version" in path else [{"Id": 1}], "cannot be understood"),
        (lambda _: None, "docker refused: out of order"),
    ],
    ids=["no JSON", "other JSON", "errors"],
)
def test_answers_that_make_no_sense(
    answer: Callable[[str], object], words: str, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with _server(f"{tmp_path}/docker.sock", answer):
        assert words in DockerEngine().status().detail
        with pytest.raises(EngineError):
            _find("docker://web")


_VERSION = {"Version": "1", "ApiVersion": "1.41"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda path: _VERSION if path.endswith("/version") else None, "docker refused: out of order"),
        (lambda path: _VERSION if path.endswith("/version") else [{"Id": 1}], "cannot be understood ("),
    ],
    ids=["a refusal", "fields missing"],
)
def test_lists_that_fail(
    answer: Callable[[str], object], words: str, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with _server(f"{tmp_path}/docker.sock", answer):
        with pytest.raises(EngineError) as caught:
            _find("docker://web")
        assert words in caught.value.message
        assert caught.value.hint
        if "refused" in words:
            with pytest.raises(EngineError, match="docker refused: "):
                DockerEngine().export_image("debian")


def test_a_process_that_may_not_be_looked_into_is_not_called_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a /proc with hidepid nothing can be read; the session fails later, and says why."""

    def hidden(_: int, name: str) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", name)

    monkeypatch.setattr(procfs, "read", hidden)
    assert is_ours(os.getpid(), "f" * 64)


def test_a_daemon_that_hangs_costs_two_seconds_and_has_a_sentence(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()  # and never accept
        [(name, status)] = statuses([DockerEngine()])
    assert (name, status.available) == ("docker", False)
    assert "does not answer" in status.detail or "did not answer" in status.detail


def test_a_daemon_that_ended_and_left_its_socket(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
    status = DockerEngine().status()
    assert not status.available
    assert "Connection refused" in status.detail


def _foreign(pid: int) -> Callable[[str], object]:
    """A daemon in a virtual machine: its container's PID means another process here."""
    identity = "f" * 64
    listed = {"Id": identity, "Names": ["/web"], "State": "running", "Image": "debian", "Labels": None}
    details = {"Id": identity, "State": {"Pid": pid, "Status": "running"}, "Config": {"Image": "debian"}}

    def answer(path: str) -> object:
        if path.endswith("/version"):
            return _VERSION
        return details if identity in path else [listed]

    return answer


def test_a_pid_of_another_machine_is_recognised(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with _server(path, _foreign(os.getpid())):
        with pytest.raises(EngineError, match=rf"process {os.getpid()} for \S+, which is another process") as caught:
            _find("docker://web")
        assert "run cntr where the daemon runs" in caught.value.hint
    os.unlink(path)
    with child() as gone:
        pass
    with _server(path, _foreign(gone)), pytest.raises(EngineError, match="another process on this machine"):
        _find("docker://web")
