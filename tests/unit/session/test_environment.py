"""Which variables a session's command gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cntr_core.errors import UsageError
from cntr_core.session.accounts import User
from cntr_core.session.environment import (
    ALLOWED,
    DEFAULT_PATH,
    attach_environment,
    describe_left_out,
    exec_environment,
    harmless_path,
    left_out,
    parse_assignments,
)

CONTAINER = {b"APP": b"line\none \xff", b"PATH": b"/opt/app/bin", b"LD_PRELOAD": b"/lib/hook.so", b"HOME": b"/srv"}
CALLER = {
    b"TERM": b"xterm",
    b"LC_ALL": b"C.UTF-8",
    b"AWS_SECRET_ACCESS_KEY": b"hunter2",
    b"LD_PRELOAD": b"/evil.so",
    b"DBUS_SESSION_BUS_ADDRESS": b"unix:path=/run/bus",
    b"PATH": b"/home/me/bin",
}
APP = User(7, 8, (8,), b"app", b"/home/app")
TOOLS = {b"PATH": b"/tools", b"SHELL": b"/bin/zsh"}


def test_tools_get_nothing_of_the_container_that_is_not_allowed() -> None:
    container = dict.fromkeys((b"PROMPT_COMMAND", b"BASH_FUNC_x%%", b"http_proxy", b"TERM", b"", b"x\x1b[2J"), b"y")
    assert attach_environment(container | CONTAINER, {}, APP, TOOLS) == {
        b"PATH": b"/tools",
        b"SHELL": b"/bin/zsh",
        b"PYTHONSAFEPATH": b"1",
        b"HOME": b"/home/app",
        b"USER": b"app",
        b"LOGNAME": b"app",
    }


def test_tools_get_looks_and_language_of_the_caller_and_nothing_else() -> None:
    result = attach_environment({}, CALLER, APP, TOOLS)
    assert result.keys() - {*TOOLS, b"PYTHONSAFEPATH", b"HOME", b"USER", b"LOGNAME"} == {b"TERM", b"LC_ALL"}


@pytest.mark.parametrize(
    ("name", "harmless", "harmful"),
    [
        (b"TZ", (b"Europe/Berlin", b"UTC", b"Etc/GMT+1", b"CET-1CEST,M3.5.0,M10.5.0/3", b"<+0330>-3:30"),
         (b"", b"/var/lib/cntr/zone", b":/var/lib/cntr/zone", b"a/../../etc", b"UTC\n", b"\x1b[2J", b"U" * 200)),
        (b"TERM", (b"xterm-256color", b"screen.xterm"), (b"", b"../../x", b"/dev/shm/x", b"xterm\n", b"x\x1b[2J")),
        (b"LANG", (b"de_DE.UTF-8@euro", b"C", b""), (b"/dev/shm/de", b"../x", b"de\n")),
        (b"LC_ALL", (b"C.UTF-8",), (b"/dev/shm",)),
        (b"LANGUAGE", (b"de:en_GB",), (b"../../dev/shm",)),
    ],
)  # fmt: skip
def test_values_are_harmless_or_left_out(name: bytes, harmless: tuple[bytes, ...], harmful: tuple[bytes, ...]) -> None:
    for value in harmless:
        assert attach_environment({name: value}, {name: value}, APP, TOOLS)[name] == value
    for value in harmful:
        assert name not in attach_environment({name: value}, {name: value}, APP, TOOLS)


def test_all_of_the_container_on_wish_but_for_whose_programs_and_whose_session_it_is() -> None:
    container = CONTAINER | {b"PROMPT_COMMAND": b"x", b"USER": b"root", b"SHELL": b"/bin/ash", b"TERM": b"dumb"}
    result = attach_environment(container, CALLER, User(9, 9, (9,)), TOOLS, whole=True)
    assert result == {
        b"APP": b"line\none \xff",
        b"PROMPT_COMMAND": b"x",
        b"PATH": b"/tools",
        b"SHELL": b"/bin/zsh",
        b"PYTHONSAFEPATH": b"1",
        b"HOME": b"/",
        b"TERM": b"xterm",
        b"LC_ALL": b"C.UTF-8",
    }


def test_given_assignments_win() -> None:
    assert attach_environment(CONTAINER, CALLER, APP, TOOLS, [(b"PATH", b"/mine")])[b"PATH"] == b"/mine"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (b"/usr/bin:/bin", b"/usr/bin:/bin"),
        (b":/bin:.:bin:", b"/bin"),
        (b"/var/lib/cntr/bin:/bin:/proc/1/root/bin:/dev/shm:/run/../proc/1/root", b"/bin"),
        (b"//var//lib/./cntr:/var/lib/cntrs", b"/var/lib/cntrs"),
        (b"", DEFAULT_PATH),
        (b"bin", DEFAULT_PATH),
    ],
)
def test_no_directory_of_the_containers_is_in_the_path_of_tools(path: bytes, kept: bytes) -> None:
    assert harmless_path(path) == kept


def test_what_is_left_out_is_told_by_names_that_harm_no_terminal() -> None:
    environment = attach_environment(CONTAINER, CALLER, APP, TOOLS)
    assert left_out(CONTAINER, environment) == [b"APP", b"LD_PRELOAD"]
    assert describe_left_out([]) == []
    [line] = describe_left_out([b"APP", b"BASH_FUNC_x%%", b"\x1b[2J\n", b"a, b", b"\xff", b"n" * 200])
    assert line.startswith("leave out 6 ")
    named = r"APP, 'BASH_FUNC_x%%', '\x1b[2J\n', 'a, b', '\\xff', " + "n" * 80 + "…"
    assert line.endswith(": " + named)


def test_a_process_with_many_variables_is_told_of_in_one_line() -> None:
    [line] = describe_left_out([b"N%d" % n for n in range(300_000)])
    assert "leave out 300000 " in line
    assert line.endswith("N99, 299900 more")


def test_exec_keeps_the_containers_variables_and_adds_the_terminal() -> None:
    assert exec_environment(CONTAINER, CALLER, APP) == {**CONTAINER, b"TERM": b"xterm"}
    assert exec_environment({}, {}, APP) == {b"PATH": DEFAULT_PATH, b"HOME": b"/home/app"}


def test_exec_prefers_the_containers_own_terminal() -> None:
    assert exec_environment({b"TERM": b"dumb"}, CALLER, APP)[b"TERM"] == b"dumb"


def test_home_and_names_follow_another_user() -> None:
    container = {b"HOME": b"/root", b"USER": b"root", b"LOGNAME": b"root", b"PATH": b"/bin"}
    result = exec_environment(container, {}, APP, is_own_user=False)
    assert result == {b"HOME": b"/home/app", b"USER": b"app", b"LOGNAME": b"app", b"PATH": b"/bin"}
    unknown = exec_environment(container, {}, User(9, 9, (9,)), is_own_user=False)
    assert unknown == {b"HOME": b"/", b"PATH": b"/bin"}
    assert b"USER" not in exec_environment({}, {}, APP, is_own_user=False)


def test_assignments_hand_on_the_callers_value_or_nothing() -> None:
    assert parse_assignments([b"A=1=2", b"TERM", b"ABSENT", b"EMPTY="], CALLER) == [
        (b"A", b"1=2"),
        (b"TERM", b"xterm"),
        (b"ABSENT", None),
        (b"EMPTY", b""),
    ]
    container = {b"ABSENT": b"the container's"}
    assert b"ABSENT" not in exec_environment(container, CALLER, APP, parse_assignments([b"ABSENT"], CALLER))


def test_an_assignment_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a variable"):
        parse_assignments([b"=x"], {})


def test_the_reference_lists_each_variable_with_its_source_and_reason() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/session.md").read_text()
    rows = re.findall(r"^\| `([A-Z_*]+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(name.decode(), rule.source, rule.reason) for name, rule in ALLOWED.items()]
