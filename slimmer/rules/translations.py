"""The rule `translations`: an application's texts in other languages, where a run used the English ones.

Which language is read, the reader's browser says, an account's setting or an argument; a run has asked in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from cntr_core.rules import Found, Keep, LeftOut, Rule, RuleContext

from .reading import regular, shown, was_read, within

LIMIT = 4 << 20
"""Bytes. The languages come in the order of their list."""

# After English, what most pages are written in (https://w3techs.com/technologies/overview/content_language).
_LANGUAGES = (
    (b"es", b"es-ES", b"es_ES"),
    (b"de", b"de-DE", b"de_DE"),
    (b"ja", b"ja-JP", b"ja_JP"),
    (b"fr", b"fr-FR", b"fr_FR"),
    (b"pt", b"pt-BR", b"pt_BR", b"pt-br"),
    (b"ru", b"ru-RU", b"ru_RU"),
    (b"it", b"it-IT", b"it_IT"),
    (b"zh", b"zh-CN", b"zh_CN", b"zh-cn", b"zh-hans"),
)
_ENGLISH = re.compile(
    rb"(?P<before>.*/)en(?:[-_](?:US|GB|us|gb))?"
    rb"(?P<after>(?:/[^/]+)?\.(?:jsonc?|ya?ml|properties|php|ini|js|mjs|ts|lua|toml|xml|xliff?|ftl|lang|strings))",
    re.DOTALL,
)


class Translations(Rule):
    name = "translations"
    description = (
        "Texts in eight languages beside the English ones that were read; "
        f"at most {LIMIT / 1e6:.0f} MB, one language after the other."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        texts = (
            (found.path, found, f"the same texts as {shown(english)}, which was read, in another language")
            for _, found, english in sorted(_texts(context), key=lambda each: (each[0], each[1].path, each[2]))
        )
        yield from within(LIMIT, texts, "it is beyond the limit")


def _texts(context: RuleContext) -> Iterator[tuple[int, Found, bytes]]:
    """The number of a text's language, the text by the name that its language has, and the path of the English one."""
    for english, operations in context.used.items():
        if was_read(operations) and (match := _ENGLISH.fullmatch(english)):
            for number, names in enumerate(_LANGUAGES):
                for path in (match["before"] + name + match["after"] for name in names):
                    if path not in context.used and (found := regular(context.image, path)):
                        yield number, replace(found, path=path), english
