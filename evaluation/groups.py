"""The groups of images: the fifty of the paper's evaluation, and what goes beyond them. Each group has tables and means
of its own."""

from __future__ import annotations

import enum


class Group(enum.StrEnum):
    """What of the corpus is meant. A group beyond the fifty is a kind of image, and so a file of the manifest."""

    FIFTY = "fifty"
    ML = "ml"
    FUNCTIONS = "functions"
    ALL = "all"


BEYOND = (Group.ML, Group.FUNCTIONS)


def group_of(kind: str) -> Group:
    """The group that images of this kind belong to."""
    return Group(kind) if kind in BEYOND else Group.FIFTY
