"""Our options end where the command begins."""

from __future__ import annotations

import shlex

import pytest

from cntr_core.cli.words import marked

WITH_VALUE = {"-u", "--user", "-e"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("web", "web"),
        ("web id -u 0", "web -- id -u 0"),
        ("-u 0 web id", "-u 0 web -- id"),
        ("-itu 0 web id -u", "-itu 0 web -- id -u"),
        ("-itu0 web id -u", "-itu0 web -- id -u"),
        ("-ui web id -u", "-ui web -- id -u"),
        ("--user 0 web --dry-run id --dry-run", "--user 0 web --dry-run -- id --dry-run"),
        ("--user=0 web id", "--user=0 web -- id"),
        ("web -u 0 id -u", "web -u 0 -- id -u"),
        ("web -- id -- x", "web -- id -- x"),
        ("web sh -c x -- y", "web -- sh -c x -- y"),
        ("-- web id", "-- web id"),
        ("web - -u", "web -- - -u"),
        ("-u", "-u"),
    ],
)
def test_a_mark_stands_before_the_command(line: str, expected: str) -> None:
    assert marked(shlex.split(line), WITH_VALUE) == shlex.split(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-u 0 image -u 1", "-u 0 image -- -u 1"),
        ("image -- -u 1 -- x", "image -- -u 1 -- x"),
        ("image --help", "image -- --help"),
        ("image", "image --"),
    ],
)
def test_after_an_image_all_words_are_the_containers(line: str, expected: str) -> None:
    assert marked(shlex.split(line), WITH_VALUE, ends_at_name=True) == shlex.split(expected)
