"""Started with ``PARENT WORDS…``: ``cntr slim`` that ends when the process PARENT does.

The parent may be a thread of a Dask worker, in which nothing of ours may run between fork(2) and execve(2).
"""

from __future__ import annotations

import os
import signal
import sys

from cntr_core.cli import main
from cntr_core.kernel.process import set_pdeathsig


def start() -> None:
    """Become ``cntr slim``."""
    parent, *words = sys.argv[1:]
    set_pdeathsig(signal.SIGTERM)  # and so it cleans up (prctl(2))
    if os.getppid() != int(parent):
        return
    sys.argv = ["cntr", "slim", *words]
    main()
