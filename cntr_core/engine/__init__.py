"""Engines name containers and find their processes: what an engine is, and how all of them are asked at once."""

from .base import Engine, matching
from .process import pin, running_process
from .search import (
    LIMIT,
    PATIENCE,
    SILENCE,
    ContainerList,
    chosen,
    find,
    list_containers,
    resolve,
    statuses,
    stopped_root,
)
from .waiting import next_start

__all__ = [
    "LIMIT",
    "PATIENCE",
    "SILENCE",
    "Engine",
    "ContainerList",
    "chosen",
    "find",
    "list_containers",
    "matching",
    "next_start",
    "pin",
    "resolve",
    "running_process",
    "statuses",
    "stopped_root",
]
