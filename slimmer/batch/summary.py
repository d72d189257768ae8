"""What became of a batch, as batch.json: complete after each image, so that an interrupted batch can go on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from cntr_core.errors import ImageError
from cntr_core.images.streams import digest_of
from cntr_core.images.write.atomic import replacing, writing
from cntr_core.reasons import reason
from cntr_core.version import version

from ..report.schema import Report
from ..report.write import JSON
from .job import Result

SCHEMA = "cntr-batch/1"
FILE = "batch.json"
SLIMMED, FAILED, UNCHANGED, WAITING = "slimmed", "failed", "unchanged", "waiting"
"""What became of an image; it is `UNCHANGED` where an earlier call slimmed it already."""
_LARGEST = 1 << 28


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An image: the `words` of its call of ``cntr slim``, `where` they stand, and what became of it. Sizes are in bytes
    of files, `seconds` of the try that counts; `source` and `slim`, `fat` are digests, of the image as it was and as it
    is now at `destination`; `report` is a directory."""

    image: str
    words: tuple[str, ...]
    where: str
    destination: str
    report: str
    status: str
    source: str = ""
    slim: str = ""
    fat: str = ""
    bytes: int = 0
    kept_bytes: int = 0
    error: dict[str, str] | None = None
    tries: int = 0
    seconds: float = 0.0
    worker: str = ""

    def with_result(self, result: Result, tries: int) -> Entry:
        """The entry when its job is done."""
        told = {"tries": tries, "seconds": result.seconds, "worker": result.worker}
        if result.error is not None:
            return msgspec.structs.replace(self, status=FAILED, error=dict(result.error), **told)
        report = Report.from_json(msgspec.json.decode(result.files[JSON]))
        slim, fat = report.halves
        return msgspec.structs.replace(
            self,
            status=SLIMMED,
            source=self.source or report.digest,
            slim=slim.digest,
            fat=fat.digest,
            bytes=report.content.bytes,
            kept_bytes=report.content.kept_bytes,
            **told,
        )


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All images of a batch, in its order."""

    schema: str = SCHEMA
    cntr: str = ""
    images: tuple[Entry, ...]


def write_summary(entries: Sequence[Entry], directory: str) -> Summary:
    """Write batch.json to `directory`, which is made where it is missing; :raises ImageError: it cannot be written."""
    summary = Summary(cntr=version(), images=tuple(entries))
    _write({FILE: msgspec.json.format(msgspec.json.encode(summary)) + b"\n"}, directory)
    return summary


def write_files(result: Result, directory: str) -> None:
    """Write the files of a report, if there are any; :raises ImageError: they cannot be written."""
    if result.files:
        _write(result.files, directory)


def _write(files: Mapping[str, bytes], directory: str) -> None:
    with writing(directory):
        os.makedirs(directory, exist_ok=True)
    for name, content in files.items():
        with replacing(os.path.join(directory, name)) as file:
            file.write(content)


def read_summary(directory: str) -> Summary | None:
    """What an earlier call wrote to `directory`; None where there is nothing, or it is of another version of cntr.

    :raises ImageError: it is damaged.
    """
    path = os.path.join(directory, FILE)
    try:
        with open(path, "rb") as file:
            summary = msgspec.json.decode(file.read(_LARGEST), type=Summary)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", "leave --resume out") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ImageError(f"{path} is damaged: {reason(error)}", "leave --resume out") from error
    return summary if (summary.schema, summary.cntr) == (SCHEMA, version()) else None


def source_of_file(path: str) -> str:
    """What changes when the image in the file or layout `path` does; empty where there is none."""
    index = os.path.join(path, "index.json")
    try:
        if os.path.isdir(path):
            with open(index, "rb") as file:
                return digest_of(file.read(_LARGEST))
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_size} bytes of {status.st_mtime_ns}"
