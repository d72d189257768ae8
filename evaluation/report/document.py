"""A page as a value, and its two forms: Markdown and one file of HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1f2328; --muted: #59636e; --line: #d1d9e0; --stripe: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --text: #e6edf3; --muted: #9198a1; --line: #3d444d; --stripe: #151b23; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { overflow-wrap: normal; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
tr:nth-child(even) td { background: var(--stripe); }
td.figure { white-space: nowrap; }
td.long { min-width: 14rem; overflow-wrap: anywhere; }
figure { display: inline-block; margin: 1rem 1rem 1rem 0; max-width: 100%; vertical-align: top; }
p.note { color: var(--muted); }
"""


_FIGURE = re.compile(r"[\d.,]+( (%|MB|s|min|of [\d.,]+))?")
_LONG = re.compile(r"\S{30}")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below their columns' names."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as SVG, and the name of its own file, for Markdown."""

    svg: str
    file: str
    title: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and below it paragraphs, tables and figures."""

    title: str
    parts: Sequence[str | Table | Figure]


@dataclass(frozen=True, slots=True)
class Document:
    """A page: its title, a sentence on how it was made, and its sections."""

    title: str
    note: str
    sections: Sequence[Section]

    def figures(self) -> Iterator[Figure]:
        """All its pictures."""
        return (part for section in self.sections for part in section.parts if isinstance(part, Figure))

    def markdown(self) -> str:
        """The page for the documentation."""
        blocks = [f"# {self.title}", self.note]
        for section in self.sections:
            blocks += [f"## {section.title}", *map(_markdown, section.parts)]
        return "\n\n".join(blocks) + "\n"

    def html(self) -> str:
        """The page in one file, which needs no other."""
        body = [f"<h1>{escape(self.title)}</h1>", f'<p class="note">{escape(self.note)}</p>']
        for section in self.sections:
            body += [f"<h2>{escape(section.title)}</h2>", *map(_html, section.parts)]
        head = (
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(self.title)}</title>\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n'
        )
        return head + "\n".join(body) + "\n</html>\n"


def _markdown(part: str | Table | Figure) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Figure):
        return f"![{part.title}]({part.file})"
    head, *rows = ([_cell(text) for text in line] for line in (part.columns, *part.rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def _cell(text: str) -> str:
    """Text that stays what it is in a cell of Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_[]<|" else c for c in _plain(text))


def _plain(text: str) -> str:
    """One line without control characters: programs print what they like."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def _html(part: str | Table | Figure) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if isinstance(part, Figure):
        return f"<figure>{part.svg}</figure>"
    head = "".join(f"<th>{escape(column)}</th>" for column in part.columns)
    rows = ("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in part.rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{chr(10).join(rows)}\n</table></div>'


def _html_cell(text: str) -> str:
    """A figure, with its unit, stays in one line; a path may be broken anywhere."""
    kind = "figure" if _FIGURE.fullmatch(text) else "long" if _LONG.search(text) else ""
    opening = f'<td class="{kind}">' if kind else "<td>"
    return f"{opening}{escape(_plain(text))}</td>"
