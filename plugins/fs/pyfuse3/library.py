"""Whether pyfuse3 can be imported here, and importing it. It is optional: its package has to be compiled."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from types import ModuleType

from cntr_core.types import Missing
from cntr_core.version import DISTRIBUTION

_REMEDY = (
    "install the distribution's package python3-pyfuse3; in a virtual environment "
    f"pip install '{DISTRIBUTION}[pyfuse3]', with a C compiler and the headers of libfuse 3"
)
_TRIO = "trio"


def missing_packages() -> list[Missing]:
    """What an import of pyfuse3 would fail for."""
    found = find_spec("pyfuse3")
    if found is None or found.origin is None:  # a directory with modules for other Pythons alone has no origin
        return [Missing("the package pyfuse3", _REMEDY)]
    if found.origin.endswith(".so") and (reason := _unloadable(found.origin)):
        return [Missing(f"what the package pyfuse3 needs ({reason})", _REMEDY)]
    return []


def _unloadable(path: str) -> str:
    """Why the dynamic linker refuses the library, as where the system has another libfuse; empty where it does not."""
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return str(error)
    return ""


def import_pyfuse3() -> None:
    """Import it, so that others find it. It wants trio among the modules, uses nothing of it before it serves, and gets
    another then (see loop.py); to import trio would take longer than all the rest of the server's start."""
    stand_in = ModuleType(_TRIO)
    found = sys.modules.setdefault(_TRIO, stand_in)
    import pyfuse3  # noqa: F401 - for sys.modules

    if found is stand_in:
        del sys.modules[_TRIO]
