"""The plugin manager: who offers engines, filesystems, rules and commands, and what went wrong with whom.

Built-ins are found by the same entry points as everybody else. A plugin that cannot be loaded is reported by
``cntr plugins`` and otherwise left out: it never keeps cntr from working.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from . import hookspecs
from .engine import Engine
from .errors import PluginError
from .filesystem import Filesystem
from .rules import Profile, Rule

if TYPE_CHECKING:
    import typer

GROUP = "cntr"
DISABLE = "CNTR_DISABLE_PLUGINS"
"""The variable that names plugins to leave out, with commas between."""

_OURS = "cntr"
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


@dataclass(frozen=True, slots=True)
class Plugins:
    """Everything that plugins offer, without duplicates, built-ins first."""

    engines: tuple[Engine, ...]
    filesystems: tuple[Filesystem, ...]

    def filesystem(self, name: str) -> Filesystem:
        """The backend called `name`; :raises PluginError: there is none."""
        known = {filesystem.name: filesystem for filesystem in self.filesystems}
        if name not in known:
            raise PluginError(f"unknown filesystem backend '{name}'", f"choose from {', '.join(sorted(known))}")
        return known[name]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Asked for only now: attach and list need none of them, and would wait for their imports."""
        return _rules()

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        _rules()
        manager, loaded = _manager()
        return tuple(_info(manager, plugin) for plugin in loaded)


@dataclass(slots=True)
class _Loaded:
    """Working state of a plugin while all are collected."""

    entry: EntryPoint
    module: object | None
    offers: list[str]
    failure: str

    @property
    def distribution(self) -> str:
        return self.entry.dist.name if self.entry.dist else "unknown"


@functools.cache
def _manager() -> tuple[pluggy.PluginManager, tuple[_Loaded, ...]]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    found = [e for e in entry_points(group=GROUP) if e.name not in disabled]
    found.sort(key=lambda e: (e.dist is None or e.dist.name != _OURS, e.name))
    return manager, tuple(_load(manager, entry) for entry in found)


def _load(manager: pluggy.PluginManager, entry: EntryPoint) -> _Loaded:
    try:
        module = entry.load()
        if manager.has_plugin(entry.name):
            return _Loaded(entry, None, [], f"another plugin is already called '{entry.name}'")
        manager.register(module, name=entry.name)
        return _Loaded(entry, module, [], _unknown_hooks(manager, module))
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        return _Loaded(entry, None, [], f"{type(error).__name__}: {error}")


def _unknown_hooks(manager: pluggy.PluginManager, module: object) -> str:
    """A misspelt hook would never fire, and its author would look for the reason in vain."""
    callers = manager.get_hookcallers(module) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    return f"there is no hook {', '.join(unknown)}" if unknown else ""


@functools.cache
def load() -> Plugins:
    """Ask every plugin for engines and filesystems, once in the life of the process."""
    manager, loaded = _manager()
    engines: dict[str, Engine] = {}
    filesystems: dict[str, Filesystem] = {}
    for plugin in loaded:
        for engine in _offered(manager, plugin, "cntr_register_engine"):
            _add(plugin, engine, engines, Engine, "engine")
        for filesystem in _offered(manager, plugin, "cntr_register_filesystem"):
            _add(plugin, filesystem, filesystems, Filesystem, "filesystem")
    return Plugins(tuple(engines.values()), tuple(filesystems.values()))


@functools.cache
def _rules() -> tuple[Rule, ...]:
    manager, loaded = _manager()
    rules: dict[str, Rule] = {}
    for plugin in loaded:
        for offer in _offered(manager, plugin, "cntr_slim_rules"):
            for rule in offer if isinstance(offer, Sequence) else [offer]:
                _add(plugin, rule, rules, Rule, "rule")
    return tuple(rules.values())


def _info(manager: pluggy.PluginManager, plugin: _Loaded) -> PluginInfo:
    return PluginInfo(
        name=plugin.entry.name,
        distribution=plugin.distribution,
        version=plugin.entry.dist.version if plugin.entry.dist else "",
        offers=(*plugin.offers, *_commands(manager, plugin)),
        failure=plugin.failure,
    )


def _offered(manager: pluggy.PluginManager, plugin: _Loaded, hook: str) -> list[Any]:
    offers = []
    for function in _implementations(manager, plugin, hook):
        try:
            offers.append(function())
        except (Exception, SystemExit) as error:
            plugin.failure = f"{hook}: {type(error).__name__}: {error}"
    return [offer for offer in offers if offer is not None]


def _add(plugin: _Loaded, offer: Any, known: dict[str, Any], kind: type[object], word: str) -> None:
    """Take an offer in, unless it is no `kind` or its name is taken."""
    name = str(getattr(offer, "name", ""))
    if not isinstance(offer, kind):
        plugin.failure = f"it offers {type(offer).__name__}, which is no {kind.__name__}"
    elif not _NAME.fullmatch(name):
        plugin.failure = f"the {word} name '{name}' is not made of lower-case letters, digits, dashes"
    elif name in known:
        plugin.failure = f"the {word} '{name}' exists already"
    elif isinstance(offer, Rule) and offer.profile not in tuple(Profile):
        plugin.failure = f"the rule '{name}' has the profile '{offer.profile}', which is none of {', '.join(Profile)}"
    else:
        known[name] = offer
        plugin.offers.append(f"{word} {name}")


def _implementations(manager: pluggy.PluginManager, plugin: _Loaded, hook: str) -> list[Callable[..., Any]]:
    if plugin.module is None:
        return []
    implementations = getattr(manager.hook, hook).get_hookimpls()
    return [impl.function for impl in implementations if impl.plugin is plugin.module]


def _commands(manager: pluggy.PluginManager, plugin: _Loaded) -> tuple[str, ...]:
    return ("commands",) if _implementations(manager, plugin, "cntr_register_commands") else ()


def register_commands(app: typer.Typer) -> None:
    """Let every plugin add its commands; one that fails is left out, and reported by ``cntr plugins``."""
    manager, loaded = _manager()
    for plugin in loaded:
        for function in _implementations(manager, plugin, "cntr_register_commands"):
            try:
                function(app)
            except (Exception, SystemExit) as error:
                plugin.failure = f"cntr_register_commands: {type(error).__name__}: {error}"
