"""The rules for Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cntr_slimmer.rules.presets import Presets
from cntr_slimmer.rules.python import Python, PythonPackages

from cntr_core.rules import Keep, Profile, Rule, RuleContext
from tests.unit.slimmer.rules.trees import ask, plant

LIB = "usr/lib/python3.11"
SITE = f"{LIB}/site-packages"


def test_bytecode_and_source_come_as_a_pair(tmp_path: Path) -> None:
    files = (
        f"{LIB}/a.py",
        f"{LIB}/__pycache__/a.cpython-311.pyc",
        f"{LIB}/__pycache__/a.cpython-311.opt-1.pyc",
        f"{LIB}/b.py",
        f"{LIB}/__pycache__/b.cpython-311.pyc",
        f"{LIB}/__pycache__/ab.cpython-311.pyc",
    )
    plant(tmp_path, dict.fromkeys(files, ""))
    kept = ask(tmp_path, [Python()], [f"/{LIB}/a.py", f"/{LIB}/__pycache__/b.cpython-311.pyc"])
    assert set(kept) == {f"/{file}" for file in files[1:4]}
    assert kept[f"/{LIB}/b.py"].because == f"the source of /{LIB}/__pycache__/b.cpython-311.pyc"


def test_bytecode_is_that_of_the_interpreter(tmp_path: Path) -> None:
    files = [f"{LIB}/__pycache__/a.cpython-{version}.pyc" for version in (39, 310, 311, 312)]
    plant(tmp_path, dict.fromkeys((*files, f"{LIB}/a.py", "usr/bin/python3.11", "usr/lib/libpython3.12.so.1.0"), ""))
    assert set(ask(tmp_path, [Python()], [f"/{LIB}/a.py"])) == {f"/{file}" for file in files}
    used = [f"/{LIB}/a.py", "/usr/bin/python3.11", "/usr/lib/libpython3.12.so.1.0"]
    assert set(ask(tmp_path, [Python()], used)) == {f"/{file}" for file in files[2:]}


def test_what_only_a_rule_keeps_gets_no_bytecode(tmp_path: Path) -> None:
    """Python compiles it when it comes to that."""
    plant(tmp_path, dict.fromkeys((f"{LIB}/a.py", f"{LIB}/__pycache__/a.cpython-311.pyc", "used"), ""))

    class Lazy(Rule):
        name = description = "lazy"

        def keep(self, context: RuleContext) -> Iterable[Keep]:
            if context.first:
                yield Keep(f"/{LIB}/a.py".encode(), "loaded late")

    assert set(ask(tmp_path, [Lazy(), Python()], ["/used"])) == {f"/{LIB}/a.py"}


def test_codecs_that_data_may_choose_are_there(tmp_path: Path) -> None:
    codecs = {f"{LIB}/encodings/{name}" for name in ("cp1252.py", "cp437.py", "euc_jp.py", "aliases.py")}
    others = {f"{LIB}/encodings/cp500.py", f"{LIB}/encodings2/cp1252.py", f"{LIB}/encodings/__init__.py"}
    plant(tmp_path, dict.fromkeys((*codecs, *others), ""))
    assert set(ask(tmp_path, [Presets()], [f"/{LIB}/encodings/__init__.py"])) == {f"/{codec}" for codec in codecs}


def test_an_environment_has_its_settings(tmp_path: Path) -> None:
    plant(tmp_path, {"venv/bin/python3": "->/usr/bin/python3.11", "usr/bin/python3.11": "", "venv/pyvenv.cfg": ""})
    assert set(ask(tmp_path, [Python()], ["/venv/bin/python3", "/usr/bin/python3.11"])) == {"/venv/pyvenv.cfg"}


def test_a_directory_of_a_package_that_is_there_has_what_makes_it_one(tmp_path: Path) -> None:
    files = ("p/data", "p/__init__.py", "p/a.py", "p/__init__.pyi", "q/__init__.cpython-311-x86_64-linux-gnu.so", "q/b")
    plant(tmp_path, {**{f"{SITE}/{name}": "" for name in files}, "usr/bin/python3.11": "", "etc/x": ""})
    used = [f"/{SITE}/p/data", f"/{SITE}/q", "/usr/bin/python3.11"]
    kept = ask(tmp_path, [Python()], used)
    assert set(kept) == {f"/{SITE}/{files[1]}", f"/{SITE}/{files[4]}"}
    assert kept[f"/{SITE}/p/__init__.py"].because == f"/{SITE}/p is there, and is a Python package by it"
    assert not ask(tmp_path, [Python()], [f"/{SITE}/p/data"])  # where there is no Python


PACKAGES = {
    f"{SITE}/flask/__init__.py": "",
    f"{SITE}/flask/cli.py": "",
    f"{SITE}/flask/sub/late.py": "",
    f"{SITE}/flask-3.0.dist-info/METADATA": "Name: flask",
    f"{SITE}/flask-3.0.dist-info/RECORD": 'flask/__init__.py,sha256=x,1\n"flask/a,b.py",,\n',
    f"{SITE}/flask-3.0.dist-info/entry_points.txt": "",
    f"{SITE}/flask-3.0.dist-info/licenses/LICENSE": "",
    f"{SITE}/other/__init__.py": "",
    f"{SITE}/other-1.dist-info/METADATA": "",
    f"{SITE}/other-1.dist-info/RECORD": "other/__init__.py,,\n",
    f"{SITE}/late.pth": "",
}


def test_a_package_of_which_a_module_is_kept_can_be_asked_for_its_version(tmp_path: Path) -> None:
    plant(tmp_path, PACKAGES)
    kept = ask(
        tmp_path, [Python()], [f"/{SITE}/flask/__pycache__/__init__.cpython-311.pyc", f"/{SITE}/flask/__init__.py"]
    )
    metadata = {f"/{SITE}/flask-3.0.dist-info/{name}" for name in ("METADATA", "RECORD", "entry_points.txt")}
    assert set(kept) == {*metadata, f"/{SITE}/late.pth"}
    assert kept[f"/{SITE}/flask-3.0.dist-info/METADATA"].because == "describes the Python package flask, which is used"


def test_debian_leaves_the_record_away(tmp_path: Path) -> None:
    site = "usr/lib/python3/dist-packages"
    files = {
        f"{site}/yaml/__init__.py": "",
        f"{site}/PyYAML-6.egg-info/PKG-INFO": "",
        f"{site}/six-1.egg-info/PKG-INFO": "",
    }
    plant(tmp_path, {**files, f"{site}/PyYAML-6.egg-info/top_level.txt": "_yaml\nyaml\n", f"{site}/six.py": ""})
    assert set(ask(tmp_path, [Python()], [f"/{site}/yaml/__init__.py"])) == {
        f"/{site}/PyYAML-6.egg-info/PKG-INFO",
        f"/{site}/PyYAML-6.egg-info/top_level.txt",
    }
    assert set(ask(tmp_path, [Python()], [f"/{site}/six.py"])) == {f"/{site}/six-1.egg-info/PKG-INFO"}


def test_whole_packages_are_kept_where_the_user_asks_for_them(tmp_path: Path) -> None:
    plant(tmp_path, PACKAGES)
    assert PythonPackages.profile is Profile.CAREFUL
    kept = ask(tmp_path, [PythonPackages()], [f"/{SITE}/flask/__init__.py", f"/{SITE}/flask-3.0.dist-info/METADATA"])
    assert set(kept) == {f"/{SITE}/flask/cli.py", f"/{SITE}/flask/sub/late.py"}
