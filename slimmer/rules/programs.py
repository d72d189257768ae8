"""The rules `program-links`, `package-programs` and `shell-tools`: programs that nobody ran, and people run next."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .package import read_packages
from .reading import regular, shown, was_read

_SHELL = re.compile(rb"(?:ba|da|a|z|k|mk)?sh")
LIMIT = 4 << 20
"""Bytes of a package's programs. The smallest come first: a large one is a server itself, or has its own library."""

_PLACES = (b"bin", b"sbin", b"escript")
_FIRST_LINE = 256
_BASIC = b"cat cp cut date env grep head id ls mkdir mv rm sed sleep tail tr wc".split()
_UTILITIES = (
    # POSIX, "Shell and Utilities", as far as distributions have them without more; and the rest of coreutils.
    b"awk base32 base64 basename bc bzip2 chgrp chmod chown cksum clear cmp comm cpio csplit dd df diff dir "
    b"dircolors dirname du echo ed egrep expand expr factor false fgrep file find fmt fold free getconf getent "
    b"getopt groups gunzip gzip hexdump hostid hostname iconv install join kill link ln locale logname md5sum "
    b"mkfifo mknod mktemp more nice nl nohup nproc numfmt od paste patch pathchk pgrep pidof pr "
    b"printenv printf ps ptx pwd readlink realpath renice reset rmdir sha1sum sha224sum sha256sum sha384sum "
    b"sha512sum shred shuf sort split stat stdbuf strings stty sum sync tac tar tee test time timeout top touch "
    b"tput true truncate tsort tty uname unexpand uniq unlink unxz users vdir vi watch who whoami which "
    b"xargs xz yes zcat zdump"
).split()

_COMMON = frozenset((*_BASIC, *_UTILITIES))


class ProgramLinks(Rule):
    name = "program-links"
    description = "Other names of kept programs, links in PATH: they cost nothing."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for directory in _path(context):
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
        "The other programs of the package that has the image's command, such as a server's control program; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        left = LIMIT
        for found, package in sorted(_companions(context), key=lambda each: (each[0].size, each[0].path)):
            because = f"a program of the package {package}, which has the image's command"
            left -= found.size
            yield Keep(found.path, because) if left >= 0 else LeftOut(found.path, f"{because}, but it is large")


def _companions(context: RuleContext) -> Iterator[tuple[Found, str]]:
    """The programs beside those of the commands, where what runs them is kept."""
    database = read_packages(context.image)
    packages = {database.owner_of(path) for path in _commands(context)}
    for package in sorted(filter(None, packages), key=lambda package: package.name):
        for path in database.files_of(package):
            found = context.image.lookup(path)
            if found and path not in context.kept and _is_program(context, path, found):
                yield replace(found, path=path), package.name


def _is_program(context: RuleContext, path: bytes, found: Found) -> bool:
    """Whether it lies where programs do, and can run."""
    if posixpath.basename(posixpath.dirname(path)) not in _PLACES:
        return False
    return stat.S_ISREG(found.kind) and _is_ordinary(found) and _can_run(context, found.path)


def _is_ordinary(found: Found) -> bool:
    """Whether it can be executed, and gives nobody more rights: those are kept where they were used, and not else."""
    return bool(found.mode & 0o111) and not found.mode & (stat.S_ISUID | stat.S_ISGID)


def _commands(context: RuleContext) -> Iterator[bytes]:
    """The real paths of programs that words of the commands name, but for shells and utilities."""
    for word in context.arguments:
        if _SHELL.fullmatch(posixpath.basename(word)) or posixpath.basename(word) in _COMMON:
            continue
        for directory in _path(context) if b"/" not in word else (b"/",):
            if (found := regular(context.image, posixpath.join(directory, word))) and found.mode & 0o111:
                yield found.path
                break


def _can_run(context: RuleContext, path: bytes) -> bool:
    """Whether it is no script, or one for an interpreter that is kept."""
    line = context.image.read_at(path, 0, _FIRST_LINE).partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return True
    program = posixpath.basename((line[2:].split() or [b""])[-1])
    return any(posixpath.basename(kept) == program for kept in context.kept)


class ShellTools(Rule):
    name = "shell-tools"
    description = (
        "Small programs that users of a shell run next, where one ran; POSIX's utilities, where it is the command."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        if not context.first or not any(_ran(path, context) for path in context.used):
            return
        yield from _named(context, _BASIC, "a small program that is run from shells")
        if _is_the_command(context.arguments):
            yield from _named(context, _UTILITIES, "the image's command is a shell, which runs such programs")


def _ran(path: bytes, context: RuleContext) -> bool:
    return _SHELL.fullmatch(posixpath.basename(path)) is not None and was_read(context.used[path])


def _is_the_command(words: Sequence[bytes]) -> bool:
    """Whether a shell is among the words of the commands without a script or a text that it should run."""
    pairs = zip(words, (*words[1:], b""), strict=False)
    return any(_SHELL.fullmatch(posixpath.basename(word)) and not after for word, after in pairs)


def _named(context: RuleContext, names: Iterable[bytes], because: str) -> Iterator[Keep]:
    for name in names:
        for directory in _path(context):
            path = posixpath.join(directory, name)
            if (found := regular(context.image, path)) and _is_ordinary(found):
                yield Keep(path, because)
                break


def _path(context: RuleContext) -> Sequence[bytes]:
    """The real directories of PATH, and those of every system, each once."""
    listed = os.fsencode(f"{context.environment.get('PATH', '')}:{DEFAULT_PATH}").split(b":")
    return list(dict.fromkeys(_real(context.image, path) for path in listed if path.startswith(b"/")))


def _real(image: ImageView, path: bytes) -> bytes:
    found = image.lookup(path)
    return found.path if found else path
