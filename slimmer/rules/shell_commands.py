"""What the commands of a shell script name: programs, other scripts, texts that a shell is to run, files."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .shell_syntax import UNKNOWN, Budget, simple_commands

BUILTIN = re.compile(
    r"[.:[]|alias|bg|bind|break|builtin|caller|cd|command|compgen|complete|continue|declare|dirs|disown|echo|enable|eval"
    r"|exec|exit|export|false|fc|fg|getopts|hash|help|history|jobs|kill|let|local|logout|popd|printf|pushd|pwd|read"
    r"|readonly|return|set|shift|shopt|source|suspend|test|times|trap|true|type|typeset|ulimit|umask|unalias|unset|wait"
)
"""What dash and bash do themselves."""

SHELL = re.compile(r"(?:ba|da|a|z|k|mk|pdk)?sh")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[[^]]*\])?\+?=(?P<value>.*)", re.DOTALL)
_DECLARES = ("export", "local", "readonly", "declare", "typeset", "env")
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?=(?P<value>[^}]{0,256})\}")
_EXPANSION = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?::?[-=](?P<default>[^}]*))?\})")
_MOST_VALUES = 4
_DEEPEST = 3
_LONGEST = 1024
_LONGEST_VALUE = 256

# Programs that start the one behind their own options; others want one more word before it.
_STARTS = re.compile(
    r"builtin|catchsegv|command|doas|dumb-init|env|exec|fakeroot|ionice|nice|nohup|setpriv|setsid|set|stdbuf|sudo|time"
    r"|tini|unbuffer|unshare|xargs"
)
_STARTS_LATER = re.compile(r"chroot|chpst|flock|gosu|runuser|s6-setuidgid|setuidgid|su-exec|timeout")
_TAKE_VALUES = frozenset(["-u", "-g", "-U", "-n", "-I", "-P", "-L", "-k", "-s", "-C", "--user", "--group"])
_TELL_PLACES = frozenset(["command", "hash", "type", "which"])
_START_SERVICES = frozenset(["service", "invoke-rc.d", "rc-service"])
_EXECUTE = frozenset(["-exec", "-execdir", "-ok", "-okdir", "--exec", "--startas"])
_MOST_STARTERS = 8


@dataclass(frozen=True, slots=True)
class Named:
    """One thing that a script names. `kind` is "program": a word that is looked up in PATH, or a path; "script": a file
    that a shell reads; "text": what a shell is to run; "file": a path, whatever it is used for; or "path": directories
    that the script puts into PATH."""

    kind: str
    word: str


def named(script: str, environment: Mapping[str, str], budget: Budget) -> Iterator[Named]:
    """What `script` names, and what those texts name that it has a shell run."""
    pending, known = [script], _Variables(environment, budget)
    while pending:
        commands = list(simple_commands(pending.pop(), budget))
        for words in commands:
            known.learn(words)
        for words in commands:
            for one in _of_command(words, known):
                if one.kind == "text":
                    pending.append(one.word)
                else:
                    yield one
    for directory in known.values("PATH"):
        yield Named("path", directory)


class _Variables:
    """The values that a script's variables may have: those of the environment, and what is assigned to them."""

    def __init__(self, environment: Mapping[str, str], budget: Budget) -> None:
        self._budget = budget
        self._values: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in environment.items():
            self._values[name].append(value)

    def learn(self, words: Sequence[str]) -> None:
        """Take the assignments of a command in."""
        declares = words[0] in _DECLARES
        for word in words:
            if match := _ASSIGNMENT.fullmatch(word):
                self._add(match["name"], match["value"])
            elif not declares:
                break
        for match in (match for word in words for match in _DEFAULT.finditer(word)):
            self._add(match["name"], match["value"])

    def _add(self, name: str, value: str) -> None:
        values = self._values[name]
        if UNKNOWN not in value and len(value) <= _LONGEST_VALUE and value not in values and len(values) < _MOST_VALUES:
            values.append(value)

    def values(self, name: str) -> Sequence[str]:
        return self._values.get(name, ())

    def expanded(self, text: str, which: int) -> str:
        """The text with the values of variables, of each the one of that number, or its last; others stay."""

        def value(match: re.Match[str]) -> str:
            values = [*self.values(match["plain"] or match["name"]), *filter(None, [match["default"]])]
            return values[min(which, len(values) - 1)] if values else match[0]

        for _ in range(_DEEPEST):
            if "$" not in text or len(text) > _LONGEST or not self._budget.take(len(text)):
                break
            text = _EXPANSION.sub(value, text)
        return text


def _of_command(words: Sequence[str], known: _Variables) -> Iterator[Named]:
    """For each value that the variables of its first words may have."""
    seen: set[tuple[str, ...]] = set()
    for which in range(_MOST_VALUES if any("$" in word for word in words) else 1):
        said = tuple(part for word in words for part in _parts(word, known, which))
        if said not in seen:
            seen.add(said)
            yield from _of_words(said)


def _parts(word: str, known: _Variables, which: int) -> Sequence[str]:
    """The words that a word becomes: a variable alone may have several in it."""
    text = known.expanded(word, which)
    return text.split() if word.startswith("$") and text != word else [text]


def _of_words(words: Sequence[str]) -> Iterator[Named]:
    values = (match["value"] if (match := _ASSIGNMENT.fullmatch(word)) else word for word in words)
    yield from (Named("file", value) for value in values if value.startswith("/"))
    external = False
    for _ in range(_MOST_STARTERS):
        words = words[_assignments(words) :]
        if not words:
            return
        name = posixpath.basename(words[0])
        if external or not BUILTIN.fullmatch(words[0]):
            yield Named("program", words[0])
        yield from _of_arguments(name, words[1:])
        later = _STARTS_LATER.fullmatch(name)
        if not (later or _STARTS.fullmatch(name)):
            return
        external = external or name not in ("builtin", "set")
        words = _started(words[1:], 1 if later else 0)


def _assignments(words: Sequence[str]) -> int:
    """How many stand before the command."""
    return next((number for number, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), len(words))


def _started(words: Sequence[str], operands: int) -> Sequence[str]:
    """The command behind the options and operands of a program that starts it."""
    at = 0
    while at < len(words):
        if words[at].startswith("-"):
            at += 2 if words[at] in _TAKE_VALUES else 1
        elif operands and not _ASSIGNMENT.fullmatch(words[at]):
            operands -= 1
            at += 1
        else:
            break
    return words[at:]


def _of_arguments(name: str, arguments: Sequence[str]) -> Iterator[Named]:
    plain = [word for word in arguments if not word.startswith("-")]
    if name in (".", "source"):
        yield from (Named("script", word) for word in plain[:1])
    elif name == "eval":
        yield Named("text", " ".join(arguments))
    elif name == "trap":
        yield from (Named("text", word) for word in plain[:1])
    elif name in _START_SERVICES:
        yield from (Named("script", f"/etc/init.d/{word}") for word in plain[:1])
    elif name in _TELL_PLACES:
        yield from (Named("program", word) for word in plain)
    elif SHELL.fullmatch(name) or name in ("su", "runuser", "flock", "sg"):
        yield from _of_shell(arguments, plain, reads=bool(SHELL.fullmatch(name)))
    for option, word in itertools.pairwise(arguments):
        if option in _EXECUTE:
            yield Named("program", word)


def _of_shell(arguments: Sequence[str], plain: Sequence[str], *, reads: bool) -> Iterator[Named]:
    """The text behind ``-c``, ``-ec``, ``--command``; else the script that a shell reads."""
    for option, word in itertools.pairwise(arguments):
        if re.fullmatch(r"-[a-z]*c|--command", option):
            yield Named("text", word)
            return
    if reads:
        yield from (Named("script", word) for word in plain[:1])
