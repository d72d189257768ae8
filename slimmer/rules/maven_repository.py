"""The rule `maven-repository`: what Maven's next phase resolves in a local repository, where a run built without it.

Maven has a plugin for each phase (https://maven.apache.org/guides/introduction/introduction-to-the-lifecycle.html), and
takes it with its dependencies from the repository, when the phase comes. Without a network, what is not there fails.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .globs import expand
from .reading import regular, within

LIMIT = 24 << 20
"""Bytes. The smallest come first."""

_PLUGINS = (
    b"org/apache/maven/plugins/*/*/*.pom",
    b"org/apache/maven/surefire/surefire-junit*/*/*.pom",  # chosen by what the tests are written for
)
_LARGEST = 1 << 19
_MOST = 2000
_PLAIN = re.compile(r"\w[\w-]{0,100}(?:\.\w[\w-]{0,100}){0,20}")
_NOT_TO_RUN = (b"-sources.jar", b"-javadoc.jar", b"-tests.jar")
_UNWANTED = ("test", "provided", "system")


class MavenRepository(Rule):
    name = "maven-repository"
    description = (
        "The plugins of Maven's phases, with their dependencies, in a local repository that was used; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        found = {
            path: one for root in sorted(_roots(context)) for path, one in _Repository(context.image, root).files()
        }
        because = "a plugin of Maven's for another phase, or what it depends on"
        smallest_first = sorted(found.items(), key=lambda each: (each[1].size, each[0]))
        files = ((path, one, because) for path, one in smallest_first)
        yield from within(LIMIT, files, "it is large", context.kept)


def _roots(context: RuleContext) -> set[bytes]:
    """The repositories: where a used POM lies by its group, its name and its version."""
    roots: set[bytes] = set()
    places = {posixpath.dirname(posixpath.dirname(posixpath.dirname(pom))): pom for pom in _poms(context)}
    for place, pom in sorted(places.items()):
        if not any(place.startswith(root + b"/") for root in roots) and (root := _root(context.image, pom, place)):
            roots.add(root)
    return roots


def _poms(context: RuleContext) -> list[bytes]:
    return sorted(path for path in context.used if path.endswith(b".pom"))


def _root(image: ImageView, pom: bytes, place: bytes) -> bytes:
    """The directory above that of the POM's group; empty where it lies otherwise."""
    project = _project(image, pom)
    groups = (_text(element, "groupId") for element in (project, *project.findall("{*}parent")))
    directories = (os.fsencode("/" + group.replace(".", "/")) for group in groups if group)
    return next((place.removesuffix(directory) for directory in directories if place.endswith(directory)), b"")


class _Repository:
    """A local repository."""

    def __init__(self, image: ImageView, root: bytes) -> None:
        self._image = image
        self._root = root

    def files(self) -> Iterator[tuple[bytes, Found]]:
        """The POMs and JARs of plugins, and of all that these depend on, by their names here."""
        pending = [pom for glob in _PLUGINS for pom in expand(self._image, glob, self._root)]
        seen = set(pending)
        while pending:
            pom = pending.pop()
            yield from self._beside(pom)
            for other in self._wanted(pom):
                if other not in seen and len(seen) < _MOST:
                    seen.add(other)
                    pending.append(other)

    def _beside(self, pom: bytes) -> Iterator[tuple[bytes, Found]]:
        """The POM and its JARs, with and without classifiers."""
        directory = posixpath.dirname(pom)
        for name in self._image.list(directory):
            path = posixpath.join(directory, name)
            wanted = name.endswith((b".pom", b".jar")) and not name.endswith(_NOT_TO_RUN)
            if wanted and (file := regular(self._image, path)):
                yield path, file

    def _wanted(self, pom: bytes) -> Iterator[bytes]:
        """The POMs of the parent and of the dependencies, in each version that is there: which one is meant, properties
        and other POMs say."""
        project = _project(self._image, pom)
        for element in (*project.findall("{*}parent"), *project.findall("{*}dependencies/{*}dependency")):
            if _text(element, "scope") not in _UNWANTED and _text(element, "optional") != "true":
                yield from self._versions(*(_text(element, name) for name in ("groupId", "artifactId")))

    def _versions(self, group: str, artifact: str) -> Iterator[bytes]:
        if not _PLAIN.fullmatch(group) or not _PLAIN.fullmatch(artifact):
            return
        name = os.fsencode(artifact)
        place = posixpath.join(self._root, os.fsencode(group.replace(".", "/")), name)
        for version in self._image.list(place):
            path = posixpath.join(place, version, name + b"-" + version + b".pom")
            if regular(self._image, path):
                yield path


def _project(image: ImageView, pom: bytes) -> ElementTree.Element:
    """The root of a POM; an empty one of what is none."""
    found = regular(image, pom)
    text = image.read(pom) if found and found.size <= _LARGEST else b""
    try:
        # No POM has one, and its entities could grow without an end.
        return ElementTree.fromstring(b"" if b"<!DOCTYPE" in text else text)
    except ElementTree.ParseError:
        return ElementTree.Element("project")


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(f"{{*}}{name}") or "").strip()
