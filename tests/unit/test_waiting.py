"""Where ``--wait`` has a value, and whose option it is."""

import pytest

from cntr_core.cli.words import with_value


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--wait", "web"], ["--wait=", "web"]),
        (["--wait", "5s", "web", "--", "sh"], ["--wait=5s", "web", "--", "sh"]),
        (["web", "--wait", "1.5m"], ["web", "--wait=1.5m"]),
        (["-u", "--wait", "--wait", "500ms", "web"], ["-u", "--wait", "--wait=500ms", "web"]),
        (["--wait=3h", "web"], ["--wait=3h", "web"]),
        (["--wait", "1234"], ["--wait=", "1234"]),
        (["web", "sleep", "--wait", "5s"], ["web", "sleep", "--wait", "5s"]),
        (["web", "--", "--wait", "5s"], ["web", "--", "--wait", "5s"]),
        (["--wait"], ["--wait="]),
        (["-u"], ["-u"]),
    ],
)
def test_the_next_word_is_a_value_only_as_a_duration(words: list[str], expected: list[str]) -> None:
    assert with_value(words, {"-u"}) == expected
