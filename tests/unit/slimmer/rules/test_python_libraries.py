"""Shared libraries that Python sources load by name."""

from __future__ import annotations

from pathlib import Path

from cntr_slimmer.rules.python_libraries import PythonLibraries

from tests.unit.slimmer.rules.trees import ask, plant

SITE = "usr/local/lib/python3.11/site-packages"
LIB = "usr/lib/x86_64-linux-gnu"
FILES = {
    f"{LIB}/libmagic.so.1": "->libmagic.so.1.0.0",
    f"{LIB}/libmagic.so.1.0.0": "",
    f"{LIB}/libmagician.so.1": "",
    f"{LIB}/libvips.so.42": "",
    "opt/more/libvips.so.42": "",
    f"{SITE}/own/libown.so": "",
    f"{SITE}/own/libother.so": "",
    "etc/ld.so.conf": "/opt/more\n/usr/lib/x86_64-linux-gnu\n",
    "sbin/ldconfig": "",
    "usr/lib/python3.11/encodings/__init__.py": "",
    "usr/lib/python3.11/uuid.py": "ctypes; find_library('magic')",
}


def _kept(root: Path, sources: dict[str, str]) -> set[str]:
    plant(root, {**FILES, **sources})
    used = ["/usr/lib/python3.11/encodings", "/usr/lib/python3.11/uuid.py", *(f"/{path}" for path in sources)]
    return {path.lstrip("/") for path in ask(root, [PythonLibraries()], used)}


def test_a_library_that_is_looked_for_by_the_loaders_cache(tmp_path: Path) -> None:
    source = "import ctypes.util\ndef late():\n    return ctypes.CDLL(ctypes.util.find_library('magic'))"
    found = {f"{LIB}/libmagic.so.1", f"{LIB}/libmagic.so.1.0.0", "sbin/ldconfig"}
    assert _kept(tmp_path, {f"{SITE}/magic.py": source}) == found


def test_a_library_that_is_loaded_by_its_file(tmp_path: Path) -> None:
    source = 'from cffi import FFI\nffi.dlopen("libvips.so.42"), dlopen(os.path.join(here, "./libown.so"))'
    found = {f"{LIB}/libvips.so.42", "opt/more/libvips.so.42", f"{SITE}/own/libown.so"}
    assert _kept(tmp_path, {f"{SITE}/own/load.py": source}) == found


def test_a_source_that_loads_nothing_only_talks_of_it(tmp_path: Path) -> None:
    assert (
        _kept(tmp_path, {f"{SITE}/talk.py": 'print("libvips.so.42")', f"{SITE}/c.py": 'CDLL(find_library("c"))'})
        == set()
    )
