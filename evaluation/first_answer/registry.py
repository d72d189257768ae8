"""Docker's registry, and images put there with layers as registries have them: compressed by gzip."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cntr_slimmer.runs.imported import original_image

from cntr_core.images import open_image
from cntr_core.images.temporary import temporary_directory
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.pack import pack

from ..children import last_words
from ..sources import Failed

PROGRAM = "docker-registry"
PORT = 5000
_LOOPBACK = "127.0.0.1"
_PATIENCE = 60.0


@contextmanager
def serving(directory: str) -> Iterator[str]:
    """A registry with its files in `directory`, at all addresses of this network namespace; gives its ``HOST:PORT`` by
    the loopback, and ends it with the block.

    :raises Failed: it does not start.
    """
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": os.path.join(directory, "files")}},
        "http": {"addr": f":{PORT}"},
    }
    path = os.path.join(directory, "registry.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)  # JSON is YAML
    line, log = [PROGRAM, "serve", path], os.path.join(directory, "registry.log")
    with open(log, "wb") as words:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True)
    try:
        _await(process, log)
        yield f"{_LOOPBACK}:{PORT}"
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((_LOOPBACK, PORT)) == 0:
                return
        time.sleep(0.02)
    raise Failed(f"the registry does not start: {last_words(log)}")


def push(reference: str, name: str) -> int:
    """Put the image `reference` into a registry, as `name` (HOST/NAME:TAG); the bytes of its compressed layers.

    :raises CntrError: it cannot be read, or the registry refuses.
    """
    with (
        temporary_directory("cntr-push-") as (directory, _),
        open_image(reference) as image,
        open_layers(image) as layers,
    ):
        packed = pack(original_image(image.config, layers, directory), directory, Compression.GZIP)
        parse_destination(f"registry://{name}").save([("", packed)])
        return sum(layer.descriptor.size for layer in packed.layers)
