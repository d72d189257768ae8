"""The rule `shell-tools`: the programs that people who have a shell type next, and what such a shell reads.

POSIX, "Shell and Utilities"; bash(1) "INVOCATION"; terminfo(5).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from cntr_core.rules import Keep, Rule, RuleContext

from .reading import gives_rights, keep_all, path_directories, regular, was_read

SHELL = re.compile(rb"(?:ba|da|a|z|k|mk)?sh")
_BASIC = b"cat cp cut date env grep head id ls mkdir mv rm sed sleep tail tr wc".split()
_UTILITIES = (
    # POSIX's, as far as distributions have them without more; the rest of coreutils, without the rare and large; and
    # the small ones of util-linux.
    b"awk base32 base64 basename bc bzip2 chgrp chmod chown clear cmp column comm cpio dd df diff "
    b"dircolors dirname du echo ed egrep expand false fgrep file find flock fmt fold free getconf getent "
    b"getopt groups gunzip gzip hexdump hostname join kill less link ln locale logger "
    b"md5sum mkfifo mknod mktemp more nice nl nohup nproc od paste patch pgrep pidof pkill "
    b"printenv printf ps pwd readlink realpath renice reset rev rmdir seq setsid sha1sum sha256sum "
    b"sha512sum shuf sort split stat stdbuf strings sum sync tac tar tee test time timeout top touch "
    b"tput true truncate tty uname unexpand uniq unlink unxz uptime vi watch who whoami which xargs xz yes zcat "
    b"zdump"
).split()
_BECOMES = b"su"  # root needs no password, and the image's other users exist for that
COMMON = frozenset((*_BASIC, *_UTILITIES))

_STARTS = (
    b"/etc/profile",
    b"/etc/profile.d/*.sh",
    b"/etc/bash.bashrc",
    b"/etc/bashrc",
    b"/etc/inputrc",
    b"/root/.bash*",
    b"/root/.profile",
)
_TERMINALS = (
    b"/etc/terminfo/*/*",
    b"/lib/terminfo/*/*",
    b"/usr/share/terminfo/d/dumb",
    b"/usr/share/terminfo/l/linux",
    b"/usr/share/terminfo/r/rxvt",
    b"/usr/share/terminfo/s/screen",
    b"/usr/share/terminfo/t/tmux",
    b"/usr/share/terminfo/x/xterm",
    b"/usr/share/terminfo/[stx]/*[mnx]-256color",
)
_LOCALE = (b"/usr/lib/locale/C.utf8/**", b"/usr/lib/locale/C.UTF-8/**")


class ShellTools(Rule):
    name = "shell-tools"
    description = (
        "Small programs that users of a shell run next, where one ran; where it is the command, POSIX's utilities, "
        "`su`, and what the shell reads for a login, a terminal and UTF-8."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        if not context.first or not any(_ran(path, context) for path in context.used):
            return
        yield from _named(context, _BASIC, "a small program that is run from shells")
        if any(map(is_shell, context.commands)):
            yield from _for_users(context)


def _ran(path: bytes, context: RuleContext) -> bool:
    return SHELL.fullmatch(posixpath.basename(path)) is not None and was_read(context.used[path])


def is_shell(command: Sequence[bytes]) -> bool:
    """Whether the command's last words are a shell without a script or a text that it should run."""
    words = list(command)
    while len(words) > 1 and re.fullmatch(rb"|--?[il]|--login", words[-1]):
        words.pop()
    return bool(words and SHELL.fullmatch(posixpath.basename(words[-1])))


def _for_users(context: RuleContext) -> Iterator[Keep]:
    yield from _named(context, _UTILITIES, "the image's command is a shell, which runs such programs")
    yield from _named(context, [_BECOMES], "users of the image's shell become others by it", rights=True)
    yield from keep_all(context.image, _STARTS, "the image's command is a shell, which reads it when it starts")
    yield from keep_all(context.image, _TERMINALS, "the image's command is a shell, which may run in any terminal")
    yield from keep_all(context.image, _LOCALE, "users of the image's shell set this locale, which is always there")


def _named(context: RuleContext, names: Iterable[bytes], because: str, *, rights: bool = False) -> Iterator[Keep]:
    """The programs of these names; those that give more rights only if `rights`."""
    for name in names:
        for directory in path_directories(context):
            path = posixpath.join(directory, name)
            found = regular(context.image, path)
            if found and found.mode & 0o111 and (rights or not gives_rights(found)):
                yield Keep(path, because)
                break
