"""What all tests share: the ``requires`` marker, the images, and isolation from the user's environment."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from tests.support.coverage import unpack
from tests.support.coverage.sitecustomize import install
from tests.support.requirements import missing

pytest_plugins = [
    "tests.support.images",
    "tests.support.podman",
    "tests.support.containerd",
    "tests.support.rootless",
    "tests.support.flaky",
    "tests.support.matrix",
]
_LOG = pytest.StashKey[str]()
"""The log that this very run made for its sessions' coverage."""

collect_ignore = ["sample_engine"]  # a distribution of its own; test_sample_engine.py installs it and runs its tests

# Timing is no property of the code on a machine that others use as well. CI wants the same examples every
# time.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CNTR_CI") == "1" else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--interrupts", type=int, default=1, help="Interrupt each phase of each command so often.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires"):
        for name in marker.args:
            require(name)


def require(name: str) -> None:
    """Skip the running test where the machine lacks `name`; fail it where CI promised everything."""
    __tracebackhide__ = True
    try:
        reason = missing(name)
    except LookupError as error:
        pytest.fail(str(error), pytrace=False)
    if reason and os.environ.get("CNTR_CI") == "1":
        pytest.fail(f"CNTR_CI=1 promises {name}: {reason}", pytrace=False)
    elif reason:
        pytest.skip(f"requires {name}: {reason}")


@pytest.fixture(scope="module", autouse=True)
def _stays_at_home() -> Iterator[None]:
    """What a test does to its own process all later ones would have to live with: it belongs into a child."""
    before = _home()
    yield
    assert _home() == before, "pytest itself has changed its namespaces, root or working directory"


def _home() -> dict[str, str]:
    links = (*(f"ns/{name}" for name in os.listdir("/proc/self/ns")), "root", "cwd")
    return {link: os.readlink(f"/proc/self/{link}") for link in links}


def pytest_configure(config: pytest.Config) -> None:
    """Hear the signals that background jobs ignore, as programs under test would, too.

    With --cov, have all other processes hand their data over; see tests/support/coverage.
    """
    for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    if config.getoption("cov_source", None):
        log = os.path.join(tempfile.mkdtemp(prefix="cntr-coverage-"), "log")
        os.close(os.open(log, os.O_CREAT | os.O_EXCL, 0o600))
        for path, mode in ((os.path.dirname(log), 0o711), (log, 0o666)):
            os.chmod(path, mode)  # some tests run cntr as an ordinary user
        install(log, forks_alone=True)
        config.stash[_LOG] = os.environ["CNTR_COVERAGE_LOG"] = log
        support = os.path.join(os.path.dirname(__file__), "support", "coverage")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (support, os.environ.get("PYTHONPATH"))))


@pytest.hookimpl(wrapper=True, trylast=True)  # innermost: before pytest-cov combines what it finds
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    log = session.config.stash.get(_LOG, None)  # not from the environment: some tests run pytest themselves
    if log is not None:
        del os.environ["CNTR_COVERAGE_LOG"]
        if os.path.getsize(log):
            data = os.environ.get("COVERAGE_FILE", str(session.config.rootpath / ".coverage"))
            unpack(log, f"{data}.sessions")
        shutil.rmtree(os.path.dirname(log))
    return result
