"""The commands that a page shows, and whether what they print is what it says, numbers aside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """A command and the lines below it."""

    command: str
    printed: tuple[str, ...]

    def lacking(self, output: str) -> list[str]:
        """The lines that the page shows, and `output` has none like."""
        printed = [plain(line) for line in output.splitlines()]
        expected = filter(None, map(plain, self.printed))
        return [line for line in expected if line not in ("...", "…") and line not in printed]


def shown_in(text: str) -> Iterator[Shown]:
    """The commands of a page: lines that begin with a prompt, in blocks marked ``console``."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        entries: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith(("# ", "$ ")):
                entries.append((line[2:], []))
            elif entries:
                entries[-1][1].append(line)
        for command, printed in entries:
            yield Shown(command, tuple(printed))


def plain(line: str) -> str:
    """A line without what differs from run to run: numbers, times, addresses, the width of columns."""
    return re.sub(r"\s+", " ", re.sub(r"0x[0-9a-f]+|[0-9a-f]{12,}|\d+", "0", line)).strip()
