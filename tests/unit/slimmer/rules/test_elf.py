"""The rule `elf`, against what the dynamic loader itself finds: on this machine's files, and on programs made here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cntr_slimmer.rules.elf import Elf

from tests.unit.slimmer.rules.trees import ask, plant

_TRACED = re.compile(r"^\t(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
_SYSTEM = ("bash", "curl", "findmnt", "gcc", "gdb", "git", "ls", "perl", "ps", "python3", "strace")


def _loaded(program: str, **environment: str) -> set[str]:
    """What ld.so loads for a program of this machine (ld.so(8), LD_TRACE_LOADED_OBJECTS): real paths."""
    environment["LD_TRACE_LOADED_OBJECTS"] = "1"
    run = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=True)
    return {os.path.realpath(path) for path in _TRACED.findall(run.stdout)}


def _kept(root: str | os.PathLike[str], *used: str, **environment: str) -> set[str]:
    return set(ask(root, [Elf()], used, environment))


@pytest.mark.requires("gcc", "gdb", "curl", "strace")
@pytest.mark.parametrize("name", _SYSTEM)
def test_the_libraries_are_those_that_the_loader_finds(name: str) -> None:
    program = os.path.realpath(shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") or name)
    kept = _kept("/", program)
    libraries = {path for path in kept if not os.path.islink(path) and not path.startswith("/etc/")}
    assert libraries == _loaded(program)
    assert not os.path.exists("/etc/ld.so.cache") or "/etc/ld.so.cache" in kept


def _compile(target: Path, source: str, *options: str | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-x", "none", "-o", target, *options]
    subprocess.run(command, input=source, text=True, check=True, timeout=60)


def _library(target: Path, name: str, *options: str | Path, calls: str = "") -> None:
    body = (
        f"int {calls}(void); int {name}(void) {{ return {calls}(); }}" if calls else f"int {name}(void) {{ return 7; }}"
    )
    _compile(target, body, "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{target.name}", *options)


def _program(target: Path, calls: str, *options: str | Path) -> None:
    _compile(target, f"int {calls}(void); int main(void) {{ return {calls}(); }}", *options)


gcc = pytest.mark.requires("gcc")


@gcc
@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"], ids=["RUNPATH", "RPATH"])
def test_origin_is_the_directory_of_the_program(tmp_path: Path, tags: str) -> None:
    _library(tmp_path / "app/lib/libx.so", "x")
    program = tmp_path / "app/bin/program"
    _program(program, "x", tmp_path / "app/lib/libx.so", f"-Wl,{tags},-rpath,$ORIGIN/../lib")
    assert "/app/lib/libx.so" in _kept(tmp_path, "/app/bin/program")
    assert os.fspath(tmp_path / "app/lib/libx.so") in _loaded(os.fspath(program)) & _kept("/", os.fspath(program))


@gcc
def test_a_program_reached_by_a_link_is_in_its_own_directory(tmp_path: Path) -> None:
    _library(tmp_path / "app/lib/libx.so", "x")
    _program(tmp_path / "app/bin/program", "x", tmp_path / "app/lib/libx.so", "-Wl,-rpath,${ORIGIN}/../lib")
    plant(tmp_path, {"usr/bin/program": "->../../app/bin/program"})
    assert "/app/lib/libx.so" in _kept(tmp_path, "/usr/bin/program", "/app/bin/program")


@gcc
@pytest.mark.parametrize(("tags", "inherited"), [("--disable-new-dtags", True), ("--enable-new-dtags", False)])
def test_rpath_counts_for_the_libraries_of_libraries_and_runpath_does_not(
    tmp_path: Path, tags: str, inherited: bool
) -> None:
    _library(tmp_path / "lib/deep/liby.so", "y")
    _library(tmp_path / "lib/deep/libx.so", "x", tmp_path / "lib/deep/liby.so", calls="y")
    link = ["-Wl,--allow-shlib-undefined", f"-Wl,{tags},-rpath,$ORIGIN/lib/deep"]
    _program(tmp_path / "program", "x", tmp_path / "lib/deep/libx.so", *link)
    kept = _kept(tmp_path, "/program")
    assert "/lib/deep/libx.so" in kept
    assert ("/lib/deep/liby.so" in kept) == inherited
    truth = _loaded(os.fspath(tmp_path / "program"))
    assert (os.fspath(tmp_path / "lib/deep/liby.so") in truth) == inherited


@gcc
def test_runpath_switches_the_rpath_of_one_file_off(tmp_path: Path) -> None:
    _library(tmp_path / "a/liby.so", "y")
    _library(tmp_path / "b/libx.so", "x", tmp_path / "a/liby.so", "-Wl,--enable-new-dtags,-rpath,/none", calls="y")
    rpath = "-Wl,--allow-shlib-undefined,--disable-new-dtags,-rpath,$ORIGIN/b:$ORIGIN/a"
    _program(tmp_path / "program", "x", tmp_path / "b/libx.so", rpath)
    assert "/a/liby.so" not in _kept(tmp_path, "/program")
    assert os.fspath(tmp_path / "a/liby.so") not in _loaded(os.fspath(tmp_path / "program"))


@gcc
def test_the_environment_of_the_image_is_heeded(tmp_path: Path) -> None:
    for place in ("opt/one", "usr/lib", "opt/two"):
        _library(tmp_path / place / "libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    kept = _kept(tmp_path, "/program", LD_LIBRARY_PATH="/nowhere:/opt/one", LD_PRELOAD="/opt/two/libx.so")
    assert {path for path in kept if path.endswith("libx.so")} == {"/opt/one/libx.so", "/opt/two/libx.so"}


@gcc
def test_directories_come_from_ld_so_conf_and_what_it_includes(tmp_path: Path) -> None:
    for place in ("opt/one", "usr/lib"):
        _library(tmp_path / place / "libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    plant(
        tmp_path,
        {
            "etc/ld.so.conf": "include ld.so.conf.d/*.conf # and so on\ninclude /etc/ld.so.conf\n",
            "etc/ld.so.conf.d/a.conf": "# mine\n/opt/one\n",
            "etc/ld.so.conf.d/b.other": "/opt/two\n",
            "etc/ld.so.cache": "",
        },
    )
    kept = _kept(tmp_path, "/program")
    assert kept == {"/opt/one/libx.so", "/etc/ld.so.conf", "/etc/ld.so.conf.d/a.conf", "/etc/ld.so.cache"}


@pytest.mark.requires("gcc", "root")
def test_the_cache_knows_directories_that_no_file_names(tmp_path: Path) -> None:
    _library(tmp_path / "opt/one/libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "opt/one/libx.so")
    plant(tmp_path, {"etc/ld.so.conf": ""})
    assert "/opt/one/libx.so" not in _kept(tmp_path, "/program")
    subprocess.run(["/sbin/ldconfig", "-r", tmp_path, "/opt/one"], check=True, timeout=60)
    assert "/opt/one/libx.so" in _kept(tmp_path, "/program")


@gcc
@pytest.mark.parametrize("cache", [b"", b"nonsense", b"glibc-ld.so.cache1.1", b"glibc-ld.so.cache1.1" + b"\xff" * 99])
def test_a_damaged_cache_is_passed_over(tmp_path: Path, cache: bytes) -> None:
    _library(tmp_path / "usr/lib/libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    plant(tmp_path, {"etc/ld.so.cache": cache})
    assert "/usr/lib/libx.so" in _kept(tmp_path, "/program")


@gcc
def test_a_file_names_libraries_to_load_before_all_others(tmp_path: Path) -> None:
    _library(tmp_path / "opt/one/libx.so", "x")
    _program(tmp_path / "program", "main2", "-Dmain2=exit", "-Wno-builtin-declaration-mismatch")
    plant(tmp_path, {"etc/ld.so.preload": "# mine\n/opt/one/libx.so /opt/none.so\n"})
    assert _kept(tmp_path, "/program") == {"/etc/ld.so.preload", "/opt/one/libx.so"}


@gcc
@pytest.mark.parametrize(("at", "value"), [(0x28, b"\xff" * 7 + b"\x7f"), (0x28, bytes(8)), (0x3C, bytes(4))])
def test_sections_are_of_no_account(tmp_path: Path, at: int, value: bytes) -> None:
    """e_shoff, e_shnum: the loader does not look at them, and some tools strip them."""
    _library(tmp_path / "usr/lib/libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    with open(tmp_path / "program", "r+b") as file:
        file.seek(at)
        file.write(value)
    assert "/usr/lib/libx.so" in _kept(tmp_path, "/program")


@gcc
def test_libraries_for_every_processor_are_kept(tmp_path: Path) -> None:
    variants = [f"glibc-hwcaps/x86-64-v{level}/" for level in (2, 3, 4)]
    for variant in ("", *variants):
        _library(tmp_path / "usr/lib" / variant / "libx.so", "x")
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    assert {f"/usr/lib/{variant}libx.so" for variant in ("", *variants)} <= _kept(tmp_path, "/program")


@gcc
def test_a_file_of_another_architecture_is_passed_over(tmp_path: Path) -> None:
    _library(tmp_path / "usr/lib/libx.so", "x")
    content = bytearray((tmp_path / "usr/lib/libx.so").read_bytes())
    content[18:20] = b"\xf3\0"  # e_machine: RISC-V
    plant(tmp_path, {"opt/libx.so": bytes(content), "etc/ld.so.conf": "/opt"})
    _program(tmp_path / "program", "x", tmp_path / "usr/lib/libx.so")
    kept = _kept(tmp_path, "/program")
    assert "/usr/lib/libx.so" in kept
    assert "/opt/libx.so" not in kept


@gcc
def test_musl_has_a_list_of_its_own(tmp_path: Path) -> None:
    _library(tmp_path / "opt/lib/libx.so", "x")
    loader = "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"
    _program(tmp_path / "program", "x", tmp_path / "opt/lib/libx.so", loader)
    plant(tmp_path, {"lib/ld-musl-x86_64.so.1": "", "etc/ld-musl-x86_64.path": "/lib:/opt/lib\n"})
    found = {"/opt/lib/libx.so", "/lib/ld-musl-x86_64.so.1", "/etc/ld-musl-x86_64.path"}
    assert _kept(tmp_path, "/program") == found


@pytest.mark.requires("busybox")
def test_a_static_program_needs_nothing(tmp_path: Path) -> None:
    shutil.copy(shutil.which("busybox") or "", tmp_path / "busybox")
    assert _kept(tmp_path, "/busybox") == set()


@gcc
def test_a_damaged_program_is_a_file_like_any_other(tmp_path: Path) -> None:
    """Every length, and every byte of the headers set to the worst: no error, and no endless loop."""
    _library(tmp_path / "whole", "x", "-Wl,-rpath,/opt/lib")
    whole = (tmp_path / "whole").read_bytes()
    names = []
    for at in range(4, 2048, 3):
        for name, content in ((f"cut{at}", whole[:at]), (f"bad{at}", whole[:at] + b"\xff\xff" + whole[at + 2 :])):
            plant(tmp_path, {name: content})
            names.append("/" + name)
    _kept(tmp_path, *names)


def test_the_python_that_runs_this_is_whole() -> None:
    assert _loaded(os.path.realpath(sys.executable)) <= _kept("/", os.path.realpath(sys.executable))
