from __future__ import annotations

import os
import re
import threading

import pytest
from cntr_plugins.engines.pid import PidEngine

from cntr_core import ContainerRef, ContainerState
from cntr_core.engine import resolve
from cntr_core.errors import ContainerNotFound, ContainerNotRunning
from tests.support.children import child, until


def test_any_process_is_a_container_of_its_number() -> None:
    with child() as pid:
        [found] = PidEngine().find(str(pid))
        assert (found.engine, found.name, found.pid, found.state) == ("pid", str(pid), pid, ContainerState.RUNNING)
        assert resolve(ContainerRef.parse(f"pid://{pid}"), [PidEngine()]).pid == pid


def test_a_process_of_our_own_namespaces_is_allowed() -> None:
    assert PidEngine().find(str(os.getpid()))


def test_processes_are_not_listed() -> None:
    assert list(PidEngine().containers()) == []
    assert PidEngine().status().available


@pytest.mark.parametrize("name", ["web", "", "-1", "1.5", "²", "1 ", "0x10"])
def test_what_is_no_number(name: str) -> None:
    with pytest.raises(ContainerNotFound, match=f"'{re.escape(name)}' is no process ID"):
        PidEngine().find(name)


@pytest.mark.parametrize("name", ["0", "99999999999999999999"])
def test_numbers_that_no_process_has(name: str) -> None:
    with pytest.raises(ContainerNotFound, match=f"there is no process {name}"):
        PidEngine().find(name)


def test_a_process_that_ended() -> None:
    with child() as pid:
        pass
    with pytest.raises(ContainerNotFound, match=f"there is no process {pid}"):
        PidEngine().find(str(pid))


def test_a_zombie() -> None:
    with child(lambda: None) as pid:
        until(lambda: _state(pid) == "Z")
        with pytest.raises(ContainerNotRunning, match=f"process {pid} has ended"):
            PidEngine().find(str(pid))


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]


def test_a_thread_is_not_its_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(ContainerNotFound, match=f"is a thread of process {os.getpid()}") as caught:
            PidEngine().find(str(thread.native_id))
        assert caught.value.hint == f"use pid://{os.getpid()}"
    finally:
        done.set()
        thread.join()


@pytest.mark.requires("root")
def test_a_kernel_thread_has_nothing_to_enter() -> None:
    kernel_thread = next(pid for pid in _pids() if _comm(pid) == "kthreadd")
    with pytest.raises(ContainerNotRunning, match="is a kernel thread"):
        PidEngine().find(kernel_thread)


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdecimal()]


def _comm(pid: str) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()
