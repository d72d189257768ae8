"""The rule `shebang`: the programs that run scripts (execve(2), "Interpreter scripts"; env(1))."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .reading import regular, shown

_LONGEST = 256  # bytes of the first line that Linux looks at, since 5.1
_WITH_VALUE = (b"-u", b"--unset", b"-C", b"--chdir")


class Shebang(Rule):
    name = "shebang"
    description = "The interpreter that a kept script names in its first line, by env(1) as well."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        path_variable = os.fsencode(context.environment.get("PATH", DEFAULT_PATH))
        for path in sorted(context.fresh):
            for name in interpreters(context.image, path):
                for program in _found(context.image, name, path_variable):
                    yield Keep(program, f"runs the script {shown(path)}")


def interpreters(image: ImageView, path: bytes) -> Iterator[bytes]:
    """What the first line names; with env(1), that one's program too."""
    found = image.lookup(path, follow=False)
    if found is None or not (stat.S_ISREG(found.kind) and found.mode & 0o111):
        return
    line = image.read_at(path, 0, _LONGEST).partition(b"\n")[0]
    words = line[2:].split() if line.startswith(b"#!") else []
    yield from words[:1]
    if words and posixpath.basename(words[0]) == b"env":
        yield from _program_of_env(words[1:])


def _program_of_env(words: list[bytes]) -> Iterator[bytes]:
    """The program, behind options and variables. ``-S`` splits one argument into words, as we have done already."""
    pending = iter(words)
    for word in pending:
        if word in _WITH_VALUE:
            next(pending, None)
        elif word.startswith(b"-S") and len(word) > 2:
            yield word[2:]
            return
        elif not word.startswith(b"-") and b"=" not in word:
            yield word
            return


def _found(image: ImageView, name: bytes, path_variable: bytes) -> Iterator[bytes]:
    if b"/" in name:
        yield name
        return
    for directory in path_variable.split(b":"):
        candidate = posixpath.join(directory or b"/", name)
        found = regular(image, candidate)
        if found and found.mode & 0o111:
            yield candidate
            return
