"""Rules for standard libraries: `python-library` and its like where the interpreter ran at all, and `language-library`
where it runs the image's own command: then the application is in that language, and its pages are.

Which profile has which is a matter of what they cost; docs/reference/slim-rules.md has the figures.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import Keep, Profile, Rule, RuleContext

from .presets import Preset, Presets, builtin
from .reading import regular
from .scripts import interpreters


class Library(Presets):
    """The preset of the rule's own name."""

    def presets(self) -> Sequence[Preset]:
        return [preset for preset in builtin("libraries") if preset.name == self.name]


class PythonLibrary(Library):
    name = "python-library"
    description = "Python's standard library, where Python ran: without tests, Tk, IDLE and ensurepip."
    profile = Profile.CAREFUL


class RubyLibrary(Library):
    name = "ruby-library"
    description = "Ruby's standard library, where Ruby ran: without bundler, irb and rdoc."


class RubyTools(Library):
    name = "ruby-tools"
    description = "irb, Bundler and Rake, where Ruby ran."
    profile = Profile.CAREFUL


class PerlLibrary(Library):
    name = "perl-library"
    description = "Perl's standard library, as far as the image has it, where Perl ran."
    profile = Profile.CAREFUL


class PhpLibrary(Library):
    name = "php-library"
    description = "PHP's extensions and its library of scripts, where PHP ran."
    profile = Profile.CAREFUL


_LANGUAGES = {
    re.compile(rb"python[\d.]*"): PythonLibrary(),
    re.compile(rb"ruby[\d.]*"): RubyTools(),
    re.compile(rb"perl[\d.]*"): PerlLibrary(),
    re.compile(rb"php(?:-fpm)?[\d.]*"): PhpLibrary(),
}
_LARGEST_TOOL = 1 << 17
_WORD = re.compile(r"[^\s;&|()'\"]+")


class LanguageLibrary(Rule):
    name = "language-library"
    description = (
        "The standard library of Python, Perl or PHP, and the programs that are scripts in these or in Ruby, where the "
        "language runs the image's own command."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        programs = set(_programs(context))
        for pattern, library in _LANGUAGES.items():
            if any(map(pattern.fullmatch, programs)):
                yield from library.keep(context)
                yield from _tools(context, pattern) if context.first else ()


def _tools(context: RuleContext, language: re.Pattern[bytes]) -> Iterator[Keep]:
    """The scripts on PATH that the language runs: pip, irb, cpanm …"""
    for place in _path(context):
        for name in context.image.list(place):
            path = posixpath.join(place, name)
            found = regular(context.image, path)
            if found and found.size <= _LARGEST_TOOL:
                runs = map(posixpath.basename, interpreters(context.image, found.path))
                if any(map(language.fullmatch, runs)):
                    yield Keep(path, "a program in the language of the image's command")


def _programs(context: RuleContext) -> Iterator[bytes]:
    """The names of programs in the command, and of those that run its scripts."""
    places = [context.working_dir, *_path(context)]
    for argument in context.arguments:
        for word in map(os.fsencode, _WORD.findall(os.fsdecode(argument))):
            yield posixpath.basename(word)
            for place in places if b"/" not in word else places[:1]:
                if found := context.image.lookup(posixpath.join(b"/", place, word)):
                    yield posixpath.basename(found.path)
                    yield from map(posixpath.basename, interpreters(context.image, found.path))


def _path(context: RuleContext) -> Sequence[bytes]:
    return os.fsencode(context.environment.get("PATH", DEFAULT_PATH)).split(b":")
