"""The rule `script-requires`: what stands in sources of Ruby, Perl and PHP, and no run has come to.

Ruby's ``require``, ``require_relative``, ``load`` and ``autoload``, Perl's ``use`` and ``require`` (perlfunc), PHP's
``include`` and ``require``, each with a literal. Statements are found by their form: a text may look like one, and then
a file is kept that nobody needs.
"""

from __future__ import annotations

import os
import posixpath
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .globs import expand
from .reading import only_seen, regular, shown
from .scripts import interpreters

LARGEST = 1 << 21
"""Bytes of a source."""

MOST_NAMES = 2000
"""That one source may require."""

_MOST_ABOVE = 6


class ScriptRequires(Rule):
    name = "script-requires"
    description = "The files that kept sources of Ruby, Perl and PHP require, use or include by a literal name."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        sources = defaultdict(list)
        for path in sorted(context.fresh):
            if not only_seen(context, path) and (language := _language(context.image, path)):
                sources[language].append(path)
        for language, paths in sources.items():
            yield from language(context).needed(paths)


class _Language(ABC):
    """How one language names files, and where it looks for them."""

    endings: tuple[bytes, ...]
    program: re.Pattern[bytes]
    globs: tuple[bytes, ...]
    variables: tuple[tuple[str, bytes], ...] = ()

    def __init__(self, context: RuleContext) -> None:
        self._image = context.image
        named = [
            posixpath.join(place, os.fsencode(below))
            for variable, below in self.variables
            for place in os.fsencode(context.environment.get(variable, "")).split(b":")
            if place.startswith(b"/")
        ]
        own = [posixpath.join(b"/", context.working_dir, below) for below in (b"", b"lib")]
        globs = [*named, *own, *self.globs]
        places = dict.fromkeys(place for glob in globs for place in expand(self._image, glob))
        self._names = {place: frozenset(self._image.list(place)) for place in places}

    def needed(self, sources: Iterable[bytes]) -> Iterator[Keep]:
        for source in sources:
            found = regular(self._image, source)
            if found and found.size <= LARGEST:
                wanted = dict.fromkeys(self._required(self._image.read(source, LARGEST), source))
                for path in islice(wanted, MOST_NAMES):
                    for file in self._found(path):
                        yield Keep(file, f"{shown(source)} requires it")

    @abstractmethod
    def _required(self, text: bytes, source: bytes, /) -> Iterator[bytes]:
        """Paths, those without a leading slash relative to the places where the language looks."""

    def _found(self, path: bytes) -> Sequence[bytes]:
        """The first file there is."""
        candidates = self._spelt(path)
        if path.startswith(b"/"):
            return [one for one in candidates if regular(self._image, one)][:1]
        for place, names in self._names.items():
            for one in candidates:
                if one.partition(b"/")[0] in names and regular(self._image, there := posixpath.join(place, one)):
                    return [there]
        return ()

    def _spelt(self, path: bytes) -> Sequence[bytes]:
        return [path]


class _Ruby(_Language):
    endings = (b".rb", b".ru", b".rake", b".gemspec")
    program = re.compile(rb"ruby[\d.]*")
    variables = (("RUBYLIB", b""), ("GEM_HOME", b"gems/*/lib"), ("BUNDLE_PATH", b"ruby/*/gems/*/lib"))
    globs = (
        *(
            prefix + below
            for prefix in (b"/usr/lib/ruby/", b"/usr/lib/*/ruby/", b"/usr/local/lib/ruby/", b"/usr/local/lib/*/ruby/")
            for below in (b"[0-9]*", b"[0-9]*/*-linux*", b"vendor_ruby", b"*_ruby/[0-9]*", b"*_ruby/[0-9]*/*-linux*")
        ),
        b"/usr/lib/ruby/gems/*/gems/*/lib",
        b"/usr/local/lib/ruby/gems/*/gems/*/lib",
        b"/usr/share/rubygems-integration/*/gems/*/lib",
        b"/var/lib/gems/*/gems/*/lib",
        b"/usr/local/bundle/gems/*/lib",
        b"/usr/local/bundle/ruby/*/gems/*/lib",
        # JRuby, alone and inside of an application.
        b"/usr/share/*/lib/ruby/stdlib",
        b"/opt/*/lib/ruby/stdlib",
        b"/usr/share/*/vendor/*/lib/ruby/stdlib",
        b"/opt/*/vendor/*/lib/ruby/stdlib",
    )
    _statement = re.compile(
        rb"""\b(require_relative|require|load|autoload[ \t(]+:\w{1,100}[ \t]*,)"""
        rb"""[ \t(]{0,10}["']([^"'\n\#\0]{1,200})["']"""
    )

    def _required(self, text: bytes, source: bytes, /) -> Iterator[bytes]:
        for word, name in (match.groups() for match in self._statement.finditer(text)):
            yield posixpath.join(posixpath.dirname(source), name) if word == b"require_relative" else name

    def _spelt(self, path: bytes) -> Sequence[bytes]:
        return [path + ending for ending in (b".rb", b".so", b"")]


class _Perl(_Language):
    endings = (b".pm", b".pl", b".psgi", b".cgi")
    program = re.compile(rb"perl[\d.]*")
    variables = (("PERL5LIB", b""),)
    globs = (
        b"/etc/perl",
        b"/usr/local/lib/*/perl/5*",
        b"/usr/local/share/perl/5*",
        b"/usr/lib/*/perl5/5*",
        b"/usr/share/perl5",
        b"/usr/lib/*/perl-base",
        b"/usr/lib/*/perl/5*",
        b"/usr/share/perl/5*",
        b"/usr/local/lib/site_perl",
        b"/usr/local/lib/perl5/5*",
        b"/usr/local/lib/perl5/5*/*-linux*",
        b"/usr/local/lib/perl5/site_perl/5*",
        b"/usr/local/lib/perl5/site_perl/5*/*-linux*",
        b"/usr/lib/perl5/*_perl",
        b"/usr/share/perl5/*_perl",
    )
    _statement = re.compile(rb"\b(?:use|require)[ \t]+([A-Za-z_]\w{0,100}(?:::\w{1,100}){0,10})")
    _parents = re.compile(rb"\buse[ \t]+(?:parent|base)\b([^;]{1,500});")
    _word = re.compile(rb"[A-Za-z_]\w{0,100}(?:::\w{1,100}){0,10}")
    _file = re.compile(rb"""\b(?:require|do)[ \t(]+["']([^"'\n$@\0]{1,200})["']""")

    def _required(self, text: bytes, _source: bytes, /) -> Iterator[bytes]:
        parents = b" ".join(self._parents.findall(text))
        for name in (*self._statement.findall(text), *self._word.findall(parents)):
            path = name.replace(b"::", b"/")
            yield path + b".pm"
            yield posixpath.join(b"auto", path, posixpath.basename(path) + b".so")
            yield posixpath.join(b"auto", path, b"autosplit.ix")  # of AutoLoader; a preset has the functions beside it
        yield from self._file.findall(text)


class _Php(_Language):
    endings = (b".php", b".inc", b".phtml")
    program = re.compile(rb"php[\d.]*")
    globs = (b"/usr/share/php", b"/usr/local/lib/php", b"/usr/share/pear")
    _statement = re.compile(
        rb"""\b(?:include|require)(?:_once)?\b[^;"'\n]{0,120}["']([^"'$\n\0]{1,200}\.(?:php|inc|phtml))["']"""
    )

    def _required(self, text: bytes, source: bytes, /) -> Iterator[bytes]:
        """What stands before the literal is a directory: the source's, or one of those above."""
        for name in self._statement.findall(text):
            yield name.lstrip(b"/")
            above = source
            for _ in range(_MOST_ABOVE):
                above = posixpath.dirname(above)
                yield posixpath.join(above, name.lstrip(b"/"))


_LANGUAGES: tuple[type[_Language], ...] = (_Ruby, _Perl, _Php)
_BY_ENDING = {ending: language for language in _LANGUAGES for ending in language.endings}


def _language(image: ImageView, path: bytes) -> type[_Language] | None:
    """By the ending; that of a script without one by its first line."""
    ending = posixpath.splitext(path)[1]
    if ending:
        return _BY_ENDING.get(ending)
    names = list(map(posixpath.basename, interpreters(image, path)))
    return next((one for one in _LANGUAGES if any(map(one.program.fullmatch, names))), None)
