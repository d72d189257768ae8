"""A process lives as long as one of its threads, also when its main thread has ended before the others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from cntr_core.testing.processes import PATIENCE, descendants
from tests.support.cntr import cntr, output, wait_until

pytestmark = pytest.mark.requires("root", "fuse", "unshare")

HEADLESS = """
import ctypes, os, threading, time
os.chdir("/usr")
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def headless() -> Iterator[int]:
    """A process in namespaces of its own, whose main thread is a zombie."""
    line = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c", HEADLESS]
    with subprocess.Popen(line, env={**os.environ, "ONLY": "here"}) as process:
        try:
            wait_until(lambda: any(map(_is_zombie, descendants(process.pid))), "its main thread ends")
            yield next(filter(_is_zombie, descendants(process.pid)))
        finally:
            for pid in [*descendants(process.pid), process.pid]:
                os.kill(pid, 9)
            process.wait(PATIENCE)


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_session_in_a_process_whose_main_thread_has_ended(headless: int) -> None:
    assert not os.path.exists(f"/proc/{headless}/root/usr")
    name = f"pid://{headless}"
    assert output("attach", name, "--container-env", "--", "sh", "-c", "ls -d /var/lib/cntr/usr; echo $ONLY") == (
        "/var/lib/cntr/usr\nhere\n"
    )
    assert output("exec", name, "--", "/bin/pwd") == "/usr\n"
    for kind in ("pid", "mnt", "uts"):
        theirs = os.readlink(f"/proc/{headless}/task/{_other_thread(headless)}/ns/{kind}")
        assert output("exec", name, "--", "/bin/readlink", f"/proc/self/ns/{kind}") == f"{theirs}\n"


def _other_thread(pid: int) -> int:
    return next(int(thread) for thread in os.listdir(f"/proc/{pid}/task") if int(thread) != pid)


def test_a_process_of_which_no_thread_lives_has_ended() -> None:
    with subprocess.Popen(["true"]) as process:
        wait_until(lambda: _is_zombie(process.pid), "it ends")
        result = cntr("attach", f"pid://{process.pid}", "--", "true")
        assert (result.returncode, b"has ended, and was not waited for" in result.stderr) == (125, True)
