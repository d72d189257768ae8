"""Who an image's USER is, told by the image's own passwd and group files."""

from __future__ import annotations

from collections.abc import Sequence

from ..dataclass import dataclass
from ..errors import ImageError

# Ids beyond are negative to some system calls; docker has the same limit.
_LARGEST_ID = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class ImageUser:
    """What a process runs as. `groups` are the supplementary ones; as with docker, the first group is among them
    (CVE-2022-36109: else setgroups(2) could give rights that "not in this group" takes away)."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    number: int
    rest: tuple[str, ...]


def resolve_user(user: str, passwd: bytes, group: bytes) -> ImageUser:
    """The identity of ``USER[:GROUP]``, each a name or a number, as docker reads it.

    A number need not be known: its group is 0 then. Supplementary groups are those that list the user, and none where
    a group is given. An empty `user` is root.

    :raises ImageError: a name is not in the files, or a number is out of range.
    """
    wanted, _, wanted_group = user.partition(":")
    wanted = wanted or "0"
    groups = _entries(group)
    known = _find(_entries(passwd), wanted)
    uid, gid, home = (known.number, int(known.rest[0]), known.rest[2]) if known else (_number(wanted, "user"), 0, "")
    if wanted_group:
        found = _find(groups, wanted_group)
        gid = found.number if found else _number(wanted_group, "group")
    listed = [g.number for g in groups if known and not wanted_group and known.name in g.rest[0].split(",")]
    return ImageUser(uid, gid, tuple(dict.fromkeys([gid, *listed])), home or "/")


def _entries(content: bytes) -> Sequence[_Entry]:
    """The lines ``name:password:number:…`` that make sense; others are passed over, as libc does."""
    entries = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        name, *fields = line.split(":")
        # passwd has uid, gid, gecos, home, shell behind the password; group has gid, members.
        if len(fields) >= 3 and _is_id(fields[1]) and (len(fields) < 5 or _is_id(fields[2])):
            entries.append(_Entry(name, int(fields[1]), tuple(fields[2:])))
    return entries


def _find(entries: Sequence[_Entry], wanted: str) -> _Entry | None:
    by_name = (entry for entry in entries if entry.name == wanted)
    by_number = (entry for entry in entries if str(entry.number) == wanted)
    return next(by_name, None) or next(by_number, None)


def _number(text: str, what: str) -> int:
    if not _is_id(text):
        raise ImageError(
            f"the image has no {what} {text!r} in its /etc/passwd or /etc/group", "give a number, or another name"
        )
    return int(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST_ID
