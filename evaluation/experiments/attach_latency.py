#!/usr/bin/env python3
"""How long ``cntr attach NAME -- true`` takes, beside ``docker exec`` and ``nsenter``, in one run.

    python3 evaluation/experiments/attach_latency.py [--runs 20] [--peer cntr2=PATH] [--cntr PATH] [--output FILE]

Needs root, a docker daemon, and the images of the tests. The commands take turns, so that a change of the machine's
speed reaches all of them; twenty at once take turns, too, fewer times. Times are whole processes, in seconds; each
is kept, and so are the seconds of CPU of each with its children (getrusage(2)), which other load on the machine
touches less. An idle session is one that runs ``sleep``: the proportional set size (proc(5), smaps_rollup) of all
its processes but that one. A peer is another cntr, 1.x or 2.x, which is attached to the same container.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from cntr_core.version import version

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NAME = "cntr-latency"
AT_ONCE = 20
LIMITS = {"cntr attach": 2.2, "cntr attach NAME": 2.6, "cntr exec": 2.0}
"""Times docker exec's."""
LIMIT_AT_ONCE, LIMIT_HELP, LIMIT_IDLE = 3.0, 0.060, 25.0
"""Times docker exec's; seconds above a bare Python's; MiB."""

Lines = dict[str, list[str]]


class Times(NamedTuple):
    """Of one run: until its end, and what it used of a CPU."""

    seconds: float
    cpu: float


def commands(pid: int, cntr: str, peers: Mapping[str, str]) -> Lines:
    """What is measured, by name."""
    target, python = f"docker://{NAME}", os.path.join(os.path.dirname(cntr), "python3")
    return {
        "cntr attach": [cntr, "attach", target, "--", "true"],
        **{
            f"cntr attach --fs {fs}": [cntr, "attach", target, "--fs", fs, "--", "true"]
            for fs in ("direct", "pyfuse3", "kernel")
        },
        "cntr attach NAME": [cntr, "attach", NAME, "--", "true"],
        "cntr exec": [cntr, "exec", target, "--", "true"],
        "cntr --help": [cntr, "--help"],
        "python3 -c pass": [python if os.path.exists(python) else sys.executable, "-c", "pass"],
        "docker exec": ["docker", "exec", NAME, "true"],
        "nsenter": ["nsenter", "--target", str(pid), "--all", "true"],
        **{name: [path, "attach", NAME, "--", "/bin/true"] for name, path in peers.items()},
    }


def start(line: list[str]) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)


def ended(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end; the seconds of CPU. By wait4(2): subprocess, with a time limit, looks only every 50 ms."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return used.ru_utime + used.ru_stime


def measure(line: list[str], number: int = 1) -> Times:
    """One run, of so many processes at once."""
    started = time.perf_counter()
    cpu = sum(map(ended, [start(line) for _ in range(number)]))
    return Times(round(time.perf_counter() - started, 4), round(cpu, 4))


def in_turns(lines: Lines, runs: int, number: int = 1) -> dict[str, list[Times]]:
    """All times of all commands, in turns after one round that does not count."""
    times: dict[str, list[Times]] = {name: [] for name in lines}
    for counted in [False] + [True] * runs:
        for name, line in lines.items():
            one = measure(line, number)
            if counted:
                times[name].append(one)
    return times


def idle(line: list[str]) -> dict[str, float]:
    """The MiB of a session's processes, each by its name and number, while its command sleeps."""
    before = set(os.listdir("/proc"))
    session = start([*line[: line.index("--")], "--", "sleep", "3"])
    time.sleep(2)
    sizes = dict(_sizes(before))
    ended(session)
    return sizes


def _sizes(before: set[str]) -> Iterator[tuple[str, float]]:
    """Of the processes that have come, but those of docker and of the kernel, and the command."""
    for pid in sorted(set(filter(str.isdecimal, os.listdir("/proc"))) - before, key=int):
        try:
            with open(f"/proc/{pid}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/{pid}/smaps_rollup") as file:
                sizes = [int(line.split()[1]) for line in file if line.startswith("Pss:")]
        except (OSError, IndexError):
            continue
        if sizes and name in ("cntr", "cntr-fs", "cntr-fs-notices", "session-guard", "python3", "docker"):
            yield f"{name}[{pid}]", round(sizes[0] / 1024, 2)


@contextmanager
def container() -> Iterator[int]:
    """One that runs; gives its PID."""
    sys.path.insert(0, ROOT)
    from tests.support.images import docker_image

    line = ["docker", "run", "--detach", "--rm", "--name", NAME, docker_image("debian"), "sleep", "100000"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    try:
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", NAME]
        yield int(subprocess.run(inspect, check=True, capture_output=True).stdout)
    finally:
        subprocess.run(["docker", "kill", NAME], check=True, stdout=subprocess.DEVNULL)


def medians(times: Mapping[str, list[Times]], value: Callable[[Times], float]) -> dict[str, float]:
    return {name: round(statistics.median(map(value, each)), 4) for name, each in times.items()}


def verdicts(single: Mapping[str, float], at_once: Mapping[str, float], memory: float) -> dict[str, dict[str, Any]]:
    """What must be true, what is, and whether it is enough."""
    found = {name: (single[name] / single["docker exec"], limit) for name, limit in LIMITS.items()}
    found["cntr --help above python, s"] = (single["cntr --help"] - single["python3 -c pass"], LIMIT_HELP)
    found[f"cntr attach, {AT_ONCE} at once"] = (at_once["cntr attach"] / at_once["docker exec"], LIMIT_AT_ONCE)
    found["idle session, MiB"] = (memory, LIMIT_IDLE)
    return {
        name: {"is": round(value, 3), "limit": limit, "met": value <= limit} for name, (value, limit) in found.items()
    }


def measured(runs: int, cntr: str, peers: Mapping[str, str]) -> dict[str, Any]:
    with container() as pid:
        lines = commands(pid, cntr, peers)
        times = in_turns(lines, runs)
        many = {name: lines[name] for name in ("cntr attach", "cntr exec", "docker exec", *peers)}
        at_once = in_turns(many, max(3, runs // 4), AT_ONCE)
        memory = idle(lines["cntr attach"])
    single, together = medians(times, lambda one: one.seconds), medians(at_once, lambda one: one.seconds)
    return {
        "verdicts": verdicts(single, together, sum(memory.values())),
        "median_seconds": single,
        "median_cpu_seconds": medians(times, lambda one: one.cpu),
        "median_seconds_at_once": together,
        "idle_session_mib": memory,
        "seconds": {name: [one.seconds for one in each] for name, each in times.items()},
        "cpu_seconds": {name: [one.cpu for one in each] for name, each in times.items()},
        "seconds_at_once": {name: [one.seconds for one in each] for name, each in at_once.items()},
    }


def told(result: Mapping[str, Any]) -> None:
    """For people: the verdicts, the missed ones first, and all medians."""
    for name, one in sorted(result["verdicts"].items(), key=lambda item: item[1]["met"]):
        print(f"{'met   ' if one['met'] else 'MISSED'} {name:32} {one['is']:.3f} (limit {one['limit']:g})")
    medians = result["median_seconds"]
    for name, seconds in medians.items():
        ratio, cpu = seconds / medians["docker exec"], result["median_cpu_seconds"][name]
        print(f"{name:28} {seconds:.3f} s, {ratio:5.2f} x docker exec, {cpu:.3f} s of CPU")
    for name, seconds in result["median_seconds_at_once"].items():
        print(f"{name:28} {seconds:.3f} s, {AT_ONCE} at once")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--cntr", default=os.path.join(os.path.dirname(sys.executable), "cntr"))
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--output", default=os.path.join(os.path.dirname(HERE), "results", "attach_latency.json"))
    arguments = parser.parse_args()
    result = {
        "experiment": "attach_latency",
        "cntr": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "runs": arguments.runs,
        **measured(arguments.runs, arguments.cntr, dict(peer.split("=", 1) for peer in arguments.peer)),
        "load_average_at_the_end": os.getloadavg(),
    }
    with open(arguments.output, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    told(result)


if __name__ == "__main__":
    main()
