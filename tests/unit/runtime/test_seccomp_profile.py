"""Docker's default profile, and profiles in its format, for a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cntr_core.errors import EngineError, UsageError
from cntr_core.runtime.seccomp import compile_filter
from cntr_core.runtime.seccomp_profile import default_profile, for_container, read_profile

_COMPILE = """
from cntr_core.runtime.seccomp import compile_filter
assert compile_filter({"defaultAction": "SCMP_ACT_ALLOW"}).instructions
"""


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each test compiles what it asks for."""
    monkeypatch.setenv("CNTR_CACHE_DIR", f"{tmp_path}/cache")


def _machine(machine: str = "x86_64", release: str = "6.1.0-42-amd64") -> os.uname_result:
    return os.uname_result(("Linux", "host", release, "#1", machine))


def _allowed(profile: dict[str, Any]) -> set[str]:
    return {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_capabilities_open_their_calls() -> None:
    without, mounting = (
        _allowed(for_container(default_profile(), caps, _machine())) for caps in ((), ("CAP_SYS_ADMIN",))
    )
    assert {"read", "clone", "ptrace"} <= without
    assert not {"mount", "unshare", "keyctl", "bpf", "reboot", "chroot", "io_uring_setup"} & without
    assert {"mount", "unshare", "clone3"} <= mounting
    assert "chroot" in _allowed(for_container(default_profile(), ("CAP_SYS_CHROOT",), _machine()))


def test_architectures_have_their_own_calls() -> None:
    intel, arm = (for_container(default_profile(), (), _machine(name)) for name in ("x86_64", "aarch64"))
    assert intel["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert arm["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    assert "arch_prctl" in _allowed(intel) - _allowed(arm)


@pytest.mark.parametrize(("release", "kept"), [("4.7.9", False), ("4.8", True), ("4.19-x", True), ("6.18.44", True)])
def test_kernels_decide(release: str, kept: bool) -> None:
    rule = {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
    assert bool(for_container(profile, (), _machine(release=release))["syscalls"]) is kept


def test_a_profile_in_the_old_format_names_one_call(tmp_path: Path) -> None:
    old = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "chmod", "action": "SCMP_ACT_ERRNO", "args": []}]}
    (tmp_path / "old.json").write_text(json.dumps(old))
    made = for_container(read_profile(f"{tmp_path}/old.json"), (), _machine())
    assert made["syscalls"] == [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]


@pytest.mark.parametrize("content", ["", "[]", "7", "{", "{}", '{"defaultAction": 7}', '{"defaultAction": "x"}'])
def test_what_is_no_profile_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "profile.json").write_text(content)
    with pytest.raises(UsageError, match="cannot be used"):
        read_profile(f"{tmp_path}/profile.json")


@pytest.mark.parametrize("rules", [7, [7], [{"names": ["chmod"], "includes": {"minKernel": "x"}}], [{"includes": 7}]])
def test_rules_that_are_none_are_refused(rules: object) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        for_container({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, (), _machine())


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "SCMP_ACT_NONE"},
        {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_NONE"]},
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [7]}]},
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": 7, "action": "SCMP_ACT_ALLOW"}]},
        {"defaultAction": 7},
    ],
)
def test_what_libseccomp_cannot_compile_is_told(profile: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="makes no filter"):
        compile_filter(profile)


def test_the_default_profile_compiles_on_this_machine() -> None:
    made = compile_filter(for_container(default_profile(), ("CAP_CHOWN",), os.uname()))
    assert 0 < len(made.instructions) // 8 <= 4096


def test_a_filter_is_the_same_when_it_was_kept_and_another_one_for_another_profile() -> None:
    profile = for_container(default_profile(), (), os.uname())
    first, again = compile_filter(profile), compile_filter(profile)
    assert first == again
    del profile["syscalls"][0]
    assert compile_filter(profile).instructions != first.instructions


def test_a_kept_filter_needs_no_compiler() -> None:
    _run(
        f"""
import sys
{_COMPILE}
del sys.modules["pyseccomp"]
sys.modules["pyseccomp"] = None
{_COMPILE}"""
    )


def _run(script: str) -> None:
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_the_library_is_found_without_another_program() -> None:
    _run(
        f"""
import subprocess
def refused(*words, **named): raise AssertionError(words)
subprocess.Popen = refused
{_COMPILE}"""
    )


def test_ctypes_is_left_as_it_was() -> None:
    _run(
        f"""
import ctypes.util, sys
own = ctypes.util
{_COMPILE}
assert sys.modules["ctypes.util"] is ctypes.util is own
"""
    )
    _run(
        f"""
{_COMPILE}
import ctypes.util
assert ctypes.util.find_library("c")
"""
    )
