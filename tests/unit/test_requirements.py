"""The ``requires`` marker, tried on small test suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.requirements import REQUIREMENTS

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _outcome(directory: str, marker: str, ci: bool) -> str:
    """What pytest says about one test that carries `marker`, where "gdb" is found to be missing."""
    with open(f"{directory}/conftest.py", "w") as file:
        file.write(
            "import tests.support.requirements as r\n"
            "r.REQUIREMENTS['gdb'] = lambda: 'install gdb'\n"
            "from tests.conftest import pytest_runtest_setup\n"
        )
    with open(f"{directory}/test_it.py", "w") as file:
        file.write(f"import pytest\n@pytest.mark.requires({marker})\ndef test_it(): pass\n")
    environment = {**os.environ, "PYTHONPATH": _ROOT, "CNTR_CI": "1" if ci else ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        directory,
        directory,
    ]
    run = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, timeout=60)
    return run.stdout


def test_a_requirement_that_the_machine_meets_lets_the_test_run(tmp_path: os.PathLike[str]) -> None:
    assert "1 passed" in _outcome(str(tmp_path), "", ci=True)


def test_a_missing_requirement_skips_on_a_laptop_and_says_what_to_install(tmp_path: os.PathLike[str]) -> None:
    outcome = _outcome(str(tmp_path), "'gdb'", ci=False)
    assert "1 skipped" in outcome
    assert "requires gdb: install gdb" in outcome


def test_a_missing_requirement_fails_in_ci(tmp_path: os.PathLike[str]) -> None:
    outcome = _outcome(str(tmp_path), "'gdb'", ci=True)
    assert "1 failed" in outcome or "1 error" in outcome
    assert "CNTR_CI=1 promises gdb: install gdb" in outcome


@pytest.mark.parametrize("ci", [True, False])
def test_an_unknown_requirement_fails_everywhere(tmp_path: os.PathLike[str], ci: bool) -> None:
    outcome = _outcome(str(tmp_path), "'gdbb'", ci=ci)
    assert "unknown requirement 'gdbb'" in outcome
    assert " passed" not in outcome
    assert " skipped" not in outcome


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_probe_answers_with_a_phrase(name: str) -> None:
    assert isinstance(REQUIREMENTS[name](), str)
