"""Which variables a session's command gets."""

import pytest

from cntr_core.errors import UsageError
from cntr_core.session.environment import attach_environment, exec_environment, parse_assignments

CONTAINER = {b"APP": b"line\none \xff", b"PATH": b"/opt/app/bin", b"LD_PRELOAD": b"/lib/hook.so", b"HOME": b"/srv"}
CALLER = {
    b"TERM": b"xterm",
    b"LC_ALL": b"C.UTF-8",
    b"AWS_SECRET_ACCESS_KEY": b"hunter2",
    b"LD_PRELOAD": b"/evil.so",
    b"DBUS_SESSION_BUS_ADDRESS": b"unix:path=/run/bus",
    b"PATH": b"/home/me/bin",
}


def test_attach_takes_the_containers_variables_as_bytes() -> None:
    assert attach_environment(CONTAINER, CALLER, b"/tools")[b"APP"] == b"line\none \xff"


def test_attach_uses_the_path_of_the_tools() -> None:
    assert attach_environment(CONTAINER, CALLER, b"/tools")[b"PATH"] == b"/tools"


def test_attach_takes_looks_and_language_from_the_caller_and_nothing_else() -> None:
    result = attach_environment(CONTAINER, CALLER, b"/tools")
    assert result[b"TERM"] == b"xterm"
    assert result[b"LC_ALL"] == b"C.UTF-8"
    assert not {b"AWS_SECRET_ACCESS_KEY", b"DBUS_SESSION_BUS_ADDRESS", b"LD_PRELOAD"} & result.keys()


def test_attach_leaves_out_what_leads_the_tools_interpreters_into_the_containers_tree() -> None:
    names = (b"PYTHONPATH", b"PYTHONHOME", b"PERL5OPT", b"NODE_OPTIONS", b"GCONV_PATH", b"BASH_ENV", b"ENV", b"SHELL")
    container = dict.fromkeys((*names, b"LD_PRELOAD"), b"/app") | {b"TERMINFO": b"/app", b"ENVIRONMENT": b"test"}
    result = attach_environment(container, {}, b"/tools")
    assert result == {b"TERMINFO": b"/app", b"ENVIRONMENT": b"test", b"PATH": b"/tools", b"HOME": b"/"}
    assert attach_environment(container, {}, b"", [(b"PYTHONPATH", b"/mine")])[b"PYTHONPATH"] == b"/mine"
    assert exec_environment(container, {}).items() >= container.items()


def test_attach_gives_a_home_where_the_container_has_none() -> None:
    assert attach_environment({}, {}, b"")[b"HOME"] == b"/"
    assert attach_environment(CONTAINER, {}, b"")[b"HOME"] == b"/srv"


def test_given_assignments_win() -> None:
    assert attach_environment(CONTAINER, CALLER, b"/tools", [(b"PATH", b"/mine")])[b"PATH"] == b"/mine"


def test_exec_keeps_the_containers_variables_and_adds_the_terminal() -> None:
    result = exec_environment(CONTAINER, CALLER)
    assert result == {**CONTAINER, b"TERM": b"xterm"}


def test_exec_prefers_the_containers_own_terminal() -> None:
    assert exec_environment({b"TERM": b"dumb"}, CALLER)[b"TERM"] == b"dumb"


def test_assignments_hand_on_the_callers_value_or_nothing() -> None:
    assert parse_assignments([b"A=1=2", b"TERM", b"ABSENT", b"EMPTY="], CALLER) == [
        (b"A", b"1=2"),
        (b"TERM", b"xterm"),
        (b"EMPTY", b""),
    ]


def test_an_assignment_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a variable"):
        parse_assignments([b"=x"], {})
