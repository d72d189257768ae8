from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from cntr_core.kernel import syscall


def test_an_error_names_call_and_path() -> None:
    mkdirat = syscall.Syscall("mkdirat", 34, 258)
    with pytest.raises(FileExistsError) as caught:
        mkdirat(syscall.AT_FDCWD, b"/proc", 0o755, path=b"/proc")
    assert caught.value.filename == b"/proc"
    assert caught.value.strerror == "mkdirat: File exists"


def test_a_call_that_the_kernel_lacks_says_which_kernel_has_it() -> None:
    with pytest.raises(OSError) as caught:
        syscall.Syscall("future", 9999, since="42.0")()
    assert caught.value.errno == errno.ENOSYS
    assert caught.value.strerror == "future: this kernel lacks the call; it came with Linux 42.0"


def test_a_call_that_is_not_permitted_says_what_it_wants() -> None:
    error = syscall.Syscall("mount", 40, 165, wants="CAP_SYS_ADMIN").error(errno.EPERM, "/mnt")
    assert isinstance(error, PermissionError)
    assert str(error) == "[Errno 1] mount: Operation not permitted; it wants CAP_SYS_ADMIN: '/mnt'"


def test_other_architectures_use_the_generic_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscall, "_IS_X86_64", False)
    assert syscall.Syscall("setns", 268, 308).number == 268
    monkeypatch.setattr(syscall, "_IS_X86_64", True)
    assert syscall.Syscall("setns", 268, 308).number == 308
    assert syscall.Syscall("openat2", 437).number == 437


def test_an_interrupted_call_is_repeated() -> None:
    import signal

    ticks = []
    reader, writer = os.pipe()

    def tick(*_: object) -> None:
        ticks.append(1)
        if len(ticks) == 3:
            os.write(writer, b"x")

    before = signal.signal(signal.SIGALRM, tick)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        import ctypes

        buffer = ctypes.create_string_buffer(8)
        assert syscall.Syscall("read", 63, 0)(reader, buffer, 8) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)
    assert len(ticks) >= 3


@pytest.mark.parametrize("path", ["/x\0y", b"/x\0y"])
def test_a_path_with_a_nul_is_refused_instead_of_cut(path: str | bytes) -> None:
    with pytest.raises(ValueError, match="null byte"):
        syscall.encode(path)


def test_paths_of_any_bytes_pass_unchanged() -> None:
    name = bytes(range(1, 256))
    assert syscall.encode(name) == name
    assert syscall.encode(os.fsdecode(name)) == name


def test_preload_may_be_called_often() -> None:
    syscall.preload()
    syscall.preload()


@pytest.mark.requires("root", "strace")
def test_after_preload_nothing_is_opened_when_calls_fail() -> None:
    """Errors are made and printed in an empty root: a process there must not look for modules, codecs or
    locales.
    """
    script = """
import os
from cntr_core.kernel import syscall, mounts, namespaces, paths, process, capabilities
syscall.preload()
empty = mounts.DetachedMount.new("tmpfs")
namespaces.unshare(namespaces.CLONE_NEWNS)
mounts.mount_setattr(syscall.AT_FDCWD, "/", syscall.AT_RECURSIVE, propagation=mounts.MS_PRIVATE)
empty.attach(syscall.AT_FDCWD, "/mnt")
os.chdir("/mnt")
mounts.pivot_root(".", ".")
mounts.umount2(".", mounts.MNT_DETACH)
os.write(2, b"EMPTY-ROOT")
for call in (
    lambda: mounts.open_tree(-1, "x"), lambda: mounts.DetachedMount.new("tmpfs", {"bogus": "1"}),
    lambda: paths.open_in_root(-1, b"\\xff", 0), lambda: namespaces.setns(-1), lambda: process.pidfd_open(-1),
    lambda: process.pidfd_send_signal(-1, 9), lambda: mounts.umount2("/"), lambda: process.setgroups([1]),
    lambda: capabilities.capset(1, 0, 0),
):
    try:
        call()
    except OSError as error:
        text = f"{error}|{error!r}|{os.fsencode(str(error.filename))!r}"
os._exit(0)
"""
    command = ["strace", "-f", "-e", "trace=open,openat,readlink,execve,write", sys.executable, "-c", script]
    # Coverage opens files of its own.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV") and k != "PYTHONPATH"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    before, mark, after = run.stderr.partition('write(2, "EMPTY-ROOT"')
    assert run.returncode == 0, run.stderr[-2000:]
    assert mark and "openat(" in before
    assert "open" not in after and "readlink" not in after, after
