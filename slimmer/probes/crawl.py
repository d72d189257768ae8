"""Following the links of an application's own pages, breadth first, one request at a time."""

from __future__ import annotations

import time
from collections import deque

from . import links
from .attempt import Attempt, NoAnswer, NotReady
from .network import Endpoint
from .result import Fact, Observation
from .spec import MISSING, SUCCESS, Statuses
from .web import Page, Request, Web, accepted, entrance

MOST_PAGES = 100
MOST_STEPS = 5
_MOST_WAITING = 10 * MOST_PAGES
"""Links that are remembered for later: a page can have a million."""
_PATIENCE = 10.0  # seconds for the missing page
_PAGES = ("text/html", "application/xhtml+xml")


def crawl(web: Web, target: Endpoint, path: str, seconds: float, statuses: Statuses = SUCCESS) -> Attempt:
    """Visit the page and what it links to on the same server, up to 100 pages, 5 steps away.

    The first page must have one of `statuses`. A link that leads nowhere is a fact, and no failure.

    :raises NotReady: the first page does not answer yet.
    :raises NoAnswer: it will not.
    """
    end = time.monotonic() + seconds
    page = entrance(web, target, Request(path), statuses, seconds)
    crawler = _Crawler(web, target, end)
    crawler.record(path, page)
    if not accepted(page.status, statuses):
        return Attempt(False, f"{target.name(path)} answered {page.status}", crawler.observations)
    crawler.follow(path, page, 0)
    return crawler.run()


def missing_page(web: Web, target: Endpoint, seconds: float) -> Observation:
    """How the server answers a path that it cannot have: a fact, whatever it is."""
    page = visit(web, target, Request(MISSING), min(seconds, _PATIENCE))
    return Observation(target.name(MISSING), page.facts() if page else {"status": None})


class _Crawler:
    def __init__(self, web: Web, target: Endpoint, end: float) -> None:
        self._web = web
        self._target = target
        self._end = end
        self._waiting: deque[tuple[str, int]] = deque()
        self._known: set[str] = set()
        self._broken: list[str] = []
        self.observations: list[Observation] = []

    def run(self) -> Attempt:
        """Visit what is waiting."""
        while self._waiting and len(self.observations) < MOST_PAGES:
            path, steps = self._waiting.popleft()
            seconds = self._end - time.monotonic()
            if seconds <= 0:
                return Attempt(False, f"the time was up after {self._told()}", self.observations)
            page = visit(self._web, self._target, Request(path), seconds)
            self.record(path, page)
            if page is not None and steps < MOST_STEPS:
                self.follow(path, page, steps)
        return Attempt(True, self._told(), self.observations)

    def _told(self) -> str:
        count = len(self.observations)
        text = f"{count} page{'s' * (count != 1)} of {self._target.name('/')}"
        return text + (f", of which {len(self._broken)} broken: {', '.join(self._broken[:3])}" if self._broken else "")

    def record(self, path: str, page: Page | None) -> None:
        """Keep the facts of a page; None: it has no answer."""
        self._known.add(path)
        if page is None or not accepted(page.status, SUCCESS):
            self._broken.append(f"{path} ({page.status if page else 'no answer'})")
        facts: dict[str, Fact] = page.facts() if page else {"status": None}
        self.observations.append(Observation(self._target.name(path), facts))

    def follow(self, path: str, page: Page, steps: int) -> None:
        """Put the links of a page, or where it sends the client, into the queue."""
        found = []
        if location := page.headers.get("location"):
            found.append(location)
        if page.media_type in _PAGES:
            found += links.of_html(page.text)
        elif page.media_type == "text/css":
            found += links.of_css(page.text)
        for link in found:
            below = links.within(link, path, self._target.names())
            if below is not None and below not in self._known and len(self._waiting) < _MOST_WAITING:
                self._known.add(below)
                self._waiting.append((below, steps + 1))


def visit(web: Web, target: Endpoint, request: Request, seconds: float) -> Page | None:
    """One more page of a server that has answered before; None where this page has no answer.

    A server may close a connection that was kept at the very moment when it is used: reads are tried once more.
    """
    for _ in range(2 if request.method in ("GET", "HEAD") else 1):
        try:
            return web.fetch(target, request, seconds)
        except NotReady:
            continue
        except NoAnswer:
            break
    return None
