"""From a trace to the files to keep, each with its reason."""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cntr_core.errors import ImageError, UsageError
from cntr_core.images import ImageConfig
from cntr_core.images.tar.members import Kind
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.tree.tree import Directory, File, Name
from cntr_core.rules import ImageView, Profile, Rule, RuleContext

from .hollow import hollow_directories
from .probes.defaults import health_check
from .rules import closure
from .rules.databases import PackageDatabases
from .rules.package import WholePackages, read_packages
from .rules.paths import Exclusion, PathPatterns, Paths, check_patterns
from .rules.python import Python
from .split.package_lists import LISTS, idle_descriptions, list_file
from .trace.record import SHIM, Access, AccessTrace, Phase

_log = logging.getLogger(__name__)

USED = "trace"
"""The reason's name, beside those of the rules, for what the run used."""

LAYERS = "layers"
"""The same for the layers that the user keeps whole."""

SKELETON = closure.Reason("skeleton", "leads to a directory")
"""The reason for links to directories, which are kept like directories: paths lead through them."""

_NO_FILE = closure.Reason(PackageDatabases.name, "the package has no file left")

_FILE_OPERATIONS = {"read": "read", "open": "opened", "readlink": "followed", "readdir": "listed", "opendir": "opened"}


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """What the user says beside the trace: paths and patterns to keep, to leave out, and to keep whatever else is said;
    packages to keep whole; how many of the topmost layers to keep whole; the profile whose rules are asked, and what
    rules are asked, and are not, whatever the profile; and whether lists of packages keep those without a file left."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    preserve: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    last_layers: int = 0
    profile: Profile = Profile.BALANCED
    with_rules: tuple[str, ...] = ()
    without_rules: tuple[str, ...] = ()
    all_packages: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to keep, and why, by real paths. `unmatched` are patterns of the user that nothing fits; `left_out` is
    what a rule would keep but for its limit, and directories that would mislead if they were empty; `hollow` has the
    inode numbers of these. `lists` names the lists of packages that are kept for scanners alone, and so need not tell
    of packages without a file left. `limits` has the limits of the rules that were asked. `profile` is the user's, and
    `profiles` has for each rule the lowest that has it."""

    files: tuple[File, ...]
    reasons: Mapping[bytes, closure.Reason]
    unmatched: tuple[str, ...] = field(default=())
    left_out: Mapping[bytes, closure.Reason] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    hollow: frozenset[int] = frozenset()
    lists: tuple[bytes, ...] = ()
    profile: Profile = Profile.BALANCED
    profiles: Mapping[str, Profile] = field(default_factory=dict)


def check_words(options: SelectionOptions, rules: Sequence[Rule]) -> None:
    """:raises CntrError: there is no such rule, or a path does not begin with a slash."""
    _chosen(rules, options)
    check_patterns((*options.include, *options.exclude, *options.preserve))


def _chosen(rules: Sequence[Rule], options: SelectionOptions) -> tuple[Rule, ...]:
    return closure.chosen(rules, options.profile, with_=options.with_rules, without=options.without_rules)


def check(layers: OpenLayers, options: SelectionOptions) -> None:
    """What can be told before a run; :raises UsageError: the image has no such package, or fewer layers."""
    if options.packages:
        WholePackages(layers.view, read_packages(layers.view), options.packages)
    if options.last_layers > len(layers.tars):
        raise UsageError(
            f"--last-layers: the image has {len(layers.tars)} layers, not {options.last_layers}",
            "give a smaller number",
        )


def choose(
    layers: OpenLayers, config: ImageConfig, trace: AccessTrace, rules: Sequence[Rule], options: SelectionOptions
) -> Selection:
    """The files that the slim image has.

    :raises CntrError: a rule fails, or a wish names what is not there.
    """
    view = layers.view
    include, exclude, preserve = (
        PathPatterns(view, patterns) for patterns in (options.include, options.exclude, options.preserve)
    )
    excluded = Exclusion(exclude, preserve)
    used = _used(view, trace, excluded)
    reasons = {path: closure.Reason(USED, because) for path, because in _uses(trace, used)}
    preserved = closure.Reason("preserve", "was to be preserved")
    reasons |= {**dict.fromkeys(preserve.expand(), preserved), **_last(layers, options.last_layers, excluded)}
    kept = used | dict.fromkeys(reasons.keys() - used.keys(), frozenset[str]())
    asked = _rules_to_ask(view, rules, options, include)
    _log.debug("%d files used; asking %s", len(used), ", ".join(rule.name for rule in asked))
    found, left_out = closure.close(_context(layers, config, trace, kept), asked, excluded=excluded)
    for_scanners = frozenset() if options.all_packages else _for_scanners({**found, **reasons}, include)
    idle = idle_descriptions(view, {*found, *reasons, *kept}) & for_scanners if for_scanners else frozenset()
    left_out = {**left_out, **dict.fromkeys(idle, _NO_FILE)}
    files = _files(layers, {*found, *reasons, *kept} - idle)
    hollow = _hollow(layers, config, files)
    links = _directory_links(layers, excluded, hollow)
    unmatched = [pattern for patterns in (include, exclude, preserve) for pattern in patterns.unmatched()]
    limits = {rule.name: rule.limit for rule in asked if rule.limit is not None}
    profiles = {rule.name: rule.profile for rule in rules}
    return Selection(
        files=tuple({**files, **_files(layers, links)}.values()),
        reasons={**links, **found, **reasons},
        lists=tuple(name for name in LISTS if (file := list_file(layers.tree, name)) and file.path in for_scanners),
        unmatched=tuple(unmatched),
        left_out={**left_out, **{name.path: reason for name, reason in hollow.items()}},
        hollow=frozenset(name.file.ino for name in hollow),
        limits=limits,
        profile=options.profile,
        profiles=profiles,
    )


def _for_scanners(reasons: Mapping[bytes, closure.Reason], include: PathPatterns) -> frozenset[bytes]:
    """What is kept for scanners alone: the run has not looked at it, and the user has not named it."""
    paths = (path for path, reason in reasons.items() if reason.rule == PackageDatabases.name)
    return frozenset(path for path in paths if not include.matches(path))


def _context(
    layers: OpenLayers, config: ImageConfig, trace: AccessTrace, used: Mapping[bytes, frozenset[str]]
) -> RuleContext:
    """What rules may know; the commands are those that ran, and those that the image names."""
    runs = (run.get("command", ()) for run in trace.runs)
    volumes = (volume for run in trace.runs for volume in run.get("volumes", ()))
    commands = [(*config.entrypoint, *config.cmd), _health_check(config), *runs]
    return RuleContext(
        image=layers.view,
        used=used,
        absent=trace.absent(),
        kept=frozenset(),
        fresh=frozenset(),
        environment=config.environment,
        working_dir=os.fsencode(config.working_dir or "/"),
        commands=tuple(tuple(map(os.fsencode, words)) for words in commands),
        volumes=tuple(map(os.fsencode, dict.fromkeys([*config.volumes, *volumes]))),
        layers=len(layers.tars),
    )


def _health_check(config: ImageConfig) -> tuple[str, ...]:
    try:
        return health_check(config)
    except ImageError:  # malformed: no engine runs it
        return ()


def _used(view: ImageView, trace: AccessTrace, excluded: Callable[[bytes], bool]) -> dict[bytes, frozenset[str]]:
    """What the trace says was used and is in the image, and what was done to it."""
    used = {path: operations for path, operations in trace.used().items() if not excluded(path)}
    return {path: used[path] for path in used if view.lookup(path, follow=False) is not None}


def _rules_to_ask(
    view: ImageView, rules: Sequence[Rule], options: SelectionOptions, include: PathPatterns
) -> list[Rule]:
    asked: list[Rule] = [*_chosen(rules, options), Paths(include)]
    if options.packages:
        asked.append(WholePackages(view, read_packages(view), options.packages))
    return asked


def _file(layers: OpenLayers, path: bytes, *, follow: bool = False) -> File | None:
    try:
        return layers.tree.resolve(path, follow=follow).file
    except OSError:
        return None


def _files(layers: OpenLayers, paths: Collection[bytes]) -> dict[int, File]:
    """What is at these paths, by inode numbers."""
    return {file.ino: file for path in sorted(paths) if (file := _file(layers, path)) is not None}


def _hollow(layers: OpenLayers, config: ImageConfig, files: Mapping[int, File]) -> Mapping[Name, closure.Reason]:
    """The directories without any of these files that would mislead programs; not the one where they start."""
    kept = [name.path for file in files.values() for name in file.names]
    working = posixpath.normpath(posixpath.join(b"/", os.fsencode(config.working_dir)))
    found = hollow_directories(layers.tree, [*kept, working])
    return {name: closure.Reason(Python.name, because) for name, because in found.items()}


def _uses(trace: AccessTrace, used: Collection[bytes]) -> Iterable[tuple[bytes, str]]:
    """For each path what was done to it that tells most, by whom, and when. What only starting a container needs is
    said so, and not by which of cntr's or the runtime's processes."""
    best: dict[bytes, tuple[tuple[bool, int], str]] = {}
    for access in trace.accesses:
        if access.errno or access.path not in used:
            continue
        own = _is_of_the_start(access, trace, used)
        rank = own, list(_FILE_OPERATIONS).index(access.operation) if access.operation in _FILE_OPERATIONS else 9
        if access.path not in best or rank < best[access.path][0]:
            best[access.path] = rank, _STARTED[access.phase] if own else _used_by(access, trace)
    return ((path, because) for path, (_, because) in best.items())


def _used_by(access: Access, trace: AccessTrace) -> str:
    exe = os.fsdecode(trace.processes[access.process].exe) or "the kernel"
    return f"{_FILE_OPERATIONS.get(access.operation, 'looked up')} by {exe}, {_WHEN[access.phase]}"


def _is_of_the_start(access: Access, trace: AccessTrace, used: Collection[bytes]) -> bool:
    """Whether no program of the image did it, but cntr or the runtime, whose program has no path in the container."""
    exe = trace.processes[access.process].exe
    return access.phase is Phase.SETUP or exe.startswith(b"[") or (exe == SHIM and SHIM not in used)


_WHEN = ("before the start", "at the start", "while it was probed", "when it was stopped")
_STARTED = (
    "needed to make the container",
    "needed to start the container",
    "needed to start a program, while it was probed",
    "needed to start a program, when it was stopped",
)


def _last(layers: OpenLayers, count: int, excluded: Callable[[bytes], bool]) -> Mapping[bytes, closure.Reason]:
    """The files of the topmost layers."""
    if not count:
        return {}
    reason = closure.Reason(LAYERS, f"is in one of the last {count} layers")
    first = len(layers.tars) - count
    files = (file for file in layers.tree.files() if file.layer >= first)
    return {file.path: reason for file in files if not excluded(file.path)}


def _directory_links(
    layers: OpenLayers, excluded: Callable[[bytes], bool], hollow: Collection[Name]
) -> Mapping[bytes, closure.Reason]:
    """The links to directories that stay, as far as they are in such."""
    gone = {name.file for name in hollow}
    links = (file for file in layers.tree.files() if file.entry.kind is Kind.SYMLINK and not excluded(file.path))
    found = {link.path: _file(layers, link.path, follow=True) for link in links if link.names[0].parent not in gone}
    return {path: SKELETON for path, file in found.items() if isinstance(file, Directory) and file not in gone}


def count(files: Iterable[File]) -> tuple[int, int]:
    """How many files that are no directories, and the bytes of their contents."""
    regular = [file for file in files if not isinstance(file, Directory)]
    return len(regular), sum(file.entry.size for file in regular if file.entry.kind is Kind.FILE)
