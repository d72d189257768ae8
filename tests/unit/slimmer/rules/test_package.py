"""Owners of files, as package managers know them: their databases in small, and this machine's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cntr_slimmer.rules.package import Package, PackageDatabase, WholePackages, read_packages

from cntr_core.errors import UsageError
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import ask, plant

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2-1
Description: a shell
 Package: of lies

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36

Package: gone
Status: deinstall ok config-files
Version: 1
"""
DPKG = {
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/bash.list": "/.\n/bin\n/bin/bash\n/usr\n/usr/share/doc/bash/left-out\n",
    "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/x86\n/lib/x86/libc.so.6\n",
    "var/lib/dpkg/info/gone.list": "/etc/gone\n",
    "usr/bin/bash": "",
    "usr/lib/x86/libc.so.6": "",
    "etc/gone": "",
    "bin": "->usr/bin",
    "lib": "->usr/lib",
}
_INSTALLED = (("bash", "5.2-1"), ("libc6", "2.36"))


def test_dpkg_means_real_paths_though_it_lists_others(tmp_path: Path) -> None:
    plant(tmp_path, DPKG)
    packages = read_packages(DirectoryView(tmp_path))
    bash, libc = (Package(name, version, "dpkg", architecture="amd64") for name, version in _INSTALLED)
    assert list(packages) == [bash, libc]
    assert (packages.owner_of(b"/usr/bin/bash"), packages.owner_of(b"/usr/lib/x86/libc.so.6")) == (bash, libc)
    assert packages.owner_of(b"/etc/gone") is None
    assert packages.owner_of(b"/usr/bin") is None
    assert list(packages.files_of(bash)) == [b"/usr/bin/bash"]
    assert packages.find("libc6") == libc
    assert packages.find("gone") is None
    assert packages.unreadable == ""


def test_two_architectures_of_a_package_are_two(tmp_path: Path) -> None:
    status = STATUS + "\nPackage: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36\n"
    other = {"var/lib/dpkg/info/libc6:i386.list": "/lib/i386/libc.so.6\n", "usr/lib/i386/libc.so.6": ""}
    plant(tmp_path, {**DPKG, **other, "var/lib/dpkg/status": status})
    packages = read_packages(DirectoryView(tmp_path))
    assert [packages.name_of(each) for each in packages] == ["bash", "libc6:amd64", "libc6:i386"]
    for architecture, path in (("amd64", b"/usr/lib/x86/libc.so.6"), ("i386", b"/usr/lib/i386/libc.so.6")):
        found = packages.find(f"libc6:{architecture}")
        assert found is not None and packages.files_of(found) == [path] and packages.owner_of(path) == found
    assert packages.find("libc6") == packages.find("libc6:amd64") and packages.find("libc6:arm64") is None


def test_a_package_is_kept_whole_by_its_name_or_a_file_of_it(tmp_path: Path) -> None:
    plant(tmp_path, {**DPKG, "usr/share/x": "", "var/lib/dpkg/info/bash.list": "/bin/bash\n/usr/share/x\n"})
    view = DirectoryView(tmp_path)
    packages = read_packages(view)
    for wanted in ("bash", "/bin/bash"):
        kept = ask(tmp_path, [WholePackages(view, packages, [wanted])], [])
        assert set(kept) == {"/usr/bin/bash", "/usr/share/x"}
        assert {reason.because for reason in kept.values()} == {"the package bash was asked for"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("zsh", "there is no package zsh"),
        ("gone", "there is no package gone"),
        ("/etc/gone", "no package has the file /etc/gone"),
        ("/nowhere", "no package has the file /nowhere"),
    ],
)
def test_a_package_that_is_not_there_is_told(tmp_path: Path, wanted: str, message: str) -> None:
    plant(tmp_path, DPKG)
    view = DirectoryView(tmp_path)
    with pytest.raises(UsageError, match=f"^{message}$") as caught:
        WholePackages(view, read_packages(view), [wanted])
    assert "package manager" in caught.value.hint


def test_distroless_has_a_file_for_each_package(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a\n",
            "var/lib/dpkg/status.d/tzdata.md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/share/zoneinfo/UTC\n",
            "usr/share/zoneinfo/UTC": "",
        },
    )
    packages = read_packages(DirectoryView(tmp_path))
    assert list(packages) == [Package("tzdata", "2024a", "dpkg")]
    assert packages.owner_of(b"/usr/share/zoneinfo/UTC") == Package("tzdata", "2024a", "dpkg")


def test_apk_lists_names_by_directory(tmp_path: Path) -> None:
    installed = "P:musl\nV:1.2.4-r2\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\n"
    installed += "P:busybox\nV:1.36\nF:bin\nR:busybox\nF:\nR:top\n\n"
    plant(tmp_path, {"lib/apk/db/installed": installed, "lib/ld-musl-x86_64.so.1": "", "bin/busybox": "", "top": ""})
    packages = read_packages(DirectoryView(tmp_path))
    assert packages.owner_of(b"/lib/ld-musl-x86_64.so.1") == Package("musl", "1.2.4-r2", "apk")
    busybox = packages.owner_of(b"/bin/busybox")
    assert busybox is not None
    assert list(packages.files_of(busybox)) == [b"/bin/busybox", b"/top"]


def test_the_database_of_rpm_is_told_to_be_there(tmp_path: Path) -> None:
    plant(tmp_path, {"var/lib/rpm/rpmdb.sqlite": "SQLite format 3"})
    packages = read_packages(DirectoryView(tmp_path))
    assert (list(packages), packages.unreadable) == ([], "rpm")


def test_an_image_of_one_program_has_no_packages(tmp_path: Path) -> None:
    assert list(read_packages(DirectoryView(tmp_path))) == []


@pytest.fixture(scope="module")
def of_this_machine() -> PackageDatabase:
    return read_packages(DirectoryView("/"))


@pytest.mark.requires("root")  # some directories of packages are root's
@pytest.mark.parametrize("path", ["/usr/bin/gcc", "/bin/ls", "/usr/bin/perl", "/lib/x86_64-linux-gnu/libc.so.6"])
def test_this_machines_dpkg_says_the_same(path: str, of_this_machine: PackageDatabase) -> None:
    run = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        pytest.skip(f"dpkg does not know {path} here")
    found = DirectoryView("/").lookup(path.encode(), follow=False)
    assert found
    owner = of_this_machine.owner_of(found.path)
    assert owner
    assert owner.name == run.stdout.split(":")[0]
