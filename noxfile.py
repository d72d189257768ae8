"""The tests by what they need; how long each takes is in CONTRIBUTING.md.

nox -s fast      a minute: neither root nor an engine
nox -s full      what .ci/run runs, but a requirement that is missing skips its tests; as root
nox -s matrix    the whole contract of sessions for every kind of container; as root

What follows ``--`` goes to pytest.
"""

import nox

nox.options.default_venv_backend = "none"  # in .venv, where cntr is installed
nox.options.sessions = ["fast"]


@nox.session
def fast(session: nox.Session) -> None:
    session.run("pytest", "-q", "--numprocesses", "auto", "tests/unit", "tests/fs_api", *session.posargs)


@nox.session
def full(session: nox.Session) -> None:
    session.run("bash", "tests/run.sh", *session.posargs, external=True)


@nox.session
def matrix(session: nox.Session) -> None:
    session.run("bash", "tests/run.sh", "--matrix", "tests/integration/engines", *session.posargs, external=True)
