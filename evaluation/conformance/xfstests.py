"""Run xfstests' generic tests on ext4 and on our mounts of it, and report what ext4 passes and we do not.

Both run in one configuration (FSTYP=fuse) and on one backing, so the mount is the only difference. The suite is a built
checkout (``make``; Debian: acl attr xfslibs-dev uuid-dev libtool-bin quota gawk dbench indent psmisc libaio-dev
libacl1-dev libcap-dev libgdbm-dev xfsprogs e2fsprogs automake make gcc bc). It runs as root, in a mount namespace of
its own: users, the helper of mount(8) and all mounts are seen there alone, and gone afterwards. Usage::

    python evaluation/conformance/xfstests.py --source PATH [--run direct-passthrough]… [--tests 003,120]

Results are added to those of the output, test by test: what has an outcome there is not run again but with --again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cntr_slimmer.runs.embedded import become_private

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "results" / "xfstests.json"
RUNS = ("native", "direct-passthrough", "direct-union", "pyfuse3-passthrough", "pyfuse3-union")
_USERS = ("fsgqa", "fsgqa2", "123456-fsgqa")
_PLACES = ("test", "scratch")
_START = re.compile(r"^generic/(\d+)\s*(.*)", re.DOTALL)
_MEMBERS = re.compile(r"^_begin_fstest(.*)$", re.MULTILINE)
_WORDS = 600
_PATHS = re.compile(r"/\S*/xfstests-\w+/(?:mounted|results)/|/\S*/(?=(?:src|tests)/)")
_DF = """#!/bin/sh
/bin/df "$@" | sed -E 's/ ({type}) / fuse /'
"""  # the suite asks for FSTYP alone
_NOTHING = "#!/bin/sh\n"  # it wipes a device, and makes no filesystem for FSTYP=fuse


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended: "passed", "failed" or "not run", and why."""

    test: str
    kind: str
    words: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", required=True, type=Path, help="a built checkout of xfstests")
    parser.add_argument("--run", action="append", choices=RUNS, help="default: all")
    parser.add_argument("--group", default="quick", help="tests of this group of the suite")
    parser.add_argument("--tests", help="these tests instead: numbers with commas between")
    parser.add_argument("--again", action="store_true", help="run also what has an outcome")
    parser.add_argument("--limit", type=int, default=300, help="seconds that a test may take")
    parser.add_argument("--size", default="3G", help="of each of the two filesystems below")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp"), help="where they are made; not /tmp")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    become_private()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = options.tests.split(",") if options.tests else _group(options.source, options.group)
    report = _report(options)
    for run in options.run or RUNS:
        known = report["runs"].setdefault(run, {"passed": [], "failed": {}, "not run": {}})
        left = [test for test in tests if options.again or not _is_known(known, test)]
        if run == "native":
            left = [test for test in left if not _nobody_ran(report["runs"], test)]
        _measure(options, report, run, left)
    return 0


def _group(source: Path, group: str) -> list[str]:
    """The numbers of the generic tests of a group."""
    tests = sorted(path for path in source.glob("tests/generic/*") if path.name.isdigit())
    return [test.name for test in tests if group in " ".join(_MEMBERS.findall(test.read_text())).split()]


def _report(options: argparse.Namespace) -> dict[str, Any]:
    """What is known so far, or the beginning of it."""
    if options.output.exists():
        report: dict[str, Any] = json.loads(options.output.read_text())
        return report
    commit = subprocess.run(["git", "-C", str(options.source), "rev-parse", "HEAD"], capture_output=True, text=True)
    return {
        "suite": "xfstests",
        "commit": commit.stdout.strip(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "native": "ext4",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "runs": {},
    }


def _is_known(run: Mapping[str, Any], test: str) -> bool:
    return test in run["passed"] or test in run["failed"] or any(test in tests for tests in run["not run"].values())


def _nobody_ran(runs: Mapping[str, Any], test: str) -> bool:
    """Whether there are other runs, and the test could be run in none of them: native's outcome is of no use then."""
    others = [run for name, run in runs.items() if name != "native" and _is_known(run, test)]
    return bool(others) and not any(test in run["passed"] or test in run["failed"] for run in others)


def _measure(options: argparse.Namespace, report: dict[str, Any], run: str, tests: Sequence[str]) -> None:
    """Run the tests; each outcome is written when it is there."""
    with tempfile.TemporaryDirectory(prefix="xfstests-", dir=options.work) as work, ExitStack() as stack:
        environment = _prepare(stack, Path(work), run, options.size)
        for outcome in _outcomes(options.source, environment, tests, options.limit):
            _note(report["runs"][run], outcome)
            print(run, outcome.test, outcome.kind, outcome.words.partition("\n")[0], flush=True)
            options.output.write_text(json.dumps(report, indent=1) + "\n")


def _note(run: dict[str, Any], outcome: Outcome) -> None:
    run["passed"] = [test for test in run["passed"] if test != outcome.test]
    run["failed"].pop(outcome.test, None)
    run["not run"] = {
        why: left for why, tests in run["not run"].items() if (left := [test for test in tests if test != outcome.test])
    }
    if outcome.kind == "passed":
        run["passed"] = sorted([*run["passed"], outcome.test])
    elif outcome.kind == "failed":
        run["failed"] = dict(sorted([*run["failed"].items(), (outcome.test, outcome.words)]))
    else:
        run["not run"].setdefault(outcome.words, []).append(outcome.test)


# The place


def _prepare(stack: ExitStack, work: Path, run: str, size: str) -> dict[str, str]:
    """Make users, helper and filesystems; the environment of the suite."""
    backend, _, tree = run.partition("-")
    work.chmod(0o755)  # the suite's users have to get there
    devices = {name: stack.enter_context(_ext4(work / f"{name}.img", size)) for name in _PLACES}
    environment = os.environ | {"FSTYP": "fuse", "FUSE_SUBTYP": ".cntr", "RESULT_BASE": str(work / "results")}
    for name, variable, place in (("test", "TEST_DEV", "TEST_DIR"), ("scratch", "SCRATCH_DEV", "SCRATCH_MNT")):
        (work / "mounted" / name).mkdir(parents=True)
        environment |= {variable: f"cntr-{name}", place: str(work / "mounted" / name)}
        if run == "native":
            environment[variable] = devices[name]
            continue
        below = work / "below" / f"cntr-{name}"
        below.mkdir(parents=True)
        stack.enter_context(_mounted(["-t", "ext4", devices[name]], below))
    kind = "ext4" if run == "native" else "fuse.cntr"
    helper = [sys.executable, HERE / "mount_helper.py", backend, tree or "-", work / "below"]
    _overlaid(
        stack,
        work / "sbin",
        "/usr/sbin",
        {"mount.fuse.cntr": _script(helper), "df": _DF.format(type=kind), "wipefs": _NOTHING},
    )
    _overlaid(stack, work / "etc", "/etc", _accounts())
    (work / "tmp").mkdir()
    (work / "tmp").chmod(0o1777)
    # The suite names its files there after process ids, which are the same in each PID namespace.
    stack.enter_context(_mounted(["--bind", work / "tmp"], "/tmp"))
    config = work / "config"
    config.touch()
    return environment | {"HOST_OPTIONS": str(config), "PATH": f"{work / 'sbin'}:{os.environ['PATH']}"}


@contextmanager
def _ext4(image: Path, size: str) -> Iterator[str]:
    """A loop device with a new ext4."""
    subprocess.run(["truncate", "--size", size, image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    command = ["losetup", "--find", "--show", image]
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def _mounted(what: Sequence[str | Path], place: Path | str) -> Iterator[None]:
    subprocess.run(["mount", *what, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _script(command: Sequence[object]) -> str:
    return f'#!/bin/sh\nexec {" ".join(map(str, command))} "$@"\n'


def _accounts() -> dict[str, str]:
    """The users that the suite wants, beside those of this machine."""
    users, groups, shadow = (Path("/etc", name).read_text() for name in ("passwd", "group", "shadow"))
    for number, name in enumerate(_USERS, 31415):
        users += f"{name}:x:{number}:{number}::/tmp:/bin/bash\n"
        groups += f"{name}:x:{number}:\n"
        shadow += f"{name}:!:19000::::::\n"
    return {"passwd": users, "group": groups, "shadow": shadow}


def _overlaid(stack: ExitStack, layer: Path, place: str, files: Mapping[str, str]) -> None:
    """Have more files in a directory of the system, in this mount namespace."""
    layer.mkdir()
    layer.chmod(0o755)
    for name, content in files.items():
        (layer / name).write_text(content)
        (layer / name).chmod(0o755 if content.startswith("#!") else 0o644)
    stack.enter_context(_mounted(["-t", "overlay", "overlay", "-o", f"lowerdir={layer}:{place}"], place))


# The suite


def _outcomes(source: Path, environment: Mapping[str, str], tests: Sequence[str], limit: int) -> Iterator[Outcome]:
    """All tests; where one hangs, the suite is ended and goes on with the next."""
    left = list(tests)
    while left:
        got = 0
        for outcome in _session(source, environment, left, limit):
            left.remove(outcome.test)
            got += 1
            yield outcome
        if not got:
            raise SystemExit("the suite does not run: look at what it prints")


def _session(source: Path, environment: Mapping[str, str], tests: Sequence[str], limit: int) -> Iterator[Outcome]:
    """One run of ``check``, up to its end or a test that hangs. All that it starts and mounts ends with it."""
    apart = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    command = [*apart, "./check", *(f"generic/{test}" for test in tests)]
    suite = subprocess.Popen(
        command,
        cwd=source,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    assert suite.stdout is not None
    text = ""
    try:
        while select.select([suite.stdout], [], [], limit)[0]:
            if not (more := os.read(suite.stdout.fileno(), 1 << 16)):
                yield from _ended(text)
                return
            *ended, text = re.split(r"^(?=generic/\d)", text + more.decode(errors="replace"), flags=re.MULTILINE)
            for part in ended:
                yield from _ended(part)
        if match := _START.match(text):
            yield Outcome(match[1], "failed", f"no end within {limit} seconds")
    finally:
        suite.send_signal(signal.SIGKILL)
        suite.wait()


def _ended(text: str) -> Iterator[Outcome]:
    """What the suite printed of one test, which has ended, without this machine's paths."""
    match = _START.match(text)
    if match is None:
        print(text, end="", file=sys.stderr)
        return
    test, words = match[1], re.split(r"^(?:Ran|Not run|Failures|Passed all)\b", match[2], flags=re.MULTILINE)[0]
    words = _PATHS.sub("", re.sub(r"^\d+s \.\.\.\s*", "", words).strip())
    if words.startswith("[not run]"):
        yield Outcome(test, "not run", words.removeprefix("[not run]").strip())
    elif re.fullmatch(r"\d+s", words):
        yield Outcome(test, "passed", "")
    else:
        yield Outcome(test, "failed", _difference(words))


def _difference(words: str) -> str:
    """What the test printed other than it should have."""
    lines = [line.strip() for line in words.splitlines()]
    told = [line for line in lines if line.startswith(("-", "+")) and not line.startswith(("---", "+++", "- output"))]
    return "\n".join(told or lines[:1])[:_WORDS]


if __name__ == "__main__":
    sys.exit(main())
