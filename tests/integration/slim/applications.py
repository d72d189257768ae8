"""Real applications: how each is driven while it is watched, and what is asked of its slim image afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.slim.conftest import Result, Slim
from tests.support.cntr import UNMEASURED, wait_until
from tests.support.images import archive

LIMIT = 180

PAGES = ("/", "/sql", "/decimal", "/host/bücher", "/time", "/hash", "/xml", "/table", "/mail", "/calculate?sum=2^100")
"""The ten pages of the image flask."""


_END = "== end of a page ==\n"
_AFTER = "\n%{http_code}" + _END


@dataclass(frozen=True)
class Inside:
    """A running container, and clients of its services: programs that it does not have."""

    slim: Slim
    name: str
    image: str
    """The original image, as an archive."""

    def host(self, *command: str) -> str:
        """What a program of the host prints, in the container."""
        return self._attach("host", command)

    def own(self, *command: str) -> str:
        """What a program of the original image prints, in the container."""
        return self._attach(f"image:{self.image}", command)

    def page(self, port: int, path: str) -> tuple[str, str]:
        """The status and body of a page."""
        return self.pages(port, [path])[0]

    def pages(self, port: int, paths: Sequence[str]) -> list[tuple[str, str]]:
        """The status and body of each page."""
        told = self.host("curl", "--silent", "--write-out", _AFTER, *(f"http://127.0.0.1:{port}{p}" for p in paths))
        answers = [answer.rpartition("\n") for answer in told.split(_END)[:-1]]
        return [(status, body) for body, _, status in answers]

    def wait_for(self, port: int) -> None:
        """Until something is served at the port."""

        def answers() -> bool:
            line = ("curl", "--silent", "--output", "/dev/null", f"http://127.0.0.1:{port}/")
            return self.slim.cntr("attach", self.name, "--", *line).returncode == 0

        wait_until(answers, f"port {port} answers", 60)

    def _attach(self, tools: str, command: Sequence[str]) -> str:
        done = self.slim.cntr("attach", self.name, "--tools", tools, "--", *command, timeout=LIMIT)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout


def nginx(inside: Inside) -> None:
    inside.wait_for(80)
    assert inside.page(80, "/") == ("200", "served by cntr demo\n")
    status, body = inside.page(80, "/nothing")
    assert status == "404" and "nginx" in body


def redis(inside: Inside) -> None:
    """Data are written to the disk, by redis's own user, where the image has a directory for them."""
    wait_until(lambda: inside.own("redis-cli", "ping") == "PONG\n", "redis answers")
    assert inside.own("redis-cli", "set", "key", "value") == "OK\n"
    assert inside.own("redis-cli", "get", "key") == "value\n"
    assert inside.own("redis-cli", "save") == "OK\n"
    data = "/var/lib/cntr/var/lib/redis"
    owner, mode = inside.host("stat", "--format=%u:%g %a", data).split()
    assert owner.split(":")[0] != "0" and mode == "750"
    assert inside.host("stat", "--format=%u:%g", f"{data}/dump.rdb").strip().split(":")[0] == owner.split(":")[0]
    saved = inside.own("redis-cli", "lastsave")
    wait_until(lambda: "Background saving started" in inside.own("redis-cli", "bgsave"), "a save begins")
    wait_until(lambda: inside.own("redis-cli", "lastsave") > saved, "the save ends")


def postgres(inside: Inside) -> None:
    """A cluster is made at the start; then tables, transactions, and what an application asks for seldom."""
    local = ("--host=127.0.0.1", "--username=postgres")

    def ask(query: str) -> str:
        return inside.own("psql", *local, "--no-align", "--tuples-only", "--command", query).strip()

    ready = ("attach", inside.name, "--tools", f"image:{inside.image}", "--", "pg_isready", "--host=127.0.0.1")
    wait_until(lambda: inside.slim.cntr(*ready, timeout=LIMIT).returncode == 0, "postgres is ready", LIMIT)
    inside.own("pgbench", *local, "--initialize", "postgres")
    assert "number of failed transactions: 0" in inside.own("pgbench", *local, "--time=2", "postgres")
    assert ask("select count(*) from pgbench_accounts") == "100000"
    assert ask("select to_tsvector('english', 'running databases')") == "'databas':2 'run':1"
    assert ask("select '2024-07-01 12:00+00'::timestamptz at time zone 'Asia/Kathmandu'") == "2024-07-01 17:45:00"
    assert ask("select convert_to('ж', 'KOI8R')") == r"\xd6"
    assert ask("do $$ begin perform 1/1; end $$; select version()").startswith("DO\nPostgreSQL")
    assert ask("create database other encoding 'LATIN1' locale 'C' template template0") == "CREATE DATABASE"


def flask(inside: Inside) -> None:
    inside.wait_for(8000)
    assert inside.page(8000, "/") == ("200", "ten endpoints\n")
    assert inside.page(8000, "/sql") == ("200", '{"sum":42}\n')
    status, body = inside.page(8000, "/nothing")
    assert status == "404" and "There is no /nothing here" in body


def tomcat(inside: Inside) -> None:
    inside.wait_for(8080)
    assert inside.page(8080, "/sum.jsp") == ("200", "42\n")
    status, body = inside.page(8080, "/nothing")
    assert status == "404" and "Apache Tomcat" in body


def node(inside: Inside) -> None:
    inside.wait_for(3000)
    assert inside.page(3000, "/") == ("200", "served by node\n")
    assert inside.page(3000, "/compressed") == ("200", "SERVED BY NODE\n")


def node_exporter(inside: Inside) -> None:
    inside.wait_for(9100)
    status, body = inside.page(9100, "/metrics")
    assert status == "200" and "node_cpu_seconds_total" in body


@dataclass(frozen=True)
class Application:
    """An image of evaluation/corpus, the probes that its trace is made by, and a workload that asserts."""

    recipe: str
    probes: tuple[str, ...]
    workload: Callable[[Inside], None]

    def __str__(self) -> str:
        return self.recipe

    @property
    def options(self) -> list[str]:
        return [word for probe in self.probes for word in ("--probe", probe)]


APPLICATIONS = (
    Application("nginx", ("http:80/", "http:80/nothing=404"), nginx),
    Application("redis", ("exec:redis-cli ping",), redis),
    Application("postgres", ("exec:psql --host=127.0.0.1 --username=postgres --command='select 1'",), postgres),
    Application("flask", ("http:8000/", "http:8000/sql", "http:8000/nothing=404"), flask),
    Application("tomcat", ("http:8080/sum.jsp", "http:8080/nothing=404"), tomcat),
    Application("node", ("http:3000/", "http:3000/compressed"), node),
    Application("node-exporter", ("http:9100/metrics",), node_exporter),
)


@dataclass(frozen=True)
class Pair:
    """An application that was slimmed."""

    application: Application
    slim: Slim
    original: str
    result: Result

    @contextmanager
    def running(self, image: str = "out.tar:app:slim", *options: str) -> Iterator[Inside]:
        """A container of the embedded engine; stopped afterwards."""
        name = f"cntr-test-{self.slim.place.parent.name}"
        started = self.slim.cntr("run", "--detach", "--name", name, *options, image, timeout=LIMIT)
        assert started.returncode == 0, started.stderr
        try:
            yield Inside(self.slim, name, self.original)
        finally:
            self.slim.cntr("stop", "--timeout", "5", name)


def make_pair(application: Application, place: Path, *options: str) -> Pair:
    """Slim an application in the directory `place`, at the speed that users see: coverage is for smaller images."""
    slim, original = Slim(place), archive(application.recipe)
    slim.environment.update(UNMEASURED)
    return Pair(application, slim, original, slim.made(original, *application.options, *options))
