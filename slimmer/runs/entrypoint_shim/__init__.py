"""The entrypoint shim: a static program that stands in for an image's entrypoint until its root is prepared.

::

    shim FIFO WORKDIR CANDIDATE… "" ARGV0 ARGUMENT…

It opens FIFO, reads one byte, changes to WORKDIR, and executes the first CANDIDATE that can be, with the arguments from
ARGV0 on and its own environment. Whatever goes wrong before that, above all a FIFO that nobody has open for writing any
more, makes it exit with 125: what could not be watched shall not run. Where no candidate can be executed it exits with
127 if none exists, else with 126, as shells do.

It is some hundred bytes without libc, made here instruction by instruction, so that no compiler is needed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from cntr_core.errors import EngineError
from cntr_core.images import Platform
from cntr_core.kernel.process import DEFAULT_PATH

from . import aarch64, x86_64
from .assembler import executable

_MACHINES = {"amd64": x86_64, "arm64": aarch64}


def shim(platform: Platform) -> bytes:
    """The program for `platform`; :raises EngineError: there is none."""
    machine = _MACHINES.get(platform.architecture)
    if platform.os != "linux" or machine is None:
        known = ", ".join(f"linux/{name}" for name in _MACHINES)
        raise EngineError(
            f"an engine cannot trace programs for {platform}", f"use an image for {known}, or leave --engine out"
        )
    return executable(machine.MACHINE, machine.code())


def shim_arguments(fifo: str, directory: str, line: Sequence[str], path: str | None) -> tuple[str, ...]:
    """What follows the shim's own name, for the command line of a container whose PATH is `path`."""
    program = line[0]
    if "/" in program:
        candidates = [program]
    else:
        # Where PATH has an empty word, that is the working directory (execvp(3)).
        candidates = [f"{place or '.'}/{program}" for place in (DEFAULT_PATH if path is None else path).split(":")]
    return (fifo, directory, *candidates, "", *line)
