"""The plugin manager: who offers engines, filesystems, rules and commands, and what went wrong with whom.

Built-ins are found by the same entry points as everybody else. A plugin that cannot be loaded is reported by
``cntr plugins`` and otherwise left out: it never keeps cntr from working.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .dataclass import dataclass
from .engine import Engine
from .entry_points import entry_points
from .errors import EndedBySignal, PluginError
from .filesystem import Filesystem

if TYPE_CHECKING:
    import pluggy
    import typer

    from .entry_points import AnyEntryPoint
    from .rules import Rule

GROUP = "cntr"
DISABLE = "CNTR_DISABLE_PLUGINS"
"""The variable that names plugins to leave out, with commas between."""

_ENGINE, _FILESYSTEM = "cntr_register_engine", "cntr_register_filesystem"
_COMMANDS, _RULES = "cntr_register_commands", "cntr_slim_rules"
_OURS = ("cntr_plugins", "cntr_slimmer")
"""The packages of the built-in plugins."""
_NAME = re.compile("[a-z][a-z0-9_-]*")
"""What ContainerRef takes for an engine."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin: its entry point, who distributes it, what it offers, and why it does not work if it does not."""

    name: str
    distribution: str
    version: str
    offers: tuple[str, ...]
    failure: str = ""


class Plugins:
    """Everything that plugins offer, without duplicates, built-ins first. What nobody asks for is not loaded."""

    @property
    def engines(self) -> tuple[Engine, ...]:
        return tuple(_all_offered(_ENGINE, Engine, "engine").values())

    def engines_for(self, name: str | None) -> tuple[Engine, ...]:
        """Those to look in for the engine called `name`: that one alone where it is built in, else all."""
        built_in = _built_in(name, _ENGINE) if name is not None else None
        return self.engines if built_in is None else (built_in,)

    @property
    def filesystems(self) -> tuple[Filesystem, ...]:
        return tuple(_all_offered(_FILESYSTEM, Filesystem, "filesystem").values())

    def filesystem(self, name: str) -> Filesystem:
        """The backend called `name`; :raises PluginError: there is none."""
        built_in: Filesystem | None = _built_in(name, _FILESYSTEM)
        if built_in is not None:
            return built_in
        known = {filesystem.name: filesystem for filesystem in self.filesystems}
        if name not in known:
            raise PluginError(f"unknown filesystem backend '{name}'", f"choose from {', '.join(sorted(known))}")
        return known[name]

    @property
    def rules(self) -> tuple[Rule, ...]:
        from .rules import Rule

        return tuple(_all_offered(_RULES, Rule, "rule").values())

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        _ = self.engines, self.filesystems, self.rules  # which notes who offers them
        return tuple(_info(plugin) for plugin in _plugins())


@functools.cache
def load() -> Plugins:
    """What plugins offer; each is asked once in the life of the process."""
    return Plugins()


class _Plugin:
    """One plugin: loaded when it is first asked for something, and asked for each thing once."""

    def __init__(self, manager: pluggy.PluginManager, entry: AnyEntryPoint) -> None:
        self.entry = entry
        self.is_ours = _is_ours(entry)
        self.offers: list[str] = []
        self.failure = ""
        self._manager = manager
        self._module: object | None = None
        self._is_loaded = False
        self._offered: dict[str, list[Any]] = {}

    def _load(self) -> None:
        name = self.entry.name
        try:
            module = self.entry.load()
            if self._manager.has_plugin(name):
                self.failure = f"another plugin is already called '{name}'"
                return
            self._manager.register(module, name=name)
            self._module, self.failure = module, _unknown_hooks(self._manager, module)
        except EndedBySignal:
            raise
        except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
            self.failure = f"{type(error).__name__}: {error}"

    def implementations(self, hook: str) -> list[Callable[..., Any]]:
        if not self._is_loaded:
            self._is_loaded = True
            self._load()
        if self._module is None:
            return []
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        return [impl.function for impl in implementations if impl.plugin is self._module]

    def offered(self, hook: str) -> list[Any]:
        """What it answers to `hook`, one thing each."""
        if hook not in self._offered:
            answers = [self._call(hook, function) for function in self.implementations(hook)]
            self._offered[hook] = [each for answer in answers if answer is not None for each in _several(hook, answer)]
        return self._offered[hook]

    def _call(self, hook: str, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except EndedBySignal:
            raise
        except (Exception, SystemExit) as error:
            self.failure = f"{hook}: {type(error).__name__}: {error}"
            return None

    def add_commands(self, app: typer.Typer) -> None:
        for function in self.implementations(_COMMANDS):
            self._call(_COMMANDS, function, app)


def _several(hook: str, answer: Any) -> Sequence[Any]:
    return answer if hook == _RULES and isinstance(answer, Sequence) else [answer]


@functools.cache
def _plugins() -> tuple[_Plugin, ...]:
    import pluggy

    from . import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    found = [_Plugin(manager, entry) for entry in _entries()]
    return tuple(sorted(found, key=lambda plugin: (not plugin.is_ours, plugin.entry.name)))


@functools.cache
def _entries() -> list[AnyEntryPoint]:
    """Of all plugins but those that the user has switched off."""
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    return [entry for entry in entry_points(GROUP) if entry.name not in disabled]


def _is_ours(entry: AnyEntryPoint) -> bool:
    return entry.module.partition(".")[0] in _OURS  # a distribution's name is slow to find out


def _unknown_hooks(manager: pluggy.PluginManager, module: object) -> str:
    """A misspelt hook would never fire, and its author would look for the reason in vain."""
    callers = manager.get_hookcallers(module) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    return f"there is no hook {', '.join(unknown)}" if unknown else ""


@functools.cache
def _all_offered(hook: str, kind: type[Any], word: str) -> dict[str, Any]:
    """By name, what all plugins answer to `hook`; a `word` for people says what it should be."""
    known: dict[str, Any] = {}
    for plugin in _plugins():
        for offer in plugin.offered(hook):
            _add(plugin, offer, known, kind, word)
    return known


@functools.cache
def _built_in(name: str, hook: str) -> Any:
    """What the built-in plugin called `name` answers to `hook`, where it has that name itself: it would come before
    whatever another plugin calls so. None where there is none, or it fails, which is told where all are asked."""
    for entry in _entries():
        if entry.name == name and _is_ours(entry):
            with suppress(ImportError):
                answer = getattr(entry.load(), hook, None)
                offer = answer() if answer is not None else None
                return offer if offer is not None and offer.name == name else None
    return None


def _info(plugin: _Plugin) -> PluginInfo:
    distribution = plugin.entry.dist
    return PluginInfo(
        name=plugin.entry.name,
        distribution=distribution.name if distribution else "unknown",
        version=distribution.version if distribution else "",
        offers=(*plugin.offers, *(("commands",) if plugin.implementations(_COMMANDS) else ())),
        failure=plugin.failure,
    )


def _add(plugin: _Plugin, offer: Any, known: dict[str, Any], kind: type[Any], word: str) -> None:
    """Take an offer in, unless it is no `kind` or its name is taken."""
    name = str(getattr(offer, "name", ""))
    if not isinstance(offer, kind):
        plugin.failure = f"it offers {type(offer).__name__}, which is no {kind.__name__}"
    elif not _NAME.fullmatch(name):
        plugin.failure = f"the {word} name '{name}' is not made of lower-case letters, digits, dashes"
    elif name in known:
        plugin.failure = f"the {word} '{name}' exists already"
    elif word == "rule" and (problem := _unknown_profile(offer)):
        plugin.failure = problem
    else:
        known[name] = offer
        plugin.offers.append(f"{word} {name}")


def _unknown_profile(rule: Rule) -> str:
    """What is wrong with the profile of `rule`, if anything is."""
    from .rules import Profile

    if rule.profile in tuple(Profile):
        return ""
    return f"the rule '{rule.name}' has the profile '{rule.profile}', which is none of {', '.join(Profile)}"


def register_commands(app: typer.Typer) -> None:
    """Let every plugin add its commands; one that fails is left out, and reported by ``cntr plugins``."""
    for plugin in _plugins():
        plugin.add_commands(app)
