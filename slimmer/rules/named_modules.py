"""The rule `named-modules`: modules that settings name under a condition that the run did not meet, or for another use.

Such are Apache's ``LoadModule`` in ``<IfDefine>``, nginx's ``load_module``, drivers of ODBC, extensions of PHP.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from cntr_core.rules import Keep, Rule, RuleContext

from .reading import lines, regular, shown, was_read

_SETTING = re.compile(rb"/etc/.*|.*\.(?:conf|ini|cnf|load)")
_MODULE = re.compile(rb"(?<![\w./+-])[\w./+-]{1,200}\.so(?:\.[\d.]+)?(?![\w./+-])")
_LARGEST = 1 << 18
_MOST = 2000


class NamedModules(Rule):
    name = "named-modules"
    description = "Modules and drivers (.so) that the settings name which were read."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        if not context.first:
            return
        places = sorted({posixpath.dirname(path) for path in context.used if path.endswith(b".so")})
        for path, operations in sorted(context.used.items()):
            if _SETTING.fullmatch(path) and was_read(operations):
                for module in _modules(context, path):
                    inside = (posixpath.join(place, posixpath.basename(module)) for place in places)
                    for found in [module] if module.startswith(b"/") else inside:
                        yield Keep(found, f"{shown(path)} names this module")


def _modules(context: RuleContext, path: bytes) -> Iterator[bytes]:
    found = regular(context.image, path)
    if found and found.size <= _LARGEST:
        text = list(lines(context.image, path))
        if any(b"\0" in line for line in text):
            return  # no settings: ld.so.cache names all libraries that there are
        yield from list(dict.fromkeys(name for line in text for name in _MODULE.findall(line)))[:_MOST]
