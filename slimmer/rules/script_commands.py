"""The rule `script-commands`: what shell scripts name in branches that a run did not take.

An entrypoint does something else with another variable set, at its second start, or after a failure. The scripts are
those that the run opened, those that they call or source, and texts that an image's own commands have a shell run.
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import Found, ImageView, Keep, LeftOut, Profile, Rule, RuleContext

from .application_directories import SYSTEM_DIRECTORIES
from .reading import regular, shown, was_read
from .shell_commands import SHELL, Named, named
from .shell_syntax import OWN_DIRECTORY, UNKNOWN, Budget

LIMIT = 48 << 20
"""Bytes of programs, without their libraries. The smallest come first."""

_MOST_SCRIPTS = 300
_LARGEST_SCRIPT = 1 << 18
_LARGEST_FILE = 1 << 20
_CHARACTERS = 1 << 22
_MOST_NAMES = 5000
_MOST_COMMANDS = 2000
_FIRST_LINE = 128
_SPECIAL = re.compile(rf"[$*?\[{UNKNOWN}]")
_SOMEWHERE = re.compile(rf"(?:\$[^/]*|{UNKNOWN})/")
_VARIABLE = re.compile(rf"\$\{{[^}}]*\}}|\$\w+|{UNKNOWN}")
_WILD = re.compile(r"[*?]|\[[^]]*\]")
_LEAST_TELLING = 3
_LARGEST_ALIKE = 1 << 16
_MOST_ALIKE = 64
# Of little use without a library of many files, or without a network: a script that needs one is better probed.
_HEAVY = re.compile(
    rb"(?:[\w.]+-linux-\w+-)?(?:python[\d.]*|pypy[\d.]*|perl[\d.]*|ruby[\d.]*|node(?:js)?|php[\d.]*|java|javac|lua[\d.]*"
    rb"|gcc[-\d.]*|cc|c\+\+|g\+\+[-\d.]*|cpp[-\d.]*|clang.*|ld(?:\.\w+)?|as|make|cmake|gdb|strace|go|rustc|cargo|git"
    rb"|apt|apt-get|aptitude|dpkg|dnf[-\d.]*|yum|rpm|apk|pip[\d.]*|npm|npx|yarn|gem|vim?(?:\.\w+)?|emacs|nano)"
)


class ScriptCommands(Rule):
    name = "script-commands"
    description = (
        "The programs, scripts and small files that shell scripts name in branches not taken, but no interpreter, "
        f"compiler or package manager; at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if context.first:
            yield from ScriptSearch(context).of_scripts(_scripts(context))


class ScriptInterpreters(Rule):
    name = "script-interpreters"
    description = "The interpreters, compilers and package managers that shell scripts name in branches not taken."
    profile = Profile.CAREFUL

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if context.first:
            yield from ScriptSearch(context, heavy=True).of_scripts(_scripts(context))


def _scripts(context: RuleContext) -> Iterator[bytes]:
    """The shell scripts that the run opened."""
    for path, operations in sorted(context.used.items()):
        if was_read(operations) and is_shell_script(context.image, path):
            yield path


def is_shell_script(image: ImageView, path: bytes) -> bool:
    """Whether the file says of itself that a shell runs it."""
    found = image.lookup(path, follow=False)
    if found is None or not stat.S_ISREG(found.kind) or found.size > _LARGEST_SCRIPT:
        return False
    first = image.read_at(path, 0, _FIRST_LINE).partition(b"\n")[0]
    words = (posixpath.basename(word).decode("latin-1") for word in first[2:].split()[:2])
    return first.startswith(b"#!") and any(SHELL.fullmatch(word) for word in words)


class ScriptSearch:
    """What scripts and texts name in one image, with all that the scripts among it name themselves; `heavy` says
    whether interpreters and the like are wanted, `limit` how many bytes of all."""

    def __init__(self, context: RuleContext, *, heavy: bool = False, limit: int = LIMIT) -> None:
        self._heavy = heavy
        self._limit = limit
        self._image = context.image
        self._kept = context.kept
        self._directory = os.fsdecode(context.working_dir)
        self._environment = {name: _text(os.fsencode(value)) for name, value in context.environment.items()}
        self._budget = Budget(_CHARACTERS)
        self._pending: list[bytes] = []
        self._scripts: set[bytes] = set()
        self._seen: set[tuple[Named, str]] = set()
        self._found: dict[bytes, tuple[Found, str]] = {}

    def of_scripts(self, scripts: Iterable[bytes]) -> Iterator[Keep | LeftOut]:
        """What these name."""
        for script in scripts:
            self._add_script(script)
        self._follow()
        yield from self._limited()

    def of_commands(self, commands: Iterable[tuple[bytes, str]]) -> Iterator[Keep | LeftOut]:
        """What these texts name; beside each stands who has a shell run it."""
        for text, source in islice(commands, _MOST_COMMANDS):
            self._of(_text(text), "/", f"{source} names it")
        self._follow()
        yield from self._limited()

    def _follow(self) -> None:
        while self._pending:
            script = self._pending.pop(0)
            text = _text(self._image.read(script, _LARGEST_SCRIPT))
            self._of(text, _text(posixpath.dirname(script)), f"the script {shown(script)} names it")

    def _of(self, text: str, directory: str, because: str) -> None:
        names = list(dict.fromkeys(named(text, self._environment, self._budget)))[:_MOST_NAMES]
        own = [one.word for one in names if one.kind == "path"]
        path = ":".join((self._environment.get("PATH", DEFAULT_PATH), *own, DEFAULT_PATH)).split(":")
        for one in names:
            if (one, directory) not in self._seen:
                self._seen.add((one, directory))
                self._take(one, directory, path, because)

    def _take(self, one: Named, directory: str, path: Sequence[str], because: str) -> None:
        if one.kind == "file" and _SPECIAL.search(posixpath.basename(one.word)):
            self._take_some(one.word, because)
        for place in self._places(one, directory, path):
            found = regular(self._image, _bytes(place))
            if found is None or (one.kind == "program" and not found.mode & 0o111):
                continue
            if one.kind == "file" and found.size > _LARGEST_FILE and not found.mode & 0o111:
                continue
            self._found.setdefault(_bytes(place), (found, because))
            if one.kind == "script" or is_shell_script(self._image, found.path):
                self._add_script(found.path)
            return

    def _take_some(self, word: str, because: str) -> None:
        """The small files that a name may mean which the script puts together, where they are few."""
        directory, name = posixpath.split(word)
        pattern = _VARIABLE.sub("*", name)
        telling = len(_WILD.sub("", pattern)) >= _LEAST_TELLING and _bytes(directory) not in SYSTEM_DIRECTORIES
        if telling and not _SPECIAL.search(directory):
            names = fnmatch.filter(self._image.list(_bytes(directory)), _bytes(pattern))
            for path in (posixpath.join(_bytes(directory), each) for each in names[:_MOST_ALIKE]):
                found = regular(self._image, path)
                if found and found.size <= _LARGEST_ALIKE and not found.mode & 0o111 and len(names) <= _MOST_ALIKE:
                    self._found.setdefault(path, (found, because))

    def _places(self, one: Named, directory: str, path: Sequence[str]) -> Sequence[str]:
        """Where a word may lie; a path below a directory that nobody knows is tried beside the script."""
        word = one.word.replace(OWN_DIRECTORY, directory)
        if somewhere := _SOMEWHERE.match(word):
            rest = word[somewhere.end() :]
            places = [posixpath.join(directory, rest), posixpath.join(directory, "..", rest)]
        elif "/" in word:
            places = [posixpath.join(parent, word) for parent in dict.fromkeys((self._directory, directory))]
        else:
            places = [posixpath.join(parent, word) for parent in dict.fromkeys(path) if parent.startswith("/")]
        return [place for place in places if not _SPECIAL.search(place) and word]

    def _add_script(self, script: bytes) -> None:
        found = regular(self._image, script)
        new = found and found.size <= _LARGEST_SCRIPT and script not in self._scripts
        if new and len(self._scripts) < _MOST_SCRIPTS:
            self._scripts.add(script)
            self._pending.append(script)

    def _limited(self) -> Iterator[Keep | LeftOut]:
        left, counted = self._limit, set(self._kept)
        for path, (found, because) in sorted(self._found.items(), key=lambda item: (item[1][0].size, item[0])):
            left -= 0 if found.path in counted else found.size
            counted.add(found.path)
            if not self._heavy and found.path not in self._kept and _is_heavy(path, found):
                yield LeftOut(path, f"{because}, but it needs many other files")
            elif left >= 0:
                yield Keep(path, because)
            else:
                yield LeftOut(path, f"{because}, but larger programs are beyond {self._limit / 1e6:.0f} MB in all")


def _is_heavy(path: bytes, found: Found) -> bool:
    return any(_HEAVY.fullmatch(posixpath.basename(name)) for name in (path, found.path))


def _text(content: bytes) -> str:
    """Bytes as characters, one each, whatever the encoding is."""
    return content.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")
