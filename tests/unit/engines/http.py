"""HTTP servers of our own at a socket, which answer as other versions of LXD and Incus do, or as nothing sane would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tests.support.recorded import fixture
from tests.support.sockets import serving_http


def recorded(name: str) -> Any:
    """The JSON of a fixture."""
    return json.loads(fixture(name))


def serving_json(path: str, answers: Mapping[str, Any]) -> AbstractContextManager[None]:
    """A server with an answer for each path of GET requests, whatever their parameters; bytes are sent as they are.
    Paths without an answer have LXD's error."""

    def answer(path: str) -> tuple[int, bytes]:
        asked = path.partition("?")[0]
        known = answers.get(asked, recorded("lxd/lxd-5.0-error.json"))
        return 200 if asked in answers else 404, known if isinstance(known, bytes) else json.dumps(known).encode()

    return serving_http(path, answer)
