"""How long the kernel keeps that names are absent."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest
from cntr_plugins.fs.logic import notices, notifier, timeouts
from cntr_plugins.fs.logic.directory import DirectoryBranch
from cntr_plugins.fs.logic.inodes import ROOT
from cntr_plugins.fs.logic.notifier import Notifier
from cntr_plugins.fs.logic.operations import Operations
from cntr_plugins.fs.logic.policy import FOR_EVER, NOT_LONG, Policy
from cntr_plugins.fs.logic.timeouts import Timeouts

from cntr_core.filesystem import MountRequest, Watched


class _Everything:
    """Watches whatever it is asked to."""

    def add(self, directory: int, name: bytes) -> Watched:  # noqa: ARG002
        return Watched.WHOLLY

    def add_directory(self, directory: int, name: bytes) -> None:
        """Nothing is left to be watched."""

    def remove_directory(self, watched: Hashable) -> None:
        """Nor was it."""


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DirectoryBranch]:
    monkeypatch.setattr(timeouts, "_MOST_ABSENT", 3)
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    branch = DirectoryBranch(fd, writable=False)
    branch.watch(_Everything())
    yield branch
    os.close(fd)


def test_of_too_many_absent_names_the_kernel_asks_again_for_the_one_that_it_knew_first(branch: DirectoryBranch) -> None:
    ours, theirs = notifier.pair()
    with ours, theirs:
        kept = Timeouts(Operations(branch), Policy.of(MountRequest([branch])), Notifier(ours))
        kept.watching = True
        for name in (b"1", b"2", b"3", b"2", b"4", b"5"):
            assert kept.absent(ROOT, name) == FOR_EVER
        assert list(kept.absent_names) == [(ROOT, b"3"), (ROOT, b"4"), (ROOT, b"5")]
        assert [theirs.recv(100), theirs.recv(100)] == [notices.name(ROOT, b"1"), notices.name(ROOT, b"2")]


def test_where_the_notifier_is_held_up_one_more_is_kept_for_a_second(branch: DirectoryBranch) -> None:
    ours, theirs = notifier.pair()
    with ours, theirs:
        kept = Timeouts(Operations(branch), Policy.of(MountRequest([branch])), Notifier(ours))
        kept.watching = True
        while Notifier(ours).offer(bytes(1000)):
            pass
        answers = [kept.absent(ROOT, name) for name in (b"1", b"2", b"3", b"4")]
        assert answers == [FOR_EVER, FOR_EVER, FOR_EVER, NOT_LONG]
        assert set(kept.absent_names) == {(ROOT, b"1"), (ROOT, b"2"), (ROOT, b"3")}
