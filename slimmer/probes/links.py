"""The links of a page: where a browser would go, or fetch from, by itself or by a click."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit, urlunsplit

_LINKS = {
    "a": ("href",),
    "area": ("href",),
    "audio": ("src",),
    "embed": ("src",),
    "frame": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
# What is not closed ends with the sheet: were it no match, each next one would be tried up to the end as well.
_CSS = re.compile(r"""url\(\s*["']?([^"')]*)|@import\s+["']([^"']*)""", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)


def of_html(page: str) -> list[str]:
    """The references in an HTML page, as they are written, joined to its ``<base>``; those of its styles too."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    return [_joined(parser.base, link) for link in parser.found]


def of_css(sheet: str) -> list[str]:
    """The references in a style sheet: ``url()`` and ``@import``."""
    found = (first or second for first, second in _CSS.findall(_COMMENT.sub("", sheet)))
    return [link.strip() for link in found if link]


def within(link: str, page: str, hosts: frozenset[str]) -> str | None:
    """The path and query of `link` seen from `page`, a path; None where it leads to another host.

    `hosts` has the names, with their ports, that the container answers to. The fragment is dropped.
    """
    try:
        parts = urlsplit(urljoin(page, link.strip()))
    except ValueError:  # a broken IPv6 address
        return None
    if parts.scheme not in ("", "http", "https") or (parts.netloc and parts.netloc.lower() not in hosts):
        return None
    if parts.scheme and not parts.netloc:
        return None
    path = "/" + urlunsplit(("", "", parts.path, parts.query, "")).lstrip("/")
    return re.sub(r"[\x00-\x20\x7f]", lambda match: f"%{ord(match[0]):02X}", path)


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return link


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.base = ""
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self._style = tag == "style"
        if tag == "base" and not self.base:
            self.base = values.get("href", "")
        for name in _LINKS.get(tag, ()):
            if name in values:
                self.found += _candidates(values[name]) if name == "srcset" else [values[name]]
        self.found += of_css(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += of_css(data)
            self._style = False


def _candidates(srcset: str) -> list[str]:
    """The addresses of ``a.png 1x, b.png 2x``."""
    return [words[0] for candidate in srcset.split(", ") if (words := candidate.split())]
