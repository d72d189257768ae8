"""The simple commands that stand in a shell script, whatever its variables would be (POSIX, "Shell Command Language").

No parser, but a scanner that goes on where a parser would give up: what it does not understand costs a few words.
(bashlex is under GPLv3, and refuses much of what bash takes; tree-sitter's grammar is compiled.) A
script is a stranger's: each piece of it is gone over once for each level at which it is nested, and the levels end
where the characters of :class:`Budget` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

UNKNOWN = "\0"
"""Stands in a word for what only the running shell knows, such as the output of a command."""
OWN_DIRECTORY = "${0%/*}"
"""Stands in a word for the script's own directory, however the script asks for it."""

_OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|&>>|&>|<<<|<<-|<<|<&|>&|<>|>>|>\||[;&|()<>\n]")
_REDIRECTIONS = frozenset(["<", ">", ">>", ">|", "<>", ">&", "<&", "&>", "&>>", "<<<"])
_ENDS_WORD = frozenset(" \t\r\n;&|()<>")
_PLAIN = re.compile(r"[^\s;&|()<>\\'\"`$]+")
_OWN_DIRECTORY = re.compile(r"\bdirname\b.*(?:\$\{?0|BASH_SOURCE)", re.DOTALL)
_SHORT = 200  # characters in which a script asks for its own directory
_KEYWORD = re.compile(r"then|do|else|elif|if|while|until|!|[{}]|fi|done|time|coproc")
_PATTERNS_FOLLOW = frozenset((";;", ";&", ";;&"))


@dataclass(slots=True)
class Budget:
    """How many characters of scripts are gone over in all."""

    characters: int

    def take(self, count: int) -> bool:
        """Whether there were as many left."""
        self.characters -= count
        return self.characters >= 0


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with its quotes removed, or an operator."""

    text: str
    is_word: bool


def simple_commands(script: str, budget: Budget) -> Iterator[list[str]]:
    """The words of each simple command, assignments before it among them; those in substitutions after the others."""
    pending = [script]
    while pending:
        text = pending.pop()
        if not budget.take(len(text)):
            return
        scanner = _Scanner(text, budget)
        yield from _grouped(scanner.tokens())
        pending += scanner.nested


class _Scanner:
    """One text, cut into tokens. `nested` has the texts of its substitutions."""

    def __init__(self, text: str, budget: Budget) -> None:
        self._text = text
        self._budget = budget
        self._at = 0
        self._documents: list[tuple[str, bool]] = []
        self.nested: list[str] = []

    def tokens(self) -> Iterator[_Token]:
        text = self._text
        while self._at < len(text):
            character = text[self._at]
            if character in " \t\r":
                self._at += 1
            elif text.startswith("\\\n", self._at):
                self._at += 2
            elif character == "#":
                self._at = _find(text, "\n", self._at)
            elif text.startswith(("<(", ">("), self._at):
                self._at += 1
                self._substitution(")")
            elif match := _OPERATOR.match(text, self._at):
                yield from self._operator(match[0])
            else:
                yield _Token(self._word(), True)

    def _operator(self, operator: str) -> Iterator[_Token]:
        self._at += len(operator)
        if operator in ("<<", "<<-"):
            self._here_document(dashed=operator == "<<-")
            return
        yield _Token(operator, False)
        if operator == "\n":
            for delimiter, dashed in self._documents:
                self._skip_document(delimiter, dashed)
            self._documents.clear()

    def _here_document(self, *, dashed: bool) -> None:
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1
        if delimiter := self._word():
            self._documents.append((delimiter, dashed))

    def _skip_document(self, delimiter: str, dashed: bool) -> None:
        """Go on behind the line that ends it; where there is none, the operator was one of arithmetic."""
        tabs = r"\t*" if dashed else ""
        if end := re.compile(rf"^{tabs}{re.escape(delimiter)}$", re.MULTILINE).search(self._text, self._at):
            self._at = end.end()
        elif not self._budget.take(len(self._text) - self._at):
            self._at = len(self._text)

    def _word(self) -> str:
        text, parts = self._text, []
        while self._at < len(text) and (character := text[self._at]) not in _ENDS_WORD:
            if plain := _PLAIN.match(text, self._at):
                parts.append(plain[0])
                self._at = plain.end()
            elif character == "'":
                end = _find(text, "'", self._at + 1)
                parts.append(text[self._at + 1 : end])
                self._at = end + 1
            elif character == '"':
                self._at += 1
                parts += self._quoted()
            else:
                parts.append(self._special())
        return "".join(parts)

    def _quoted(self) -> Iterator[str]:
        """What stands between double quotes."""
        while self._at < len(self._text) and (character := self._text[self._at]) != '"':
            if character in "\\`$":
                yield self._special()
            else:
                yield character
                self._at += 1
        self._at += 1

    def _special(self) -> str:
        """What an escape, or the beginning of an expansion, stands for."""
        text, start = self._text, self._at
        if text[start] == "\\":
            self._at += 2
            return text[start + 1 : start + 2].replace("\n", "")
        if text[start] == "`":
            return self._substitution("`")
        self._at += 1
        if text.startswith("(", self._at):
            return self._substitution(")")
        if text.startswith("{", self._at):
            self._at = _end(text, self._at + 1, "}")
            return text[start : self._at]
        return "$"

    def _substitution(self, closer: str) -> str:
        """Lay the text of a substitution aside, which begins behind this character; what stands for it in a word."""
        start = self._at + 1
        self._at = _end(self._text, start, closer)
        inner = self._text[start : self._at - 1]
        self.nested.append(inner)
        return OWN_DIRECTORY if _OWN_DIRECTORY.search(inner[:_SHORT]) else UNKNOWN


def _find(text: str, wanted: str, start: int) -> int:
    """Where that is, else the end."""
    found = text.find(wanted, start)
    return len(text) if found < 0 else found


def _end(text: str, at: int, closer: str) -> int:
    """Behind the `closer` of what began before `at`, whatever is nested and quoted in between."""
    stack = [closer]
    while stack and at < len(text):
        character, top = text[at], stack[-1]
        at += 1
        if character == top:
            stack.pop()
        elif character == "\\":
            at += 1
        elif character == "$" and text[at : at + 1] in ("(", "{"):
            stack.append(")" if text[at] == "(" else "}")
            at += 1
        elif character == "`" or (character == '"' and top != '"'):
            stack.append(character)
        elif character == "'" and top in ")`":
            at = _find(text, "'", at) + 1
        elif character == "(" and top == ")":
            stack.append(")")
        elif character == "#" and top == ")" and text[at - 2].isspace():
            at = _find(text, "\n", at)
    return at


def _grouped(tokens: Iterator[_Token]) -> Iterator[list[str]]:
    grouping = _Grouping()
    for token in tokens:
        yield from grouping.word(token.text) if token.is_word else grouping.operator(token.text)
    yield from grouping.finished()


@dataclass(slots=True)
class _Grouping:
    """Tokens that become commands. `_until` are words or operators up to which all is passed over: the head of a loop,
    a case's subject, its patterns."""

    _words: list[str] = field(default_factory=list)
    _until: frozenset[str] = frozenset()
    _target: bool = False
    _cases: int = 0

    def word(self, text: str) -> Iterator[list[str]]:
        if self._target:
            self._target = False
        elif self._until:
            self._passed(text)
        elif self._words or not self._keyword(text):
            self._words.append(text)
        yield from ()

    def operator(self, text: str) -> Iterator[list[str]]:
        if self._until:
            if text in self._until:
                self._until = frozenset()
        elif text in _REDIRECTIONS:
            self._target = True
        elif text == "(":
            self._words = []  # the name of a function, or of an array
        else:
            yield from self.finished()
            if text in _PATTERNS_FOLLOW and self._cases:
                self._until = frozenset((")", "esac"))

    def finished(self) -> Iterator[list[str]]:
        if self._words:
            yield self._words
        self._words, self._target = [], False

    def _passed(self, text: str) -> None:
        if text not in self._until:
            return
        self._until = frozenset((")", "esac")) if text == "in" else frozenset()
        if text == "esac":
            self._cases -= 1

    def _keyword(self, text: str) -> bool:
        """Whether the first word of a command is one of the language's own."""
        if text == "case":
            self._cases += 1
            self._until = frozenset(("in",))
        elif text in ("for", "select"):
            self._until = frozenset((";", "\n", "do"))
        elif text == "esac":
            self._cases = max(0, self._cases - 1)
        else:
            self._target = text == "function"
            return self._target or _KEYWORD.fullmatch(text) is not None
        return True
