"""Who is plainly not here answers without a process of its own, and what is not there is not loaded to say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cntr_plugins.engines.containerd.kubernetes import KubernetesEngine

from cntr_core.errors import EngineAbsent


def test_kubernetes_is_not_here_without_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runtime.sock"
    monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{path}")
    with pytest.raises(EngineAbsent, match=r"kubernetes is not running \(no socket at .*runtime\.sock\)"):
        KubernetesEngine().check_presence()
    path.touch()
    KubernetesEngine().check_presence()


def _run(script: str) -> None:
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_without_a_bus_no_library_of_d_bus_is_loaded() -> None:
    _run(
        """
import os, sys
from cntr_plugins.engines.nspawn import machined
sys.modules["jeepney"] = None  # whoever imports it fails
os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
machined._BUS = "/nonexistent/bus"
assert machined.machines() is None
os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"
try:
    machined.machines()
except ImportError:
    sys.exit(0)
sys.exit("a bus of the user's choice is not asked")
"""
    )


def test_containers_of_other_names_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("web", "web-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text("damaged")
    monkeypatch.setenv("CNTR_STATE_DIR", f"{tmp_path}")
    _run(
        """
import sys
from cntr_plugins.engines.oci.engine import OciEngine
engine = OciEngine()
assert [one.name for one in engine.find("web")] == ["web"]
assert [one.name for one in engine.find("web-")] == ["web-2"]  # its id is not known, so it is its name
assert "msgspec" in sys.modules
for name in [name for name in sys.modules if name.startswith("msgspec")]:
    del sys.modules[name]
assert list(engine.find("other")) == list(engine.find("eb-2")) == list(engine.find("root/other")) == []
assert "msgspec" not in sys.modules
assert list(engine.find("beef")) == []  # may be the beginning of an id
assert "msgspec" in sys.modules
"""
    )
