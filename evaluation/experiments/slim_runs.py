"""What the experiments on slimming share: applications, one whole ``cntr slim`` each, and what a result is told of."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from cntr_core.version import version

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RESULTS = os.path.join(os.path.dirname(HERE), "results")
CNTR = os.path.join(os.path.dirname(sys.executable), "cntr")

PROBES = {
    "nginx": ["http:80/"],
    "redis": ["exec:redis-cli ping"],
    "postgres": ["exec:psql --host=127.0.0.1 --username=postgres --command='select 1'"],
    "tomcat": ["http:8080/sum.jsp"],
    "flask": ["http:8000/"],
    "python": ["http:8000/"],
}
FLASK_PAGES = ("sql", "decimal", "host/x", "time", "hash", "xml", "table", "mail", "calculate?sum=6*7")
ALL_OF_FLASK = [*PROBES["flask"], *(f"http:8000/{page}" for page in FLASK_PAGES)]


@dataclass(frozen=True)
class Run:
    """One ``cntr slim``: the seconds of the whole process, and its report."""

    seconds: float
    report: dict[str, Any]


def archive(recipe: str) -> str:
    """The image of the tests with this name, as an archive; made where it is missing."""
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)
    from tests.support.images import archive as made

    return made(recipe)


def slim(image: str, probes: list[str], target: str, name: str) -> Run:
    """Slim an archive into `target` (PATH.tar is in a directory that is thrown away)."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        line = [CNTR, "slim", image, "--output", target, "--report", "report"]
        line += ["--slim-name", f"{name}:slim", "--fat-name", f"{name}:fat"]
        line += [word for probe in probes for word in ("--probe", probe)]
        environment = {**os.environ, "CNTR_CACHE_DIR": os.path.join(place, "cache")}
        started = time.perf_counter()
        done = subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"cntr slim failed with code {done.returncode}: {done.stderr}")
        with open(os.path.join(place, "report/report.json")) as file:
            return Run(round(seconds, 3), json.load(file))


def write(experiment: str, output: str | None, measured: dict[str, Any]) -> None:
    """Write a result, with what it depends on; to ``results/EXPERIMENT.json`` unless `output` names a file."""
    result = {
        "experiment": experiment,
        "cntr": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "host": platform.freedesktop_os_release()["PRETTY_NAME"],
        "cpus": os.cpu_count(),
        "load_average_at_the_end": os.getloadavg(),
        **measured,
    }
    with open(output or os.path.join(RESULTS, f"{experiment}.json"), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
