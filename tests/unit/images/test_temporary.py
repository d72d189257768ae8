"""Directories that hold a run's files: nobody else removes them while their owner lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cntr_core.images import temporary


def test_a_directory_is_locked_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "spool_directory", lambda: str(tmp_path))
    remove, swept = temporary.remove_tree, []

    def removed_while_another_process_sweeps(path: str) -> None:
        """What a process that starts at this very moment does."""
        try:
            temporary._remove_unlocked(path)
            swept.append(path)
        except BlockingIOError:
            remove(path)

    monkeypatch.setattr(temporary, "remove_tree", removed_while_another_process_sweeps)
    with temporary.temporary_directory("cntr-run-") as (path, _):
        Path(path, "file").touch()
    assert not swept and not os.path.exists(path)
