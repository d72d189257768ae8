"""Recipes of images: a directory below ``images/`` each, with ``image.toml`` and the files that it copies."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from typing import Any

IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")


@dataclass(frozen=True, slots=True)
class Layer:
    """What a layer adds, in this order: Debian `packages`, the files below the directory `copy`, and what shell `hooks`
    on the host do with the root, which is their $1. $PYTHON is the interpreter with a pip, $HERE the recipe."""

    packages: tuple[str, ...] = ()
    copy: str = ""
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image: Debian's minbase below (unless it is from `scratch`), `layers` on top, and its `config`."""

    config: dict[str, Any]
    layers: tuple[Layer, ...]
    scratch: bool


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
    return Recipe(words["config"], layers, words.get("scratch", False))
