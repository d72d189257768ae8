"""Keys of the caller's session stay with the caller."""

from __future__ import annotations

import errno
import subprocess

import pytest

from cntr_core.kernel.keyrings import join_session_keyring
from cntr_core.kernel.syscall import Syscall
from tests.support.children import in_child
from tests.support.cntr import PROGRAM, environment, output
from tests.support.images import DockerRun
from tests.support.refusing import refusing

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_KEYCTL, _ADD_KEY = Syscall("keyctl", 219, 250), Syscall("add_key", 217, 248)
_SESSION, _SEARCH, _READ = -3, 10, 11

# As the caller's keys would be used there: found in the session keyring; read by number; linked to the keyring.
_ATTACK = f"""
my $key = shift;
sub call {{ my @words = @_; my $got = syscall({_KEYCTL.number}, @words); return $got == -1 ? "no" : "yes" }}
my $buffer = "\\0" x 100;
print join(" ", call({_SEARCH}, {_SESSION}, "user", "cntr-secret", 0), call({_READ}, $key + 0, $buffer, 100),
    call(8, $key + 0, {_SESSION}), call({_SEARCH}, {_SESSION}, "user", "cntr-secret", 0)), "\\n";
"""


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_the_callers_session_keyring_stays_outside(docker_run: DockerRun, command: str) -> None:
    # Without docker's filter of system calls, which refuses keyctl(2) to the container itself.
    name = docker_run("debian", "--security-opt", "seccomp=unconfined", command=("sleep", "1000"))

    def session(*words: str) -> str:
        join_session_keyring()
        key = _ADD_KEY(b"user", b"cntr-secret", b"hunter2", 7, _SESSION)
        line = [*words, "perl", "-e", _ATTACK, str(key)]
        return subprocess.run(line, check=True, capture_output=True, text=True, env=environment(), timeout=60).stdout

    assert in_child(lambda: session()) == "yes yes yes yes\n", "the attack works where the keys are"
    assert in_child(lambda: session(PROGRAM, command, name, "--")) == "no no no no\n"


def test_each_session_has_a_keyring_of_its_own(docker_run: DockerRun) -> None:
    name = docker_run("debian", "--security-opt", "seccomp=unconfined", command=("sleep", "1000"))
    script = f"print syscall({_KEYCTL.number}, 0, {_SESSION}, 0)"
    rings = [output(command, name, "--", "perl", "-e", script) for command in ("attach", "exec", "attach")]
    assert len(set(rings)) == 3
    assert "-1" not in rings


def test_dry_run_tells_it(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    for command in ("attach", "exec"):
        assert "new session keyring" in output(command, name, "--dry-run", "--", "true")


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_a_caller_who_may_have_no_keyring_has_sessions(docker_run: DockerRun, error: int) -> None:
    """As in a container, where docker's filter refuses keyctl(2): what is refused to us is refused to the session."""
    name = docker_run("debian", command=("sleep", "1000"))
    line = [*refusing(_KEYCTL.number, error), PROGRAM, "exec", name, "--", "/bin/true"]
    assert subprocess.run(line, env=environment(), timeout=60).returncode == 0
