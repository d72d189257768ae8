"""Driving a container by probes, one after the other."""

from __future__ import annotations

import hashlib
import logging
import os
import select
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any

from cntr_core.errors import CntrError, PermissionMissing

from .attempt import Attempt
from .prober import Prober
from .result import EXCERPT, Fact, Observation, Outcome, compare, merge
from .running import Executed, Running
from .spec import Crawl, Exec, Exit, Http, Manual, OpenApi, Ports, Probe, Quiet, Script, Tcp

_log = logging.getLogger(__name__)

Say = Callable[[str], object]
"""Told what is being tried, and again while it is waited for, so that a display can show the time."""

_FIRST_DELAY = 0.005
_LONGEST_DELAY = 0.1
_CLOCK = 1.1
"""Seconds after which a page that shows the time, to the second, has changed."""
_END = 0.2
"""Seconds that a container's end may take."""
_LAST_LINES = 20
_PAGES = (Http, Crawl)
_ONE_LOOK = (Tcp, Script, Quiet, Manual, Exit)
_NO_COMMAND = (126, 127)
_OVER = Attempt(False, "the container has ended", ready=False)
_NOT_STARTED = b"unable to start container process"  # runc's words; its exit code is 255 and may be the command's own


def run_probes(
    running: Running,
    probes: Sequence[Probe] | Prober,
    *,
    timeout: float,
    progress: Say,
    against: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Make all probes in order, within `timeout` seconds; the time that the user takes for ``manual`` does not count.

    A :class:`Prober` that was created before the container saves its start. Each probe is tried until the container is
    ready for it, and then looked at twice, to learn what is volatile. `against` has the outcomes of the original: what
    differs from them is looked at once more after a second, since it may just show the time.

    A probe that fails is an outcome too; where the container has ended, its output has the last lines of the log.

    :raises CntrError: the probing itself failed.
    """
    with nullcontext(probes) if isinstance(probes, Prober) else Prober(probes) as prober:
        return _Run(running, prober, timeout, progress).run(against)


class _Run:
    def __init__(self, running: Running, prober: Prober, timeout: float, progress: Say) -> None:
        self._running = running
        self._prober = prober
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._progress = progress

    def run(self, against: Sequence[Outcome]) -> list[Outcome]:
        refusal = self._prober.enter(self._running.pid)
        if refusal and self._running.ended() is None:
            raise PermissionMissing(f"cannot enter the container's network: {refusal}", "run as root")
        originals = [*against, *[None] * len(self._prober.probes)]
        return [self._probe(*pair) for pair in zip(self._prober.probes, originals, strict=False)]

    def _probe(self, probe: Probe, original: Outcome | None) -> Outcome:
        self._progress(str(probe))
        start = time.monotonic()
        attempt = self._settled(probe)
        answered = time.monotonic()
        _log.debug("probe %s, ok %s: %.1f ms", probe, attempt.ok, 1000 * (answered - start))
        outcome = _outcome(probe, attempt, answered - start)
        if isinstance(probe, _ONE_LOOK) or self._is_done(probe):
            return outcome
        if attempt.ok:
            outcome = self._look_again(probe, outcome)
        if outcome.ok and original is not None and compare([original], [outcome]):
            time.sleep(max(0.0, min(answered + _CLOCK, self._deadline) - time.monotonic()))
            outcome = self._look_again(probe, outcome)
        return outcome

    def _look_again(self, probe: Probe, outcome: Outcome) -> Outcome:
        """The outcome with what is volatile about it; a failure where the second request fails.

        A command may succeed once only, and what an operation changes is changed once.
        """
        match probe:
            case Exec():
                return replace(outcome, observations=merge(outcome.observations, self._try(probe).observations))
            case OpenApi(port, path, True):
                seen = self._try(OpenApi(port, path)).observations
                return replace(outcome, observations=merge(outcome.observations, seen))
            case Http() if probe.message.writes:
                return outcome
        second = self._until_ready(probe)
        outcome = replace(outcome, observations=merge(outcome.observations, second.observations))
        if second.ok:
            return outcome
        return replace(outcome, ok=False, detail=f"the second time, {second.detail}", output=second.output)

    def _settled(self, probe: Probe) -> Attempt:
        """Try until the container is ready. A page that is not as wanted is asked for again after a second: a server
        may listen before it has read its settings, and know no page until then."""
        attempt = self._until_ready(probe)
        if attempt.ok or not isinstance(probe, _PAGES) or self._left() < _CLOCK or self._ended() is not None:
            return attempt
        time.sleep(_CLOCK)
        return self._until_ready(probe)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _until_ready(self, probe: Probe) -> Attempt:
        """Try until the container is ready, has ended, or the time is up."""
        delay = _FIRST_DELAY
        late = Attempt(False, f"the time limit of {self._timeout:g} s was used up before it")
        while True:
            if self._is_done(probe):
                return self._has_ended(0, 0)
            if (ended := self._ended()) is not None and not isinstance(probe, (Exit, Quiet, Manual)):
                return ended
            if self._left() <= 0:
                return late
            start = time.monotonic()
            attempt = self._try(probe)
            if attempt.ready:
                return attempt
            late = self._late(attempt)
            self._progress(str(probe))
            time.sleep(max(0.0, min(max(delay, time.monotonic() - start), self._left())))
            delay = min(delay * 1.5, _LONGEST_DELAY)

    def _late(self, attempt: Attempt) -> Attempt:
        detail = f"not within {self._timeout:g} s: {attempt.detail}"
        return Attempt(False, detail, attempt.observations, attempt.output or self._words())

    def _ended(self) -> Attempt | None:
        code = self._running.ended()
        if code is None:
            return None
        return Attempt(False, f"the container ended with code {code} before it answered", output=self._words())

    def _ends(self) -> bool:
        """Whether the container has ended, or does so just now: nothing can be started in one that ends."""
        deadline = time.monotonic() + _END
        while (code := self._running.ended()) is None and time.monotonic() < deadline:
            time.sleep(_FIRST_DELAY)
        return code is not None

    def _is_done(self, probe: Probe) -> bool:
        """Whether the container was a job, which has ended, and nobody named this probe."""
        return probe in self._prober.may_end and self._running.ended() == 0

    def _words(self) -> str:
        """The last lines of the container's log."""
        lines = self._running.log()[-EXCERPT:].decode(errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    def _try(self, probe: Probe) -> Attempt:
        match probe:
            case Exec():
                return self._execute(probe)
            case Quiet():
                return self._quiet(probe)
            case Exit():
                return self._exit(probe)
            case Manual():
                return self._manual()
        question, values = _question(probe, self._running.pid, self._prober.ports)
        return self._prober.ask(question, self._left(), **values)

    def _execute(self, probe: Exec) -> Attempt:
        try:
            executed = self._running.execute(probe.command, max(self._left(), 0.001))
        except TimeoutError:
            return Attempt(False, "the command did not end in time, and was killed", output=self._words())
        except CntrError:
            if self._ends():
                return _OVER
            raise
        ok = executed.code == probe.code
        detail = f"the command ended with code {executed.code}"
        not_started = _NOT_STARTED in executed.stderr
        if not ok and not_started and self._ends():
            return _OVER
        ready = ok or executed.code in _NO_COMMAND or not_started
        return Attempt(ok, detail, [_executed(probe, executed)], _both(executed) if not ok else "", ready)

    def _quiet(self, probe: Quiet) -> Attempt:
        """Look ten times in the interval, or ten times a second, whether files are accessed."""
        seen, since = self._running.activity(), time.monotonic()
        while (code := self._running.ended()) is None:
            if self._left() <= 0:
                return Attempt(False, f"files were still accessed after {self._timeout:g} s")
            self._progress(str(probe))
            time.sleep(min(_LONGEST_DELAY, probe.seconds / 10))
            if (now := self._running.activity()) != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= probe.seconds:
                return Attempt(True, f"no file was accessed for {probe.seconds:g} s", [_end(None, self._words())])
        return self._has_ended(code, 0)

    def _exit(self, probe: Exit) -> Attempt:
        delay = _FIRST_DELAY
        while (code := self._running.ended()) is None:
            if self._left() <= 0:
                detail = f"the container did not end within {self._timeout:g} s"
                return Attempt(False, detail, [_end(None, self._words())], self._words())
            self._progress(str(probe))
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        return self._has_ended(code, probe.code)

    def _has_ended(self, code: int, expected: int) -> Attempt:
        words = self._words()
        ok = code == expected
        return Attempt(ok, f"the container ended with code {code}", [_end(code, words)], "" if ok else words)

    def _manual(self) -> Attempt:
        """Wait for Enter, or the container's end."""
        start = time.monotonic()
        while (code := self._running.ended()) is None:
            self._progress("use the container, then press Enter")
            if select.select([0], [], [], _LONGEST_DELAY)[0]:
                os.read(0, EXCERPT)
                break
        self._deadline += time.monotonic() - start
        return Attempt(True, "the user was done" if code is None else f"the container ended with code {code}")


def _outcome(probe: Probe, attempt: Attempt, seconds: float) -> Outcome:
    return Outcome(str(probe), attempt.ok, seconds, attempt.detail, tuple(attempt.observations), attempt.output)


def _question(probe: Probe, pid: int, exposed: tuple[int, ...]) -> tuple[str, dict[str, Any]]:
    """What the probing process is asked for a probe."""
    match probe:
        case Http(port, path, statuses, secure, message):
            place = {"ports": _ports(port, exposed), "path": path, "secure": secure}
            return "http", {**place, "statuses": statuses, "message": asdict(message)}
        case Tcp(port):
            return "tcp", {"port": port}
        case Crawl(port, path):
            return "crawl", {"ports": _ports(port, exposed), "path": path}
        case OpenApi(port, path, write):
            return "openapi", {"ports": _ports(port, exposed), "path": path, "write": write}
        case Ports(ports):
            return "ports", {"ports": ports or exposed}
        case Script(file):
            environment = {"CNTR_PID": str(pid), "CNTR_CONTAINER": f"pid://{pid}"}
            return "script", {"file": file, "environment": environment, "ports": exposed}
    raise TypeError(f"{probe} asks nothing of the network")


def _ports(port: int | None, exposed: tuple[int, ...]) -> tuple[int, ...]:
    return exposed if port is None else (port,)


def _executed(probe: Exec, executed: Executed) -> Observation:
    streams = {"stdout": executed.stdout, "stderr": executed.stderr}
    facts: dict[str, Fact] = {"code": executed.code}
    for name, data in streams.items():
        facts |= {f"{name} sha256": hashlib.sha256(data).hexdigest(), f"{name} length": len(data)}
    shown = {name: data[:EXCERPT].decode(errors="replace") for name, data in streams.items() if data}
    return Observation(str(probe), facts, shown=shown)


def _both(executed: Executed) -> str:
    return b"\n".join(filter(None, (executed.stdout, executed.stderr)))[-EXCERPT:].decode(errors="replace")


def _end(code: int | None, log: str) -> Observation:
    return Observation("container", {"code": code}, shown={"log": log} if log else {})
