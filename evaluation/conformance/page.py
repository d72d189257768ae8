"""The page of the suites' results: how many tests pass by each mount, and why others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..report.document import Document, Section, Table

REASONS = {
    "003": "a mount that becomes read-only does not tell the server: the mount below goes on noting times of access "
    "(`fuse_iget` sets S_NOATIME, fs/fuse/inode.c)",
    "424": "the attributes of statx(2) are not in its message (`fuse_do_statx`, fs/fuse/dir.c)",
    "477": "handles do not outlive the mount: they are a number and a generation (`fuse_encode_fh`, fs/fuse/inode.c)",
    "777": "as 477",
}
"""Why a test that passes on ext4 fails."""


def new_failures(run: Mapping[str, Any], native: Mapping[str, Any]) -> list[str]:
    """The tests of a run that fail, and pass on the filesystem below."""
    return [test for test in run["failed"] if test in native["passed"]]


def document(pjdfstest: Mapping[str, Any], xfstests: Mapping[str, Any]) -> Document:
    """The page, from the committed results of both."""
    native = xfstests["runs"]["native"]
    new = {name: new_failures(run, native) for name, run in xfstests["runs"].items()}
    note = (
        f"pjdfstest {pjdfstest['commit'][:10]} by python evaluation/conformance/run.py, xfstests "
        f"{xfstests['commit'][:10]}, generic tests of the group quick, by python evaluation/conformance/xfstests.py; "
        f"Linux {xfstests['kernel']}, on {xfstests['native']}. Each suite is given by the path of its source. Made by "
        "python -m evaluation reproduce from the committed results."
    )
    return Document("Conformance", note, [_pjdfstest(pjdfstest), _xfstests(xfstests, new), _not_run(xfstests)])


def _pjdfstest(results: Mapping[str, Any]) -> Section:
    rows = [[name, str(run["assertions"]), str(len(run["not_native"]))] for name, run in results["runs"].items()]
    return Section("pjdfstest", [Table(["mount", "assertions", "files with failures that native does not have"], rows)])


def _xfstests(results: Mapping[str, Any], new: Mapping[str, list[str]]) -> Section:
    rows = [
        [name, str(len(run["passed"])), str(len(run["failed"])), ", ".join(new[name]) or "none"]
        for name, run in results["runs"].items()
    ]
    failing = sorted({test for tests in new.values() for test in tests})
    reasons = Table(["test", "why"], [[test, REASONS[test]] for test in failing])
    words = (
        "ext4 is mounted by the same helper, in the same configuration (FSTYP=fuse). All were asked what by `direct` "
        "could run; what the others cannot run is below. The four that the paper's server failed (228, 375, 391, 426) "
        "pass by `direct`."
    )
    return Section("xfstests", [words, Table(["mount", "passed", "failed", "failed, and ext4 passes"], rows), reasons])


def _not_run(results: Mapping[str, Any]) -> Section:
    rows = [[why.replace("\n", " "), str(len(tests))] for why, tests in _reasons(results)]
    words = (
        "The `kernel` backend is read-only, and each test of both suites begins with making files: what it shows is "
        "compared with the directory below by tests of our own. `pyfuse3` with a union was not run, for time, "
        "and of the group auto what is not in quick. CI has no sources of the suites: `tests/mounted/test_calls.py`, "
        "`test_api.py` and `test_handles.py` ask the same there, in ten seconds, beside `test_differential.py`. "
        "Of the group, the suite itself does not run by `direct`, for the reasons that it gives:"
    )
    return Section("Not run", [words, Table(["why", "tests"], rows)])


def _reasons(results: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    not_run: Mapping[str, list[str]] = results["runs"]["direct-passthrough"]["not run"]
    return sorted(not_run.items(), key=lambda one: (-len(one[1]), one[0]))
