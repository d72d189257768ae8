"""Which variables a session's command gets: pure functions over bytes.

Programs of the tools get what :data:`ALLOWED` lists, and no more. The image chooses the container's variables, or even
its processes, where no configuration has them; and programs run what variables tell them: ``PROMPT_COMMAND``,
``BASH_FUNC_x%%``, ``LESSOPEN``, ``VIMINIT`` … No list of such names is ever complete. Programs of the container's own
get its whole environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..dataclass import dataclass
from ..errors import UsageError
from ..kernel import process
from .accounts import User, is_harmless_place

Environment = dict[bytes, bytes]

Assignment = tuple[bytes, bytes | None]
"""A variable and its value, None to leave it out."""

_MOST_SHOWN, _LONGEST_SHOWN = 100, 80
"""Names, and bytes of one: a process may have as many and as long ones as it likes."""

DEFAULT_PATH = process.DEFAULT_PATH.encode()

CONTAINER, CALLER, USER, TOOLS = "the container", "the caller", "the session's user", "the tools"
"""Where a variable's value comes from."""

_ANY = rb"(?s:.*)"
_LOCALE = rb"[A-Za-z0-9_.@:-]{0,255}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Why a variable is in every session with tools, whose value it has, and which values are harmless: with another
    one it is left out."""

    source: str
    reason: str
    values: bytes = _ANY


ALLOWED: Mapping[bytes, Allowed] = {
    b"TZ": Allowed(
        CONTAINER,
        "times are those of the application's log; the name of a zone or a rule, never a path",
        rb"(?!.*\.\.)[A-Za-z<][A-Za-z0-9<>_+,.:/-]{0,95}",
    ),
    b"PATH": Allowed(TOOLS, "the programs are the tools'; directories that lead into the container are left out"),
    b"SHELL": Allowed(TOOLS, "programs start it; without it, bash takes it from the container's passwd"),
    b"PYTHONSAFEPATH": Allowed(
        TOOLS, "python would import what lies where it is started, which is among the container's files"
    ),
    b"HOME": Allowed(USER, "as the session's passwd has it; never a directory of the container's files"),
    b"USER": Allowed(USER, "as the session's passwd has it"),
    b"LOGNAME": Allowed(USER, "the same, as POSIX names it"),
    b"TERM": Allowed(CALLER, "the terminal is yours", rb"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"),
    b"COLORTERM": Allowed(CALLER, "the terminal is yours"),
    b"NO_COLOR": Allowed(CALLER, "the terminal is yours"),
    b"LANG": Allowed(CALLER, "your language, and your terminal's encoding", _LOCALE),
    b"LANGUAGE": Allowed(CALLER, "your language", _LOCALE),
    b"LC_*": Allowed(CALLER, "your language, and your terminal's encoding", _LOCALE),
    b"EDITOR": Allowed(CALLER, "a program of your choice"),
    b"VISUAL": Allowed(CALLER, "a program of your choice"),
    b"PAGER": Allowed(CALLER, "a program of your choice"),
    b"LESS": Allowed(CALLER, "options of your choice"),
}
"""The variables of a session with tools. ``LC_*`` stands for all names that begin so.

Thought of and left out: proxies (``http_proxy`` …), which would lead the engineer's requests to whomever the
application names; ``HOSTNAME``, which gethostname(2) tells truly; ``KUBERNETES_SERVICE_HOST`` and what else configures
clients (``PGHOST``, ``AWS_…``); ``LANG`` of the container, as the terminal is the caller's.
"""

_SAFE = {b"PYTHONSAFEPATH": b"1"}  # python(1), since 3.11

NO_HISTORY: Environment = {
    b"HISTFILE": b"",  # bash(1), ksh(1), busybox: an empty name is no file, while no name is one in HOME
    b"LESSHISTFILE": b"-",  # less(1)
    b"MYSQL_HISTFILE": b"/dev/null",  # mysql(1), mariadb(1)
    b"NODE_REPL_HISTORY": b"",  # node(1)
    b"PSQL_HISTORY": b"/dev/null",  # psql(1)
    b"PYTHON_HISTORY": b"/dev/null",  # python(1), since 3.13
    b"REDISCLI_HISTFILE": b"/dev/null",  # redis-cli
    b"SQLITE_HISTORY": b"/dev/null",  # sqlite3(1)
}
"""What keeps programs from writing down in the container what was typed."""

LOADER_PREFIX = b"LD_"
"""ld.so(8) would resolve the container's LD_PRELOAD and LD_LIBRARY_PATH against the tools' tree: left out even where
all others are wanted."""


def _is_allowed(name: bytes, value: bytes, source: str) -> bool:
    rule = ALLOWED.get(b"LC_*" if name.startswith(b"LC_") else name)
    return rule is not None and rule.source == source and re.fullmatch(rule.values, value) is not None


def _allowed(variables: Mapping[bytes, bytes], source: str) -> Environment:
    return {name: value for name, value in variables.items() if _is_allowed(name, value, source)}


def attach_environment(
    container: Mapping[bytes, bytes],
    caller: Mapping[bytes, bytes],
    user: User,
    tools: Mapping[bytes, bytes],
    extra: Iterable[Assignment] = (),
    *,
    whole: bool = False,
) -> Environment:
    """The variables of a command that runs on the tools' tree, whose PATH and SHELL `tools` has.

    `whole` (``--container-env``) adds all of the container's; `extra` (``--env``) wins over everything.
    """
    result = {n: v for n, v in container.items() if not n.startswith(LOADER_PREFIX)} if whole else {}
    result |= _allowed(container, CONTAINER) | _allowed(caller, CALLER)
    for name in (b"USER", b"LOGNAME"):
        result.pop(name, None)
    result |= _of_user(user) | _SAFE | {**tools, b"PATH": harmless_path(tools.get(b"PATH", b""))}
    _assign(result, extra)
    return result


def _of_user(user: User) -> Environment:
    """What login(1) would set; where passwd does not know the user, HOME alone, as docker does."""
    named = {b"USER": user.name, b"LOGNAME": user.name} if user.name else {}
    return {b"HOME": user.home, **named}


def harmless_path(path: bytes) -> bytes:
    """`path` without directories of the container's: relative ones too, as a session starts in its files."""
    kept = (directory for directory in path.split(b":") if is_harmless_place(directory))
    return b":".join(kept) or DEFAULT_PATH


def left_out(container: Mapping[bytes, bytes], environment: Environment) -> list[bytes]:
    """The container's variables that a session has not, not even with another value."""
    return [name for name in container if name not in environment]


def describe_left_out(names: Sequence[bytes]) -> list[str]:
    """The line of ``--dry-run`` that tells of them, none where there are none."""
    if not names:
        return []
    shown = [_quoted(name) for name in names[:_MOST_SHOWN]]
    more = [f"{len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
    return [f"leave out {len(names)} of the container's variables (see --container-env): {', '.join(shown + more)}"]


def _quoted(name: bytes) -> str:
    """A name as it is where it is an ordinary one, else as Python would write it, and no longer than a line takes."""
    text = name[:_LONGEST_SHOWN].decode(errors="backslashreplace")
    cut = "…" if len(name) > _LONGEST_SHOWN else ""
    return (text if re.fullmatch(r"\w+", text, re.ASCII) else ascii(text)) + cut


def exec_environment(
    container: Mapping[bytes, bytes],
    caller: Mapping[bytes, bytes],
    user: User,
    extra: Iterable[Assignment] = (),
    *,
    is_own_user: bool = True,
) -> Environment:
    """The variables of a command of the container's own: its environment as it is, and TERM.

    HOME, USER and LOGNAME follow `user` where that is another than the container's own, as they do for docker.
    """
    result = dict(container)
    if not is_own_user:
        for name in (b"HOME", b"USER", b"LOGNAME"):
            result.pop(name, None)
        result |= {name: value for name, value in _of_user(user).items() if name in container or name == b"HOME"}
    for name, value in {**_allowed(caller, CALLER), b"HOME": user.home, b"PATH": DEFAULT_PATH}.items():
        if name in (b"TERM", b"HOME", b"PATH"):
            result.setdefault(name, value)
    _assign(result, extra)
    return result


def _assign(result: Environment, extra: Iterable[Assignment]) -> None:
    for name, value in extra:
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value


def parse_assignments(texts: Iterable[bytes], caller: Mapping[bytes, bytes]) -> list[Assignment]:
    """Read ``--env``: ``NAME=VALUE``, or ``NAME`` for the caller's own value; as with docker, the command has no
    variable of that name where the caller has none.

    :raises UsageError: the name is empty.
    """
    assignments: list[Assignment] = []
    for text in texts:
        name, equals, value = text.partition(b"=")
        if not name:
            raise UsageError(f"'{text.decode(errors='replace')}' is not a variable", "write --env NAME=VALUE")
        assignments.append((name, value if equals else caller.get(name)))
    return assignments
