"""Kernel keyrings (keyrings(7)): who has a keyring possesses the keys in it, and children inherit their session's."""

from __future__ import annotations

from .syscall import Syscall

_keyctl = Syscall("keyctl", 219, 250)
_JOIN_SESSION_KEYRING = 1  # linux/keyctl.h


def join_session_keyring() -> None:
    """Leave the session keyring for a new, anonymous and empty one, which has no link to the user's keyring
    (keyctl_join_session_keyring(3)).

    :raises OSError: ENOSYS for a kernel without keys, EDQUOT when the user has as many as is allowed.
    """
    _keyctl(_JOIN_SESSION_KEYRING, None)
