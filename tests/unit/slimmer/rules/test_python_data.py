"""Data files of Python packages: those that a source names, and those beside one that was read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.rules.python_data import PythonData
from cntr_slimmer.rules.python_imports import PythonImports

from tests.unit.slimmer.rules.trees import ask, plant

SITE = "usr/local/lib/python3.11/site-packages"


def _kept(root: Path, files: dict[str, str], *used: str) -> set[str]:
    plant(root, {f"{SITE}/{name}": text for name, text in files.items()})
    kept = ask(root, [PythonData()], [f"/{SITE}/{name}" for name in used])
    return {path.removeprefix(f"/{SITE}/") for path in kept}


def test_a_directory_and_a_file_that_a_source_names(tmp_path: Path) -> None:
    files = {
        "babel/localedata.py": "import os\n_dirname = os.path.join(os.path.dirname(__file__), 'locale-data')",
        "babel/core.py": 'open("global.dat"), "words/one.txt"',
        "babel/locale-data/de.dat": "",
        "babel/locale-data/more/ja.dat": "",
        "babel/global.dat": "",
        "babel/words/one.txt": "",
        "babel/other.dat": "",
        "babel/other-data/x": "",
    }
    wanted = {"babel/locale-data/de.dat", "babel/locale-data/more/ja.dat", "babel/global.dat", "babel/words/one.txt"}
    assert _kept(tmp_path, files, "babel/localedata.py", "babel/core.py") == wanted
    kept = ask(tmp_path, [PythonData()], [f"/{SITE}/babel/core.py"])
    assert kept[f"/{SITE}/babel/global.dat"].because == f"/{SITE}/babel/core.py may read it"


def test_a_directory_of_the_package_above_or_named_as_a_package(tmp_path: Path) -> None:
    files = {
        "p/deep/er.py": "BASE = files('p') / 'data'",
        "p/data/__init__.py": "",
        "p/data/a.csv": "",
        "p/sub/load.py": "DATA = 'p.sub.tables'",
        "p/sub/tables/t.json": "",
        "data/of-another.csv": "",
    }
    assert _kept(tmp_path, files, "p/deep/er.py", "p/sub/load.py") == {
        "p/data/a.csv",
        "p/data/__init__.py",
        "p/sub/tables/t.json",
    }


def test_what_frameworks_look_for_themselves(tmp_path: Path) -> None:
    files = {"admin/apps.py": "", "admin/templates/admin/base.html": "", "admin/locale/de/LC_MESSAGES/django.mo": ""}
    assert _kept(tmp_path, files, "admin/apps.py") == files.keys() - {"admin/apps.py"}


def test_what_lies_beside_a_data_file_that_was_read(tmp_path: Path) -> None:
    files = {"boto/data/s3/service.json.gz": "", "boto/data/s3/waiters.json": "", "boto/data/ec2/service.json.gz": ""}
    assert _kept(tmp_path, files, "boto/data/s3/service.json.gz") == {"boto/data/s3/waiters.json"}


def test_code_headers_and_tests_are_no_data(tmp_path: Path) -> None:
    names = ("a.pyi", "b.h", "c.so", "d.so.1.2", "tests/e.json", "f.pyx", "include/Eigen", "bin/g", "h.py")
    files = {f"p/data/{name}": "" for name in names} | {"p/load.py": "'data', 'tests', 'include'", "p/tests/x": ""}
    assert _kept(tmp_path, files, "p/load.py") == set()


def test_nothing_outside_of_packages_and_through_links(tmp_path: Path) -> None:
    files = {
        "p/load.py": "'data', 'linked', '..', '/etc'",
        "p/linked": "->/etc",
        "single.py": "'p'",
        "p/__init__.py": "",
    }
    plant(tmp_path, {"etc/secret": "", "srv/app.py": "'data'", "srv/data/x": ""})
    assert _kept(tmp_path, files, "p/load.py", "single.py") == set()
    assert not ask(tmp_path, [PythonData()], ["/srv/app.py"])


def test_the_smallest_files_of_a_directory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cntr_slimmer.rules.python_data.LIMIT", 3)
    files = {"p/load.py": "'data'", "p/data/large": "123456", "p/data/small": "1", "p/data/next": "12"}
    assert _kept(tmp_path, files, "p/load.py") == {"p/data/small", "p/data/next"}


def test_a_package_that_the_application_imports_though_no_run_came_to_it(tmp_path: Path) -> None:
    """Programs of the image are further away: their packages' data are not what the application reads."""
    plant(
        tmp_path,
        {"srv/app.py": "def page():\n    from babel import dates", "usr/bin/hg": "#!/usr/bin/python3\nimport hg"},
    )
    plant(tmp_path, {f"{SITE}/{name}/__init__.py": "'data'" for name in ("babel", "hg")})
    plant(tmp_path, {f"{SITE}/{name}/data/x": "" for name in ("babel", "hg")})
    plant(tmp_path, {"usr/lib/python3.11/encodings/__init__.py": ""})
    used = ["/srv/app.py", "/usr/bin/hg", f"/{SITE}", "/usr/lib/python3.11/encodings"]
    kept = ask(tmp_path, [PythonImports(), PythonData()], used)
    assert {path for path in kept if path.endswith("x")} == {f"/{SITE}/babel/data/x"}
