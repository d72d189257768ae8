"""The schemas below docs/reference/schemas: what the program writes as JSON, from the types that it writes.

python -m tests.docs.generators.schemas     writes them again
"""

from __future__ import annotations

import json
import os

import msgspec
from cntr_slimmer.batch import summary
from cntr_slimmer.commands import answers
from cntr_slimmer.report import lookup
from cntr_slimmer.report import schema as report

from cntr_core.cli import answers as core
from tests.docs.generators import hooks

PLACE = os.path.join(hooks.ROOT, "docs/reference/schemas")
ANSWERS = {
    "cntr-list/1": list[core.ListedContainer],
    "cntr-engines/1": list[core.ListedEngine],
    "cntr-plugins/1": list[core.ListedPlugin],
    "cntr-doctor/1": list[core.Checked],
    "cntr-error/1": core.Failure,
    "cntr-verify/1": answers.Verified,
    "cntr-diff/1": list[answers.Changed],
    "cntr-why/1": lookup.Explained,
    "cntr-trace-show/1": list[answers.Used],
    "cntr-trace-diff/1": answers.UsedByOne,
    "cntr-toolbox-build/1": core.BuiltToolbox,
}
"""What ``--json`` prints; only the name of a schema has its version."""
FILES = {report.SCHEMA: report.Report, summary.SCHEMA: summary.Summary}
"""Documents that name their schema."""
FORMATS = {**FILES, **ANSWERS}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_of(form: str) -> str:
    """The file of the format ``NAME/VERSION``."""
    return os.path.join(PLACE, f"{form.replace('/', '-')}.json")


def schema_of(form: str) -> str:
    """The schema of a format, as its file has it. A field that is not named there may come later."""
    found = msgspec.json.schema(FORMATS[form])
    if form in FILES:
        fields = found["$defs"][FILES[form].__name__]
        fields["properties"]["schema"] = {"const": form}
        fields["required"] = sorted({*fields["required"], "schema"})
    return json.dumps({"$schema": _DIALECT, "title": form, **found}, indent=1) + "\n"


if __name__ == "__main__":
    os.makedirs(PLACE, exist_ok=True)
    for each in FORMATS:
        with open(file_of(each), "w") as target:
            target.write(schema_of(each))
