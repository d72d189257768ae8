"""Collecting the report of what was slimmed."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence

from cntr_core.images import Image
from cntr_core.images.write.new_image import Named, PackedImage
from cntr_core.version import version

from ..pipeline import Slimmed
from ..probes.evidence import doubt, evidence
from ..profiles.made import MadeProfile
from ..rules.package import read_packages
from . import schema, sums
from .files import files
from .findings import findings
from .text import plain, shown, words
from .unasked import unasked

_ROLES = ("slim", "fat")


def collect(
    result: Slimmed, image: Image, saved: Sequence[Named], destination: str, fat_destination: str = ""
) -> schema.Report:
    """The report of `result`. `saved` are the slim and the fat image as they went to `destination`, the fat one to
    `fat_destination` if that is not empty; nothing where they were not saved.

    :raises ImageError: a layer cannot be read.
    """
    packages = read_packages(result.layers.view)
    found = tuple(files(result, packages))
    directories = sums.by_directory(found)
    root = directories["/"]
    proved = result.verified and not result.trouble
    return schema.Report(
        image=words(image.reference),
        digest=image.digest,
        platform=words(str(image.config.platform)),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cntr=version(),
        kernel=os.uname().release,
        profile=result.selection.profile,
        ok=not result.trouble,
        trouble=words(result.trouble),
        verified=result.verified,
        evidence=tuple(map(words, evidence(result.original.outcomes))) if proved else (),
        doubt=doubt(result.original.outcomes) if proved else "",
        unasked=tuple(map(words, unasked(image.config, result.original.outcomes))),
        content=schema.Share(
            files=root.files, kept_files=root.kept_files, bytes=root.bytes, kept_bytes=root.kept_bytes
        ),
        destination=words(destination),
        halves=tuple(
            _half(role, name, half, place)
            for role, (name, half), place in zip(_ROLES, saved, ("", fat_destination), strict=False)
        ),
        layers=sums.by_layer(result, image, saved),
        directories=sums.top(directories),
        packages=sums.by_package(found, packages),
        unread_packages=packages.unreadable,
        largest_gone=sums.largest_gone(found),
        gone_directories=sums.gone_directories(directories),
        findings=findings({file.path: file for file in found}, result.layers),
        profiles=tuple(map(_profile, result.profiles)),
        probes=_probes(result),
        repairs=tuple(tuple(map(shown, learnt)) for learnt in result.verdict.repaired),
        unmatched=tuple(map(words, result.selection.unmatched)),
        rules=sums.by_rule(found, result.selection),
        phases=dict(result.clock.phases),
        seconds=result.clock.total(),
        directory=words(os.getcwd()),
        absent=tuple(sorted(map(shown, result.trace.absent()))),
        files=found,
    )


def _half(role: str, name: str, packed: PackedImage, place: str) -> schema.Half:
    size, digest = sum(layer.descriptor.size for layer in packed.layers), packed.descriptor.digest
    return schema.Half(role=role, name=words(name), digest=digest, compressed=size, destination=words(place))


def _profile(made: MadeProfile) -> schema.SecurityProfile:
    return schema.SecurityProfile(
        kind=made.kind,
        file=made.file,
        verified=made.verified,
        trouble=words(made.trouble),
        summary=made.summary,
        allowed=made.allowed,
        learnt=made.learnt,
        based_on=made.based_on,
        missed=made.missed,
    )


def _probes(result: Slimmed) -> schema.Probes:
    verdict = result.verdict
    return schema.Probes(
        original=tuple(plain(outcome.to_json()) for outcome in result.original.outcomes),
        slim=tuple(plain(outcome.to_json()) for outcome in verdict.outcomes),
        differences=tuple(plain(difference.to_json()) for difference in verdict.differences),
        log=tuple(map(words, verdict.log)),
        original_code=result.original.code,
        slim_code=verdict.code if result.verified else None,
    )
