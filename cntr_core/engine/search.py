"""Which engines are here, which containers they have, which one a reference means; engines are asked side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..dataclass import dataclass
from ..errors import (
    MOST_TOLD,
    AmbiguousContainer,
    CntrError,
    ContainerNotFound,
    EngineAbsent,
    EngineError,
    PluginError,
    UsageError,
    some,
)
from ..types import Container, ContainerProcess, ContainerRef, ContainerState, EngineStatus, StoppedRoot
from .base import Engine
from .process import running_process
from .query import QueryResult, query

LIMIT = 2.0
"""Seconds that an engine has for an answer."""

SILENCE = 10.0
"""Seconds after which an engine that says nothing is given up: people attach when a machine is overloaded."""

PATIENCE = 30.0
"""Seconds that an engine may take, by several answers, for what no other has."""

_MOST_CANDIDATES = 10

SUGGESTION_LIMIT = 1.0
"""Seconds that an engine has for its list, where nobody knows a name: for a hint, nobody waits long."""

LAST_RESORTS = ("pid", "command")
"""Engines that count only where no other knows the name: a container may be called ``1234``."""


@dataclass(frozen=True, slots=True)
class ContainerList:
    """The containers of all engines that answered, and who did not."""

    containers: tuple[Container, ...]
    failures: tuple[QueryResult[list[Container]], ...]


def _checked(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """What a plugin gave, if it is what was asked for; a stranger's mistake must not surface far from it."""
    found = list(containers)
    for container in found:
        if not isinstance(container, Container):
            raise EngineError(
                f"{engine.name} lists {container!r:.60}, which is not a container", "report this to its author"
            )
        if container.engine != engine.name:
            raise EngineError(f"{engine.name} lists a container of {container.engine}", "report this to its author")
    return found


def statuses(engines: Sequence[Engine]) -> list[tuple[str, EngineStatus]]:
    """What each engine says about itself, asked side by side; one that fails is unavailable, with its error."""
    found = []
    for answer in query(engines, lambda engine: engine.status(), LIMIT):
        error = answer.error or EngineError(
            f"{answer.engine} does not answer with a status", "report this to its author"
        )
        status = answer.value
        if not isinstance(status, EngineStatus):
            status = EngineStatus(available=False, detail=error.message, hint=error.hint)
        found.append((answer.engine, status))
    return found


def list_containers(engines: Sequence[Engine]) -> ContainerList:
    """The containers of all engines, asked side by side."""
    answers = query(engines, lambda engine: _checked(engine, engine.containers()), LIMIT, skip_absent=True)
    found = [container for answer in answers for container in answer.value or ()]
    return ContainerList(tuple(found), tuple(answer for answer in answers if answer.error))


def resolve(
    ref: ContainerRef,
    engines: Sequence[Engine],
    meanwhile: Callable[[], object] | None = None,
    *,
    paused: bool = False,
    suggest: bool = True,
) -> ContainerProcess:
    """The process that `ref` names, among all engines, or in the one that it names; also of a paused container, if
    `paused`. `meanwhile` as for :func:`query`.

    :raises ContainerNotFound: nobody knows the name; the hint tells what each engine said, and similar names of
        containers that run, unless `suggest` is False: looking for those takes time.
    :raises EngineError: nobody knows the name, and one engine could not be asked: it may be that engine's.
    :raises AmbiguousContainer: several containers answer to it; the hint gives a reference for each.
    :raises ContainerNotRunning: it has no process to join.
    :raises PluginError: there is no such engine.
    """
    return running_process(find(ref, engines, meanwhile, suggest=suggest), paused=paused)


def find(
    ref: ContainerRef,
    engines: Sequence[Engine],
    meanwhile: Callable[[], object] | None = None,
    *,
    suggest: bool = True,
) -> Container:
    """The container that `ref` names; errors as :func:`resolve`, whatever its state."""
    if not ref.name:
        raise UsageError("the container's name is empty", "see cntr list")
    asked = chosen(ref.engine, engines)

    def ask(engine: Engine) -> list[Container]:
        return _checked(engine, engine.find(ref.name))

    answers = query(asked, ask, LIMIT, meanwhile, PATIENCE, skip_absent=True)
    found = [c for answer in answers for c in answer.value or () if answer.engine not in LAST_RESORTS]
    found = found or [c for answer in answers for c in answer.value or ()]
    found = [c for c in found if not _by_prefix(ref.name, c)] or found
    if not found:
        knowing = {answer.engine for answer in answers if suggest and not answer.error} - {*LAST_RESORTS}
        raise _not_found(ref, answers, similar(ref.name, [each for each in asked if each.name in knowing]))
    if len(found) > 1:
        candidates = sorted(f"{c.engine}://{_shortest(c, found)}" for c in found)
        raise AmbiguousContainer(f"'{ref}' names {len(found)} containers", f"say which: {_listed(candidates)}")
    return found[0]


def _listed(candidates: Sequence[str]) -> str:
    more = len(candidates) - _MOST_CANDIDATES
    return ", ".join([*candidates[:_MOST_CANDIDATES], *([f"or {more} more, see cntr list"] if more > 0 else [])])


def stopped_root(container: Container, engines: Sequence[Engine]) -> StoppedRoot:
    """The files of a container that does not run.

    :raises UsageError: it runs.
    :raises EngineError: its engine cannot tell where they are.
    """
    if container.state in (ContainerState.RUNNING, ContainerState.PAUSED):
        raise UsageError(f"{container.ref} is {container.state.value}", "leave --stopped out")
    (answer,) = query(chosen(container.engine, engines), lambda engine: engine.stopped_root(container), PATIENCE)
    if answer.error:
        raise answer.error
    if answer.value is None:
        raise EngineError(
            f"{container.engine} does not tell where the files of {container.name} are",
            "make an image of it, and attach to that: cntr attach --image",
        )
    return answer.value


def chosen(name: str | None, engines: Sequence[Engine]) -> Sequence[Engine]:
    """The engine called `name`, or all for None.

    :raises PluginError: there is no such engine.
    """
    if name is None:
        return engines
    found = [engine for engine in engines if engine.name == name]
    if not found:
        known = ", ".join(sorted(engine.name for engine in engines))
        raise PluginError(f"unknown engine '{name}'", f"choose from {known}, or install its plugin")
    return found


def similar(name: str, engines: Sequence[Engine]) -> list[str]:
    """References of containers that run, and have nearly this name; the most similar first."""
    if not engines:
        return []
    import difflib

    answers = query(engines, lambda engine: _checked(engine, engine.containers()), SUGGESTION_LIMIT)
    running = [c for answer in answers for c in answer.value or () if c.state is ContainerState.RUNNING]
    named = [(each, c) for c in running for each in {c.name, c.name.rpartition("/")[2]}]
    close = difflib.get_close_matches(name, {each for each, _ in named}, MOST_TOLD)
    found = [str(c.ref) for each in close for one, c in named if one == each]
    return list(dict.fromkeys(found))[:MOST_TOLD]


def _not_found(
    ref: ContainerRef, answers: Sequence[QueryResult[list[Container]]], names: Sequence[str] = ()
) -> CntrError:
    if ref.engine is not None and (error := answers[0].error):
        return error
    others = [a.error for a in answers if a.engine not in LAST_RESORTS]
    failed = [error for error in others if error and not isinstance(error, ContainerNotFound | EngineAbsent)]
    if len(failed) == 1:  # it may be that engine's
        cause = failed[0]
        sentence = f"container '{ref}' not found: {cause.message}"
        return type(cause)(sentence, cause.hint or "see cntr engines")
    told = sorted(answers, key=lambda answer: _rank(answer.error))
    said = some([f"{a.engine}: {a.error.message if a.error else 'no such container'}" for a in told])
    sentence = f"container '{ref}' not found"
    hint = f"see cntr list ({said})" if said else "see cntr list"
    return ContainerNotFound(sentence, f"did you mean {' or '.join(names)}? else {hint}" if names else hint)


def _rank(error: CntrError | None) -> int:
    """What somebody wants to know first: what failed, then who has no such container, then who is not here."""
    if isinstance(error, EngineAbsent | ContainerNotFound):
        return 2
    return 1 if error is None else 0


def _by_prefix(name: str, container: Container) -> bool:
    """Whether `name` is only the beginning of the container's id: a name of another engine's counts first."""
    return container.id != name and container.id.startswith(name) and container.name.rpartition("/")[2] != name


def _shortest(container: Container, others: Sequence[Container]) -> str:
    """The name where it tells `container` from `others` of its engine, else enough of the id."""
    same = [c for c in others if c.engine == container.engine and c is not container]
    if container.name and all(container.name != c.name for c in same):
        return container.name
    return container.id[:12]
