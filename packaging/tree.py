"""The tree that all releases carry: the files of all wheels in one directory, for every Python."""

from __future__ import annotations

import fnmatch
import glob
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Sequence

_UNUSED = (
    "*.dist-info/INSTALLER",
    "*.dist-info/RECORD",  # names the files of one wheel, before they were stripped
    "*.dist-info/sboms/*",
    "*.pyi",
    "*.[ch]",
    "*.py[xd]",
    "multidict/_testcapi.*",
    "pyfuse3/*.cpp",
    "trio/_tests/*",
    "zstandard/_cffi.*",  # for PyPy
    "*.data/*",  # programs of other projects
)
_LIBRARY = "libseccomp.so.2"
_FINDS = 'ctypes.util.find_library("seccomp")'
_CARRIES = f"""({_FINDS}
    or __import__("os").path.join(__import__("os").path.dirname(__file__), "cntr.libs", "{_LIBRARY}"))"""


def make_tree(wheels: Sequence[str], place: str, machine: str) -> None:
    """Unpack `wheels` to the new directory `place`, and make what they carry for `machine` complete and small."""
    os.mkdir(place)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place, [name for name in archive.namelist() if not _unused(name)])
    if machine == platform.machine():
        _strip(place)
        _carry_libseccomp(place)
    _same_modes(place)


def _unused(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _UNUSED)


def _strip(place: str) -> None:
    """Half of all bytes are symbols for debuggers; a build id tells the directory where a library was compiled."""
    for folder, _, names in os.walk(place):
        for path in (os.path.join(folder, name) for name in names if ".so" in name):
            subprocess.run(["strip", "--strip-unneeded", "--remove-section=.note.gnu.build-id", path], check=True)


def _carry_libseccomp(place: str) -> None:
    """pyseccomp knows libraries of the system alone. Where there is none, it shall take the one that is put here."""
    (found,) = glob.glob(f"/usr/lib/*/{_LIBRARY}")[:1] or [f"/usr/lib64/{_LIBRARY}"]
    os.mkdir(os.path.join(place, "cntr.libs"))
    shutil.copyfile(found, os.path.join(place, "cntr.libs", _LIBRARY))
    path = os.path.join(place, "pyseccomp.py")
    with open(path) as file:
        text = file.read()
    if text.count(_FINDS) != 1:
        raise SystemExit("packaging/build: this pyseccomp looks for libseccomp in another way")
    with open(path, "w") as file:
        file.write(text.replace(_FINDS, _CARRIES))


def _same_modes(place: str) -> None:
    for folder, _, names in os.walk(place):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
