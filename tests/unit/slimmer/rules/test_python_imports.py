"""The modules that kept sources import, found as Python would find them."""

from __future__ import annotations

from pathlib import Path

from cntr_slimmer.rules.python_imports import LARGEST, PythonImports

from tests.unit.slimmer.rules.trees import ask, plant

LIB = "usr/lib/python3.11"
SITE = "usr/local/lib/python3.11/site-packages"
USED = (f"/{LIB}/encodings", f"/{SITE}", "/srv/app.py")
DYNAMIC = f"{LIB}/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so"


def _kept(root: Path, files: dict[str, str], used: tuple[str, ...] = USED, **more: object) -> set[str]:
    plant(root, {f"{LIB}/encodings/__init__.py": "", f"{SITE}/README": "", **files})
    return {path.lstrip("/") for path in ask(root, [PythonImports()], used, **more)}


def test_an_import_in_a_function_of_the_application(tmp_path: Path) -> None:
    """What it needs when it is loaded comes with it; what its own functions import is further away."""
    files = {
        "srv/app.py": "def page():\n    import sqlite3\n",
        f"{LIB}/sqlite3/__init__.py": "from sqlite3.dbapi2 import *\ndef late():\n    import far",
        f"{LIB}/sqlite3/dbapi2.py": "import _sqlite3",
        DYNAMIC: "",
        f"{LIB}/far.py": "",
        f"{LIB}/other.py": "",
    }
    assert _kept(tmp_path, files) == {f"{LIB}/sqlite3/__init__.py", f"{LIB}/sqlite3/dbapi2.py", DYNAMIC}
    kept = ask(tmp_path, [PythonImports()], USED)
    assert kept[f"/{LIB}/sqlite3/__init__.py"].because == "/srv/app.py imports it"


def test_an_import_in_a_function_of_a_library_that_was_used(tmp_path: Path) -> None:
    files = {f"{SITE}/lib/__init__.py": "def late():\n    import far", f"{LIB}/far.py": "", "srv/app.py": "import lib"}
    assert _kept(tmp_path, files, (*USED, f"/{SITE}/lib/__init__.py")) == {f"{LIB}/far.py"}


def test_packages_and_what_is_imported_from_them(tmp_path: Path) -> None:
    files = {
        "srv/app.py": "from a.b import c, name\nimport d.e.missing\nfrom space import f",
        f"{SITE}/a/__init__.py": "",
        f"{SITE}/a/b/__init__.py": "name = 1",
        f"{SITE}/a/b/c.py": "from .. import g\nfrom ..h import i\nfrom . import k",
        f"{SITE}/a/g.abi3.so": "",
        f"{SITE}/a/h.py": "",
        f"{SITE}/a/b/k.pyc": "",
        f"{SITE}/a/b/unused.py": "",
        f"{SITE}/d/__init__.py": "",
        f"{SITE}/d/e.py": "",
        f"{SITE}/space/f.py": "",  # a namespace package
        f"{LIB}/space/other.py": "",
    }
    gone = {f"{SITE}/a/b/unused.py", f"{LIB}/space/other.py", "srv/app.py"}
    assert _kept(tmp_path, files) == files.keys() - gone


def test_the_order_of_places(tmp_path: Path) -> None:
    files = {
        "srv/app.py": "import one, two, three, four",
        "srv/one.py": "",
        f"{LIB}/one.py": "",
        "opt/more/two.py": "",
        f"{LIB}/two.py": "",
        f"{LIB}/three.py": "",
        f"{SITE}/three.py": "",
        f"{SITE}/edit.pth": "/opt/src\n# no\nimport os; os.system('x')\n",
        "opt/src/four.py": "",
    }
    kept = _kept(tmp_path, files, environment={"PYTHONPATH": "/opt/more"})
    assert kept == {"srv/one.py", "opt/more/two.py", f"{LIB}/three.py", "opt/src/four.py"}


def test_modules_of_the_application_itself(tmp_path: Path) -> None:
    """From the directory around its packages, from the working directory, or from one above that Python was told of."""
    files = {
        "srv/shop/__init__.py": "",
        "srv/shop/views.py": "from shop.models import x\nimport settings\nimport lib.tool\nimport json",
        "srv/shop/models.py": "",
        "srv/shop/json/__init__.py": "",
        "work/settings.py": "",
        f"{LIB}/json/__init__.py": "",
        "lib/tool.py": "",  # nobody has the root among the places
    }
    kept = _kept(tmp_path, files, (*USED[:2], "/srv/shop/views.py"), working_dir=b"/work")
    assert kept == {"srv/shop/__init__.py", "srv/shop/models.py", "work/settings.py", f"{LIB}/json/__init__.py"}
    (tmp_path / "srv/helpers").mkdir()
    plant(tmp_path, {"srv/helpers/deep/x.py": "import helpers.y", "srv/helpers/y.py": ""})
    assert set(ask(tmp_path, [PythonImports()], [*USED[:2], "/srv/helpers/deep/x.py"])) == {"/srv/helpers/y.py"}


def test_scripts_and_sources_that_are_none(tmp_path: Path) -> None:
    files = {
        "usr/local/bin/tool": "#!/usr/bin/env python3\nimport a",
        "usr/local/bin/other": "#!/bin/sh\nimport b",
        "srv/big.py": "import b\n" + "#" * LARGEST,
        "srv/broken.py": "import (",
        f"{LIB}/a.py": "",
        f"{LIB}/b.py": "",
    }
    used = (*USED[:2], "/usr/local/bin/tool", "/usr/local/bin/other", "/srv/big.py", "/srv/broken.py")
    assert _kept(tmp_path, files, used) == {f"{LIB}/a.py"}
    listed = {**dict.fromkeys(USED[:2], ("open",)), "/usr/local/bin/tool": ("lookup",)}
    assert ask(tmp_path, [PythonImports()], listed) == {}


def test_plugins_that_a_used_package_lists(tmp_path: Path) -> None:
    files = {
        f"{SITE}/pil/__init__.py": '_plugins = ["Webp", "Tiff"]',
        f"{SITE}/pil/Webp.py": "",
        f"{SITE}/pil/Tiff.py": "from . import Jpeg",
        f"{SITE}/pil/Jpeg.py": "",
        f"{SITE}/pil/Other.py": "",
    }
    names = ("Webp", "Tiff", "Jpeg")
    assert _kept(tmp_path, files, (*USED, f"/{SITE}/pil/__init__.py")) == {f"{SITE}/pil/{name}.py" for name in names}


def test_modules_that_a_table_names(tmp_path: Path) -> None:
    table = '{"svg": "plot.backends.svg", "x": "plot.backends.pdf:Canvas", "lazy": ".late", "o": "p.py"}'
    files = {
        f"{SITE}/plot/__init__.py": "",
        f"{SITE}/plot/tables.py": table,
        f"{SITE}/plot/backends/__init__.py": "",
        f"{SITE}/plot/backends/svg.py": "",
        f"{SITE}/plot/backends/pdf.py": "",
        f"{SITE}/plot/backends/ps.py": "",
        f"{SITE}/plot/late.py": "",
        f"{SITE}/p.py": "",
        f"{LIB}/names.py": '"far.away"',
        f"{LIB}/far/away.py": "",
    }
    used = (*USED, f"/{SITE}/plot/__init__.py", f"/{SITE}/plot/tables.py", f"/{LIB}/names.py")
    kept = {f"{SITE}/plot/{name}.py" for name in ("backends/__init__", "backends/svg", "backends/pdf", "late")}
    assert _kept(tmp_path, files, used) == kept


def test_attributes_of_a_package_that_loads_late(tmp_path: Path) -> None:
    files = {
        "srv/app.py": "def solve():\n    import sp as s, other\n    return s.optimize.minimize(s.name, other.sub.f)",
        f"{SITE}/sp/__init__.py": 'names = ["optimize", "stats"]\ndef __getattr__(name): ...',
        f"{SITE}/sp/optimize/__init__.py": "from ._minimize import minimize",
        f"{SITE}/sp/optimize/_minimize.py": "",
        f"{SITE}/sp/stats.py": "",
        f"{SITE}/other/__init__.py": "",
        f"{SITE}/other/sub.py": "",
        f"{SITE}/other/more.py": "",
    }
    wanted = ("sp/__init__", "sp/optimize/__init__", "sp/optimize/_minimize", "other/__init__", "other/sub")
    assert _kept(tmp_path, files, (*USED, f"/{SITE}/sp/__init__.py")) == {f"{SITE}/{name}.py" for name in wanted[1:]}


def test_a_compiled_module_imports_others_of_its_package(tmp_path: Path) -> None:
    """It is in no run, else its imports were traced; texts of other packages are not looked at."""
    compiled = f"{SITE}/sp/opt/_fast.cpython-311-x86_64-linux-gnu.so"
    files = {
        "srv/app.py": "def late(): import sp.opt._fast",
        f"{SITE}/sp/__init__.py": "",
        f"{SITE}/sp/opt/__init__.py": "",
        compiled: "\x7fELF\0sp.lib.stream\0_groups\0os.path\0sp.lib.streamer.x y\0",
        f"{SITE}/sp/opt/_groups.py": "",
        f"{SITE}/sp/lib/__init__.py": "",
        f"{SITE}/sp/lib/stream.py": "",
        f"{SITE}/sp/lib/streamer.py": "",
    }
    loaded = {f"{SITE}/sp/{name}.py" for name in ("__init__", "opt/__init__")}
    named = {f"{SITE}/sp/{name}.py" for name in ("opt/_groups", "lib/__init__", "lib/stream")}
    assert _kept(tmp_path, files) == {*loaded, *named, compiled}
    assert _kept(tmp_path, files, (*USED, f"/{compiled}")) == loaded


def test_what_a_module_imports_in_a_function_that_it_calls_itself_and_a_package_in_any(tmp_path: Path) -> None:
    files = {
        "srv/app.py": "def late(): import fonts",
        f"{SITE}/fonts/__init__.py": "from . import tables\ndef hint():\n    from . import glyphs\n    import far",
        f"{SITE}/fonts/tables.py": "def f():\n    from .data import all\ndef later():\n    from . import other\nf()",
        **{f"{SITE}/fonts/{name}.py": "" for name in ("glyphs", "data", "other")},
        f"{LIB}/far.py": "",
    }
    assert _kept(tmp_path, files) == {f"{SITE}/fonts/{name}.py" for name in ("__init__", "tables", "glyphs", "data")}
