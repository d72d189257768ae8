"""The page of what a session costs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from evaluation.report.command import MEASURED, PLACE
from evaluation.report.session import session_page

_LOAD = {"kernel": "6.18", "cpus": 2, "load_average_at_the_end": [0.5, 0.5, 0.5]}


def test_the_page_is_made_of_the_committed_results() -> None:
    with open(os.path.join(PLACE, "session.md"), encoding="utf-8") as file:
        assert file.read() == session_page(MEASURED), "python -m evaluation report"


def test_missed_aims_come_first(tmp_path: Path) -> None:
    walked = {"kind": "direct", "MB_at_first": 1.0, "MB_walked": 2.0, "MB_walked_twice": 3.0, "MB_forgotten": 50.0}
    old, new = ({**walked, "version": version, "MB_most": most} for version, most in ((0, 400.0), (1, 160.0)))
    memory = {**_LOAD, "paths": 9, "results": [old, new]}
    (tmp_path / "filesystem_memory.json").write_text(json.dumps(memory))
    page = session_page(str(tmp_path))
    assert "1 of 2 aims are missed" in page
    missed, met = (page.index(words) for words in ("| 150 | 160.00 | MISSED |", "| 60 | 50.00 | met |"))
    assert missed < met and "400" not in page and "## While tracing" not in page


def test_what_went_wrong_under_load_is_told(tmp_path: Path) -> None:
    ran = {"kind": "pyfuse3:2", "seconds": 450.0, "MB_first": 20.0, "MB_most": 40.0, "wrong": ["the server has ended"]}
    soak = {"kernel": "6.18", "cpus": 2, "fsstress": True, "results": [ran]}
    (tmp_path / "soak.json").write_text(json.dumps(soak))
    assert "| pyfuse3, a union | 450 s | 20 MB | 40 MB | the server has ended |" in session_page(str(tmp_path))


def test_without_results_there_is_a_sentence(tmp_path: Path) -> None:
    assert "No results are committed yet." in session_page(str(tmp_path))
