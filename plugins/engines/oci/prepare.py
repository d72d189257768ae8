"""From an image to a bundle that only waits for its runtime."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import uuid
from collections.abc import Sequence

from cntr_core.dataclass import dataclass, field
from cntr_core.images import Image, ImageHolder, absolute, open_fat, open_image, unpack, unpacked
from cntr_core.kernel.process import boot_id
from cntr_core.kernel.syscall import owned
from cntr_core.kernel.user_namespaces import enter_with_subordinates
from cntr_core.plugins import load
from cntr_core.room import room
from cntr_core.runtime import BundleRequest, RuntimeOptions, arguments, need_runtime, stop_signal, write_bundle
from cntr_core.timing import timed

from . import state
from .remove import discard
from .state import ContainerDirectory, ContainerRecord

_log = logging.getLogger(__name__)

_LONGEST_BASE = 40


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """What the user asked for, and what of it the runtime is told; an empty `name` is derived from the image's.
    `fallback` is None, or the fat half to serve below: a reference, "" for what the image's labels name; `misses` is
    the file for what came from it."""

    image: str
    name: str = ""
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    fallback: str | None = None
    misses: str = ""


def new_directory(options: ContainerOptions) -> ContainerDirectory:
    """A directory with the name asked for, or the first free one that tells the image.

    :raises UsageError: the name is taken or malformed.
    """
    if options.name:
        return state.create(options.name)
    base = _base_name(options.image)
    taken = {directory.name for directory in state.directories()}
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return state.create(next(name for name in candidates if name not in taken))


def create(directory: ContainerDirectory, options: ContainerOptions) -> ContainerRecord:
    """A container that waits to be started. An ordinary user is root of a user namespace while it is made, for good;
    engines are asked for the image before.

    :raises CntrError: it cannot be made, and nothing of it is left.
    """
    engines = load().engines
    try:
        program = need_runtime()
        with room(state.state_directory(), "CNTR_STATE_DIR"), open_image(options.image, engines=engines) as image:
            record = _new_record(directory, image, options, program)
            if os.geteuid() != 0:
                enter_with_subordinates()
            return _fill(directory, record, image, options, engines)
    except BaseException:
        discard(directory, None)
        raise


def _new_record(
    directory: ContainerDirectory, image: Image, options: ContainerOptions, program: str
) -> ContainerRecord:
    """What is to be remembered of a container of `image` that is not there yet; `program` is its OCI runtime.

    :raises CntrError: there is nothing to run: better now than after a minute of unpacking.
    """
    arguments(image.config, options.runtime)
    return ContainerRecord(
        id=uuid.uuid4().hex,
        name=directory.name,
        image=absolute(image.reference),
        runtime=program,
        stop_signal=stop_signal(image.config.stop_signal),
        boot=boot_id(),
        labels=dict(image.config.labels),
    )


def _fill(
    directory: ContainerDirectory,
    record: ContainerRecord,
    image: Image,
    options: ContainerOptions,
    engines: Sequence[ImageHolder],
) -> ContainerRecord:
    """Unpack the image and write the bundle, as root, be it that of a user namespace.

    :raises CntrError: the image cannot be read, or not be run; what was written stays, for the caller to remove.
    """
    if options.fallback is not None:
        record = _with_fat(directory, record, options, engines)
    with timed(_log, "unpack %s to %s", image.reference, directory.path):
        unpack(image, directory.file("rootfs"))
    wanted = BundleRequest(directory.name, f"/{record.id}", options.runtime)
    with owned(os.open(directory.file("rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as root:
        write_bundle(directory.path, root, image.config, wanted)
    return record


def _with_fat(
    directory: ContainerDirectory, record: ContainerRecord, options: ContainerOptions, engines: Sequence[ImageHolder]
) -> ContainerRecord:
    what, wanted = f"image {record.image}", options.fallback or ""
    with open_fat(what, record.image, record.labels, wanted, engines) as fat:
        misses = os.path.abspath(options.misses) if options.misses else directory.file("misses")
        return dataclasses.replace(record, fat=unpacked(fat), misses=misses)


def _base_name(image: str) -> str:
    """What is a name in the image's: ``/tmp/nginx.tar:latest`` is nginx."""
    last = re.sub(r"[:@].*", "", image.rstrip("/").rpartition("/")[2])
    last = re.sub(r"(\.tar)?(\.(gz|xz|zst|tgz|oci))?$", "", last)
    return re.sub(r"[^A-Za-z0-9_.-]|^[^A-Za-z0-9]+", "", last)[:_LONGEST_BASE] or "container"
