"""The container's users and groups: who an option means, and what a session may be told of them (passwd(5), group(5)).

The files are the container's, and say what it likes. Programs of the tools believe them: bash(1) expands a user's name
in its prompt as it does any words, ``$(…)`` too, and ssh(1) takes its configuration from the home directory that they
name. So a session whose programs are not the container's own gets copies without what does harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..dataclass import dataclass, replace
from ..errors import UsageError
from ..kernel import paths
from . import root_layout

PASSWD, GROUP = root_layout.ACCOUNTS

_NAME = re.compile(rb"[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,254}\$?")
"""What useradd(8) and directory services call users; no word of a shell's syntax, and no control character."""
_FIELDS = {PASSWD: 7, GROUP: 4}


@dataclass(frozen=True, slots=True)
class User:
    """Ids inside the container's user namespace, and what its passwd says of the user; without a name where it says
    nothing."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: bytes = b""
    home: bytes = b"/"


def parse_user(text: str, rootfd: int) -> User:
    """Read ``--user [NAME|UID][:GROUP|GID]`` by the container's own passwd and group files; as with docker, a group
    alone is root's.

    :raises UsageError: the container knows no such name, or the number is no id.
    """
    name, _, group = text.partition(":")
    name = name or "0"
    users, known = (_rows(_content(rootfd, path) or b"") for path in (PASSWD, GROUP))
    row = next((r for r in users if name in (r[0], r[2]) and _is_id(r[3])), None)
    uid = int(row[2]) if row else _number(name, "user", "/etc/passwd")
    gid = _gid(group, known) if group else int(row[3]) if row else 0
    member = row[0] if row else None
    groups = [int(r[2]) for r in known if member in r[3].split(",")] if member and not group else []
    return _with_row(User(uid, gid, tuple(dict.fromkeys([gid, *groups]))), row)


def described(user: User, rootfd: int) -> User:
    """`user` with the name and home that the container's passwd has for the uid."""
    return _described(user, _content(rootfd, PASSWD) or b"")


def as_shown(user: User, files: Mapping[str, bytes]) -> User:
    """`user` with the name and home that a session's passwd has, which is that of `files`, as by :func:`shown`."""
    return _described(user, files[PASSWD])


def _described(user: User, passwd: bytes) -> User:
    rows = [row for row in _rows(passwd) if row[2] == str(user.uid)]
    rows.sort(key=lambda row: row[0] != _decode(user.name))  # several names may have one uid
    return _with_row(replace(user, name=b"", home=b"/"), rows[0] if rows else None)


def _with_row(user: User, row: list[str] | None) -> User:
    if row is None:
        return user
    home = row[5] if len(row) > 5 and row[5].startswith("/") else "/"
    return replace(user, name=row[0].encode(errors="surrogateescape"), home=home.encode(errors="surrogateescape"))


def _decode(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _gid(text: str, rows: list[list[str]]) -> int:
    row = next((r for r in rows if text in (r[0], r[2])), None)
    return int(row[2]) if row else _number(text, "group", "/etc/group")


def _number(text: str, word: str, file: str) -> int:
    if _is_id(text):
        return int(text)
    raise UsageError(f"the container has no {word} '{text}'", f"give a name from its {file}, or an id below 4294967295")


def _is_id(text: str) -> bool:
    """Whether it is an id: the largest number stands for "no change" in setresuid(2), and larger ones wrap around."""
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < 2**32 - 1


def _rows(content: bytes) -> list[list[str]]:
    """The rows with at least four fields and an id in the third."""
    rows = [line.split(":") for line in _decode(content).split("\n")]
    return [row for row in rows if len(row) >= 4 and _is_id(row[2])]


def _content(rootfd: int, path: str) -> bytes | None:
    try:
        return paths.read_in_root(rootfd, path)
    except OSError:
        return None


def shown(rootfd: int, user: User) -> dict[str, bytes]:
    """What ``/etc/passwd`` and ``/etc/group`` are in a session with tools: the container's, without what does harm.

    Where the container has no such file, root, nobody and `user` only: never the tools' own.
    """
    return {path: _harmless(path, _content(rootfd, path) or b"") or _stand_in(path, user) for path in _FIELDS}


def _harmless(path: str, content: bytes) -> bytes:
    rows = (line.split(b":") for line in content.split(b"\n"))
    kept = (row for row in rows if len(row) == _FIELDS[path] and _NAME.fullmatch(row[0]))
    return b"".join(b":".join(_harmless_fields(path, row)) + b"\n" for row in kept)


def _harmless_fields(path: str, row: list[bytes]) -> list[bytes]:
    row = [field if _decode(field).isprintable() else b"" for field in row]
    if path == PASSWD:
        *others, home, shell = row
        row = [*others, _place_or(home, b"/"), _place_or(shell, b"/bin/sh")]
    return row


def _place_or(path: bytes, other: bytes) -> bytes:
    return path if is_harmless_place(path) else other


def is_harmless_place(path: bytes) -> bool:
    """Whether `path` names a place of the tools' tree or of the session's own, and none that shows files of the
    container: a home there would have its dotfiles read.

    ``..`` is refused, as links of the tools' tree may stand before it.
    """
    components = [part for part in path.split(b"/") if part not in (b"", b".")]
    below = b"/".join(components) + b"/"
    of_container = (f"{place}/".encode() for place in (root_layout.CONTAINER, *root_layout.SPECIAL))
    return path.startswith(b"/") and b".." not in components and not below.startswith(tuple(of_container))


def _stand_in(path: str, user: User) -> bytes:
    if path == PASSWD:
        own = b"" if user.uid in (0, 65534) else b"cntr:x:%d:%d::/:/bin/sh\n" % (user.uid, user.gid)
        return b"root:x:0:0:root:/root:/bin/sh\n" + own + b"nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    own = b"" if user.gid in (0, 65534) else b"cntr:x:%d:\n" % user.gid
    return b"root:x:0:\n" + own + b"nogroup:x:65534:\n"
