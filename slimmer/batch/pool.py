"""Who does the jobs: threads of this process, or the workers of a Dask scheduler (https://distributed.dask.org)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from cntr_core.errors import EngineError, UsageError
from cntr_core.reasons import reason

from . import job as jobs
from .job import Job, Result

RESOURCE = "slim"
"""What a worker has of it, it does at a time: ``dask worker … --resources slim=1``."""
_TRIES = 2
_CONNECTING = 15
"""Seconds."""
_LOOKING = 5
"""Seconds without a result, after which somebody may wonder."""

Hindrance = Callable[[], str]
"""What a pool waits for other than its jobs; empty where it is nothing."""


@contextmanager
def local_pool(number: int, batch: str) -> Iterator[tuple[Executor, Hindrance]]:
    """At most `number` jobs at a time, here; those of `batch` are ended with the block."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool, str
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        jobs.end(batch)


@contextmanager
def dask_pool(scheduler: str, batch: str) -> Iterator[tuple[Executor, Hindrance]]:
    """The workers of the scheduler at this address. Jobs of a worker that dies are done by another.

    :raises UsageError: Dask distributed is not installed.
    :raises EngineError: there is no such scheduler, or none of its workers takes jobs.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs Dask distributed", "pip install 'cntr-attach[batch]'") from None
    for name in ("distributed", "distributed.client"):  # which have levels of their own
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they tell of every worker that is missed
    try:
        client = Client(scheduler, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(f"no scheduler answers at {scheduler}: {reason(error)}", "start dask scheduler") from None

    def hindrance() -> str:
        number, able = _workers(client)
        return "" if able else f"none of {number} workers of {scheduler} has the resource {RESOURCE}"

    if missing := hindrance():
        client.close()
        raise EngineError(missing, f"dask worker {scheduler} --nthreads 1 --resources {RESOURCE}=1")
    pool = client.get_executor(resources={RESOURCE: 1}, pure=False)
    try:
        yield _Dask(pool), hindrance
    except BaseException:
        pool.shutdown(wait=False)  # which cancels what has not begun
        client.run(jobs.end, batch, on_error="ignore")
        raise
    finally:
        client.close(timeout=_CONNECTING)


class _Dask(Executor):
    """An executor whose jobs are told where they run."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        return self._pool.submit(_on_worker, function, *arguments, **named)  # type: ignore[no-any-return]


def _on_worker(function: Any, *arguments: Any) -> Any:
    from distributed import get_worker

    return function(*arguments, get_worker().address)


def _workers(client: Any) -> tuple[int, int]:
    """How many the scheduler has, and how many of them take jobs."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return len(workers), sum(bool(worker.get("resources", {}).get(RESOURCE)) for worker in workers)


def results(pool: Executor, wanted: Sequence[Job], waits: Callable[[], object]) -> Iterator[tuple[Job, Result, int]]:
    """Each job once, as they are done, with its result and how often it was tried: a failure is tried once more.

    `waits` is called now and then while nothing is done.
    """
    waiting: dict[Future[Result], tuple[Job, int]] = {pool.submit(jobs.run, job): (job, 1) for job in wanted}
    while waiting:
        done = wait(waiting, _LOOKING, return_when=FIRST_COMPLETED).done
        if not done:
            waits()
        for future in done:
            job, tries = waiting.pop(future)
            result = _result(future)
            if result.error and tries < _TRIES and _may_change(result.error):
                waiting[pool.submit(jobs.run, job)] = (job, tries + 1)
            else:
                yield job, result, tries


def _may_change(error: Mapping[str, Any]) -> bool:
    """Whether a second try may end otherwise: not where the words of the call are wrong, or workers died of it."""
    return error["code"] not in ("usage", "worker")


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except Exception as error:  # Dask's own: the workers died, or the scheduler
        told = {
            "code": "worker",
            "message": f"its worker or the scheduler ended: {reason(error)}",
            "hint": "check their memory",
        }
        return Result(told, {}, 0.0, "")
