"""``cntr slim --batch``: the calls of ``cntr slim`` that a list means, made here or by others."""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from typer.exceptions import TyperException

from cntr_core.cli import end_by_signals
from cntr_core.cli import output as console
from cntr_core.cli.interrupts import undo_on_signals
from cntr_core.cli.usage import explained
from cntr_core.cli.words import takes_next
from cntr_core.dataclass import dataclass
from cntr_core.errors import CntrError, UsageError

from . import groups, names, options

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..batch.items import Item
    from ..batch.pool import Hindrance
    from ..batch.summary import Entry

_OWN = ("--batch", "--jobs", "--scheduler", "--resume", "--index", "--job-manifest", "--output", "-o", "--report")
_OWN_FLAGS = ("--resume", "--json", "--debug")
_OF_THE_CALL = ("batch", "jobs", "scheduler", "resume", "index", "job_manifest", "target", "report", "json")
"""Parameters that a line of the batch has not."""
_OF_A_LINE = ("slim_name", "fat_name", "fat_target", "junit", "sarif")
"""Those that only a line can have: they are of one image."""


def slim_batch(context: Any, batch: groups.Batch, output: groups.Output, json: bool) -> int:
    """Slim all images of the batch; 0, or 125 where one failed.

    :raises UsageError: the call or the batch is malformed.
    :raises CntrError: the report cannot be written, or no worker does the work.
    """
    _check(context, batch, output)
    from ..batch.items import read_items

    items = read_items(batch.batch or "")
    if batch.job_manifest:
        return _print_manifest(context, batch, items, output)
    (end_by_signals if batch.scheduler else undo_on_signals)()
    report = output.report or f"{_stem(batch.batch or '')}-batch"
    options.check_place(report, "--report")
    entries = _entries(context, items, output.target or "", report)
    if batch.index is not None:
        entries = [_at(entries, batch.index)]
    return _slimmed(entries, batch, report, json)


def _stem(batch: str) -> str:
    """What the directory of the report is called after."""
    name = os.path.splitext(os.path.basename(os.path.abspath(batch)))[0]
    return "stdin" if batch == "-" else name or "images"


def _check(context: Any, batch: groups.Batch, output: groups.Output) -> None:
    """:raises UsageError: options contradict each other."""
    named = [name for name in _OF_A_LINE if context.get_parameter_source(name).name != "DEFAULT"]
    if named or context.params.get("image") or context.params.get("command"):
        raise UsageError("--batch takes no image, command, name or file of one", "write them to the lines of the batch")
    if batch.scheduler and batch.jobs:
        raise UsageError("--jobs is for this machine, and --scheduler for others", "leave one out")
    if batch.job_manifest and not (output.target or "").startswith("registry://"):
        raise UsageError("the pods of --job-manifest need a registry", "add --output registry://HOST/PREFIX")


@dataclass(frozen=True, slots=True)
class _Call:
    """What ``cntr slim`` would understand: all words, those for all images first, and two of its parameters."""

    words: tuple[str, ...]
    image: str
    platform: str | None


def _entries(context: Any, items: Sequence[Item], target: str, report: str) -> list[Entry]:
    from ..batch.places import places
    from ..batch.summary import WAITING, Entry, source_of_file

    common = _common(context)
    calls = [_call(context, (*common, *item.words), item.where) for item in items]
    known = [engine.name for engine in options.engines()]
    identities = [shlex.join(call.words) for call in calls]
    found = places([call.image for call in calls], identities, target, known)
    if target and "://" not in target:
        os.makedirs(target, exist_ok=True)
    return [
        Entry(
            image=call.image,
            words=call.words,
            where=item.where,
            destination=place.destination,
            report=os.path.join(report, place.report),
            status=WAITING,
            source=source_of_file(call.image),
        )
        for item, call, place in zip(items, calls, found, strict=True)
    ]


def _common(context: Any) -> tuple[str, ...]:
    """The words of this call that are for each image."""
    words, with_value = iter(context.meta["words"]), _with_value(context)
    kept: list[str] = []
    for word in words:
        option = word.partition("=")[0] if word.startswith("--") else word[:2]
        value = [next(words, "")] if takes_next(word, with_value) else []
        if option not in (*_OWN, *_OWN_FLAGS):
            kept += [word, *value]
    return tuple(kept)


def _with_value(context: Any) -> set[str]:
    return {name for each in context.command.params if not getattr(each, "is_flag", True) for name in each.opts}


def _call(context: Any, words: tuple[str, ...], where: str) -> _Call:
    """:raises UsageError: these are no words for ``cntr slim``, or a line has what is for the whole batch."""
    try:
        parsed = context.command.make_context("slim", list(words), parent=context.parent, help_option_names=())
    except TyperException as error:
        raise UsageError(f"{where}: {explained(error)[0]}", "see cntr slim --help") from None
    own = [name for name in _OF_THE_CALL if parsed.get_parameter_source(name).name != "DEFAULT"]
    if own:
        raise UsageError(f"{where}: it has an option that is for all images", "give it beside --batch")
    if not parsed.params["image"]:
        raise UsageError(f"{where}: no image is named", "begin the line with the image")
    return _Call(words, parsed.params["image"], parsed.params["platform"])


def _at(entries: Sequence[Entry], index: int) -> Entry:
    if index >= len(entries):
        raise UsageError(f"--index {index}: the batch has {len(entries)} images", "count from 0")
    return entries[index]


def _slimmed(entries: list[Entry], batch: groups.Batch, report: str, json: bool) -> int:
    from ..batch.summary import UNCHANGED, write_summary

    if batch.resume:
        entries = _resumed(entries, report)
    summary = write_summary(entries, report)
    if any(entry.status != UNCHANGED for entry in entries):
        for done, position, entry in _done(entries, batch):
            entries[position] = entry
            summary = write_summary(entries, report)
            console.say(f"{done} of {len(entries)}: {entry.image}: {_outcome(entry)}")
    return _answer(summary, report, json)


def _done(entries: Sequence[Entry], batch: groups.Batch) -> Iterator[tuple[int, int, Entry]]:
    """Do what is waiting: how many are done, the position of the newest, and what became of it."""
    from ..batch.job import Job
    from ..batch.pool import results
    from ..batch.summary import WAITING, write_files

    name, directory = uuid.uuid4().hex, os.getcwd()
    waiting = [position for position, entry in enumerate(entries) if entry.status == WAITING]
    jobs = {Job(name, entries[one].words, entries[one].destination, directory): one for one in waiting}
    done = len(entries) - len(waiting)
    with _pool(batch, name) as (pool, hindrance):
        for job, result, tries in results(pool, list(jobs), _teller(hindrance)):
            done, entry = done + 1, entries[jobs[job]]
            write_files(result, entry.report)
            yield done, jobs[job], entry.with_result(result, tries)


def _teller(hindrance: Hindrance) -> Callable[[], None]:
    """What tells for what the batch waits, whenever that is another."""
    told = ""

    def tell() -> None:
        nonlocal told
        before, told = told, hindrance()
        if told and told != before:
            console.say(f"waiting: {told}")

    return tell


def _pool(batch: groups.Batch, name: str) -> AbstractContextManager[tuple[Executor, Hindrance]]:
    from ..batch.pool import dask_pool, local_pool

    return dask_pool(batch.scheduler, name) if batch.scheduler else local_pool(batch.jobs or 1, name)


def _resumed(entries: Sequence[Entry], report: str) -> list[Entry]:
    """The entries, where those stand that an earlier call slimmed from the same images to what is still there."""
    import msgspec

    from ..batch.summary import SLIMMED, UNCHANGED, read_summary

    summary = read_summary(report)
    known = {(one.words, one.destination): one for one in summary.images} if summary else {}
    return [
        msgspec.structs.replace(old, status=UNCHANGED, where=entry.where)
        if (old := known.get((entry.words, entry.destination)))
        and old.status in (SLIMMED, UNCHANGED)
        and _is_current(old, entry.source)
        else entry
        for entry in entries
    ]


def _is_current(old: Entry, source: str) -> bool:
    """Whether the image is the one that was slimmed, and the pair where it was put."""
    from .next_steps import reference

    if "://" not in old.destination and not os.path.exists(old.destination):
        return False
    slim = reference(old.destination, names.pair_names(old.image, old.destination)[0])
    is_there = not slim.startswith("registry://") or _digest(slim) == old.slim
    return is_there and old.source == (source or _digest(options.located(old.image, None)))


def _digest(image: str) -> str:
    """The digest of the image's manifest; empty where it cannot be opened."""
    try:
        with options.opened(image, None) as opened:
            return opened.digest
    except CntrError:
        return ""


def _outcome(entry: Entry) -> str:
    from ..batch.summary import FAILED
    from ..report.amounts import percent, size

    if entry.status == FAILED:
        return f"failed: {(entry.error or {}).get('message', '')}"
    saved = percent(entry.bytes - entry.kept_bytes, entry.bytes)
    return f"{size(entry.bytes)} → {size(entry.kept_bytes)}, {saved} less"


def _answer(summary: Any, report: str, json: bool) -> int:
    import msgspec

    from ..batch.summary import FAILED, FILE

    failed = [entry for entry in summary.images if entry.status == FAILED]
    if json:
        console.print_json(msgspec.to_builtins(summary))
    else:
        rows = [(one.image, one.status, _outcome(one), one.destination) for one in summary.images]
        console.print_table(("image", "status", "outcome", "destination"), rows, "the batch is empty")
    if not failed:
        return 0
    console.say(f"{len(failed)} of {len(summary.images)} images failed")
    console.hint(f"see {os.path.join(report, FILE)}; --resume does only what is missing")
    return CntrError.exit_code


def _print_manifest(context: Any, batch: groups.Batch, items: Sequence[Item], output: groups.Output) -> int:
    from ..batch.indexed_job import in_registries, manifest

    common = _common(context)

    def image_of(item: Item) -> str:
        return _call(context, (*common, *item.words), item.where).image

    found = [in_registries(item, image_of) for item in items]
    console.print_json(manifest(found, common, batch.job_manifest or "", output.target or "", batch.jobs or 1))
    return 0
