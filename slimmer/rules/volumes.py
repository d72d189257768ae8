"""The rule `volumes`: what the image has at the places of its VOLUMEs.

An engine copies it into each new volume before any program of the image runs, where no trace can see it.
"""

from __future__ import annotations

from collections.abc import Iterable

from cntr_core.rules import Keep, Profile, Rule, RuleContext

from .reading import shown


class Volumes(Rule):
    name = "volumes"
    description = "All below the image's VOLUMEs: engines copy it into new volumes."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for volume in context.volumes if context.first else ():
            for found in context.image.walk(volume):
                yield Keep(found.path, f"new volumes at {shown(volume)} begin with it")
