"""Where an image is, and the image of another name in the same place."""

from __future__ import annotations

import os


def locate(reference: str) -> tuple[str, str]:
    """Split ``PATH[:NAME]``; both are empty where no file is meant."""
    if os.path.exists(reference):
        return reference, ""
    end = reference.find(":")
    while end != -1:
        if os.path.exists(reference[:end]):
            return reference[:end], reference[end + 1 :]
        end = reference.find(":", end + 1)
    return "", ""


def absolute(reference: str) -> str:
    """`reference`, with the whole path where it means a file: it means the same one in every directory."""
    path, _ = locate(reference)
    return os.path.abspath(path) + reference[len(path) :] if path else reference


def sibling(reference: str, name: str) -> str:
    """The image called `name` where `reference` is: in the same archive, layout, engine or registry.

    >>> sibling("registry://localhost:5000/web:slim", "web:fat")
    'registry://localhost:5000/web:fat'
    """
    scheme, separator, rest = reference.partition("://")
    if separator:
        host = rest.partition("/")[0] + "/" if scheme == "registry" else ""
        return f"{scheme}://{host}{name}"
    path, _ = locate(reference)
    return f"{path}:{name}" if path else name
