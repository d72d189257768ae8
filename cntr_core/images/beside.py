"""The image of another name in the place where one is."""

from __future__ import annotations

import os


def beside(reference: str, name: str) -> str:
    """The image called `name` where `reference` is: in the same archive, layout, engine or registry.

    >>> beside("registry://localhost:5000/web:slim", "web:fat")
    'registry://localhost:5000/web:fat'
    """
    scheme, separator, rest = reference.partition("://")
    if separator:
        host = rest.partition("/")[0] + "/" if scheme == "registry" else ""
        return f"{scheme}://{host}{name}"
    path = reference
    while path and not os.path.exists(path):
        path = path.rpartition(":")[0]
    return f"{path}:{name}" if path else name
