"""Who called sudo(8): their containers are looked for, too."""

from __future__ import annotations

import os
import pwd


def invoking_account() -> pwd.struct_passwd | None:
    """The account of who called sudo(8) to become root, as it tells by SUDO_UID."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not uid.isdecimal() or int(uid) == 0:
        return None
    try:
        return pwd.getpwuid(int(uid))
    except (KeyError, OverflowError):
        return None
