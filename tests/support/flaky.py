"""With ``--once-more``, a test that fails is run once more, alone, when all others are done; the second run counts.

Alone: all fixtures are torn down, and made again for it; and where CNTR_TESTS_LOCK names a file, other test runs with
the same one are done with their first runs. One that passes then is flaky: the run passes, and its last
lines name it. It is a bug to mend, and listed in CONTRIBUTING.md until it is.

It is of no use to somebody who waits for the first failure, so ``-x``, ``--maxfail`` and ``--pdb`` switch it off. Where
more than MOST tests fail, it is not by chance, and they are not run again.
"""

from __future__ import annotations

import copy
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from _pytest.main import pytest_runtestloop as run_all
from _pytest.runner import runtestprotocol

MOST = 10
_AGAIN = "once more"
"""The outcome of a first run that failed; for pytest neither passed nor failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--once-more", action="store_true", help="run tests that fail once more at the end, each alone")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("once_more") and not config.getoption("maxfail") and not config.getoption("usepdb"):
        config.pluginmanager.register(_OnceMore(), "once-more")


class _OnceMore:
    def __init__(self) -> None:
        self._failed: dict[pytest.Item, Sequence[pytest.TestReport]] = {}
        """What failed, with the reports of its first run."""
        self._flaky: list[Sequence[pytest.TestReport]] = []
        self._is_second_run = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        with _beside_others() as be_alone:
            try:
                run_all(session)
            except BaseException:
                self._let_all_count()
                raise
            if len(self._failed) > MOST:
                self._let_all_count()
            if self._failed:
                be_alone()
            self._run_again()
        return True

    def _run_again(self) -> None:
        self._is_second_run = True
        for item in self._failed:
            item._initrequest()  # type: ignore[attr-defined]  # pytest.Function's; forgets the fixtures
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)

    def _let_all_count(self) -> None:
        for item, reports in self._failed.items():
            _log(item, reports)
        self._failed.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failures = [report for report in reports if report.failed]
        if failures and not self._is_second_run:
            self._failed[item] = reports
            first = copy.copy(failures[0])
            first.outcome = _AGAIN  # type: ignore[assignment]  # others know nothing of it
            reports = [first]
        elif self._is_second_run and not failures:
            self._flaky.append(self._failed[item])
        _log(item, reports)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return (_AGAIN, "A", "AGAIN") if report.outcome == _AGAIN else None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reports in self._flaky:
            for report in filter(lambda report: report.failed, reports):
                terminalreporter.section(f"first run of {report.nodeid}: {report.when}")
                report.toterminal(terminalreporter._tw)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost: after the last line of pytest
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        yield
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        for reports in self._flaky if terminal else ():
            terminal.write_line(f"FLAKY {reports[0].nodeid}", yellow=True)


@contextmanager
def _beside_others() -> Iterator[Callable[[], None]]:
    """Others may run, too, until what is given is called; it waits for them."""
    path = os.environ.pop("CNTR_TESTS_LOCK", None)  # is not for a pytest that a test runs
    if path is None:
        yield lambda: None
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        try:
            yield lambda: fcntl.flock(file, fcntl.LOCK_EX)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # a process that a test forked may have the file open


def _log(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
