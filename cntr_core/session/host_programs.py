"""The caller's own programs on the host: the directories of PATH, the home directory, a command named by its path.

Links are followed, since a program is often one: each link on the way is shown, and what it leads to. Nothing here is
searched but the directories of PATH that lie where not everything is shown.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Mapping

from ..filesystem import Part
from . import host_tree

_MOST_LINKS = 40  # that path_resolution(7) follows
_PROGRAMS = ("bin", "sbin", "bin64")
_TOP = 2  # components that a directory of PATH has at least: neither / nor /opt nor /root is shown for being in PATH
_NEVER = ("etc", "var", "proc", "sys", "dev", "run", "tmp", "boot")
"""Below these a directory of PATH shows nothing but links: they are the container's, the session's, or in the list."""


def shown_of_host(caller: Mapping[bytes, bytes], named: Iterable[bytes]) -> Part:
    """What a session shows of the host's tree.

    `caller` are the caller's variables, whose PATH, HOME and SUDO_USER count; `named` are programs that the caller
    wants to run, of which absolute paths count.
    """
    programs = _Programs(host_tree.listed(), _homes(caller))
    for directory in os.fsdecode(caller.get(b"PATH", b"")).split(":"):
        programs.add_directory(directory)
    for path in map(os.fsdecode, named):
        programs.add_program(path)
    return programs.part


def _homes(caller: Mapping[bytes, bytes]) -> set[str]:
    """The home directories of the caller, and of who became root by sudo(8)."""
    homes = {os.fsdecode(caller.get(b"HOME", b""))}
    if user := os.fsdecode(caller.get(b"SUDO_USER", b"")):
        homes.add(os.path.expanduser(f"~{user}"))
    return {home for home in homes if home.startswith("/")}


class _Programs:
    """Adds to `part` what programs need that are not in the list."""

    def __init__(self, part: Part, homes: Iterable[str]) -> None:
        self.part = part
        self._homes = [real for home in homes if (real := self._real(home)) is not None]
        self._seen: set[str] = set()
        for home in self._homes:
            for names in host_tree.HOME.values():
                for name in names:
                    self.part.add(f"{glob.escape(home)}/{name}".lstrip("/"))

    def add_directory(self, path: str) -> None:
        """A directory of PATH: its files, the libraries beside it, and where its links lead to."""
        real = self._real(path) if path.startswith("/") else None
        if real is None or real in self._seen or not os.path.isdir(f"/{real}"):
            return
        self._seen.add(real)
        if not self._may_be_whole(real) or self._is_whole(real):
            return
        self.part.add(f"{glob.escape(real)}/[!.]*")
        prefix, name = os.path.split(real)
        if name in _PROGRAMS:
            for beside in host_tree.PREFIX:
                self.part.add(f"{glob.escape(prefix)}/{beside}")
        self._add_links(real)

    def _add_links(self, directory: str) -> None:
        try:
            links = [entry.path for entry in os.scandir(f"/{directory}") if entry.is_symlink()]
        except OSError:
            return
        for link in links:
            if _is_owners_program(link):
                self.add_program(link)

    def add_program(self, path: str) -> None:
        """One program, by its path; with what lies beside it where that is a directory of programs."""
        real = self._real(path) if path.startswith("/") else None
        if real is None or real.split("/")[0] in _NEVER or not os.path.isfile(f"/{real}"):
            return
        self.part.add(glob.escape(real))
        directory = os.path.dirname(real)
        if os.path.basename(directory) in _PROGRAMS:
            self.add_directory(f"/{directory}")

    def _may_be_whole(self, real: str) -> bool:
        components = real.split("/")
        home_below = any(f"{home}/".startswith(f"{real}/") for home in self._homes)
        return len(components) >= _TOP and components[0] not in _NEVER and not home_below

    def _is_whole(self, real: str) -> bool:
        part: Part | None = self.part
        for name in real.split("/"):
            part = part.child(os.fsencode(name)) if part else None
        return part is not None and part.whole

    def _real(self, path: str) -> str | None:
        """Where `path` leads to, without its leading slash, and show the links on the way; None where to nothing."""
        here: list[str] = []
        links, pending = 0, path.split("/")[::-1]
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                here = here[:-1]
                continue
            here.append(name)
            target = _link("/" + "/".join(here))
            if target is None:
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            self.part.add(glob.escape("/".join(here)))
            here = [] if target.startswith("/") else here[:-1]
            pending += target.split("/")[::-1]
        return "/".join(here) if os.path.lexists("/" + "/".join(here)) else None


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _is_owners_program(link: str) -> bool:
    """Whether a link leads to a program of its own owner: any user can make one to what is another's."""
    try:
        own, end = os.lstat(link), os.stat(link)
    except OSError:
        return False
    return own.st_uid == end.st_uid and stat.S_ISREG(end.st_mode) and bool(end.st_mode & 0o111)
