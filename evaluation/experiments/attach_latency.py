#!/usr/bin/env python3
"""How long ``cntr attach NAME -- true`` takes, beside ``docker exec`` and ``nsenter``, in one run.

    python3 evaluation/experiments/attach_latency.py [--runs 20] [--output FILE]

Needs root, a docker daemon, and the images of the tests. The commands take turns, so that a change of the machine's
speed reaches all of them. Times are whole processes, in seconds; the result has every single one, and the seconds of
CPU of each with its children (getrusage(2)), which other load on the machine touches less.
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
from typing import NamedTuple

from cntr_core.version import version

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NAME = "cntr-latency"


class Times(NamedTuple):
    """Of one run: until its end, and what it used of a CPU."""

    seconds: float
    cpu: float


def commands(pid: int) -> dict[str, list[str]]:
    """What is measured, by name."""
    cntr = os.path.join(os.path.dirname(sys.executable), "cntr")
    measured = {
        f"cntr attach --fs {fs}": [cntr, "attach", f"docker://{NAME}", "--fs", fs, "--", "true"]
        for fs in ("pyfuse3", "direct", "kernel")
    }
    return {
        **measured,
        "cntr attach NAME": [cntr, "attach", NAME, "--", "true"],
        "cntr --help": [cntr, "--help"],
        "cntr exec": [cntr, "exec", f"docker://{NAME}", "--", "true"],
        "docker exec": ["docker", "exec", NAME, "true"],
        "nsenter": ["nsenter", "--target", str(pid), "--all", "true"],
        "python3 -c pass": [sys.executable, "-c", "pass"],
    }


def measure(line: list[str]) -> Times:
    """One run. It is waited for by wait4(2): a wait with a time limit would look only every 50 ms (subprocess)."""
    started = time.perf_counter()
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line)
    return Times(round(time.perf_counter() - started, 4), round(used.ru_utime + used.ru_stime, 4))


def run(runs: int) -> dict[str, list[Times]]:
    """All times of all commands, in turns after one round that does not count."""
    sys.path.insert(0, ROOT)
    from tests.support.images import docker_image

    start = ["docker", "run", "--detach", "--rm", "--name", NAME, docker_image("debian"), "sleep", "100000"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    try:
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", NAME]
        pid = int(subprocess.run(inspect, check=True, capture_output=True).stdout)
        times: dict[str, list[Times]] = {name: [] for name in commands(pid)}
        for counted in [False] + [True] * runs:
            for name, line in commands(pid).items():
                one = measure(line)
                if counted:
                    times[name].append(one)
        return times
    finally:
        subprocess.run(["docker", "kill", NAME], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--output", default=os.path.join(os.path.dirname(HERE), "results", "attach_latency.json"))
    arguments = parser.parse_args()
    times = run(arguments.runs)
    medians = {name: round(statistics.median(one.seconds for one in each), 4) for name, each in times.items()}
    cpu = {name: round(statistics.median(one.cpu for one in each), 4) for name, each in times.items()}
    result = {
        "experiment": "attach_latency",
        "cntr": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_average_at_the_end": os.getloadavg(),
        "runs": arguments.runs,
        "median_seconds": medians,
        "median_cpu_seconds": cpu,
        "seconds": {name: [one.seconds for one in each] for name, each in times.items()},
        "cpu_seconds": {name: [one.cpu for one in each] for name, each in times.items()},
    }
    with open(arguments.output, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    for name, seconds in medians.items():
        ratio = seconds / medians["docker exec"]
        print(f"{name:28} {seconds:.3f} s, {ratio:5.2f} x docker exec, {cpu[name]:.3f} s of CPU")


if __name__ == "__main__":
    main()
