"""This kernel runs no labelling module, so recorded labels and directories in the form of /proc stand for one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.kernel import lsm, procfs
from cntr_core.kernel.lsm import LsmProfile
from tests.support.recorded import fixture


@pytest.mark.parametrize(
    ("name", "label", "mode", "confines"),
    [
        ("apparmor-docker", b"docker-default", "enforce", True),
        ("apparmor-snap", b"snap.lxd.daemon", "complain", True),
        (
            "apparmor-lxd-stacked",
            b"lxd-c1_</var/snap/lxd/common/lxd>//&:lxd-c1_<var-snap-lxd-common-lxd>:unconfined",
            "enforce",
            True,
        ),
        ("apparmor-unconfined", b"unconfined", "", False),
    ],
)
def test_labels_of_apparmor(name: str, label: bytes, mode: str, confines: bool) -> None:
    profile = lsm.parse_apparmor(fixture(f"lsm/{name}.current"))
    assert profile == LsmProfile("apparmor", label, mode)
    assert profile.confines is confines


@given(
    st.binary(min_size=1).filter(lambda text: not text.endswith((b"\n", b"\0"))), st.sampled_from(["enforce", "kill"])
)
def test_the_mode_is_what_stands_in_the_last_parentheses(label: bytes, mode: str) -> None:
    text = label + b" (" + mode.encode() + b")\n"
    assert lsm.parse_apparmor(text) == LsmProfile("apparmor", label, mode)


@given(st.binary())
def test_no_label_makes_the_parsers_fail(data: bytes) -> None:
    lsm.parse_apparmor(data)
    lsm.parse_selinux(data)
    lsm.parse_active(data)


def test_labels_of_selinux() -> None:
    text = fixture("lsm/selinux-container.current").rstrip(b"\n") + b"\0"
    profile = lsm.parse_selinux(text)
    assert profile == LsmProfile("selinux", b"system_u:system_r:container_t:s0:c123,c456")
    assert profile.confines
    assert lsm.exec_request(profile) == b"system_u:system_r:container_t:s0:c123,c456"
    assert lsm.exec_request(LsmProfile("apparmor", b"docker-default", "enforce")) == b"exec docker-default"


def test_active_modules_of_other_systems() -> None:
    assert "apparmor" in lsm.parse_active(fixture("lsm/active-ubuntu"))
    assert "selinux" in lsm.parse_active(fixture("lsm/active-fedora"))


def _tree(base: str, files: dict[str, str]) -> str:
    for name, content in files.items():
        os.makedirs(os.path.dirname(f"{base}/{name}"), exist_ok=True)
        with open(f"{base}/{name}", "w") as file:
            file.write(content)
    return base


@pytest.mark.parametrize(
    ("files", "active"),
    [
        ({"kernel/security/lsm": "capability,apparmor"}, ["capability", "apparmor"]),
        ({"module/apparmor/parameters/enabled": "Y\n"}, ["apparmor"]),
        ({"module/apparmor/parameters/enabled": "N\n"}, []),
        ({"fs/selinux/enforce": "1"}, ["selinux"]),
        ({}, []),
    ],
)
def test_active_modules_with_and_without_securityfs(
    tmp_path: os.PathLike[str], files: dict[str, str], active: list[str]
) -> None:
    assert lsm.active_modules(_tree(os.fspath(tmp_path), files)) == active


@pytest.fixture
def process(tmp_path: os.PathLike[str]) -> Iterator[int]:
    """A directory in the form of /proc/PID of Linux 5.8, with both modules."""
    files = {
        "attr/current": "old (enforce)\n",
        "attr/exec": "",
        "attr/apparmor/current": "docker-default (enforce)\n",
        "attr/apparmor/exec": "",
    }
    fd = os.open(_tree(os.fspath(tmp_path), files), os.O_PATH)
    yield fd
    os.close(fd)


def test_the_profile_of_a_process_is_read_from_its_modules_own_file(process: int) -> None:
    assert lsm.read_profile(process, ["apparmor"]) == LsmProfile("apparmor", b"docker-default", "enforce")
    assert lsm.read_profile(process, ["capability"]) is None


def test_before_linux_5_8_there_is_only_one_file(process: int) -> None:
    # attr/selinux does not exist, on any kernel: SELinux is always the one that owns attr/current
    assert lsm.read_profile(process, ["selinux"]) == LsmProfile("selinux", b"old (enforce)")


def test_the_profile_of_the_next_exec_is_written(process: int, tmp_path: os.PathLike[str]) -> None:
    lsm.set_exec_profile(process, LsmProfile("apparmor", b"docker-default", "enforce"))
    lsm.set_exec_profile(process, LsmProfile("selinux", b"u:r:t:s0"))
    with open(f"{tmp_path}/attr/apparmor/exec", "rb") as own, open(f"{tmp_path}/attr/exec", "rb") as common:
        assert (own.read(), common.read()) == (b"exec docker-default", b"u:r:t:s0")


@pytest.mark.requires("root")
def test_a_refusal_names_module_and_label() -> None:
    """Where the kernel runs no module, writing to attr/exec is refused: the very error of a profile not loaded."""
    if {"apparmor", "selinux"} & set(lsm.active_modules()):
        pytest.skip("a labelling module is active here")
    own = procfs.open_process("thread-self")
    try:
        with pytest.raises(OSError, match="selinux refuses u:r:t:s0: ") as caught:
            lsm.set_exec_profile(own, LsmProfile("selinux", b"u:r:t:s0"))
    finally:
        os.close(own)
    assert caught.value.errno == errno.EINVAL
