"""Whether pyfuse3 can be imported here. It is optional: its package has to be compiled."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

from cntr_core.types import Missing

_REMEDY = "pip install 'cntr[pyfuse3]', with a C compiler and the headers of libfuse 3"


def missing_packages() -> list[Missing]:
    """What an import of pyfuse3 would fail for. It is not imported: with trio that takes a tenth of a second."""
    for name in ("pyfuse3", "trio"):
        found = find_spec(name)
        if found is None or found.origin is None:  # a directory with modules for other Pythons alone has no origin
            return [Missing(f"the package {name}", _REMEDY)]
        if found.origin.endswith(".so") and (reason := _unloadable(found.origin)):
            return [Missing(f"what the package {name} needs ({reason})", _REMEDY)]
    return []


def _unloadable(path: str) -> str:
    """Why the dynamic linker refuses the library, as where the system has another libfuse; empty where it does not."""
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return str(error)
    return ""
