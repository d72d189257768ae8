"""The engine keeps cntr's contract: run by `pytest`, with cntr and this distribution installed."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_sample_engine import SampleEngine

from cntr_core import Engine
from cntr_core.testing import EngineContract, SessionContract


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


class TestSampleSession(SessionContract):
    """The container is a process with mounts and a hostname of its own."""

    @pytest.fixture
    def pid(self) -> Iterator[int]:
        with subprocess.Popen(["unshare", "--mount", "--uts", "sleep", "1000000"]) as process:
            while not os.readlink(f"/proc/{process.pid}/exe").endswith("/sleep"):
                time.sleep(0.01)
            yield process.pid
            process.kill()

    @pytest.fixture
    def reference(self, pid: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("SAMPLE_ENGINE_DIR", str(tmp_path))
        (tmp_path / "web.pid").write_text(str(pid))
        return "sample://web"
