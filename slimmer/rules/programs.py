"""The rules `program-links` and `package-programs`: programs that nobody ran, and people run next."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Collection, Iterable, Iterator

from cntr_core.rules import Found, Keep, LeftOut, Rule, RuleContext

from .package import Package, read_packages
from .reading import gives_rights, path_directories, regular, shown, within
from .shell_tools import COMMON, SHELL

LIMIT = 2 << 20
"""Bytes of a package's programs. The smallest come first: a large one is a server itself, or has its own library."""

_PLACES = (b"bin", b"sbin", b"escript")
_FIRST_LINE = 256


class ProgramLinks(Rule):
    name = "program-links"
    description = "Other names of kept programs, links in PATH: they cost nothing."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for directory in path_directories(context):
            for name in context.image.list(directory):
                link = posixpath.join(directory, name)
                found = context.image.lookup(link, follow=False)
                if found and stat.S_ISLNK(found.kind):
                    program = context.image.lookup(link)
                    if program and program.path in context.fresh and stat.S_ISREG(program.kind):
                        yield Keep(link, f"another name of {shown(program.path)}")


class PackagePrograms(Rule):
    name = "package-programs"
    description = (
        "The other programs of the package that has the image's command, and of those that are made with it, such as a "
        "server's clients; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        programs = (
            (path, found, f"a program of the package {package}, which has the image's command, or is made with it")
            for path, found, package in sorted(_companions(context), key=lambda each: (each[1].size, each[0]))
        )
        yield from within(LIMIT, programs, "it is large")


def _companions(context: RuleContext) -> Iterator[tuple[bytes, Found, str]]:
    """The programs beside those of the commands, where what runs them is kept, and the package of each."""
    database = read_packages(context.image)
    owners = [package for path in _commands(context) if (package := database.owner_of(path))]
    used = {database.owner_of(path) for path in context.used} - {None}
    sources = {package.source for package in owners}
    for package in sorted(
        filter(lambda package: package.source in sources, database), key=lambda package: package.name
    ):
        for path in database.files_of(package):
            found = context.image.lookup(path)
            if found and path not in context.kept and _is_program(path, found) and _can_run(context, found.path, used):
                yield path, found, package.name


def _is_program(path: bytes, found: Found) -> bool:
    """Whether it lies where programs do, and can be executed."""
    in_place = posixpath.basename(posixpath.dirname(path)) in _PLACES
    return in_place and stat.S_ISREG(found.kind) and bool(found.mode & 0o111) and not gives_rights(found)


def _commands(context: RuleContext) -> Iterator[bytes]:
    """The real paths of programs that words of the commands name, but for shells and utilities."""
    for word in context.arguments:
        if SHELL.fullmatch(posixpath.basename(word)) or posixpath.basename(word) in COMMON:
            continue
        for directory in path_directories(context) if b"/" not in word else (b"/",):
            if (found := regular(context.image, posixpath.join(directory, word))) and found.mode & 0o111:
                yield found.path
                break


def _can_run(context: RuleContext, path: bytes, used: Collection[Package | None]) -> bool:
    """Whether it is no script, or one for an interpreter that is kept, or of a package that was used: Erlang's escript
    comes with the machine itself."""
    line = context.image.read_at(path, 0, _FIRST_LINE).partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return True
    program = posixpath.basename((line[2:].split() or [b""])[-1])
    if any(posixpath.basename(kept) == program for kept in context.kept):
        return True
    places = (context.image.lookup(posixpath.join(directory, program)) for directory in path_directories(context))
    return any(found and read_packages(context.image).owner_of(found.path) in used for found in places)
