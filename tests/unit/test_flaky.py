"""``--once-more``: what fails once is named, what fails twice fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cntr import wait_until
from tests.support.flaky import MOST
from tests.support.reachable import ROOT

_HEAD = """
import pathlib
import pytest

def first(name):
    file = pathlib.Path(name)
    if file.exists():
        return False
    file.touch()
    return True
"""


def run(directory: Path, code: str, *options: str) -> tuple[int, list[str]]:
    """The exit code of pytest, and what it prints."""
    (directory / "test_it.py").write_text(_HEAD + code)
    line = [sys.executable, "-m", "pytest", "-p", "tests.support.flaky", "-p", "no:cacheprovider", "--once-more", "-v"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*line, *options], cwd=directory, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.splitlines()


_TROUBLE = {
    "call": "def test_it():\n    assert not first('here'), 'by chance'\n",
    "setup": (
        "@pytest.fixture(scope='module')\ndef thing():\n    assert not first('here'), 'by chance'\n"
        "def test_it(thing): ...\n"
    ),
    "teardown": (
        "@pytest.fixture(scope='session')\ndef thing():\n    yield\n    assert not first('here'), 'by chance'\n"
        "def test_it(thing): ...\n"
    ),
}


@pytest.mark.parametrize("when", _TROUBLE)
def test_what_passes_the_second_time_is_named_last(when: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, _TROUBLE[when] + "class TestOther:\n    def test_other(self): ...\n")
    # The fixture of the session is torn down for the last test.
    name = "test_it.py::TestOther::test_other" if when == "teardown" else "test_it.py::test_it"
    assert code == 0
    assert said[-1] == f"FLAKY {name}"
    assert "2 passed, 1 once more" in said[-2]
    assert "by chance" in "\n".join(said)


@pytest.mark.parametrize("when", _TROUBLE)
def test_what_fails_again_fails_the_run(when: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, _TROUBLE[when].replace("not first('here')", "first('here') is None"))
    assert code == 1
    assert ("1 failed" if when == "call" else "1 error") in said[-1]
    assert not [line for line in said if line.startswith("FLAKY")]


def test_it_runs_alone_after_all_others_with_fixtures_of_its_own(tmp_path: Path) -> None:
    code, said = run(
        tmp_path,
        """
@pytest.fixture(scope="session")
def session():
    print("made")
    yield []
    print("gone")

def test_it(session):
    print("it runs")
    session.append("it")
    assert not first("here")
    assert session == ["it"]

def test_last(session):
    print("last runs")
""",
        "-s",
    )
    words = [line.removeprefix("test_it.py::test_it ").removeprefix("test_it.py::test_last ") for line in said]
    order = [word for word in words if word in ("made", "gone", "it runs", "last runs")]
    assert order == ["made", "it runs", "last runs", "gone", "made", "it runs", "gone"]
    assert code == 0


@pytest.mark.parametrize("option", ["-x", "--maxfail=2", "--pdb"])
def test_who_waits_for_the_first_failure_gets_it(option: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, _TROUBLE["call"], option)
    assert code != 0
    assert not any("AGAIN" in line for line in said)


def test_many_failures_are_no_chance(tmp_path: Path) -> None:
    many = f"@pytest.mark.parametrize('n', range({MOST + 1}))\ndef test_it(n):\n    assert not first(str(n))\n"
    code, said = run(tmp_path, many)
    assert code == 1
    assert f"{MOST + 1} failed" in said[-1]


def test_an_interrupted_run_tells_what_had_failed(tmp_path: Path) -> None:
    code, said = run(tmp_path, _TROUBLE["call"] + "def test_other():\n    raise KeyboardInterrupt\n")
    assert code == 2
    assert "1 failed" in said[-1]


def test_it_waits_for_runs_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNTR_TESTS_LOCK", str(tmp_path / "lock"))
    other = tmp_path / "other"
    other.mkdir()
    slow = "import time\ndef test_it():\n    time.sleep(1)\n    pathlib.Path('done').touch()\n"
    quick = "def test_it():\n    assert not first('here') and pathlib.Path('other/done').exists()\n"
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(run, other, slow)
        wait_until(lambda: (tmp_path / "lock").exists(), "the other has begun")
        code, said = run(tmp_path, quick, "--ignore=other")
    assert (code, said[-1]) == (0, "FLAKY test_it.py::test_it")
    assert beside.result()[0] == 0
