"""The page docs/reference/engines.md: which container does what, by the contract of sessions.

python -m tests.docs.generators.engines               runs the contract in all containers, keeps the results as JSON,
                                                      and writes the page of them again
python -m tests.docs.generators.engines --collect     prints which containers and features there are, and runs nothing
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.support.matrix import container_of, is_of_contract

ROOT = os.fspath(Path(__file__).resolve().parents[3])
PAGE = os.path.join(ROOT, "docs", "reference", "engines.md")
RESULTS = os.path.join(ROOT, "evaluation", "results", "engines.json")
FEATURES = {
    "tools_of_the_host": "`--tools host`",
    "tools_of_a_directory": "`dir:`",
    "tools_of_an_image": "`image:`",
    "filesystem[pyfuse3]": "`--fs pyfuse3`",
    "filesystem[direct]": "`direct`",
    "filesystem[kernel]": "`kernel`",
    "exec_runs_a_program_of_the_container": "`exec`",
    "exit_code": "exit codes",
    "bytes_pass_pipes_unchanged": "pipes",
    "terminal": "terminal",
    "ids": "ids",
    "capabilities": "capabilities",
    "no_new_privileges": "no_new_privs",
    "cgroups": "cgroups",
    "namespaces": "namespaces",
    "files_of_the_container_both_ways": "files",
    "nothing_is_left": "nothing left",
}
"""The tests of the contract, and what they are called on the page."""

HEAD = """# Supported features by engine

Made of the results of `cntr_core.testing.SessionContract`, which runs the program in a real container of each kind
(`evaluation/results/engines.json`); a test keeps this page equal to them, and the kinds equal to those that are tested.

"""
TAIL = """
✓ the test passed. *files*: those of the container below `/var/lib/cntr`, both ways. *nothing left*: mounts and
processes of the container, and mounts of the caller, after the end, SIGTERM and SIGKILL. All namespaces but mnt, all
ids and capabilities, `no_new_privs` and the cgroups are the container's own.

Tested otherwise: `incus`, which has no package for Debian 12, against LXD's API and recorded answers; `rkt`, which is
no longer maintained, on recorded output. More of `podman` [without root](../how-to/without-root.md). Some engines have
a page: [containerd](engines/containerd.md), [kubernetes](engines/kubernetes.md), [lxc](engines/lxc.md), [lxd and
incus](engines/lxd.md), [nspawn](engines/nspawn.md), [command](engines/command.md), [rkt](engines/rkt.md).
"""

Results = dict[str, dict[str, str]]
"""Of each container, each feature: "" where it works, else why it does not."""


class _Recorder:
    """A pytest plugin that keeps the contract's tests alone, and what becomes of them."""

    def __init__(self) -> None:
        self.results: Results = {}
        self._of: dict[str, tuple[str, str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if is_of_contract(item)]
        for item in items:
            container, feature = container_of(item), _feature(item.name)
            self._of[item.nodeid] = container, feature
            self.results.setdefault(container, {}).setdefault(feature, "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        container, feature = self._of[report.nodeid]
        if report.skipped:
            assert isinstance(report.longrepr, tuple)
            self.results[container][feature] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.failed:
            self.results[container][feature] = "failed"


def _feature(test: str) -> str:
    name = test.removeprefix("test_")
    return name if name.startswith("filesystem") else name.partition("[")[0]


def collected(*options: str) -> Results:
    """The results of the contract's tests, all "" with ``--collect-only``."""
    recorder = _Recorder()
    words = ["-q", "-p", "no:cacheprovider", "--matrix", *options, os.path.join(ROOT, "tests/integration/engines")]
    code = pytest.main(words, plugins=[recorder])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), code
    return recorder.results


def render(results: Mapping[str, Mapping[str, str]]) -> str:
    """The page."""
    notes: list[str] = []
    rows = [f"| {name} | {' | '.join(_cells(results[name], notes))} |" for name in sorted(results, key=str.lower)]
    table = [f"| container | {' | '.join(FEATURES.values())} |", "|---" * (len(FEATURES) + 1) + "|", *rows]
    reasons = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return HEAD + "\n".join([*table, "", *reasons]).rstrip() + "\n" + TAIL


def _cells(found: Mapping[str, str], notes: list[str]) -> Iterable[str]:
    for feature in FEATURES:
        reason = found[feature]
        if reason and reason not in notes:
            notes.append(reason)
        yield f"no ({notes.index(reason) + 1})" if reason else "✓"


def stored() -> Results:
    """The results that the page is made of."""
    with open(RESULTS, encoding="utf-8") as file:
        results: Results = json.load(file)["containers"]
        return results


def main() -> None:
    if sys.argv[1:] == ["--collect"]:
        results = collected("--collect-only", "-qqq")
        print(json.dumps(results))
        return
    results = collected()
    document = {"experiment": "engines", "kernel": platform.release(), "containers": results}
    with open(RESULTS, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(render(results))


if __name__ == "__main__":
    main()
