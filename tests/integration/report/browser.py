"""A real browser for tests: what a page is after its scripts ran, and what it complained of or asked for."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_HANG = 90  # seconds
COMMAND = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # it finds no server, and so calls none
    "--window-size=1280,900",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page: its elements, what its console said, and what it asked for."""

    elements: Elements
    console: list[str]
    requests: set[str]


def visit(page: Path, fragment: str = "") -> Visit:
    """Open the file `page`, at ``#fragment``."""
    with tempfile.TemporaryDirectory(prefix="cntr-chromium-") as profile:
        log = Path(profile, "net.json")
        looks = ("--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom")
        command = [*COMMAND, *looks, f"--user-data-dir={profile}/data", f"--log-net-log={log}"]
        url = f"{page.as_uri()}#{fragment}"
        done = subprocess.run([*command, url], capture_output=True, timeout=_HANG, check=True)
        console = re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr.decode(errors="replace"))
        return Visit(Elements(done.stdout.decode()), console, _requests(log))


def _requests(log: Path) -> set[str]:
    """What documents asked for, as chromium's log of its network tells; not what chromium asks for by itself."""
    requests = [
        event["params"] for event in json.loads(log.read_text())["events"] if "initiator" in event.get("params", {})
    ]
    return {request["url"] for request in requests if request["initiator"] != "not an origin"}


class Elements(HTMLParser):
    """The elements of a document: what is asked for by id, by class, or by tag."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.all: list[Element] = []
        self._open: list[Element] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs}, [])
        self.all.append(element)
        self._below(element)
        if tag not in ("meta", "link", "br", "input", "img"):
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._below(data)

    def _below(self, what: Any) -> None:
        if self._open:
            self._open[-1].children.append(what)

    def id(self, name: str) -> Element:
        [found] = [element for element in self.all if element.attributes.get("id") == name]
        return found

    def of_class(self, name: str) -> list[Element]:
        return [element for element in self.all if name in element.attributes.get("class", "").split()]

    def tags(self, tag: str) -> list[Element]:
        return [element for element in self.all if element.tag == tag]


@dataclass(slots=True)
class Element:
    """One element; its children are elements and texts."""

    tag: str
    attributes: dict[str, str]
    children: list[Any]

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def tags(self, tag: str) -> list[Element]:
        """All below it."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if child.tag == tag else []
                found += child.tags(tag)
        return found
