"""What LXC's tools print, as values."""

from __future__ import annotations

import pytest
from cntr_plugins.engines.lxc import LxcEngine, rows

from cntr_core.errors import EngineError
from tests.support.recorded import fixture


def _recorded() -> str:
    return fixture("lxc/ls-5.0").decode()


def test_names_may_hold_blanks_and_be_longer_in_bytes_than_in_letters() -> None:
    found = {row["NAME"]: (row["STATE"], row["PID"], row["GROUPS"]) for row in rows(_recorded())}
    assert found == {
        "a name with blanks": ("STOPPED", "", ""),
        "grün": ("STOPPED", "", ""),
        "stopped": ("STOPPED", "", ""),
        "web": ("RUNNING", "4711", "one,two"),
    }


def test_without_containers_nothing_is_printed() -> None:
    assert list(rows("")) == []


@pytest.mark.parametrize("table", ["lxc-ls: no such option\n", "NAME STATE PID\nweb RUNNING 1\n"])
def test_other_tables_are_refused(table: str) -> None:
    with pytest.raises(EngineError, match="an unexpected table"):
        list(rows(table))


def test_a_directory_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    status = LxcEngine().status()
    assert (status.available, status.detail, status.hint) == (
        False, "lxc is not installed (no lxc-ls)", "install lxc",
    )  # fmt: skip
