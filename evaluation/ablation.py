"""What each rule of slimming costs and gains, image by image: files are chosen again without it, from the same trace.

What is kept for the sake of a rule's files goes with them, and what another rule keeps, too, stays: the difference is
what this rule alone costs. It gains the steps that were not asked while tracing, passed, and open one of these files.
A rule of a higher profile than the run's is added instead, and gains failed steps: those that lack nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cntr_slimmer.report.text import shown
from cntr_slimmer.selection import SelectionOptions, choose
from cntr_slimmer.trace.file import read

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.plugins import load
from cntr_core.rules import Profile, Rule

from .judged import ASKED, Judged
from .uses import Use

Keep = Callable[[SelectionOptions], frozenset[str]]
"""Chooses the files of a slim image."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """One rule in one image: the files and bytes that it alone keeps, and the steps that it gains, each by its
    workload's name and its words. `original` are the bytes of all files of the image."""

    image: str
    rule: str
    profile: str
    files: int
    bytes: int
    original: int
    gains: tuple[tuple[str, str], ...]


def ablations(image: str, reference: str, place: str, uses: Sequence[Use]) -> Iterator[Ablation]:
    """One for each rule that has a part in the slim image of `place`, a directory of a pair; `reference` is its
    original, `uses` what its steps use.

    :raises CntrError: the image or the trace cannot be read.
    """
    judged, trace = Judged.read(place), read(os.path.join(place, "report/trace.jsonl.zst"))
    rules = load().rules
    sizes = {file.path: file.bytes for file in judged.report.files if file.counts}
    with open_image(reference) as opened, open_layers(opened) as layers:

        def keep(options: SelectionOptions) -> frozenset[str]:
            chosen = choose(layers, opened.config, trace, rules, options)
            return frozenset(map(shown, chosen.reasons))

        for rule, files in _alone(rules, judged, keep):
            found = [path for path in files if path in sizes]
            gains = tuple((use.run, use.step) for use in gained(judged, uses, rule, frozenset(found)))
            cost = sum(sizes[path] for path in found)
            original = judged.report.content.bytes
            yield Ablation(image, rule.name, rule.profile, len(found), cost, original, gains)


def _alone(rules: Iterable[Rule], judged: Judged, keep: Keep) -> Iterator[tuple[Rule, frozenset[str]]]:
    """Each rule with the files that it alone keeps, or would keep, if there are any."""
    profile = judged.profile
    parts = {rule.name for rule in judged.report.rules if rule.files}
    whole = keep(SelectionOptions(profile=profile))
    for rule in rules:
        if not _is_of(rule, profile):
            files = keep(SelectionOptions(profile=profile, with_rules=(rule.name,))) - whole
        elif rule.name in parts:
            files = whole - keep(SelectionOptions(profile=profile, without_rules=(rule.name,)))
        else:
            continue
        if files:
            yield rule, files


def _is_of(rule: Rule, profile: Profile) -> bool:
    order = list(Profile)
    return order.index(rule.profile) <= order.index(profile)


def gained(judged: Judged, uses: Sequence[Use], rule: Rule, files: frozenset[str]) -> Iterator[Use]:
    """The steps that were not asked while tracing and owe it to `rule`, which alone keeps `files`, that they pass, or
    would."""
    is_asked = _is_of(rule, judged.profile)
    gone = {file.path for file in judged.report.files if file.counts and not file.kept}
    start: frozenset[str] = frozenset()
    for step, use in zip(judged.steps, uses, strict=True):
        start = frozenset(use.opened) if use.starts else start
        opened = start.union(use.opened)
        owes = opened & files if is_asked else opened & gone and opened & gone <= files
        if step.run not in ASKED and use.ok and step.ok == is_asked and owes:
            yield use


@dataclass(frozen=True, slots=True)
class Sum:
    """One rule over all images: those in which it alone keeps something, files, bytes, the mean share of an image's
    bytes (over `all` images), and the steps that it gains."""

    rule: str
    profile: str
    images: int
    files: int
    bytes: int
    share: float
    steps: int


def sums(found: Iterable[Ablation], images: int) -> list[Sum]:
    """The sums of each rule over `images` images, the dearest first."""
    by_rule: dict[str, list[Ablation]] = {}
    for one in found:
        by_rule.setdefault(one.rule, []).append(one)
    made = [_sum(parts, images) for parts in by_rule.values()]
    return sorted(made, key=lambda one: (-one.share, one.rule))


def _sum(parts: Sequence[Ablation], images: int) -> Sum:
    return Sum(
        rule=parts[0].rule,
        profile=parts[0].profile,
        images=len(parts),
        files=sum(part.files for part in parts),
        bytes=sum(part.bytes for part in parts),
        share=sum(part.bytes / part.original for part in parts if part.original) / images,
        steps=sum(len(part.gains) for part in parts),
    )
