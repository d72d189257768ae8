"""Contract tests for authors of engines and filesystems. Needs pytest, and is imported by tests only.

Derive a class whose name begins with ``Test``, override the fixtures, and pytest runs what cntr relies on::

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def engine(self) -> Engine:
            return MyEngine()

        @pytest.fixture
        def running(self) -> str:
            return "the name of a container that runs now"

`EngineContract` asks an engine for its containers, `SessionContract` enters one of them by the program ``cntr``, and
`FilesystemContract` mounts by a backend. The built-in engines and filesystems pass the same classes.
"""

from __future__ import annotations

from .engine import EngineContract
from .filesystem import FilesystemContract
from .session import SessionContract

__all__ = ["EngineContract", "FilesystemContract", "SessionContract"]
