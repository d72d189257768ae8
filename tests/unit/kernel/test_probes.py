from __future__ import annotations

import errno
import gzip
import os

import pytest

from cntr_core.kernel import capabilities, paths, probes, process, syscall
from cntr_core.kernel.probes import Feature
from tests.support.children import in_child


def _by_name(features: list[Feature]) -> dict[str, Feature]:
    return {feature.name: feature for feature in features}


@pytest.mark.requires("root", "fuse", "overlayfs", "linux-6.9")
def test_this_machine_has_everything_that_cntr_requires() -> None:
    features = probes.probe()
    assert not [f for f in features if f.required and not f.available]
    found = _by_name(features)
    for name in ("mount API", "/dev/fuse", "overlay filesystem", "fuse filesystem", "CAP_SYS_ADMIN", "fanotify"):
        assert found[name].available, found[name]
    assert os.uname().release in found["kernel"].detail


def test_probing_leaves_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    probes.probe()
    assert os.listdir("/proc/self/fd") == before


def test_every_feature_that_could_be_missing_has_a_remedy() -> None:
    features = probes.probe()
    assert len(_by_name(features)) == len(features)
    assert all(f.remedy or f.available for f in features)


@pytest.mark.requires("root")
def test_a_user_without_privileges_is_told_what_is_missing() -> None:
    def look() -> list[Feature]:
        process.setgroups([])
        process.setresgid(65534, 65534, 65534)
        process.setresuid(65534, 65534, 65534)
        process.set_dumpable(True)  # as after an exec; else one's own /proc entries are root's
        return probes.probe()

    found = _by_name(in_child(look))
    for name in ("CAP_SYS_ADMIN", "CAP_SETUID", "fanotify"):
        assert not found[name].available
        assert "root" in found[name].remedy
    assert found["mount API"].available
    assert found["tmpfs filesystem"].available  # /proc/filesystems says so
    assert not found["/dev/fuse"].available or os.stat("/dev/fuse").st_mode & 0o006 == 0o006


@pytest.mark.requires("root")
def test_capabilities_are_those_of_the_caller_not_of_its_uid() -> None:
    def look() -> list[Feature]:
        only = capabilities.mask(["SYS_ADMIN"])
        capabilities.apply(capabilities.CapabilitySet(only, 0, only, only, 0), capabilities.last_cap())
        return probes.probe()

    found = _by_name(in_child(look))
    assert found["CAP_SYS_ADMIN"].available
    assert not found["CAP_SYS_PTRACE"].available


def test_a_kernel_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = syscall.Syscall("openat2", 9999, since="5.6")
    monkeypatch.setattr(paths, "_openat2", absent)
    feature = _by_name(probes.probe())["openat2"]
    assert not feature.available
    assert feature.required
    assert "Linux 5.6" in feature.detail


def test_a_kernel_without_fanotify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_fanotify_init", syscall.Syscall("fanotify_init", 9999))
    feature = _by_name(probes.probe())["fanotify"]
    assert (feature.available, feature.detail) == (False, "fanotify_init: this kernel lacks the call")


@pytest.mark.requires("root")
@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOENT, "modprobe fuse"), (errno.EACCES, "root"), (errno.EPERM, "devices cgroup")]
)
def test_why_the_fuse_device_does_not_open(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:  # noqa: ARG001 - has the signature of os.open
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        feature = next(iter(probes._fuse()))
    assert not feature.available
    assert words in feature.remedy


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.18.44-fc-v657", (6, 18)), ("5.12", (5, 12)), ("4.19.0-25-amd64", (4, 19)), ("6.1rc3", (6, 1)), ("7", (7, 0))],
)
def test_kernel_versions(release: str, version: tuple[int, int]) -> None:
    assert probes.kernel_version(release) == version


def test_an_unknown_filesystem_is_not_there() -> None:
    assert probes.filesystem_known("proc")
    assert not probes.filesystem_known("no-such-filesystem")


def test_the_kernel_configuration_is_read_packed_or_plain(tmp_path: os.PathLike[str]) -> None:
    plain, packed = f"{tmp_path}/config-{os.uname().release}", f"{tmp_path}/config.gz"
    text = b"CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n"
    with open(plain, "wb") as file, gzip.open(packed, "wb") as zipped:
        file.write(text)
        zipped.write(text)
    for place in (f"{tmp_path}/config-{{release}}", packed):
        found = [probes.kernel_config(option, ("/nowhere", place)) for option in ("CONFIG_A", "CONFIG_B", "CONFIG_C")]
        assert found == [True, False, False]
    assert probes.kernel_config("CONFIG_A", ("/nowhere",)) is None


@pytest.mark.parametrize(
    ("built", "release", "available", "detail"),
    [
        (True, "6.9.0", True, "built in"),
        (False, "6.9.0", False, "not built in"),
        (None, "6.9.0", True, "not readable"),
        (True, "6.8.0", False, "came with Linux 6.9"),
    ],
)
def test_fuse_passthrough_depends_on_version_and_configuration(
    built: bool | None, release: str, available: bool, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "kernel_config", lambda *_: built)
    monkeypatch.setattr(probes, "_release", lambda: release)
    feature = list(probes._fuse())[-1]
    assert feature.available is available
    assert detail in feature.detail


@pytest.mark.parametrize(
    "settings",
    [
        {"user/max_user_namespaces": b"0"},
        {"kernel/unprivileged_userns_clone": b"0"},
        {"kernel/apparmor_restrict_unprivileged_userns": b"1"},
    ],
)
def test_sysctls_that_forbid_user_namespaces(settings: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_sysctl", settings.get)
    feature = _by_name(list(probes._namespaces()))["unprivileged user namespaces"]
    assert (feature.available, feature.detail) == (False, "forbidden by sysctl")


def test_a_sysctl_that_the_kernel_lacks_is_no_error() -> None:
    assert probes._sysctl("kernel/no_such_setting") is None
