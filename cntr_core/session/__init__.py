"""Attach and exec: a plan made of steps, then the processes that execute it.

::

    attach ── hold_target ── open_tools ── skeleton ── Filesystem.mount ── plan ── run_session
                                                                                     │ fork
      host's PID namespace                                             nest (guards) ── builder (steps)
      container's PID namespace                                                           └ reaper ── command
"""

from .attach import attach, describe_attach, describe_execute, execute
from .plan import SessionOptions

__all__ = ["SessionOptions", "attach", "describe_attach", "describe_execute", "execute"]
