"""Logs are compared by kinds of lines."""

from __future__ import annotations

from cntr_slimmer.probes.log import differing


def test_times_numbers_spaces_and_order_do_not_count() -> None:
    original = b"12:00:01.123 [17] ready\n10.0.0.1 GET /  200\nsame\n"
    replay = b"same\n 10.0.0.7 GET / 404\n12:59:59.9 [4711]  ready\n12:59:59.9 [4711]  ready\n\n"
    assert differing(replay, original) == ()


def test_what_is_lost_and_what_is_new_is_told_once() -> None:
    original = b"loaded a\nready\n"
    replay = b"cannot load a: error 2\ncannot load a: error 3\nready\n"
    assert differing(replay, original) == ("- loaded a", "+ cannot load a: error 2")


def test_what_the_original_does_now_and_then_is_no_difference() -> None:
    assert differing(b"ready\ntidied\n", b"ready\n", b"ready\ntidied\n") == ()
    assert differing(b"ready\n", b"ready\ntidied\n", b"ready\n") == ()
    assert differing(b"\xff\n", b"", b"") == ("+ \\xff",)


def test_a_duration_may_be_in_another_unit() -> None:
    assert differing("loaded total=8.83ms db=1.28µs".encode(), b"loaded total=1s db=932ns") == ()
    assert differing(b"loaded in 5.2ms", b"failed in 5.2ms") == ("- failed in 5.2ms", "+ loaded in 5.2ms")


def test_a_line_without_an_end_hangs_nothing() -> None:
    assert differing(b"x" * 1_000_000, b"x" * 1_000_000) == ()
