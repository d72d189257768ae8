"""A profile of AppArmor (apparmor.d(5)): the files of the slim image, those of them that are executed and mapped, and
the places where the runs wrote. Nobody else's files are named, and no tunables or abstractions are included, so that it
says the same on each machine."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cntr_core.images.tar.members import Kind
from cntr_core.images.tree.tree import Directory, File
from cntr_core.rules import ImageView
from cntr_core.runtime.config_json import CAPABILITIES

_PLAIN = re.compile(rb"[A-Za-z0-9/._+:=~-]+")
_GLOBS = b'*?[]{}^,"\\@$#'
_ELF = b"\x7fELF"

# What the runtime mounts, and docker's own profile of AppArmor (profiles/apparmor/template.go) leaves out of it.
MACHINE = """\
  /dev/ r,
  /dev/** r,
  /dev/{null,zero,full,random,urandom,tty,console,ptmx} rw,
  /dev/pts/* rw,
  /dev/{shm,mqueue}/** rwkl,
  /proc/ r,
  /proc/** r,
  /proc/[0-9]*/** rw,
  /sys/ r,
  /sys/** r,
  /etc/{hosts,hostname,resolv.conf} r,"""


@dataclass(frozen=True, slots=True)
class Written:
    """Where runs wrote: regular files that they `changed`, the `directories` of the image in which they made or removed
    some, and `free` ones, in which everything may be written: those that they made, and what else is mounted there."""

    changed: frozenset[bytes] = frozenset()
    directories: frozenset[bytes] = frozenset()
    free: frozenset[bytes] = frozenset()


def quoted(path: bytes, below: str = "") -> str:
    """A path as a rule has it, which means nothing but this path; `below` is what follows it, as a glob."""
    if _PLAIN.fullmatch(path):
        return f"{path.decode()}{below}"
    return f'"{"".join(map(_character, path))}{below}"'


def _character(byte: int) -> str:
    if byte in _GLOBS:
        return f"\\{byte:c}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def apparmor_profile(
    name: str,
    files: Iterable[File],
    view: ImageView,
    used: Mapping[bytes, Collection[str]],
    written: Written,
    about: Sequence[str],
) -> str:
    """The profile called `name` for the `files` of a slim image, of which the runs `used` some. `about` are lines on
    what it is based on."""
    kept = sorted(
        (each.path, file)
        for file in files
        for each in file.names
        if not isinstance(file, Directory) and each.path != b"/"
    )
    regular = [(path, file) for path, file in kept if file.entry.kind is Kind.FILE]
    lines = [
        *(f"# {line}" for text in about for line in text.splitlines()),
        "",
        f"profile {name} flags=(attach_disconnected,mediate_deleted) {{",
        "  # docker's default capabilities, and all networks: neither was traced",
        *(f"  capability {word.lower()}," for word in CAPABILITIES.split()),
        "  network,",
        "  signal (receive) peer=unconfined,",
        f"  signal (send, receive) peer={name},",
        f"  ptrace (trace, read, tracedby, readby) peer={name},",
        "",
        "  # what the runtime mounts, as docker's own profile has it",
        MACHINE,
        "",
        "  # files that the runs used",
        *_rules(((path, file) for path, file in regular if path in used), view),
        "",
        "  # files that rules keep in the slim image",
        *_rules(((path, file) for path, file in regular if path not in used), view),
        "",
        "  # directories may be listed",
        *(f"  {quoted(path + b'/') if path != b'/' else '/'} r," for path in sorted(_directories(files))),
        "",
        "  # where the runs wrote, and volumes",
        *_writable(written),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _rules(files: Iterable[tuple[bytes, File]], view: ImageView) -> Iterator[str]:
    for path, file in files:
        is_program = bool(stat.S_IMODE(file.entry.mode) & 0o111)
        maps = "m" if view.read(path, len(_ELF)) == _ELF else ""
        yield f"  {quoted(path)} {maps}r{'ix' * is_program},"


def _directories(files: Iterable[File]) -> set[bytes]:
    return {each.path for file in files if isinstance(file, Directory) for each in file.names}


def _writable(written: Written) -> Iterator[str]:
    for path in sorted(written.changed):
        yield f"  {quoted(path)} rwkl,"
    for path in sorted(written.directories):
        yield f"  {quoted(path.rstrip(b'/') + b'/', '*')} rwkl,"
        yield f"  {quoted(path.rstrip(b'/') + b'/', '*/')} rw,"
    for path in sorted(written.free):
        yield f"  {quoted(path.rstrip(b'/') + b'/', '{,**}')} rwkl,"
