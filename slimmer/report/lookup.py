"""Why a path is in the slim image, or is not: the answer of ``cntr why``, from the report alone."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from . import schema
from .text import shown

_MOST_LINKS = 40  # links that path_resolution(7) follows
State = Literal["kept", "gone", "missing"]


class Link(TypedDict):
    """A link on the way, and whether the slim half has it."""

    path: str
    target: str
    kept: bool


class Explained(TypedDict):
    """``cntr why``: an :class:`Explanation`; of a directory also how many files are below it."""

    asked: str
    path: str
    state: State
    because: str
    rule: str
    profile: str
    type: str
    bytes: int
    package: str
    hint: str
    links: list[Link]
    files: int
    kept_files: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of `path`: it is ``kept``, ``gone`` to the fat half, or ``missing`` in the original. `links` are the
    links on the way from what was asked, `share` is what a directory has, `hint` what would keep it."""

    asked: str
    path: str
    state: State
    because: str
    rule: str = ""
    profile: str = ""
    type: str = ""
    bytes: int = 0
    package: str = ""
    links: tuple[schema.File, ...] = ()
    share: schema.Share = field(default_factory=schema.Share)
    hint: str = ""

    def lines(self) -> tuple[str, ...]:
        """The answer for people: what became of it, then why, then details."""
        said = [
            f"{self.path}: {_SAID[self.state]}",
            f"  {self.because}{self._by()}",
        ]
        said += [f"  by the link {each.path} -> {each.target}, {_SAID[_state(each)]}" for each in self.links]
        if self.share.files:
            said.append(f"  below it {self.share.kept_files} of {self.share.files} files are kept")
        if self.package:
            said.append(f"  it belongs to the package {self.package}")
        return (*said, f"  {self.hint}") if self.hint else tuple(said)

    def _by(self) -> str:
        """The rule, with the lowest profile that has it."""
        if not self.rule:
            return ""
        return f" (rule {self.rule}, profile {self.profile})" if self.profile else f" (rule {self.rule})"

    def to_json(self) -> Explained:
        """The answer as JSON's own types."""
        return {
            "asked": self.asked,
            "path": self.path,
            "state": self.state,
            "because": self.because,
            "rule": self.rule,
            "profile": self.profile,
            "type": self.type,
            "bytes": self.bytes,
            "package": self.package,
            "hint": self.hint,
            "links": [{"path": each.path, "target": each.target, "kept": each.kept} for each in self.links],
            "files": self.share.files,
            "kept_files": self.share.kept_files,
        }


_SAID: Mapping[State, str] = {"kept": "kept", "gone": "not kept", "missing": "not in the image"}


def why(report: schema.Report, path: str) -> Explanation:
    """What became of `path` in the original image, and why. It may be as the report shows it, or as it is."""
    files = {file.path: file for file in report.files}
    absolute = "/" + path.lstrip("/")
    raw = shown(os.fsencode(absolute))
    asked = absolute if raw not in files and absolute in files else raw
    way = _Way(files, asked)
    if not way.exists:
        return _missing(report, asked, way)
    if way.path == "/":
        return Explanation(asked, "/", "kept", "the root always stays", type=schema.DIRECTORY, share=report.content)
    return _found(report, asked, way, files[way.path])


class _Way:
    """Where a path leads in the original image: `path` without links, as far as there is something."""

    def __init__(self, files: Mapping[str, schema.File], asked: str) -> None:
        self.links: list[schema.File] = []
        self.path, self.exists = "/", True
        pending = asked.split("/")[::-1]
        while pending and self.exists:
            part = pending.pop()
            if part == "..":
                self.path = posixpath.dirname(self.path)
            elif part not in ("", "."):
                self.path = posixpath.join(self.path, part)
                self._enter(files.get(self.path), pending)
        self.path = posixpath.join(self.path, *reversed(pending))

    def _enter(self, file: schema.File | None, pending: list[str]) -> None:
        if file is None or len(self.links) >= _MOST_LINKS:
            self.exists = False
        elif file.type == schema.SYMLINK:
            self.links.append(file)
            pending += file.target.split("/")[::-1]
            self.path = "/" if file.target.startswith("/") else posixpath.dirname(self.path)
        elif file.type != schema.DIRECTORY and any(pending):
            self.exists = False


def _state(file: schema.File) -> State:
    return "kept" if file.kept else "gone"


def _missing(report: schema.Report, asked: str, way: _Way) -> Explanation:
    because = "the original image has no such file"
    if way.path in report.absent or asked in report.absent:
        because += "; the run looked for it and did not find it"
    if len(way.links) >= _MOST_LINKS:
        because = "its links go in circles"
    return Explanation(asked, way.path, "missing", because, links=tuple(way.links))


def _found(report: schema.Report, asked: str, way: _Way, file: schema.File) -> Explanation:
    because = file.because or "the run never used it, and no rule asks for it"
    links = tuple(way.links)
    share = _share(report, file.path) if file.type == schema.DIRECTORY else schema.Share()
    hint = "" if file.kept and not (share.files - share.kept_files) else _hint(file)
    return Explanation(
        asked=asked,
        path=file.path,
        state=_state(file),
        because=because,
        rule=file.rule,
        profile=next((rule.profile for rule in report.rules if rule.name == file.rule), ""),
        type=file.type,
        bytes=file.bytes,
        package=file.package,
        links=links,
        share=share,
        hint=hint,
    )


def _share(report: schema.Report, path: str) -> schema.Share:
    below = [file for file in report.files if file.counts and file.path.startswith(path + "/")]
    kept = [file for file in below if file.kept]
    return schema.Share(
        files=len(below),
        kept_files=len(kept),
        bytes=sum(file.bytes for file in below),
        kept_bytes=sum(file.slim_bytes for file in kept),
    )


def _hint(file: schema.File) -> str:
    path = shlex.quote(file.path)
    if not file.kept and file.because == schema.EXCLUDED:
        return f"keep it with --preserve {path}, or exclude less"
    what = "all of it" if file.type == schema.DIRECTORY else "it"
    by_package = f", or its package with --include-package {file.package}" if file.package else ""
    return f"keep {what} with --include {path}{by_package}, or with a probe that uses it"
