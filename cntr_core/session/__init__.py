"""Attach and exec: a plan made of steps, then the processes that execute it. A module named after a process is that
process's: supervisor, monitor, builder, reaper, command.

::

    attach ── pin_target ── open_tools ── skeleton ── Filesystem.mount ── plan ── run_session (supervisor)
                                                                                    │ fork
      host's PID namespace                                                      monitor (guards) ── builder (steps)
      container's PID namespace                                                                      └ reaper ── command
"""

from .attach import attach, describe_attach, describe_execute, execute
from .plan import SessionOptions

__all__ = ["SessionOptions", "attach", "describe_attach", "describe_execute", "execute"]
