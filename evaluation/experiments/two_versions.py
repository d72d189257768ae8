#!/usr/bin/env python3
"""Two versions of cntr side by side: how long attach, exec, run and slim take in each, in one interleaved run.

    python3 evaluation/experiments/two_versions.py BEFORE AFTER [--runs 9] [--output FILE]

BEFORE and AFTER are two programs `cntr`, each from an environment of its own. Needs root, a docker daemon, and the
images of the tests. Times are whole processes, in seconds; the result has every single one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NAME = "cntr-two-versions"


def measure(line: list[str], environment: dict[str, str]) -> float:
    """Seconds of one run; :raises CalledProcessError: it failed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        line, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, _ = os.wait4(process.pid, 0)  # subprocess would look every 50 ms only
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line)
    return seconds


def workloads(program: str, work: str, image: str) -> dict[str, Callable[[], float]]:
    """What is measured, by name."""
    environment = {**os.environ, "CNTR_STATE_DIR": f"{work}/state", "CNTR_CACHE_DIR": f"{work}/cache"}

    def call(*words: str) -> float:
        return measure([program, *words], environment)

    def run() -> float:
        seconds = call("run", "--detach", "--name", "measured", image)
        call("stop", "--timeout", "0", "measured")
        return seconds

    def slim() -> float:
        words = ("--output", f"{work}/pair.tar", "--report", f"{work}/report", "--probe", "http:80/")
        return call("slim", image, *words)

    attach = ("attach", f"docker://{NAME}")
    return {
        **{f"attach --fs {fs}": lambda fs=fs: call(*attach, "--fs", fs, "--", "true") for fs in ("pyfuse3", "direct")},
        "attach NAME": lambda: call("attach", NAME, "--", "true"),
        "attach --tools image:": lambda: call(*attach, "--tools", f"image:{image}", "--", "true"),
        "exec": lambda: call("exec", f"docker://{NAME}", "--", "true"),
        "--help": lambda: call("--help"),
        "run": run,
        "slim": slim,
    }


def compare(programs: dict[str, str], runs: int) -> dict[str, dict[str, list[float]]]:
    """All times, by workload and version, in turns after one round that does not count."""
    sys.path.insert(0, ROOT)
    from tests.support.images import archive, docker_image

    start = ["docker", "run", "--detach", "--rm", "--name", NAME, docker_image("debian"), "sleep", "100000"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    work = tempfile.mkdtemp(prefix="cntr-two-versions-", dir="/var/tmp")
    try:
        versions = {}
        for name, program in programs.items():
            os.mkdir(f"{work}/{name}")
            versions[name] = workloads(program, f"{work}/{name}", archive("nginx"))
        times: dict[str, dict[str, list[float]]] = {}
        for counted in [False] + [True] * runs:
            for workload in versions["before"]:
                for name in programs:
                    seconds = versions[name][workload]()
                    if counted:
                        times.setdefault(workload, {}).setdefault(name, []).append(round(seconds, 4))
        return times
    finally:
        subprocess.run(["docker", "kill", NAME], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--output", default=os.path.join(os.path.dirname(HERE), "results", "two_versions.json"))
    arguments = parser.parse_args()
    times = compare({"before": arguments.before, "after": arguments.after}, arguments.runs)
    medians = {
        workload: {name: round(statistics.median(values), 4) for name, values in both.items()}
        for workload, both in times.items()
    }
    result = {
        "experiment": "two_versions",
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_average_at_the_end": os.getloadavg(),
        "runs": arguments.runs,
        "median_seconds": medians,
        "seconds": times,
    }
    with open(arguments.output, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    for workload, both in medians.items():
        print(f"{workload:24} {both['before']:.3f} s -> {both['after']:.3f} s  ({both['after'] / both['before']:.2f}x)")


if __name__ == "__main__":
    main()
