"""The rule `presets`: files that well-known programs load late, listed in presets/*.toml and not in code.

The format is described in docs/reference/slim-presets.md.
"""

from __future__ import annotations

import functools
import os
import posixpath
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from cntr_core.errors import PluginError
from cntr_core.reasons import reason
from cntr_core.rules import Keep, Profile, Rule, RuleContext

from .globs import compiled
from .reading import keep_all


@dataclass(frozen=True, slots=True)
class Preset:
    """When a kept path matches one of the globs `when`, keep what the globs `keep` find, because of `because`.

    A glob in `when` may have one ``//``: what stands before it is the program's home, from which those globs in `keep`
    count that do not begin with a slash. `profile` is the lowest that has it.
    """

    name: str
    when: tuple[bytes, ...]
    keep: tuple[bytes, ...]
    because: str
    profile: Profile = Profile.BALANCED


class Presets(Rule):
    name = "presets"
    description = (
        "Files that Node.js, Ruby, Perl, PHP, Java, web servers, databases … load late, as data files list them."
    )

    def __init__(self, presets: Sequence[Preset] | None = None) -> None:
        self._presets = presets  # None: the built-in ones, read when they are wanted

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        presets = self.presets()
        # Most paths are told apart by their last names, which are quick to compare.
        names = compiled(tuple(posixpath.basename(glob) for preset in presets for glob in preset.when)).fullmatch
        paths = [path for path in context.fresh if names(posixpath.basename(path))]
        for preset in presets:
            for home in sorted(_homes(preset, paths)):
                yield from keep_all(context.image, preset.keep, preset.because, home)

    def presets(self) -> Sequence[Preset]:
        """What is listed."""
        presets = builtin() if self._presets is None else self._presets
        return [preset for preset in presets if preset.profile == self.profile]


class CarefulPresets(Presets):
    name = "careful-presets"
    description = "All modules, fonts, character sets … of families of which `presets` have the most common."
    profile = Profile.CAREFUL


def _homes(preset: Preset, paths: Iterable[bytes]) -> set[bytes]:
    """The homes of the program in `paths`; the root where a glob has none."""
    homes = set()
    for glob in preset.when:
        home, divided, rest = glob.rpartition(b"//")
        matches = compiled((posixpath.join(home, rest) if divided else glob,)).fullmatch
        depth = rest.count(b"/") + 1
        homes |= {_above(path, depth) if divided else b"/" for path in paths if matches(path)}
    return homes


def _above(path: bytes, depth: int) -> bytes:
    return b"/".join(path.split(b"/")[:-depth]) or b"/"


@functools.cache
def builtin(name: str = "presets") -> Sequence[Preset]:
    """The presets that come with cntr in the folder `name`, by file name."""
    folder = resources.files(__package__) / name
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return [preset for file in files for preset in parse(file.read_text("utf-8"), file.name)]


def parse(text: str, file: str) -> Iterator[Preset]:
    """The presets of one file, whose name is for messages.

    :raises PluginError: it is no TOML, or no list of presets.
    """
    try:
        for table in _list(tomllib.loads(text)["preset"]):
            yield _preset(**table)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PluginError(
            f"the presets in {file} cannot be read: {reason(error)}", "see docs/reference/slim-presets.md"
        ) from error


def _preset(name: str, when: list[str], keep: list[str], because: str, profile: str = Profile.BALANCED.value) -> Preset:
    for glob in _list(when):
        if not glob.startswith(("/", "**/")):
            raise ValueError(f"'{glob}' begins neither with / nor with **/")
    return Preset(name, tuple(map(os.fsencode, when)), tuple(map(os.fsencode, _list(keep))), because, Profile(profile))


def _list(value: list[Any]) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return value
