"""The page of engines is made of results, and those are of all containers that are tested, and good."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.docs import engine_table


def test_the_page_is_made_of_the_results() -> None:
    with open(engine_table.PAGE, encoding="utf-8") as file:
        assert file.read() == engine_table.render(engine_table.stored()), "python -m tests.docs.engine_table"


def test_the_results_are_of_what_is_tested() -> None:
    line = [sys.executable, "-m", "tests.docs.engine_table", "--collect"]
    told = subprocess.run(line, cwd=engine_table.ROOT, check=True, capture_output=True, timeout=120).stdout
    now = json.loads(told.splitlines()[-1])
    stored = engine_table.stored()
    assert {name: set(features) for name, features in stored.items()} == {n: set(f) for n, f in now.items()}
    assert all(set(features) == set(engine_table.FEATURES) for features in stored.values())
    assert not [name for name, features in stored.items() if "failed" in features.values()]
