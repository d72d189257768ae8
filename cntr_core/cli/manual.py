"""The manual pages, where they are installed and can be read."""

from __future__ import annotations

import os
import shutil

_PAGE = "share/man/man1/cntr.1"


def hint() -> str:
    """Where more is said, as a sentence; empty where man(1) would find no page of ours.

    man(1) looks beside the directories of PATH (manpath(5)), and in /usr.
    """
    if shutil.which("man") is None:
        return ""
    beside = (os.path.dirname(directory) for directory in os.get_exec_path())
    pages = (os.path.join(place, _PAGE + suffix) for place in ("/usr", *beside) for suffix in ("", ".gz"))
    return "More: man cntr, and man cntr-COMMAND." if any(map(os.path.exists, pages)) else ""
