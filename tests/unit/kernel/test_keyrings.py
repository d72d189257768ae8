"""A new session keyring, on the kernel itself."""

from __future__ import annotations

from pathlib import Path

from cntr_core.kernel.keyrings import join_session_keyring
from cntr_core.kernel.syscall import Syscall
from tests.support.children import in_child

_keyctl, _add_key = Syscall("keyctl", 219, 250), Syscall("add_key", 217, 248)
_SESSION = -3
_SEARCH = 10


def _found() -> bool:
    try:
        _keyctl(_SEARCH, _SESSION, b"user", b"cntr-test", 0)
    except OSError:
        return False
    return True


def test_a_new_keyring_has_none_of_the_keys() -> None:
    def search() -> tuple[bool, bool]:
        join_session_keyring()
        _add_key(b"user", b"cntr-test", b"hunter2", 7, _SESSION)
        before = _found()
        join_session_keyring()
        return before, _found()

    assert in_child(search) == (True, False)


def test_it_is_anonymous() -> None:
    def describe() -> str:
        join_session_keyring()
        number = _keyctl(0, _SESSION, 0)  # KEYCTL_GET_KEYRING_ID
        [line] = [line for line in Path("/proc/keys").read_text().splitlines() if line.startswith(f"{number:08x} ")]
        return line

    assert " _ses: empty" in in_child(describe)
