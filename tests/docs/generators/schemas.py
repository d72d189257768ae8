"""The schemas below docs/reference/schemas: what ``cntr schema`` prints.

python -m tests.docs.generators.schemas     writes them again
"""

from __future__ import annotations

import json
import os

from cntr_slimmer.commands.formats import formats, schema_of

from tests.docs.generators import hooks

PLACE = os.path.join(hooks.ROOT, "docs/reference/schemas")


def file_of(form: str) -> str:
    """The file of the format ``NAME/VERSION``."""
    return os.path.join(PLACE, f"{form.replace('/', '-')}.json")


def text_of(form: str) -> str:
    """What the file of a format has."""
    return json.dumps(schema_of(form), indent=1) + "\n"


if __name__ == "__main__":
    os.makedirs(PLACE, exist_ok=True)
    for each in formats():
        with open(file_of(each), "w") as target:
            target.write(text_of(each))
