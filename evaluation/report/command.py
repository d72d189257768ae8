"""``python -m evaluation report``: writes the page."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from ..filesystem.results import RESULTS as TURNS
from ..filesystem.results import read_turns
from ..first_answer.results import RESULTS as ANSWERS
from ..first_answer.results import FirstAnswer, read_answers
from ..groups import BEYOND, Group
from ..machine import ROOT
from ..pages import Bound, read_bounds
from ..results import Result, read_results
from .document import Document
from .filesystem import filesystem_pages
from .measured import NOTHING, Measured, read_measured
from .numbers import Run
from .page import document, headline
from .session import NAME as SESSION
from .session import session_page

RESULTS = os.path.join(ROOT, "evaluation/results/top50")
MEASURED = os.path.join(ROOT, "evaluation/results")
BOUNDS = os.path.join(ROOT, "evaluation/results/pages.jsonl")
PLACE = os.path.join(ROOT, "docs/evaluation")
_MAIN = ("balanced", "broad")
_NOT_RUN = "No results are committed yet: python -m evaluation top50 makes them."
_MARKS = re.compile(r"(<!-- evaluation -->\n).*?(<!-- /evaluation -->)", re.DOTALL)

Files = Annotated[
    list[str] | None, typer.Argument(metavar="[RESULTS]...", help="Read these; default: all that are committed.")
]
Output = Annotated[str, typer.Option("--output", metavar="DIR", help="Write the page to this directory.")]


def report(results: Files = None, output: Output = PLACE) -> None:
    """Write the pages of the evaluation, as Markdown, as one file of HTML, and as pictures."""
    files = results or committed()
    runs = read_runs(files)
    os.makedirs(output, exist_ok=True)
    known = read_bounds(BOUNDS), beyond(files), read_answers(ANSWERS), read_measured(MEASURED)
    others = {**filesystem_pages(read_turns(TURNS)), SESSION: session_page(MEASURED)}
    for name, content in {**pages(runs, *known), **others}.items():
        with open(os.path.join(output, name), "w", encoding="utf-8") as file:
            file.write(content)
        typer.echo(os.path.join(output, name))
    if output == PLACE:
        _write_readme(sentence(runs))


def committed() -> list[str]:
    """The files with results that are part of the project."""
    names = sorted(os.listdir(RESULTS)) if os.path.isdir(RESULTS) else []
    return [os.path.join(RESULTS, name) for name in names if name.endswith(".jsonl")]


def read_runs(files: Sequence[str], group: Group = Group.FIFTY) -> list[Run]:
    """The group's results in `files`, a run for each way to slim; that of the default profile under the broad workload
    is the first."""
    runs: dict[tuple[str, ...], list[Result]] = {}
    for result in (result for file in files for result in read_results(file) if result.group is group):
        runs.setdefault((result.source, result.engine, result.keep, result.probe), []).append(result)
    return sorted(runs.values(), key=lambda run: ((run[0].keep or "balanced", run[0].probe) != _MAIN, run[0].key[1:]))


def beyond(files: Sequence[str]) -> list[Run]:
    """The run that counts of each group beyond the fifty."""
    return [runs[0] for group in BEYOND if (runs := read_runs(files, group))]


def pages(
    runs: Sequence[Run],
    bounds: Mapping[str, Bound],
    beyond: Sequence[Run] = (),
    answers: Sequence[FirstAnswer] = (),
    measured: Measured = NOTHING,
) -> Mapping[str, str]:
    """The files of the page by their names."""
    no_page = Document("Fifty images, slimmed and judged", _NOT_RUN, [])
    made = document(runs, bounds, beyond, answers, measured) if runs else no_page
    pictures = {figure.file: figure.svg for figure in made.figures()}
    return {"top50.md": made.markdown(), "top50.html": made.html(), **pictures}


def sentence(runs: Sequence[Run]) -> str:
    """What the README says of the results."""
    words = headline(runs[0]) if runs else _NOT_RUN
    return textwrap.fill(f"**The evaluation.** {words} See [the page](docs/evaluation/top50.md).", 120)


def readme_with(text: str, words: str) -> str:
    """The text of a README with `words` between its marks."""
    return _MARKS.sub(lambda match: f"{match[1]}{words}\n{match[2]}", text)


def _write_readme(words: str) -> None:
    path = os.path.join(ROOT, "README.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(readme_with(text, words))
