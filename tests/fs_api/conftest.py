"""A server makes files by the umask of who asks, and these tests are the server's process."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """What a test makes of the umask ends with it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
