"""The engine keeps cntr's contract: run by `pytest`, with cntr and this distribution installed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_sample_engine import SampleEngine

from cntr_core import Engine
from cntr_core.testing import EngineContract


class TestSampleEngine(EngineContract):
    @pytest.fixture
    def engine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("SAMPLE_ENGINE_DIR", str(tmp_path))
        return SampleEngine()

    @pytest.fixture
    def running(self, tmp_path: Path) -> Iterator[str]:
        (tmp_path / "web.pid").write_text(str(os.getpid()))
        yield "web"

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("SAMPLE_ENGINE_DIR", "/no/such/directory")
        return SampleEngine()
