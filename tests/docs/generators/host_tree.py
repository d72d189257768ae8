"""Renders docs/reference/host-tree.md from the list in the sources: ``python -m tests.docs.generators.host_tree``."""

from __future__ import annotations

import os
from pathlib import Path

from cntr_core.session import host_tree

PAGE = os.fspath(Path(__file__).resolve().parents[3] / "docs/reference/host-tree.md")

_INTRODUCTION = """\
# What is shown of the host

With `--tools host`, the default, a session shows of the host's tree what tools need and nothing else: processes of the
container that may trace the session's (the same user and capabilities, or `CAP_SYS_PTRACE`) read it, too. Everything
that is not in these lists is absent: other home directories, `/var/lib/docker`, `/srv`, `/data`, `shadow`, SSH's keys …
`--tools dir:/` shows everything, and so does `--rw-tools`. `--writable-tools` adds the settings of
`apt-get` ([install in a session](../how-to/toolbox.md#install-in-a-session)).

This page is written by `python -m tests.docs.generators.host_tree` from `cntr_core/session/host_tree.py`, and a test
compares them. `*` stands for any characters within a name.

Besides these lists a session shows, links followed:

- the directories of your `PATH` (without files whose names begin with a dot), and beside one called `bin` or `sbin`
  {prefix};
- programs of your own that links in these directories lead to;
- a program that you name by its path: `cntr attach web -- /home/ann/check.sh` shows that file.

Neither shows anything below `/etc` and `/var`, a home directory itself, or a directory that holds one.
"""


def page() -> str:
    """The whole page."""
    prefix = ", ".join(f"`{name}`" for name in host_tree.PREFIX)
    return "\n".join(
        (
            _INTRODUCTION.format(prefix=prefix),
            "## Settings\n\nOnly what every user of the host may read, and no name that keys or passwords have.\n",
            _table(host_tree.PUBLIC, "/"),
            "## Programs\n\nWith everything below them.\n",
            _table(host_tree.WHOLE, "/"),
            "## Your home directory\n\nYours, and that of who became root by `sudo`.\n",
            _table(host_tree.HOME, "~/"),
        )
    )


def _table(lines: dict[str, tuple[str, ...]], root: str) -> str:
    rows = [f"| {why} | {', '.join(f'`{root}{path}`' for path in paths)} |" for why, paths in lines.items()]
    return "\n".join(("| what for | paths |", "|---|---|", *rows, ""))


if __name__ == "__main__":
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page())
