"""The schemas of what is written as JSON are those of the types, and hold for a report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from cntr_slimmer.commands.formats import answers, formats, schema_of
from cntr_slimmer.report.lookup import why
from cntr_slimmer.trace.file import write

from tests.docs.generators.cli import COMMANDS, help_of
from tests.docs.generators.schemas import PLACE, file_of, text_of
from tests.support.cntr import cntr, output
from tests.unit.images.layouts import file, layout, tar
from tests.unit.slimmer.report.making import report, slimmed


@pytest.mark.parametrize("form", formats())
def test_a_file_is_what_the_types_say(form: str) -> None:
    with open(file_of(form)) as file:
        assert file.read() == text_of(form), "run: python -m tests.docs.generators.schemas"


def test_there_are_no_others() -> None:
    assert sorted(os.listdir(PLACE)) == sorted(os.path.basename(file_of(form)) for form in formats())


def test_the_program_has_them() -> None:
    listed = output("schema").splitlines()
    assert listed == [*formats()]
    for form in listed:
        assert json.loads(output("schema", form)) == json.loads(text_of(form))
    assert cntr("schema", "cntr-none/1").returncode == 125


def test_each_answer_has_one() -> None:
    """``cntr slim`` prints the report."""
    printing = [command for command in COMMANDS if "--json" in help_of(command).split()]
    assert len(printing) > 5
    named = {f"cntr-{command.replace(' ', '-')}/1" for command in printing if command != "slim"}
    assert named | {"cntr-error/1"} == {*answers()}


def test_a_report_is_as_its_schema_says(tmp_path: Path) -> None:
    from jsonschema import ValidationError, validate

    written = json.loads(json.dumps(report(tmp_path).to_json()))
    schema = schema_of(written["schema"])
    validate(written, schema)
    for damaged in ({**written, "schema": "cntr-report/0"}, {**written, "files": [{"bytes": 1}]}):
        with pytest.raises(ValidationError):
            validate(damaged, schema)


def holds(form: str, printed: str) -> object:
    """What a call printed, which must be as its schema says, and have no field more than that."""
    from jsonschema import ValidationError, validate

    found = json.loads(printed)
    validate(found, schema_of(form))
    assert msgspec.convert(found, formats()[form], strict=True) == found
    with pytest.raises(ValidationError):
        validate([{}] if isinstance(found, list) else {}, schema_of(form))
    return found


@pytest.mark.parametrize("command", ["list", "engines", "plugins", "doctor"])
def test_what_is_listed_is_as_its_schema_says(command: str) -> None:
    result = cntr(command, "--json", *(["--all"] if command == "list" else []))
    found = holds(f"cntr-{command}/1", result.stdout.decode())
    assert found or command == "list"


def test_an_error_is_as_its_schema_says() -> None:
    result = cntr("list", "--engine", "none", "--json")
    assert result.returncode == 125
    holds("cntr-error/1", result.stdout.decode())


def test_an_explanation_is_as_its_schema_says(tmp_path: Path) -> None:
    made = report(tmp_path)
    for path in ("/usr/bin/app", "/usr/share", "/nowhere", "/bin/sh"):
        holds("cntr-why/1", json.dumps(why(made, path).to_json()))


def test_images_and_traces_are_compared_as_the_schemas_say(tmp_path: Path) -> None:
    one = layout(tmp_path / "one", tar(file("a", b"a"), file("b", b"b")))
    other = layout(tmp_path / "other", tar(file("a", b"c")))
    differing = cntr("diff", one, other, "--json")
    assert holds("cntr-diff/1", differing.stdout.decode())
    with slimmed(tmp_path / "slim") as (result, _):
        write(result.trace, str(tmp_path / "trace"))
    assert holds("cntr-trace-show/1", output("trace", "show", str(tmp_path / "trace"), "--json"))
    holds("cntr-trace-diff/1", output("trace", "diff", str(tmp_path / "trace"), str(tmp_path / "trace"), "--json"))
