"""Recipes of images: a directory below ``images/`` each, with ``image.toml`` and the files that it copies.

Standard library alone.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.path.join(HERE, "images")


@dataclass(frozen=True, slots=True)
class Layer:
    """What a layer adds, in this order: Debian `packages`, the files below the directory `copy`, and what shell `hooks`
    on the host do with the root, which is their $1. $PYTHON is the interpreter with a pip, $HERE the recipe."""

    packages: tuple[str, ...] = ()
    copy: str = ""
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image: below are all layers of the recipe `parent`, or one of Debian's bases (``debian``, ``slim``), or
    nothing (``scratch``); then come `layers` of its own. `config` is the image's, and nothing of its parent's."""

    name: str
    parent: str
    base: str
    layers: tuple[Layer, ...]
    config: dict[str, Any]


def names() -> list[str]:
    """All recipes."""
    return sorted(name for name in os.listdir(IMAGES) if os.path.exists(os.path.join(IMAGES, name, "image.toml")))


def read(name: str) -> Recipe:
    """The recipe called `name`."""
    here = os.path.join(IMAGES, name)
    with open(os.path.join(here, "image.toml"), "rb") as file:
        words = tomllib.load(file)
    layers = tuple(
        Layer(
            packages=tuple(layer.get("packages", ())),
            copy=os.path.join(here, layer["copy"]) if "copy" in layer else "",
            hooks=tuple(layer.get("hooks", ())),
        )
        for layer in words.get("layers", ())
    )
    return Recipe(name, words.get("parent", ""), words.get("base", "debian"), layers, words["config"])


def lineage(name: str) -> list[str]:
    """The recipe called `name` after its parents, the lowest first."""
    found = [name]
    while parent := read(found[0]).parent:
        found.insert(0, parent)
    return found


def parents() -> set[str]:
    """All recipes that others build upon."""
    return {read(name).parent for name in names()} - {""}


def fingerprint(name: str) -> str:
    """Changes with the recipe, its parents, the files that they copy, and the program that builds them."""
    return _digest([*_files(name), *(os.path.join(HERE, file) for file in ("build.py", "layers.py", "recipes.py"))])


def layers_fingerprint(name: str) -> str:
    """The same for the layers alone: how an image is packed does not count."""
    return _digest([*_files(name), os.path.join(HERE, "layers.py")])


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as file:
            content = file.read()
        mode = os.stat(path).st_mode
        digest.update(f"{os.path.relpath(path, HERE)} {mode:o} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _files(name: str) -> Iterator[str]:
    for recipe in lineage(name):
        for folder, _, files in os.walk(os.path.join(IMAGES, recipe)):
            yield from (os.path.join(folder, file) for file in files)
