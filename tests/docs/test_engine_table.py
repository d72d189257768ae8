"""The page of engines is made of results, and those are of all containers that are tested, and good."""

from __future__ import annotations

import json
import subprocess
import sys

from cntr_core.testing import SessionContract
from tests.docs.generators import engines
from tests.support import matrix


def test_the_page_is_made_of_the_results() -> None:
    with open(engines.PAGE, encoding="utf-8") as file:
        assert file.read() == engines.render(engines.stored()), "python -m tests.docs.generators.engines"


def test_the_results_are_of_what_is_tested() -> None:
    line = [sys.executable, "-m", "tests.docs.generators.engines", "--collect"]
    told = subprocess.run(line, cwd=engines.ROOT, check=True, capture_output=True, timeout=120).stdout
    now = json.loads(told.splitlines()[-1])
    stored = engines.stored()
    assert set(stored) > matrix.IN_FULL
    assert {name.partition("[")[0] for name in matrix.SMOKE} < set(dir(SessionContract))
    assert {name: set(features) for name, features in stored.items()} == {n: set(f) for n, f in now.items()}
    assert all(set(features) == set(engines.FEATURES) for features in stored.values())
    assert not [name for name, features in stored.items() if "failed" in features.values()]
