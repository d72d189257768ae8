"""The rule `home-scripts`: the scripts that an application has beside itself, such as a server's client.

Where software has a directory of its own, its scripts are in ``bin`` there; people run them by their paths, and no
PATH or package leads from the server to them.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Keep, LeftOut, Rule, RuleContext

from .application_directories import SYSTEM_DIRECTORIES
from .reading import shown
from .script_commands import ScriptSearch, is_shell_script

LIMIT = 2 << 20
"""Bytes of what the scripts name. The smallest come first."""

_MOST = 100


class HomeScripts(Rule):
    name = "home-scripts"
    description = (
        "The shell scripts in bin of a directory that was used, and the programs and small files that these name; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        scripts = dict(_scripts(context))
        for script, home in scripts.items():
            yield Keep(script, f"a script of the software in {shown(home)}, which was used")
        yield from ScriptSearch(context, limit=LIMIT).of_scripts(scripts)


def _scripts(context: RuleContext) -> Iterator[tuple[bytes, bytes]]:
    """The scripts that are few in their directory, each with the one above."""
    for home in sorted(context.used.keys() - SYSTEM_DIRECTORIES):
        place = posixpath.join(home, b"bin")
        found = context.image.lookup(place, follow=False)
        if found and stat.S_ISDIR(found.kind):
            paths = [posixpath.join(place, name) for name in context.image.list(place)]
            scripts = [path for path in paths if is_shell_script(context.image, path)]
            yield from ((path, home) for path in scripts[:_MOST])
