"""The manual pages, where they are installed and can be read."""

from __future__ import annotations

import os

_PAGE = "share/man/man1/cntr.1"


def hint() -> str:
    """Where more is said, as a sentence; empty where man(1) would find no page of ours.

    man(1) looks beside the directories of PATH (manpath(5)), and in /usr.
    """
    path = os.get_exec_path()
    if not any(os.access(os.path.join(directory, "man"), os.X_OK) for directory in path):
        return ""
    beside = map(os.path.dirname, path)
    pages = (os.path.join(place, _PAGE + suffix) for place in ("/usr", *beside) for suffix in ("", ".gz"))
    return "More: man cntr, and man cntr-COMMAND." if any(map(os.path.exists, pages)) else ""
