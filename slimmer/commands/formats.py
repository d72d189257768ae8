"""``cntr schema``: what is written as JSON, as JSON Schemas, from the types that it is written of."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

from typing import Annotated, Any

import typer

from cntr_core.cli import output

from .completion import complete_format

Format = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        autocompletion=complete_format,
        help="Print the schema of this format; default: list their names.",
        show_default=False,
    ),
]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(name: Format = None, debug: output.Debug = False) -> int:
    """Print the JSON Schema of a format that cntr writes, or list the formats.

    The number in a name is the version: it changes where a field's meaning does.
    """
    from cntr_core.errors import UsageError

    known = formats()
    if name is None:
        output.print_answer(False, None, known)
    elif name in known:
        output.print_json(schema_of(name))
    else:
        raise UsageError(f"no format is called {name!r}", "see cntr schema")
    return 0


def formats() -> dict[str, Any]:
    """The types of all formats, by name and version."""
    return {**documents(), **answers()}


def documents() -> dict[str, type]:
    """The files that name their format in their field ``schema``, by that."""
    from ..batch import summary
    from ..report import schema as report

    return {report.SCHEMA: report.Report, summary.SCHEMA: summary.Summary}


def answers() -> dict[str, Any]:
    """What ``--json`` prints, by the format that only its schema names."""
    from cntr_core.cli import answers as core

    from ..report import lookup
    from . import answers as own

    return {
        "cntr-list/1": list[core.ListedContainer],
        "cntr-engines/1": list[core.ListedEngine],
        "cntr-plugins/1": list[core.ListedPlugin],
        "cntr-doctor/1": list[core.Checked],
        "cntr-error/1": core.Failure,
        "cntr-cp/1": core.Copied,
        "cntr-toolbox-build/1": core.BuiltToolbox,
        "cntr-verify/1": own.Verified,
        "cntr-diff/1": list[own.Changed],
        "cntr-why/1": lookup.Explained,
        "cntr-trace-show/1": list[own.Used],
        "cntr-trace-diff/1": own.UsedByOne,
    }


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a format. A field that it does not name may come later."""
    import msgspec

    files = documents()
    found = msgspec.json.schema(formats()[name])
    if name in files:
        fields = found["$defs"][files[name].__name__]
        fields["properties"]["schema"] = {"const": name}
        fields["required"] = sorted({*fields["required"], "schema"})
    return {"$schema": _DIALECT, "title": name, **found}
