"""The manifest for Kubernetes: every field is one that Kubernetes has, and each pod finds its image."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cntr import cntr, output

TARGET = "registry://registry.example/slim"


def _manifest(tmp_path: Path, text: str, *options: str) -> list[dict[str, Any]]:
    (tmp_path / "images").write_text(text)
    line = ("slim", "--batch", str(tmp_path / "images"), "--job-manifest", "registry.example/cntr:1", "-o", TARGET)
    found = json.loads(output(*line, *options))
    assert found["kind"] == "List"
    return found["items"]  # type: ignore[no-any-return]  # JSON


def test_kubernetes_knows_every_field(tmp_path: Path) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.fail("pip install -e '.[dev]'")
    import kubernetes_validate

    for made in _manifest(tmp_path, "nginx --probe http:80/\n", "--timeout", "30"):
        kubernetes_validate.validate(made, "1.33", strict=True)
        made.setdefault("spec", {})["no_such_field"] = 1
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(made, "1.33", strict=True)


def test_each_pod_does_one_image_from_registry_to_registry(tmp_path: Path) -> None:
    text = "nginx:1 --probe 'exec:a b'\nquay.io/shop/web\nregistry://localhost:5000/x sh -c '$(y)'\n"
    images, job = _manifest(tmp_path, text, "--jobs", "2", "--no-rule=$(x)")
    assert images["data"]["images"].splitlines() == [
        "registry://docker.io/nginx:1 --probe 'exec:a b'",
        "registry://quay.io/shop/web",
        "registry://localhost:5000/x sh -c '$(y)'",
    ]
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 2)
    assert (spec["backoffLimitPerIndex"], spec["template"]["spec"]["restartPolicy"]) == (1, "Never")
    [container] = spec["template"]["spec"]["containers"]
    assert container["command"] == [
        *("cntr", "slim", "--batch=/etc/cntr/images", "--index=$(JOB_COMPLETION_INDEX)"),
        *(f"--output={TARGET}", "--report=/scratch/report", "--no-rule=$$(x)"),
    ]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("./nginx.tar", "./nginx.tar is not in a registry"),
        ("docker://web", "docker://web is not in a registry"),
        ("web sh -c 'a\nb'", "a quote is not closed"),
        ("web --no-such-option", "no such option"),
        ("web --output x", "for all images"),
        ("web --help", "no such option"),
    ],
)
def test_what_a_pod_cannot_do_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "images").write_text(text)
    done = cntr("slim", "--batch", str(tmp_path / "images"), "--job-manifest", "cntr:1", "-o", TARGET)
    assert (done.returncode, done.stdout) == (125, b"")
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    "options",
    [
        ("image.tar",),
        ("--slim-name", "x"),
        ("--fat-output", "x.tar"),
        ("--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"),
        ("--job-manifest", "cntr:1"),
        ("--output", "x.tar"),
        ("--index", "7"),
    ],
)
def test_options_that_contradict_a_batch_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "images").write_text("none.tar\n")
    report = str(tmp_path / "report")
    done = cntr("slim", "--batch", str(tmp_path / "images"), "--report", report, *options)
    assert done.returncode == 125
    assert done.stderr.decode().count("\n") == 2, "one sentence and a hint"
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("options", [("--jobs", "2"), ("--resume",), ("--index", "0"), ("--scheduler", "tcp://x:1")])
def test_options_of_a_batch_are_refused_without_one(options: tuple[str, ...]) -> None:
    done = cntr("slim", "none.tar", *options)
    assert (done.returncode, b"add --batch FILE" in done.stderr) == (125, True)


def test_neither_yaml_nor_dask_is_loaded_for_other_commands() -> None:
    code = (
        "import sys; sys.argv = ['cntr', 'slim', '--help']\n"
        "from cntr_core.cli import app\n"
        "try: app.build()(standalone_mode=False)\n"
        "finally: print([name for name in ('yaml', 'distributed', 'dask') if name in sys.modules], file=sys.stderr)"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"
