"""What ``--json`` prints, as types. A field may be added; where another changes, the version of its schema does.

``cntr schema`` makes a JSON Schema of each; docs/reference/schemas has them.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class ListedContainer(TypedDict):
    """``cntr list``: a container; `image` is its name, empty where the engine knows none."""

    engine: str
    id: str
    name: str
    state: str
    image: str
    labels: dict[str, str]


class ListedEngine(TypedDict):
    """``cntr engines``: an engine, and what it answered."""

    engine: str
    available: bool
    detail: str
    hint: str
    endpoint: str


class ListedPlugin(TypedDict):
    """``cntr plugins``: a plugin; `failure` says why it does not work."""

    plugin: str
    distribution: str
    version: str
    offers: list[str]
    failure: str


class Checked(TypedDict):
    """``cntr doctor``: what was looked at; attach cannot work without what is `needed`."""

    area: str
    name: str
    ok: bool
    needed: bool
    detail: str
    remedy: str


class Error(TypedDict):
    """An error; `code` is its name, which does not change."""

    code: str
    message: str
    hint: str
    exit_code: int


class Failure(TypedDict):
    """What every command prints where it has no answer."""

    schema: Literal[1]
    error: Error


class ToolboxPackage(TypedDict):
    """A package of a toolbox."""

    name: str
    version: str


class BuiltToolbox(TypedDict):
    """``cntr toolbox build``: `tools` is the word for ``--tools``, `size` the layer's bytes, `diff_id` its digest."""

    schema: Literal[1]
    tools: str
    size: int
    diff_id: str
    packages: list[ToolboxPackage]


class LeftOut(TypedDict):
    """A path that was not copied."""

    path: str
    why: str


class Copied(TypedDict):
    """``cntr cp``: how many were copied, and the files' bytes; `left_out` has the first of the `left_out_count`."""

    source: str
    destination: str
    files: int
    directories: int
    others: int
    bytes: int
    left_out: list[LeftOut]
    left_out_count: int
