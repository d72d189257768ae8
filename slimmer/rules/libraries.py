"""The rules `ruby-library`, `perl-library` and `php-library`: the standard library of an interpreter that ran.

Which profile has which is a matter of what they cost; docs/reference/slim-rules.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from cntr_core.rules import Profile

from .presets import Preset, Presets, builtin


class Library(Presets):
    """The preset of the rule's own name."""

    def presets(self) -> Sequence[Preset]:
        return [preset for preset in builtin("libraries") if preset.name == self.name]


class RubyLibrary(Library):
    name = "ruby-library"
    description = "Ruby's standard library, where Ruby ran: without bundler, irb and rdoc."


class PerlLibrary(Library):
    name = "perl-library"
    description = "Perl's standard library, as far as the image has it, where Perl ran."
    profile = Profile.CAREFUL


class PhpLibrary(Library):
    name = "php-library"
    description = "PHP's extensions and its library of scripts, where PHP ran."
    profile = Profile.CAREFUL
