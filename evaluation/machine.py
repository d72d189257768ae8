"""Where and by what results are found."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache

from cntr_core.runtime import find_runtime
from cntr_core.version import version

from .results import Machine

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SOURCES = ("cntr_core", "plugins", "slimmer")


@cache
def machine() -> Machine:
    """This one, and this code."""
    runtime = find_runtime()
    return Machine(
        host=f"{platform.system()} {platform.machine()}, {_distribution()}",
        kernel=platform.release(),
        cpus=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        python=platform.python_version(),
        cntr=version(),
        code=code(),
        commit=_said("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"),
        runtime=_said(runtime, "--version").partition("\n")[0] if runtime else "",
    )


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def code() -> str:
    """A digest of all source files of the program."""
    digest = hashlib.sha256()
    for path in sorted(_files()):
        with open(path, "rb") as file:
            digest.update(f"{os.path.relpath(path, ROOT)}\n".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _files() -> list[str]:
    found = []
    for source in _SOURCES:
        for folder, directories, files in os.walk(os.path.join(ROOT, source)):
            directories[:] = [name for name in directories if name != "__pycache__"]
            found += [os.path.join(folder, file) for file in files]
    return found


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
