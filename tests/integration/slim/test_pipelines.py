"""The snippets for pipelines: what each has for a shell is run, with a gate that holds and with one that does not."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import PROGRAM
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

_PLACE = Path(__file__).parents[3] / "packaging/ci"


def _document(name: str) -> Any:
    return yaml.safe_load((_PLACE / name).read_text())


def _action() -> str:
    return str(_document("action.yml")["runs"]["steps"][-1]["run"])


def _gitlab() -> str:
    return "\n".join(_document("gitlab.yml")[".cntr-slim"]["script"])


def _jenkins() -> str:
    (script,) = re.findall(r"sh '''\n(.*?)'''", (_PLACE / "Jenkinsfile").read_text(), re.DOTALL)
    return str(script)


@pytest.mark.parametrize("script", [_action, _gitlab, _jenkins])
def test_a_pipeline_slims_and_fails_at_a_gate(script: Callable[[], str], slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/used", file("data/used", b"u"), file("data/large", b"l" * 5_000_000))
    Path(image).rename(slim.place / "my image")
    for gate, code in (("4.5MB", 0), ("10k", 125)):
        config = f"probe: exit\nno-rule: application\nmax-size: {gate}\n"
        (slim.place / "slim.yaml").write_text(config)
        done = subprocess.run(
            ["bash", "-e", "-c", script()],
            cwd=slim.place,
            env={
                **slim.environment,
                "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}",
                "CNTR_IMAGE": "my image",
                "CNTR_OUTPUT": "my output.tar",
                "CNTR_CONFIG": "slim.yaml",
                "CNTR_OPTIONS": "\n--config=slim.yaml\r\n  -e A=a b \n--squash \n--last-layers  0\n",
                "CNTR_REPORT": "cntr-report",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        assert (slim.place / "my output.tar").exists()  # of the run that was good
        suites = ElementTree.parse(slim.place / "cntr-report/junit.xml").getroot()
        assert suites.get("failures") == str(int(code != 0))


def test_the_action_hands_its_inputs_on_by_the_environment_alone() -> None:
    """What an input says is no part of a script."""
    document = _document("action.yml")
    used = set()
    for step in document["runs"]["steps"]:
        assert "${{" not in step["run"]
        used |= {value.strip("${} ").removeprefix("inputs.") for value in step["env"].values()}
    assert used == set(document["inputs"])
