"""The rule `started-programs`: what settings have a kept program start, at a time that no probe waits for: jobs
of cron, shells of those who log in, services that a supervisor starts when it is told to, health checks.

crontab(5), anacrontab(5), logrotate(8), passwd(5), sshd_config(5), supervisord's configuration, runsv(8).
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping

from cntr_core.rules import ImageView, Keep, LeftOut, Rule, RuleContext

from .globs import expand
from .reading import lines, regular, shown, was_read
from .script_commands import LIMIT, ScriptSearch

Commands = Iterator[tuple[bytes, str]]
"""What a shell, or a program like one, is to run, and where that is said."""

_SYSTEM_TABLES = (b"/etc/crontab", b"/etc/cron.d/*")
_USER_TABLES = (b"/var/spool/cron/crontabs/*", b"/var/spool/cron/*", b"/etc/crontabs/*")
_JOBS = tuple(b"/etc/cron.%s/*" % often for often in (b"hourly", b"daily", b"weekly", b"monthly"))
_PERIODIC = (b"/etc/periodic/*/*",)  # of busybox, as Alpine has it
_JOB = re.compile(rb"(?:@\w+|(?:[^\s=]+\s+){4}[^\s=]+)\s+(?P<command>\S.*)")
_INPUT = re.compile(rb"(?<!\\)%.*")
_ROTATED = (b"/etc/logrotate.conf", b"/etc/logrotate.d/*")
_ROTATION = re.compile(rb"^[ \t]*(?:(?:pre|post)\w+|(?:first|last)action)", re.MULTILINE)
_SSH = (b"/etc/ssh/sshd_config", b"/etc/ssh/sshd_config.d/*.conf")
_SSH_COMMAND = re.compile(rb"(?:Subsystem\s+\S+|ForceCommand|AuthorizedKeysCommand)\s+(?P<command>/.*)", re.IGNORECASE)
_SETTING = re.compile(rb".*\.(?:conf|ini)")
_SUPERVISED = re.compile(rb"^\[(?:program|fcgi-program|eventlistener):", re.MULTILINE)
_COMMAND = re.compile(rb"^command[ \t]*=[ \t]*(?P<command>.*)$", re.MULTILINE)
_LARGEST_SETTING = 1 << 18
_SIBLINGS = (b"finish", b"check", b"control/*", b"log/run", b"log/finish", b"data/check")


class StartedPrograms(Rule):
    name = "started-programs"
    description = (
        "What settings have kept programs start later: jobs of cron, login shells, subsystems of sshd, supervised "
        "services, and the image's health check."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        names = {posixpath.basename(path) for path in context.fresh}
        search = ScriptSearch(context, heavy=True)
        for programs, say in _STARTERS.items():
            if not names.isdisjoint(programs):
                yield from search.of_commands(say(context.image))
        if context.first:
            yield from search.of_commands(_of_the_image(context))
            yield from search.of_commands(_supervised(context))
            yield from _siblings(context)


def _of_the_image(context: RuleContext) -> Commands:
    """The commands, and their words, which may be texts for a shell."""
    lines = [shlex.join(map(os.fsdecode, command)) for command in context.commands]
    for text in dict.fromkeys([*lines, *map(os.fsdecode, context.arguments)]):
        yield os.fsencode(text), "a command of the image"


def _cron(image: ImageView) -> Commands:
    for patterns, has_user in ((_SYSTEM_TABLES, True), (_USER_TABLES, False)):
        for file in _files(image, patterns):
            for line in lines(image, file):
                if match := _JOB.fullmatch(line):
                    command = _INPUT.sub(b"", match["command"])
                    yield command.partition(b" ")[2] if has_user else command, f"the table of jobs {shown(file)}"
    yield b"run-parts", "cron"
    for file in _files(image, _JOBS + _PERIODIC):
        yield b"sh " + file, "cron"


def _rotations(image: ImageView) -> Commands:
    yield b"gzip", "logrotate"
    for file in _files(image, _ROTATED):
        for part in _ROTATION.split(image.read(file, _LARGEST_SETTING))[1:]:
            yield part.partition(b"endscript")[0], shown(file)


def _shells(image: ImageView) -> Commands:
    for line in lines(image, b"/etc/passwd"):
        fields = line.split(b":")
        if len(fields) == 7 and fields[6].startswith(b"/"):
            yield fields[6], "/etc/passwd"


def _sshd(image: ImageView) -> Commands:
    yield from _shells(image)
    for file in _files(image, _SSH):
        for line in lines(image, file):
            if match := _SSH_COMMAND.fullmatch(line):
                yield match["command"], shown(file)


_STARTERS: Mapping[tuple[bytes, ...], Callable[[ImageView], Commands]] = {
    (b"cron", b"crond", b"anacron"): _cron,
    (b"logrotate",): _rotations,
    (b"su", b"sudo", b"runuser", b"login", b"doas"): _shells,
    (b"sshd", b"dropbear"): _sshd,
}


def _files(image: ImageView, patterns: Iterable[bytes]) -> Iterator[bytes]:
    found = (path for pattern in patterns for path in expand(image, pattern))
    return (path for path in found if regular(image, path))


def _supervised(context: RuleContext) -> Commands:
    """The services in the settings of supervisord that were read."""
    for path, operations in sorted(context.used.items()):
        if _SETTING.fullmatch(path) and was_read(operations):
            found = context.image.lookup(path)
            if found and stat.S_ISREG(found.kind) and found.size <= _LARGEST_SETTING:
                content = context.image.read(path)
                if _SUPERVISED.search(content):
                    yield from ((match["command"], shown(path)) for match in _COMMAND.finditer(content))


def _siblings(context: RuleContext) -> Iterator[Keep]:
    """What runit and s6 run beside the script `run` of a service's directory."""
    for path in sorted(context.used):
        directory, name = os.path.split(path)
        if name == b"run" and regular(context.image, path):
            for pattern in _SIBLINGS:
                for found in expand(context.image, pattern, directory):
                    yield Keep(found, f"belongs to the service {shown(directory)}")
