"""Probes: what drives a container while it is traced, and tells afterwards whether the slim image behaves the same.

::

    probes = [parse("crawl:80"), parse("exec:nginx -t")]
    with Prober(probes, tcp_ports(config)) as prober:
        ...                                             # start the container
        outcomes = run_probes(running, prober, timeout=60, progress=print)
    if all(outcome.ok for outcome in outcomes):
        differences = compare(outcomes, outcomes_of_the_slim_image)
"""

from .defaults import default_probes, tcp_ports
from .drive import run_probes
from .prober import Prober
from .result import Difference, Observation, Outcome, compare
from .running import Executed, Running
from .spec import Probe, parse

__all__ = [
    "parse",
    "default_probes",
    "tcp_ports",
    "run_probes",
    "compare",
    "Difference",
    "Executed",
    "Observation",
    "Outcome",
    "Probe",
    "Prober",
    "Running",
]
