"""The corpus of the evaluation: its images, and how each is used, read from ``corpus/manifest/*.toml``.

A file of the manifest has the images of one kind: most are the fifty's, others a group of their own (`groups`). A step
is a probe (docs/reference/probes.md) whose scripts lie below ``corpus/``, or ``sh:`` and a few lines for the host's
bash, in ``corpus/clients``: a ``script:`` that is written in place.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cntr_slimmer.probes.spec import Probe, parse

from .groups import Group, group_of

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
ORIGINS = ("same", "fork", "substitute")
SHELL = f"#!/bin/bash\nset -euo pipefail\ncd '{CORPUS}/clients'\n"


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to start an image, with other variables or another command, and what is asked then: `broad` while it
    is traced, too, `check` never."""

    name: str
    env: Mapping[str, str]
    command: tuple[str, ...]
    broad: tuple[str, ...]
    check: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of the corpus.

    `origin` says whether `software` is what the `official` image has, a fork of it, or a substitute of the same kind.
    What is beyond the fifty stands for no other image: `official` is then its name in a registry that has it.
    `command` and `env` are what a user of the official image says in ``docker run``. The workloads: `minimal` is what
    a health check asks, `broad` what a good test suite asks, `check` other features of the same program, which are
    never asked while tracing; `variants` are part of the latter two. `seconds` is the time to become ready.
    """

    name: str
    kind: str
    official: str
    origin: str
    software: str
    recipe: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    seconds: float
    minimal: tuple[str, ...]
    broad: tuple[str, ...]
    check: tuple[str, ...]
    variants: tuple[Variant, ...]

    @property
    def stop_seconds(self) -> float:
        """Seconds to wait for its end: a shell or sleep that is the first process ignores the signal."""
        return 1.0 if self.command[:1] == ("sleep",) else 10.0


def entries(names: Iterable[str] = (), group: Group = Group.FIFTY) -> list[Entry]:
    """The images called `names`, or all of the group.

    :raises LookupError: there is none of a name.
    """
    known = {entry.name: entry for entry in _read_all()}
    if missing := [name for name in names if name not in known]:
        raise LookupError(f"the corpus has no image {missing[0]}")
    return [known[name] for name in names] or sorted(_of(group, known.values()), key=lambda entry: entry.name)


def _of(group: Group, every: Iterable[Entry]) -> Iterable[Entry]:
    return (entry for entry in every if group in (Group.ALL, group_of(entry.kind)))


def _read_all() -> Iterable[Entry]:
    folder = os.path.join(CORPUS, "manifest")
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), "rb") as opened:
            for name, words in tomllib.load(opened).items():
                yield _entry(name, file.removesuffix(".toml"), words)


def _entry(name: str, kind: str, words: dict[str, Any]) -> Entry:
    variants = tuple(
        Variant(
            title,
            variant.get("env", {}),
            *(tuple(variant.get(name, ())) for name in ("command", "broad", "check")),
        )
        for title, variant in words.pop("variants", {}).items()
    )
    workloads = {which: tuple(words.pop(which)) for which in ("minimal", "broad", "check")}
    defaults = {"official": f"{kind}/{name}", "origin": "same", "recipe": name, "env": {}, "seconds": 60.0}
    values = {**defaults, **words, "command": tuple(words.get("command", ()))}
    return Entry(name=name, kind=kind, variants=variants, **workloads, **values)


def probes(steps: Iterable[str], scripts: str) -> list[Probe]:
    """Steps as probes; what is written in place goes to programs in the directory `scripts`.

    :raises UsageError: a step is no probe.
    """
    return [parse(_placed(step, scripts)) for step in steps]


def _placed(step: str, scripts: str) -> str:
    scheme, separator, rest = step.partition(":")
    if separator and scheme == "sh":
        return f"script:{_written(rest, scripts)}"
    if separator and scheme == "script":
        return f"script:{os.path.join(CORPUS, rest)}"
    return step


def _written(lines: str, scripts: str) -> str:
    """The path of a program; the same lines have the same one."""
    text = f"{SHELL}{lines.strip()}\n".encode()
    path = os.path.join(scripts, f"{hashlib.sha256(text).hexdigest()[:16]}.sh")
    if not os.path.exists(path):
        os.makedirs(scripts, exist_ok=True)
        unfinished = f"{path}.{os.getpid()}"
        with open(unfinished, "wb") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o755)
        os.rename(unfinished, path)
    return path
