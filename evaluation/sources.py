"""Where the images of an evaluation come from: built here, or pulled from a registry."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass

from cntr_core.errors import CntrError
from cntr_core.images import open_image

from .cache import Cache, Run
from .manifest import Entry


class Failed(Exception):
    """There is nothing to judge; the text says why."""


class Source(ABC):
    """All images, each by its entry in the manifest."""

    name: str

    @abstractmethod
    def reference(self, entry: Entry) -> str:
        """The image, as cntr takes it."""

    @abstractmethod
    def fetch(self, entry: Entry) -> None:
        """Make that it can be opened; :raises Failed: it cannot be had."""

    @abstractmethod
    def digest(self, entry: Entry) -> str:
        """The manifest's; empty where the image is not there."""


@dataclass(frozen=True, slots=True)
class Local(Source):
    """Images of the corpus, made here, by `run`, where they are missing."""

    cache: Cache
    run: Run
    name: str = "local"

    def reference(self, entry: Entry) -> str:
        return self.cache.image(entry)

    def fetch(self, entry: Entry) -> None:
        if not self.cache.build(entry, self.run):
            raise Failed(f"it cannot be built: see {self.cache.log(entry, 'build')}")

    def digest(self, entry: Entry) -> str:
        index = os.path.join(self.reference(entry), "index.json")
        if not os.path.exists(index):
            return ""
        with open(index, encoding="utf-8") as file:
            return str(json.load(file)["manifests"][0]["digest"])


@dataclass(frozen=True, slots=True)
class Registry(Source):
    """The official images, or what stands below the same names in the registry `name` (``HOST[:PORT][/PREFIX]``). They
    are not kept here: cntr reads them from there."""

    name: str = "docker.io"

    def reference(self, entry: Entry) -> str:
        return f"registry://{self.name}/{entry.official}:latest"

    def fetch(self, entry: Entry) -> None:
        try:
            open_image(self.reference(entry)).blobs.close()
        except CntrError as error:
            raise Failed(f"it cannot be pulled: {error.message}") from error

    def digest(self, entry: Entry) -> str:
        try:
            with open_image(self.reference(entry)) as image:
                return image.digest
        except CntrError:
            return ""
