"""The report's files: each is complete, or not there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from cntr_core.errors import ImageError
from cntr_core.images.write.atomic import replacing, writing
from cntr_core.reasons import reason

from ..profiles import made
from ..sbom import NAMES
from ..trace import file as traces
from ..trace.record import AccessTrace
from . import html
from .schema import Report

_log = logging.getLogger(__name__)

_LARGEST = 1 << 28
"""Bytes of a report.json: of a million paths."""
JSON, HTML, TRACE = "report.json", "report.html", "trace.jsonl.zst"


def render(report: Report) -> dict[str, bytes]:
    """The contents of report.json and report.html, by these names."""
    return {JSON: msgspec.json.encode(report) + b"\n", HTML: html.render(report).encode()}


def write_report(files: Mapping[str, bytes], trace: AccessTrace, directory: str) -> None:
    """Write a report that :func:`render` gave, and the trace, to `directory`, which is made where it is missing.

    :raises ImageError: it cannot be written.
    """
    _log.debug("write %s and the trace to %s", ", ".join(files), directory)
    with writing(directory):
        os.makedirs(directory, exist_ok=True)
    for name, content in files.items():
        with replacing(os.path.join(directory, name)) as file:
            file.write(content)
    traces.write(trace, os.path.join(directory, TRACE))
    with writing(directory):
        _remove(directory, {*NAMES, *made.NAMES} - files.keys())


def _remove(directory: str, names: Iterable[str]) -> None:
    """Documents and profiles that an earlier call has left are about other images."""
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))


def read_report(path: str) -> Report:
    """The report in the file `path`, or in the directory of that name.

    :raises ImageError: there is none, or it is damaged, or one of another version.
    """
    path = os.path.join(path, JSON) if os.path.isdir(path) else path
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ImageError(f"{path} is not a report: it has more than {_LARGEST} bytes", "name a report.json")
        return Report.from_json(msgspec.json.decode(content))
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", "make a report with cntr slim") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(f"{path} is not a report: {reason(error)}", "make a new one with cntr slim") from error
