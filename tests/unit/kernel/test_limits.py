"""Limits of another process, as the kernel prints them."""

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.kernel import procfs
from cntr_core.kernel.limits import NAMES, parse_limits, read_limits

HEAD = b"Limit                     Soft Limit           Hard Limit           Units     \n"


def test_every_limit_is_read_as_getrlimit_tells_it() -> None:
    own = procfs.open_process("self")
    for number, limits in read_limits(own).items():
        assert limits == resource.getrlimit(number)
    assert set(read_limits(own)) == set(NAMES.values())


def test_the_limits_of_another_process_are_read() -> None:
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (55, 66)); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script + " if not print(flush=True) else 0"], stdin=-1, stdout=-1
    ) as p:
        assert p.stdout is not None
        p.stdout.readline()
        assert read_limits(procfs.open_process(p.pid))[resource.RLIMIT_NOFILE] == (55, 66)


def test_a_limit_of_a_newer_kernel_is_left_out() -> None:
    assert (
        parse_limits(HEAD + b"Max quantum bits          12                   unlimited            qbits     \n") == {}
    )


def test_nonsense_is_refused() -> None:
    with pytest.raises(procfs.ProcfsError):
        parse_limits(HEAD + b"Max open files many more files\n")


@given(st.binary())
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_limits(data)
    except procfs.ProcfsError:
        return
