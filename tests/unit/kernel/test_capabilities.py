from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.kernel import capabilities, process, procfs
from cntr_core.kernel.capabilities import CapabilitySet
from tests.support.children import in_child
from tests.support.recorded import fixture

_DOCKER = 0xA80425FB
"""The capabilities that Docker leaves a container."""


def _own() -> CapabilitySet:
    return CapabilitySet.from_status(procfs.read_status(procfs.open_process("thread-self")))


def test_names_and_numbers() -> None:
    assert capabilities.names(_DOCKER)[:3] == ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]
    assert len(capabilities.names(_DOCKER)) == 14
    assert capabilities.mask(["sys_admin", "CAP_SYS_PTRACE", "Checkpoint_Restore"]) == 1 << 21 | 1 << 19 | 1 << 40
    assert capabilities.names(1 << 63) == ["CAP_63"]
    with pytest.raises(ValueError, match="'CAP_FLY'"):
        capabilities.mask(["CAP_FLY"])


@given(st.integers(0, (1 << len(capabilities.NAMES)) - 1))
def test_masks_and_names_round_trip(mask: int) -> None:
    assert capabilities.mask(capabilities.names(mask)) == mask


def test_the_sets_of_a_recorded_container() -> None:
    status = procfs.parse_status(fixture("status/linux-6.18-container.status"))
    assert CapabilitySet.from_status(status) == CapabilitySet(_DOCKER, _DOCKER, 0, 0, 0)


def test_what_the_calls_tell_is_what_the_status_shows() -> None:
    last, own = capabilities.last_cap(), _own()
    assert capabilities.capget() == (own.effective, own.permitted, own.inheritable)
    assert capabilities.bounding(last) == own.bounding
    assert capabilities.ambient(last) == own.ambient
    assert last >= len(capabilities.NAMES) - 1 or last >= 37


@pytest.mark.requires("root")
@pytest.mark.parametrize("uid", [0, 65534])
@pytest.mark.parametrize(
    "wanted",
    [
        CapabilitySet(_DOCKER, 0, _DOCKER, _DOCKER, 0),
        CapabilitySet(_DOCKER, _DOCKER, _DOCKER, _DOCKER, 0),
        CapabilitySet(_DOCKER, _DOCKER, 0, 0, 0),
        CapabilitySet(0, 1 << 10, 1 << 10, 0, 1 << 10),
        CapabilitySet(0, 0, 0, 0, 0),
        CapabilitySet(1 << 5, 1 << 7, 1 << 6, 1 << 6, 0),
    ],
    ids=["docker 25", "docker 20", "user", "ambient", "nothing", "inheritable beyond bounding"],
)
def test_a_child_becomes_exactly_what_is_wanted(wanted: CapabilitySet, uid: int) -> None:
    last = capabilities.last_cap()

    def become() -> CapabilitySet:
        process.set_keep_capabilities(True)
        process.setresuid(uid, uid, uid)
        capabilities.apply(wanted, last)
        return _own()

    assert in_child(become) == wanted


@pytest.mark.requires("root")
def test_an_ambient_capability_survives_the_exec_of_a_plain_program() -> None:
    mask, last = capabilities.mask(["NET_BIND_SERVICE"]), capabilities.last_cap()

    def become() -> str:
        process.set_keep_capabilities(True)
        process.setresuid(65534, 65534, 65534)
        capabilities.apply(CapabilitySet(mask, mask, mask, mask, mask), last)
        return subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout

    status = procfs.parse_status(in_child(become).encode())
    assert (status.cap_effective, status.cap_bounding, status.uids.real) == (mask, mask, 65534)


@pytest.mark.requires("root")
def test_capabilities_that_the_kernel_does_not_know_are_left_out() -> None:
    wanted = CapabilitySet(1 << 62, 1 << 62, 1 << 62 | 1, 1 << 62 | 1, 0)
    last = capabilities.last_cap()

    def become() -> CapabilitySet:
        capabilities.apply(wanted, last)
        return _own()

    assert in_child(become) == CapabilitySet(0, 0, 1, 1, 0)


@pytest.mark.requires("root")
def test_nothing_can_be_gained() -> None:
    last = capabilities.last_cap()

    def gain() -> str:
        poor = CapabilitySet(0, 0, 1, 1, 0)
        capabilities.apply(poor, last)
        with pytest.raises(PermissionError) as caught:
            capabilities.apply(replace(poor, permitted=3), last)
        assert _own().permitted == 1
        return str(caught.value.strerror)

    assert "capset: Operation not permitted" in in_child(gain)


@pytest.mark.requires("root")
def test_the_bounding_set_needs_setpcap() -> None:
    last, admin = capabilities.last_cap(), capabilities.mask(["SYS_ADMIN"])

    def drop() -> str:
        capabilities.capset(admin, admin, 0)
        with pytest.raises(PermissionError) as caught:
            capabilities.apply(CapabilitySet(0, 0, 0, 0, 0), last)
        return str(caught.value.strerror)

    assert "PR_CAPBSET_DROP" in in_child(drop)
    assert "CAP_SETPCAP" in in_child(drop)


def test_last_cap_is_read_from_the_given_proc(tmp_path: os.PathLike[str]) -> None:
    os.makedirs(f"{tmp_path}/sys/kernel")
    with open(f"{tmp_path}/sys/kernel/cap_last_cap", "w") as file:
        file.write("37\n")
    assert capabilities.last_cap(os.fspath(tmp_path)) == 37
