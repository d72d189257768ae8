"""What ``--json`` of the slimmer's commands prints, as types: see :mod:`cntr_core.cli.answers`."""

from __future__ import annotations

from typing import TypedDict


class Verified(TypedDict):
    """``cntr verify``: the original's layers by the digests of their tars, and the documents that are about it."""

    ok: bool
    layers: list[str]
    documents: list[str]


class Changed(TypedDict):
    """``cntr diff``: a path, the kind of its change, and what differs."""

    path: str
    kind: str
    what: list[str]


class Used(TypedDict):
    """``cntr trace show``: an access; `error` is empty where it succeeded."""

    seconds: float
    phase: str
    operation: str
    error: str
    path: str
    program: str


class UsedByOne(TypedDict):
    """``cntr trace diff``: the paths that only the first trace has, and only the second."""

    removed: list[str]
    added: list[str]
