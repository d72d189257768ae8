"""JSON that others wrote: images, engines, registries, servers that are probed, files."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: bytes | str) -> Any:
    """The value that `text` spells. Whoever calls this limits how long the text is, and checks the value's types.

    :raises ValueError: it is no JSON, or one that Python's parser cannot follow: nested too deeply, or with a number of
        thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        if type(error) is ValueError:  # those of the text have types of their own
            raise ValueError("a number in it is too long") from None
        raise
