"""Which variables a session's command gets: a pure function over bytes.

The container's own variables, so that its tools see what the application sees; the tools' PATH, because ``/`` is the
tools' tree; and a short list from the caller, none of which can hold a secret or change how programs are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import UsageError
from ..kernel import process

Environment = dict[bytes, bytes]

DEFAULT_PATH = process.DEFAULT_PATH.encode()

FROM_CALLER = (
    b"TERM",
    b"COLORTERM",
    b"NO_COLOR",
    b"LANG",
    b"LANGUAGE",
    b"EDITOR",
    b"VISUAL",
    b"PAGER",
    b"LESS",
)
"""What a session takes over from the caller, as well as ``LC_*``: looks and language."""

LOADER_PREFIX = b"LD_"
"""ld.so(8) would resolve the container's LD_PRELOAD and LD_LIBRARY_PATH against the tools' tree: left out."""

OF_PROGRAMS = (
    b"PYTHONHOME",
    b"PYTHONPATH",
    b"PERL5LIB",
    b"PERL5OPT",
    b"RUBYLIB",
    b"RUBYOPT",
    b"NODE_PATH",
    b"NODE_OPTIONS",
    b"GCONV_PATH",
    b"LOCPATH",
    b"BASH_ENV",
    b"ENV",
    b"GIO_MODULE_DIR",
    b"SHELL",
)
"""Left out as well: they name files of the container's tree, or options, to interpreters that are the tools' own."""


def attach_environment(
    container: Mapping[bytes, bytes],
    caller: Mapping[bytes, bytes],
    tools_path: bytes,
    extra: Iterable[tuple[bytes, bytes]] = (),
) -> Environment:
    """The variables of a command that runs on the tools' tree; `extra` (``--env``) wins over everything."""
    result = {
        key: value for key, value in container.items() if not key.startswith(LOADER_PREFIX) and key not in OF_PROGRAMS
    }
    result.update(_from_caller(caller))
    result[b"PATH"] = tools_path or DEFAULT_PATH
    result.setdefault(b"HOME", b"/")
    result.update(extra)
    return result


def exec_environment(
    container: Mapping[bytes, bytes],
    caller: Mapping[bytes, bytes],
    extra: Iterable[tuple[bytes, bytes]] = (),
) -> Environment:
    """The variables of a command of the container's own: its environment as it is, and TERM."""
    result = dict(container)
    if b"TERM" in caller:
        result.setdefault(b"TERM", caller[b"TERM"])
    result.setdefault(b"PATH", DEFAULT_PATH)
    result.update(extra)
    return result


def _from_caller(caller: Mapping[bytes, bytes]) -> Environment:
    wanted = (key for key in caller if key in FROM_CALLER or key.startswith(b"LC_"))
    return {key: caller[key] for key in wanted}


def parse_assignments(texts: Iterable[bytes], caller: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Read ``--env``: ``NAME=VALUE``, or ``NAME`` to hand the caller's own value on (nothing where it has none).

    :raises UsageError: the name is empty.
    """
    assignments = []
    for text in texts:
        name, equals, value = text.partition(b"=")
        if not name:
            raise UsageError(f"'{text.decode(errors='replace')}' is not a variable", "write --env NAME=VALUE")
        if equals:
            assignments.append((name, value))
        elif name in caller:
            assignments.append((name, caller[name]))
    return assignments
