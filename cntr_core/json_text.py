"""JSON that others wrote: images, engines, registries, servers that are probed, files."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: bytes | str) -> Any:
    """The value that `text` spells. Whoever calls this limits how long the text is, and checks the value's types.

    :raises ValueError: it is no JSON, or one that is nested more deeply than Python's parser can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
