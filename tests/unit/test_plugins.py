"""The plugin manager with plugins of strangers: small distributions on the path of a fresh ``cntr`` process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

ENGINE = """
from collections.abc import Sequence
from cntr_core import Container, ContainerState, Engine, EngineStatus, hookimpl

class Mine(Engine):
    name = "NAME"
    def status(self) -> EngineStatus:
        return EngineStatus(available=True, detail="here I am")
    def containers(self) -> Sequence[Container]:
        return [Container(self.name, "0123456789", "web", ContainerState.EXITED)]

@hookimpl
def cntr_register_engine() -> Engine:
    return Mine()
"""


@dataclass
class Site:
    """A directory of distributions, and ``cntr`` as it runs with them."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)

    def install(self, distribution: str, source: str, *, entry: str = "", module: str = "") -> None:
        """What pip would leave behind: a module, and the metadata with its entry point."""
        module = module or distribution.replace("-", "_")
        info = f"{self.path}/{module}-1.0.dist-info"
        os.mkdir(info)
        files = {
            f"{self.path}/{module}.py": source,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n",
            f"{info}/entry_points.txt": f"[cntr]\n{entry or distribution} = {module}\n",
        }
        for name, content in files.items():
            with open(name, "w") as file:
                file.write(content)

    def cntr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": self.path, **self.environment}
        command = [os.path.join(os.path.dirname(sys.executable), "cntr"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def plugins(self) -> dict[str, dict[str, object]]:
        run = self.cntr("plugins", "--json")
        assert run.returncode == 0, run.stderr
        return {f"{p['distribution']}:{p['plugin']}": p for p in json.loads(run.stdout)}

    def engines(self) -> dict[str, str]:
        run = self.cntr("engines", "--json")
        assert run.returncode == 0, run.stderr
        return {e["engine"]: e["detail"] for e in json.loads(run.stdout)}


@pytest.fixture
def site(tmp_path: os.PathLike[str]) -> Site:
    return Site(os.fspath(tmp_path))


def test_built_ins_come_by_the_door_that_is_open_to_all(site: Site) -> None:
    site.install("stranger", ENGINE.replace("NAME", "mine"))
    plugins = site.plugins()
    assert plugins["cntr-attach:docker"]["offers"] == ["engine docker"]
    assert plugins["cntr-attach:direct"]["offers"] == ["filesystem direct"]
    assert plugins["stranger:stranger"] == {
        "plugin": "stranger", "distribution": "stranger", "version": "1.0", "offers": ["engine mine"], "failure": "",
    }  # fmt: skip
    assert site.engines()["mine"] == "here I am"


def test_a_strangers_engine_is_listed_and_named_like_any_other(site: Site) -> None:
    site.install("stranger", ENGINE.replace("NAME", "mine"))
    listed = json.loads(site.cntr("list", "--all", "--json", "--engine", "mine").stdout)
    assert [(c["engine"], c["name"], c["state"]) for c in listed] == [("mine", "web", "exited")]
    attach = site.cntr("attach", "mine://web")
    assert attach.returncode == 125
    assert "mine://web is not running (exited)" in attach.stderr


def test_a_plugin_may_mark_its_answers_with_pluggys_options(site: Site) -> None:
    marked = '@hookimpl(tryfirst=True, specname="cntr_register_engine")'
    source = ENGINE.replace("@hookimpl", marked).replace("def cntr_register_engine", "def offered")
    site.install("stranger", source.replace("NAME", "mine"))
    assert site.engines()["mine"] == "here I am"


def test_a_plugin_may_lie_in_an_archive(site: Site) -> None:
    site.install("stranger", ENGINE.replace("NAME", "mine"))
    archive = shutil.make_archive(f"{site.path}/archive", "zip", site.path)
    assert Site(archive).engines()["mine"] == "here I am"


@pytest.mark.parametrize(
    ("source", "failure"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (ENGINE.replace("return Mine()", "return Mine().nothing"), "cntr_register_engine: AttributeError: "),
        (ENGINE.replace("return Mine()", "raise SystemExit(3)"), "cntr_register_engine: SystemExit: 3"),
        (ENGINE.replace("return Mine()", "return 'mine'"), "it offers str, which is no Engine"),
        (ENGINE.replace("    def containers", "    def contianers"), "cntr_register_engine: TypeError: "),
        (ENGINE.replace("cntr_register_engine()", "cntr_register_engine(surprise)"), "PluginValidationError: "),
        (ENGINE.replace("cntr_register_engine", "cntr_registr_engine"), "there is no hook cntr_registr_engine"),
        (ENGINE.replace("NAME", "My Engine"), "the engine name 'My Engine' is not made of "),
    ],
    ids=["import", "syntax", "exit", "hook", "exit in hook", "type", "abstract", "signature", "misspelt", "name"],
)
def test_a_broken_plugin_is_reported_and_keeps_nothing_from_working(site: Site, source: str, failure: str) -> None:
    site.install("broken", source)
    site.install("healthy", ENGINE.replace("NAME", "mine"))
    plugins = site.plugins()
    assert str(plugins["broken:broken"]["failure"]).startswith(failure)
    assert plugins["broken:broken"]["offers"] == []
    assert plugins["healthy:healthy"]["failure"] == ""
    assert {"docker", "pid", "mine"} <= set(site.engines())


def test_a_failure_is_shown_to_people_too(site: Site) -> None:
    site.install("broken", "raise OSError('the reason')")
    assert "the reason" in site.cntr("plugins").stdout


def test_a_plugin_may_have_nothing_to_offer_on_this_machine(site: Site) -> None:
    site.install("absent", ENGINE.replace("return Mine()", "return None"))
    plugin = site.plugins()["absent:absent"]
    assert (plugin["offers"], plugin["failure"]) == ([], "")


def test_a_second_engine_of_one_name_is_refused_and_the_built_in_wins(site: Site) -> None:
    site.install("a-thief", ENGINE.replace("NAME", "pid"))
    plugins = site.plugins()
    assert plugins["a-thief:a-thief"]["failure"] == "the engine 'pid' exists already"
    assert plugins["cntr-attach:pid"]["failure"] == ""
    assert site.engines()["pid"] == "any process by its PID"


def test_a_second_plugin_of_one_name_is_refused(site: Site) -> None:
    site.install("impostor", ENGINE.replace("NAME", "mine"), entry="docker")
    plugins = site.plugins()
    assert plugins["impostor:docker"]["failure"] == "another plugin is already called 'docker'"
    assert "mine" not in site.engines()


def test_doctor_survives_a_backend_that_fails(site: Site) -> None:
    source = (
        "from cntr_core import Filesystem, hookimpl\n"
        "class Failing(Filesystem):\n"
        "    name = 'failing'\n"
        "    def missing(self): raise OSError('the reason')\n"
        "    def mount(self, request): raise NotImplementedError\n"
        "@hookimpl\n"
        "def cntr_register_filesystem(): return Failing()\n"
    )
    site.install("failing", source)
    findings = {f["name"]: f for f in json.loads(site.cntr("doctor", "--json").stdout)}
    assert findings["failing"]["detail"] == "its plugin fails: OSError: the reason"
    assert findings["direct"]["area"] == "filesystem"


def test_plugins_can_be_left_out_by_name(site: Site) -> None:
    site.install("broken", "import os; os.abort()")
    site.environment["CNTR_DISABLE_PLUGINS"] = "broken, oci"
    assert "pid" in site.engines()
    assert "oci" not in site.engines()
    assert "broken:broken" not in site.plugins()


COMMANDS = """
import typer
from cntr_core import hookimpl

@hookimpl
def cntr_register_commands(app: typer.Typer) -> None:
    @app.command("greet")
    def greet(name: str) -> None:
        "Greet somebody."
        typer.echo(f"hello {name}")
"""


def test_a_plugin_can_add_a_command(site: Site) -> None:
    site.install("greeter", COMMANDS)
    assert site.plugins()["greeter:greeter"]["offers"] == ["commands"]
    assert "Greet somebody." in site.cntr("--help").stdout
    assert site.cntr("greet", "you").stdout == "hello you\n"


def test_a_plugin_whose_commands_fail_is_reported(site: Site) -> None:
    site.install("greeter", COMMANDS.replace("    @app.command", "    raise OSError('no')\n    @app.command"))
    assert site.plugins()["greeter:greeter"]["failure"] == "cntr_register_commands: OSError: no"
    assert site.cntr("--help").returncode == 0


RULE = """
from collections.abc import Iterable, Sequence
from cntr_core import Keep, Rule, RuleContext, hookimpl

class Mine(Rule):
    name = "NAME"
    description = "What I say."
    def keep(self, context: RuleContext) -> Iterable[Keep]:
        return [Keep(b"/etc/hosts", "I say so")]

@hookimpl
def cntr_slim_rules() -> Sequence[Rule]:
    return [Mine()]
"""


def test_a_plugin_can_offer_rules_of_slimming(site: Site) -> None:
    site.install("stranger", RULE.replace("NAME", "mine"))
    plugins = site.plugins()
    assert plugins["stranger:stranger"]["offers"] == ["rule mine"]
    offers = plugins["cntr-attach:rules"]["offers"]
    assert isinstance(offers, list)
    assert {"rule elf", "rule libc", "rule python-packages"} <= set(offers)


@pytest.mark.parametrize(
    ("source", "failure"),
    [
        (RULE.replace("NAME", "elf"), "the rule 'elf' exists already"),
        (RULE.replace("NAME", "My Rule"), "the rule name 'My Rule' is not made of "),
        (
            RULE.replace("NAME", "x").replace("    desc", "    profile = 'light'; desc"),
            "the rule 'x' has the profile 'light'",
        ),
        (RULE.replace("[Mine()]", "Mine"), "it offers ABCMeta, which is no Rule"),
        (RULE.replace("[Mine()]", "['mine']"), "it offers str, which is no Rule"),
        (RULE.replace("[Mine()]", "[Mine().nothing]"), "cntr_slim_rules: AttributeError: "),
        (RULE.replace("def keep", "def kepe"), "cntr_slim_rules: TypeError: "),
    ],
    ids=["twice", "name", "profile", "no list", "type", "fails", "abstract"],
)
def test_a_rule_that_cannot_be_used_is_reported(site: Site, source: str, failure: str) -> None:
    site.install("a-stranger", source)
    plugins = site.plugins()
    assert str(plugins["a-stranger:a-stranger"]["failure"]).startswith(failure)
    assert plugins["a-stranger:a-stranger"]["offers"] == []
    assert plugins["cntr-attach:rules"]["failure"] == ""


def test_engines_are_asked_without_the_rules(site: Site) -> None:
    """Attach is measured in milliseconds, and needs no rule."""
    site.install("stranger", RULE.replace("    return [Mine()]", "    import os; os.abort()"))
    assert "docker" in site.engines()


def test_who_names_an_engine_loads_no_plugin_but_that_ones(site: Site) -> None:
    """Attach is measured in milliseconds; but an engine that a stranger has is found as ever."""
    site.install("stranger", "import os; os.abort()")
    refused = site.cntr("attach", "docker://there-is-no-such-container")
    assert refused.returncode == 125, "or the stranger's plugin was imported"
    assert site.cntr("attach", "mine://web").returncode == -signal.SIGABRT


def test_a_plugin_cannot_take_the_place_of_attach(site: Site) -> None:
    site.install("thief", COMMANDS.replace('"greet"', '"attach"'))
    assert "hello" not in site.cntr("attach", "pid://0").stdout


def test_starting_imports_no_heavy_library() -> None:
    """``cntr --help`` must not pay for docker, trio or pyfuse3; nor for an engine's answer."""
    script = "import sys\nfrom cntr_core.cli import app\napp.build()\nprint(*sys.modules)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV") and k != "PYTHONPATH"}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    heavy = {"docker", "requests", "trio", "pyfuse3", "rich.console", "ssl", "asyncio", "tarfile", "multiprocessing"}
    heavy |= {"elftools", "wcmatch", "tomllib", "cntr_slimmer.rules.elf"}
    assert "cntr_plugins.engines.docker" in run.stdout.split()
    assert not heavy & set(run.stdout.split())


def test_what_is_loaded_here_is_what_the_package_declares() -> None:
    from cntr_core.plugins import load

    loaded = load()
    assert {"docker", "oci", "pid"} <= {engine.name for engine in loaded.engines}
    assert {filesystem.name for filesystem in loaded.filesystems} >= {"direct", "kernel", "pyfuse3"}
    assert [rule.name for rule in loaded.rules][:2] == ["elf", "libc"]
    assert not [info for info in loaded.infos if info.distribution == "cntr-attach" and info.failure]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_cntr_is_no_failure_of_the_plugin_that_is_being_loaded(site: Site, number: signal.Signals) -> None:
    site.install("stranger", f"import os\nos.kill(os.getpid(), {number.value})\n" + ENGINE.replace("NAME", "mine"))
    assert site.cntr("attach", "nobody", "--", "true").returncode == 128 + number
