"""The table of suites and backends says what the tests do."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PAGE = (ROOT / "docs" / "explanation" / "filesystem.md").read_text()
_ROWS = re.findall(r"^\| .*`tests/.*$", _PAGE, re.MULTILINE)
_SAYS_NO = ("no", "not", "cannot", "refused", "the kernel's own")
_TESTS_THE_REFUSAL = ("tests/integration/session/test_links.py", "kernel")


def _suites() -> list[tuple[str, str, bool]]:
    found = []
    for row in _ROWS:
        suites, *answers = row.strip("| ").split(" | ")
        for suite in re.findall(r"`(tests/[^`]+)`", suites):
            for backend, answer in zip(("kernel", "direct", "pyfuse3"), answers, strict=True):
                found.append((suite, backend, not answer.startswith(_SAYS_NO)))
    return found


def _mounts(suite: str, backend: str) -> bool:
    """Whether a suite names the backend as a value."""
    text = (ROOT / suite).read_text()
    return re.search(rf"[\"'(]{backend}[\"':)]", text) is not None


@pytest.mark.parametrize(("suite", "backend", "passes"), _suites())
def test_a_suite_runs_with_the_backends_that_the_table_says(suite: str, backend: str, passes: bool) -> None:
    assert _mounts(suite, backend) is passes or (suite, backend) == _TESTS_THE_REFUSAL


def test_every_suite_of_mounts_is_in_the_table() -> None:
    suites = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "mounted").glob("test_*.py")}
    assert suites <= {suite for suite, _, _ in _suites()}
