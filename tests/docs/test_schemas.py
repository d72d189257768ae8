"""The schemas of what is written as JSON are those of the types, and hold for a report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.docs.generators.schemas import FORMATS, PLACE, file_of, schema_of
from tests.unit.slimmer.report.making import report


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_what_the_types_say(form: str) -> None:
    with open(file_of(form)) as file:
        assert file.read() == schema_of(form), "run: python -m tests.docs.generators.schemas"


def test_there_are_no_others() -> None:
    assert sorted(os.listdir(PLACE)) == sorted(os.path.basename(file_of(form)) for form in FORMATS)


def test_a_report_is_as_its_schema_says(tmp_path: Path) -> None:
    from jsonschema import ValidationError, validate

    written = json.loads(json.dumps(report(tmp_path).to_json()))
    schema = json.loads(schema_of(written["schema"]))
    validate(written, schema)
    for damaged in ({**written, "schema": "cntr-report/0"}, {**written, "files": [{"bytes": 1}]}):
        with pytest.raises(ValidationError):
            validate(damaged, schema)
